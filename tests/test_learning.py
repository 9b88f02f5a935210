"""How the router learns, and the general questions that come with the product."""

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from fakes import HashedWordsEncoder
from fakes_routing import ENCODER, BriefTeacher, SharedWords, general_rows
from numpy.typing import NDArray
from tiny_model import ROOT

from bot.errors import StoreError
from bot.learning.router import AT_A_TIME, RouteTeacher
from bot.messages import LabelledQuestion, Query, Retrieval, RouteChoice
from bot.ports import Progress, silent
from bot.routing import EXAMPLE_WEIGHT, DomainClassifier, KnownQuestion, LearnedRouter

PUBLIC_DATA = ROOT.parent / "shared" / "data"
BENCHMARKS = ("routing_mix", "clinc150", "banking77", "general_queries")


class CountingEncoder(HashedWordsEncoder):
    """Knows how many texts it was given."""

    __slots__ = ("texts",)

    def encode(self, texts: Sequence[str], progress: Progress = silent) -> NDArray[np.float32]:
        self.texts = getattr(self, "texts", 0) + len(texts)
        return HashedWordsEncoder.encode(self, texts, progress)


class SlowWords(SharedWords):
    """Takes its time, and knows which domains it measured."""

    def __init__(self) -> None:
        super().__init__()
        self.measured: list[str] = []
        self.begun = threading.Event()

    def measure(
        self, domain: str, queries: Sequence[Query], without: Sequence[tuple[str, int] | None]
    ) -> list[tuple[float, ...]]:
        self.measured.append(domain)
        self.begun.set()
        time.sleep(0.1)
        return [(0.5,)] * len(queries)


def teacher(folder: Path) -> RouteTeacher:
    return BriefTeacher(ENCODER, SharedWords(), folder)


async def ask(teacher: RouteTeacher, text: str, examples: Sequence[LabelledQuestion] = ()) -> RouteChoice:
    router = LearnedRouter(await teacher.teach(["billing", "travel"], examples))
    query = Query(text=text, vector=ENCODER.encode([text])[0])
    found = {d: Retrieval(evidence=SharedWords().measure(d, [query], [None])[0]) for d in ("billing", "travel")}
    return router.choose(query, found, explicit=None)


@pytest.mark.parametrize(
    ("text", "route"),
    [
        ("Is dunning of the invoice due", "billing"),
        ("Is the sleeper train to Basel late", "travel"),
        ("What do you think of pop music", "general"),
    ],
)
async def test_router_learns_from_the_domains_own_text_alone(tmp_path: Path, text: str, route: str) -> None:
    assert (await ask(teacher(tmp_path), text)).route == route


async def test_examples_move_a_question_to_their_route(tmp_path: Path) -> None:
    text = "Can my dog have a seat"
    examples = [LabelledQuestion(text=text + end, route="travel") for end in ("", " too", " as well", " next to me")]

    before = await ask(teacher(tmp_path), text)
    after = await ask(teacher(tmp_path), text, examples)

    assert before.route == "general"
    assert after.domain_probability > before.domain_probability + 0.3 and after.route == "travel"


async def test_domain_without_documents_and_examples_is_left_out(tmp_path: Path) -> None:
    fitted = await teacher(tmp_path).teach(["billing", "empty"], [LabelledQuestion(text="Hello?", route="gone")])

    assert list(fitted) == ["billing"]


async def test_domain_with_examples_alone_is_learnt(tmp_path: Path) -> None:
    examples = [LabelledQuestion(text=f"Who repairs lift {number}", route="empty") for number in range(6)]

    fitted = await teacher(tmp_path).teach(["empty"], examples)

    assert len(fitted["empty"].own) == 6


async def test_what_was_fitted_is_given_away_before_the_teaching_ends(tmp_path: Path) -> None:
    own, kept = teacher(tmp_path), []

    def keep(fitted: Mapping[str, DomainClassifier], known: Sequence[KnownQuestion]) -> None:
        kept.append((list(fitted), sum(question.kind == "made" for question in known), own.behind))

    await own.teach(["billing", "travel"], [], keep=keep)

    assert kept == [(["billing", "travel"], 12, True)] and not own.behind


