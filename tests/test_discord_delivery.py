"""Whatever happens on the way: one question, one answer, and nothing left open."""

import asyncio
from collections.abc import AsyncIterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import discord
import pytest
from discord_bot import ANSWER, ASKED, QUESTION, Bot, Pause, bot_on_discord, texts
from discord_double import DiscordDouble
from discord_echo import point
from slack_bot import ScriptedAssistant

from bot.messages import Message
from bot.ports import discard
from connectors.discord.sheets import ChannelSheet

LATER = "In May."
ASKED_LATER = f"**{QUESTION}**\n{LATER}"


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Bot]:
    async with bot_on_discord(tmp_path) as bot:
        yield bot


def says_later(assistant: ScriptedAssistant) -> None:
    assistant.says(LATER)


async def killed(bot: Bot, asking: "asyncio.Task[Any]") -> Any:
    """The process ends in the middle. Returns: what somebody had been doing, who waits no more."""
    await bot.client.desk.close()
    return await asking


# Duplicates


async def test_message_that_comes_again_is_answered_once(bot: Bot) -> None:
    await bot.answers()
    question = bot.env.backend.get_message(bot.general.id, bot.general.history()[0].id)

    bot.env.backend.announce_message_create(question)
    await bot.env.settle()
    await bot.restart()
    bot.env.backend.announce_message_create(question)
    await bot.env.settle()

    assert texts(bot.said()) == [ANSWER] and bot.assistant.asked == []


async def test_command_that_comes_again_is_answered_once(bot: Bot) -> None:
    await bot.ann.slash(bot.general, "ask", question=QUESTION)
    (command,) = [each for _, name, each in bot.env.backend.transcript if name == "INTERACTION_CREATE"]

    bot.env.backend.emit("INTERACTION_CREATE", deepcopy(command))
    await bot.env.settle()

    assert len(bot.assistant.asked) == 1 and len(bot.requests("POST", "/interactions/*/callback")) == 1


async def test_many_questions_at_once_are_each_answered_once(bot: Bot) -> None:
    for number in range(12):
        bot.env.backend.create_message(bot.general.id, bot.ann.id, f"<@{bot.me}> question {number}")
    await bot.env.settle()

    assert sorted(bot.asked) == sorted(f"question {number}" for number in range(12))
    answered = [each.reference.message_id for each in bot.said() if each.reference]
    assert len(answered) == len(set(answered)) == 12


# A process that is killed


@dataclass(frozen=True)
class Moment:
    """How far the first process comes with a message."""

    name: str
    dies_at: str = ""
    hangs_at: str = ""  # "before" or "between": the assistant's first piece, or its first two

    async def comes(self, bot: Bot) -> None:
        if self.dies_at:
            await bot.restart(dies_at=self.dies_at)
            await bot.answers()
            assert bot.inbox.died.is_set()
            return
        pause = Pause()
        setattr(bot.assistant, self.hangs_at, pause)
        asking = asyncio.create_task(bot.answers())
        await pause.reached.wait()
        await bot.stands_still()
        await killed(bot, asking)


MOMENTS = [
    Moment("asked", hangs_at="before"),
    Moment("reply sent, not noted", dies_at="begin"),
    Moment("reply noted", hangs_at="between"),
    Moment("reply finished, not marked done", dies_at="done"),
]


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.name)
async def test_killed_bot_leaves_one_answer_in_the_end(bot: Bot, moment: Moment) -> None:
    await moment.comes(bot)
    begun = bot.said()

    await bot.restart(says_later)

    (answer,) = bot.said()
    assert answer.content == LATER and answer.embeds and answer.components
    assert [each.id for each in begun] in ([], [answer.id])
    assert await bot.inbox.unfinished() == ()


@pytest.mark.parametrize(("pages", "then"), [(4, 4), (4, 2), (1, 3)])
async def test_pages_that_a_killed_bot_has_sent_are_replaced(bot: Bot, pages: int, then: int) -> None:
    await bot.restart(lambda assistant: assistant.says("word " * 380 * pages), dies_at="done")
    before = await bot.answers()

    await bot.restart(lambda assistant: assistant.says("text " * 380 * then))

    after = bot.said()
    assert [len(before), len(after)] == [pages, then]
    assert [each.id for each in before][:then] == [each.id for each in after][:pages]
    assert all(each.content.startswith("text ") for each in after) and after[-1].components


