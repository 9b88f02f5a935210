"""What moderators of a server do with /pointsman, and how commands come to Discord."""

from collections.abc import AsyncIterator
from pathlib import Path

import discord
import pytest
from discord_bot import ANSWER, BILLING, QUESTION, Bot, bot_on_discord

from bot.settings import DomainSettings
from connectors.discord.commands import ELSEWHERE

TRAVEL = DomainSettings(name="travel", description="Trains")


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Bot]:
    async with bot_on_discord(tmp_path, domains=[BILLING, TRAVEL]) as bot:
        yield bot


async def told(bot: Bot, command: str, **options: object) -> str:
    """What Bob reads after a command of his, he alone."""
    said = await bot.bob.slash(bot.general, f"pointsman {command}", **options)
    assert said.response.ephemeral
    return str(said.response.content)


async def changes(bot: Bot) -> list[tuple[str, object, object]]:
    """What the audit log says of channels: who changed what into what."""
    rows = [each for each in await bot.audit.all() if each.what == "channel.set"]
    return [(each.who, each.before, each.after) for each in rows]


def test_commands_are_for_those_who_may_manage_the_server(bot: Bot) -> None:
    assert bot.ann.available_commands(bot.general) == ("ask", "forget-me")
    assert "pointsman status" in bot.bob.available_commands(bot.general)
    assert bot.bob.user.available_commands() == ("ask", "forget-me")


async def test_server_may_leave_them_to_others(bot: Bot) -> None:
    (command,) = [each for each in await bot.client.tree.fetch_commands() if each.name == "pointsman"]
    bot.guild.set_command_permissions(command, {bot.ann: True})

    assert "pointsman status" in bot.ann.available_commands(bot.general)


async def test_domains_are_listed(bot: Bot) -> None:
    assert await told(bot, "domains") == "- **billing**: Invoices and refunds\n- **travel**: Trains"


async def test_domains_are_missed_where_there_are_none(bot: Bot) -> None:
    await bot.restart(domains=[])

    assert await told(bot, "domains") == "Nothing yet. Who runs me adds domains to pointsman.toml."


async def test_channel_is_bound_and_let_go(bot: Bot) -> None:
    said = await told(bot, "bind", channel=bot.general, domain="travel")
    await bot.answers()
    gone = await told(bot, "bind", channel=bot.general)
    await bot.answers()

    assert said == f"From now on I answer questions in <#{bot.general.id}> from **travel**."
    assert gone == f"From now on I find out for each question in <#{bot.general.id}> where to look."
    assert [asked.bound for asked in bot.assistant.asked] == ["travel", None]


async def test_channel_that_the_settings_bind_is_bound_by_them_again(bot: Bot) -> None:
    bound = BILLING.model_copy(update={"channels": (f"discord:{bot.general.id}",)})
    await bot.restart(domains=[bound, TRAVEL])
    await told(bot, "bind", channel=bot.general, domain="travel")

    said = await told(bot, "bind", channel=bot.general)

    assert said == f"From now on I answer questions in <#{bot.general.id}> from **billing**."


async def test_what_is_bound_stays_so_after_a_restart(bot: Bot) -> None:
    await told(bot, "bind", channel=bot.general, domain="travel")
    await bot.restart(domains=[BILLING, TRAVEL])

    await bot.answers()

    assert bot.assistant.asked[0].bound == "travel"


async def test_unknown_domain_is_not_bound(bot: Bot) -> None:
    said = await told(bot, "bind", channel=bot.general, domain="food")

    assert said == "I have no domain of that name; there are: billing, travel."
    assert await changes(bot) == []


async def test_domains_are_offered_as_one_types(bot: Bot) -> None:
    offered = await bot.bob.autocomplete(bot.general, "pointsman bind", "domain", "TRA")

    assert [each["value"] for each in offered] == ["travel"]


async def test_channel_that_the_bot_does_not_see_is_told(bot: Bot) -> None:
    bot.env.backend.create_channel(bot.guild.id, "hidden", announce=False)

    said = await told(bot, "bind", channel=bot.guild.channels["hidden"], domain="travel")

    assert said == "I do not see that channel. Please give my role the permission View Channel there."
    assert await changes(bot) == [] and len(bot.env.errors) == 1


async def test_automatic_answers_are_switched_on_and_off(bot: Bot) -> None:
    on = await told(bot, "automatic", channel=bot.general, on=True)
    off = await told(bot, "automatic", channel=bot.general, on=False)

    where = f"From now on I answer in threads and posts of <#{bot.general.id}>"
    assert (on, off) == (f"{where} without a mention.", f"{where} only where I am mentioned.")


async def test_changes_are_in_the_audit_log(bot: Bot) -> None:
    await told(bot, "bind", channel=bot.general, domain="travel")
    await told(bot, "automatic", channel=bot.general, on=True)

    bound = {"channel": bot.general.id, "domain": "travel", "automatic": False}
    bob = f"discord:user:{bot.bob.id}"
    assert await changes(bot) == [(bob, None, bound), (bob, bound, {**bound, "automatic": True})]


