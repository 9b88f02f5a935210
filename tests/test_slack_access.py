"""Who gets answers from what in Slack, and which of them may train a model."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from slack_bot import QUESTION, Bot, bot_on, slack_with_people

from bot.messages import EVERYONE

# Ada and Bob read finance, Ada by name, Bob by his group; Eve reads legal; Dan, who comes later, nothing of both.
ACCESS = [
    {"label": "finance", "members": ["slack:user:U1", "slack:usergroup:SFIN"]},
    {"label": "legal", "members": ["slack:user:U3", "slack:usergroup:SLAW"]},
]
DOCUMENTS = {"handbook": {EVERYONE}, "budget": {"finance"}, "contract": {"legal"}, "merger": {"finance", "legal"}}
ALL = ("handbook", "budget", "merger")
OPEN = ("handbook",)


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Bot]:
    async with slack_with_people() as slack:
        slack.add_user("U4", "dan")
        slack.add_usergroup("SFIN", ["U2"])
        slack.add_usergroup("SLAW", ["U3"])
        rooms = {"GFIN": ["U1", "U2"], "GMIX": ["U1", "U3"], "GDAN": ["U1", "U2", "U4"], "GCI": ["U1", "U2", "UCI"]}
        for room, members in rooms.items():
            slack.add_channel(room, private=True, members=[*members, "UBOT"])
            slack.add_channel(room.replace("G", "M", 1), mpim=True, members=[*members, "UBOT"])
        async with bot_on(slack, tmp_path, access=ACCESS) as bot:
            yield bot
            slack.assert_clean()


def readable(bot: Bot) -> tuple[str, ...]:
    """The documents whose passages the last answer may use: one common label is enough."""
    labels = bot.labels
    assert labels is not None
    return tuple(name for name, has in DOCUMENTS.items() if not labels.isdisjoint(has))


# kind of place, place, asker, documents that the answer may use, whether the row may train
TABLE = [
    ("public channel", "C1", "U1", OPEN, True),
    ("public channel", "C1", "U2", OPEN, True),
    ("public channel", "C1", "U4", OPEN, True),
    ("private channel, all have the label", "GFIN", "U1", ALL, False),
    ("private channel, all have the label", "GFIN", "U2", ALL, False),
    ("private channel, labels differ", "GMIX", "U1", OPEN, False),
    ("private channel, labels differ", "GMIX", "U3", OPEN, False),
    ("private channel, one has none", "GDAN", "U1", OPEN, False),
    ("private channel, one has none", "GDAN", "U4", OPEN, False),
    ("private channel, another app is there", "GCI", "U1", OPEN, False),
    ("group message, all have the label", "MFIN", "U1", ALL, False),
    ("group message, all have the label", "MFIN", "U2", ALL, False),
    ("group message, labels differ", "MMIX", "U1", OPEN, False),
    ("group message, one has none", "MDAN", "U2", OPEN, False),
    ("direct message, by name", "D1", "U1", ALL, False),
    ("direct message, by group", "D2", "U2", ALL, False),
    ("direct message, other label", "D3", "U3", ("handbook", "contract", "merger"), False),
    ("direct message, no label", "D4", "U4", OPEN, False),
]
IN_PRIVATE = [
    ("public channel", "C1", "U1", ALL),
    ("public channel", "C1", "U2", ALL),
    ("public channel", "C1", "U4", OPEN),
    ("private channel", "GMIX", "U1", ALL),
    ("group message", "MDAN", "U4", OPEN),
    ("direct message", "D3", "U3", ("handbook", "contract", "merger")),
]


@pytest.mark.parametrize(("kind", "place", "user", "documents", "trains"), TABLE)
async def test_answer_uses_what_all_its_readers_may_read(
    bot: Bot, kind: str, place: str, user: str, documents: tuple[str, ...], trains: bool
) -> None:
    await bot.answer(user, place, QUESTION)

    (asked,) = bot.assistant.asked
    assert (readable(bot), not asked.private) == (documents, trains)
    (kept,) = await bot.exchanges.thread(asked.thread, last=1)
    assert (kept.message.private, kept.message.labels) == (asked.private, asked.labels)


@pytest.mark.parametrize(("kind", "place", "user", "documents"), IN_PRIVATE)
async def test_command_is_answered_from_what_the_asker_may_read_and_never_trains(
    bot: Bot, kind: str, place: str, user: str, documents: tuple[str, ...]
) -> None:
    await bot.slack.commands(user, place, "/ask", "When is my refund?")
    await bot.idle()

    assert (readable(bot), bot.assistant.asked[0].private) == (documents, True)


@pytest.mark.parametrize(("kind", "place", "user", "documents"), IN_PRIVATE[::2])
async def test_form_is_answered_from_what_the_asker_may_read_and_never_trains(
    bot: Bot, kind: str, place: str, user: str, documents: tuple[str, ...]
) -> None:
    ts = await bot.slack.says(user, place, "My refund is late")
    before = len(bot.assistant.asked)
    await bot.slack.shortcut(user, place, ts, "ask_about")
    await bot.idle()

    await bot.submits(user, bot.slack.modal(user), question="Why?")

    assert len(bot.assistant.asked) > before
    assert (readable(bot), bot.assistant.asked[-1].private) == (documents, True)


@pytest.mark.parametrize("place", ["C1", "GFIN", "MFIN"])
async def test_mention_whose_event_names_no_kind_is_treated_the_same(bot: Bot, place: str) -> None:
    event = {"type": "app_mention", "channel": place, "user": "U1", "text": QUESTION, "ts": bot.slack.new_ts()}

    await bot.slack.deliver(event)
    await bot.idle()

    (asked,) = bot.assistant.asked
    assert (readable(bot), asked.private) == ((OPEN, False) if place == "C1" else (ALL, True))


async def test_members_that_slack_names_in_several_pages_all_count(bot: Bot) -> None:
    bot.slack.page_size = 1

    await bot.answer("U1", "GDAN", QUESTION)

    assert readable(bot) == OPEN


async def test_private_channel_with_very_many_members_is_answered_like_a_public_one(bot: Bot) -> None:
    many = [bot.slack.add_user(f"U1{n:03}", f"person {n}") for n in range(201)]
    bot.slack.usergroups["SFIN"] += many
    bot.slack.add_channel("GALL", private=True, members=[*many, "U1", "UBOT"])

    await bot.answer("U1", "GALL", QUESTION)

    assert (readable(bot), bot.assistant.asked[0].private) == (OPEN, True)


@pytest.mark.parametrize("scope", ["groups:read", "usergroups:read"])
async def test_missing_scope_leads_to_fewer_documents_not_to_more(bot: Bot, scope: str) -> None:
    bot.slack.scopes.remove(scope)

    await bot.answer("U1", "GFIN", QUESTION)

    assert (readable(bot), bot.assistant.asked[0].private) == (OPEN, True)


async def test_group_of_another_workspace_gives_nobody_a_label(bot: Bot) -> None:
    del bot.slack.usergroups["SFIN"]

    await bot.answer("U2", "D2", "When?")
    assert readable(bot) == OPEN

    await bot.answer("U1", "D1", "When?")
    assert readable(bot) == ALL


async def test_file_in_a_public_channel_never_trains(bot: Bot) -> None:
    await bot.answer("U1", "C1", QUESTION, files=[bot.slack.add_file("a.md", b"x")])

    assert bot.assistant.asked[0].private


# What people can do about it


async def test_delete_my_data_deletes_mine_alone_and_shows_it(bot: Bot) -> None:
    mine, others = await bot.answer("U1", "C1", QUESTION), await bot.answer("U2", "C1", QUESTION)
    await bot.clicks("U1", mine, "vote", "positive")
    await bot.clicks("U2", others, "vote", "positive")
    await bot.slack.opens_home("U1")
    await bot.idle()
    assert "1 question and 1 vote, with my answers" in str(bot.slack.home("U1"))

    await bot.clicks("U1", bot.slack.home("U1"), "forget_me")

    assert "0 questions and 0 votes" in str(bot.slack.home("U1"))
    assert [vote.user for vote in await bot.votes.all()] == ["slack:user:U2"]
    first, second = bot.assistant.asked
    assert [len(await bot.exchanges.thread(asked.thread, last=1)) for asked in (first, second)] == [0, 1]


async def test_home_tab_says_that_private_words_do_not_train(bot: Bot) -> None:
    await bot.slack.opens_home("U1")
    await bot.idle()

    assert "never trains a model that others use" in str(bot.slack.home("U1"))
