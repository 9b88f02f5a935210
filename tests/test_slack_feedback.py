"""Votes, reasons, corrections, and calls for a person."""

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from slack_bot import ANSWER, BILLING, QUESTION, Bot, bot_on, slack_with_people
from slack_double import Posted
from slack_double_blocks import elements_of

from bot.messages import Feedback, Passage, now

FINANCE = [{"label": "finance", "members": ["slack:user:U1", "slack:user:U2"]}]
PASSAGE = Passage(document="terms.md", chunk=0, text="Within 14 days.", title="Terms & <!here>")


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Bot]:
    async with slack_with_people() as slack, bot_on(slack, tmp_path) as bot:
        yield bot
        slack.assert_clean()
        assert await bot.inbox.unfinished() == ()


async def the_vote(bot: Bot) -> Feedback:
    (vote,) = await bot.votes.all()
    return vote


# Buttons


async def test_thumb_up_counts_and_shows_as_taken_to_the_voter_alone(bot: Bot) -> None:
    answer = await bot.answer()

    await bot.clicks("U2", answer, "vote", "positive")

    vote = await the_vote(bot)
    assert (vote.user, vote.platform, vote.rating) == ("slack:user:U2", "slack", 1)
    assert bot.whispers("U2") == ["Your 👍 is noted, thank you."]
    assert bot.whispers("U1") == [] and bot.slack.ephemeral("U2")[0].thread_ts == answer.thread_ts


async def test_thumb_down_opens_a_form_whose_fields_are_kept_with_the_vote(bot: Bot) -> None:
    answer = await bot.answer()

    form = await bot.clicks("U1", answer, "vote", "negative")
    await bot.submits("U1", form, reason="Too long", correction="In 30 days", route="general")

    vote = await the_vote(bot)
    assert (vote.rating, vote.reason, vote.correction, vote.wrong_route) == (-1, "Too long", "In 30 days", "general")


async def test_form_of_very_many_domains_still_offers_what_is_none(tmp_path: Path) -> None:
    many = [BILLING.model_copy(update={"name": f"d{number}", "channels": ()}) for number in range(105)]
    async with slack_with_people() as slack, bot_on(slack, tmp_path, domains=many) as bot:
        form = await bot.clicks("U1", await bot.answer(), "vote", "negative")

    options = form["blocks"][2]["element"]["options"]
    assert len(options) == 100 and [each["value"] for each in options[-2:]] == ["general", "unknown"]
    assert options[0]["description"]["text"] == BILLING.description


async def test_thumb_down_counts_without_the_form(bot: Bot) -> None:
    answer = await bot.answer()

    form = await bot.clicks("U1", answer, "vote", "negative")
    await bot.slack.cancels("U1", form)

    assert (await the_vote(bot)).rating == -1
    assert bot.whispers() == ["Your 👎 is noted, thank you."]


async def test_form_that_was_closed_opens_again_from_the_note(bot: Bot) -> None:
    form = await bot.clicks("U1", await bot.answer(), "vote", "negative")
    await bot.slack.cancels("U1", form)

    form = await bot.clicks("U1", bot.slack.ephemeral("U1")[0], "say_why")
    await bot.submits("U1", form, reason="Outdated")

    assert (await the_vote(bot)).reason == "Outdated"


@pytest.mark.parametrize("error", ["expired_trigger_id", "internal_error"])
async def test_form_that_slack_does_not_open_loses_neither_the_vote_nor_the_note(bot: Bot, error: str) -> None:
    answer = await bot.answer()
    bot.slack.fail("views.open", error=error, times=9)

    await bot.clicks("U1", answer, "vote", "negative")

    assert (await the_vote(bot)).rating == -1
    assert bot.whispers() == ["Your 👎 is noted, thank you."]


async def test_votes_and_forms_are_acknowledged_in_time_although_slack_is_slow(bot: Bot) -> None:
    answer = await bot.answer()
    slow = ("views.open", "chat.postMessage", "views.publish")
    for method in slow:
        bot.slack.slow(method, 0.3)

    await bot.slack.opens_home("U1")
    await bot.slack.clicks("U1", answer, "vote", "negative")
    await bot.slack.clicks("U1", answer, "ask_person")
    await bot.slack.settle()
    acknowledged = time.monotonic()
    await bot.idle()

    done = [call.at for call in bot.slack.calls if call.method in slow]
    assert len(done) == 3 and acknowledged < min(done)


async def test_vote_can_be_changed_and_taken_back(bot: Bot) -> None:
    answer = await bot.answer()
    await bot.clicks("U1", answer, "vote", "negative")
    await bot.clicks("U1", answer, "vote", "positive")
    assert (await the_vote(bot)).rating == 1

    await bot.clicks("U1", bot.slack.ephemeral("U1")[-1], "take_back")

    assert await bot.votes.all() == ()
    assert bot.whispers()[-1] == "Your vote is taken back."


