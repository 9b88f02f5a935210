"""The terminal: a conversation with streaming, citations and votes; lines from a pipe are answered one by one."""

import asyncio
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import uuid4

from rich.console import Console

from bot import wording
from bot.errors import PointsmanError
from bot.messages import EVERYONE, GENERAL, Feedback, Message, Reply
from bot.ports import FeedbackHandler, MessageHandler

HELP = """\
Type a question and press Enter. "NAME: question" asks one domain, "general: question" the base model.
/up                 the answer was good         /down [reason]    it was not
/correct TEXT       the right answer            /wrong ROUTE      it should have gone to ROUTE (or: unknown)
/undo               take the vote back          /why              where the answer comes from
/new                forget this conversation    /quit             leave (also Ctrl-D); Ctrl-C stops an answer"""


@dataclass
class TerminalConnector:
    """One person at one terminal."""

    user: str
    domains: Sequence[str]
    labels: frozenset[str] | None = frozenset({EVERYONE})
    _thread: str = field(default_factory=lambda: uuid4().hex)
    _last: Reply | None = None
    _vote: Feedback | None = None
    _answering: "asyncio.Task[None] | None" = None

    def __post_init__(self) -> None:
        self._interactive = sys.stdin.isatty()
        self._console = Console(highlight=False, soft_wrap=True)

    async def run(self, on_message: MessageHandler, on_feedback: FeedbackHandler) -> None:
        """Answer until the input ends."""
        lines = _lines_of_stdin()
        loop = asyncio.get_running_loop()
        with suppress(NotImplementedError):  # a platform without signals: Ctrl-C ends the chat
            loop.add_signal_handler(signal.SIGINT, self._interrupted, lines)
        if self._interactive:
            known = ", ".join(self.domains) or "no domains yet; see README"
            self._say(f"Pointsman. I know: {known}. Ask me anything; /help shows the commands.")
        while True:
            self._prompt()
            line = await lines.get()
            if line is None or line.strip() in ("/quit", "/exit"):
                return
            if line.strip():
                self._answering = asyncio.create_task(self._take(line.strip(), on_message, on_feedback))
                with suppress(asyncio.CancelledError):
                    await self._answering
                self._answering = None

    async def _take(self, line: str, on_message: MessageHandler, on_feedback: FeedbackHandler) -> None:
        try:
            if line.startswith("/"):
                await self._command(line, on_feedback)
            else:
                await self._ask(line, on_message)
        except PointsmanError as exc:
            self._say(f"Sorry: {exc}")

    async def _ask(self, text: str, on_message: MessageHandler) -> None:
        if not self._interactive:
            self._say(f"> {text}")
        message = Message(
            id=f"terminal-{uuid4().hex}",
            text=text,
            user=self.user,
            platform="terminal",
            thread=self._thread,
            labels=self.labels,
        )
        self._last, self._vote = None, None
        self._last = await on_message(message, self._stream)
        self._say("")
        for citation in self._last.citations:
            where = citation.url or citation.document
            self._say("  " + citation_line(citation.number, citation.title, where, citation.quote))
        noted = [wording.origin(self._last), f"{self._last.seconds:.1f} s"]
        self._say(f"  ({', '.join(filter(None, noted))})\n")

    async def _stream(self, piece: str) -> None:
        self._console.print(printable(piece), end="", markup=False)
        self._console.file.flush()

    async def _command(self, line: str, on_feedback: FeedbackHandler) -> None:
        name, _, rest = line.partition(" ")
        rest = rest.strip()
        if name == "/help":
            self._say(HELP)
        elif name == "/new":
            self._thread, self._last = uuid4().hex, None
            self._say("A new conversation.")
        elif name not in ("/up", "/down", "/correct", "/wrong", "/undo", "/why"):
            self._say(f"I don't know {name}; /help shows the commands.")
        elif self._last is None:
            self._say("There is no answer yet to talk about; ask something first.")
        elif name == "/why":
            self._say(_lineage(self._last))
        else:
            await self._give_vote(name, rest, self._last, on_feedback)

    async def _give_vote(self, name: str, rest: str, reply: Reply, on_feedback: FeedbackHandler) -> None:
        routes = (*self.domains, GENERAL, "unknown")
        if name == "/correct" and not rest:
            self._say("Write the right answer behind it: /correct You can return it within 30 days.")
        elif name == "/wrong" and rest not in routes:
            self._say(f"Say where it should have gone: /wrong {' | '.join(routes)}")
        elif name == "/undo" and not (self._vote and self._vote.rating):
            self._say("There is no vote to take back.")
        else:
            before = self._vote
            # What was said before about the same answer stays, unless it is taken back.
            down = before if before and before.rating == -1 and name not in ("/up", "/undo") else None
            vote = Feedback(
                reply=reply.id,
                user=self.user,
                platform="terminal",
                rating={"/up": 1, "/undo": 0}.get(name, -1),  # type: ignore[arg-type]
                reason=rest or None if name == "/down" else down.reason if down else None,
                correction=rest if name == "/correct" else down.correction if down else None,
                wrong_route=rest if name == "/wrong" else down.wrong_route if down else None,
            )
            await on_feedback(vote)
            self._vote = vote
            self._say("Taken back." if name == "/undo" else "Thank you, noted.")

    def _interrupted(self, lines: "asyncio.Queue[str | None]") -> None:
        if self._answering is not None:
            self._answering.cancel()
            self._say("\n(stopped)")
        else:
            lines.put_nowait(None)

    def _prompt(self) -> None:
        if self._interactive:
            self._console.print("> ", end="")
            self._console.file.flush()

    def _say(self, text: str) -> None:
        self._console.print(printable(text), markup=False)


def citation_line(number: int, title: str, where: str, quote: str) -> str:
    """A citation on one line: number, title, place and the quoted words."""
    return f"[{number}] {title} ({where}): “{' '.join(quote.split())}”"


def _lineage(reply: Reply) -> str:
    lines = [
        f"route      {reply.route} ({reply.probability:.0%} sure; any domain {reply.domain_probability:.0%})",
        f"question   {reply.question}",
        f"prompt     {reply.prompt}",
        f"model      {reply.model}, adapter {reply.adapter}",
        f"grounding  {reply.grounding:.0%} of the sentences are supported" if reply.citations else "grounding  none",
        f"time       {reply.seconds_to_first_token:.1f} s to the first token, {reply.seconds:.1f} s in all",
        f"tokens     {reply.prompt_tokens} read, {reply.completion_tokens} written",
        f"answer id  {reply.id}",
    ]
    lines += [
        f"passage {n}  {p.heading or p.document} (score {p.score:.2f}, cosine {p.dense:.2f}, words {p.words:.1f})"
        for n, p in enumerate(reply.passages, 1)
    ]
    return "\n".join(lines)


def printable(text: str) -> str:
    """Without escape sequences, which a document could use to forge what the terminal shows."""
    return "".join(c for c in text if c in "\n\t" or c.isprintable())


def _lines_of_stdin() -> "asyncio.Queue[str | None]":
    """Lines as they come, then None. A daemon thread reads, since a blocked read cannot be cancelled."""
    lines: asyncio.Queue[str | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def read() -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody listens any more
            for line in iter(sys.stdin.readline, ""):
                loop.call_soon_threadsafe(lines.put_nowait, line)
            loop.call_soon_threadsafe(lines.put_nowait, None)

    threading.Thread(target=read, daemon=True).start()
    return lines
