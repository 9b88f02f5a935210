"""
Changes of the router: taught again after an ingest, trained on what reviewers decided, promoted, rolled back.

A version that learnt new reviews comes into use only where it is measured to be no worse than the one in use. An ingest
may not wait for that: the evidence that the old version reads is out of date. So it teaches again what the version in
use had learnt, with every example that was written by hand.
"""

import asyncio
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from bot.errors import InputError
from bot.learning.router import RouteTeacher
from bot.learning.router_gate import Contender, Verdict, compare
from bot.learning.router_versions import Origin, RouterVersion, RouterVersions, Stages
from bot.learning.routes import Lessons, RouteDesk, normal
from bot.messages import GENERAL, LabelledQuestion
from bot.ports import AuditLog, Progress, silent
from bot.progress import in_thread
from bot.routing import EXAMPLE, MADE, DomainClassifier, KnownQuestion, LearnedRouter

OUTDATED = (
    "documents have changed, or something was deleted or taken back, since it was trained; "
    "`pointsman router train` makes another"
)

After = Callable[[Stages, str], Stages]
"""Called with the stages and a new version that is to be used. Returns: the stages from then on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a version."""

    version: RouterVersion
    in_use: bool
    made: bool = True  # False: there was one that learnt the same
    verdict: Verdict | None = None  # None: nothing had to be compared
    left_out: Mapping[str, int] = field(default_factory=dict)  # reviews that taught nothing, by reason


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterChanges:
    """Changes the router of an installation; one change at a time."""

    domains: Sequence[str]  # by name
    desk: RouteDesk
    teacher: RouteTeacher
    versions: RouterVersions
    router: LearnedRouter
    audit: AuditLog

    async def behind(self) -> bool:
        """Whether the router in use does not know yet what the index holds, or what examples were written."""
        production = self.versions.production
        written = [example for example in await self.desk.examples.all() if example.route in self._routes]
        unknown = any(production is None or not _had(production, example) for example in written)
        return self.teacher.behind or unknown

    async def learn(self, origin: Origin, progress: Progress = silent) -> None:
        """Teach the router again and route by it from now on: an ingest or new examples wait for no measurement."""
        lessons = await self._lessons(progress)
        production = self.versions.production
        had = production.learned if production else ()
        chosen = [example for example in lessons.examples if not example.reply or fingerprint(example) in had]
        # Who goes back wants the examples gone that were added; of an ingest nothing can be taken back.
        after = Stages.promoted if origin == "examples" else Stages.replaced
        await self._teach(origin, replace(lessons, examples=tuple(chosen)), after, progress)

    async def train(self, *, by: str, progress: Progress = silent) -> Outcome:
        """What became of a version that learns every example; one that learnt the same is not made again."""
        if self.teacher.behind:
            await self.learn("ingest", progress)
        lessons = await self._lessons(progress)
        draft = await asyncio.to_thread(self._draft, "train", lessons)
        stages = self.versions.stages
        same = self._same(draft, stages)
        if same and (stages.status(same.version) != "candidate" or same.reasons):
            is_it = same.version == stages.production
            return Outcome(version=same, in_use=is_it, made=False, left_out=draft.left_out)
        # A kill may have come before one that passed was used.
        train = partial(self._trained, draft, lessons)
        version, verdict = (same, None) if same else await in_thread(train, progress)
        if not version.reasons:
            await self._use(stages.promoted(version.version), by=by)
        passed = not version.reasons
        return Outcome(version=version, in_use=passed, made=same is None, verdict=verdict, left_out=draft.left_out)

    async def promote(self, version: str | None, *, by: str, request: str = "", progress: Progress = silent) -> Outcome:
        """
        What became of a version that is to be used: by default the newest candidate, measured as things are now.

        *request*: the same again, after a kill, is not done twice.
        Raises: InputError if there is no such version, or it is in use.
        """
        stages = self.versions.stages
        if request and stages.request == request:
            return Outcome(version=self.versions.find(stages.production), in_use=True, made=False)
        chosen = self.versions.find(version or self._newest_candidate(stages))
        if chosen.version == stages.production:
            raise InputError(f"router {chosen.version} is in use already; `pointsman router list` shows the others")
        lessons = await self._lessons(progress)
        verdict = await in_thread(partial(self._judged, chosen, lessons), progress)
        if verdict.passed:
            await self._use(replace(stages.promoted(chosen.version), request=request), by=by)
        return Outcome(version=chosen, in_use=verdict.passed, verdict=verdict)

    async def rollback(
        self, version: str | None, *, by: str, request: str = "", progress: Progress = silent
    ) -> Outcome:
        """
        What is in use now that a promotion is taken back: by default the version from before it.

        Where documents have changed since, or something was deleted that it learnt, the rest of it is taught again.
        Raises: InputError if there is nothing to go back to.
        """
        stages = self.versions.stages
        if request and stages.request == request:
            return Outcome(version=self.versions.find(stages.production), in_use=True, made=False)
        target = self._target(version, stages)
        lessons = await self._lessons(progress)
        if await asyncio.to_thread(self._outdated, target, lessons):
            kept = [example for example in lessons.examples if _had(target, example)]
            await self.audit.record(by, "router.rollback", {"version": stages.production}, {"version": target.version})

            def after(stages: Stages, made: str) -> Stages:
                return replace(stages.back_to(target.version, made), request=request)

            await self._teach("rollback", replace(lessons, examples=tuple(kept)), after, progress)
            return Outcome(version=self.versions.find(self.versions.stages.production), in_use=True)
        after_it = replace(stages.back_to(target.version, target.version), request=request)
        await self._use(after_it, by=by, what="router.rollback")
        return Outcome(version=target, in_use=True, made=False)

    def _same(self, draft: RouterVersion, stages: Stages) -> RouterVersion | None:
        """The version that learnt the same, if it is in use, was measured against the one in use, or was taken back."""
        for version in self.versions.all():
            settled = stages.production in (version.version, version.against)
            if version.hash == draft.hash and (settled or stages.status(version.version) == "retired"):
                return version
        return None

    async def _lessons(self, progress: Progress) -> Lessons:
        return await self.desk.lessons(self._routes, progress)

    @property
    def _routes(self) -> tuple[str, ...]:
        return (*self.domains, GENERAL)

    async def _teach(self, origin: Origin, lessons: Lessons, after: After, progress: Progress) -> None:
        """Fit a version on *lessons* and the documents as they are, and use it."""

        def keep(fitted: Mapping[str, DomainClassifier], known: Sequence[KnownQuestion]) -> None:
            draft = replace(self._draft(origin, lessons), counts=_counts(lessons.examples, known))
            made = self.versions.add(draft, fitted)
            self.versions.change(after(self.versions.stages, made.version))

        self.router.use(await self.teacher.teach(self.domains, lessons.examples, progress, keep))

    async def _use(self, stages: Stages, *, by: str, what: str = "router.promote") -> None:
        before = {"version": self.versions.stages.production}
        # First: a kill in between leaves an entry for what did not happen, and never a change without an entry.
        await self.audit.record(by, what, before, {"version": stages.production})
        classifiers = await asyncio.to_thread(self.versions.classifiers, self.domains, stages.production)
        await asyncio.to_thread(self.versions.change, stages)
        self.router.use(classifiers)

    def _trained(
        self, draft: RouterVersion, lessons: Lessons, progress: Progress
    ) -> tuple[RouterVersion, Verdict | None]:
        known = self.teacher.known(self.domains, lessons.examples, progress)
        fitted = self.teacher.fitted(self.domains, known, progress)
        draft = replace(draft, counts=_counts(lessons.examples, known))
        production = self.versions.production
        if production is None:
            return self.versions.add(draft, fitted), None
        candidate = self._contender("the new router", draft, fitted, lessons, known)
        verdict = self._against(production, candidate, lessons, known, progress)
        measured = replace(draft, against=production.version, checks=verdict.checks, reasons=verdict.reasons)
        return self.versions.add(measured, fitted), verdict

    def _judged(self, chosen: RouterVersion, lessons: Lessons, progress: Progress) -> Verdict:
        """What the measurement says of a version that is there already, against the one in use."""
        if self._outdated(chosen, lessons):
            return Verdict(passed=False, reasons=(OUTDATED,))
        production = self.versions.production or RouterVersion(origin="train")
        known = self.teacher.known(self.domains, lessons.examples, progress)
        fitted = self.versions.classifiers(self.domains, chosen.version)
        candidate = self._contender(f"router {chosen.version}", chosen, fitted, lessons, known)
        return self._against(production, candidate, lessons, known, progress)

    def _against(
        self,
        production: RouterVersion,
        candidate: Contender,
        lessons: Lessons,
        known: Sequence[KnownQuestion],
        progress: Progress,
    ) -> Verdict:
        """What the measurement says of *candidate*."""
        in_use = self.versions.classifiers(self.domains)
        held = self._contender(f"router {production.version}", production, in_use, lessons, known)
        return compare(candidate, held, known, partial(self.teacher.fitted, self.domains), progress)

    def _contender(
        self,
        name: str,
        version: RouterVersion,
        classifiers: Mapping[str, DomainClassifier],
        lessons: Lessons,
        known: Sequence[KnownQuestion],
    ) -> Contender:
        learned = {fingerprint(example) for example in lessons.examples if _had(version, example)}
        own = [q for q in known if q.kind == EXAMPLE and _print(q.query.text, q.route) in learned]
        return Contender(name=name, classifiers=classifiers, learned=own)

    def _outdated(self, version: RouterVersion, lessons: Lessons) -> bool:
        """Whether *version* knows other documents, or examples that are no more."""
        held = {fingerprint(example) for example in lessons.examples}
        return version.index != self.teacher.state(self.domains) or not held.issuperset(version.learned)

    def _target(self, version: str | None, stages: Stages) -> RouterVersion:
        """The version that a rollback goes back to."""
        target = version or self.versions.before
        if target is None:
            raise InputError("no router was in use before this one; `pointsman router list` shows those there are")
        found = self.versions.find(target)
        status = stages.status(found.version)
        if status == "production":
            raise InputError(f"router {found.version} is in use already; there is nothing to do")
        if status == "candidate":
            raise InputError(
                f"router {found.version} was never in use; `pointsman router promote {found.version}` measures it first"
            )
        return found

    def _newest_candidate(self, stages: Stages) -> str:
        found = [version.version for version in self.versions.all() if stages.status(version.version) == "candidate"]
        if not found:
            raise InputError("there is no candidate; `pointsman router train` makes one of what was reviewed")
        return found[-1]

    def _draft(self, origin: Origin, lessons: Lessons) -> RouterVersion:
        index = self.teacher.state(self.domains)
        learned = sorted((fingerprint(example), round(example.weight, 4)) for example in lessons.examples)
        content = json.dumps([learned, index], sort_keys=True).encode()
        return RouterVersion(
            origin=origin,
            hash=hashlib.sha256(content).hexdigest()[:16],
            learned=tuple(text for text, _ in learned),
            left_out={reason: len(replies) for reason, replies in lessons.left_out.items()},
            index=index,
        )


def fingerprint(example: LabelledQuestion) -> str:
    """What stands for an example in a version, which keeps no text of it; another route makes another one."""
    return _print(example.text, example.route)


def _print(text: str, route: str) -> str:
    return hashlib.sha256(f"{normal(text)}\0{route}".encode()).hexdigest()[:16]


def _had(version: RouterVersion, example: LabelledQuestion) -> bool:
    """Whether *version* learnt *example*; one from before there were versions learnt all that was written by hand."""
    return fingerprint(example) in version.learned or (version.origin == "found" and not example.reply)


def _counts(examples: Sequence[LabelledQuestion], known: Sequence[KnownQuestion]) -> dict[str, dict[str, int]]:
    """How many questions of each route were learnt: written, reviewed, made from documents, shipped."""
    kinds = [(example.route, "reviewed" if example.reply else "written") for example in examples]
    kinds += [(q.route, "made" if q.kind == MADE else "shipped") for q in known if q.kind != EXAMPLE]
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for (route, kind), count in Counter(kinds).items():
        found[route][kind] = count
    return dict(found)
