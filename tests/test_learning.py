"""How the router learns, and the general questions that come with the product."""

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
from fakes import HashedWordsEncoder
from numpy.typing import NDArray
from tiny_model import ROOT

from bot.errors import RetrievalError
from bot.learning.router import AT_A_TIME, GENERAL_SET, RouteTeacher, kept_classifiers
from bot.messages import LabelledQuestion, Query, Retrieval, RouteChoice
from bot.ports import Progress, silent
from bot.routing import LearnedRouter, load

TEXTS = {
    "billing": (
        "Invoice reminders and dunning",
        "An invoice is due after 30 days",
        "Refunds reach the ledger in May",
        "The ledger closes when every invoice is paid",
        "Dunning begins when an invoice is overdue",
        "Refunds of an invoice need a ledger entry",
    ),
    "travel": (
        "Sleeper train bookings",
        "A hotel voucher covers two nights",
        "The train to Basel leaves at noon",
        "Train bookings come with a hotel voucher",
        "The sleeper to Basel has a hotel bed",
        "Voucher for the night train",
    ),
    "empty": (),
}
PUBLIC_DATA = ROOT.parent / "shared" / "data"
BENCHMARKS = ("routing_mix", "clinc150", "banking77", "general_queries")
ENCODER = HashedWordsEncoder()


class CountingEncoder(HashedWordsEncoder):
    """Knows how many texts it was given."""

    __slots__ = ("texts",)

    def encode(self, texts: Sequence[str], progress: Progress = silent) -> NDArray[np.float32]:
        self.texts = getattr(self, "texts", 0) + len(texts)
        return HashedWordsEncoder.encode(self, texts, progress)


class SharedWords:
    """Evidence: how near the nearest text of the domain is, the one left out aside."""

    def made_questions(self, domain: str) -> list[tuple[str, tuple[str, int] | None]]:
        return [(text, (domain, number)) for number, text in enumerate(TEXTS[domain])]

    def measure(
        self, domain: str, queries: Sequence[Query], without: Sequence[tuple[str, int] | None]
    ) -> list[tuple[float, ...]]:
        return [(self._nearest(domain, query, left_out),) for query, left_out in zip(queries, without, strict=True)]

    def _nearest(self, domain: str, query: Query, left_out: tuple[str, int] | None) -> float:
        texts = [text for number, text in enumerate(TEXTS[domain]) if (domain, number) != left_out]
        return max((float(vector @ query.vector) for vector in ENCODER.encode(texts)), default=0.0)


class BriefTeacher(RouteTeacher):
    """Knows a sixth of the general set, which takes a sixth of the time to learn."""

    @cached_property
    def general_set(self) -> list[tuple[str, str]]:
        return [(row["text"], row["kind"]) for row in general_rows()[::6]]


class SlowWords(SharedWords):
    """Takes its time, and knows which domains it measured."""

    def __init__(self) -> None:
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


def general_rows() -> list[dict[str, str]]:
    return [json.loads(line) for line in GENERAL_SET.read_text(encoding="utf-8").splitlines()]


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


async def test_what_was_learnt_is_kept_for_the_domains_that_there_are(tmp_path: Path) -> None:
    own = teacher(tmp_path)

    fitted = await own.teach(["billing", "travel"], [])

    assert own.path == tmp_path / "router.npz" and list(load(own.path)) == ["billing", "travel"]
    kept = kept_classifiers(own.path, {"travel": None})
    assert list(kept) == ["travel"] and np.array_equal(kept["travel"].evidence, fitted["travel"].evidence)


async def test_teaching_that_is_cancelled_stops_at_its_next_step_and_keeps_nothing(tmp_path: Path) -> None:
    words = SlowWords()
    slow = BriefTeacher(ENCODER, words, tmp_path)
    task = asyncio.create_task(slow.teach(["billing", "travel"], []))
    await asyncio.to_thread(words.begun.wait, 10)

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.get_running_loop().shutdown_default_executor()  # until every thread has ended
    assert words.measured == ["billing"] and not slow.path.exists()
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


def test_damaged_router_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "router.npz").write_bytes(b"PK\x03\x04 and no more")

    with pytest.raises(RetrievalError, match="is damaged"):
        kept_classifiers(tmp_path / "router.npz", {"billing": None})


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