async def test_buttons_of_old_messages_work_after_a_restart(tmp_path: Path) -> None:
    async with slack_with_people() as slack:
        async with bot_on(slack, tmp_path) as bot:
            answer = await bot.answer()

        async with bot_on(slack, tmp_path) as bot:
            form = await bot.clicks("U1", answer, "vote", "negative")
            await bot.slack.reacts("U2", answer, "+1")
            await bot.submits("U1", form, reason="Too long")

            assert {(vote.rating, vote.reason) for vote in await bot.votes.all()} == {(-1, "Too long"), (1, None)}


async def test_vote_on_an_answer_that_is_no_longer_stored_is_refused_with_the_reason(bot: Bot) -> None:
    answer = await bot.answer()
    form = await bot.clicks("U1", answer, "vote", "negative")
    await bot.exchanges.delete_older_than(now() + timedelta(days=1))

    await bot.clicks("U1", answer, "vote", "positive")
    await bot.submits("U1", form, reason="Too long")

    gone = "I no longer keep that answer, so I cannot note your vote."
    assert bot.whispers()[-1] == gone and bot.slack.answers("D1")[-1].shown == gone
    assert await bot.votes.all() == ()


async def test_private_answer_is_voted_on_like_any_other(bot: Bot) -> None:
    await bot.slack.commands("U1", "C1", "/ask", "When is my refund?")
    await bot.idle()

    form = await bot.clicks("U1", bot.slack.ephemeral("U1")[-1], "vote", "negative")
    await bot.submits("U1", form, reason="Too long")

    assert (await the_vote(bot)).reason == "Too long"
    assert bot.whispers() == [bot.whispers()[0], "Your 👎 is noted, thank you."]


# Reactions


@pytest.mark.parametrize(
    ("reaction", "rating"), [("+1", 1), ("thumbsup", 1), ("+1::skin-tone-3", 1), ("-1", -1), ("thumbsdown", -1)]
)
async def test_thumb_as_a_reaction_counts_like_the_button(bot: Bot, reaction: str, rating: int) -> None:
    await bot.slack.reacts("U2", await bot.answer(), reaction)
    await bot.idle()

    vote = await the_vote(bot)
    assert (vote.user, vote.rating) == ("slack:user:U2", rating)


async def test_reaction_that_is_changed_changes_the_vote(bot: Bot) -> None:
    answer = await bot.answer()
    await bot.slack.reacts("U1", answer, "+1")
    await bot.idle()

    await bot.slack.reacts("U1", answer, "-1")
    await bot.idle()
    await bot.slack.unreacts("U1", answer, "+1")
    await bot.idle()

    assert (await the_vote(bot)).rating == -1


async def test_reaction_that_slack_repeats_late_does_not_change_a_later_vote(bot: Bot) -> None:
    answer = await bot.answer()
    await bot.slack.reacts("U1", answer, "+1")
    await bot.slack.reacts("U1", answer, "-1")
    await bot.idle()

    await bot.slack.redeliver(-2)
    await bot.idle()

    assert (await the_vote(bot)).rating == -1


async def test_reaction_that_is_taken_off_takes_the_vote_back(bot: Bot) -> None:
    answer = await bot.answer()
    await bot.slack.reacts("U1", answer, "+1")
    await bot.idle()

    await bot.slack.unreacts("U1", answer, "+1")
    await bot.idle()

    assert await bot.votes.all() == ()


async def test_other_reactions_and_other_messages_are_no_votes(bot: Bot) -> None:
    answer = await bot.answer()

    await bot.slack.reacts("U1", answer, "tada")
    await bot.slack.reacts("U1", bot.slack.messages("C1")[0], "+1")
    await bot.slack.unreacts("U2", answer, "+1")
    await bot.idle()

    assert await bot.votes.all() == ()


# A person's help


async def help_for(bot: Bot, answer: Posted, user: str = "U1") -> Posted:
    await bot.clicks(user, answer, "ask_person")
    return bot.slack.answers("CHELP")[-1]


async def test_people_get_question_answer_and_sources_and_the_asker_is_told(bot: Bot) -> None:
    bot.assistant.change = lambda reply: replace(reply, passages=(PASSAGE, PASSAGE))
    answer = await bot.answer("U1", "C1", "<@UBOT> Is 1 < 2?")

    call = await help_for(bot, answer)

    shown = call.shown.replace("\u2060", "")
    assert "<@U1> asks for a person's help with *billing*" in shown and "Is 1 < 2?" in shown
    assert ANSWER in shown and "I looked in: Terms &amp; &lt;!here&gt;" in shown
    assert bot.whispers() == ["I have asked the people in <#CHELP>. They answer you here."]


async def test_people_are_asked_once_about_an_answer(bot: Bot) -> None:
    answer = await bot.answer()
    await help_for(bot, answer)

    await help_for(bot, answer, "U2")

    assert len(bot.slack.answers("CHELP")) == 1
    assert bot.whispers("U2") == ["The people in <#CHELP> have this question already."]


async def test_one_who_presses_under_the_answer_to_another_is_the_one_who_asks(bot: Bot) -> None:
    call = await help_for(bot, await bot.answer("U1", "C1", QUESTION), "U2")

    assert "<@U2> asks for a person's help" in call.shown


