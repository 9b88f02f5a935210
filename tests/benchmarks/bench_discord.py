"""
Discord under load: 200 people over ten channels and their direct messages, one question each within a minute.

In channels every other one types `/ask`, the others mention the bot. The double enforces Discord's limits. The second
run has faults: 429 for a route and for all, 500, 502, dropped connections, duplicates, a drop of the gateway with a
resume, and an invalid session (while Discord has none, nobody asks: it would tell no bot of that).
"""

import asyncio
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # the double is a part of the tests

from discord_double import DiscordDouble, Posted
from load import CHANNELS, PEOPLE, QUESTIONS, SEED, Stalls, counted, spread, stalled, under_load
from tables import show

WAYS = ("direct", "mention", "direct", "command")
ROUTES = (
    "POST /channels/*/messages",
    "PATCH /channels/*/messages/*",
    "POST /channels/*/typing",
    "POST /interactions/*/*/callback",
    "PATCH /webhooks/*",
)


async def measure(*, faults: bool) -> dict[str, object]:
    """One row: what people saw, and how the bot's event loop fared."""
    async with DiscordDouble(limits=True) as discord_:
        people, rooms = populate(discord_)

        async def ask(number: int) -> int:
            while faults and not discord_.gateway.sessions:  # noqa: ASYNC110  # the double sets no event
                await asyncio.sleep(0.05)
            person, room, question = people[number], rooms[number], QUESTIONS[number % len(QUESTIONS)]
            if WAYS[number % len(WAYS)] == "command":
                return await discord_.slash(person, room, "ask", question=question)
            mention = f"<@{discord_.bot_user}> " if number % 2 else ""
            asked = await discord_.says(person, room, mention + question)
            if faults and number % 10 == 0:
                discord_.tell("MESSAGE_CREATE", discord_.message_json(discord_.posts[asked]))
            return asked

        asked, stalls = await under_load(
            "discord",
            {"api_base_url": discord_.api_url, "gateway_url": discord_.gateway_url},
            {"DISCORD_BOT_TOKEN": discord_.token, "SLACK_BOT_TOKEN": "", "SLACK_APP_TOKEN": ""},
            ask=ask,
            answered=lambda key: any(each.components for each in answers(discord_, key)),
            trouble=(lambda: make_trouble(discord_)) if faults else None,
        )
        return figures(discord_, asked, stalls, faults=faults)


def populate(discord_: DiscordDouble) -> tuple[list[int], list[int]]:
    """Half of the people ask in channels, half in direct messages. Returns: the people, and the room of each."""
    people = [discord_.add_user(f"person{number}") for number in range(PEOPLE)]
    guild = discord_.add_guild("Acme", members=people)
    channels = [discord_.add_channel(guild, f"channel{number}") for number in range(CHANNELS)]
    rooms = [channels[number % CHANNELS] if number % 2 else discord_.dm(who) for number, who in enumerate(people)]
    return people, rooms


async def make_trouble(discord_: DiscordDouble) -> None:
    """Every few seconds another fault."""
    draw = random.Random(SEED)
    discord_.gateway.replay_duplicates = 3
    for fault in range(1000):
        route = draw.choice(ROUTES)
        match fault % 6:
            case 0:
                discord_.fail(route, 429, retry_after=1)
            case 1:
                discord_.fail(
                    "* /channels/*", 429, times=10, retry_after=1, everywhere=True
                )  # the gateway has no part in it
            case 2:
                discord_.fail(route, draw.choice([500, 502]))
            case 3:
                discord_.fail(route, 500, after_doing=True)
            case 4:
                discord_.reset(route)
            case _:
                discord_.reset(route, after_doing=True)
        if fault in (7, 21):
            await discord_.drop_gateway(resumable=True)
        if fault == 14:
            await discord_.invalid_session(resumable=False)
        await asyncio.sleep(2)


def answers(discord_: DiscordDouble, key: int) -> list[Posted]:
    """What the bot has said to a question or a command, wherever, whole or not."""
    if key in discord_.interactions:
        about = discord_.interactions[key]
        said = [about.original] if about.original and not about.original.loading else []
        elsewhere = [each for each in discord_.posts.values() if (each.nonce or "").startswith(f"{key}.")]
        return [*said, *about.followups, *elsewhere]
    return [each for each in discord_.posts.values() if each.reference == key and each.author == discord_.bot_user]


def figures(discord_: DiscordDouble, asked: dict[int, float], stalls: Stalls, *, faults: bool) -> dict[str, object]:
    told = {key: answers(discord_, key) for key in asked}
    finished = completions(discord_)
    signs = [first_sign(discord_, key, told[key]) - asked[key] for key in asked if told[key]]
    whole = [max(finished.get(each.id, each.at) for each in told[key]) - asked[key] for key in asked if told[key]]
    return {
        "run": "with faults" if faults else "calm",
        **counted([len(each) for each in told.values()]),
        **spread("first sign", signs),
        **spread("answer", whole),
        **stalled(stalls),
        "calls over the limits": discord_.rest.earned,
        "left thinking": sum("thinking" in each for each in discord_.unfinished()),
        "resumes": len(discord_.gateway.resumes),
        "breaches": len(discord_.problems),
    }


def completions(discord_: DiscordDouble) -> dict[int, float]:
    """When each message got its buttons, where that was an edit; by its id."""
    originals = {each.token: each.original.id for each in discord_.interactions.values() if each.original}
    found: dict[int, float] = {}
    for call in discord_.calls:
        if call.method == "PATCH" and call.status == 200 and (call.body or {}).get("components"):
            *_, token, _, message = call.route.split("/")
            found[originals[token] if message == "@original" else int(message)] = call.at
    return found


def first_sign(discord_: DiscordDouble, key: int, told: list[Posted]) -> float:
    """When Discord first showed that somebody cares: as thinking, typing, or the answer's first words."""
    if key in discord_.interactions:
        return discord_.interactions[key].answered_at or min(each.at for each in told)
    question = discord_.posts[key]
    typing = [at for channel, at in discord_.typing if channel == question.channel and at >= question.at]
    return min([*typing, *(each.at for each in told)])


def run() -> list[dict[str, object]]:
    """A calm run, then one with faults."""
    return [asyncio.run(measure(faults=False)), asyncio.run(measure(faults=True))]


if __name__ == "__main__":
    show("Discord under load", run())
