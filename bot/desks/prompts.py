"""The prompts as the console changes them: new versions, which one answers, two against each other, previews."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from bot.desks.trials import MOST, Compared, Draft, PastQuestion, Preview, TypedQuestion
from bot.errors import Conflict, InputError, NotFound
from bot.jobs.again import reply_of
from bot.learning.comparison import Tally
from bot.messages import JobStatus, now
from bot.ports import AuditLog, ExchangeStore, JobQueue
from bot.prompt_choices import Choice, Trial, choice_row, read_choices, write_choices
from bot.prompt_editing import checked, save
from bot.prompts import PromptLibrary, Template
from bot.store.prompt_votes import SqlPromptVotes

PREVIEW = "preview"  # the kind of job
KEPT = 5  # previews that have ended: they hold answers, which nobody else needs


@dataclass(frozen=True, kw_only=True)
class PromptDesk:
    """Where prompts are changed; every change is in the audit log."""

    library: PromptLibrary
    folder: Path
    choices: Path
    audit: AuditLog
    votes: SqlPromptVotes
    exchanges: ExchangeStore
    jobs: JobQueue
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def save(self, name: str, text: str, *, based_on: str, by: str) -> Template:
        """
        Keep *text* as the next version; what is in use stays in use.

        Raises: InputError with what is wrong with it, StoreError if it cannot be written.
        """
        async with self.changing:
            await self._pin(name)
            template = await asyncio.to_thread(save, self.library, self.folder, name, text)
            after = {"based_on": based_on, "summary": template.summary}
            await self.audit.record(by, f"prompt.save {template.label}", None, after)
        return template

    async def use(self, name: str, version: int, *, seen: Choice, by: str) -> None:
        """Have *version* answer all conversations. Raises: InputError if there is none, or *seen* is out of date."""
        self.library.get(f"{name}@{version}")
        await self._change(name, seen, Choice(version=version), by=by, what="prompt.use")

    async def try_out(self, name: str, version: int, share: float, *, seen: Choice, by: str) -> None:
        """Have *version* answer a *share* of the conversations. Raises: InputError."""
        self.library.get(f"{name}@{version}")
        if not 0 < share < 1:
            raise InputError("a share lies above 0 and below 100 %")
        if version == seen.version:
            raise Conflict(f"{name}@{version} answers already; choose another version to compare it with")
        running = seen.trial
        begun = running.since if running and running.version == version else now().isoformat(timespec="seconds")
        trial = Trial(version=version, share=share, since=begun)
        await self._change(name, seen, replace(seen, trial=trial), by=by, what="prompt.try")

    async def end_trial(self, name: str, *, seen: Choice, by: str) -> None:
        """Have the version in use answer all conversations again. Raises: InputError."""
        await self._change(name, seen, replace(seen, trial=None), by=by, what="prompt.end")

    async def tallies(self, name: str, since: str = "") -> Mapping[str, Tally]:
        """Returns: the votes by version, all of them or those on answers since a moment in ISO format."""
        found = await self.votes.tallies(name, datetime.fromisoformat(since) if since else None)
        return {tally.adapter: tally for tally in found}

    async def asked(self, name: str) -> Sequence[PastQuestion]:
        """Returns: questions to try a new version on, those most worth a look first."""
        return await self.votes.asked(name)

    async def preview(
        self, draft: Draft, replies: Sequence[str], typed: TypedQuestion | None, *, based_on: str, by: str
    ) -> int:
        """
        Have past questions, and one that was *typed*, answered with a draft.

        Returns: the job. Raises: InputError if the draft cannot be used, or there is no question.
        """
        template = checked(draft.name, draft.version, draft.text)
        questions: list[dict[str, Any]] = [{"reply": reply} for reply in replies[:MOST]]
        if typed:
            labels = None if typed.labels is None else sorted(typed.labels)
            questions.append({"text": typed.text, "route": typed.route, "labels": labels})
        if not questions:
            raise InputError("choose a question, or type one")
        await self._forget_previews()
        payload = {
            "name": draft.name,
            "version": draft.version,
            "text": template.text,
            "based_on": based_on,
            "questions": questions,
            "by": by,
        }
        return await self.jobs.submit(PREVIEW, payload)

    async def previewed(self, job: int) -> Preview:
        """Returns: how far a preview is. Raises: NotFound if it is gone."""
        listed = next((each for each in await self.jobs.listed([PREVIEW]) if each.job.id == job), None)
        if listed is None:
            raise NotFound("this preview is gone; the prompt it was for can be previewed again")
        payload, status = cast("dict[str, Any]", listed.job.payload), listed.status
        return Preview(
            id=job,
            draft=Draft(name=payload["name"], version=payload["version"], text=payload["text"]),
            state="running" if status.state == "stopping" else status.state,
            done=status.done,
            total=len(payload["questions"]),
            compared=tuple([await self._compared(row) for row in status.result or ()]),
            error=status.error or "",
        )

    async def _compared(self, row: Mapping[str, Any]) -> Compared:
        exchange = await self.exchanges.find(row["reply"]) if row["reply"] else None
        old = exchange.reply if exchange else reply_of(row["old"]) if row["old"] else None
        asked = (exchange.reply.question or exchange.message.text) if exchange else row["question"]
        new = reply_of(row["new"]) if row["new"] else None
        return Compared(question=asked, old=old, new=new, error=row["error"])

    async def _forget_previews(self) -> None:
        ended = [each for each in await self.jobs.listed([PREVIEW]) if _ended(each.status)]
        for each in ended[: max(0, len(ended) - KEPT + 1)]:
            await self.jobs.forget(each.job.id)

    async def _pin(self, name: str) -> None:
        """Have the version in use stay the one in use when a newer one comes."""
        chosen = await asyncio.to_thread(read_choices, self.choices)
        if name not in chosen:
            self.library.get(name)
            await asyncio.to_thread(write_choices, self.choices, chosen | {name: self.library.choice(name)})

    async def _change(self, name: str, seen: Choice, after: Choice, *, by: str, what: str) -> None:
        async with self.changing:
            chosen = await asyncio.to_thread(read_choices, self.choices)
            if self.library.choice(name) != seen:
                raise Conflict(f"what answers for {name} was changed meanwhile; look at it, and try again")
            if after == seen and name in chosen:
                return
            # First: a kill in between leaves an entry for what did not happen, and never a change without an entry.
            await self.audit.record(by, f"{what} {name}", _noted(seen), _noted(after))
            await asyncio.to_thread(write_choices, self.choices, chosen | {name: after})


def _noted(choice: Choice) -> dict[str, Any]:
    row = choice_row(choice)
    trial = row["trial"]
    return {"version": row["version"]} | ({"trial": trial["version"], "share": trial["share"]} if trial else {})


def _ended(status: JobStatus) -> bool:
    return status.state in ("done", "failed")
