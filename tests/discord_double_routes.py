"""The routes of the double's REST API v10, each as a function of the world and what was asked."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from discord_double_rules import EPHEMERAL, LOADING, V2, Json, Refused, check_message, invalid, pings
from discord_double_world import (
    DIRECT,
    FORUM,
    HAS_THREAD,
    PRIVATE_THREAD,
    TEXT,
    Channel,
    Interaction,
    Posted,
    World,
    role_json,
)


@dataclass(frozen=True)
class Ask:
    """One call as a route sees it."""

    parts: dict[str, str]
    query: dict[str, str]
    body: Any = None
    files: dict[str, tuple[str, bytes]] = field(default_factory=dict)  # files[0] -> name and content

    def id(self, name: str) -> int:
        value = self.parts[name]
        if not value.isdigit():
            invalid([f"{name}: Value is not snowflake."])
        return int(value)


Route = Callable[[World, Ask], Any]  # None: 204
ROUTES: dict[tuple[str, str], Route] = {}


def route(method: str, *patterns: str) -> Callable[[Route], Route]:
    def register(run: Route) -> Route:
        ROUTES.update({(method, pattern): run for pattern in patterns})
        return run

    return register


def unknown(world: World, ask: Ask) -> None:
    world.problems.append(f"the double knows no route /{ask.parts['rest']}")
    raise Refused(404, 0, "404: Not Found")


# messages


def reachable(world: World, channel: int) -> Channel:
    if channel not in world.channels:
        raise Refused(404, 10003, "Unknown Channel")
    return world.channels[channel]


def look(world: World, body: Json, where: str, unset: tuple[str, ...]) -> None:
    """Notes whom *body* would ping: edits too, though those ping nobody."""
    text = Posted(id=0, channel=0, author=0, content=body.get("content") or "", components=body.get("components") or [])
    found = pings(text.shown, body.get("allowed_mentions"), unset=unset)
    expected = {f"<@{sign}{each}>" for each in (*world.expected_pings, world.bot_user) for sign in ("", "!", "&")}
    world.problems += [f"{where} pings {one}" for one in found if one not in expected]


def attached(world: World, body: Json, files: dict[str, tuple[str, bytes]], before: Posted | None) -> list[Json]:
    if "attachments" not in body and before:
        return before.attachments + [world.add_file(*each) for each in files.values()]
    kept = {str(each["id"]) for each in body.get("attachments") or []}
    old = [each for each in before.attachments if each["id"] in kept] if before else []
    return old + [world.add_file(*each) for each in files.values()]


def write(
    world: World, ask: Ask, body: Json, channel: int, about: Interaction | None = None, *, id: int | None = None
) -> Posted:
    """Posts what *body* says; *about*: as an answer to it."""
    check_message(body, files=len(ask.files))
    look(world, body, f"message in {channel}", ("users",) if about else ("users", "roles", "everyone"))
    content, flags = body.get("content") or "", body.get("flags", 0)
    posted = Posted(id=id or world.new_id(), channel=channel, author=world.bot_user, content=content, flags=flags)
    posted.embeds = [{"type": "rich", **each} for each in body.get("embeds") or []]
    posted.components, posted.nonce = body.get("components") or [], body.get("nonce")
    posted.attachments = attached(world, body, ask.files, None)
    if reference := body.get("message_reference"):
        target = world.posts.get(int(reference["message_id"]))
        if target and not target.deleted and target.channel == channel:
            mentions = body.get("allowed_mentions")
            posted.reference, posted.replied = target.id, mentions is None or bool(mentions.get("replied_user"))
        elif reference.get("fail_if_not_exists", True):
            errors = {"message_reference": {"_errors": [{"code": "REPLIES_UNKNOWN_MESSAGE", "message": "Unknown"}]}}
            raise Refused(400, 50035, "Invalid Form Body", errors=errors)
    if about:
        posted.interaction, posted.ephemeral_for = about.id, about.user if flags & EPHEMERAL else None
    return world.keep(posted)


def edit(world: World, ask: Ask, body: Json, posted: Posted) -> Posted:
    if posted.author != world.bot_user:
        raise Refused(403, 50005, "Cannot edit a message authored by another user")
    flags = body["flags"] if body.get("flags") is not None else posted.flags & ~LOADING
    whole: Json = {"content": posted.content, "embeds": posted.embeds, "components": posted.components}
    whole |= {name: body[name] for name in whole if name in body} | {"flags": flags | posted.flags & V2}
    kept = attached(world, body, ask.files, posted)
    check_message(whole, files=len(kept))
    look(world, body, f"edit in {posted.channel}", ("users",) if posted.interaction else ("users", "roles", "everyone"))
    posted.content, posted.components = whole["content"] or "", whole["components"] or []
    posted.embeds = [{"type": "rich", **each} for each in whole["embeds"] or []]
    posted.edits += not posted.loading
    posted.attachments = kept
    posted.flags = whole["flags"] & ~EPHEMERAL | posted.flags & (EPHEMERAL | HAS_THREAD)
    world.changed(posted)
    return posted


@route("POST", "/channels/{channel}/messages")
def create_message(world: World, ask: Ask) -> Json:
    channel = reachable(world, ask.id("channel"))
    if channel.kind == DIRECT and channel.members & world.closed:
        raise Refused(403, 50007, "Cannot send messages to this user")
    if channel.kind == FORUM:
        raise Refused(400, 50008, "Cannot send messages in a non-text channel", noted=True)
    key = (channel.id, str(ask.body.get("nonce")))
    before = world.nonces.get(key) if ask.body.get("enforce_nonce") and "nonce" in ask.body else None
    if before and time.monotonic() < before.at + world.nonce_life:
        return world.message_json(before)
    world.nonces[key] = write(world, ask, ask.body, channel.id)
    return world.message_json(world.nonces[key])


@route("GET", "/channels/{channel}/messages")
def history(world: World, ask: Ask) -> list[Json]:
    """Newest first."""
    limit, query = int(ask.query.get("limit", 50)), ask.query
    invalid([] if 1 <= limit <= 100 else ["limit: Must be between 1 and 100."])
    every = world.messages(reachable(world, ask.id("channel")).id)
    if "after" in query:
        found = [each for each in every if each.id > int(query["after"])][:limit]
    elif "around" in query:
        older = [each for each in every if each.id <= int(query["around"])][-(limit // 2 + 1) :]
        found = older + [each for each in every if each.id > int(query["around"])][: limit // 2]
    else:
        found = [each for each in every if each.id < int(query.get("before", 1 << 63))][-limit:]
    return [world.message_json(each) for each in reversed(found)]


@route("GET", "/channels/{channel}/messages/{message}")
def one_message(world: World, ask: Ask) -> Json:
    return world.message_json(world.find(ask.id("message"), ask.id("channel")))


@route("PATCH", "/channels/{channel}/messages/{message}")
def edit_message(world: World, ask: Ask) -> Json:
    return world.message_json(edit(world, ask, ask.body, world.find(ask.id("message"), ask.id("channel"))))


@route("DELETE", "/channels/{channel}/messages/{message}")
def delete_message(world: World, ask: Ask) -> None:
    posted = world.find(ask.id("message"), ask.id("channel"))
    if posted.author != world.bot_user:
        raise Refused(403, 50013, "Missing Permissions")
    world.remove(posted)


@route("PUT", "/channels/{channel}/messages/{message}/reactions/{emoji}/@me")
def react(world: World, ask: Ask) -> None:
    world.react(world.find(ask.id("message"), ask.id("channel")), world.bot_user, ask.parts["emoji"])


@route("DELETE", "/channels/{channel}/messages/{message}/reactions/{emoji}/@me")
def unreact(world: World, ask: Ask) -> None:
    posted = world.find(ask.id("message"), ask.id("channel"))
    world.react(posted, world.bot_user, ask.parts["emoji"], gone=True)


@route("POST", "/channels/{channel}/typing")
def type_in(world: World, ask: Ask) -> None:
    world.typing.append((reachable(world, ask.id("channel")).id, time.monotonic()))


# channels and threads


@route("GET", "/channels/{channel}")
def one_channel(world: World, ask: Ask) -> Json:
    return world.channel_json(reachable(world, ask.id("channel")))


@route("PATCH", "/channels/{channel}")
def edit_thread(world: World, ask: Ask) -> Json:
    thread = reachable(world, ask.id("channel"))
    thread.name, thread.archived = named(ask.body.get("name", thread.name)), ask.body.get("archived", thread.archived)
    world.tell("THREAD_UPDATE", world.channel_json(thread))
    return world.channel_json(thread)


def named(name: Any) -> str:
    invalid([] if isinstance(name, str) and 1 <= len(name) <= 100 else ["name: Must be between 1 and 100 in length."])
    return str(name)


@route("POST", "/channels/{channel}/messages/{message}/threads")
def thread_of_message(world: World, ask: Ask) -> Json:
    channel, posted = reachable(world, ask.id("channel")), world.find(ask.id("message"), ask.id("channel"))
    if channel.kind != TEXT:
        raise Refused(400, 50024, "Cannot execute action on this channel type", noted=True)
    if posted.id in world.channels:
        raise Refused(400, 160004, "A thread has already been created for this message")
    world.add_thread(channel, named(ask.body["name"]), world.bot_user, id=posted.id)
    posted.flags |= HAS_THREAD
    world.changed(posted)
    return world.channel_json(world.channels[posted.id])


@route("POST", "/channels/{channel}/threads")
def thread_alone(world: World, ask: Ask) -> Json:
    """In a forum, a post with its first message."""
    channel, name = reachable(world, ask.id("channel")), named(ask.body["name"])
    if channel.kind != FORUM:
        private = ask.body.get("type") == PRIVATE_THREAD
        return world.channel_json(world.channels[world.add_thread(channel, name, world.bot_user, private=private)])
    check_message(ask.body["message"], files=len(ask.files))
    thread = world.add_thread(channel, name, world.bot_user)
    posted = write(world, ask, ask.body["message"], thread, id=thread)
    return world.channel_json(world.channels[thread]) | {"message": world.message_json(posted)}


@route("PUT", "/channels/{channel}/thread-members/{user}")
def join(world: World, ask: Ask) -> None:
    reachable(world, ask.id("channel"))


@route("POST", "/users/@me/channels")
def direct(world: World, ask: Ask) -> Json:
    return world.channel_json(world.channels[world.dm(person(world, int(ask.body["recipient_id"])))])


# people, guilds, the app itself


def person(world: World, user: int) -> int:
    if user not in world.users:
        raise Refused(404, 10013, "Unknown User")
    return user


@route("GET", "/users/{user}")
def one_user(world: World, ask: Ask) -> Json:
    return world.users[world.bot_user if ask.parts["user"] == "@me" else person(world, ask.id("user"))]


@route("GET", "/guilds/{guild}/members/{user}")
def one_member(world: World, ask: Ask) -> Json:
    guild = world.guilds.get(ask.id("guild"))
    if guild is None or ask.id("user") not in guild.members:
        raise Refused(404, 10007, "Unknown Member")
    return world.member_json(guild, ask.id("user"))


@route("GET", "/guilds/{guild}/roles")
def roles(world: World, ask: Ask) -> list[Json]:
    return [role_json(each) for each in world.guilds[ask.id("guild")].roles.values()]


@route("GET", "/oauth2/applications/@me")
@route("GET", "/applications/@me")
def application(world: World, ask: Ask) -> Json:
    about: Json = {"id": str(world.application_id), "name": "Pointsman", "icon": None, "description": "", "summary": ""}
    about |= {
        "bot_public": True,
        "bot_require_code_grant": False,
        "verify_key": "",
        "flags": 1 << 19 if world.privileged & 1 << 15 else 0,
    }
    return about | {"owner": next(iter(world.users.values())), "interactions_endpoint_url": None}


@route("GET", "/gateway")
@route("GET", "/gateway/bot")
def gateway(world: World, ask: Ask) -> Json:
    starts = {"total": 1000, "remaining": 1000, "reset_after": 86_400_000, "max_concurrency": 1}
    return {"url": world.gateway_url, "shards": world.shards, "session_start_limit": starts}


@route("GET", "/applications/{app}/commands")
@route("GET", "/applications/{app}/guilds/{guild}/commands")
def commands(world: World, ask: Ask) -> list[Json]:
    return world.guild_commands.get(ask.id("guild"), []) if "guild" in ask.parts else world.commands


@route("PUT", "/applications/{app}/commands")
@route("PUT", "/applications/{app}/guilds/{guild}/commands")
def sync(world: World, ask: Ask) -> list[Json]:
    """Keeps the ids of commands whose names stay."""
    before, given = {(each["type"], each["name"]): each for each in commands(world, ask)}, []
    for each in ask.body:
        named(each["name"])
        known = before.get((each.get("type", 1), each["name"]), {"id": str(world.new_id())})
        ours = {"application_id": str(world.application_id), "version": "1", "type": 1, "description": ""}
        given.append({**ours, **each, "id": known["id"]})
    if given == commands(world, ask):
        world.problems.append("commands were synchronised without a change")
    if "guild" in ask.parts:
        world.guild_commands[ask.id("guild")] = given
    else:
        world.commands = given
    return given
