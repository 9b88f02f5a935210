"""The real discord.py runs against the double: drops, resumes, limits and faults."""

import asyncio
import time

import aiohttp
import discord
import pytest
from discord_double import DiscordDouble
from discord_echo import Echo, ShardedEcho, call, hurry, point, running

pytest_plugins = ["discord_fixtures"]


async def test_messages_in_a_guild_and_directly_are_heard_and_answered(discord_: DiscordDouble, ada: int, general: int):
    async with running(discord_) as client:
        asked = await discord_.says(ada, general, f"<@{discord_.bot_user}> Hi")
        await discord_.says(ada, discord_.dm(ada), "Psst")
        await discord_.until(lambda: discord_.answers(general) and discord_.answers(discord_.dm(ada)))

    assert client.heard == [f"<@{discord_.bot_user}> Hi", "Psst"]
    assert discord_.answers(general)[0].reference == asked
    discord_.assert_clean()


# the gateway


@pytest.mark.parametrize("code", [1006, 1001, 4000])
async def test_after_a_drop_the_session_resumes_and_what_was_missed_comes_once(
    discord_: DiscordDouble, ada: int, general: int, code: int
):
    async with running(discord_) as client:
        await discord_.drop_gateway(code)
        await discord_.says(ada, general, "Missed")
        await discord_.until(lambda: client.resumed and discord_.answers(general))
        await discord_.says(ada, general, "Live")
        await discord_.until(lambda: len(discord_.answers(general)) == 2)

    assert client.heard == ["Missed", "Live"]
    assert (len(discord_.gateway.identifies), len(discord_.gateway.resumes)) == (1, 1)


async def test_replayed_duplicates_reach_the_app_twice(discord_: DiscordDouble, ada: int, general: int):
    discord_.gateway.replay_duplicates = True
    async with running(discord_) as client:
        await discord_.drop_gateway()
        await discord_.says(ada, general, "Once")
        await discord_.until(lambda: client.resumed and discord_.answers(general))
        discord_.gateway.replay_duplicates = 2  # the question and its answer
        await discord_.drop_gateway()
        await discord_.until(lambda: len(client.heard) == 2)

    assert client.heard == ["Once", "Once"]


@pytest.mark.parametrize("drops", [True, False])
async def test_a_session_that_cannot_be_resumed_begins_anew_without_what_was_missed(
    discord_: DiscordDouble, ada: int, general: int, drops: bool
):
    async with running(discord_) as client:
        await (discord_.drop_gateway(4000, resumable=False) if drops else discord_.invalid_session())
        await discord_.says(ada, general, "Lost")
        await discord_.until(lambda: len(discord_.gateway.identifies) == 2 and discord_.connected)
        await discord_.says(ada, general, "Heard")
        await discord_.until(lambda: client.heard)

    assert client.heard == ["Heard"] and not client.resumed


@pytest.mark.parametrize("how", ["reconnect", "invalid"])
async def test_discord_may_ask_to_connect_anew_and_resume(discord_: DiscordDouble, ada: int, general: int, how: str):
    async with running(discord_) as client:
        await (discord_.reconnect() if how == "reconnect" else discord_.invalid_session(resumable=True))
        await discord_.until(lambda: client.resumed)
        await discord_.says(ada, general, "Hi")
        await discord_.until(lambda: client.heard)

    assert len(discord_.gateway.identifies) == 1


async def test_a_frozen_connection_is_given_up_and_resumed(discord_: DiscordDouble, ada: int, general: int):
    discord_.gateway.heartbeat = 0.1
    async with running(discord_, Echo(heartbeat_timeout=0.4)) as client:
        await discord_.freeze_gateway()
        await discord_.says(ada, general, "Hi")
        await discord_.until(lambda: client.heard)

    assert client.resumed == 1


async def test_handshakes_can_fail(discord_: DiscordDouble):
    discord_.fail("GET /resume/", status=503, times=2)
    async with running(discord_) as client:
        await discord_.drop_gateway()
        await discord_.until(lambda: client.resumed)

    assert len(discord_.gateway.resumes) == 1


