"""The double's HTTP side: tokens, scopes, limits and faults before a Web API method, and what else is on slack.com."""

import asyncio
import base64
import json
import time
from collections import defaultdict
from dataclasses import dataclass
from html import escape
from math import ceil
from typing import Any
from urllib.parse import urlencode

import slack_double_messages  # its import registers the methods of messages
from aiohttp import web
from slack_double_api import METHODS, PARSED, all_scopes, require_scope, scope_of
from slack_double_blocks import Json
from slack_double_rules import RateLimits, Refused
from slack_double_wire import Delivery, Wire
from slack_double_workspace import Call, Workspace

APP_METHODS = {"apps.connections.open"}  # take the app's token
OPEN_METHODS = {"oauth.v2.access"}  # take none


@dataclass
class Fault:
    """What becomes of the next calls of a method: an answer, or (status None) a dropped connection."""

    status: int | None
    times: int
    retry_after: int = 1
    error: str | None = None
    after_doing: bool = False
    seconds: float = 0  # to wait first


class Server:
    """Serves one workspace."""

    def __init__(self, workspace: Workspace, wire: Wire, *, tiers: bool) -> None:
        self.workspace, self.wire, self.limits = workspace, wire, RateLimits() if tiers else None
        self.faults: dict[str, list[Fault]] = defaultdict(list)
        self.root = ""
        workspace.scopes = all_scopes()
        site = web.Application(client_max_size=2**23)
        site.add_routes(
            [
                web.route("*", "/api/{method}", self.call),
                web.get("/link", wire.sockets.serve),
                web.post("/response/{id}", self.respond),
                web.get("/files/{id}/{name}", self.download),
                web.get("/oauth/v2/authorize", self.authorize),
            ]
        )
        self._runner = web.AppRunner(site, shutdown_timeout=0.5)

    async def start(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.root = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        await self._runner.cleanup()

    # the Web API

    async def call(self, request: web.Request) -> web.StreamResponse:
        name, args = request.match_info["method"], await arguments(request)
        fault = next((each for each in self.faults[name] if each.times > 0), None)
        if fault:
            fault.times -= 1
            await asyncio.sleep(fault.seconds)
        status, headers = 200, {"x-oauth-scopes": ",".join(sorted(self.workspace.scopes))}
        body: Json = {"ok": True}
        try:
            if fault and not fault.after_doing:
                status = self._suffer(fault)
            body |= self._run(name, args) if status == 200 else {}
        except Refused as refusal:
            body = refusal.body
            if body["error"] == "ratelimited":
                status, headers["Retry-After"] = 429, str(body.pop("retry_after"))
        dropped, team = fault is not None and fault.status is None, self.workspace.tokens.get(args.get("token", ""))
        error = "reset" if dropped else body.get("error") or (str(status) if status != 200 else None)
        self.workspace.calls.append(Call(name, args, time.monotonic(), error, team))
        self._tell_the_app()
        if dropped and request.transport:
            request.transport.abort()
        if status >= 500:
            return web.Response(status=status, text="<html>Server Error</html>", content_type="text/html")
        return web.json_response(body, status=status, headers=headers)

    def _suffer(self, fault: Fault) -> int:
        """Answers with the fault; what is only slow goes on."""
        if fault.status == 429:
            raise Refused("ratelimited", retry_after=fault.retry_after)
        if fault.error or fault.status is None:
            raise Refused(fault.error or "reset")
        return fault.status

    def _run(self, name: str, args: Json) -> Json:
        self._admit(name, args)
        if name in APP_METHODS:
            ticket = self.workspace.new_id("ticket")
            self.wire.sockets.tickets.add(ticket)
            return {"url": f"{self.root.replace('http', 'ws')}/link?ticket={ticket}"}
        missing = [each for each in METHODS[name].needs if args.get(each) in (None, "")]
        if missing:
            raise Refused("invalid_arguments", *(f"missing required field: {each}" for each in missing))
        return METHODS[name].run(self.workspace, args)

    def _admit(self, name: str, args: Json) -> None:
        """Checks token, scope and rate, in Slack's order (memory)."""
        token, known = args.get("token"), self.workspace
        if name not in METHODS and name not in APP_METHODS:
            raise Refused("unknown_method", req_method=name)
        if name not in OPEN_METHODS:
            if not token:
                raise Refused("not_authed")
            if token != known.app_token and token not in known.tokens:
                raise Refused("account_inactive" if token in known.revoked else "invalid_auth")
            if (token == known.app_token) != (name in APP_METHODS):
                raise Refused("not_allowed_token_type")
        if name in APP_METHODS:
            tier: int | None = 1
        else:
            require_scope(known, scope_of(known, name, args))
            tier = METHODS[name].tier
        team, channel = known.tokens.get(str(token), ""), str(args.get("channel"))
        if self.limits and (wait := self.limits.wait(team, name, channel, tier, known.minute)):
            raise Refused("ratelimited", retry_after=ceil(wait))

    def _tell_the_app(self) -> None:
        for event in self.workspace.outbox:
            if self.workspace.wants(event):
                self.wire.deliver(Delivery("events_api", self.workspace.wrapped(event)), quietly=True)
        self.workspace.outbox.clear()

    # what else is on slack.com

    async def respond(self, request: web.Request) -> web.Response:
        target = self.workspace.responses.get(request.match_info["id"])
        fault = next((each for each in self.faults["response_url"] if each.times > 0), None)
        if fault:
            fault.times -= 1
            if fault.status is None and request.transport:
                request.transport.abort()
            return web.Response(status=fault.status or 500)
        try:
            if target is None:
                raise Refused("no_such_url")
            slack_double_messages.respond_by_url(self.workspace, target, await request.json())
        except Refused as refusal:
            return web.json_response(refusal.body, status=404)
        return web.Response(text="ok")

    async def download(self, request: web.Request) -> web.Response:
        """The bytes of a file; to whom shows no token, a page to sign in, with status 200."""
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        about, content = self.workspace.files.get(request.match_info["id"], ({}, b""))
        if token not in self.workspace.tokens or "files:read" not in self.workspace.scopes or not about:
            return web.Response(text="<!DOCTYPE html><html><title>Sign in</title></html>", content_type="text/html")
        return web.Response(body=content, content_type=about["mimetype"])

    async def authorize(self, request: web.Request) -> web.Response:
        """The page that asks whether to install the app; its link is Allow."""
        query = request.query
        if query.get("client_id") != self.workspace.client_id:
            return web.Response(text="Invalid client_id", status=400)
        code = self.workspace.new_id("code")
        self.workspace.codes[code] = query.get("team") or self.workspace.team
        target = f"{query.get('redirect_uri', '')}?{urlencode({'code': code, 'state': query.get('state', '')})}"
        return web.Response(text=f'<a id="allow" href="{escape(target)}">Allow</a>', content_type="text/html")


async def arguments(request: web.Request) -> Json:
    """From the query, a form or JSON; the token may be in a header, the app's secret in another."""
    args: Json = dict(request.query)
    if request.content_type == "application/json":
        method = METHODS.get(request.match_info["method"])
        args |= await request.json() if method is None or method.reads_json else {}
    else:
        args |= dict(await request.post())
    for name in PARSED:
        if isinstance(args.get(name), str):
            args[name] = _parsed(args[name])
    kind, _, value = request.headers.get("Authorization", "").partition(" ")
    if kind == "Bearer":
        args["token"] = value
    elif kind == "Basic":
        args["client_id"], _, args["client_secret"] = base64.b64decode(value).decode().partition(":")
    return args


def _parsed(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value  # the check of its type refuses it
