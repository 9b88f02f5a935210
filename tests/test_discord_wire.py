"""What simcord cannot show: our connector and the real discord.py at the wire, with drops, limits and lost answers."""

import asyncio
from pathlib import Path

import pytest
from discord_double import DiscordDouble
from discord_wired import Place, bot_at, bot_in, killed_in_the_middle
from slack_bot import ANSWER, Pause

from bot.errors import ConnectorError
from bot.messages import Feedback
from bot.settings import DomainSettings

pytest_plugins = ["discord_fixtures"]


@pytest.fixture
def place(discord_: DiscordDouble, ada: int, general: int) -> Place:
    discord_.answer_within = 30.0  # a busy machine is not what these tests are about
    return Place(discord_, ada, general)


# Limits, errors and lost answers


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_answer_rides_out_what_discord_does_not_take_at_first(place: Place, tmp_path: Path, status: int) -> None:
    async with bot_in(place, tmp_path):
        place.discord.fail("POST /channels/*/messages", status)
        place.discord.fail("PATCH /channels/*/messages/*", status)

        await place.ask()
        await place.discord.until(place.answers)

        assert place.answers() == [ANSWER]
    place.discord.assert_clean()


async def test_message_whose_answer_was_lost_is_not_sent_twice(place: Place, tmp_path: Path) -> None:
    async with bot_in(place, tmp_path) as bot:
        place.discord.reset("POST /channels/*/messages", after_doing=True)
        pause = bot.assistant.between = Pause()
        await place.ask()
        await pause.reached.wait()

        pause.over.set()
        await place.discord.until(place.answers)

        assert [each.content for each in place.said] == [ANSWER]
    place.discord.assert_clean()


async def test_answer_outlives_a_burst_of_refusals_that_makes_discord_py_give_up(place: Place, tmp_path: Path) -> None:
    async with bot_in(place, tmp_path):
        place.discord.fail("* /channels/*/messages*", 429, times=12, retry_after=0.02, everywhere=True)

        await place.ask()
        await place.discord.until(place.answers)

        assert [each.content for each in place.said] == [ANSWER]
    place.discord.assert_clean()


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize("after_doing", [False, True])
async def test_command_whose_acknowledgement_was_lost_is_answered_in_its_place(
    place: Place, tmp_path: Path, after_doing: bool, private: bool
) -> None:
    async with bot_in(place, tmp_path):
        place.discord.reset("POST /interactions/*/*/callback", after_doing=after_doing)

        asked = await place.discord.slash(place.ada, place.general, "ask", question="When?", private=private)
        response = place.discord.interactions[asked]
        await place.discord.until(lambda: response.original and response.original.components)

        assert response.original and response.original.content.endswith(ANSWER)
        assert (response.ephemeral, response.followups, len(place.said)) == (private, [], 0 if private else 1)


async def test_page_behind_a_command_whose_answer_was_lost_is_not_sent_twice(place: Place, tmp_path: Path) -> None:
    async with bot_in(place, tmp_path) as bot:
        bot.assistant.says("word " * 900)
        place.discord.reset("POST /webhooks/*", after_doing=True)

        await place.discord.slash(place.ada, place.general, "ask", question="When?")
        await place.discord.until(place.answers)

        assert len(place.said) == 3 and len({each.content for each in place.said}) == 3
    place.discord.assert_clean()


async def test_call_for_help_whose_answer_was_lost_is_posted_once(place: Place, tmp_path: Path, guild: int) -> None:
    helpers = place.discord.add_channel(guild, "helpers")
    helped = DomainSettings(name="billing", description="Invoices", help=(f"discord:{helpers}",))
    async with bot_in(place, tmp_path, domains=[helped]):
        await place.ask()
        await place.discord.until(place.answers)
        place.discord.reset(f"POST /channels/{helpers}/messages", after_doing=True)
        place.discord.fail("PATCH /webhooks/*", 429, times=6, retry_after=0.02)

        await place.discord.clicks(place.ada, place.said[0].id, "Ask a person")
        await place.discord.until(lambda: place.discord.ephemeral(place.ada))

        assert [each.content[:12] for each in place.discord.ephemeral(place.ada)] == ["I have asked"]
        assert len(place.discord.answers(helpers)) == 1
    place.discord.assert_clean()


# The gateway


async def test_question_that_a_drop_hides_is_answered_once_after_the_resume(place: Place, tmp_path: Path) -> None:
    async with bot_in(place, tmp_path) as bot:
        await place.ask()
        await place.discord.until(place.answers)
        await place.discord.drop_gateway(resumable=True)

        await place.ask()
        await place.discord.until(lambda: len(place.answers()) == 2)

        assert place.discord.gateway.resumes and len(place.discord.gateway.identifies) == 1
        assert place.answers() == [ANSWER, ANSWER] and len(bot.assistant.asked) == 2


async def test_event_that_a_resume_repeats_is_answered_once(place: Place, tmp_path: Path) -> None:
    place.discord.gateway.replay_duplicates = True
    async with bot_in(place, tmp_path) as bot:
        await place.ask()
        await place.discord.until(place.answers)

        await place.discord.drop_gateway(resumable=True)
        await place.discord.until(lambda: place.discord.gateway.resumes)
        await asyncio.sleep(0.2)

        assert place.answers() == [ANSWER] and len(bot.assistant.asked) == 1


async def test_session_that_is_invalid_is_begun_anew(place: Place, tmp_path: Path) -> None:
    async with bot_in(place, tmp_path):
        await place.discord.invalid_session(resumable=False)
        await place.discord.until(lambda: len(place.discord.gateway.identifies) >= 2 and place.discord.connected)

        await place.ask()
        await place.discord.until(place.answers)

        assert place.answers() == [ANSWER]


# The end of a process


async def test_answer_in_the_middle_of_which_the_bot_was_killed_is_completed_in_place(
    place: Place, tmp_path: Path
) -> None:
    await killed_in_the_middle(place, tmp_path)
    (begun,) = place.said
    assert begun.content == "Within …"

    async with bot_in(place, tmp_path):
        await place.discord.until(place.answers)

    assert [(each.id, each.content) for each in place.said] == [(begun.id, ANSWER)]
    place.discord.assert_clean()


async def test_bot_that_leaves_before_discord_has_told_of_all_servers_hears_nothing_more(
    place: Place, tmp_path: Path
) -> None:
    async with bot_in(place, tmp_path) as bot:
        await place.ask()
        await place.discord.until(place.answers)

    await asyncio.sleep(2.1)  # when discord.py is sure that there are no more of them, and would say so
    assert not bot.connector.ready.is_set()


async def test_first_connection_that_fails_is_tried_again(place: Place, tmp_path: Path) -> None:
    place.discord.fail("GET /gateway/", 503, times=2)

    async with bot_in(place, tmp_path):
        await place.ask()
        await place.discord.until(place.answers)

        assert place.answers() == [ANSWER]
    place.discord.assert_clean()


async def test_gateway_that_is_never_there_ends_with_the_setting_to_look_at(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.discord.connector.FIRST_PAUSES", (0.0, 0.0))
    nowhere = "ws://127.0.0.1:9/gateway/"

    async with bot_at(place.discord.api_url, nowhere, place.discord.token, tmp_path) as bot:
        with pytest.raises(ConnectorError, match=r"cannot be reached at ws://127.0.0.1:9.*gateway_url"):
            await bot.connector.run(bot.assistant.reply_to, no_vote)


async def no_vote(feedback: Feedback) -> None:
    raise AssertionError("nobody can vote")