async def test_answer_of_a_killed_bot_is_found_behind_what_others_have_said_since(bot: Bot) -> None:
    await bot.restart(dies_at="begin")
    await bot.answers()
    for number in range(40):
        bot.env.backend.create_message(bot.general.id, bot.bob.id, f"something else {number}")

    await bot.restart(says_later)

    assert texts(bot.said()) == [LATER]


async def test_question_that_is_deleted_while_the_bot_is_away_is_not_answered(bot: Bot) -> None:
    await Moment("asked", hangs_at="before").comes(bot)
    await bot.ann.delete(bot.general.history()[0])

    await bot.restart(says_later)

    assert bot.said() == [] and bot.direct() == [] and await bot.inbox.unfinished() == ()


async def test_answer_that_was_begun_goes_when_its_question_is_deleted_while_the_bot_is_away(bot: Bot) -> None:
    await Moment("reply noted", hangs_at="between").comes(bot)
    await bot.ann.delete(bot.general.history()[0])

    await bot.restart(says_later)

    assert bot.said() == [] and bot.direct() == [] and await bot.inbox.unfinished() == ()


async def test_reply_that_is_deleted_while_the_bot_is_away_is_not_given_again(bot: Bot) -> None:
    await Moment("reply noted", hangs_at="between").comes(bot)
    bot.env.backend.delete_message(bot.general.id, bot.said()[0].id)

    await bot.restart(says_later)

    assert bot.said() == [] and bot.direct() == []


@pytest.mark.parametrize("private", [False, True])
async def test_command_of_a_killed_bot_is_answered_in_its_place(bot: Bot, private: bool) -> None:
    pause = bot.assistant.between = Pause()
    asking = asyncio.create_task(bot.ann.slash(bot.general, "ask", question=QUESTION, private=private))
    await pause.reached.wait()
    said = await killed(bot, asking)

    await bot.restart(says_later)

    assert (said.response.content, said.response.ephemeral, said.followups) == (ASKED_LATER, private, [])
    assert texts(bot.said()) == ([] if private else [ASKED_LATER]) and bot.direct() == []


@pytest.mark.parametrize(("pages", "then"), [(3, 3), (3, 2), (1, 2)])
async def test_pages_that_a_killed_bot_has_sent_to_a_command_are_replaced(bot: Bot, pages: int, then: int) -> None:
    await bot.restart(lambda assistant: assistant.says("word " * 380 * pages), dies_at="done")
    await bot.ann.slash(bot.general, "ask", question=QUESTION)
    before = bot.said()

    await bot.restart(lambda assistant: assistant.says("text " * 380 * then))

    after = bot.said()
    assert [len(before), len(after)] == [pages, then]
    assert [each.id for each in before][:then] == [each.id for each in after][:pages]
    assert all("text " in each.content for each in after) and after[-1].components


async def test_votes_on_an_answer_that_was_completed_later_count(bot: Bot) -> None:
    await Moment("reply noted", hangs_at="between").comes(bot)
    await bot.restart(says_later)

    await bot.ann.react(bot.said()[0], "👍")
    await bot.presses(bot.said()[0], "vote:down:", who=bot.bob)

    assert sorted(vote.rating for vote in await bot.votes.all()) == [-1, 1]


async def test_edit_that_is_under_way_ends_before_the_bot_leaves(tmp_path: Path) -> None:
    async with bot_on_discord(tmp_path) as bot:
        edit = bot.client.errands.start(lambda: asyncio.sleep(0.05))

    assert edit.done() and not edit.cancelled()


