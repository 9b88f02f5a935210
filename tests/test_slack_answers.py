"""What an answer in Slack looks like: from files, long, or made up by somebody who wants to ping everybody."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from slack_bot import ANSWER, QUESTION, Bot, bot_on, slack_with_people
from slack_double_blocks import elements_of

from bot.messages import Citation, Passage, Reply
from connectors.markup import JOINER

TERMS = b"Refunds take 30 days."
CITED = Citation(number=1, document="terms", chunk=0, title="Terms", url="https://a.test/t", quote="within 14 days")


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Bot]:
    async with slack_with_people() as slack, bot_on(slack, tmp_path) as bot:
        yield bot
        slack.assert_clean()
        assert await bot.inbox.unfinished() == ()


# Files


async def test_file_that_is_shared_answers_the_question_and_is_kept_from_training(bot: Bot) -> None:
    file = bot.slack.add_file("terms.md", TERMS)

    await bot.answer("U1", "C1", QUESTION, files=[file])

    (asked,) = bot.assistant.asked
    assert (asked.passages, asked.source, asked.private) == (("Refunds take 30 days.",), "terms.md", True)


async def test_file_answers_what_is_asked_later_in_its_thread_alone(bot: Bot) -> None:
    file = bot.slack.add_file("terms.md", TERMS)
    first = await bot.answer("U1", "D1", "When is my refund?", files=[file])

    await bot.answer("U1", "D1", "And in June?", thread_ts=first.thread_ts)
    await bot.answer("U1", "D1", "When is my refund?")

    assert [asked.source for asked in bot.assistant.asked] == ["terms.md", "terms.md", ""]
    assert bot.assistant.asked[-1].passages is None


async def test_several_files_answer_together_and_a_later_one_takes_their_place(bot: Bot) -> None:
    files = [bot.slack.add_file("terms.md", TERMS), bot.slack.add_file("june.md", b"None in June.")]
    first = await bot.answer("U1", "D1", "When?", files=files)

    await bot.answer("U1", "D1", "And now?", thread_ts=first.thread_ts, files=[bot.slack.add_file("new.md", b"Now.")])

    assert [asked.source for asked in bot.assistant.asked] == ["terms.md, june.md", "new.md"]


async def test_file_that_holds_no_text_is_refused_with_the_reason(bot: Bot) -> None:
    file = bot.slack.add_file("photo.png", b"\x89PNG\x00", mimetype="image/png")

    answer = await bot.answer("U1", "C1", QUESTION, files=[file])

    assert answer.shown == "I cannot read photo.png: it holds no text"
    assert bot.assistant.asked == []


async def test_file_that_slack_does_not_give_is_refused_with_the_scope_that_is_missing(bot: Bot) -> None:
    file = bot.slack.add_file("terms.md", TERMS)
    bot.slack.scopes.remove("files:read")

    answer = await bot.answer("U1", "C1", QUESTION, files=[file])

    assert answer.shown.endswith("an admin has to grant the scope files:read")


async def test_file_that_is_kept_elsewhere_is_not_fetched_with_our_token(bot: Bot) -> None:
    file = bot.slack.add_file("terms.md", TERMS)
    bot.slack.files[file][0]["url_private"] = "https://drive.test/terms.md"

    answer = await bot.answer("U1", "C1", QUESTION, files=[file])

    assert answer.shown == "I cannot read terms.md: it is not kept at Slack; please upload it here"


async def test_file_that_is_too_large_is_refused(bot: Bot) -> None:
    file = bot.slack.add_file("terms.md", b"x" * 10_000_001)

    answer = await bot.answer("U1", "C1", QUESTION, files=[file])

    assert answer.shown.startswith("I cannot read terms.md: it has more than 10 MB")


# Where an answer is from


async def test_citations_are_links_and_the_origin_is_named(bot: Bot) -> None:
    looked_into = (Passage(document="a", chunk=0, text="x", title="A", url="https://a.test/a"),)
    bot.assistant.change = lambda reply: replace(reply, citations=(CITED,), passages=looked_into)

    answer = await bot.answer()

    cited = "[1] <https://a.test/t|Terms>: “within 14 days”"
    assert answer.shown.endswith(f"{cited}\n📄 From the documents of billing")


async def test_answer_without_documents_is_marked_as_general_knowledge(bot: Bot) -> None:
    bot.assistant.change = lambda reply: replace(reply, route="general")

    assert (await bot.answer()).shown.endswith("💭 General knowledge, not from the documents")


@pytest.mark.parametrize("change", [{"route": "general", "abstained": True}, {"decision": "ask_back"}])
async def test_what_the_bot_says_by_itself_comes_from_nowhere(bot: Bot, change: dict[str, object]) -> None:
    bot.assistant.change = lambda reply: replace(reply, **change)

    assert (await bot.answer()).shown == ANSWER


async def test_who_gets_no_answer_can_read_on_in_the_pages_that_were_looked_into(bot: Bot) -> None:
    terms = Passage(document="terms.md", chunk=0, text="14 days", title="Terms", url="https://a.test/t")
    passages = (terms, replace(terms, chunk=1), replace(terms, title="", url="https://a.test/b"))
    bot.assistant.change = lambda reply: replace(reply, abstained=True, passages=passages)

    shown = (await bot.answer()).shown

    assert "Read on: <https://a.test/t|Terms>, <https://a.test/b|terms.md>\n🔎 Looked in" in shown


async def test_every_answer_has_feedback_buttons_and_a_way_to_a_person(bot: Bot) -> None:
    answer = await bot.answer()

    assert [element["action_id"] for _, element in elements_of(answer.blocks)] == ["vote", "ask_person"]


# Nobody is pinged, nothing is forged: the double notes whoever is


PINGS = (
    "<!channel> <!here|here> @everyone <@U3> <!subteam^S1> <#C1>",
    "`<@U3>` ```<!here>``` <https://evil.test|your bank> <mailto:a@b.test>",
    "<<!channel>!here> <\u2060!here>@here",
)


@pytest.mark.parametrize("text", PINGS)
@pytest.mark.parametrize("size", [1, 3, 100])
async def test_what_the_model_says_pings_nobody_however_it_arrives(bot: Bot, text: str, size: int) -> None:
    bot.assistant.says(text, *(text[n : n + size] for n in range(0, len(text), size)))

    answer = await bot.answer()

    assert answer.shown.replace(JOINER, "").startswith(text.replace(JOINER, "").strip())
    assert bot.slack.problems == []


@pytest.mark.parametrize("text", PINGS)
async def test_private_answers_and_posts_ping_nobody(bot: Bot, text: str) -> None:
    bot.app.api.rates["chat.startStream"] = 0
    bot.assistant.says(text)

    answer = await bot.answer()
    await bot.slack.commands("U1", "C1", "/ask", "When?")
    await bot.idle()

    assert "<!" not in answer.shown + answer.text + bot.whispers()[0]


async def test_titles_quotes_and_addresses_of_documents_forge_nothing(bot: Bot) -> None:
    evil = "<!channel>|<https://evil.test|x> & @here"
    bot.assistant.change = lambda reply: replace(
        reply, citations=(replace(CITED, title=evil, url="https://a.test/|<!here>x", quote=evil),)
    )

    answer = await bot.answer()

    assert answer.shown.count("<") == 1  # our own link
    assert "<https://a.test/%7C%3C!here%3Ex|&lt;" in answer.shown


async def test_question_that_pings_is_passed_on_to_helpers_without_pinging(bot: Bot) -> None:
    answer = await bot.answer("U1", "C1", "<@UBOT> <@U3> `<!channel>`")

    await bot.clicks("U1", answer, "ask_person")

    (call,) = bot.slack.answers("CHELP")
    assert "@U3 `<!channel>`" in call.shown.replace(JOINER, "")  # plain_text, where nothing is markup


# Long answers

PARAGRAPH = "All of it is paid within fourteen days after you have sent it back. " * 20
CODE = "\n".join(["```python", *(f"print({n})" for n in range(1500)), "```"])


@pytest.mark.parametrize("budget", [0, 20])
async def test_long_answer_becomes_several_messages_with_the_buttons_below_the_last(bot: Bot, budget: int) -> None:
    bot.app.api.rates["chat.startStream"] = budget
    text = "\n\n".join(f"{n}. {PARAGRAPH}" for n in range(15))
    bot.assistant.says(text, *text.splitlines(keepends=True))

    *first, last = await bot.answers("U1", "C1", QUESTION)

    assert len(first) == 2 and [list(elements_of(each.blocks)) for each in first] == [[], []]
    assert last.shown.endswith("🔎 Looked in the documents of billing")
    assert [f"{n}. All" in " ".join(each.shown for each in (*first, last)) for n in range(15)] == [True] * 15


async def test_code_that_is_split_is_code_in_each_message(bot: Bot) -> None:
    bot.assistant.says(f"So:\n{CODE}\nThat is all.")

    answers = await bot.answers("U1", "C1", QUESTION)

    assert len(answers) > 1
    assert [each.shown.count("```") % 2 for each in answers] == [0] * len(answers)
    assert answers[1].shown.startswith("```python\n")


async def test_reaction_on_any_part_of_a_long_answer_is_a_vote(bot: Bot) -> None:
    bot.assistant.says("\n\n".join([PARAGRAPH] * 15))
    first, *_, last = await bot.answers("U1", "C1", QUESTION)

    await bot.slack.reacts("U2", first, "+1")
    await bot.slack.reacts("U3", last, "-1")
    await bot.idle()

    votes = await bot.votes.all()
    assert {(vote.user, vote.rating) for vote in votes} == {("slack:user:U2", 1), ("slack:user:U3", -1)}


async def test_long_private_answer_goes_on_in_further_messages(bot: Bot) -> None:
    bot.assistant.says("\n\n".join([PARAGRAPH] * 15))

    await bot.slack.commands("U1", "C1", "/ask", "When?")
    await bot.idle()

    assert len(bot.whispers()) == 3
    assert bot.whispers()[-1].endswith("🔎 Looked in the documents of billing")


async def test_answer_with_endless_titles_and_addresses_still_fits(bot: Bot) -> None:
    def swollen(reply: Reply) -> Reply:
        long = replace(CITED, title="Terms & <b> " * 50, url=f"https://a.test/{'x' * 5000}", quote="<&> " * 200)
        return replace(reply, citations=tuple(replace(long, number=n) for n in range(1, 21)))

    bot.assistant.says("&<x " * 2100)
    bot.assistant.change = swollen

    answer = await bot.answer()

    assert "[8] Terms &amp;" in answer.shown and "[9]" not in answer.shown
