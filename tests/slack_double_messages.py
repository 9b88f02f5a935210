"""The methods of messages, streams and agents in our double of Slack, and the answers to a response_url."""

import time
from typing import Any

from slack_double_api import method, require_scope, truth
from slack_double_blocks import Json
from slack_double_rules import UPDATED_TEXT, Refused, check_message, check_stream_call
from slack_double_workspace import Channel, Posted, Trigger, Workspace

STATUSES = ("processing", "active", "suspended", "closed")
RESPONSE_USES, RESPONSE_LIFE = 5, 1800.0  # of a response_url; seconds (memory)


def post(slack: Workspace, channel: Channel, args: Json, **more: Any) -> Posted:
    thread_ts = args.get("thread_ts")
    if any(each.ts == thread_ts and each.thread_ts for each in slack.posts if each.channel == channel.id):
        slack.problems.append(f"answered with a reply's ts as thread_ts: {thread_ts}")
    if any(args.get(name) for name in ("username", "icon_emoji", "icon_url")):
        require_scope(slack, "chat:write.customize")
    words = args.get("markdown_text") or args.get("text") or ""
    blocks, metadata = slack.with_ids(args.get("blocks") or []), checked_metadata(args)
    made = Posted(
        channel=channel.id, ts=slack.new_ts(), user=slack.bot_user, text=words, blocks=blocks, metadata=metadata
    )
    made.thread_ts, made.team = thread_ts, slack.tokens.get(args.get("token", ""), slack.team)
    for name, value in more.items():
        setattr(made, name, value)
    slack.keep(made)
    if not made.ephemeral_for:
        slack.current.pop((channel.id, made.thread), None)  # a reply takes the status away
    return made


def checked_metadata(args: Json) -> Json | None:
    metadata = args.get("metadata")
    if metadata and not {"event_type", "event_payload"} <= set(metadata):
        raise Refused("invalid_metadata_format")
    return metadata or None


def announce(slack: Workspace, posted: Posted) -> None:
    """Slack tells the app of its own messages, too."""
    kind = slack.channels[posted.channel].kind
    slack.outbox.append({**slack.message_json(posted), "channel": posted.channel, "channel_type": kind})


@method("chat.postMessage", "channel", scope="chat:write")
def post_message(slack: Workspace, args: Json) -> Json:
    channel = slack.reachable(args["channel"], member=True)
    check_message(args)
    posted = post(slack, channel, args)
    linked = str(args.get("text")) if truth(args.get("link_names")) or args.get("parse") == "full" else ""
    for name in ("@channel", "@here", "@everyone"):
        if name in linked:
            slack.problems.append(f"chat.postMessage pings: {name}")
    slack.look_for_pings("chat.postMessage", channel.id, posted.thread_ts, posted.text, posted.blocks)
    announce(slack, posted)
    return {"channel": channel.id, "ts": posted.ts, "message": slack.message_json(posted)}


@method("chat.postEphemeral", "channel", "user", scope="chat:write", tier=4)
def post_ephemeral(slack: Workspace, args: Json) -> Json:
    channel = slack.reachable(args["channel"], member=True)
    check_message(args)
    if args["user"] not in channel.members:
        raise Refused("user_not_in_channel")
    posted = post(slack, channel, args, ephemeral_for=args["user"])
    if posted.thread_ts and len(slack.messages(channel.id, posted.thread_ts)) < 2:
        slack.problems.append("an ephemeral message in a thread without replies is not shown")  # docs of the method
    slack.look_for_pings(
        "chat.postEphemeral", channel.id, posted.thread_ts, posted.text, posted.blocks, asker=args["user"]
    )
    return {"message_ts": posted.ts}


def own(slack: Workspace, args: Json, error: str) -> Posted:
    posted = slack.find(slack.reachable(args["channel"]).id, args["ts"])
    if posted.user != slack.bot_user:
        raise Refused(error)
    return posted


@method("chat.update", "channel", "ts", scope="chat:write", tier=3)
def update(slack: Workspace, args: Json) -> Json:
    posted = own(slack, args, "cant_update_message")
    if posted.streaming:
        raise Refused("streaming_state_conflict")
    only_metadata = "metadata" in args and not {"text", "blocks", "markdown_text"} & set(args)
    if not only_metadata:
        check_message(args, limit=UPDATED_TEXT)
        posted.text = args.get("markdown_text") or args.get("text") or ""
        posted.blocks, posted.streamed, posted.tasks = slack.with_ids(args.get("blocks") or []), False, {}
    posted.metadata = checked_metadata(args) if "metadata" in args else posted.metadata
    posted.edits += 1
    slack.look_for_pings("chat.update", posted.channel, posted.thread_ts, posted.text, posted.blocks)
    return {"channel": posted.channel, "ts": posted.ts, "text": posted.text, "message": slack.message_json(posted)}