async def test_a_wrong_token_is_refused(discord_: DiscordDouble):
    client = Echo()
    discord_.token = "another"

    with pytest.raises(discord.LoginFailure):
        await client.start("bot-token")
    await client.close()


async def test_a_privileged_intent_has_to_be_switched_on(discord_: DiscordDouble):
    discord_.privileged = 0

    with pytest.raises(discord.PrivilegedIntentsRequired):
        async with running(discord_):
            pass


async def test_some_closing_codes_are_for_good(discord_: DiscordDouble):
    with pytest.raises(discord.ConnectionClosed) as raised:
        async with running(discord_) as client:
            await discord_.drop_gateway(4004)
            await discord_.until(client.is_closed)
            await client.work  # type: ignore[misc]  # the test's own

    assert raised.value.code == 4004


async def test_without_the_intent_contents_come_only_with_a_mention(discord_: DiscordDouble, ada: int, general: int):
    discord_.privileged = 0
    async with running(discord_, Echo(content=False)) as client:
        await discord_.says(ada, general, "Secret")
        await discord_.says(ada, general, f"<@{discord_.bot_user}> open")
        await discord_.until(lambda: len(client.heard) == 2)

    assert client.heard == ["", f"<@{discord_.bot_user}> open"]


async def test_identifying_too_often_is_refused_and_noted(discord_: DiscordDouble):
    discord_.gateway.identify_every = 0.3
    async with running(discord_):
        await discord_.invalid_session()
        await discord_.until(lambda: len(discord_.gateway.identifies) == 2 and discord_.connected)

    assert "IDENTIFY came too often" in discord_.problems


async def test_shards_get_their_guilds_and_resume_each(discord_: DiscordDouble, ada: int, general: int, guild: int):
    discord_.shards = 2
    async with running(discord_, ShardedEcho()) as client:
        await discord_.until(lambda: discord_.connected == 2)
        await discord_.drop_gateway()
        await discord_.says(ada, general, "Hi")
        await discord_.says(ada, discord_.dm(ada), "Psst")
        await discord_.until(lambda: len(client.heard) == 2 and len(discord_.gateway.resumes) == 2)

    assert client.guilds[0].shard_id == (guild >> 22) % 2
    discord_.assert_clean()


# limits and faults


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch, discord.http, discord.webhook.async_)


SEND = "POST /channels/*/messages"


@pytest.mark.parametrize("everywhere", [True, False])
async def test_after_a_429_discord_py_waits_and_tries_again(discord_: DiscordDouble, general: int, everywhere: bool):
    discord_.fail(SEND, status=429, times=2, retry_after=0.1, everywhere=everywhere)
    async with running(discord_) as client:
        started = time.monotonic()
        await client.get_partial_messageable(general).send("Hi")

    assert time.monotonic() - started > 0.2
    assert [each.status for each in discord_.called(SEND)] == [429, 429, 200]


async def test_a_429_of_cloudflare_is_raised(discord_: DiscordDouble, general: int):
    discord_.fail(SEND, status=429, via=False)
    async with running(discord_) as client:
        with pytest.raises(discord.HTTPException) as raised:
            await client.get_partial_messageable(general).send("Hi")

    assert raised.value.status == 429


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("after_doing", [True, False])
async def test_errors_of_the_server_are_tried_again_and_the_nonce_prevents_doubles(
    discord_: DiscordDouble, general: int, after_doing: bool
):
    discord_.fail(SEND, status=500, after_doing=after_doing)
    discord_.fail(SEND, status=502, after_doing=after_doing)
    async with running(discord_) as client:
        await client.get_partial_messageable(general).send("Hi")

    assert len(discord_.answers(general)) == 1
    assert [each.status for each in discord_.called(SEND)] == [500, 502, 200]


