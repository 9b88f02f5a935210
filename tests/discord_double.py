"""
Our double of Discord at the wire: a server on 127.0.0.1 that the real discord.py talks to.

    async with DiscordDouble() as discord_:
        ada = discord_.add_user("ada")
        channel = discord_.add_channel(discord_.add_guild("Acme", members=[ada]), "general")
        ...  # start the app with discord_.api_url, discord_.gateway_url, discord_.token
        await discord_.until(lambda: discord_.connected)
        await discord_.says(ada, channel, f"<@{discord_.bot_user}> When is my refund?")
        await discord_.until(lambda: discord_.answers(channel))
        discord_.assert_clean()

It is for what simcord cannot show: dropped gateways, resumes, limits, faults. What people do is here;
discord_double_world.py is what Discord remembers, _gateway how events travel, _routes and _interactions what the REST
API does, _rest what stands before it, _rules what is refused.
"""

import asyncio
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from types import TracebackType
from typing import Any, Self

from aiohttp import web
from discord_double_gateway import Gateway
from discord_double_rest import Fault, Rest
from discord_double_rules import BUTTON, INPUT, LABEL, ROW, SELECTS, Json, walk
from discord_double_world import (
    AUTOCOMPLETE,
    COMPONENT,
    DIRECT,
    EVERYONE,
    HAS_THREAD,
    MODAL,
    SLASH,
    Call,
    Guild,
    Interaction,
    Posted,
    World,
    role_json,
)
from patience import PATIENCE

__all__ = ["Call", "DiscordDouble", "Interaction", "Posted"]

OPTION_TYPES = {str: 3, int: 4, bool: 5, float: 10, tuple: 11}
SUBCOMMANDS, USER, CHANNEL, ROLE, FILE = (1, 2), 6, 7, 8, 11
MANY = (*SELECTS, 19, 22)  # components of a modal that give several values: menus, files, checkboxes


