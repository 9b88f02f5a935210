"""The pages for operators: alive, ready, and what was counted."""

import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import aiohttp
import pytest
from fakes import MESSAGE, REPLY
from structlog.testing import capture_logs

from bot.errors import GenerationError, StoreError
from bot.health import Health
from bot.messages import Feedback, Message, Reply
from bot.ports import MessageHandler, OnText, discard

VOTE = Feedback(reply="reply-1", user="slack:user:U1", platform="slack", rating=-1)


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.fixture
async def browser(port: int) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        yield session


async def read(browser: aiohttp.ClientSession, page: str) -> tuple[int, str]:
    async with browser.get(page) as response:
        return response.status, await response.text()


def answering(reply: Reply = REPLY, breaks: Exception | None = None) -> MessageHandler:
    async def on_message(message: Message, on_text: OnText) -> Reply:
        if breaks:
            raise breaks
        await on_text(reply.text)
        return reply

    return on_message


async def test_process_is_alive_before_it_is_ready(port: int, browser: aiohttp.ClientSession) -> None:
    health = Health()

    async with health.pages("127.0.0.1", port):
        alive, starting = await read(browser, "/healthz"), await read(browser, "/readyz")
        health.ready = True
        ready = await read(browser, "/readyz")

    assert (alive, starting, ready) == ((200, "alive\n"), (503, "starting\n"), (200, "ready\n"))


async def test_pages_end_with_their_block(port: int, browser: aiohttp.ClientSession) -> None:
    async with Health().pages("127.0.0.1", port):
        pass

    with pytest.raises(aiohttp.ClientConnectorError):
        await read(browser, "/healthz")


async def test_taken_port_is_logged_and_stops_nothing(port: int) -> None:
    with capture_logs() as logs:
        async with Health().pages("127.0.0.1", port), Health().pages("127.0.0.1", port):
            reached = True

    assert reached
    assert [(entry["log_level"], entry["port"]) for entry in logs] == [("error", port)]


@pytest.mark.parametrize("page", ["/healthz", "/readyz", "/metrics", "/nowhere"])
async def test_every_page_forbids_scripts_and_frames(page: str, port: int, browser: aiohttp.ClientSession) -> None:
    async with Health().pages("127.0.0.1", port), browser.get(page) as response:
        headers = response.headers

    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (REPLY, "answer"),
        (replace(REPLY, abstained=True), "abstained"),
        (replace(REPLY, decision="ask_back"), "ask_back"),
    ],
)
async def test_answer_is_counted_by_platform_route_and_outcome(
    reply: Reply, outcome: str, port: int, browser: aiohttp.ClientSession
) -> None:
    health = Health()

    assert await health.counting(answering(reply))(MESSAGE, discard) == reply

    async with health.pages("127.0.0.1", port):
        _, metrics = await read(browser, "/metrics")
    assert f'pointsman_answers_total{{outcome="{outcome}",platform="slack",route="billing"}} 1.0' in metrics
    assert "pointsman_answer_seconds_count 1.0" in metrics


async def test_question_without_an_answer_is_counted_as_a_failure(port: int, browser: aiohttp.ClientSession) -> None:
    health = Health()

    with pytest.raises(GenerationError):
        await health.counting(answering(breaks=GenerationError("no")))(MESSAGE, discard)

    async with health.pages("127.0.0.1", port):
        _, metrics = await read(browser, "/metrics")
    assert 'pointsman_failures_total{platform="slack"} 1.0' in metrics
    assert "pointsman_answer_seconds_count 0.0" in metrics


async def test_vote_is_counted_once_it_is_kept(port: int, browser: aiohttp.ClientSession) -> None:
    health, kept = Health(), []

    async def on_feedback(feedback: Feedback) -> None:
        if kept:
            raise StoreError("full")
        kept.append(feedback)

    await health.counting_votes(on_feedback)(VOTE)
    with pytest.raises(StoreError):
        await health.counting_votes(on_feedback)(VOTE)

    async with health.pages("127.0.0.1", port):
        _, metrics = await read(browser, "/metrics")
    assert 'pointsman_votes_total{platform="slack",rating="-1"} 1.0' in metrics


async def test_pieces_of_an_answer_pass_through_uncounted() -> None:
    pieces: list[str] = []

    async def on_text(piece: str) -> None:
        pieces.append(piece)

    await Health().counting(answering())(MESSAGE, on_text)

    assert pieces == [REPLY.text]