async def test_teaching_that_could_not_be_kept_is_made_up_for(tmp_path: Path) -> None:
    own = teacher(tmp_path)

    def keep(*_: object) -> None:
        raise StoreError("the disk is full")

    with pytest.raises(StoreError):
        await own.teach(["billing"], [], keep=keep)
    assert own.behind


def test_example_of_a_flood_counts_less(tmp_path: Path) -> None:
    examples = [LabelledQuestion(text="Can my dog have a seat", route="travel", reply="r1", weight=0.25)]

    (known,) = [each for each in teacher(tmp_path).known(["travel"], examples) if each.kind == "example"]

    assert known.weight == EXAMPLE_WEIGHT / 4


def test_state_of_a_domain_changes_with_its_documents(tmp_path: Path) -> None:
    words = SharedWords()
    own = BriefTeacher(ENCODER, words, tmp_path)
    before = own.state(["billing", "travel", "empty"])

    words.texts["travel"] = ("Only buses from now on",)

    after = own.state(["billing", "travel", "empty"])
    assert before["billing"] == after["billing"] and before["travel"] != after["travel"] and after["empty"] == ""


async def test_teaching_that_is_cancelled_stops_at_its_next_step_and_keeps_nothing(tmp_path: Path) -> None:
    words, kept = SlowWords(), list[str]()
    slow = BriefTeacher(ENCODER, words, tmp_path)
    task = asyncio.create_task(slow.teach(["billing", "travel"], [], keep=lambda *_: kept.append("kept")))
    await asyncio.to_thread(words.begun.wait, 10)

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.get_running_loop().shutdown_default_executor()  # until every thread has ended
    assert words.measured == ["billing"] and kept == []
    assert slow.behind


async def test_teacher_is_behind_until_a_teaching_ends(tmp_path: Path) -> None:
    own = teacher(tmp_path)
    (tmp_path / "teaching").touch()
    before = own.behind

    await own.teach(["billing"], [])

    assert before and not own.behind


async def test_examples_beyond_one_step_are_learnt_too(tmp_path: Path) -> None:
    examples = [LabelledQuestion(text=f"Who repairs lift {number}", route="empty") for number in range(AT_A_TIME + 2)]

    fitted = await teacher(tmp_path).teach(["empty"], examples)

    assert len(fitted["empty"].own) == AT_A_TIME + 2


def test_general_set_is_embedded_once(tmp_path: Path) -> None:
    first, second = CountingEncoder(), CountingEncoder()

    RouteTeacher(first, SharedWords(), tmp_path).tasks()
    again = RouteTeacher(second, SharedWords(), tmp_path).tasks()

    assert (first.texts, getattr(second, "texts", 0)) == (len(general_rows()), 0)
    assert again.choose(Query(text="", vector=ENCODER.encode(["Translate this into French"])[0])) == "translation"


@pytest.mark.parametrize("damage", [b"", b"garbage", b"\x93NUMPY\x01\x00"])
def test_damaged_embeddings_of_the_general_set_are_made_again(tmp_path: Path, damage: bytes) -> None:
    teacher(tmp_path).tasks()
    (kept,) = tmp_path.glob("general-*.npy")
    whole = kept.read_bytes()
    kept.write_bytes(damage)

    teacher(tmp_path).tasks()

    assert kept.read_bytes() == whole


def test_general_set_has_a_thousand_questions_of_25_kinds() -> None:
    kinds = Counter(row["kind"] for row in general_rows())

    assert sum(kinds.values()) >= 1_000
    assert len(kinds) >= 25 and min(kinds.values()) >= 20


def test_general_set_asks_nothing_twice() -> None:
    texts = Counter(row["text"].strip().casefold() for row in general_rows())

    assert [text for text, times in texts.items() if times > 1 or not text] == []


@pytest.mark.parametrize("name", BENCHMARKS)
def test_general_set_holds_no_question_of_a_public_benchmark(name: str) -> None:
    files = list((PUBLIC_DATA / name).glob("*.jsonl"))
    if not files:
        pytest.skip(f"the public data set {name} is not beside this repository")
    own = {row["text"].strip().casefold() for row in general_rows()}

    lines = [line for file in files for line in file.read_text(encoding="utf-8").split("\n") if line]
    theirs = {json.loads(line)["text"].strip().casefold() for line in lines}

    assert own & theirs == set()
