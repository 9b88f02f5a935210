"""A company's sign-in on this machine: OpenID Connect as far as the console needs it, and as far as it can go wrong."""

import base64
import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "pointsman", "very-secret"


@dataclass
class FakeIssuer:
    """Signs in whoever is named in *person*; *lies* take the place of claims in the token."""

    person: dict[str, Any] = field(
        default_factory=lambda: {"sub": "42", "email": "Ada@Example.com", "email_verified": True}
    )
    lies: dict[str, Any] = field(default_factory=dict)
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one"}))
    signs_with: RSAKey | None = None
    claims_to_be: str = ""
    url: str = ""
    waiting: dict[str, dict[str, str]] = field(default_factory=dict)  # by code: what the browser came with

    async def metadata(self, request: web.Request) -> web.Response:
        return web.json_response(
            {
                "issuer": self.claims_to_be or self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
            }
        )

    def authorize(self, query: dict[str, str]) -> dict[str, str]:
        """What the browser brings back from the company's page, where it came with *query*."""
        code = f"code-{len(self.waiting)}"
        self.waiting[code] = query
        return {"code": code, "state": query["state"]}

    async def token(self, request: web.Request) -> web.Response:
        form = await request.post()
        asked = self.waiting.pop(str(form["code"]), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(str(form.get("code_verifier")).encode()).digest())
        known = (
            request.headers.get("Authorization") == "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        )
        if asked is None or not known or challenge.decode().rstrip("=") != asked["code_challenge"]:
            return web.json_response({"error": "invalid_grant"}, status=400)
        claims = {
            "iss": self.url,
            "aud": CLIENT,
            "exp": int(time.time()) + 60,
            "iat": int(time.time()),
            "nonce": asked["nonce"],
        }
        signed = jwt.encode(
            {"alg": "RS256", "kid": "one"}, claims | self.person | self.lies, self.signs_with or self.key
        )
        return web.json_response({"access_token": "a", "token_type": "Bearer", "id_token": signed})

    async def keys(self, request: web.Request) -> web.Response:
        return web.json_response({"keys": [self.key.as_dict(private=False)]})


@asynccontextmanager
async def open_issuer() -> AsyncIterator[FakeIssuer]:
    issuer, server = FakeIssuer(), web.Application()
    server.router.add_get("/.well-known/openid-configuration", issuer.metadata)
    server.router.add_post("/token", issuer.token)
    server.router.add_get("/keys", issuer.keys)
    async with TestServer(server) as served:
        issuer.url = str(served.make_url("")).rstrip("/")
        yield issuer