async def test_status_lists_what_is_set_by_whom_ever(bot: Bot) -> None:
    forum, plain = bot.guild.create_forum_channel("help"), bot.guild.create_text_channel("plain")
    bound = BILLING.model_copy(update={"channels": (f"discord:{bot.general.id}", f"discord:{plain.id}")})
    await bot.restart(domains=[bound, TRAVEL])
    await told(bot, "automatic", channel=forum, on=True)
    await told(bot, "automatic", channel=bot.general, on=True)
    await told(bot, "bind", channel=bot.general, domain="travel")

    *lines, _, elsewhere = (await told(bot, "status")).splitlines()

    assert sorted(lines) == [
        f"- <#{bot.general.id}>: from **travel**, threads and posts without a mention",
        f"- <#{forum.id}>: threads and posts without a mention",
        f"- <#{plain.id}>: from **billing**",
    ]
    assert elsewhere == ELSEWHERE


async def test_status_of_a_fresh_server_says_how_to_ask(bot: Bot) -> None:
    assert await told(bot, "status") == f"Nothing is set for any channel.\n\n{ELSEWHERE}"


async def test_status_shows_no_ids_of_channels_that_are_gone(bot: Bot) -> None:
    gone = bot.guild.create_text_channel("gone")
    await told(bot, "bind", channel=gone, domain="travel")
    bot.env.backend.delete_channel(gone.id)
    await bot.env.settle()

    assert (await told(bot, "status")).startswith("- 1 channel that I no longer see\n")


async def test_status_of_very_many_channels_is_read_to_its_end(bot: Bot) -> None:
    named = tuple(f"discord:{bot.guild.create_text_channel(f'c{n}').id}" for n in range(60))
    await bot.restart(domains=[BILLING.model_copy(update={"channels": named})])

    said = await bot.bob.slash(bot.general, "pointsman status")

    shown = [said.response, *said.followups]
    assert sum(each.content.count("from **billing**") for each in shown) == 60
    assert len(shown) == 2 and all(each.ephemeral for each in shown)


async def test_servers_do_not_see_what_others_have_set(bot: Bot) -> None:
    await told(bot, "bind", channel=bot.general, domain="travel")
    other = bot.env.create_guild("Other")
    role = other.create_role("managers", permissions=discord.Permissions(manage_guild=True))
    eve, lobby = other.add_member(bot.env.create_user("eve"), roles=[role]), other.create_text_channel("lobby")

    said = await eve.slash(lobby, "pointsman status")

    assert said.response.content.startswith("Nothing is set")


async def test_data_of_a_member_is_deleted_on_this_server_alone(bot: Bot) -> None:
    mine, others = await bot.answer(), await bot.answer(who=bot.bob)
    await bot.ann.send_dm(QUESTION)
    await bot.presses(mine, "vote:up:")
    await bot.presses(others, "vote:up:", who=bot.bob)

    said = await told(bot, "forget", member=bot.ann)

    assert said == f"Deleted what I kept of <@{bot.ann.id}> on this server: 1 question and 1 vote."
    assert [vote.user for vote in await bot.votes.all()] == [f"discord:user:{bot.bob.id}"]
    user = f"discord:user:{bot.ann.id}"
    places = (f"discord:{bot.guild.id}", f"discord:direct:{bot.ann.id}")
    kept = [(await bot.people.stored(user, where)).questions for where in places]
    assert kept == [0, 1]
    (entry,) = await bot.audit.all()
    assert entry.who != user and entry.after == {"user": user, "questions": 1}


async def test_member_of_whom_nothing_is_kept_is_named_all_the_same(bot: Bot) -> None:
    assert await told(bot, "forget", member=bot.ann) == f"I keep nothing of <@{bot.ann.id}> on this server."


# How commands come to Discord


def synced(bot: Bot) -> int:
    return len(bot.requests("PUT", "/applications/*/commands"))


async def test_commands_are_made_known_once(bot: Bot) -> None:
    await bot.restart(domains=[TRAVEL])

    assert synced(bot) == 1


async def test_commands_are_made_known_again_when_they_have_changed(bot: Bot, tmp_path: Path) -> None:
    (tmp_path / "discord-commands").write_text("of an older version", encoding="utf-8")

    await bot.restart()
    await bot.restart()

    assert synced(bot) == 2


async def test_bot_works_with_the_commands_that_discord_has_while_it_takes_no_others(bot: Bot, tmp_path: Path) -> None:
    (tmp_path / "discord-commands").write_text("of an older version", encoding="utf-8")
    bot.env.inject_error("PUT", "/applications/*/commands", status=503)
    await bot.restart()

    assert (await bot.answer()).content == ANSWER
    await bot.restart()
    assert synced(bot) == 3


async def test_commands_say_where_they_may_be_used(bot: Bot) -> None:
    (sent,) = bot.requests("PUT", "/applications/*/commands")

    assert {each["name"]: each["contexts"] for each in sent} == {
        "ask": [0, 1],
        "Ask about this": [0, 1],
        "forget-me": [0, 1],
        "pointsman": [0],
    }
    assert all(each["integration_types"] == [0] for each in sent)
