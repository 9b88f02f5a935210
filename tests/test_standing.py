"""What counts of all that reviewers decided, and about which questions."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from fakes import MESSAGE, REPLY, HashedWordsEncoder
from fakes_learning import Office
from numpy.typing import NDArray

from bot.learning.standing import PAGE, StandingDecisions
from bot.messages import Query, Review
from bot.ports import Progress, silent
from bot.store.curation import SqlCurationStore
from bot.store.database import open_database
from bot.store.exchanges import SqlExchangeStore

ENCODER = HashedWordsEncoder()
QUESTION = "When is my refund paid?"


@dataclass
class Counting(HashedWordsEncoder):
    """Remembers what it was given."""

    encoded: list[str] = field(default_factory=list)

    def encode(self, texts: Sequence[str], progress: Progress = silent) -> NDArray[np.float32]:
        self.encoded.extend(texts)
        return HashedWordsEncoder.encode(self, texts)


@dataclass
class Desk(Office):
    """An office whose decisions are kept up with."""

    encoder: Counting = field(default_factory=Counting)
    standing: StandingDecisions = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.standing = StandingDecisions(self.reviews, self.encoder)

    async def about(self, text: str = QUESTION) -> list[tuple[str, bool]]:
        """Replies whose question is *text*, newest decision first, and whether their answer may be given again."""
        found = await self.standing.about(Query(text=text, vector=ENCODER.encode([text])[0]))
        return [(each.review.reply, self.standing.shelf.approves(each)) for each in found]

    async def decided(self, reply: str, state: str = "approved", question: str = QUESTION, **more: object) -> None:
        await self.answer(reply, question=question, **more)
        await self.review(reply, state, answer="After 30 days." if state == "corrected" else None)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.mark.parametrize("text", [QUESTION, "when is MY refund paid", "When is my refund being paid?"])
async def test_decision_is_found_by_the_same_question(desk: Desk, text: str) -> None:
    await desk.decided("a")

    assert await desk.about(text) == [("a", True)]


@pytest.mark.parametrize(
    "text", ["When is my salary paid?", "When is my refund not paid?", "When is the refund paid out?"]
)
async def test_other_question_finds_nothing(desk: Desk, text: str) -> None:
    await desk.decided("a")

    assert await desk.about(text) == []


async def test_newest_decision_comes_first_whatever_it_says(desk: Desk) -> None:
    await desk.decided("a")
    await desk.decided("b", "rejected")
    await desk.decided("c", "corrected")
    await desk.review("a", "needs_person")

    assert await desk.about() == [("a", False), ("c", True), ("b", False)]


async def test_decision_that_was_taken_back_no_longer_counts(desk: Desk) -> None:
    await desk.decided("a")
    await desk.decided("b")
    await desk.review("b", "rejected")
    assert await desk.about() == [("b", False), ("a", True)]

    await desk.reviews.undo(["a", "b"], by="ada")

    assert await desk.about() == [("b", True)]


async def test_question_is_embedded_once_and_only_if_it_may_be_the_same(desk: Desk) -> None:
    await desk.decided("a")
    await desk.decided("b", question="When is my salary paid?")
    await desk.about()

    await desk.review("a", "rejected")
    await desk.about()

    assert desk.encoder.encoded == [QUESTION]


async def test_same_words_are_not_enough_where_the_meaning_is_far_off(desk: Desk) -> None:
    await desk.decided("a", question="When is the refund paid? So please tell me here, if it is to be paid. Thanks")

    assert await desk.about("When refund paid, paid") == []
    assert desk.encoder.encoded != []


@pytest.mark.parametrize(
    "more",
    [
        {"text": "Within 14 …"},
        {"text": "Within 14 … (I ran out of time here.)"},
        {"prompt": "reviewed@x"},
        {"text_asked": "And on holidays?", "question": "When is my refund paid? And on holidays?"},
        {"question": "How does it work?"},
        {"question": "Refunds?"},
        {"given": True},
    ],
)
async def test_approval_of_what_says_nothing_to_others_does_not_count(desk: Desk, more: dict[str, object]) -> None:
    question = str(more.pop("question", QUESTION))
    asked, given = more.pop("text_asked", None), more.pop("given", False)
    await desk.decided("a", question=question, **more)
    exchange = desk.exchanges.exchanges["a"]
    passages = ("Within 14 days.",) if given else None
    message = replace(exchange.message, text=str(asked or question), passages=passages)
    desk.exchanges.exchanges["a"] = replace(exchange, message=message)

    assert await desk.about(question) == []


@pytest.mark.parametrize(("state", "stands"), [("approved", True), ("rejected", False), ("needs_person", False)])
async def test_decision_on_an_answer_that_was_given_again_counts_for_its_origin(
    desk: Desk, state: str, stands: bool
) -> None:
    await desk.decided("a")

    await desk.decided("b", state, question="Tell me: When is my refund paid, please?", prompt="reviewed@a")

    assert await desk.about() == [("a", stands)]


async def test_origin_stands_again_once_it_is_approved_once_more(desk: Desk) -> None:
    await desk.decided("a")
    await desk.decided("b", "rejected", question="Where is Basel?", prompt="reviewed@a")

    await desk.review("a", "approved")

    assert await desk.about() == [("a", True)]


async def test_deleted_reply_is_dropped_with_the_next_look(desk: Desk) -> None:
    await desk.decided("a")
    await desk.about()

    desk.standing.forget("a")

    assert await desk.about() == []


async def test_long_past_is_read_page_by_page(desk: Desk) -> None:
    for number in range(2 * PAGE + 1):
        await desk.decided(str(number), question=f"What is thing {number} good for?")

    assert await desk.about("What is thing 0 good for?") == [("0", True)]
    assert await desk.about(f"What is thing {2 * PAGE} good for?") == [(str(2 * PAGE), True)]


async def test_decision_of_another_process_counts_with_the_next_question(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'pointsman.db'}"
    async with open_database(url) as ours, open_database(url) as theirs:
        exchanges, standing = SqlExchangeStore(ours), StandingDecisions(SqlCurationStore(ours), ENCODER)
        await exchanges.begin(MESSAGE, replace(REPLY, question=QUESTION))
        await exchanges.complete(replace(REPLY, question=QUESTION))
        await standing.catch_up()

        await SqlCurationStore(theirs).add([Review(reply=REPLY.id, state="approved", by="ada")])
        found = await standing.about(Query(text=QUESTION, vector=ENCODER.encode([QUESTION])[0]))

    assert [each.review.reply for each in found] == [REPLY.id]
