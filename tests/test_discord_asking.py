"""Somebody asks in Discord: where the bot answers, where it keeps quiet, and what it makes of what people type."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from discord_bot import ANSWER, ASKED, BILLING, QUESTION, Bot, bot_on_discord
from simcord.enums import MessageType

from bot.settings import DomainSettings

LEGAL = DomainSettings(name="legal", description="Contracts", access=("lawyers",))


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Bot]:
    async with bot_on_discord(tmp_path) as bot:
        yield bot


# Ways in


async def test_mention_is_answered_in_a_reply(bot: Bot) -> None:
    answer = await bot.answer("When is my refund?")

    assert answer.content == ANSWER
    assert answer.reference and answer.reference.message_id == bot.general.history()[0].id
    (asked,) = bot.assistant.asked
    assert (asked.text, asked.user) == ("When is my refund?", f"discord:user:{bot.ann.id}")
    assert asked.workspace == f"discord:{bot.guild.id}"


async def test_older_kind_of_mention_in_the_middle_is_one_too(bot: Bot) -> None:
    await bot.ann.send(bot.general, f"Do you know, <@!{bot.me}>, when it comes?")

    assert bot.asked == ["Do you know, , when it comes?"]


async def test_mention_of_the_role_that_is_called_like_the_bot_is_meant_for_it(bot: Bot) -> None:
    role = bot.guild.roles["TestBot"]
    bot.give_role(role, bot.me)

    await bot.ann.send(bot.general, f"<@&{role.id}> When is my refund?")

    assert bot.asked == ["When is my refund?"]


async def test_mention_alone_below_somebodys_question_asks_it(bot: Bot) -> None:
    question = await bot.bob.send(bot.general, "When is my refund?")

    await bot.ann.send(bot.general, f"<@{bot.me}>", reply_to=question)

    (asked,) = bot.assistant.asked
    assert (asked.text, asked.user) == ("When is my refund?", f"discord:user:{bot.ann.id}")


async def test_reply_to_an_answer_goes_on_in_its_conversation_whoever_speaks(bot: Bot) -> None:
    first = await bot.answer()

    await bot.bob.send(bot.general, "And mine?", reply_to=first)

    one, two = bot.assistant.asked
    assert one.thread == two.thread and two.user == f"discord:user:{bot.bob.id}"


async def test_mentions_in_a_channel_are_conversations_of_their_own(bot: Bot) -> None:
    await bot.answers()
    await bot.answers("And in June?")

    one, two = bot.assistant.asked
    assert one.thread != two.thread


async def test_direct_message_is_answered_without_a_mention(bot: Bot) -> None:
    await bot.ann.send_dm("When is my refund?")

    assert bot.direct() == [ANSWER]
    (asked,) = bot.assistant.asked
    assert (asked.text, asked.workspace, asked.private) == ("When is my refund?", f"discord:direct:{bot.ann.id}", True)


async def test_direct_messages_that_follow_closely_are_one_conversation(bot: Bot) -> None:
    await bot.ann.send_dm("When is my refund?")
    await bot.ann.send_dm("And in June?")
    await bot.env.advance_time(1801)
    await bot.ann.send_dm("How do I pay?")

    one, two, three = (asked.thread for asked in bot.assistant.asked)
    assert one == two != three


async def test_reply_in_direct_messages_takes_up_an_older_conversation(bot: Bot) -> None:
    await bot.ann.send_dm("When is my refund?")
    (answer,) = bot.said(bot.ann.user.dm_channel)
    await bot.env.advance_time(1801)

    reference = {"message_id": str(answer.id)}
    await bot.ann.send_dm("And in June?", reference=reference)
    await bot.ann.send_dm("And in July?")

    assert len({asked.thread for asked in bot.assistant.asked}) == 1


async def test_command_is_answered_for_all_to_see_with_its_question(bot: Bot) -> None:
    said = await bot.ann.slash(bot.general, "ask", question="When is my refund?")

    assert said.response.content == "**When is my refund?**\nWithin 14 days [1]." and not said.ephemeral
    (asked,) = bot.assistant.asked
    assert (asked.text, asked.route, asked.user) == ("When is my refund?", None, f"discord:user:{bot.ann.id}")


async def test_reply_to_the_answer_of_a_command_goes_on_in_its_conversation(bot: Bot) -> None:
    said = await bot.ann.slash(bot.general, "ask", question=QUESTION)

    await bot.bob.send(bot.general, "And mine?", reply_to=said.response)

    one, two = bot.assistant.asked
    assert one.thread == two.thread != ""


async def test_private_command_is_answered_to_the_asker_alone(bot: Bot) -> None:
    said = await bot.ann.slash(bot.general, "ask", question=QUESTION, private=True)

    assert said.response.content == ASKED and said.response.ephemeral
    assert bot.said() == [] and bot.assistant.asked[0].private
    assert bot.general.history(viewer=bot.bob) == []


async def test_command_in_direct_messages_is_answered_there(bot: Bot) -> None:
    said = await bot.ann.user.slash("ask", question=QUESTION)

    assert said.response.content == ASKED
    assert bot.assistant.asked[0].workspace == f"discord:direct:{bot.ann.id}"


@pytest.mark.parametrize("route", ["billing", "general"])
async def test_command_takes_a_domain(bot: Bot, route: str) -> None:
    await bot.ann.slash(bot.general, "ask", question=QUESTION, domain=route)

    assert bot.assistant.asked[0].route == route


async def test_command_with_an_unknown_domain_names_those_there_are(bot: Bot) -> None:
    said = await bot.ann.slash(bot.general, "ask", question=QUESTION, domain="travel")

    assert said.response.content == "I have no domain of that name; there are: billing." and said.response.ephemeral
    assert bot.assistant.asked == []


@pytest.mark.parametrize("typed", ["help", " Help "])
async def test_command_without_a_question_says_what_one_can_ask(bot: Bot, typed: str) -> None:
    said = await bot.ann.slash(bot.general, "ask", question=typed)

    assert "billing: Invoices and refunds" in said.response.content and said.response.ephemeral
    assert bot.assistant.asked == []


async def names(who: Any, typed: str, *place: Any) -> list[str]:
    return [each["value"] for each in await who.autocomplete(*place, "ask", "domain", typed)]


async def test_domains_are_offered_as_one_types(bot: Bot) -> None:
    assert await names(bot.ann, "", bot.general) == ["billing", "general"]
    assert await names(bot.ann, "REFUND", bot.general) == ["billing"]
    assert await names(bot.ann, "travel", bot.general) == []


async def test_domains_are_offered_to_those_who_may_read_them(bot: Bot) -> None:
    lawyers = bot.guild.create_role("lawyers")
    eve = bot.guild.add_member(bot.env.create_user("eve"), roles=[lawyers])
    await bot.restart(
        domains=[BILLING, LEGAL], access=[{"label": "lawyers", "members": [f"discord:role:{lawyers.id}"]}]
    )

    assert await names(bot.ann, "", bot.general) == ["billing", "general"]
    assert await names(eve, "", bot.general) == ["billing", "legal", "general"]
    assert await names(eve.user, "") == ["billing", "legal", "general"]
    said = await bot.ann.slash(bot.general, "ask", question=QUESTION, domain="travel")
    assert "legal" not in said.response.content


async def test_message_of_somebody_can_be_asked_about_in_a_form(bot: Bot) -> None:
    message = await bot.bob.send(bot.general, f"My refund in {bot.general.mention} is late")
    form = await bot.ann.context_menu(bot.general, "Ask about this", message)
    fields = [label["component"] for label in form.modal["components"]]
    assert fields[0]["value"] == "My refund in #general is late"

    said = await bot.ann.submit_modal(form, {"question": "Why is it late?", "route": ["general"]})

    assert said.response.content == f"**Why is it late?**\n{ANSWER}" and said.response.ephemeral
    assert (bot.assistant.asked[0].text, bot.assistant.asked[0].route) == ("Why is it late?", "general")


# Keeping quiet


async def test_what_people_say_to_one_another_is_not_answered(bot: Bot) -> None:
    first = await bot.ann.send(bot.general, "Anybody hungry?")
    await bot.bob.send(bot.general, f"Yes, <@{bot.ann.id}>", reply_to=first)

    assert bot.said() == [] and bot.assistant.asked == []


@pytest.mark.parametrize("how", ["mention", "reply"])
async def test_message_to_another_person_is_not_answered_in_a_thread(bot: Bot, how: str) -> None:
    thread = bot.opens_thread()
    await bot.answers(at=thread, who=bot.ann)
    question = next(each for each in thread.history() if each.author.id == bot.ann.id)

    if how == "mention":
        await bot.bob.send(thread, f"<@{bot.ann.id}> is that so?")
    else:
        await bot.bob.send(thread, "Is that so?", reply_to=question)

    assert len(bot.assistant.asked) == 1


async def test_other_bots_and_webhooks_are_not_answered(bot: Bot) -> None:
    other = bot.guild.add_member(bot.env.create_user("jenkins", bot=True))
    webhook = bot.guild.create_webhook(bot.general, "builds")

    await bot.answers("The build is broken", who=other)
    await webhook.send(f"<@{bot.me}> The build is broken")

    assert bot.assistant.asked == []


@pytest.mark.parametrize("kind", [MessageType.NEW_MEMBER, MessageType.PREMIUM_GUILD_SUBSCRIPTION])
async def test_what_discord_notes_is_not_answered(bot: Bot, kind: MessageType) -> None:
    bot.guild.create_system_message(bot.general, kind, author=bot.ann)
    await bot.env.settle()

    assert bot.assistant.asked == []


async def test_edit_is_not_answered_again(bot: Bot) -> None:
    await bot.answers()

    await bot.ann.edit(bot.general.history()[0], f"<@{bot.me}> When is it paid?")

    assert len(bot.assistant.asked) == 1


# What people type


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("is 1 < 2 & 3 > 2?", "is 1 < 2 & 3 > 2?"),
        ("billing: When?", "billing: When?"),
        ("ask <@{bob}> or <@&{role}>", "ask @bob or @managers"),
        ("ask <@{nobody}> or <@&{nobody}>", "ask @somebody or @a-role"),
        ("see <#{general}> and <#{nobody}>", "see #general and #a-channel"),
        ("why <:sad:123> <a:dance:456>", "why :sad: :dance:"),
        ("what does </ask:123> do?", "what does /ask do?"),
    ],
)
async def test_question_reads_as_it_was_typed(bot: Bot, typed: str, read: str) -> None:
    ids = {"bob": bot.bob.id, "role": bot.guild.roles["managers"].id, "general": bot.general.id, "nobody": 987654321}

    await bot.answer(typed.format(**ids))

    assert bot.asked == [read]


# Channels with a domain


async def test_channel_may_be_bound_by_the_settings(bot: Bot) -> None:
    other = bot.guild.create_text_channel("other")
    channels = (f"discord:{bot.general.id}",)
    await bot.restart(domains=[BILLING.model_copy(update={"channels": channels})])

    await bot.answers(at=bot.general)
    await bot.answers(at=bot.opens_thread())
    await bot.ann.slash(bot.general, "ask", question=QUESTION)
    await bot.answers(at=other)

    assert [asked.bound for asked in bot.assistant.asked] == ["billing", "billing", "billing", None]


async def test_moderators_bind_before_the_settings_do(bot: Bot) -> None:
    channels = (f"discord:{bot.general.id}",)
    await bot.restart(domains=[LEGAL.model_copy(update={"channels": channels}), BILLING])
    await bot.bob.slash(bot.general, "pointsman bind", channel=bot.general, domain="billing")

    await bot.answer("legal: When?")

    (asked,) = bot.assistant.asked  # the prefix is left to the router, which prefers it
    assert (asked.bound, asked.route, asked.text) == ("billing", None, "legal: When?")


# Files


async def test_file_serves_its_conversation_and_no_other(bot: Bot) -> None:
    answer = await bot.answer("What does it say?", attachments=[("terms.txt", b"A refund takes five days.")])
    await bot.ann.send(bot.general, "And in June?", reply_to=answer)
    await bot.answers("When is my refund?")

    one, two, three = bot.assistant.asked
    assert (one.passages, one.source, one.private) == (("A refund takes five days.",), "terms.txt", True)
    assert (two.passages, two.source) == (one.passages, "terms.txt")
    assert (three.passages, three.private) == (None, False)


async def test_file_of_a_command_serves_its_answer(bot: Bot) -> None:
    thread = bot.opens_thread()
    await bot.ann.slash(thread, "ask", question="What does it say?", file=("terms.txt", b"Five days."))
    await bot.answers(at=thread)

    one, two = bot.assistant.asked
    assert (one.passages, two.passages) == (("Five days.",), None)


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("photo.png", b"\x00\x01", "I cannot read photo.png: it holds no text"),
        ("gone.txt", None, "I cannot read gone.txt: Discord no longer has it; please share it again"),
        ("big.txt", b"x" * 10_000_001, "I cannot read big.txt: it has more than 10 MB; please share the part that"),
    ],
)
async def test_file_that_cannot_be_read_is_told(bot: Bot, name: str, data: bytes | None, told: str) -> None:
    bot.files.lose = data is None

    answer = await bot.answer("What does it say?", attachments=[(name, data or b"text")])

    assert answer.content.startswith(told)
    assert bot.assistant.asked == []


async def test_who_asks_too_much_is_told_when_to_go_on(bot: Bot) -> None:
    await bot.restart(limits={"questions_per_user_per_hour": 1})
    await bot.answer()

    refused = await bot.answer()
    other = await bot.answer(who=bot.bob)

    assert refused.content == "You have asked 1 question within an hour. Please go on in 60 minutes."
    assert other.content == ANSWER
