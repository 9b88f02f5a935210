"""Who gets answers from what in Discord, and which of them may train a model."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import discord
import pytest
from discord_bot import QUESTION, Bot, bot_on_discord

from bot.messages import EVERYONE

DOCUMENTS = {"handbook": {EVERYONE}, "budget": {"finance"}, "contract": {"legal"}, "merger": {"finance", "legal"}}
FINANCE, LEGAL, OPEN = ("handbook", "budget", "merger"), ("handbook", "contract", "merger"), ("handbook",)
SEES, HIDDEN = (discord.PermissionOverwrite(view_channel=each) for each in (True, False))

# Ann reads finance by name, Bob by his role; Eve reads legal by hers; Dan nothing of both. Ida is an administrator.
PEOPLE = {"ann": [], "bob": ["finance"], "eve": ["legal"], "dan": ["guests"], "ida": ["admins"]}
# Who sees a channel that not everybody sees: roles, or people by name.
SEEN_BY = {
    "finance": ["finance"],
    "legal": ["legal"],
    "finance and legal": ["finance", "legal"],
    "finance and guests": ["finance", "guests"],
    "finance and admins": ["finance", "admins"],
    "finance and we": ["finance", "pointsman"],
    "finance and another bot": ["finance", "jenkins"],
    "ann": ["ann"],
    "ann and finance": ["ann", "finance"],
    "ann and bob": ["ann", "bob"],  # whose roles are not looked up
    "ann and dan": ["ann", "dan"],
    "admins": ["admins"],
}


@dataclass
class Server:
    """People and channels by their names."""

    bot: Bot
    people: dict[str, Any]
    channels: dict[str, Any]

    @property
    def readable(self) -> tuple[str, ...]:
        """The documents whose passages the last answer may use: one common label is enough."""
        labels = self.bot.assistant.asked[-1].labels
        assert labels is not None
        return tuple(name for name, has in DOCUMENTS.items() if not labels.isdisjoint(has))

    @property
    def trains(self) -> bool:
        return not self.bot.assistant.asked[-1].private


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with bot_on_discord(tmp_path) as bot:
        guild = bot.guild
        roles = {name: guild.create_role(name) for name in ("finance", "legal", "guests", "pointsman", "jenkins")}
        roles["admins"] = guild.create_role("admins", permissions=discord.Permissions.all())
        people = {
            name: bot.ann
            if name == "ann"
            else guild.add_member(bot.env.create_user(name), roles=[roles[r] for r in has])
            for name, has in PEOPLE.items()
        }
        hidden = {guild.default_role: HIDDEN, bot.client.user: SEES}
        for name, seen_by in SEEN_BY.items():
            shown = {(roles | people)[each]: SEES for each in seen_by}
            guild.create_text_channel(name, overwrites={**hidden, **shown})
        finance = [f"discord:user:{bot.ann.id}", f"discord:role:{roles['finance'].id}"]
        legal = [f"discord:role:{roles['legal'].id}"]
        await bot.restart(access=[{"label": "finance", "members": finance}, {"label": "legal", "members": legal}])
        bot.give_role(roles["pointsman"], bot.me)
        bot.give_role(roles["jenkins"], 12345)
        yield Server(bot, people, guild.channels)


# channel, asker, documents that the answer may use, whether the row may train
TABLE = [
    ("general", "ann", OPEN, True),
    ("general", "bob", OPEN, True),
    ("general", "dan", OPEN, True),
    ("finance", "bob", FINANCE, False),
    ("finance", "ida", FINANCE, False),
    ("legal", "eve", LEGAL, False),
    ("finance and legal", "bob", OPEN, False),
    ("finance and legal", "eve", OPEN, False),
    ("finance and guests", "bob", OPEN, False),
    ("finance and guests", "dan", OPEN, False),
    ("finance and admins", "bob", FINANCE, False),
    ("finance and we", "bob", FINANCE, False),
    ("finance and another bot", "bob", OPEN, False),
    ("ann", "ann", FINANCE, False),
    ("ann and finance", "ann", FINANCE, False),
    ("ann and finance", "bob", FINANCE, False),
    ("ann and bob", "ann", OPEN, False),
    ("ann and dan", "ann", OPEN, False),
    ("admins", "ida", OPEN, False),
]


@pytest.mark.parametrize(("channel", "asker", "documents", "trains"), TABLE)
async def test_answer_uses_what_all_its_readers_may_read(
    server: Server, channel: str, asker: str, documents: tuple[str, ...], trains: bool
) -> None:
    await server.bot.answer(who=server.people[asker], at=server.channels[channel])

    assert (server.readable, server.trains) == (documents, trains)
    (asked,) = server.bot.assistant.asked
    (kept,) = await server.bot.exchanges.thread(asked.thread, last=1)
    assert (kept.message.private, kept.message.labels) == (asked.private, asked.labels)


@pytest.mark.parametrize(("channel", "asker", "documents", "trains"), TABLE)
async def test_command_for_all_to_see_is_answered_from_the_same(
    server: Server, channel: str, asker: str, documents: tuple[str, ...], trains: bool
) -> None:
    await server.people[asker].slash(server.channels[channel], "ask", question=QUESTION)

    assert (server.readable, server.trains) == (documents, trains)


@pytest.mark.parametrize(
    ("channel", "private", "documents", "trains"),
    [
        ("general", False, OPEN, True),
        ("general", True, OPEN, False),
        ("finance", False, FINANCE, False),
        ("finance and legal", True, OPEN, False),
    ],
)
async def test_thread_is_read_by_those_who_see_its_channel(
    server: Server, channel: str, private: bool, documents: tuple[str, ...], trains: bool
) -> None:
    thread = server.bot.opens_thread(at=server.channels[channel], private=private)
    bob = server.people["bob"]
    server.bot.env.backend.add_thread_member(thread.id, bob.id)

    await server.bot.answer(who=bob, at=thread)

    assert (server.readable, server.trains) == (documents, trains)


PERSONS = [("ann", FINANCE), ("bob", FINANCE), ("eve", LEGAL), ("dan", OPEN), ("ida", OPEN)]


@pytest.mark.parametrize(("asker", "documents"), PERSONS)
async def test_direct_message_is_answered_from_what_the_asker_may_read_and_never_trains(
    server: Server, asker: str, documents: tuple[str, ...]
) -> None:
    await server.people[asker].send_dm(QUESTION)

    assert (server.readable, server.trains) == (documents, False)


@pytest.mark.parametrize(("asker", "documents"), PERSONS)
async def test_private_command_is_answered_from_what_the_asker_may_read_and_never_trains(
    server: Server, asker: str, documents: tuple[str, ...]
) -> None:
    await server.people[asker].slash(server.channels["general"], "ask", question=QUESTION, private=True)

    assert (server.readable, server.trains) == (documents, False)


@pytest.mark.parametrize(("asker", "documents"), PERSONS)
async def test_form_is_answered_from_what_the_asker_may_read_and_never_trains(
    server: Server, asker: str, documents: tuple[str, ...]
) -> None:
    who, general = server.people[asker], server.channels["general"]
    message = await who.send(general, "My refund is late")

    await who.submit_modal(await who.context_menu(general, "Ask about this", message), {"question": "Why?"})

    assert (server.readable, server.trains) == (documents, False)


async def test_role_that_is_taken_away_counts_no_longer_than_a_minute(server: Server) -> None:
    bob = server.people["bob"]
    await bob.send_dm(QUESTION)
    server.bot.env.backend.guilds[server.bot.guild.id].members[bob.id].role_ids.clear()

    await bob.send_dm(QUESTION)
    believed = server.readable
    await server.bot.env.advance_time(61)
    await bob.send_dm(QUESTION)

    assert (believed, server.readable) == (FINANCE, OPEN)


async def test_role_counts_for_nobody_whom_discord_does_not_name(server: Server) -> None:
    server.bot.env.inject_error("GET", "/guilds/*/members/*", status=404, code=10007, times=None)

    await server.people["bob"].send_dm(QUESTION)

    assert server.readable == OPEN


async def test_role_counts_again_as_soon_as_discord_names_it(server: Server) -> None:
    server.bot.client.rooms.patience = 0.0
    server.bot.env.inject_error("GET", "/guilds/*/members/*", status=500)
    await server.people["bob"].send_dm(QUESTION)
    assert server.readable == OPEN

    await server.people["bob"].send_dm(QUESTION)

    assert server.readable == FINANCE


async def test_channel_that_is_not_known_is_answered_from_what_everyone_may_read(server: Server) -> None:
    hidden = server.bot.env.backend.create_channel(server.bot.guild.id, "new", announce=False)
    channel = server.bot.guild.channels["new"]

    await server.bot.answer(who=server.people["ann"], at=channel)

    assert channel.id == hidden.id and (server.readable, server.trains) == (OPEN, False)


async def test_server_that_is_not_known_yet_is_no_direct_message(server: Server) -> None:
    server.bot.env.backend.emit("GUILD_DELETE", {"id": str(server.bot.guild.id)})

    await server.people["ann"].send(server.channels["general"], "Anybody hungry?")
    await server.bot.answer(who=server.people["ann"])

    assert len(server.bot.assistant.asked) == 1
    assert (server.readable, server.trains) == (OPEN, False)


async def test_file_in_a_public_channel_never_trains(server: Server) -> None:
    await server.bot.answer(attachments=[("a.txt", b"x")])

    assert not server.trains