async def test_message_whose_answer_was_lost_is_sent_once_and_becomes_what_it_should_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with DiscordDouble() as discord_, discord.Client(intents=discord.Intents.none()) as client:
        point(monkeypatch, discord_)
        channel = discord_.add_channel(discord_.add_guild("Acme"), "general")
        await client.login(discord_.token)
        sheet = ChannelSheet(client, channel, "nonce", discard)

        discord_.reset("POST /channels/*/messages", after_doing=True)
        with pytest.raises(aiohttp.ClientError):
            await sheet.write(0, content="Within …")
        await sheet.write(0, content=ANSWER)

        assert [each.content for each in discord_.answers(channel)] == [ANSWER]


# Commands to which Discord takes no answer any more


def wait_too_long(bot: Bot) -> None:
    """The assistant takes longer than the quarter of an hour for which a command's token is good."""

    async def a_quarter_of_an_hour(message: Message) -> None:
        bot.env.backend.advance_clock(900)

    bot.assistant.before = a_quarter_of_an_hour


async def test_answer_that_comes_too_late_follows_in_the_channel(bot: Bot) -> None:
    wait_too_long(bot)

    await bot.ann.slash(bot.general, "ask", question=QUESTION)

    thinking, answer = bot.said()
    assert (answer.content, answer.reference.message_id) == (ASKED, thinking.id)
    await bot.ann.react(answer, "👍")
    assert len(await bot.votes.all()) == 1


async def test_private_answer_that_comes_too_late_follows_in_direct_messages(bot: Bot) -> None:
    wait_too_long(bot)

    await bot.ann.slash(bot.general, "ask", question=QUESTION, private=True)

    (answer,) = bot.said(bot.ann.user.dm_channel)
    assert answer.content == ASKED and bot.said() == []
    await bot.ann.user.set_reaction(answer, "👍", reacted=True)
    assert len(await bot.votes.all()) == 1


async def test_token_that_discord_calls_invalid_is_over_too(bot: Bot) -> None:
    bot.env.inject_error("PATCH", "/webhooks/*/messages/*", status=401, code=50027, times=None)

    await bot.ann.slash(bot.general, "ask", question=QUESTION)

    assert texts(bot.said()) == ["", ASKED]


@pytest.mark.parametrize("private", [False, True])
async def test_command_that_could_not_be_acknowledged_in_time_is_answered_all_the_same(bot: Bot, private: bool) -> None:
    bot.env.inject_error("POST", "/interactions/*/callback", status=404, code=10062)

    await bot.ann.slash(bot.general, "ask", question=QUESTION, private=private)

    assert (texts(bot.said()), bot.direct()) == (([], [ASKED]) if private else ([ASKED], []))
    assert await bot.inbox.unfinished() == ()


@pytest.mark.parametrize("private", [False, True])
async def test_answer_in_another_place_is_given_once_although_the_bot_is_killed(bot: Bot, private: bool) -> None:
    await bot.restart(dies_at="done")
    wait_too_long(bot)
    await bot.ann.slash(bot.general, "ask", question=QUESTION, private=private)

    await bot.restart(says_later)

    shown = bot.direct() if private else texts(bot.said())
    assert shown == ([ASKED_LATER] if private else ["", ASKED_LATER])


async def test_late_answer_goes_to_direct_messages_where_the_bot_may_not_write_either(bot: Bot) -> None:
    bot.env.inject_error("POST", "/interactions/*/callback", status=404, code=10062)
    bot.env.inject_error("POST", f"/channels/{bot.general.id}/messages", status=403, code=50013, times=None)

    await bot.ann.slash(bot.general, "ask", question=QUESTION)

    (told,) = bot.direct()
    assert told.startswith("I may not write where you asked me.")


# Several connections


async def test_bot_on_several_connections_answers_on_each(tmp_path: Path) -> None:
    async with bot_on_discord(tmp_path, shards=2, discord={"sharded": True}) as bot:
        for shard in range(2):
            guild = bot.env.create_guild(f"Server {shard}", shard_id=shard)
            lobby, eve = guild.create_text_channel("lobby"), guild.add_member(bot.env.create_user(f"eve {shard}"))
            await eve.send(lobby, f"<@{bot.me}> {QUESTION}")

            assert texts(bot.said(lobby)) == [ANSWER]
