"""The app in several workspaces: installed by OAuth, each with its own token and data."""

import logging
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import unused_port
from slack_bot import ANSWER, QUESTION, Bot, bot_on, slack_with_people
from slack_double import SlackDouble
from slack_sdk.oauth.installation_store import Installation
from slack_sdk.oauth.installation_store.sqlalchemy import AsyncSQLAlchemyInstallationStore
from yarl import URL

from bot.errors import ConnectorError, SettingsError
from bot.settings import Secrets, SlackSettings
from bot.store.database import open_database
from connectors.slack.install import SCOPES, oauth_settings

pytestmark = pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning")  # slack-sdk 3.47


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Bot]:
    port = unused_port()
    home = f"http://127.0.0.1:{port}"
    async with (
        slack_with_people() as slack,
        bot_on(slack, tmp_path, socket=False, oauth=True, port=port, public_url=home) as bot,
    ):
        yield bot
        slack.assert_clean()


def install_page(bot: Bot) -> str:
    return f"http://127.0.0.1:{bot.app.port}/slack/install"


async def installed(bot: Bot, *teams: str) -> None:
    for team in teams:
        assert (await bot.slack.installs(install_page(bot), team=team)).status == 200


def teams_called(bot: Bot) -> set[str | None]:
    return {call.team for call in bot.slack.calls if call.method.startswith("chat.")}


async def test_app_installs_in_two_workspaces_and_answers_in_each_with_its_token(bot: Bot) -> None:
    await installed(bot, "T1", "T2")

    first = await bot.answers("U1", "C1", QUESTION, team="T1")
    assert teams_called(bot) == {"T1"}
    second = await bot.answers("U1", "C1", QUESTION, team="T2")

    assert [each.shown.startswith(ANSWER) for each in (*first, *second)] == [True, True]
    assert [asked.workspace for asked in bot.assistant.asked] == ["slack:T1", "slack:T2"]
    assert teams_called(bot) == {"T1", "T2"}


async def test_install_page_asks_for_the_scopes_of_the_manifest(bot: Bot) -> None:
    async with aiohttp.ClientSession() as browser:
        page = await (await browser.get(install_page(bot))).text()

    assert f"scope={','.join(SCOPES)}" in page.replace("%2C", ",").replace("%3A", ":")


async def test_workspace_without_an_installation_gets_no_answer(bot: Bot) -> None:
    await installed(bot, "T1")

    assert await bot.answers("U1", "C1", QUESTION, team="T9") == []
    assert bot.assistant.asked == []


async def test_removed_app_forgets_the_token_and_leaves_the_other_workspace_alone(bot: Bot) -> None:
    await installed(bot, "T1", "T2")

    await bot.slack.deliver({"type": "app_uninstalled"}, team="T1")
    await bot.slack.deliver({"type": "tokens_revoked", "tokens": {"oauth": [], "bot": ["UBOT"]}}, team="T1")
    await bot.idle()

    assert await bot.answers("U1", "C1", QUESTION, team="T1") == []
    assert len(await bot.answers("U1", "C1", QUESTION, team="T2")) == 1


async def test_app_that_was_removed_can_be_installed_again(bot: Bot) -> None:
    await installed(bot, "T1")
    await bot.slack.deliver({"type": "app_uninstalled"}, team="T1")
    await bot.idle()

    await installed(bot, "T1")

    assert len(await bot.answers("U1", "C1", QUESTION, team="T1")) == 1


async def test_question_of_a_workspace_that_removed_the_app_ends_quietly(tmp_path: Path) -> None:
    async with slack_with_people() as slack:
        async with bot_on(slack, tmp_path, dies_at="begin") as bot:
            await slack.says("U1", "C1", QUESTION)
            await slack.until(bot.inbox.died.is_set)
        slack.tokens.clear()

        async with bot_on(slack, tmp_path, socket=False, oauth=True) as bot:
            await bot.idle()

            assert bot.assistant.asked == [] or slack.answers("C1")[0].streaming


async def test_installations_survive_a_restart(tmp_path: Path) -> None:
    port = unused_port()
    where = {"port": port, "public_url": f"http://127.0.0.1:{port}"}
    async with slack_with_people() as slack:
        async with bot_on(slack, tmp_path, socket=False, oauth=True, **where) as bot:
            await installed(bot, "T2")

        async with bot_on(slack, tmp_path, socket=False, oauth=True, **where) as bot:
            assert len(await bot.answers("U1", "C1", QUESTION, team="T2")) == 1


async def test_workspace_of_an_organisation_is_found_too(tmp_path: Path) -> None:
    async with slack_with_people() as slack, bot_on(slack, tmp_path, socket=False, oauth=True) as bot:
        slack.tokens["xoxb-T3-1"] = "T3"
        store = AsyncSQLAlchemyInstallationStore(slack.client_id, bot.inbox.database.engine)
        who = {"app_id": "A1", "user_id": "U1", "bot_user_id": "UBOT", "bot_id": "BBOT"}
        await store.async_save(Installation(enterprise_id="E1", team_id="T3", bot_token="xoxb-T3-1", **who))

        assert len(await bot.answers("U1", "C1", QUESTION, team="T3")) == 1


# The state that protects an installation


