"""How a prompt becomes the text a user reads: general answers word by word, domain answers sentence by sentence."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from bot import wording
from bot.grounding import Release, cite
from bot.messages import Citation, Completion, Passage, Prompt, Reply, ReviewedAnswer
from bot.ports import Generator, OnText
from bot.structured import Form, is_json

RESULT = "Answer:"
NONE = "none"  # no adapter, no prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The outcome of one question."""

    text: str
    abstained: bool = False
    asked_back: bool = False
    citations: tuple[Citation, ...] = ()
    grounding: float = 0.0
    completion: Completion | None = None  # None: no model was needed
    label: str = NONE  # where the answer is from, in place of a prompt

    def complete(self, draft: Reply, watch: "Stopwatch") -> Reply:
        """*draft* with everything that is known now."""
        done = self.completion
        return replace(
            draft,
            text=self.text,
            abstained=self.abstained,
            decision="ask_back" if self.asked_back else "answer",
            citations=self.citations,
            grounding=self.grounding,
            adapter=done.adapter if done else draft.adapter,
            prompt_tokens=done.prompt_tokens if done else 0,
            completion_tokens=done.completion_tokens if done else 0,
            seconds_to_first_token=watch.first if done else watch.seconds,
            seconds=watch.seconds,
        )


@dataclass(slots=True)
class Stopwatch:
    """Seconds since it was made, and until the first piece of text."""

    started: float = field(default_factory=time.monotonic)
    _first: float | None = None

    @property
    def seconds(self) -> float:
        """So far."""
        return round(time.monotonic() - self.started, 3)

    @property
    def first(self) -> float:
        """Until the first piece; until now if none came."""
        return self.seconds if self._first is None else self._first

    def watching(self, on_text: OnText) -> OnText:
        """*on_text*, timed."""

        async def watched(piece: str) -> None:
            if self._first is None:
                self._first = self.seconds
            await on_text(piece)

        return watched


async def write_general(generator: Generator, prompt: Prompt, on_text: OnText, watch: Stopwatch) -> Answer:
    """An answer from what the base model knows, shown as it comes."""
    shown = ResultOnly(on_text) if prompt.hidden_reasoning else on_text
    completion = await generator.generate(prompt, adapter=NONE, on_text=watch.watching(shown))
    text = completion.text.strip()
    if isinstance(shown, ResultOnly):
        text = await shown.finish(text)
    note = wording.cut_off(completion.finish) if text else wording.NOTHING_CAME
    if note:
        await on_text(note)
    return Answer(text=text + note, completion=completion)


async def write_grounded(
    generator: Generator, prompt: Prompt, draft: Reply, on_text: OnText, watch: Stopwatch
) -> Answer:
    """
    An answer from the prompt's passages; each sentence is shown once it is known to be supported by one of them.

    One in JSON is shown as a whole.
    """
    release: Release | Form
    if prompt.schema:
        release = Form(question=draft.question, passages=prompt.passages, schema=prompt.schema, on_text=on_text)
    else:
        release = Release(question=draft.question, passages=prompt.passages, on_text=on_text)
    completion = await generator.generate(prompt, adapter=draft.adapter, on_text=watch.watching(release))
    verdict = await release.verdict(wording.cut_off(completion.finish))
    if verdict.refused:
        answer = unknown(draft.route, draft.question, prompt.passages, completion)
        await on_text(answer.text)
        return answer
    return Answer(text=verdict.text, citations=verdict.citations, grounding=verdict.grounding, completion=completion)


def again(known: ReviewedAnswer) -> Answer:
    """A reviewed answer, marked as one; where it is JSON, by its label alone."""
    return Answer(
        text=known.text if is_json(known.text) else known.text + wording.reviewed(known),
        abstained=known.abstained,
        citations=known.citations,
        grounding=known.grounding,
        label=known.label,
    )


def unknown(domain: str, question: str, passages: Sequence[Passage], completion: Completion | None = None) -> Answer:
    """ "I don't know", with the nearest places and what they say."""
    nearest = [cite(number, passage, question) for number, passage in enumerate(passages, 1)]
    return Answer(text=wording.unknown(domain, nearest), abstained=True, completion=completion)


class ResultOnly:
    """An OnText that hides the model's working and shows what follows the first "Answer:"."""

    def __init__(self, on_text: OnText) -> None:
        self._on_text = on_text
        self._hidden = ""
        self._shown = ""

    async def __call__(self, piece: str) -> None:
        """Take the next piece."""
        if not self._shown:
            self._hidden += piece
            piece = self._hidden.partition(RESULT)[2].lstrip()
        if piece:
            self._shown += piece
            await self._on_text(piece)

    async def finish(self, text: str) -> str:
        """The result within the whole *text*: what was shown, else the last line."""
        if not self._shown:
            self._shown = text.rpartition("\n")[2]
            await self._on_text(self._shown)
        return self._shown.strip()
