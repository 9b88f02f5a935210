"""What moderators set for channels is kept, per server, and in the audit log."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from slack_bot import new_database

from bot.messages import ChannelSetting
from bot.ports import ChannelStore
from bot.store.audit import SqlAudit
from bot.store.channels import SqlChannels
from bot.store.database import open_database

HOME, OTHER = "discord:7", "discord:8"
BOB, EVE = "discord:user:1", "discord:user:2"
HELP = 1456074443980800008  # as large as Discord's ids are


@dataclass(frozen=True)
class Stores:
    channels: ChannelStore
    audit: SqlAudit


@pytest.fixture
async def stores(tmp_path: Path) -> AsyncIterator[Stores]:
    (tmp_path / "bot.db").write_bytes(await new_database())
    async with open_database(f"sqlite:///{tmp_path / 'bot.db'}") as database:
        yield Stores(SqlChannels(database), SqlAudit(database))


async def test_nothing_is_set_to_begin_with(stores: Stores) -> None:
    assert await stores.channels.find(HELP) is None
    assert await stores.channels.all(HOME) == ()


async def test_domain_and_automatic_answers_are_set_apart(stores: Stores) -> None:
    await stores.channels.bind(HOME, HELP, "billing", by=BOB)
    await stores.channels.answer_automatically(HOME, HELP, True, by=BOB)
    await stores.channels.bind(HOME, HELP, "travel", by=BOB)

    setting = ChannelSetting(channel=HELP, domain="travel", automatic=True)
    assert await stores.channels.find(HELP) == setting
    assert await stores.channels.all(HOME) == (setting,)


async def test_what_is_let_go_is_set_no_more(stores: Stores) -> None:
    await stores.channels.bind(HOME, HELP, "billing", by=BOB)
    await stores.channels.bind(HOME, HELP, None, by=BOB)

    assert await stores.channels.find(HELP) == ChannelSetting(channel=HELP, domain=None, automatic=False)
    assert await stores.channels.all(HOME) == ()


async def test_servers_are_kept_apart(stores: Stores) -> None:
    await stores.channels.bind(HOME, 1, "billing", by=BOB)
    await stores.channels.answer_automatically(OTHER, 2, True, by=EVE)

    assert [each.channel for each in await stores.channels.all(HOME)] == [1]
    assert [each.channel for each in await stores.channels.all(OTHER)] == [2]


async def test_channels_are_listed_in_the_order_in_which_they_were_first_set(stores: Stores) -> None:
    for channel in (3, 1, 2):
        await stores.channels.bind(HOME, channel, "billing", by=BOB)
    await stores.channels.bind(HOME, 3, "travel", by=BOB)

    assert [each.channel for each in await stores.channels.all(HOME)] == [3, 1, 2]


async def test_changes_that_come_together_lose_nothing(stores: Stores) -> None:
    await asyncio.gather(
        stores.channels.bind(HOME, HELP, "billing", by=BOB),
        stores.channels.answer_automatically(HOME, HELP, True, by=EVE),
    )

    assert await stores.channels.find(HELP) == ChannelSetting(channel=HELP, domain="billing", automatic=True)


async def test_audit_log_says_who_changed_what_into_what(stores: Stores) -> None:
    await stores.channels.bind(HOME, HELP, "billing", by=BOB)
    await stores.channels.bind(HOME, HELP, None, by=EVE)

    bound, free = ({"channel": HELP, "domain": domain, "automatic": False} for domain in ("billing", None))
    told = [(each.who, each.what, each.before, each.after) for each in await stores.audit.all()]
    assert told == [(BOB, "channel.set", None, bound), (EVE, "channel.set", bound, free)]


async def test_what_changes_nothing_is_not_in_the_audit_log(stores: Stores) -> None:
    await stores.channels.bind(HOME, HELP, "billing", by=BOB)
    await stores.channels.bind(HOME, HELP, "billing", by=EVE)

    assert len(await stores.audit.all()) == 1