@method("chat.delete", "channel", "ts", scope="chat:write", tier=3)
def delete(slack: Workspace, args: Json) -> Json:
    posted = own(slack, args, "cant_delete_message")
    posted.deleted, posted.streaming = True, False
    return {"channel": posted.channel, "ts": posted.ts}


@method("chat.getPermalink", "channel", "message_ts")
def permalink(slack: Workspace, args: Json) -> Json:
    posted = slack.find(slack.reachable(args["channel"]).id, args["message_ts"])
    link = f"https://{slack.team.lower()}.slack.com/archives/{posted.channel}/p{posted.ts.replace('.', '')}"
    return {"channel": posted.channel, "permalink": link}


# streams


def append(slack: Workspace, posted: Posted, args: Json) -> None:
    posted.text += args.get("markdown_text") or ""
    for chunk in args.get("chunks") or []:
        match chunk["type"]:
            case "markdown_text":
                posted.text += chunk["text"]
            case "blocks":
                posted.blocks += slack.with_ids(chunk["blocks"])
            case "task_update":
                posted.tasks[chunk["id"]] = posted.tasks.get(chunk["id"], {}) | chunk
            case "plan_update":
                posted.tasks[""] = chunk
    posted.blocks += slack.with_ids(args.get("blocks") or [])
    texts = (posted.text, posted.blocks, list(posted.tasks.values()))
    slack.look_for_pings("a stream", posted.channel, posted.thread_ts, *texts)


def running(slack: Workspace, args: Json) -> Posted:
    posted = own(slack, args, "message_not_found")
    check_stream_call(args)
    if not posted.streaming:
        raise Refused("message_not_in_streaming_state")
    return posted


def unstoppable(slack: Workspace) -> Json:
    """A processing session shows a Stop button that does nothing, if the app does not listen for it."""
    if slack.events is None or "agent_session_stopped" in slack.events:
        return {}
    warning = "missing_agent_session_stopped_event_subscription"
    slack.problems.append(warning)
    return {"warning": warning, "response_metadata": {"warnings": [warning]}}


@method("chat.startStream", "channel", scope="chat:write", tier=2)
def start_stream(slack: Workspace, args: Json) -> Json:
    channel = slack.reachable(args["channel"], member=True)
    check_stream_call(args)
    for name in ("recipient_user_id", "recipient_team_id"):
        if channel.kind != "im" and not args.get(name):
            raise Refused(f"missing_{name}")
    if args.get("recipient_user_id") and args["recipient_user_id"] not in slack.users:
        raise Refused("user_not_found")
    if args.get("task_display_mode", "timeline") not in ("timeline", "plan"):
        raise Refused("invalid_arguments", "unsupported value [json-pointer:/task_display_mode]")
    posted = post(slack, channel, {**args, "markdown_text": ""}, streaming=True, streamed=True)
    append(slack, posted, args)
    if slack.agent:
        slack.sessions[channel.id, posted.thread] = "processing"
    return {"channel": channel.id, "ts": posted.ts, **(unstoppable(slack) if slack.agent else {})}


@method("chat.appendStream", "channel", "ts", scope="chat:write", tier=4)
def append_stream(slack: Workspace, args: Json) -> Json:
    posted = running(slack, args)
    if not (args.get("markdown_text") or args.get("chunks")):
        raise Refused("no_text")
    append(slack, posted, args)
    return {"channel": posted.channel, "ts": posted.ts}


@method("chat.stopStream", "channel", "ts", scope="chat:write", tier=2)
def stop_stream(slack: Workspace, args: Json) -> Json:
    posted, status = running(slack, args), args.get("session_status") or "active"
    if status not in STATUSES:
        raise Refused("invalid_status")
    posted.metadata = checked_metadata(args)
    append(slack, posted, args)
    posted.streaming = False
    if slack.agent:
        slack.sessions[posted.channel, posted.thread] = status
    if not posted.shown:
        slack.problems.append(f"stream {posted.ts} in {posted.channel} ended with nothing to read")
    announce(slack, posted)
    return {"channel": posted.channel, "ts": posted.ts, "message": slack.message_json(posted)}


# agents