async def test_a_503_is_raised_and_so_is_a_refusal(discord_: DiscordDouble, general: int):
    discord_.fail(SEND, status=503)
    discord_.fail(SEND, status=403, code=50013)
    async with running(discord_) as client:
        with pytest.raises(discord.DiscordServerError):
            await client.get_partial_messageable(general).send("Hi")
        with pytest.raises(discord.Forbidden) as raised:
            await client.get_partial_messageable(general).send("Hi")

    assert raised.value.code == 50013


@pytest.mark.parametrize("after_doing", [True, False])
async def test_a_lost_answer_is_raised_and_the_same_nonce_does_not_post_twice(
    discord_: DiscordDouble, general: int, after_doing: bool
):
    discord_.reset(SEND, after_doing=after_doing)
    async with running(discord_) as client:
        channel = client.get_partial_messageable(general)
        with pytest.raises((aiohttp.ClientError, OSError)):
            await channel.send("Hi", nonce="1")
        assert len(discord_.answers(general)) == after_doing
        await channel.send("Hi", nonce="1")

    assert len(discord_.answers(general)) == 1
    assert [each.status for each in discord_.called(SEND)] == [0, 200]


async def test_aiohttp_asks_again_by_itself_where_that_is_harmless(discord_: DiscordDouble, general: int):
    async with running(discord_) as client:
        discord_.reset("GET /channels/*")
        await client.fetch_channel(general)

    assert [each.status for each in discord_.called("GET /channels/*")] == [0, 200]


async def test_calls_can_be_slow(discord_: DiscordDouble, general: int):
    discord_.slow(SEND, 0.2)
    async with running(discord_) as client:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.get_partial_messageable(general).send("Hi"), 0.1)


async def test_discord_py_keeps_to_the_limits_it_is_told(monkeypatch: pytest.MonkeyPatch):
    async with DiscordDouble(limits=True) as discord_:
        point(monkeypatch, discord_)
        discord_.rest.limits.window = 0.4
        guild = discord_.add_guild("Acme")
        rooms = [discord_.add_channel(guild, f"room-{number}") for number in range(4)]
        async with running(discord_) as client:
            started = time.monotonic()
            sends = (client.get_partial_messageable(room).send(str(n)) for n in range(12) for room in rooms)
            await asyncio.gather(*sends)

    assert time.monotonic() - started > 0.8
    assert [len(discord_.answers(room)) for room in rooms] == [12] * 4
    assert len(discord_.called(SEND, status=429)) <= len(rooms)  # only while it does not know the limit yet


async def test_the_global_limit_is_for_all_channels(discord_: DiscordDouble):
    discord_.rest.enforced, discord_.rest.limits.second = True, 0.3
    async with running(discord_) as client:
        rooms = [client.get_partial_messageable(discord_.dm(discord_.add_user(str(n)))) for n in range(60)]
        await asyncio.gather(*(room.send("Hi") for room in rooms))

    assert discord_.called(SEND, status=429)
    assert len(discord_.called(SEND, status=200)) == 60


async def test_answers_to_interactions_are_outside_the_global_limit(discord_: DiscordDouble, ada: int, general: int):
    asked = discord_.interactions[await discord_.slash(ada, general, "ask", question="When?")]
    discord_.rest.enforced = True
    discord_.rest.limits.recent.extend([time.monotonic()] * 50)

    assert (await call(discord_, "GET", f"/channels/{general}"))[1]["global"]
    assert (await call(discord_, "POST", f"/interactions/{asked.id}/{asked.token}/callback", {"type": 5}))[0] == 204


async def test_an_edit_per_token_is_noted(discord_: DiscordDouble, general: int):
    async with running(discord_) as client:
        message = await client.get_partial_messageable(general).send("0")
        for number in range(1, 7):
            await message.edit(content=str(number))

    assert discord_.answers(general)[0].edits == 6
    assert [each.partition(":")[0] for each in discord_.problems] == ["more edits than Discord allows"]
