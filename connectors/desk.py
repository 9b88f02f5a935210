"""
The desk: takes questions from a chat platform and sees each of them answered once, whatever happens in between.

    accepted (inbox) -> acknowledged -> quota -> labels and files -> answered on a screen -> done

What is in the inbox and not done when the process dies is answered by the next one, in the reply that was begun.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import structlog
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_exponential, wait_random

from bot import wording
from bot.errors import ConnectorBusy, ConnectorError, ExchangeGone, InputError, PointsmanError, StoreError
from bot.messages import Message, Pending, Reply
from bot.ports import ExchangeStore, Inbox, MessageHandler, OnText
from connectors.quota import Quota

log = structlog.get_logger()

PATIENCE = 600.0  # seconds for which a platform that is out of order is tried again, before the next start does
PAUSE = 0.5  # seconds before the first new try
CLOSING = 3.0  # seconds for what is under way when the bot stops
SIGN_OF_LIFE = 60.0  # seconds after which a waiting asker is told again that work goes on

T = TypeVar("T")

Errand = Callable[[], Coroutine[Any, Any, None]]
"""Work that nobody waits for, behind an acknowledgement; what must not be lost is stored before."""


Acknowledge = Callable[[], Awaitable[str]]
"""Tells the platform that a question arrived. Returns: the platform's id of the reply that this began, if it did."""


class Screen(Protocol):
    """Where one answer is read while it is written. Raises: ConnectorError, ConnectorBusy."""

    async def waiting(self) -> None:
        """Give, or renew, the sign that the question is being worked on."""
        ...

    async def show(self, piece: str) -> None:
        """Take the next piece of the text; may keep it back."""
        ...

    async def finish(self, reply: Reply) -> list[str]:
        """Make what is read the whole of *reply*. Returns: the places where it is read."""
        ...

    async def say(self, text: str) -> None:
        """Say *text* instead of an answer."""
        ...

    async def stopped(self) -> None:
        """End what was begun, as the asker wished."""
        ...


class Platform(Protocol):
    """What the desk needs of a chat platform."""

    @property
    def name(self) -> str: ...

    def screen(self, pending: Pending, begun: OnText) -> Screen:
        """Returns: a screen for this answer; it calls *begun* with the platform's id of its reply."""
        ...

    async def complete(self, message: Message, address: Mapping[str, str]) -> Message:
        """
        Returns: *message* with what it takes calls to the platform to know: labels, files, whether it is private.

        Raises: InputError with what to tell the asker, where a file cannot be read.
        """
        ...

    async def refused(self, message: Message, address: Mapping[str, str], reason: str) -> None:
        """Tell the asker in another way, if there is one, that the answer may not be written where it was asked."""
        ...


