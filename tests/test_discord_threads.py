"""Somebody asks in a thread or a forum post in Discord."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from discord_bot import ANSWER, Bot, bot_on_discord, texts


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Bot]:
    async with bot_on_discord(tmp_path) as bot:
        yield bot


async def test_conversation_in_a_thread_goes_on_without_a_mention(bot: Bot) -> None:
    thread = bot.opens_thread()
    await bot.answers(at=thread)

    await bot.bob.send(thread, "And mine?")

    assert texts(bot.said(thread)) == [ANSWER, ANSWER]
    assert len({asked.thread for asked in bot.assistant.asked}) == 1


async def test_command_in_a_thread_belongs_to_its_conversation_unless_it_is_private(bot: Bot) -> None:
    thread = bot.opens_thread()
    await bot.answers(at=thread)

    await bot.ann.slash(thread, "ask", question="And in June?")
    await bot.ann.slash(thread, "ask", question="And my own?", private=True)

    one, two, three = (asked.thread for asked in bot.assistant.asked)
    assert one == two != three


@pytest.mark.parametrize("opened_from", ["question", "answer"])
async def test_thread_that_is_opened_from_a_conversation_goes_on_with_it(bot: Bot, opened_from: str) -> None:
    answer = await bot.answer()
    thread = bot.opens_thread(of=answer if opened_from == "answer" else bot.general.history()[0])

    await bot.ann.send(thread, "And in June?")

    assert texts(bot.said(thread)) == [ANSWER]
    assert len({asked.thread for asked in bot.assistant.asked}) == 1


async def test_thread_of_others_is_not_answered(bot: Bot) -> None:
    thread = bot.opens_thread()

    await bot.ann.send(thread, "When is my refund?")

    assert bot.said(thread) == [] and bot.assistant.asked == []


@pytest.mark.parametrize("late", [False, True])
async def test_posts_are_answered_where_moderators_wish_it(bot: Bot, late: bool) -> None:
    forum = bot.guild.create_forum_channel("help")
    await bot.bob.slash(bot.general, "pointsman automatic", channel=forum, on=True)

    post = await bot.posts(forum, "Refunds", "When is mine?", late=late)
    await bot.ann.send(post, "And in June?")

    assert texts(bot.said(post)) == [ANSWER, ANSWER]
    assert bot.asked == ["Refunds\nWhen is mine?", "And in June?"]


async def test_posts_elsewhere_are_not_answered(bot: Bot) -> None:
    forum, other = bot.guild.create_forum_channel("help"), bot.guild.create_forum_channel("chat")
    await bot.bob.slash(bot.general, "pointsman automatic", channel=forum, on=True)

    post = await bot.posts(other, "Refunds", "When is mine?")

    assert bot.said(post) == []


async def test_threads_are_answered_where_moderators_wish_it_and_their_channel_is_not(bot: Bot) -> None:
    await bot.bob.slash(bot.general, "pointsman automatic", channel=bot.general, on=True)
    thread = bot.opens_thread()

    await bot.ann.send(thread, "When is my refund?")
    await bot.ann.send(bot.general, "Anybody here?")
    await bot.bob.slash(bot.general, "pointsman automatic", channel=bot.general, on=False)
    await bot.ann.send(bot.opens_thread(), "When is my refund?")

    assert bot.asked == ["When is my refund?"]
