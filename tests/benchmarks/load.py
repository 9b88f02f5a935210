"""
What the load runs of the chat platforms share: 200 people with a question each within a minute, and a bot.

Run as a program, this file is that bot: our app with the real router, retriever and database, and a generator that
answers at once. It ends with its input, and then says how its event loop fared.
"""

import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

from tables import WORK, work_folder

from bot.app import connectors_of, open_installation
from bot.messages import Completion, Prompt, Turn
from bot.ports import OnText, discard
from bot.settings import DomainSettings, Secrets, Settings, StorageSettings
from bot.work import warming_up

PEOPLE, CHANNELS, SECONDS = 200, 10, 60.0
PATIENCE, AFTERWARDS = 180.0, 2.0  # seconds for the last answers, and for a second one that should not come
SEED = 0
HANDBOOK = Path(__file__).parents[2] / "knowledge" / "handbook"
QUESTIONS = ("How do I ingest my own documents?", "Write a short thank-you note.", "How do I take a vote back?")

Key = TypeVar("Key", bound=Hashable)
Stalls = Mapping[str, float]  # "longest", in seconds, and how many were "over" 50 ms


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
class Clock:
    """How long the event loop did not come round."""

    longest: float = 0.0
    over: int = 0  # how often it took more than 50 ms

    async def watch(self) -> None:
        while True:
            begin = time.perf_counter()
            await asyncio.sleep(0.005)
            late = time.perf_counter() - begin - 0.005
            self.longest, self.over = max(self.longest, late), self.over + (late > 0.05)


async def be_the_bot(platform: str, section: Mapping[str, str]) -> None:
    """The other process: our app until its input ends, then what it saw."""
    settings = Settings.model_validate(
        {
            "storage": StorageSettings(directory=work_folder(platform), models=WORK.parent / "models"),
            "domains": (DomainSettings(name="handbook", description="How to run Pointsman", documents=(HANDBOOK,)),),
            platform: section,
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
        running = asyncio.create_task(connector.run(here.on_message, here.on_feedback))
        await connector.ready.wait()
        clock = Clock()
        watching = asyncio.create_task(clock.watch())
        print("ready", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        watching.cancel()
        running.cancel()
        await asyncio.wait([running])
        print(json.dumps(asdict(clock)), flush=True)


async def under_load(
    platform: str,
    section: Mapping[str, str],
    secrets: Mapping[str, str],
    *,
    ask: Callable[[int], Awaitable[Key]],
    answered: Callable[[Key], bool],
    trouble: Callable[[], Coroutine[Any, Any, None]] | None,
) -> tuple[dict[Key, float], Stalls]:
    """When each person asked, and how the bot fared, once all are answered or it has lasted too long."""
    bot = await _start(platform, section, secrets)
    draw, asked = random.Random(SEED), dict[Key, float]()

    async def one(number: int) -> None:
        await asyncio.sleep(draw.uniform(0, SECONDS))
        begin = time.monotonic()
        asked[await ask(number)] = begin

    troubling = asyncio.create_task(trouble()) if trouble else None
    await asyncio.gather(*(one(number) for number in range(PEOPLE)))
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while not all(map(answered, asked)):  # noqa: ASYNC110  # doubles set no event
                await asyncio.sleep(0.25)
    await asyncio.sleep(AFTERWARDS)
    if troubling:
        troubling.cancel()
    said, _ = await bot.communicate(b"\n")
    return asked, json.loads(said.splitlines()[-1])


async def _start(platform: str, section: Mapping[str, str], secrets: Mapping[str, str]) -> asyncio.subprocess.Process:
    """A bot that is ready for questions."""
    bot = await asyncio.create_subprocess_exec(
        *(sys.executable, __file__, platform, json.dumps(section)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {**secrets, "OMP_NUM_THREADS": "1"},
    )
    assert bot.stdout
    while (line := await bot.stdout.readline()) != b"ready\n":
        assert line, "the bot did not start"
    return bot


def counted(answers: Sequence[int]) -> dict[str, object]:
    """How many got how many answers."""
    return {
        "asked": len(answers),
        "answered once": sum(count == 1 for count in answers),
        "not answered": sum(count == 0 for count in answers),
        "answered twice": sum(count > 1 for count in answers),
    }


def spread(name: str, seconds: Sequence[float]) -> dict[str, object]:
    """Median and 95th percentile, in milliseconds."""
    ordered = sorted(seconds)
    return {f"{name} median, ms": median(ordered) * 1e3, f"{name} p95, ms": ordered[int(len(ordered) * 0.95)] * 1e3}


def stalled(stalls: Stalls) -> dict[str, object]:
    """How long the bot's event loop stood still."""
    return {"longest stall, ms": stalls["longest"] * 1e3, "stalls over 50 ms": int(stalls["over"])}


if __name__ == "__main__":
    asyncio.run(be_the_bot(sys.argv[1], json.loads(sys.argv[2])))
