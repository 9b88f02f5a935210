"""What people on Discord see of what is kept of them, and how they delete it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from discord_bot import ANSWER, QUESTION, Bot, bot_on_discord
from slack_bot import Pause

from bot.messages import Stored


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Bot]:
    async with bot_on_discord(tmp_path) as bot:
        yield bot


async def everywhere(bot: Bot, who: Any) -> Stored:
    return await bot.people.stored(f"discord:user:{who.id}", None)


async def asks_and_votes(bot: Bot) -> None:
    """Ann, on this server and another, in direct messages, and on an answer of Bob's."""
    other = bot.env.create_guild("Other")
    lobby, ann = other.create_text_channel("lobby"), other.add_member(bot.ann.user)
    await bot.presses(await bot.answer(), "vote:up:")
    await bot.presses(await bot.answer(who=bot.bob), "vote:up:")
    await bot.answer(who=ann, at=lobby)
    await bot.ann.send_dm(QUESTION)


async def test_nothing_is_said_to_be_kept_of_who_never_asked(bot: Bot) -> None:
    await bot.answer(who=bot.bob)

    said = await bot.ann.slash(bot.general, "forget-me")

    assert said.response.content == "I keep nothing of you." and said.response.ephemeral
    assert said.response.components == []


async def test_what_is_kept_of_somebody_is_counted_for_them_alone(bot: Bot) -> None:
    await asks_and_votes(bot)

    said = await bot.ann.slash(bot.general, "forget-me")

    assert said.response.content.startswith("I keep 3 questions with their answers and 2 votes of you, from direct")
    assert "for at most 365 days" in said.response.content and said.response.ephemeral


async def test_own_data_is_deleted_on_all_servers_and_in_direct_messages(bot: Bot) -> None:
    await asks_and_votes(bot)
    said = await bot.ann.slash(bot.general, "forget-me")
    assert await everywhere(bot, bot.ann) == Stored(questions=3, votes=2)

    await bot.presses(said.response, "delete_my_data")

    assert said.response.content == "Deleted: 3 questions with their answers and 2 votes."
    assert said.response.components == []
    assert await everywhere(bot, bot.ann) == Stored(questions=0, votes=0)
    assert await everywhere(bot, bot.bob) == Stored(questions=1, votes=0)


async def test_own_data_is_deleted_from_direct_messages_too_and_after_a_restart(bot: Bot) -> None:
    await bot.ann.send_dm(QUESTION)
    said = await bot.ann.user.slash("forget-me")
    await bot.restart()

    await bot.ann.user.click(said.response, custom_id="delete_my_data")

    assert said.response.content == "Deleted: 1 question with its answer and 0 votes."


async def test_direct_messages_of_others_do_not_count_against_ones_own(tmp_path: Path) -> None:
    async with bot_on_discord(tmp_path, limits={"questions_per_workspace_per_hour": 1}) as bot:
        await bot.bob.send_dm(QUESTION)
        await bot.ann.send_dm(QUESTION)
        await bot.ann.send_dm(QUESTION)

        answered, refused = bot.direct()
        assert answered == ANSWER and refused.startswith("Very many questions came in this hour.")


async def test_answer_that_is_being_written_stops_and_goes_when_its_question_is_deleted(bot: Bot) -> None:
    await bot.answer()
    said = await bot.ann.slash(bot.general, "forget-me")
    pause = bot.assistant.between = Pause()
    bot.env.backend.create_message(bot.general.id, bot.ann.id, f"<@{bot.me}> {QUESTION}")
    await pause.reached.wait()

    await bot.presses(said.response, "delete_my_data")
    await bot.env.settle()

    assert [each.content for each in bot.said()] == [ANSWER] and await bot.inbox.unfinished() == ()
    assert await everywhere(bot, bot.ann) == Stored(questions=0, votes=0)
