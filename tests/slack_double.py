"""
Our double of Slack at the wire: a server on 127.0.0.1 that the real slack-bolt and slack-sdk talk to.

    async with SlackDouble(team="T1") as slack:
        slack.add_user("U1", "ada")
        slack.add_channel("C1")
        ...  # start the app with slack.url, slack.bot_token, slack.app_token
        ts = await slack.says("U1", "C1", "<@UBOT> When is my refund?")
        await slack.until(lambda: slack.answers("C1", ts))
        slack.assert_clean()

What people do is here; slack_double_workspace.py is what Slack remembers, _api and _messages what the Web API does,
_rules and _blocks what it refuses, _people what it makes of input, _server its HTTP side, _wire how events travel.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from html import unescape
from types import TracebackType
from typing import Any, Self

import aiohttp
from patience import PATIENCE
from slack_double_api import show
from slack_double_blocks import Json, elements_of
from slack_double_messages import respond
from slack_double_people import chosen, rich_text, state_of
from slack_double_rules import Refused, escaped
from slack_double_server import Fault, Server
from slack_double_wire import Answer, Delivery, Wire
from slack_double_workspace import APP, Call, Posted, Trigger, Workspace
from yarl import URL

__all__ = ["Answer", "Call", "Posted", "SlackDouble"]


class SlackDouble(Workspace):
    """One Slack workspace with our app in it."""

    def __init__(self, team: str = "T1", *, tiers: bool = False) -> None:
        super().__init__(team)
        self.wire = Wire(self)
        self.server = Server(self, self.wire, tiers=tiers)
        self.acks, self.sockets = self.wire.acks, self.wire.sockets
        self.duplicate_next = False

    async def __aenter__(self) -> Self:
        await self.server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.wire.close()
        await self.server.close()

    @property
    def url(self) -> str:
        """What goes to `[slack] api_base_url`."""
        return f"{self.server.root}/api/"

    @property
    def mode(self) -> str:
        return "http" if self.wire.url else "socket"

    # how events travel

    async def use_http(self, events_url: str) -> None:
        """From now on everything is sent to *events_url*."""
        self.wire.url = events_url

    async def verifies_url(self) -> bool:
        """Whether the app answers the challenge that Slack sends when its URL is saved."""
        challenge = self.new_id("challenge")
        answer = await self.post_signed({"type": "url_verification", "challenge": challenge, "token": "verification"})
        return answer.status == 200 and challenge in answer.text

    async def post_signed(self, body: str | bytes | Json, **how: Any) -> Answer:
        """How: content_type, secret, age (seconds), headers."""
        return await self.wire.post_signed(body, **how)

    async def replay(self) -> Answer:
        """Sends the very same signed request as the last time."""
        return await self.wire.replay()

    async def deliver(
        self, event: Json, *, event_id: str | None = None, retry_num: int = 0, team: str | None = None
    ) -> str:
        """Sends any event; returns its id."""
        payload = self.wrapped(event, event_id=event_id, team=team)
        delivery = Delivery("events_api", payload, retry_num, "timeout" if retry_num else "")
        for _ in range(2 if self.duplicate_next else 1):
            self.wire.deliver(delivery)
        self.duplicate_next = False
        await asyncio.sleep(0)
        return str(payload["event_id"])

    async def redeliver(self, n: int = -1) -> None:
        """Sends an earlier event again, as a retry: -1 is the last one sent."""
        events = [each for each in self.wire.history if each.kind == "events_api"]
        self.wire.deliver(events[n].again("timeout"))
        await asyncio.sleep(0)

    async def drop_sockets(self, reason: str | None = None, *, abruptly: bool = False) -> None:
        """
        Closes all connections.

        With a *reason* ("warning", "refresh_requested") the app is asked to reconnect; *abruptly*: the network fails.
        """
        await self.sockets.drop(reason, abruptly=abruptly)

    async def settle(self) -> None:
        """Returns when all events so far were acknowledged, or given up."""
        await self.wire.settle()

    async def until(self, condition: Callable[[], object], seconds: float = PATIENCE) -> None:
        """Waits for *condition*; fails with what was noticed so far."""
        late = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > late:
                raise AssertionError(f"did not happen within {seconds} s; noticed: {self.problems}")
            await asyncio.sleep(0.01)

    def assert_clean(self) -> None:
        """Fails if a rule was broken that Slack punishes by silence, or something was left on; after settle()."""
        noticed = self.problems + self.unfinished()
        assert not noticed, "\n".join(noticed)

    # faults

    def fail(
        self, method: str, status: int = 429, times: int = 1, retry_after: int = 1, error: str | None = None
    ) -> None:
        """The next calls of *method* get this status, or `ok: false` with *error*."""
        self.server.faults[method].append(Fault(200 if error else status, times, retry_after, error))

    def reset(self, method: str, times: int = 1, *, after_doing: bool = False) -> None:
        """The connection drops before the answer; *after_doing*: when the work is done."""
        self.server.faults[method].append(Fault(None, times, after_doing=after_doing))

    def slow(self, method: str, seconds: float, times: int = 1) -> None:
        self.server.faults[method].append(Fault(200, times, seconds=seconds))

    def expire_streams(self) -> None:
        """Slack ends the streams that run; the app finds out when it writes."""
        for posted in self.posts:
            posted.streaming = False

    # what people do: messages

    async def _tells(self, event: Json, channel: str | None = None, team: str | None = None) -> None:
        """The app hears of *event*, if it is in the channel and asked for such events."""
        if self.wants(event) and (channel is None or self.bot_user in self.channels[channel].members):
            await self.deliver({**event, "event_ts": event.get("event_ts") or self.new_ts()}, team=team)

    async def says(
        self,
        user: str,
        channel: str,
        text: str,
        *,
        thread_ts: str | None = None,
        files: Sequence[str] = (),
        subtype: str | None = None,
        edited: bool = False,
        team: str | None = None,
    ) -> str:
        """
        Sends `message`, and `app_mention` where one is due; returns the ts.

        Who speaks in a channel is a member from then on; *files* are ids of add_file.
        """
        self.channels[channel].members.add(user)
        posted = Posted(channel=channel, ts=self.new_ts(), user=user, text=escaped(text), thread_ts=thread_ts)
        posted.blocks, posted.team, posted.edits = self.with_ids([rich_text(text)]), team or self.team, int(edited)
        posted.files = [self.files[each][0] for each in files]
        posted.subtype = subtype or ("file_share" if files else None)
        message = self.message_json(self.keep(posted)) | {"channel": channel, "event_ts": posted.ts}
        if thread_ts and (root := self.messages(channel, thread_ts)):
            message["parent_user_id"] = root[0].user
        kind = self.channels[channel].kind
        await self._tells({**message, "channel_type": kind, "client_msg_id": self.new_id("m")}, channel, team)
        if f"<@{self.bot_user}>" in text and kind != "im":  # direct messages never come as app_mention (memory of docs)
            await self._tells({**message, "type": "app_mention"}, channel, team)
        return posted.ts

    def add_file(self, name: str, content: bytes, *, mimetype: str = "text/plain", user: str = "U1") -> str:
        """Returns the id for `says(files=...)`."""
        file_id = self.new_id("F")
        link = f"{self.server.root}/files/{file_id}/{name}"
        about = {"id": file_id, "name": name, "title": name, "mimetype": mimetype, "user": user, "size": len(content)}
        about |= {"filetype": name.rpartition(".")[2], "mode": "hosted", "file_access": "visible"}
        self.files[file_id] = (about | {"url_private": link, "url_private_download": link}, content)
        return file_id

    async def edits(self, user: str, channel: str, ts: str, text: str) -> None:
        posted = self.find(channel, ts)
        previous = self.message_json(posted)
        posted.text, posted.blocks, posted.edits = escaped(text), self.with_ids([rich_text(text)]), posted.edits + 1
        change = {"message": self.message_json(posted), "previous_message": previous}
        await self._changes(channel, "message_changed", change)

    async def deletes(self, user: str, channel: str, ts: str) -> None:
        posted = self.find(channel, ts)
        change = {"deleted_ts": ts, "previous_message": self.message_json(posted)}
        posted.deleted = True
        await self._changes(channel, "message_deleted", change)

    async def _changes(self, channel: str, subtype: str, change: Json) -> None:
        about = {"channel": channel, "channel_type": self.channels[channel].kind, "ts": self.new_ts(), "hidden": True}
        await self._tells({"type": "message", "subtype": subtype, **about, **change}, channel)

    async def reacts(self, user: str, posted: Posted, name: str) -> None:
        posted.reactions.setdefault(name, set()).add(user)
        await self._reaction("reaction_added", user, posted, name)

    async def unreacts(self, user: str, posted: Posted, name: str) -> None:
        posted.reactions.get(name, set()).discard(user)
        await self._reaction("reaction_removed", user, posted, name)

    async def _reaction(self, kind: str, user: str, posted: Posted, name: str) -> None:
        item = {"type": "message", "channel": posted.channel, "ts": posted.ts}
        event = {"type": kind, "user": user, "reaction": name, "item": item, "item_user": posted.user}
        await self._tells(event, posted.channel)

    # what people do: the app

    async def opens_messages_tab(self, user: str) -> None:
        await self._tells({"type": "app_home_opened", "user": user, "channel": f"D{user[1:]}", "tab": "messages"})

    async def opens_home(self, user: str) -> None:
        view = {"view": self.homes[user]} if user in self.homes else {}
        await self._tells({"type": "app_home_opened", "user": user, "channel": f"D{user[1:]}", "tab": "home", **view})

    async def starts_assistant_thread(self, user: str) -> str:
        """Of assistant_view apps; returns the thread's ts."""
        channel = f"D{user[1:]}"
        root = Posted(channel=channel, ts=self.new_ts(), user=self.bot_user, subtype="assistant_app_thread")
        thread = {"user_id": user, "context": {}, "channel_id": channel, "thread_ts": self.keep(root).ts}
        await self._tells({"type": "assistant_thread_started", "assistant_thread": thread})
        return root.ts

    async def stops(self, user: str, posted: Posted) -> None:
        """Presses Stop in the thread of *posted*, which is there while its session is processing."""
        assert self.sessions.get((posted.channel, posted.thread)) == "processing", "there is no Stop button"
        streams = [each for each in self.messages(posted.channel, posted.thread) if each.streaming]
        for each in streams:
            each.streaming = False
        where = {"channel": posted.channel, "thread_ts": posted.thread, "user": user}
        stopped = {"streaming_message_ts": [each.ts for each in streams]}
        await self._tells({"type": "agent_session_stopped", **where, **stopped})

    async def uninstalls(self) -> None:
        """The tokens are dead when the app hears of it."""
        self.revoked |= set(self.tokens)
        self.tokens.clear()
        await self._tells({"type": "app_uninstalled"})
        await self._tells({"type": "tokens_revoked", "tokens": {"oauth": [], "bot": [self.bot_user]}})

    async def installs(self, install_url: str, *, team: str | None = None) -> Answer:
        """Goes from the app's install page over our Allow to the app's redirect page; what it says."""
        # cookies of an IP address are kept, those meant for https are sent
        jar = aiohttp.CookieJar(unsafe=True, treat_as_secure_origin=[URL(install_url).origin()])
        async with aiohttp.ClientSession(cookie_jar=jar) as browser:
            page = await (await browser.get(install_url)).text()
            if "/oauth/v2/authorize" in page:  # bolt shows a page with a button before ours
                link = unescape(page.partition(f'"{self.server.root}/oauth')[2].partition('"')[0])
                page = await (await browser.get(f"{self.server.root}/oauth{link}&team={team or self.team}")).text()
            last = await browser.get(unescape(page.partition('href="')[2].partition('"')[0]))
            return Answer(last.status, await last.text(), last.headers)

    # what people do: commands, buttons, modals

    def _interaction(self, user: str, kind: str, *, view: str | None = None, **more: Any) -> Json:
        name = {"username": self.users[user]["name"], "name": self.users[user]["name"]}
        return {
            "type": kind,
            "user": {"id": user, "team_id": self.team, **name},
            "team": {"id": self.team, "domain": self.team.lower()},
            "api_app_id": APP,
            "token": "verification",
            "trigger_id": self.new_trigger(user, view=view),
            "enterprise": None,
            "is_enterprise_install": False,
            **more,
        }

    def _response_url(self, user: str, channel: str, about: Posted | None = None) -> tuple[str, Trigger]:
        target = Trigger(user, time.monotonic(), channel=channel, about=about)
        key = self.new_id("r")
        self.responses[key] = target
        return f"{self.server.root}/response/{key}", target

    async def commands(self, user: str, channel: str, command: str, text: str = "") -> Json:
        """Returns what the app acknowledged with; text or blocks in it become a message."""
        link, target = self._response_url(user, channel)
        names = {
            "team_domain": self.team.lower(),
            "channel_name": channel.lower(),
            "user_name": self.users[user]["name"],
        }
        ids = {"team_id": self.team, "channel_id": channel, "user_id": user, "api_app_id": APP, "token": "verification"}
        what = {"command": command, "text": escaped(text), "is_enterprise_install": "false", "response_url": link}
        payload = {**ids, **names, **what, "trigger_id": self.new_trigger(user)}
        body = await self.wire.ask(Delivery("slash_commands", payload)) or {}
        try:
            if body.get("text") or body.get("blocks"):
                respond(self, target, body)
        except Refused as refusal:
            self.problems.append(f"invalid_command_response: {refusal.body}")
        return body

    async def shortcut(self, user: str, channel: str | None, ts: str | None, callback_id: str) -> Json:
        """On a message, or without one from the menu."""
        if channel is None or ts is None:
            return await self._asks(
                self._interaction(user, "shortcut", callback_id=callback_id, action_ts=self.new_ts())
            )
        posted = self.find(channel, ts)
        link, _ = self._response_url(user, channel)
        about = {"channel": {"id": channel, "name": channel.lower()}, "message": self.message_json(posted)}
        more: Json = {
            "callback_id": callback_id,
            "message_ts": ts,
            "action_ts": self.new_ts(),
            "response_url": link,
            **about,
        }
        return await self._asks(self._interaction(user, "message_action", **more))

    async def _asks(self, payload: Json) -> Json:
        return await self.wire.ask(Delivery("interactive", payload)) or {}

    async def clicks(self, user: str, posted: Posted | Json, action_id: str, value: str | None = None) -> Json:
        """On an element of a message or of a view; *value*: which option, or "positive" or "negative"."""
        blocks = posted.blocks if isinstance(posted, Posted) else posted["blocks"]
        found = [pair for pair in elements_of(blocks) if pair[1].get("action_id") == action_id]
        assert found, f"nothing to click has the action_id {action_id!r}"
        block, element = next((pair for pair in found if pair[1].get("value") == value), found[0])
        assert user in element.get("visible_to_user_ids", [user]), f"{user} does not see {action_id!r}"
        action = {"action_id": action_id, "block_id": block["block_id"], "action_ts": self.new_ts()}
        action |= chosen(element, value)
        if not isinstance(posted, Posted):
            about = {"container": {"type": "view", "view_id": posted["id"]}, "view": posted, "actions": [action]}
            return await self._asks(self._interaction(user, "block_actions", view=posted["id"]) | about)
        link, _ = self._response_url(user, posted.channel, posted)
        hidden = posted.ephemeral_for is not None
        container: Json = {
            "type": "message",
            "message_ts": posted.ts,
            "channel_id": posted.channel,
            "is_ephemeral": hidden,
        }
        container |= {"thread_ts": posted.thread_ts} if posted.thread_ts else {}
        more: Json = {"container": container, "actions": [action], "response_url": link, "state": {"values": {}}}
        more |= {"channel": {"id": posted.channel, "name": posted.channel.lower()}}
        more |= {} if hidden else {"message": self.message_json(posted)}
        return await self._asks(self._interaction(user, "block_actions", **more))

    async def submits(self, user: str, view: Json | str, values: dict[str, Any]) -> Json:
        """*values* by block_id; returns the acknowledgement, and does what its response_action says."""
        opened = self.views[view if isinstance(view, str) else view["id"]]
        filled = {**opened, "state": {"values": state_of(opened, values)}}
        payload = self._interaction(user, "view_submission", view=opened["id"]) | {"view": filled, "response_urls": []}
        body = await self.wire.ask(Delivery("interactive", payload))
        if body is not None:
            self._after_submission(user, opened, body)
        return body or {}

    def _after_submission(self, user: str, opened: Json, body: Json) -> None:
        match body.get("response_action"):
            case "errors":
                fields = {each["block_id"] for each in opened["blocks"] if each["type"] == "input"}
                self.problems += [f"error for no field: {name}" for name in body["errors"] if name not in fields]
            case "update" | "push" as action:
                try:
                    where = {"instead" if action == "update" else "under": opened["id"]}
                    show(self, body["view"], user, **where)
                except Refused as refusal:
                    self.problems.append(f"response_action {action}: {refusal.body}")
            case "clear":
                self._closes(opened["root_view_id"], all_of_them=True)
            case _:
                self._closes(opened["id"])

    async def cancels(self, user: str, view: Json | str) -> Json:
        """Closes a modal; the app hears of it if it asked for notify_on_close."""
        opened = self.views[view if isinstance(view, str) else view["id"]]
        self._closes(opened["id"])
        if not opened.get("notify_on_close"):
            return {}
        return await self._asks(self._interaction(user, "view_closed") | {"view": opened, "is_cleared": False})

    def _closes(self, view_id: str, *, all_of_them: bool = False) -> None:
        for key, view in list(self.views.items()):
            if key == view_id or (all_of_them and view["root_view_id"] == view_id):
                del self.views[key]
