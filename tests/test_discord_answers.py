"""How an answer is read in Discord: while it is written, when it is whole, and where it cannot be read at all."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import discord
import pytest
from discord_bot import ANSWER, ASKED, QUESTION, Bot, Pause, bot_on_discord, texts
from patience import PATIENCE

from bot.errors import StoreError
from connectors.markup import JOINER

APOLOGY = "Sorry: something went wrong on my side and I could not answer. Please ask again in a moment."


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Bot]:
    async with bot_on_discord(tmp_path) as bot:
        yield bot


async def grown(bot: Bot) -> discord.Message:
    """What there is of an answer while it is written."""
    async with asyncio.timeout(PATIENCE):
        while not bot.said():  # noqa: ASYNC110  # it sets no event
            await asyncio.sleep(0.005)
        await bot.stands_still()
    return bot.said()[-1]


# While it is written


async def test_asker_sees_that_the_bot_types(bot: Bot) -> None:
    pause = bot.assistant.before = Pause()

    asking = asyncio.create_task(bot.answers())
    await pause.reached.wait()

    assert len(bot.requests("POST", "/channels/*/typing")) == 1 and bot.said() == []
    pause.over.set()
    await asking


@pytest.mark.parametrize("private", [False, True])
async def test_command_is_acknowledged_before_the_work(bot: Bot, private: bool) -> None:
    pause = bot.assistant.before = Pause()

    asking = asyncio.create_task(bot.ann.slash(bot.general, "ask", question=QUESTION, private=private))
    await pause.reached.wait()

    (acknowledged,) = bot.requests("POST", "/interactions/*/callback")
    assert (acknowledged["type"], bool(acknowledged.get("data", {}).get("flags"))) == (5, private)
    pause.over.set()
    assert (await asking).response.content == ASKED


async def test_answer_grows_and_becomes_the_whole(bot: Bot) -> None:
    pause = bot.assistant.between = Pause()

    asking = asyncio.create_task(bot.answers())
    growing = await grown(bot)

    assert growing.content == "Within …" and growing.components == []
    pause.over.set()
    (answer,) = await asking
    assert (answer.id, answer.content) == (growing.id, ANSWER) and answer.components


@pytest.mark.parametrize(("seconds", "grows"), [(1.4, []), (1.5, ["one two …"])])
async def test_answer_grows_no_faster_than_discord_wishes(bot: Bot, seconds: float, grows: list[str]) -> None:
    bot.assistant.says("one two three four", "one ", "two ", "three ", "four")
    pause = bot.assistant.between = Pause()
    asking = asyncio.create_task(bot.answers())
    await grown(bot)

    bot.env.backend.advance_clock(seconds)
    pause.over.set()
    await asking

    edits = [each["content"] for each in bot.requests("PATCH", "/channels/*/messages/*")]
    assert edits == [*grows, "one two three four"]


async def test_what_is_read_in_the_end_is_the_verdict_not_what_had_grown(bot: Bot) -> None:
    bot.assistant.says("I don't know.", "It is paid ", "in May.")

    (answer,) = await bot.answers()

    assert answer.content == "I don't know."


async def test_growing_answer_shows_its_first_page(bot: Bot) -> None:
    bot.assistant.says("word " * 900, "word " * 900, "")
    pause = bot.assistant.between = Pause()

    asking = asyncio.create_task(bot.answers())

    assert 1_900 < len((await grown(bot)).content) <= 2_000
    pause.over.set()
    assert len(await asking) == 3


# The whole


async def test_long_answer_is_split_and_ends_with_the_buttons(bot: Bot) -> None:
    bot.assistant.says("\n\n".join(f"Paragraph {number}. " + "word " * 150 for number in range(8)))

    pages = await bot.answers()

    assert [len(page.content) <= 2_000 for page in pages] == [True] * len(pages) and len(pages) == 4
    assert [bool(page.components) for page in pages] == [False, False, False, True]
    assert pages[-1].embeds and not pages[0].embeds


async def test_block_of_code_is_closed_and_opened_where_an_answer_is_split(bot: Bot) -> None:
    bot.assistant.says("```python\n" + "print('hello')\n" * 200 + "```\nThat is all.")

    pages = texts(await bot.answers())

    assert all(len(page) <= 2_000 and page.startswith("```python\n") for page in pages)
    assert all(page.endswith("\n```") for page in pages[:-1]) and pages[-1].endswith("That is all.")


async def test_long_answer_of_a_command_follows_its_first_page(bot: Bot) -> None:
    bot.assistant.says("word " * 600)

    said = await bot.ann.slash(bot.general, "ask", question=QUESTION, private=True)

    assert len(said.response.content) > 1_000 and not said.response.embeds
    (rest,) = said.followups
    assert rest.ephemeral and rest.embeds


async def test_empty_answer_is_no_empty_message(bot: Bot) -> None:
    bot.assistant.says(" \n")

    assert (await bot.answer()).content == "…"


# What may not happen


async def test_nobody_is_pinged_whatever_the_model_says(bot: Bot) -> None:
    bot.assistant.says(f"Ask <@{bot.bob.id}>, <@&{bot.guild.roles['managers'].id}> or @everyone, see [it](https://x.y)")

    answer = await bot.answer()

    stored = bot.env.backend.get_message(bot.general.id, answer.id)
    assert (stored.mention_user_ids, stored.mention_role_ids, stored.ping_user_ids) == ([], [], [])
    assert "<@" not in answer.content and "@everyone" not in answer.content and "](https:" not in answer.content


async def test_question_that_a_command_shows_pings_nobody(bot: Bot) -> None:
    said = await bot.ann.slash(bot.general, "ask", question="Why? @everyone\n" + "word " * 99)

    question, answer = said.response.content.split("\n")
    assert question.startswith(f"**Why? @{JOINER}everyone word") and len(question) <= 260 and answer == ANSWER


# Where nobody waits any more


@pytest.mark.parametrize("gone", ["question", "answer"])
async def test_deletion_ends_the_work_and_leaves_nothing(bot: Bot, gone: str) -> None:
    bot.assistant.between = Pause()
    asking = asyncio.create_task(bot.answers())
    growing = await grown(bot)

    question = bot.general.history()[0]
    bot.env.backend.delete_message(bot.general.id, (question if gone == "question" else growing).id)

    assert await asking == []
    assert await bot.inbox.unfinished() == () and bot.direct() == []


async def test_deletion_of_many_messages_ends_the_work_too(bot: Bot) -> None:
    bot.assistant.between = Pause()
    asking = asyncio.create_task(bot.answers())
    await grown(bot)

    bot.env.backend.bulk_delete_messages(bot.general.id, [each.id for each in bot.general.history()])

    assert await asking == [] and await bot.inbox.unfinished() == ()


async def test_answer_that_is_gone_when_it_is_finished_is_not_given_again(bot: Bot) -> None:
    pause = bot.assistant.between = Pause()
    asking = asyncio.create_task(bot.answers())
    growing = await grown(bot)

    del bot.env.backend.messages[bot.general.id][growing.id]  # and the news of it are late
    pause.over.set()

    assert await asking == [] and bot.direct() == []


async def test_response_to_a_command_that_is_deleted_is_not_given_again(bot: Bot) -> None:
    pause = bot.assistant.before = Pause()
    asking = asyncio.create_task(bot.ann.slash(bot.general, "ask", question=QUESTION))
    await pause.reached.wait()

    bot.env.backend.delete_message(bot.general.id, bot.said()[0].id)

    assert (await asking).response is None
    assert bot.said() == [] and bot.direct() == [] and await bot.inbox.unfinished() == ()


async def test_channel_that_is_deleted_meanwhile_is_no_matter(bot: Bot) -> None:
    other = bot.guild.create_text_channel("other")
    pause = bot.assistant.before = Pause()
    bot.env.backend.create_message(other.id, bot.ann.id, f"<@{bot.me}> {QUESTION}")
    await pause.reached.wait()

    bot.env.backend.delete_channel(other.id)
    pause.over.set()
    await bot.env.settle()

    assert bot.direct() == [] and await bot.inbox.unfinished() == ()


# Where the bot may not, or cannot


def silenced(bot: Bot) -> Any:
    """A channel in which the bot may read and not write."""
    return bot.guild.create_text_channel(
        "quiet", overwrites={bot.client.user: discord.PermissionOverwrite(send_messages=False)}
    )


async def test_asker_is_told_in_direct_messages_where_the_bot_may_not_write(bot: Bot) -> None:
    quiet = silenced(bot)

    assert await bot.answers(at=quiet) == []

    (told,) = bot.direct()
    assert told.startswith("I may not write where you asked me.")
    assert await bot.inbox.unfinished() == ()


async def test_bot_does_not_insist_where_it_may_not_write(bot: Bot) -> None:
    quiet = silenced(bot)
    bot.assistant.says("one two three", "one ", "two ", "three")
    pause = bot.assistant.between = Pause()
    asking = asyncio.create_task(bot.answers(at=quiet))
    await pause.reached.wait()
    await bot.stands_still()

    bot.env.backend.advance_clock(60.0)
    pause.over.set()
    await asking

    assert len(bot.requests("POST", f"/channels/{quiet.id}/messages")) == 2  # the first piece, and the whole


async def test_nobody_is_told_who_takes_no_direct_messages(bot: Bot) -> None:
    quiet = silenced(bot)
    dm = bot.ann.user.dm_channel
    bot.env.inject_error("POST", f"/channels/{dm.id}/messages", status=403, code=50007, times=None)

    await bot.answers(at=quiet)

    assert bot.direct() == [] and await bot.inbox.unfinished() == ()


async def test_answer_is_tried_again_while_discord_is_out_of_order(bot: Bot) -> None:
    bot.client.desk.pause = 0.0
    bot.env.inject_error("POST", "/channels/*/messages", status=503, times=3)

    assert texts(await bot.answers()) == [ANSWER]


async def test_defect_while_a_message_is_taken_is_apologised_for(bot: Bot) -> None:
    bot.inbox.refusals.append(StoreError("the disk is full"))

    answer = await bot.answer()

    assert answer.content == APOLOGY and bot.assistant.asked == []
    assert [type(error) for error in bot.env.errors] == [StoreError]


async def test_defect_while_people_talk_to_one_another_is_not_told_to_them(bot: Bot) -> None:
    thread = bot.opens_thread()
    await bot.answers(at=thread)
    bot.inbox.refusals.append(StoreError("the disk is full"))

    await bot.ann.send(thread, "And mine?")

    assert len(bot.said(thread)) == 1 and len(bot.env.errors) == 1


async def test_defect_while_a_command_is_taken_is_apologised_for(bot: Bot) -> None:
    bot.inbox.refusals.append(StoreError("the disk is full"))

    said = await bot.ann.slash(bot.general, "ask", question=QUESTION)

    assert said.response.content == APOLOGY and said.response.ephemeral
    assert len(bot.env.errors) == 1


async def test_defect_while_a_form_is_taken_is_apologised_for(bot: Bot) -> None:
    message = await bot.bob.send(bot.general, "My refund is late")
    form = await bot.ann.context_menu(bot.general, "Ask about this", message)
    bot.inbox.refusals.append(StoreError("the disk is full"))

    said = await bot.ann.submit_modal(form, {"question": "Why?"})

    assert said.response.content == APOLOGY
    assert len(bot.env.errors) == 1
