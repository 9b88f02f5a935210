"""
The chat in a terminal: questions, votes, and what may appear on the screen.

Run as a program, this file is a chat whose bot says what it was asked, slowly where it is asked to be slow.
"""

import asyncio
import io
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from fakes import REPLY
from patience import PATIENCE

from bot import wording
from bot.errors import GenerationError, StoreError
from bot.messages import EVERYONE, Citation, Feedback, Message, Passage, Reply
from bot.ports import OnText
from connectors.terminal import TerminalConnector, citation_line

ROOT = Path(__file__).parent.parent
NASTY = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202eevil"
CITED = replace(
    REPLY,
    citations=(Citation(number=1, document="a.md", chunk=0, title="Refunds", url="https://a.test", quote="14\ndays"),),
    passages=(Passage(document="a.md", chunk=0, text="14 days", heading="Refunds > When", dense=0.71, score=1.0),),
    question="When is my refund paid?",
)


@dataclass
class Bot:
    """Gives the same reply to every question, and keeps what it hears."""

    reply: Reply = CITED
    breaks: Exception | None = None
    messages: list[Message] = field(default_factory=list)
    votes: list[Feedback] = field(default_factory=list)

    async def on_message(self, message: Message, on_text: OnText) -> Reply:
        self.messages.append(message)
        if self.breaks:
            raise self.breaks
        for word in self.reply.text.split(" "):
            await on_text(word + " ")
        return replace(self.reply, id=f"reply-{len(self.messages)}")

    async def on_feedback(self, feedback: Feedback) -> None:
        if self.breaks:
            raise self.breaks
        self.votes.append(feedback)


