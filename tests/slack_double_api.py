"""
The Web API of our double of Slack: the table of methods, and all but those of messages.

Each is a function of the workspace and the arguments; what Slack would not do, it refuses with `Refused`.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from slack_double_blocks import Json
from slack_double_rules import Refused, check_view
from slack_double_workspace import APP, EVENT_SCOPES, READS, Channel, Posted, Workspace

Run = Callable[[Workspace, Json], Json]
PARSED = ("blocks", "chunks", "metadata", "view", "prompts", "attachments", "loading_messages")  # JSON in forms
MODALS = 3  # on one another (memory)


@dataclass(frozen=True)
class Method:
    run: Run
    scope: str  # "*" stands for the kind of conversation
    tier: int | None  # None: a limit of its own, or none
    needs: Sequence[str]
    reads_json: bool  # slack-api-ref: json_input_supported


METHODS: dict[str, Method] = {}


def method(
    name: str, *needs: str, scope: str = "", tier: int | None = None, reads_json: bool = True
) -> Callable[[Run], Run]:
    def register(run: Run) -> Run:
        METHODS[name] = Method(run, scope, tier, needs, reads_json)
        return run

    return register


def all_scopes() -> set[str]:
    """What the methods here ask for, and the events."""
    scopes = {each.scope for each in METHODS.values() if each.scope} | {"commands", "chat:write.customize"}
    kinds = {scope.replace("*", kind) for scope in scopes for kind in READS.values()}
    return kinds | set(EVENT_SCOPES.values())


def scope_of(slack: Workspace, name: str, args: Json) -> str:
    scope = METHODS[name].scope
    if "*" not in scope:
        return scope
    channel = slack.channels.get(str(args.get("channel")))
    return scope.replace("*", READS[channel.kind] if channel else "im")


def truth(value: Any) -> bool:
    return value in (True, 1, "1", "true", "True")


def page(slack: Workspace, name: str, found: Sequence[Any], args: Json) -> Json:
    start, size = int(args.get("cursor") or 0), min(int(args.get("limit") or 100), slack.page_size)
    following = str(start + size) if start + size < len(found) else ""
    return {name: found[start : start + size], "response_metadata": {"next_cursor": following}}


def require_scope(slack: Workspace, scope: str) -> None:
    if scope and scope not in slack.scopes:
        raise Refused("missing_scope", needed=scope, provided=",".join(sorted(slack.scopes)))


# auth


@method("auth.test")
def test_auth(slack: Workspace, args: Json) -> Json:
    team = slack.tokens[args["token"]]
    names = {"team": f"Team {team}", "team_id": team, "user": "pointsman", "user_id": slack.bot_user}
    return {
        "url": f"https://{team.lower()}.slack.com/",
        "bot_id": slack.bot_id,
        "is_enterprise_install": False,
        **names,
    }


@method("bots.info", scope="users:read", tier=3, reads_json=False)
def bot_info(slack: Workspace, args: Json) -> Json:
    if args.get("bot", slack.bot_id) != slack.bot_id:
        raise Refused("bot_not_found")
    return {"bot": {"id": slack.bot_id, "app_id": APP, "user_id": slack.bot_user, "name": "pointsman"}}


@method("oauth.v2.access", "code", tier=4)
def exchange_code(slack: Workspace, args: Json) -> Json:
    if args.get("client_id") != slack.client_id:
        raise Refused("invalid_client_id")
    if args.get("client_secret") != slack.client_secret:
        raise Refused("bad_client_secret")
    if args["code"] not in slack.codes:
        raise Refused("invalid_code")
    team = slack.codes.pop(args["code"])
    token = next((each for each, of in slack.tokens.items() if of == team), f"xoxb-{team}-1")
    slack.tokens[token] = team
    names = {"app_id": APP, "team": {"id": team, "name": f"Team {team}"}, "enterprise": None}
    installed = {"access_token": token, "token_type": "bot", "scope": ",".join(sorted(slack.scopes))}
    return (
        names | installed | {"bot_user_id": slack.bot_user, "authed_user": {"id": "U1"}, "is_enterprise_install": False}
    )


# conversations and people


def channel_json(slack: Workspace, channel: Channel) -> Json:
    inside = slack.bot_user in channel.members
    kinds = {"is_channel": channel.kind == "channel", "is_group": channel.kind == "group"}
    kinds |= {"is_im": channel.kind == "im", "is_mpim": channel.kind == "mpim", "is_private": channel.kind != "channel"}
    made: Json = {"id": channel.id, **kinds, "is_member": inside, "is_archived": False}
    if channel.kind == "im":
        return made | {"user": next(each for each in channel.members if each != slack.bot_user)}
    return made | {"name": channel.id.lower(), "topic": {"value": channel.topic}, "purpose": {"value": ""}}


@method("conversations.info", "channel", scope="*:read", tier=3, reads_json=False)
def channel_info(slack: Workspace, args: Json) -> Json:
    return {"channel": channel_json(slack, slack.reachable(args["channel"]))}


@method("conversations.members", "channel", scope="*:read", tier=3, reads_json=False)
def channel_members(slack: Workspace, args: Json) -> Json:
    return page(slack, "members", sorted(slack.reachable(args["channel"]).members), args)


@method("conversations.open", scope="im:write", tier=3)
def open_channel(slack: Workspace, args: Json) -> Json:
    users = str(args.get("users") or "").split(",")
    if len(users) != 1 or users[0] not in slack.users:
        raise Refused("user_not_found" if users[0] else "users_list_not_supplied")
    return {"channel": channel_json(slack, slack.reachable(users[0]))}


def between(found: Sequence[Posted], args: Json) -> list[Posted]:
    oldest, latest = str(args.get("oldest") or "0"), str(args.get("latest") or "9" * 10)
    inclusive = truth(args.get("inclusive"))
    return [each for each in found if oldest < each.ts < latest or (inclusive and each.ts in (oldest, latest))]


@method("conversations.replies", "channel", "ts", scope="*:history", tier=3, reads_json=False)
def replies(slack: Workspace, args: Json) -> Json:
    channel = slack.reachable(args["channel"], member=True)
    found = slack.messages(channel.id, args["ts"]) or [
        each for each in slack.messages(channel.id) if each.ts == args["ts"]
    ]
    if not found:
        raise Refused("thread_not_found")
    kept = page(slack, "messages", [found[0], *between(found[1:], args)], args)
    return kept | {"messages": [slack.message_json(each) for each in kept["messages"]]}


@method("conversations.history", "channel", scope="*:history", tier=3, reads_json=False)
def history(slack: Workspace, args: Json) -> Json:
    channel = slack.reachable(args["channel"], member=True)
    roots = [each for each in slack.messages(channel.id) if not each.thread_ts]
    kept = page(slack, "messages", between(roots[::-1], args), args)
    return kept | {"messages": [slack.message_json(each) for each in kept["messages"]]}


@method("users.info", "user", scope="users:read", tier=4, reads_json=False)
def user_info(slack: Workspace, args: Json) -> Json:
    if args["user"] not in slack.users:
        raise Refused("user_not_found")
    return {"user": slack.users[args["user"]]}


@method("usergroups.list", scope="usergroups:read", tier=2, reads_json=False)
def usergroups(slack: Workspace, args: Json) -> Json:
    inside = truth(args.get("include_users"))
    return {
        "usergroups": [
            {"id": group, "team_id": slack.team, "name": group, "handle": group.lower(), "user_count": len(users)}
            | ({"users": users} if inside else {})
            for group, users in slack.usergroups.items()
        ]
    }


@method("usergroups.users.list", "usergroup", scope="usergroups:read", tier=2, reads_json=False)
def usergroup_members(slack: Workspace, args: Json) -> Json:
    if args["usergroup"] not in slack.usergroups:
        raise Refused("no_such_subteam")
    return {"users": slack.usergroups[args["usergroup"]]}


@method("reactions.add", "channel", "timestamp", "name", scope="reactions:write", tier=3)
def add_reaction(slack: Workspace, args: Json) -> Json:
    posted = slack.find(slack.reachable(args["channel"], member=True).id, args["timestamp"])
    if slack.bot_user in posted.reactions.setdefault(args["name"], set()):
        raise Refused("already_reacted")
    posted.reactions[args["name"]].add(slack.bot_user)
    return {}


@method("reactions.remove", "channel", "timestamp", "name", scope="reactions:write", tier=2)
def remove_reaction(slack: Workspace, args: Json) -> Json:
    posted = slack.find(slack.reachable(args["channel"], member=True).id, args["timestamp"])
    if slack.bot_user not in posted.reactions.get(args["name"], set()):
        raise Refused("no_reaction")
    posted.reactions[args["name"]].discard(slack.bot_user)
    return {}


@method("files.info", "file", scope="files:read", tier=4, reads_json=False)
def file_info(slack: Workspace, args: Json) -> Json:
    if args["file"] not in slack.files:
        raise Refused("file_not_found")
    return {"file": slack.files[args["file"]][0]}


# views


def show(slack: Workspace, view: Json, user: str, *, under: str | None = None, instead: str | None = None) -> Json:
    """Opens *view*, *under* which another may lie, or puts it *instead* of one that is open."""
    check_view(view, "modal")
    if (
        under
        and sum(each["root_view_id"] == slack.views[under]["root_view_id"] for each in slack.views.values()) >= MODALS
    ):
        raise Refused("push_limit_reached")
    view_id = instead or slack.new_id("V")
    below = slack.views[instead]["previous_view_id"] if instead else under
    root = slack.views[below]["root_view_id"] if below else view_id
    slack.views[view_id] = kept_view(slack, view, id=view_id, root_view_id=root, previous_view_id=below)
    slack.viewers[view_id] = user
    return slack.views[view_id]


def kept_view(slack: Workspace, view: Json, **more: Any) -> Json:
    given = {"team_id": slack.team, "app_id": APP, "bot_id": slack.bot_id, "hash": slack.new_id("h"), **more}
    empty = {"callback_id": "", "private_metadata": "", "external_id": "", "state": {"values": {}}}
    return empty | view | given | {"blocks": slack.with_ids(view["blocks"])}


def use_trigger(slack: Workspace, args: Json) -> tuple[str, str | None]:
    """For whom the trigger_id was made, and in which view; it serves once, for three seconds."""
    trigger = slack.triggers.get(str(args.get("trigger_id")))
    if trigger is None:
        raise Refused("invalid_trigger_id")
    if trigger.uses:
        raise Refused("exchanged_trigger_id")
    if time.monotonic() - trigger.at > slack.trigger_life:
        raise Refused("expired_trigger_id")
    trigger.uses += 1
    return trigger.user, trigger.view


@method("views.open", "view", tier=4)
def open_view(slack: Workspace, args: Json) -> Json:
    check_view(args["view"], "modal")
    user, _ = use_trigger(slack, args)
    return {"view": show(slack, args["view"], user)}


@method("views.push", "view", tier=4)
def push_view(slack: Workspace, args: Json) -> Json:
    check_view(args["view"], "modal")
    user, under = use_trigger(slack, args)
    if under not in slack.views:
        raise Refused("not_found")
    return {"view": show(slack, args["view"], user, under=under)}


@method("views.update", "view", tier=4)
def update_view(slack: Workspace, args: Json) -> Json:
    by_name = (each["id"] for each in slack.views.values() if each["external_id"] == args.get("external_id"))
    view_id = args.get("view_id") or next(by_name, None)
    if view_id not in slack.views:
        raise Refused("not_found")
    if args.get("hash") not in (None, slack.views[view_id]["hash"]):
        raise Refused("hash_conflict")
    return {"view": show(slack, args["view"], slack.viewers[view_id], instead=view_id)}


@method("views.publish", "view", "user_id", tier=4)
def publish_home(slack: Workspace, args: Json) -> Json:
    check_view(args["view"], "home")
    if args["user_id"] not in slack.users:
        raise Refused("user_not_found")
    if args.get("hash") not in (None, slack.homes.get(args["user_id"], {}).get("hash")):
        raise Refused("hash_conflict")
    slack.homes[args["user_id"]] = kept_view(slack, args["view"], id=slack.new_id("V"))
    return {"view": slack.homes[args["user_id"]]}
