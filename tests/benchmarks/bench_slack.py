"""
Slack under load: 200 people over ten channels and their direct messages, one question each within a minute.

The double enforces Slack's published rates. The second run has faults: 429, 500, dropped connections, duplicates.
"""

import asyncio
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # the double is a part of the tests

from load import CHANNELS, PEOPLE, QUESTIONS, SEED, Stalls, counted, spread, stalled, under_load
from slack_double import SlackDouble
from tables import show

Key = tuple[str, str]  # room and ts of a question


async def measure(*, faults: bool) -> dict[str, object]:
    """One row: what people saw, and how the bot's event loop fared."""
    async with SlackDouble(tiers=True) as slack:
        rooms = populate(slack)

        async def ask(number: int) -> Key:
            room = rooms[number]
            mention = "" if room.startswith("D") else f"<@{slack.bot_user}> "
            slack.duplicate_next = faults and number % 10 == 0
            return room, await slack.says(f"U{number:03}", room, mention + QUESTIONS[number % len(QUESTIONS)])

        asked, stalls = await under_load(
            "slack",
            {"api_base_url": slack.url},
            {"SLACK_BOT_TOKEN": slack.bot_token, "SLACK_APP_TOKEN": slack.app_token, "DISCORD_BOT_TOKEN": ""},
            ask=ask,
            answered=lambda key: finished(slack, *key),
            trouble=(lambda: make_trouble(slack)) if faults else None,
        )
        return figures(slack, asked, stalls, faults=faults)


def populate(slack: SlackDouble) -> list[str]:
    """Half of the people ask in channels, half in direct messages. Returns: the room of each."""
    for number in range(PEOPLE):
        slack.add_user(f"U{number:03}", f"person{number}")
    for number in range(CHANNELS):
        slack.add_channel(f"C{number}")
    return [f"C{number % CHANNELS}" if number % 2 else f"D{number:03}" for number in range(PEOPLE)]


async def make_trouble(slack: SlackDouble) -> None:
    """Every few seconds another fault."""
    draw = random.Random(SEED)
    for fault in range(1000):
        method = draw.choice(["chat.postMessage", "chat.startStream", "chat.stopStream", "assistant.threads.setStatus"])
        match fault % 4:
            case 0:
                slack.fail(method, 429, retry_after=1)
            case 1:
                slack.fail(method, 500)
            case 2:
                slack.reset(method)
            case _:
                slack.reset(method, after_doing=True)
        if fault == 28:  # after 56 s: Slack promises one new connection a minute, and the bot made one at its start
            await slack.drop_sockets("refresh_requested")
        await asyncio.sleep(2)


def finished(slack: SlackDouble, room: str, ts: str) -> bool:
    found = slack.answers(room, ts)
    return bool(found) and not any(each.streaming for each in found)


def figures(slack: SlackDouble, asked: dict[Key, float], stalls: Stalls, *, faults: bool) -> dict[str, object]:
    signs: dict[Key, float] = {}
    for call in slack.calls:
        key = (str(call.args.get("channel_id") or call.args.get("channel")), str(call.args.get("thread_ts")))
        if key in asked and call.error is None:
            signs.setdefault(key, call.at - asked[key])
    return {
        "run": "with faults" if faults else "calm",
        **counted([len(slack.answers(*key)) for key in asked]),
        **spread("ack", slack.acks),
        **spread("first sign", list(signs.values())),
        "streamed": sum(bool(each.streamed) for key in asked for each in slack.answers(*key)),
        **stalled(stalls),
        "calls over the rate": sum(call.error == "ratelimited" for call in slack.calls),
        "breaches": len(slack.problems),
    }


def run() -> list[dict[str, object]]:
    """A calm run, then one with faults."""
    return [asyncio.run(measure(faults=False)), asyncio.run(measure(faults=True))]


if __name__ == "__main__":
    show("Slack under load", run())
