"""
Slack under load: 200 people over ten channels and their direct messages, one question each within a minute.

The double enforces Slack's published rates; the bot runs in a process of its own with the real router, retriever and
database, and a generator that answers at once. The second run has faults: 429, 500, dropped connections, duplicates.
"""

import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[1]))  # the double is a part of the tests

from slack_double import SlackDouble
from tables import WORK, show, work_folder

from bot.app import connectors_of, open_installation
from bot.messages import Completion, Prompt, Turn
from bot.ports import OnText, discard
from bot.settings import DomainSettings, Secrets, Settings, StorageSettings
from bot.work import warming_up

PEOPLE, CHANNELS, SECONDS = 200, 10, 60.0
SEED = 0
HANDBOOK = HERE.parents[2] / "knowledge" / "handbook"
QUESTIONS = ("How do I ingest my own documents?", "Write a short thank-you note.", "How do I take a vote back?")


class InstantGenerator:
    """Says one sentence of its first passage, or a greeting, at once."""

    model = "instant"
    context_tokens = 2048

    def count_tokens(self, turns: Sequence[Turn]) -> int:
        return sum(len(turn.content.split()) for turn in turns)

    async def generate(self, prompt: Prompt, *, adapter: str, on_text: OnText = discard) -> Completion:
        text = prompt.passages[0].text.rpartition("\n")[2][:200] if prompt.passages else "Thank you very much."
        for word in text.split(" "):
            await on_text(word + " ")
        return Completion(text=text, model=self.model, adapter=adapter, prompt_tokens=1, completion_tokens=1)

    async def warm_up(self) -> None:
        """Nothing to load."""


@dataclass
class Stalls:
    """How long the event loop did not come round."""

    longest: float = 0.0
    over: int = 0  # how often it took more than 50 ms

    async def watch(self) -> None:
        while True:
            begin = time.perf_counter()
            await asyncio.sleep(0.005)
            late = time.perf_counter() - begin - 0.005
            self.longest, self.over = max(self.longest, late), self.over + (late > 0.05)


async def be_the_bot(url: str) -> None:
    """The other process: our app until its input ends, then what it saw."""
    settings = Settings.model_validate(
        {
            "storage": StorageSettings(directory=work_folder("slack"), models=WORK.parent / "models"),
            "domains": (DomainSettings(name="handbook", description="How to run Pointsman", documents=(HANDBOOK,)),),
            "slack": {"api_base_url": url},
        }
    )
    async with open_installation(settings) as here:
        await asyncio.to_thread(here.sync.ingest, "handbook", [HANDBOOK], access=["everyone"])
        here.retriever.refresh("handbook")
        await here.learn_routes()
        here = replace(here, generator=InstantGenerator())
        here = replace(here, assistant=replace(here.assistant, generator=here.generator))
        async with warming_up(here):
            pass
        (connector,) = connectors_of(here, Secrets())
        stalls = Stalls()
        async with connector.connected(here.on_message, here.on_feedback):  # type: ignore[attr-defined]
            watching = asyncio.create_task(stalls.watch())
            print("ready", flush=True)
            await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
            watching.cancel()
        print(json.dumps({"longest": stalls.longest, "over": stalls.over}), flush=True)


async def measure(*, faults: bool) -> dict[str, object]:
    """One row: what people saw, and how the bot's event loop fared."""
    draw = random.Random(SEED)
    async with SlackDouble(tiers=True) as slack:
        rooms = populate(slack)
        environment = os.environ | {
            "SLACK_BOT_TOKEN": slack.bot_token,
            "SLACK_APP_TOKEN": slack.app_token,
            "OMP_NUM_THREADS": "1",
        }
        bot = await asyncio.create_subprocess_exec(
            *(sys.executable, str(HERE), "--bot", slack.url),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=environment,
        )
        assert bot.stdin and bot.stdout
        while (line := await bot.stdout.readline()) != b"ready\n":
            assert line, "the bot did not start"
        asked: dict[tuple[str, str], float] = {}

        async def ask(number: int) -> None:
            await asyncio.sleep(draw.uniform(0, SECONDS))
            user, room = f"U{number:03}", rooms[number]
            mention = "" if room.startswith("D") else f"<@{slack.bot_user}> "
            slack.duplicate_next = faults and number % 10 == 0
            begin = time.monotonic()
            ts = await slack.says(user, room, mention + QUESTIONS[number % len(QUESTIONS)])
            asked[room, ts] = begin

        trouble = asyncio.create_task(make_trouble(slack)) if faults else None
        await asyncio.gather(*(ask(number) for number in range(PEOPLE)))
        with suppress(AssertionError):
            await slack.until(lambda: all(finished(slack, *key) for key in asked), seconds=180)
        await asyncio.sleep(2)  # a second answer would come now
        if trouble:
            trouble.cancel()
        bot.stdin.write(b"\n")
        stalls = json.loads((await bot.stdout.read()).splitlines()[-1])
        await bot.wait()
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


def figures(
    slack: SlackDouble, asked: dict[tuple[str, str], float], stalls: dict[str, Any], *, faults: bool
) -> dict[str, object]:
    signs: dict[tuple[str, str], float] = {}
    for call in slack.calls:
        key = (str(call.args.get("channel_id") or call.args.get("channel")), str(call.args.get("thread_ts")))
        if key in asked and call.error is None:
            signs.setdefault(key, call.at - asked[key])
    answers = [len(slack.answers(*key)) for key in asked]
    acks = sorted(slack.acks)
    first = sorted(signs.values())
    return {
        "run": "with faults" if faults else "calm",
        "asked": len(asked),
        "answered once": sum(count == 1 for count in answers),
        "not answered": sum(count == 0 for count in answers),
        "answered twice": sum(count > 1 for count in answers),
        "ack median, ms": median(acks) * 1e3,
        "ack p95, ms": acks[int(len(acks) * 0.95)] * 1e3,
        "first sign median, ms": median(first) * 1e3,
        "first sign p95, ms": first[int(len(first) * 0.95)] * 1e3,
        "streamed": sum(bool(each.streamed) for key in asked for each in slack.answers(*key)),
        "longest stall, ms": stalls["longest"] * 1e3,
        "stalls over 50 ms": stalls["over"],
        "calls over the rate": sum(call.error == "ratelimited" for call in slack.calls),
        "breaches": len(slack.problems),
    }


def run() -> list[dict[str, object]]:
    """A calm run, then one with faults."""
    return [asyncio.run(measure(faults=False)), asyncio.run(measure(faults=True))]


if __name__ == "__main__":
    if "--bot" in sys.argv:
        asyncio.run(be_the_bot(sys.argv[-1]))
    else:
        show("Slack under load", run())
