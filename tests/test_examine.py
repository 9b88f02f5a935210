"""The whole gate over a real engine on a tiny model: what is broken is refused with a reason, never an error."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from fakes import REPLY, FixedRetriever, FixedRouter, HashedWordsEncoder
from test_assistant import GENERAL_CHOICE
from test_broken_adapters import DAMAGE, truncate
from tiny_model import prompt, registry_of, write_adapter

from adapters.gate.evaluation import Evaluator
from adapters.gate.fingerprint import fingerprint
from adapters.gate.gate import examine
from adapters.gate.probe import GeneralRow, Probe, ProbeRow, SafetyRow
from adapters.generator import TransformersGenerator
from bot.app import evaluator as evaluator_of
from bot.app import open_installation
from bot.learning.router import RouteTeacher
from bot.messages import Completion, Reply
from bot.settings import DomainSettings, ModelSettings, Settings, StorageSettings

PASSAGES = ("Refunds are paid within 14 days.",)
PROBE = Probe(
    domain=tuple(
        ProbeRow(id=f"d{number}", question=f"Q {number}?", passages=PASSAGES, answer="14 days" if number < 20 else None)
        for number in range(30)
    ),
    general=tuple(
        GeneralRow(id=f"g{number}", question=f"What is {number}?", reference=f"It is {number}.", expected=("a",))
        for number in range(10)
    ),
    safety=tuple(SafetyRow(id=f"s{n}", question=f"S {n}?", passages=PASSAGES, forbidden=("BOO",)) for n in range(5)),
)


@pytest.fixture
def evaluator(generator: TransformersGenerator, adapters: Path, tiny_folder: Path, tmp_path: Path) -> Evaluator:
    async def complete(question: str, adapter: str) -> Completion:
        return await generator.generate(prompt(question, max_new_tokens=2), adapter=adapter)

    async def answer(question: str, passages: tuple[str, ...], adapter: str) -> Reply:
        done = await complete(f"{passages} {question}", adapter)
        return replace(REPLY, text=done.text, adapter=done.adapter)

    async def surprise(pairs: object, adapter: str) -> list[float]:
        return await generator.surprise([(prompt("What?"), "It is."), (prompt("Who?"), "I am.")] * 5, adapter)

    known = partial(fingerprint, registry_of(adapters, tiny_folder))
    return Evaluator(answer=answer, complete=complete, surprise=surprise, directory=tmp_path / "e", fingerprint=known)


async def test_production_against_itself_is_no_gain(evaluator: Evaluator) -> None:
    found = await examine(evaluator, "billing@1", "billing@1", PROBE)

    assert not found.verdict.passed
    assert [check.name for check in found.verdict.checks if not check.passed] == ["domain score"]
    assert "so there is no gain" in found.verdict.reasons[0]


@pytest.mark.filterwarnings("ignore:Found missing adapter keys")  # PEFT says so too
@pytest.mark.parametrize("damage", DAMAGE)
async def test_broken_candidate_is_refused_with_a_reason(evaluator: Evaluator, adapters: Path, damage: str) -> None:
    DAMAGE[damage](adapters / "billing" / "1")

    found = await examine(evaluator, "billing@1", "travel@1", PROBE)

    assert (found.verdict.passed, found.candidate, len(found.verdict.reasons)) == (False, None, 1)
    assert "billing@1" in found.verdict.reasons[0]
    assert "pointsman train" in found.verdict.reasons[0]


async def test_candidate_that_was_torn_after_its_evaluation_is_refused(evaluator: Evaluator, adapters: Path) -> None:
    await evaluator.evaluate("billing@1", PROBE)
    truncate(adapters / "billing" / "1")

    found = await examine(evaluator, "billing@1", "none", PROBE)

    assert "missing or torn" in found.verdict.reasons[0]


async def test_candidate_is_compared_with_the_base_model_where_production_is_broken(
    evaluator: Evaluator, adapters: Path
) -> None:
    truncate(adapters / "travel" / "1")

    found = await examine(evaluator, "billing@1", "travel@1", PROBE)

    assert found.production is not None
    assert (found.production.adapter, len(found.verdict.checks)) == ("none", 7)
    assert "travel@1" in found.verdict.notes[0]


async def test_nothing_is_asked_where_the_probe_is_too_small(evaluator: Evaluator, tmp_path: Path) -> None:
    found = await examine(evaluator, "billing@1", "travel@1", replace(PROBE, domain=PROBE.domain[20:]))

    assert "No probe, no promotion: it has 0 rows" in found.verdict.reasons[0]
    assert not (tmp_path / "e").exists()


async def test_installation_has_its_adapters_examined_and_keeps_no_answer(tmp_path: Path, tiny_folder: Path) -> None:
    RouteTeacher(HashedWordsEncoder(), None, tmp_path / "router").tasks()  # type: ignore[arg-type]  # no model for it
    write_adapter(tiny_folder, tmp_path / "adapters" / "shop" / "1", seed=1)
    settings = Settings(
        storage=StorageSettings(directory=tmp_path),
        model=ModelSettings(base=str(tiny_folder), deadline_seconds=0.05),
        domains=(DomainSettings(name="shop", description="What the shop sells"),),
    )
    async with open_installation(settings) as here:
        parts = {"retriever": FixedRetriever(), "router": FixedRouter(GENERAL_CHOICE)}
        here = replace(here, assistant=replace(here.assistant, **parts))

        found = await examine(evaluator_of(here), "shop@1", "none", PROBE)

        kept = await here.stores.reviews.undecided(unvoted=99)
    assert found.candidate is not None and found.production is not None
    assert found.candidate.scores["perplexity"] != found.production.scores["perplexity"]
    assert (found.candidate.model, len(found.candidate.rows), list(kept)) == ("tiny", 55, [])
    assert len(list((tmp_path / "evaluations").glob("*.json"))) == 2
