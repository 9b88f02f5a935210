"""Sign-in with the company's accounts: OpenID Connect, authorization code flow with PKCE."""

import base64
import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bot.console.sessions import same
from bot.errors import SignInError
from bot.settings import OidcSettings

COOKIE = "pointsman_company"
CALLBACK = "/signin/company/back"
SECONDS = 600  # that somebody has at the company's page
SCOPES = "openid email profile"
ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]
PATIENCE = 10.0  # seconds for one answer of the issuer


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """Somebody who is sent to the company's page, and what has to come back with them."""

    state: str
    nonce: str
    verifier: str
    next: str  # where they wanted to go

    def to_cookie(self) -> str:
        """It stays in the browser that departs: a code that was issued to another is refused."""
        values = [self.state, self.nonce, self.verifier, self.next]
        return base64.urlsafe_b64encode(json.dumps(values).encode()).decode()

    @classmethod
    def from_cookie(cls, cookie: str) -> "Departure":
        """Raises: SignInError if it holds no departure."""
        try:
            state, nonce, verifier, after = json.loads(base64.urlsafe_b64decode(cookie))
        except ValueError as exc:
            raise SignInError("the sign-in took too long or began in another browser; begin it again") from exc
        return cls(state=str(state), nonce=str(nonce), verifier=str(verifier), next=str(after))


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """Who came back."""

    subject: str  # issuer and subject: what never changes about an account
    email: str  # lower case; empty where the issuer has not verified it


@dataclass(frozen=True)
class CompanySignIn:
    """One issuer, asked anew at each sign-in: what it offers and its keys may change."""

    settings: OidcSettings
    callback: str  # the whole address

    async def depart(self, after: str) -> tuple[str, Departure]:
        """
        Where to send somebody who wants to go to *after*, and what to remember.

        Raises: SignInError.
        """
        departure = Departure(
            state=secrets.token_urlsafe(24),
            nonce=secrets.token_urlsafe(24),
            verifier=secrets.token_urlsafe(48),
            next=after,
        )
        with _ours():
            async with self._client() as client:
                known = await self._metadata(client)
                address, _ = client.create_authorization_url(
                    known["authorization_endpoint"],
                    state=departure.state,
                    nonce=departure.nonce,
                    code_verifier=departure.verifier,
                )
        return str(address), departure

    async def arrive(self, departure: Departure, query: Mapping[str, str]) -> Arrival:
        """
        Who came back with *query*.

        Raises: SignInError if nobody did, or not the one who departed.
        """
        if not same(query.get("state", ""), departure.state):
            raise SignInError("the sign-in took too long or began in another browser; begin it again")
        if "code" not in query:
            reason = query.get("error_description") or query.get("error") or "no reason given"
            raise SignInError(f"the company's sign-in refused: {reason[:200]}")
        with _ours():
            async with self._client() as client:
                known = await self._metadata(client)
                token = await client.fetch_token(
                    known["token_endpoint"], code=query["code"], code_verifier=departure.verifier
                )
                keys = (await client.request("GET", known["jwks_uri"], withhold_token=True)).raise_for_status().json()
            claims = self._claims(token["id_token"], keys, departure.nonce)
        verified = claims.get("email_verified") is True
        return Arrival(
            subject=f"{self.settings.issuer}|{claims['sub']}",
            email=str(claims.get("email", "")).strip().lower() if verified else "",
        )

    def _client(self) -> Any:
        from authlib.integrations.httpx_client import AsyncOAuth2Client

        secret = self.settings.client_secret
        return AsyncOAuth2Client(
            self.settings.client_id,
            secret.get_secret_value() if secret else None,
            token_endpoint_auth_method="client_secret_basic" if secret else "none",
            scope=SCOPES,
            redirect_uri=self.callback,
            code_challenge_method="S256",
            timeout=PATIENCE,
        )

    async def _metadata(self, client: Any) -> Mapping[str, str]:
        address = f"{self.settings.issuer}/.well-known/openid-configuration"
        found = (await client.request("GET", address, withhold_token=True)).raise_for_status().json()
        if str(found["issuer"]).rstrip("/") != self.settings.issuer:
            raise SignInError(f"{address} is of another issuer, {found['issuer']!r}; correct [console.oidc] issuer")
        return dict(found)

    def _claims(self, token: str, keys: Any, nonce: str) -> Mapping[str, Any]:
        from joserfc import jwt
        from joserfc.jwk import KeySet

        claims = jwt.decode(token, KeySet.import_key_set(keys), algorithms=ALGORITHMS).claims
        jwt.JWTClaimsRegistry(
            leeway=60,
            iss={"essential": True, "values": [self.settings.issuer, f"{self.settings.issuer}/"]},
            aud={"essential": True, "value": self.settings.client_id},
            sub={"essential": True},
            exp={"essential": True},
            nonce={"essential": True, "value": nonce},
        ).validate(claims)
        return dict(claims)


@contextmanager
def _ours() -> Iterator[None]:
    """Whatever goes wrong between us and the issuer leaves as a SignInError."""
    import httpx2
    from authlib.common.errors import AuthlibBaseError
    from joserfc.errors import JoseError

    try:
        yield
    except (httpx2.HTTPError, AuthlibBaseError, JoseError, KeyError, ValueError) as exc:
        reason = str(exc) or type(exc).__name__
        raise SignInError(f"the company's sign-in failed ({reason[:200]}); try again, or ask an admin") from exc
