"""Calls for a person in Discord, and what comes of them."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import discord
import pytest
from discord_bot import BILLING, QUESTION, Bot, bot_on_discord, button, texts

from bot.errors import StoreError
from bot.messages import Passage, now

PASSAGE = Passage(document="terms.md", chunk=0, text="Within 14 days.", title="Terms & @everyone")


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Bot]:
    async with bot_on_discord(tmp_path) as bot:
        yield bot


@pytest.fixture
async def helped(bot: Bot) -> Any:
    """The channel of those who help with billing; Ann has a label that they have not."""
    helpers = bot.guild.create_text_channel("helpers")
    await bot.restart(
        lambda assistant: setattr(assistant, "change", lambda reply: replace(reply, passages=(PASSAGE,))),
        domains=[BILLING.model_copy(update={"help": (f"discord:{helpers.id}",)})],
        access=[{"label": "finance", "members": [f"discord:user:{bot.ann.id}"]}],
    )
    return helpers


async def test_person_is_asked_with_question_answer_and_sources(bot: Bot, helped: Any) -> None:
    answer = await bot.answer("When is my *refund*?")

    said = await bot.presses(answer, "person:")

    (embed,) = bot.said(helped)[0].embeds
    assert {each.name: each.value for each in embed.fields} == {
        "Who": f"<@{bot.ann.id}>",
        "Topic": "billing",
        "Question": r"When is my \*refund\*?",
        "What I had answered": "Within 14 days [1].",
    }
    assert "Terms &" in (embed.footer.text or "")
    assert said.response.content == f"I have asked the people in <#{helped.id}>. They answer you here."


async def test_person_is_asked_once_for_each_answer(bot: Bot, helped: Any) -> None:
    answer = await bot.answer()
    await bot.presses(answer, "person:")
    await bot.restart(domains=bot.client.settings.domains)

    said = await bot.presses(answer, "person:", who=bot.bob)

    assert len(bot.said(helped)) == 1
    assert said.response.content == f"The people in <#{helped.id}> have this question already."


async def test_person_is_asked_once_although_two_press_at_the_same_time(bot: Bot, helped: Any) -> None:
    feedback, answer = bot.client.feedback, await bot.answer()
    reply = button(answer, "person:").partition(":")[2]
    pressed = [Pressed(bot.ann.id), Pressed(bot.bob.id)]

    await asyncio.gather(*(feedback.ask_person(each, reply) for each in pressed))  # type: ignore[arg-type]  # a fake's

    assert len(bot.said(helped)) == 1
    assert sorted(each.told[:10] for each in pressed) == ["I have ask", "The people"]


class Pressed:
    """A press on "Ask a person", which simcord lets nobody do while another does."""

    def __init__(self, user: int) -> None:
        self.user = self.response = self
        self.id, self.told = user, ""

    async def defer(self, **_: object) -> None: ...

    async def edit_original_response(self, *, content: str, **_: object) -> None:
        self.told = content


async def test_answer_that_helpers_may_not_read_is_left_out(bot: Bot, helped: Any) -> None:
    said = await bot.ann.slash(bot.general, "ask", question=QUESTION, private=True)

    await bot.presses(said.response, "person:")

    (embed,) = bot.said(helped)[0].embeds
    assert [each.name for each in embed.fields] == ["Who", "Topic", "Question"]
    assert embed.footer.text.startswith("My answer is not shown") and "Terms" not in embed.footer.text


async def test_asker_is_told_where_nobody_can_be_asked(bot: Bot, helped: Any) -> None:
    answer = await bot.answer()
    bot.env.backend.delete_channel(helped.id)
    unreachable = await bot.presses(answer, "person:")
    await bot.exchanges.delete_older_than(now() + timedelta(days=1))

    gone = await bot.presses(answer, "person:")

    assert unreachable.response.content.startswith("I could not reach the people who help.")
    assert gone.response.content == "I know nobody to ask about this. Please ask in your usual channel."


async def test_asker_is_led_to_the_channel_in_which_the_bot_may_not_write(bot: Bot) -> None:
    forbidden = {bot.client.user: discord.PermissionOverwrite(send_messages=False)}
    quiet = bot.guild.create_text_channel("quiet", overwrites=forbidden)
    await bot.restart(domains=[BILLING.model_copy(update={"help": (f"discord:{quiet.id}",)})])

    said = await bot.presses(await bot.answer(), "person:")

    assert said.response.content == f"I could not post in <#{quiet.id}>; please ask there yourself."


async def test_words_of_helpers_below_a_call_are_no_questions(bot: Bot, helped: Any) -> None:
    await bot.presses(await bot.answer(), "person:")

    await bot.bob.send(helped, "I look into it", reply_to=bot.said(helped)[0])

    assert bot.asked == [QUESTION] and len(bot.said(helped)) == 1


async def resolved(bot: Bot, helped: Any, answer: str) -> Any:
    """Bob resolves the last call for help."""
    call = bot.said(helped)[-1]
    form = await bot.presses(call, "resolve:", who=bot.bob)
    return await bot.bob.submit_modal(form, {"answer": answer} if answer else {})


async def test_persons_answer_goes_back_to_where_it_was_asked_and_becomes_a_correction(bot: Bot, helped: Any) -> None:
    answer = await bot.answer()
    await bot.presses(answer, "person:")

    await resolved(bot, helped, "In **June**, @everyone")

    _, head, text = bot.said()
    assert head.content == f"<@{bot.ann.id}>: bob has answered your question:"
    assert head.reference.message_id == answer.id
    assert text.content.startswith(">>> In **June**") and "@everyone" not in text.content
    (vote,) = await bot.votes.all()
    assert (vote.user, vote.rating) == (f"discord:user:{bot.bob.id}", -1)
    assert (vote.reason, vote.correction) == ("answered by a person", "In **June**, @everyone")


async def test_call_shows_that_it_is_resolved(bot: Bot, helped: Any) -> None:
    await bot.presses(await bot.answer(), "person:")

    await resolved(bot, helped, "")

    (call,) = bot.said(helped)
    assert call.content == "Resolved by bob." and call.components == [] and call.embeds
    assert texts(bot.said())[-1] == f"<@{bot.ann.id}>: bob has resolved your question."
    assert await bot.votes.all() == ()


async def test_call_can_be_resolved_after_a_restart(bot: Bot, helped: Any) -> None:
    await bot.presses(await bot.answer(), "person:")
    await bot.restart(domains=bot.client.settings.domains)

    await resolved(bot, helped, "In June.")

    assert texts(bot.said())[-1] == ">>> In June."


async def test_answer_that_only_the_asker_saw_is_followed_up_in_direct_messages(bot: Bot, helped: Any) -> None:
    said = await bot.ann.slash(bot.general, "ask", question=QUESTION, private=True)
    await bot.presses(said.response, "person:")

    await resolved(bot, helped, "In June.")

    assert bot.direct() == ["bob has answered your question:", ">>> In June."]
    assert bot.said() == []


async def test_report_goes_to_direct_messages_where_the_answer_is_gone(bot: Bot, helped: Any) -> None:
    other = bot.guild.create_text_channel("other")
    await bot.presses(await bot.answer(at=other), "person:")
    bot.env.backend.delete_channel(other.id)

    await resolved(bot, helped, "word " * 700)

    assert len(bot.direct()) == 3 and all(len(each) <= 2_000 for each in bot.direct())


async def test_helper_is_told_where_the_asker_cannot_be_reached(bot: Bot, helped: Any) -> None:
    said = await bot.ann.slash(bot.general, "ask", question=QUESTION, private=True)
    await bot.presses(said.response, "person:")
    dm = bot.ann.user.dm_channel
    bot.env.inject_error("POST", f"/channels/{dm.id}/messages", status=403, code=50007, times=None)

    submitted = await resolved(bot, helped, "In June.")

    assert [each.content for each in submitted.followups] == [
        "I could not reach the one who asked. Please tell them yourself."
    ]


async def test_defect_behind_the_button_for_a_person_is_apologised_for(bot: Bot, helped: Any) -> None:
    answer = await bot.answer()
    bot.exchanges.refusals.append(StoreError("the disk is full"))

    said = await bot.presses(answer, "person:")

    assert said.response.content.startswith("Sorry: something went wrong on my side")
    assert len(bot.requests("PATCH", "/webhooks/*/messages/@original")) == 1


async def test_answer_has_no_button_for_a_person_where_nobody_helps(bot: Bot) -> None:
    answer = await bot.answer()

    assert button(answer, "vote:up:") and button(answer, "vote:down:")
    with pytest.raises(ValueError, match="not enough values"):
        button(answer, "person:")


async def test_ids_of_buttons_are_as_short_as_discord_wants_them(bot: Bot) -> None:
    helpers = bot.guild.create_text_channel("helpers")
    await bot.restart(domains=[BILLING.model_copy(update={"help": (f"discord:{helpers.id}",)})])

    answer = await bot.answer()

    assert all(len(button(answer, start)) <= 100 for start in ("vote:up:", "vote:down:", "person:"))