class Chat:
    """Types lines into a chat and reads what it printed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    async def type(self, bot: Bot, *lines: str, user: str = "operator") -> str:
        self._monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        terminal = TerminalConnector(user=user, domains=["billing", "travel"])
        await terminal.run(bot.on_message, bot.on_feedback)
        return self._capsys.readouterr().out


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Chat:
    return Chat(monkeypatch, capsys)


async def test_lines_from_a_pipe_are_answered_one_by_one_with_their_sources(chat: Chat) -> None:
    bot = Bot()

    printed = await chat.type(bot, "When is my refund?", "", "  ", "And now?")

    assert [message.text for message in bot.messages] == ["When is my refund?", "And now?"]
    assert printed.startswith("> When is my refund?\nWithin 14 days [1]. \n  [1] Refunds (https://a.test): “14 days”\n")
    assert "(from the documents of billing, 1.5 s)" in printed


async def test_questions_of_one_chat_share_a_thread_until_a_new_one_begins(chat: Chat) -> None:
    bot = Bot()

    await chat.type(bot, "First?", "Second?", "/new", "Third?", user="jane")

    first, second, third = bot.messages
    assert first.thread == second.thread != third.thread and third.thread
    assert len({message.id for message in bot.messages}) == 3
    assert {(m.user, m.platform, m.labels) for m in bot.messages} == {("jane", "terminal", frozenset({EVERYONE}))}


@pytest.mark.parametrize(
    ("reply", "source"),
    [
        (replace(REPLY, route="general", citations=()), wording.GENERAL_NOTICE),
        (replace(REPLY, abstained=True, citations=()), "looked in the documents of billing"),
    ],
)
async def test_each_answer_says_where_it_comes_from(chat: Chat, reply: Reply, source: str) -> None:
    assert f"({source}, 1.5 s)" in await chat.type(Bot(reply), "Why?")


async def test_question_back_comes_from_nowhere(chat: Chat) -> None:
    assert "  (1.5 s)" in await chat.type(Bot(replace(REPLY, decision="ask_back")), "Why?")


@pytest.mark.parametrize(
    ("lines", "votes"),
    [
        (["/up"], [(1, None, None, None)]),
        (["/down"], [(-1, None, None, None)]),
        (["/down too long"], [(-1, "too long", None, None)]),
        (["/correct It takes 30 days."], [(-1, None, "It takes 30 days.", None)]),
        (["/wrong travel"], [(-1, None, None, "travel")]),
        (["/wrong general"], [(-1, None, None, "general")]),
        (["/wrong unknown"], [(-1, None, None, "unknown")]),
        (["/up", "/undo"], [(1, None, None, None), (0, None, None, None)]),
        (["/down bad", "/correct 30"], [(-1, "bad", None, None), (-1, "bad", "30", None)]),
        (["/correct 30", "/wrong travel"], [(-1, None, "30", None), (-1, None, "30", "travel")]),
        (["/down bad", "/up"], [(-1, "bad", None, None), (1, None, None, None)]),
        (["/up", "/down"], [(1, None, None, None), (-1, None, None, None)]),
        (["/down bad", "/undo", "/down"], [(-1, "bad", None, None), (0, None, None, None), (-1, None, None, None)]),
    ],
)
async def test_votes_are_about_the_last_answer(
    chat: Chat, lines: Sequence[str], votes: list[tuple[int, str | None, str | None, str | None]]
) -> None:
    bot = Bot()

    printed = await chat.type(bot, "First?", "Second?", *lines)

    assert [(v.rating, v.reason, v.correction, v.wrong_route) for v in bot.votes] == votes
    assert {(vote.reply, vote.user, vote.platform) for vote in bot.votes} == {("reply-2", "operator", "terminal")}
    assert printed.rstrip().endswith("Taken back." if lines[-1] == "/undo" else "Thank you, noted.")


@pytest.mark.parametrize(
    ("lines", "rating"),
    [(["/up", "/undo", "/undo"], 0), (["/up", "Second?", "/undo"], 1), (["/undo"], None)],
)
async def test_vote_that_is_not_there_cannot_be_taken_back(
    chat: Chat, lines: Sequence[str], rating: int | None
) -> None:
    bot = Bot()

    printed = await chat.type(bot, "First?", *lines)

    assert printed.endswith("There is no vote to take back.\n")
    assert [vote.rating for vote in bot.votes[-1:]] == ([] if rating is None else [rating])


async def test_vote_that_could_not_be_stored_is_not_taken_for_given(chat: Chat) -> None:
    class Full(Bot):
        async def on_feedback(self, feedback: Feedback) -> None:
            raise StoreError("the disk is full")

    assert (await chat.type(Full(), "First?", "/up", "/undo")).endswith("There is no vote to take back.\n")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["/up"], "There is no answer yet"),
        (["Why?", "/new", "/up"], "There is no answer yet"),
        (["Why?", "/correct"], "Write the right answer behind it"),
        (["Why?", "/wrong"], "/wrong billing | travel | general | unknown"),
        (["Why?", "/wrong music"], "/wrong billing | travel | general | unknown"),
        (["/dance"], "I don't know /dance; /help shows the commands."),
        (["/help"], "/correct TEXT"),
    ],
)
async def test_command_that_cannot_be_done_says_how_and_votes_nothing(
    chat: Chat, lines: Sequence[str], said: str
) -> None:
    bot = Bot()

    assert said in await chat.type(bot, *lines)

    assert bot.votes == []


@pytest.mark.parametrize("line", ["/quit", "/exit"])
async def test_quit_ends_the_chat(chat: Chat, line: str) -> None:
    bot = Bot()

    await chat.type(bot, line, "Why?")

    assert bot.messages == []


async def test_why_shows_the_whole_lineage(chat: Chat) -> None:
    printed = await chat.type(Bot(), "Why?", "/why")

    for part in (
        "billing (90% sure; any domain 95%)",
        "When is my refund paid?",
        "domain/answer@1",
        "adapter billing@3",
        "100% of the sentences",
        "200 read, 12 written",
        "reply-1",
        "passage 1  Refunds > When (score 1.00, cosine 0.71",
    ):
        assert part in printed


@pytest.mark.parametrize("breaks", [GenerationError("the model is missing"), StoreError("the disk is full")])
async def test_error_is_one_line_and_the_chat_goes_on(chat: Chat, breaks: Exception) -> None:
    bot = Bot(breaks=breaks)

    printed = await chat.type(bot, "First?", "Second?", "/up")

    assert printed.count(f"Sorry: {breaks}") == 2 and "Traceback" not in printed
    assert printed.endswith("There is no answer yet to talk about; ask something first.\n")


async def test_nobody_can_send_escape_sequences_to_the_screen(chat: Chat) -> None:
    citation = Citation(number=1, document=NASTY, chunk=0, title=NASTY, url=None, quote=NASTY)
    passage = Passage(document=NASTY, chunk=0, text=NASTY, heading=NASTY)
    nasty = replace(REPLY, text=NASTY, citations=(citation,), passages=(passage,), question=NASTY, model=NASTY)

    printed = await chat.type(Bot(nasty), NASTY, "/why", f"/{NASTY}")
    printed += await chat.type(Bot(breaks=GenerationError(NASTY)), "Why?")

    assert "evil" in printed
    assert re.findall(r"[^\n\t -~“”]", printed) == []


async def test_markup_in_an_answer_stays_text(chat: Chat) -> None:
    assert "[red]list[/red] [1] " in await chat.type(Bot(replace(REPLY, text="[red]list[/red] [1]")), "Why?")


def test_citation_is_one_line() -> None:
    assert citation_line(2, "Refunds", "refunds.md", " in \n 14  days") == "[2] Refunds (refunds.md): “in 14 days”"


def read_until(screen: int, expected: bytes) -> bytes:
    shown = b""
    while expected not in shown:
        shown += os.read(screen, 4096)
    return shown


def test_person_at_a_screen_can_stop_an_answer_go_on_and_leave() -> None:
    screen, end = pty.openpty()
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}", "TERM": "dumb", "NO_COLOR": "1"}
    command = [sys.executable, __file__]
    with subprocess.Popen(command, stdin=end, stdout=end, stderr=end, env=environment) as process:
        os.close(end)
        greeting = read_until(screen, b"> ")
        os.write(screen, b"slow\n")
        begun = read_until(screen, b"you said")
        process.send_signal(signal.SIGINT)
        stopped = read_until(screen, b"> ")
        os.write(screen, b"quick\n")
        answered = read_until(screen, b"s)")
        os.write(screen, b"\x04")  # Ctrl-D
        with suppress(OSError):  # the end of a screen
            while os.read(screen, 4096):
                pass
        assert process.wait(timeout=PATIENCE) == 0
    os.close(screen)

    assert b"I know: billing, travel" in greeting and b"slow" not in begun.partition(b"you said")[2]
    assert b"(stopped)" in stopped and b"you said quick" in answered
    assert b"> quick" not in answered.partition(b"you said")[2]  # a person has seen what they typed


async def on_message(message: Message, on_text: OnText) -> Reply:
    await on_text("you said ")
    await asyncio.sleep(30 if message.text == "slow" else 0)
    await on_text(message.text)
    return REPLY


async def on_feedback(feedback: Feedback) -> None:
    pass


if __name__ == "__main__":
    asyncio.run(TerminalConnector(user="operator", domains=["billing", "travel"]).run(on_message, on_feedback))