@pytest.mark.parametrize("channel", ["D1", "C1"])
async def test_answer_that_not_all_helpers_may_read_is_left_out(tmp_path: Path, channel: str) -> None:
    async with slack_with_people() as slack, bot_on(slack, tmp_path, access=FINANCE) as bot:
        bot.assistant.change = lambda reply: replace(reply, passages=(PASSAGE,))
        call = await help_for(bot, await bot.answer("U1", channel, QUESTION))

        assert (ANSWER in call.shown, "Terms" in call.shown) == ((channel == "C1"),) * 2


async def test_answer_is_shown_where_all_helpers_may_read_it(tmp_path: Path) -> None:
    async with slack_with_people() as slack, bot_on(slack, tmp_path, access=FINANCE) as bot:
        slack.add_channel("CHELP", private=True, members=["U2", "UBOT"])

        call = await help_for(bot, await bot.answer("U1", "D1", "When?"))

        assert ANSWER in call.shown


async def test_asker_is_told_where_nobody_helps_any_more(tmp_path: Path) -> None:
    alone = BILLING.model_copy(update={"help": ()})
    async with slack_with_people() as slack:
        async with bot_on(slack, tmp_path) as before:
            answer = await before.answer()

        async with bot_on(slack, tmp_path, domains=[alone]) as bot:
            await bot.clicks("U1", answer, "ask_person")

            assert bot.whispers() == ["I know nobody to ask about this. Please ask in your usual channel."]


async def test_general_answer_has_no_button_for_people(bot: Bot) -> None:
    bot.assistant.change = lambda reply: replace(reply, route="general")

    answer = await bot.answer()

    assert "ask_person" not in [element["action_id"] for _, element in elements_of(answer.blocks)]


async def test_button_is_missing_where_nobody_helps_at_all(tmp_path: Path) -> None:
    alone = BILLING.model_copy(update={"help": ()})
    async with slack_with_people() as slack, bot_on(slack, tmp_path, domains=[alone]) as bot:
        answer = await bot.answer()

    assert "ask_person" not in [element["action_id"] for _, element in elements_of(answer.blocks)]


async def test_help_channel_without_the_bot_is_told_and_can_be_tried_again(bot: Bot) -> None:
    answer = await bot.answer()
    bot.slack.channels["CHELP"].members.remove("UBOT")
    await bot.clicks("U1", answer, "ask_person")
    assert bot.whispers() == ["I could not post in <#CHELP>; please ask there yourself."]

    bot.slack.channels["CHELP"].members.add("UBOT")
    await help_for(bot, answer)

    assert bot.whispers()[-1] == "I have asked the people in <#CHELP>. They answer you here."


async def test_person_who_resolves_answers_in_the_thread_and_corrects_the_bot(bot: Bot) -> None:
    answer = await bot.answer()
    call = await help_for(bot, answer)

    form = await bot.clicks("U2", call, "resolve")
    await bot.submits("U2", form, answer="In 30 days & <!here>")

    report = bot.slack.answers("C1", answer.thread_ts)[-1]
    assert report.shown.replace("\u2060", "") == (
        "<@U2> has answered your question:\n>>> In 30 days &amp; &lt;!here&gt;"
    )
    assert call.shown == "Resolved by <@U2>."
    vote = await the_vote(bot)
    assert (vote.user, vote.reason) == ("slack:user:U2", "answered by a person")
    assert vote.correction == "In 30 days & <!here>"


async def test_person_may_resolve_without_words(bot: Bot) -> None:
    answer = await bot.answer()
    form = await bot.clicks("U2", await help_for(bot, answer), "resolve")

    await bot.submits("U2", form)

    assert bot.slack.answers("C1", answer.thread_ts)[-1].shown == "<@U2> has resolved your question."
    assert await bot.votes.all() == ()


async def test_report_on_a_private_answer_comes_as_a_direct_message(bot: Bot) -> None:
    await bot.slack.commands("U1", "C1", "/ask", "When is my refund?")
    await bot.idle()
    form = await bot.clicks("U2", await help_for(bot, bot.slack.ephemeral("U1")[-1]), "resolve")

    await bot.submits("U2", form, answer="In 30 days")

    assert "In 30 days" in bot.slack.answers("D1")[-1].shown and bot.slack.answers("C1") == []


async def test_report_finds_the_asker_although_the_bot_was_thrown_out_of_the_channel(bot: Bot) -> None:
    form = await bot.clicks("U2", await help_for(bot, await bot.answer()), "resolve")
    bot.slack.channels["C1"].members.remove("UBOT")

    await bot.submits("U2", form, answer="In 30 days")

    assert "In 30 days" in bot.slack.answers("D1")[-1].shown


async def test_helper_is_told_where_the_asker_cannot_be_reached(bot: Bot) -> None:
    call = await help_for(bot, await bot.answer())
    form = await bot.clicks("U2", call, "resolve")
    bot.slack.fail("chat.postMessage", error="channel_not_found", times=2)

    await bot.submits("U2", form, answer="In 30 days")

    assert bot.whispers("U2") == ["I could not reach the one who asked. Please tell them yourself."]
    assert "Resolved" not in call.shown and (await the_vote(bot)).correction == "In 30 days"