class DiscordDouble(World):
    """One Discord with our app in it."""

    def __init__(self, *, limits: bool = False) -> None:
        super().__init__()
        self.gateway, self.rest = Gateway(self), Rest(self, limits=limits)
        self.tell = self.gateway.dispatch
        site = web.Application(client_max_size=2**25)
        site.add_routes([web.get("/gateway/", self._connect), web.get("/resume/", self._connect)])
        site.add_routes([web.get("/attachments/{id}/{name}", self._download), *self.rest.routes()])
        self._runner = web.AppRunner(site, shutdown_timeout=0.5)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.root = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.gateway.close()
        await self._runner.cleanup()

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        due = self.rest.fault(f"GET {request.path}")
        return web.Response(status=due.status or 500) if due else await self.gateway.serve(request)

    async def _download(self, request: web.Request) -> web.Response:
        content = self.files.get(int(request.match_info["id"]))
        return web.Response(status=404) if content is None else web.Response(body=content)

    # how it goes

    @property
    def connected(self) -> int:
        """How many shards have a session and a connection."""
        return sum(each.link is not None for each in self.gateway.sessions.values())

    async def until(self, condition: Callable[[], object], seconds: float = PATIENCE) -> None:
        """Waits for *condition*; fails with what was noticed so far."""
        late = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > late:
                raise AssertionError(f"did not happen within {seconds} s; noticed: {set(self.problems)}")
            await asyncio.sleep(0.01)

    def called(self, pattern: str, *, status: int | None = None) -> list[Call]:
        """The calls so far of `"POST /channels/*/messages"` or the like, answered with *status*."""
        found = (each for each in self.calls if fnmatchcase(f"{each.method} {each.route}", pattern))
        return [each for each in found if status in (None, each.status)]

    def assert_clean(self) -> None:
        """Fails if the app broke a rule or left something open."""
        noticed = self.problems + self.unfinished()
        assert not noticed, "\n".join(noticed)

    # faults

    def fail(self, pattern: str, status: int = 429, times: int = 1, retry_after: float = 0.2, **how: Any) -> None:
        """
        The next calls of *pattern* get this status.

        "GET /gateway/" and "GET /resume/" are the handshakes of the gateway.
        How: code, after_doing, everywhere (the global limit), via (False: a 429 of Cloudflare's).
        """
        self.rest.faults.append(Fault(pattern, status, times, retry_after, **how))

    def reset(self, pattern: str, times: int = 1, *, after_doing: bool = False) -> None:
        """The connection drops before the answer; *after_doing*: when the work is done."""
        self.rest.faults.append(Fault(pattern, None, times, after_doing=after_doing))

    def slow(self, pattern: str, seconds: float, times: int = 1) -> None:
        """The next calls take so long before they begin."""
        self.rest.faults.append(Fault(pattern, 200, times, seconds=seconds))

    async def drop_gateway(self, code: int = 1006, *, resumable: bool = True) -> None:
        """Closes all connections; 1006: the network fails. Not *resumable*: the next RESUME is refused."""
        await self.gateway.drop(code, resumable=resumable)

    async def freeze_gateway(self) -> None:
        """The connections stay, but nothing arrives any more."""
        self.gateway.freeze()

    async def invalid_session(self, *, resumable: bool = False) -> None:
        self.gateway.invalidate(resumable=resumable)

    async def reconnect(self) -> None:
        """Discord asks the app to connect anew."""
        self.gateway.ask_to_reconnect()

    # what people do: messages

    async def says(
        self,
        user: int,
        channel: int,
        text: str,
        *,
        reply_to: int | None = None,
        ping: bool = True,
        attachments: Iterable[tuple[str, bytes]] = (),
    ) -> int:
        """Returns the message's id; *ping*: the author of the message replied to is mentioned."""
        posted = Posted(id=self.new_id(), channel=channel, author=user, content=text, reference=reply_to, replied=ping)
        posted.attachments = [self.add_file(*each) for each in attachments]
        self.keep(posted)
        await asyncio.sleep(0)
        return posted.id

    async def edits(self, user: int, message: int, text: str) -> None:
        posted = self.find(message)
        assert posted.author == user, "people edit their own messages"
        posted.content, posted.edits = text, posted.edits + 1
        self.changed(posted)
        await asyncio.sleep(0)

    async def deletes(self, message: int) -> None:
        self.remove(self.find(message))
        await asyncio.sleep(0)

    async def reacts(self, user: int, message: int, emoji: str) -> None:
        self.react(self.find(message), user, emoji)
        await asyncio.sleep(0)

    async def unreacts(self, user: int, message: int, emoji: str) -> None:
        self.react(self.find(message), user, emoji, gone=True)
        await asyncio.sleep(0)

    async def opens_thread(self, user: int, parent: int, name: str, *, message: int | None = None) -> int:
        """Below *message*, or alone; in a forum, follow with says()."""
        thread = self.add_thread(self.channels[parent], name, user, id=message)
        if message:
            self.posts[message].flags |= HAS_THREAD
            self.changed(self.posts[message])
        await asyncio.sleep(0)
        return thread

    # what people do: commands, buttons, modals

    async def _asks(self, user: int, channel: int, kind: int, data: Json, message: Posted | None = None) -> int:
        about = Interaction(id=self.new_id(), token=uuid.uuid4().hex, kind=kind, user=user, channel=channel)
        about.message = message
        self.interactions[about.id] = about
        place = self.channels[channel]
        guild = self.guilds.get(place.guild or 0)
        payload: Json = {"id": str(about.id), "application_id": str(self.application_id), "type": kind, "version": 1}
        payload |= {"token": about.token, "data": data, "channel": self.channel_json(place), **self.place(channel)}
        payload |= {"locale": "en-US", "attachment_size_limit": 10 << 20, "entitlements": []}
        payload |= {"context": 1 if place.kind == DIRECT else 0, "authorizing_integration_owners": {}}
        if guild:
            allowed = {"permissions": str(self.permissions(guild, user))}
            payload |= {"member": self.member_json(guild, user) | allowed, "guild_locale": "en-US"}
            payload["guild"] = {"id": str(guild.id), "locale": "en-US", "features": []}
            payload["app_permissions"] = str(self.permissions(guild, self.bot_user))
        else:
            payload["user"] = self.users[user]
        if message:
            payload["message"] = self.message_json(message)
        self.tell("INTERACTION_CREATE", payload)
        await asyncio.sleep(0)
        return about.id

    def _command(self, user: int, channel: int, name: str, kind: int = 1) -> Json:
        """As registered, and allowed to *user* there; one that is not registered has an id of its own."""
        place = self.channels[channel]
        guild = self.guilds.get(place.guild or 0)
        known = [*self.commands, *self.guild_commands.get(place.guild or 0, [])]
        found = next((each for each in known if (each["name"], each["type"]) == (name, kind)), None)
        if found is None:
            return {"id": str(self.new_id()), "name": name, "type": kind}
        contexts = found.get("contexts")
        assert contexts is None or (0 if guild else 1) in contexts, f"{name} is not to be used here"
        needed = int(found.get("default_member_permissions") or 0)
        allowed = self.permissions(guild, user) if guild else needed
        assert needed & ~allowed == 0, f"{user} may not use {name}"
        return found

    def _told_of(self, kind: int, value: Any, guild: Guild | None) -> Json:
        """How Discord describes a person, channel, role or file that an option names."""
        if kind == USER:
            if guild is None or value not in guild.members:
                return {"users": self.users[value]}
            allowed = {"permissions": str(self.permissions(guild, value))}
            return {"users": self.users[value], "members": self.member_json(guild, value, bare=True) | allowed}
        if kind == CHANNEL:
            return {"channels": self.channel_json(self.channels[value]) | {"permissions": str(EVERYONE)}}
        if kind == ROLE and guild:
            return {"roles": role_json(guild.roles[value])}
        return {"attachments": value} if kind == FILE else {}

    async def _calls(self, user: int, channel: int, name: str, values: Json, *, focus: str | None = None) -> int:
        top, *rest = name.split()
        command = self._command(user, channel, top)
        about = command.get("options", [])
        for each in rest:
            about = next((one.get("options", []) for one in about if one["name"] == each), [])
        known = {each["name"]: each for each in about if each["type"] not in SUBCOMMANDS}
        if "application_id" in command and not focus:
            missing = {each for each in known if known[each].get("required")} - set(values)
            assert not missing, f"/{name} needs {missing}"
            assert set(values) <= set(known), f"/{name} has no options {set(values) - set(known)}"
        options: list[Json] = []
        resolved: Json = {}
        for key, value in values.items():
            kind = known[key]["type"] if key in known else OPTION_TYPES[type(value)]
            value = self.add_file(*value) if kind == FILE else value
            for section, one in self._told_of(kind, value, self.guilds.get(self.channels[channel].guild or 0)).items():
                resolved.setdefault(section, {})[one["id"] if kind == FILE else str(value)] = one
            value = value["id"] if kind == FILE else str(value) if kind in (USER, CHANNEL, ROLE) else value
            options.append({"name": key, "type": kind, "value": value} | ({"focused": True} if key == focus else {}))
        for each in reversed(rest):
            options = [{"name": each, "type": SUBCOMMANDS[each != rest[-1]], "options": options}]
        data = {"id": command["id"], "name": top, "type": 1, "options": options, "resolved": resolved}
        return await self._asks(user, channel, AUTOCOMPLETE if focus else SLASH, data)

    async def slash(self, user: int, channel: int, name: str, /, **values: Any) -> int:
        """
        Calls "ask" or "group command"; returns the interaction's id.

        What is registered is checked; a command that is not is sent as called. People, channels and roles are given by
        id, files as (name, content).
        """
        return await self._calls(user, channel, name, values)

    async def autocompletes(self, user: int, channel: int, name: str, option: str, typed: str) -> int:
        """Types into an option; the answer is in `interactions[id].choices`."""
        return await self._calls(user, channel, name, {option: typed}, focus=option)

    async def menu(self, user: int, message: int, name: str) -> int:
        """Picks *name* in the Apps menu of a message."""
        posted = self.find(message)
        command = self._command(user, posted.channel, name, 3)
        resolved = {"messages": {str(message): self.message_json(posted)}}
        data = {"id": command["id"], "name": name, "type": 3, "target_id": str(message), "resolved": resolved}
        return await self._asks(user, posted.channel, SLASH, data)

    async def clicks(self, user: int, message: int, custom_id: str, values: Sequence[str] = ()) -> int:
        """Presses a button, or picks *values* of a menu; by its custom_id or label."""
        posted = self.find(message)
        assert posted.ephemeral_for in (None, user), f"{user} does not see it"
        usable = [each for each in walk(posted.components) if "custom_id" in each]
        found = next((each for each in usable if custom_id in (each["custom_id"], each.get("label"))), None)
        assert found, f"nothing to click is called {custom_id!r}"
        assert not found.get("disabled"), f"{custom_id!r} is disabled"
        data = {"custom_id": found["custom_id"], "component_type": found["type"]}
        data |= {} if found["type"] == BUTTON else {"values": list(values)}
        assert offered(found, values), f"{custom_id!r} does not offer {values}"
        return await self._asks(user, posted.channel, COMPONENT, data, posted)

    async def submits(self, user: int, interaction: int, values: dict[str, Any]) -> int:
        """Sends the modal that answered *interaction*; *values* by custom_id or by label."""
        about = self.interactions[interaction]
        assert about.modal and about.user == user, "this user sees no modal"
        used: set[str] = set()
        filled = list(_filled(about.modal["components"], values, used))
        assert used == set(values), f"the modal has no {set(values) - used}"
        data = {"custom_id": about.modal["custom_id"], "components": filled}
        return await self._asks(user, about.channel, MODAL, data, about.message)