async def redirected(bot: Bot, browser: aiohttp.ClientSession, code: str, state: str) -> int:
    bot.slack.codes[code] = "T1"
    page = install_page(bot).replace("/install", "/oauth_redirect")
    return (await browser.get(page, params={"code": code, "state": state})).status


async def test_state_of_an_installation_serves_once_and_only_in_its_browser(bot: Bot) -> None:
    jar = aiohttp.CookieJar(unsafe=True, treat_as_secure_origin=[URL(install_page(bot)).origin()])
    async with aiohttp.ClientSession(cookie_jar=jar) as browser, aiohttp.ClientSession() as stranger:
        page = await (await browser.get(install_page(bot))).text()
        (state,) = set(re.findall(r"state=([\w-]+)", page))

        assert await redirected(bot, stranger, "stolen", state) >= 400
        assert await redirected(bot, browser, "first", state) == 200
        assert await redirected(bot, browser, "second", state) >= 400
        assert await redirected(bot, browser, "guessed", "guessed") >= 400


# Data are kept apart


async def test_delete_my_data_in_one_workspace_leaves_those_of_the_other(bot: Bot) -> None:
    await installed(bot, "T1", "T2")
    for team in ("T1", "T2"):
        await bot.answers("U1", "C1", QUESTION, team=team)
    await bot.slack.opens_home("U1")
    await bot.idle()

    await bot.clicks("U1", bot.slack.home("U1"), "forget_me")

    kept = [len(await bot.exchanges.thread(asked.thread, last=9)) for asked in bot.assistant.asked]
    assert kept == [0, 1]


async def test_conversations_of_two_workspaces_never_meet(bot: Bot) -> None:
    await installed(bot, "T1", "T2")
    first = await bot.answer("U1", "C1", QUESTION, team="T1")

    await bot.slack.says("U1", "C1", "And mine?", thread_ts=first.thread_ts, team="T2")
    await bot.idle()

    assert len(bot.assistant.asked) == 1  # in the other workspace it takes no part in that thread


# Secrets


async def everything_happens(folder: Path) -> SlackDouble:
    """An installation, answers in both modes, an error, a file and a vote."""
    port = unused_port()
    where = {"port": port, "public_url": f"http://127.0.0.1:{port}"}
    async with slack_with_people() as slack:
        async with bot_on(slack, folder, socket=False, oauth=True, **where) as bot:
            await installed(bot, "T1")
            slack.fail("chat.stopStream", error="invalid_blocks")
            await bot.answers("U1", "C1", QUESTION)
        (folder / "socket").mkdir()
        async with bot_on(slack, folder / "socket") as bot:
            await bot.answers("U1", "C1", QUESTION, files=[slack.add_file("a.md", b"x")])
            await bot.clicks("U1", slack.answers("C1")[-1], "vote", "negative")
    return slack


async def test_no_secret_is_ever_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO)  # what --debug shows of the libraries, see bot/command.py
    caplog.set_level(logging.DEBUG, "slack")
    slack = await everything_happens(tmp_path)

    ours = [each.getMessage() for each in caplog.records if each.name != "aiohttp.access"]  # the double's
    said = "\n".join(ours) + "".join(capsys.readouterr())
    secrets = (slack.bot_token, slack.app_token, slack.signing_secret, slack.client_secret, "ticket=", "/response/")
    assert [secret for secret in secrets if secret in said] == []


@pytest.mark.parametrize(
    ("given", "missing"),
    [({"slack_client_secret": "x"}, "SLACK_CLIENT_ID"), ({"slack_client_id": "x"}, "SLACK_CLIENT_SECRET")],
)
async def test_half_of_the_oauth_credentials_is_an_error(tmp_path: Path, given: dict[str, str], missing: str) -> None:
    async with open_database(f"sqlite:///{tmp_path}/bot.db") as database:
        with pytest.raises(SettingsError, match=missing):
            await oauth_settings(SlackSettings(), Secrets.model_validate(given), database.engine)


async def test_wrong_bot_token_ends_the_start_with_the_remedy(tmp_path: Path) -> None:
    async with slack_with_people() as slack:
        slack.tokens.clear()

        with pytest.raises(ConnectorError, match=r"SLACK_BOT_TOKEN is not accepted \(invalid_auth\); copy it anew"):
            async with bot_on(slack, tmp_path):
                pass


async def test_wrong_app_token_ends_the_start_with_the_remedy(tmp_path: Path) -> None:
    async with slack_with_people() as slack:
        slack.fail("apps.connections.open", error="invalid_auth")

        with pytest.raises(ConnectorError, match=r"SLACK_APP_TOKEN is not accepted \(invalid_auth\); make one"):
            async with bot_on(slack, tmp_path):
                pass


async def test_no_proxy_is_heeded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused_port()}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    async with slack_with_people() as slack, bot_on(slack, tmp_path) as bot:
        assert (await bot.answer("U1", "D1", "When?", files=[slack.add_file("a.md", b"x")])).shown.startswith(ANSWER)


@pytest.mark.parametrize("oauth", [False, True])
async def test_slack_that_cannot_be_reached_ends_the_start_with_the_remedy(tmp_path: Path, oauth: bool) -> None:
    slack = SlackDouble()
    slack.server.root = f"http://127.0.0.1:{unused_port()}"

    with pytest.raises(ConnectorError, match="Slack cannot be reached"):
        async with bot_on(slack, tmp_path, oauth=oauth):
            pass
