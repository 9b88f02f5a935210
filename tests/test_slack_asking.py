"""Somebody asks in Slack: where the bot answers, where it keeps quiet, and what it makes of what people type."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from slack_bot import ANSWER, BILLING, QUESTION, Bot, bot_on, slack_with_people

from bot.settings import DomainSettings

OFTEN = ("Which class?", "Who books?", "When?", "Why?")
TRAVEL = DomainSettings(name="travel", description="Trains", suggestions=OFTEN)


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Bot]:
    async with slack_with_people() as slack, bot_on(slack, tmp_path) as bot:
        yield bot
        slack.assert_clean()
        assert await bot.inbox.unfinished() == ()


# Ways in


async def test_mention_is_answered_in_its_thread(bot: Bot) -> None:
    answer = await bot.answer("U1", "C1", "<@UBOT> When is my refund?")

    assert answer.shown.startswith(ANSWER)
    assert answer.thread_ts and answer.thread_ts != answer.ts
    (asked,) = bot.assistant.asked
    assert (asked.text, asked.user, asked.workspace) == ("When is my refund?", "slack:user:U1", "slack:T1")


async def test_mention_that_comes_as_two_events_is_answered_once(bot: Bot) -> None:
    answers = await bot.answers("U1", "C1", "<@UBOT> When is my refund?")

    assert [each.payload["event"]["type"] for each in bot.slack.wire.history] == ["message", "app_mention"]
    assert len(answers) == len(bot.assistant.asked) == 1


async def test_direct_message_is_answered_in_a_thread_without_a_mention(bot: Bot) -> None:
    answer = await bot.answer("U1", "D1", "When is my refund?")

    assert answer.shown.startswith(ANSWER)
    assert answer.thread_ts == bot.slack.messages("D1")[0].ts


async def test_conversation_goes_on_in_its_thread_without_a_mention_whoever_speaks(bot: Bot) -> None:
    first = await bot.answer("U1", "C1", QUESTION)

    answers = await bot.answers("U2", "C1", "And mine?", thread_ts=first.thread_ts)

    assert len(answers) == 2
    one, two = bot.assistant.asked
    assert one.thread == two.thread and two.user == "slack:user:U2"


async def test_mention_in_the_middle_of_a_thread_of_others_joins_it(bot: Bot) -> None:
    root = await bot.slack.says("U1", "C1", "I wait for my money")
    await bot.slack.says("U2", "C1", "Me too", thread_ts=root)

    answers = await bot.answers("U2", "C1", "Do you know, <@UBOT>?", thread_ts=root)

    assert [each.thread_ts for each in answers] == [root]


async def test_reply_that_is_sent_to_the_channel_as_well_is_answered(bot: Bot) -> None:
    first = await bot.answer()

    answers = await bot.answers("U1", "C1", "And mine?", thread_ts=first.thread_ts, subtype="thread_broadcast")

    assert len(answers) == 2


async def test_group_message_is_answered_where_it_mentions_the_bot(bot: Bot) -> None:
    bot.slack.add_channel("G1", mpim=True, members=["U1", "U2", "UBOT"])
    await bot.answers("U1", "G1", "Lunch?")

    answer = await bot.answer("U1", "G1", QUESTION)

    assert answer.shown.startswith(ANSWER) and len(bot.assistant.asked) == 1


async def test_command_is_answered_to_the_asker_alone_in_place_of_the_sign_of_life(bot: Bot) -> None:
    said = await bot.slack.commands("U1", "C1", "/ask", "When is my refund?")
    await bot.idle()

    assert said["text"] == "Looking for an answer…"
    (whisper,) = bot.whispers("U1")
    assert whisper.startswith(ANSWER)
    assert bot.slack.answers("C1") == []


@pytest.mark.parametrize("typed", ["", "help", " Help "])
async def test_command_without_a_question_says_what_one_can_ask(bot: Bot, typed: str) -> None:
    await bot.slack.commands("U1", "C1", "/ask", typed)

    (whisper,) = bot.whispers("U1")
    assert "billing: Invoices and refunds" in whisper
    assert bot.assistant.asked == []


async def test_command_works_where_the_bot_is_no_member(bot: Bot) -> None:
    bot.slack.add_channel("C2", members=["U1"])

    await bot.slack.commands("U1", "C2", "/ask", "When is my refund?")
    await bot.idle()
    await bot.clicks("U1", bot.slack.ephemeral("U1")[-1], "vote", "positive")

    assert bot.whispers("U1")[-1] == "Your 👍 is noted, thank you."


async def test_message_of_somebody_can_be_asked_about_in_a_form(bot: Bot) -> None:
    ts = await bot.slack.says("U2", "C1", "My refund &amp; <#C1|billing> are late")
    await bot.slack.shortcut("U1", "C1", ts, "ask_about")
    await bot.idle()
    form = bot.slack.modal("U1")
    assert form and form["blocks"][0]["element"]["initial_value"] == "My refund &amp; #billing are late"

    await bot.submits("U1", form, question="Why is it late?", route="general")

    assert (bot.assistant.asked[0].text, bot.assistant.asked[0].route) == ("Why is it late?", "general")
    (whisper,) = bot.whispers("U1")
    assert whisper.startswith(ANSWER)


async def test_form_that_slack_does_not_open_is_told(bot: Bot) -> None:
    ts = await bot.slack.says("U2", "C1", "Late again")
    bot.slack.fail("views.open", error="expired_trigger_id")

    await bot.slack.shortcut("U1", "C1", ts, "ask_about")
    await bot.idle()

    assert bot.whispers("U1") == ["Slack did not open the form in time. Please try again."]


# Keeping quiet


async def test_what_people_say_to_one_another_is_not_answered(bot: Bot) -> None:
    root = await bot.slack.says("U1", "C1", "Anybody hungry?")

    answers = await bot.answers("U2", "C1", "Yes, <@U1>", thread_ts=root)

    assert answers == [] and bot.assistant.asked == []


async def test_reply_that_is_addressed_to_another_person_is_not_answered(bot: Bot) -> None:
    first = await bot.answer("U1", "C1", QUESTION)

    answers = await bot.answers("U1", "C1", "<@U2> is that so?", thread_ts=first.thread_ts)

    assert len(answers) == 1


async def test_somebody_whose_id_begins_like_the_bots_is_another_person(bot: Bot) -> None:
    bot.slack.add_user("UBOTTO", "otto")

    assert await bot.answers("U1", "C1", "<@UBOTTO> When is my refund?") == []


async def test_messages_of_other_bots_are_not_answered(bot: Bot) -> None:
    first = await bot.answer("U1", "C1", QUESTION)

    await bot.answers("UCI", "C1", "<@UBOT> The build is broken")
    await bot.answers("UCI", "C1", "Still broken", thread_ts=first.thread_ts)

    assert len(bot.assistant.asked) == 1


async def test_edits_and_deletions_are_not_answered(bot: Bot) -> None:
    first = await bot.answer("U1", "C1", QUESTION)
    assert first.thread_ts

    await bot.slack.edits("U1", "C1", first.thread_ts, "<@UBOT> When is it paid?")
    await bot.slack.deletes("U1", "C1", first.thread_ts)
    await bot.idle()

    assert len(bot.assistant.asked) == 1


@pytest.mark.parametrize("subtype", ["channel_join", "channel_topic", "bot_message", "me_message", "reminder_add"])
async def test_what_slack_notes_is_not_answered(bot: Bot, subtype: str) -> None:
    assert await bot.answers("U1", "C1", QUESTION, subtype=subtype) == []


@pytest.mark.parametrize(
    "event",
    [
        {"type": "app_context_changed", "user": "U1", "context": {"entities": []}},
        {"type": "assistant_thread_context_changed", "assistant_thread": {"channel_id": "D1", "thread_ts": "1.1"}},
        {"type": "app_uninstalled"},
        {"type": "tokens_revoked", "tokens": {"bot": ["UBOT"]}},
    ],
)
async def test_news_that_do_not_concern_us_are_taken_and_change_nothing(bot: Bot, event: dict[str, object]) -> None:
    calls = len(bot.slack.calls)

    await bot.slack.deliver(event)

    await bot.idle()
    assert len(bot.slack.calls) == calls and bot.slack.problems == []


# The app's own tab


async def test_messages_tab_offers_questions_of_each_topic(tmp_path: Path) -> None:
    async with slack_with_people() as slack, bot_on(slack, tmp_path, domains=[BILLING, TRAVEL]) as bot:
        await slack.opens_messages_tab("U1")
        await bot.idle()

    (offered,) = slack.suggested_prompts
    assert (offered["channel"], offered["thread_ts"]) == ("D1", None)
    assert [each["message"] for each in offered["prompts"]] == [
        "billing: How do I pay?",
        "travel: Which class?",
        "billing: How do I cancel?",
        "travel: Who books?",
    ]
    assert offered["prompts"][0]["title"] == "How do I pay?"


async def test_messages_tab_offers_help_where_no_question_is_known(tmp_path: Path) -> None:
    silent = DomainSettings(name="travel", description="Trains")
    async with slack_with_people() as slack, bot_on(slack, tmp_path, domains=[silent]) as bot:
        await slack.opens_messages_tab("U1")
        await bot.idle()
        answer = await bot.answer("U1", "D1", "help")

    assert [each["message"] for each in slack.suggested_prompts[0]["prompts"]] == ["help"]
    assert "- travel: Trains" in answer.shown


async def test_older_assistant_view_offers_them_in_its_thread(bot: Bot) -> None:
    bot.slack.agent = False

    thread = await bot.slack.starts_assistant_thread("U1")
    await bot.idle()
    answer = await bot.answer("U1", "D1", "billing: When?", thread_ts=thread)

    (offered,) = bot.slack.suggested_prompts
    assert (offered["channel"], offered["thread_ts"]) == ("D1", thread)
    assert answer.thread_ts == thread and bot.slack.titles == [("D1", thread, "billing: When?")]


async def test_conversation_in_direct_messages_is_named_after_its_first_question(bot: Bot) -> None:
    first = await bot.answer("U1", "D1", "When is my refund?")

    await bot.answer("U1", "D1", "And in June?", thread_ts=first.thread_ts)
    await bot.answer("U1", "C1", QUESTION)

    assert bot.slack.titles == [("D1", first.thread_ts, "When is my refund?")]


async def test_home_tab_says_what_is_kept_and_whom_to_ask(tmp_path: Path) -> None:
    async with slack_with_people() as slack, bot_on(slack, tmp_path, contact={"admins": "Ada & Bob"}) as bot:
        await bot.answer("U1", "C1", QUESTION)
        await slack.opens_home("U1")
        await bot.idle()

        home = str(slack.home("U1"))
    assert "1 question and 0 votes" in home and "Ada &amp; Bob" in home and "Invoices and refunds" in home


# What people type


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("<@UBOT> is 1 < 2 & 3 > 2?", "is 1 < 2 & 3 > 2?"),
        ("<@UBOT> billing: When?", "billing: When?"),
        ("ask <@U2> about <#C1|general>, <@UBOT>", "ask @U2 about #general,"),
        ("<@UBOT> `<!channel>`", "`<!channel>`"),
    ],
)
async def test_question_reads_as_it_was_typed(bot: Bot, typed: str, read: str) -> None:
    await bot.answer("U1", "C1", typed)

    assert bot.assistant.asked[0].text == read


@pytest.mark.parametrize(("channel", "bound"), [("CBILL", "billing"), ("C1", None)])
async def test_channel_may_be_bound_to_a_domain(bot: Bot, channel: str, bound: str | None) -> None:
    await bot.answer("U1", channel, QUESTION)
    await bot.slack.commands("U1", channel, "/ask", "When?")
    await bot.idle()

    assert [asked.bound for asked in bot.assistant.asked] == [bound, bound]


async def test_who_asks_too_much_is_told_when_to_go_on(tmp_path: Path) -> None:
    limits = {"questions_per_user_per_hour": 1}
    async with slack_with_people() as slack, bot_on(slack, tmp_path, limits=limits) as bot:
        await bot.answer("U1", "C1", QUESTION)

        refused = await bot.answer("U1", "C1", QUESTION)
        other = await bot.answer("U2", "C1", QUESTION)

    assert refused.shown == "You have asked 1 question within an hour. Please go on in 60 minutes."
    assert other.shown.startswith(ANSWER)
    slack.assert_clean()