def _filled(components: Iterable[Json], values: dict[str, Any], used: set[str]) -> Iterator[Json]:
    """What Discord sends of a modal's components."""
    for number, each in enumerate(components, 1):
        about = {"type": each["type"], "id": each.get("id", number)}
        if each["type"] == ROW:
            yield about | {"components": list(_filled(each["components"], values, used))}
        elif each["type"] == LABEL:
            inner = each["component"] | {"label": each["label"]}
            yield about | {"component": next(_filled([inner], values, used))}
        elif "custom_id" in each:
            name = next((one for one in (each["custom_id"], each.get("label", "")) if one in values), "")
            used.add(name) if name else None
            value: Any = values.get(name, each.get("value", ""))
            assert each["type"] != INPUT or fits(each, str(value)), f"{value!r} does not fit {each}"
            key = "values" if each["type"] in MANY else "value"
            value = [one for one in [value] if one] if key == "values" and isinstance(value, str) else value
            assert key == "value" or offered(each, value), f"{each} does not offer {value}"
            yield about | {"custom_id": each["custom_id"], key: value}
        else:
            yield about


def offered(menu: Json, values: Iterable[str]) -> bool:
    return "options" not in menu or {*values} <= {each["value"] for each in menu["options"]}


def fits(field: Json, value: str) -> bool:
    """Whether Discord lets it be sent."""
    least, most = field.get("min_length") or 0, field.get("max_length") or 4000
    return bool(least <= len(value) <= most if value else not field.get("required", True))