@dataclass
class Desk:
    """Answers many questions at once; each in a task of its own."""

    platform: Platform
    inbox: Inbox
    exchanges: ExchangeStore
    on_message: MessageHandler
    quota: Quota
    patience: float = PATIENCE
    pause: float = PAUSE
    sign_seconds: float = SIGN_OF_LIFE
    introduction: str = ""  # what to say to somebody who asks for "help"
    _answering: dict[str, "asyncio.Task[None]"] = field(default_factory=dict)  # by message id
    _threads: dict[str, str] = field(default_factory=dict)  # message id -> thread, of what may still be stopped
    _askers: dict[str, tuple[str, str]] = field(default_factory=dict)  # message id -> user, workspace; of the same
    _stopped: set[str] = field(default_factory=set)  # message ids whose askers pressed Stop
    _closed: bool = False

    @property
    def working(self) -> int:
        """How many questions are being answered."""
        return len(self._answering)

    async def take(
        self, message: Message, address: Mapping[str, str], *, acknowledge: Acknowledge | None = None
    ) -> bool:
        """Keep a question, acknowledge it, then answer it in the background. Returns: whether it is new."""
        if not await self.inbox.accept(message, address):
            return False
        begun = await acknowledge() if acknowledge is not None else ""
        if begun:
            await self.inbox.begin(message.id, begun)
        self._start(Pending(message=message, address=address, begun=begun))
        return True

    async def resume(self) -> None:
        """Answer what an earlier process left."""
        for pending in await self.inbox.unfinished():
            if pending.message.platform == self.platform.name:
                self._start(pending)

    def stop(self, thread: str) -> bool:
        """End the work on the answers of a thread because its reader wishes it. Returns: whether there was any."""
        stoppable = [each for each, where in self._threads.items() if where == thread]
        for message_id in stoppable:
            self.drop(message_id)
        return bool(stoppable)

    def forget(self, user: str, workspace: str | None = None) -> None:
        """End the work on what *user* asked, in one *workspace* or everywhere: it is about to be deleted."""
        for message_id, asker in list(self._askers.items()):
            if asker == (user, asker[1] if workspace is None else workspace):
                self.drop(message_id)

    def drop(self, message_id: str) -> None:
        """End the work on one question, if there is any."""
        if self._threads.pop(message_id, None) is None:
            return  # not begun, over, or stopped before: a second Stop must not cut short what the first one began
        self._stopped.add(message_id)
        # One turn later: a task that is cancelled before its first step never learns that it was stopped.
        asyncio.get_running_loop().call_soon(self._answering[message_id].cancel)

    async def close(self) -> None:
        """Leave; what is not answered, or comes now, stays in the inbox."""
        self._closed = True
        for task in self._answering.values():
            task.cancel()
        if self._answering:
            await asyncio.wait(self._answering.values())

    def _start(self, pending: Pending) -> None:
        if self._closed or pending.message.id in self._answering:
            return
        task = asyncio.create_task(self._see_to(pending))
        self._answering[pending.message.id] = task
        self._threads[pending.message.id] = pending.message.thread
        self._askers[pending.message.id] = (pending.message.user, pending.message.workspace)
        task.add_done_callback(lambda _: self._ended(pending.message.id))

    def _ended(self, message_id: str) -> None:
        del self._answering[message_id]
        self._threads.pop(message_id, None)
        self._askers.pop(message_id, None)
        self._stopped.discard(message_id)

    async def _see_to(self, pending: Pending) -> None:
        """One question to its end; what has none yet stays in the inbox."""
        try:
            await self._end(pending)
            await self.inbox.done(pending.message.id)
        except PointsmanError as exc:
            log.warning("an answer waits for the next start", message=pending.message.id, reason=str(exc))

    async def _end(self, pending: Pending) -> None:
        """Answer, or say why not. Raises: ConnectorBusy and StoreError where that may succeed later."""
        message = pending.message

        async def begun(shown: str) -> None:
            await self.inbox.begin(message.id, shown)

        screen = self.platform.screen(pending, begun)
        try:
            await self._answer(pending, screen)
        except asyncio.CancelledError:
            if message.id not in self._stopped:
                raise
            self._answering[message.id].uncancel()  # it ends here, and asyncio's timeouts rely on being told
            with contextlib.suppress(ConnectorError):
                await screen.stopped()
        except (ConnectorBusy, StoreError):
            raise
        except ConnectorError as exc:
            log.warning("an answer could not be delivered", message=message.id, reason=str(exc))
            await self.platform.refused(message, pending.address, str(exc))
        # An edge of the program: whoever asks gets an answer or a reason, also from a defect of ours.
        except Exception:
            log.exception("an answer failed", message=message.id)
            with contextlib.suppress(ConnectorError):
                await screen.say(wording.sorry(wording.APOLOGY))

    async def _answer(self, pending: Pending, screen: Screen) -> None:
        outcome = await self._outcome(pending, screen)
        if isinstance(outcome, str):
            await self._patiently(lambda: screen.say(outcome))
        else:
            places = await self._patiently(lambda: screen.finish(outcome))
            self._threads.pop(pending.message.id, None)  # what is read already cannot be stopped
            await self.exchanges.show(outcome.id, places)

    async def _outcome(self, pending: Pending, screen: Screen) -> Reply | str:
        """The reply, or what to say instead of one."""
        if refusal := self.quota.refusal(pending.message.user, pending.message.workspace):
            return refusal
        if self.introduction and pending.message.text.strip(" ?!/").casefold() == "help":
            return self.introduction
        try:
            return await self._reply(pending, screen)
        except ConnectorError:
            raise
        except InputError as exc:
            return str(exc)
        except ExchangeGone:
            return wording.DELETED
        except PointsmanError as exc:
            return wording.sorry(str(exc))

    async def _reply(self, pending: Pending, screen: Screen) -> Reply:
        """The reply; while it is awaited, the asker sees that work goes on."""
        over = asyncio.Event()
        signs = asyncio.create_task(_give_signs(screen, over, self.sign_seconds))
        try:
            message = await self._patiently(lambda: self.platform.complete(pending.message, pending.address))
            return await self.on_message(message, screen.show)
        finally:
            over.set()
            await signs  # a sign that arrives behind the answer would stay

    async def _patiently(self, deliver: Callable[[], Awaitable[T]]) -> T:
        return await patiently(deliver, patience=self.patience, pause=self.pause)


async def patiently(deliver: Callable[[], Awaitable[T]], *, patience: float = PATIENCE, pause: float = PAUSE) -> T:
    """
    What *deliver* returns, tried again for *patience* seconds while the platform is out of order.

    Raises: ConnectorBusy where it is so for longer.
    """
    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type(ConnectorBusy),
        wait=wait_exponential(multiplier=pause, max=60) + wait_random(0, 2 * pause),
        stop=stop_after_delay(patience),
        reraise=True,
    ):
        with attempt:
            return await deliver()
    raise AssertionError("unreachable")


async def _give_signs(screen: Screen, over: asyncio.Event, seconds: float) -> None:
    while not over.is_set():
        with contextlib.suppress(ConnectorError):  # the answer matters, the sign does not
            await screen.waiting()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), seconds)


@dataclass
class Errands:
    """Runs each errand in a task of its own."""

    running: set["asyncio.Task[None]"] = field(default_factory=set)

    def start(self, errand: Errand) -> "asyncio.Task[None]":
        """Begin *errand*; what goes wrong is in the log. Returns: when it is over."""
        task = asyncio.create_task(_run(errand))
        self.running.add(task)
        task.add_done_callback(self.running.discard)
        return task

    async def close(self) -> None:
        """Let what is under way come to its end, but not for long."""
        if self.running:
            _, late = await asyncio.wait(self.running, timeout=CLOSING)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)


async def _run(errand: Errand) -> None:
    try:
        await errand()
    except PointsmanError as exc:
        log.warning("what a press or an event asks for could not be done", reason=str(exc))
    # An edge of the program: nobody else would see a defect of ours.
    except Exception:
        log.exception("an errand failed")
