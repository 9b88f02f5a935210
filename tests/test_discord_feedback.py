"""Votes, reasons and corrections in Discord."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from discord_bot import BILLING, QUESTION, Bot, bot_on_discord

from bot.errors import StoreError
from bot.messages import Feedback, Passage, now

PASSAGE = Passage(document="terms.md", chunk=0, text="Within 14 days.", title="Terms & @everyone")
GONE = "I no longer keep that answer, so I cannot note your vote."


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Bot]:
    async with bot_on_discord(tmp_path) as bot:
        yield bot


async def the_vote(bot: Bot) -> Feedback:
    (vote,) = await bot.votes.all()
    return vote


# Buttons


async def test_thumb_up_counts_and_the_voter_alone_is_thanked(bot: Bot) -> None:
    answer = await bot.answer()

    said = await bot.presses(answer, "vote:up:", who=bot.bob)

    vote = await the_vote(bot)
    assert (vote.user, vote.platform, vote.rating) == (f"discord:user:{bot.bob.id}", "discord", 1)
    assert said.response.content == "Your 👍 is noted, thank you." and said.response.ephemeral


async def test_thumb_down_opens_a_form_at_once_whose_fields_are_kept_with_the_vote(bot: Bot) -> None:
    answer = await bot.answer()
    form = await bot.presses(answer, "vote:down:")
    assert [each["type"] for each in bot.requests("POST", "/interactions/*/callback")] == [9]

    said = await bot.ann.submit_modal(form, {"reason": "Too long", "correction": "In 30 days", "route": ["general"]})

    vote = await the_vote(bot)
    assert (vote.rating, vote.reason, vote.correction, vote.wrong_route) == (-1, "Too long", "In 30 days", "general")
    assert said.response.content == "Thank you, I have noted what you wrote." and said.response.ephemeral


async def test_thumb_down_counts_without_the_form(bot: Bot) -> None:
    await bot.presses(await bot.answer(), "vote:down:")

    vote = await the_vote(bot)
    assert (vote.rating, vote.reason) == (-1, None)


async def test_form_that_is_closed_leaves_a_note_from_which_it_opens_again(bot: Bot) -> None:
    (note,) = (await bot.presses(await bot.answer(), "vote:down:")).followups
    assert note.content == "Your 👎 is noted, thank you." and note.ephemeral
    await bot.restart()

    form = await bot.presses(note, "say_why:")
    await bot.ann.submit_modal(form, {"reason": "Too long"})

    assert (await the_vote(bot)).reason == "Too long" and form.followups == []


async def test_form_that_is_closed_leaves_a_way_back(bot: Bot) -> None:
    (note,) = (await bot.presses(await bot.answer(), "vote:down:")).followups

    await bot.presses(note, "take_back:")

    assert await bot.votes.all() == ()
    assert note.content == "Your vote is taken back." and note.components == []


async def test_thumb_up_has_nothing_to_explain(bot: Bot) -> None:
    said = await bot.presses(await bot.answer(), "vote:up:")

    (row,) = said.response.components
    assert [each["custom_id"].partition(":")[0] for each in row["components"]] == ["take_back"]


async def test_form_offers_the_routes_that_would_have_been_right(bot: Bot) -> None:
    form = await bot.presses(await bot.answer(), "vote:down:")

    choice = form.modal["components"][2]["component"]
    assert [each["value"] for each in choice["options"]] == ["billing", "general", "unknown"]
    assert not any(each["component"]["required"] for each in form.modal["components"])


async def test_form_of_very_many_domains_still_offers_what_is_none(bot: Bot) -> None:
    await bot.restart(domains=[BILLING.model_copy(update={"name": f"d{number}"}) for number in range(30)])

    form = await bot.presses(await bot.answer(), "vote:down:")

    options = form.modal["components"][2]["component"]["options"]
    assert len(options) == 25 and [each["value"] for each in options[-2:]] == ["general", "unknown"]
    assert options[0]["description"] == BILLING.description


async def test_thumb_down_pressed_again_keeps_the_reason(bot: Bot) -> None:
    answer = await bot.answer()
    await bot.ann.submit_modal(await bot.presses(answer, "vote:down:"), {"reason": "Too long"})

    await bot.presses(answer, "vote:down:")

    assert (await the_vote(bot)).reason == "Too long"


async def test_vote_counts_although_the_form_came_too_late(bot: Bot) -> None:
    answer = await bot.answer()
    bot.env.inject_error("POST", "/interactions/*/callback", status=404, code=10062)

    await bot.presses(answer, "vote:down:")

    assert (await the_vote(bot)).rating == -1


async def test_latest_vote_of_each_member_counts_once(bot: Bot) -> None:
    answer = await bot.answer()

    for start in ("vote:up:", "vote:down:", "vote:up:", "vote:up:"):
        await bot.presses(answer, start)
    await bot.presses(answer, "vote:down:", who=bot.bob)

    votes = {vote.user: vote.rating for vote in await bot.votes.all()}
    assert votes == {f"discord:user:{bot.ann.id}": 1, f"discord:user:{bot.bob.id}": -1}


async def test_vote_can_be_taken_back(bot: Bot) -> None:
    said = await bot.presses(await bot.answer(), "vote:up:")

    await bot.presses(said.response, "take_back:")

    assert await bot.votes.all() == ()
    assert said.response.content == "Your vote is taken back." and said.response.components == []


async def test_buttons_of_old_messages_work_after_a_restart(bot: Bot) -> None:
    answer = await bot.answer()
    noted = await bot.presses(answer, "vote:up:")
    await bot.restart()

    form = await bot.presses(answer, "vote:down:", who=bot.bob)
    await bot.bob.submit_modal(form, {"reason": "Too long"})
    await bot.presses(noted.response, "take_back:")

    vote = await the_vote(bot)
    assert (vote.user, vote.reason) == (f"discord:user:{bot.bob.id}", "Too long")


async def test_answer_of_a_private_command_can_be_voted_on(bot: Bot) -> None:
    said = await bot.ann.slash(bot.general, "ask", question=QUESTION, private=True)

    await bot.presses(said.response, "vote:up:")

    assert (await the_vote(bot)).rating == 1


@pytest.mark.parametrize("start", ["vote:up:", "vote:down:"])
async def test_answer_that_is_no_longer_kept_cannot_be_voted_on(bot: Bot, start: str) -> None:
    answer = await bot.answer()
    await bot.exchanges.delete_older_than(now() + timedelta(days=1))

    said = await bot.presses(answer, start)

    assert said.response.content == GONE and said.response.ephemeral and said.modal is None


async def test_form_and_way_back_say_so_too(bot: Bot) -> None:
    answer = await bot.answer()
    noted, form = await bot.presses(answer, "vote:up:"), await bot.presses(answer, "vote:down:")
    await bot.exchanges.delete_older_than(now() + timedelta(days=1))

    said = await bot.ann.submit_modal(form, {"reason": "Too long"})
    await bot.presses(noted.response, "take_back:")

    assert said.response.content == noted.response.content == GONE


async def test_defect_behind_a_button_is_apologised_for(bot: Bot) -> None:
    answer = await bot.answer()
    bot.refusals.append(StoreError("the disk is full"))

    said = await bot.presses(answer, "vote:up:")

    assert said.response.content.startswith("Sorry: something went wrong on my side") and said.response.ephemeral


# Reactions


async def test_reactions_count_like_buttons(bot: Bot) -> None:
    answer = await bot.answer()
    await bot.presses(answer, "vote:up:")

    await bot.ann.react(answer, "👎")
    await bot.bob.react(answer, "👍🏽")

    votes = {vote.user: vote.rating for vote in await bot.votes.all()}
    assert votes == {f"discord:user:{bot.ann.id}": -1, f"discord:user:{bot.bob.id}": 1}


async def test_reaction_that_is_taken_off_takes_back_the_vote_that_it_gave(bot: Bot) -> None:
    answer = await bot.answer()
    await bot.ann.react(answer, "👍🏿")

    await bot.ann.unreact(answer, "👍🏿")

    assert await bot.votes.all() == ()


async def test_reaction_that_is_taken_off_leaves_a_later_vote(bot: Bot) -> None:
    answer = await bot.answer()
    await bot.ann.react(answer, "👍")
    await bot.presses(answer, "vote:down:")

    await bot.ann.unreact(answer, "👍")

    assert (await the_vote(bot)).rating == -1


async def test_reaction_to_any_page_of_an_answer_counts(bot: Bot) -> None:
    bot.assistant.says("word " * 900)
    first, *_ = await bot.answers()

    await bot.ann.react(first, "👍")

    assert (await the_vote(bot)).rating == 1


async def test_reaction_to_an_answer_in_direct_messages_counts(bot: Bot) -> None:
    await bot.ann.send_dm(QUESTION)
    (answer,) = bot.said(bot.ann.user.dm_channel)

    await bot.ann.user.set_reaction(answer, "👍", reacted=True)

    assert (await the_vote(bot)).user == f"discord:user:{bot.ann.id}"


@pytest.mark.parametrize("emoji", ["🎉", "thumbsup:123", "👏🏽"])
async def test_other_reactions_are_no_votes(bot: Bot, emoji: str) -> None:
    answer = await bot.answer()

    await bot.ann.react(answer, emoji)

    assert await bot.votes.all() == ()


async def test_reactions_to_other_messages_and_of_other_bots_are_no_votes(bot: Bot) -> None:
    answer = await bot.answer()
    other = bot.guild.add_member(bot.env.create_user("jenkins", bot=True))

    await bot.bob.react(bot.general.history()[0], "👍")
    await other.react(answer, "👍")

    assert await bot.votes.all() == ()