@method("assistant.threads.setStatus", "channel_id", "thread_ts", scope="chat:write")
def set_status(slack: Workspace, args: Json) -> Json:
    channel = slack.reachable(args["channel_id"], member=True)
    if len(args.get("loading_messages") or []) > 10:
        raise Refused("invalid_arguments", "no more than 10 items allowed [json-pointer:/loading_messages]")
    status = args.get("status") or ""
    slack.statuses.append((channel.id, args["thread_ts"], status))
    slack.current[channel.id, args["thread_ts"]] = (status, time.monotonic())
    return {}


@method("assistant.threads.setTitle", "channel_id", "thread_ts", "title", scope="assistant:write", tier=4)
def set_title(slack: Workspace, args: Json) -> Json:
    slack.titles.append((slack.reachable(args["channel_id"]).id, args["thread_ts"], args["title"]))
    return {}


@method("assistant.threads.setSuggestedPrompts", "channel_id", "prompts", scope="assistant:write", tier=4)
def set_prompts(slack: Workspace, args: Json) -> Json:
    channel, prompts = slack.reachable(args["channel_id"]), args["prompts"]
    if len(prompts) > 4 or not all(each.get("title") and each.get("message") for each in prompts):
        raise Refused("invalid_arguments", "1 to 4 prompts, each with title and message [json-pointer:/prompts]")
    if slack.agent and args.get("thread_ts"):
        slack.problems.append("setSuggestedPrompts with thread_ts does nothing in an agent_view app")
        return {}
    if not slack.agent and not args.get("thread_ts"):
        raise Refused("invalid_arguments", "missing required field: thread_ts")
    kept = {"channel": channel.id, "thread_ts": args.get("thread_ts"), "title": args.get("title"), "prompts": prompts}
    slack.suggested_prompts.append(kept)
    return {}


def session_of(slack: Workspace, args: Json) -> tuple[str, str]:
    channel = slack.reachable(args.get("channel_id"))
    if not slack.agent or slack.bot_user not in channel.members:
        raise Refused("not_authorized")
    if not args.get("thread_ts"):
        raise Refused("thread_ts_required")
    if len(args.get("title") or "") > 200:
        raise Refused("invalid_arguments", "must be less than 201 characters [json-pointer:/title]")
    return channel.id, args["thread_ts"]


@method("agents.sessions.setStatus", "channel_id", "status", scope="chat:write", tier=3)
def set_session_status(slack: Workspace, args: Json) -> Json:
    key, status = session_of(slack, args), args["status"]
    if args.get("initiator_user_id", slack.bot_user) not in slack.users:
        raise Refused("user_not_found")
    if status not in STATUSES:
        raise Refused("invalid_status")
    if args.get("title") and key not in slack.sessions:
        slack.titles.append((*key, args["title"]))
    slack.sessions[key] = status
    warning = unstoppable(slack) if status == "processing" else {}
    return {"status": status, "agent_status": status, **warning}


@method("agents.sessions.rename", "channel_id", "title", scope="chat:write", tier=3)
def rename_session(slack: Workspace, args: Json) -> Json:
    key = session_of(slack, args)
    if key not in slack.sessions:
        raise Refused("session_not_found")
    slack.titles.append((*key, args["title"]))
    return {"title": args["title"]}


# answers to interactions


def respond(slack: Workspace, target: Trigger, body: Json) -> Posted | None:
    """What a response_url, and the acknowledgement of a command, does; None if it only takes something away."""
    if body.get("delete_original") and target.about:
        target.about.deleted = True
        return None
    check_message(body)
    if body.get("replace_original") and (old := target.about):
        old.text, old.blocks, old.edits = (
            body.get("text") or "",
            slack.with_ids(body.get("blocks") or []),
            old.edits + 1,
        )
        return old
    hidden = None if body.get("response_type") == "in_channel" else target.user
    posted = post(slack, slack.channels[target.channel], {**body, "metadata": None}, ephemeral_for=hidden)
    target.about = target.about or posted  # what a later replace_original replaces
    texts = (posted.text, posted.blocks)
    slack.look_for_pings("an answer to an interaction", posted.channel, posted.thread_ts, *texts, asker=target.user)
    return posted


def respond_by_url(slack: Workspace, target: Trigger, body: Json) -> Posted | None:
    if target.uses >= RESPONSE_USES:
        raise Refused("used_url")
    if time.monotonic() - target.at > RESPONSE_LIFE:
        raise Refused("expired_url")
    target.uses += 1
    return respond(slack, target, body)
