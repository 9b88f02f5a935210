"""
Requests for completions, and which of them are answered together.

A CPU reads half a gigabyte of weights for every token; rows of a batch share that. So requests that wait for the same
adapter go together, as long as they read little enough that nobody waits long for the others' prompts.
"""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.messages import Completion, Prompt

MOST_ROWS = 8
MOST_TOKENS = 4096  # of prompts, padding included: some ten seconds of reading on two cores


@dataclass(eq=False, slots=True)
class Request:
    """A prompt that waits for its completion. Made on the event loop, answered in a worker thread."""

    prompt: Prompt
    adapter: str
    ids: list[int]  # the prompt's tokens
    pieces: "asyncio.Queue[str | None]" = field(default_factory=asyncio.Queue)  # None: the last piece was before it
    completion: "asyncio.Future[Completion]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    stop: threading.Event = field(default_factory=threading.Event)  # nobody waits for it any more

    def hand_on(self, piece: str) -> None:
        """Give a *piece* of the answer to whoever asked; from any thread."""
        self._loop.call_soon_threadsafe(self.pieces.put_nowait, piece)

    def finish(self, outcome: Completion | BaseException) -> None:
        """The answer is whole, or there is none; from any thread. Only the first outcome counts."""
        self._loop.call_soon_threadsafe(self._finish, outcome)

    def _finish(self, outcome: Completion | BaseException) -> None:
        if self.completion.done():
            return
        if isinstance(outcome, BaseException):
            self.completion.set_exception(outcome)
        else:
            self.completion.set_result(outcome)
        self.pieces.put_nowait(None)

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return self.completion.get_loop()


def going_with(first: Request, waiting: Sequence[Request]) -> list[Request]:
    """*first*, and those of *waiting*, in their order, that are answered together with it."""
    together, longest = [first], len(first.ids)
    for each in waiting:
        if len(together) == MOST_ROWS:
            break
        longest_then = max(longest, len(each.ids))
        fits = longest_then <= 2 * len(first.ids) and longest_then * (len(together) + 1) <= MOST_TOKENS
        if each is not first and fits and _alike(each, first):
            together.append(each)
            longest = longest_then
    return together


def _alike(one: Request, other: Request) -> bool:
    """Whether they can be rows of a batch: an answer in JSON goes alone."""
    penalties = one.prompt.repetition_penalty == other.prompt.repetition_penalty
    return one.adapter == other.adapter and penalties and not (one.prompt.schema or other.prompt.schema)
