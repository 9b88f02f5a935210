"""`pointsman doctor` says which token or scope is wrong, and where to get it."""

from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import unused_port
from pydantic import SecretStr
from slack_bot import slack_with_people
from slack_double import SlackDouble

from bot.errors import ConnectorError
from bot.settings import Secrets, SlackSettings
from connectors.slack.check import check_slack


@pytest.fixture
async def slack() -> AsyncIterator[SlackDouble]:
    async with slack_with_people() as slack:
        yield slack


async def check(slack: SlackDouble, **tokens: str | None) -> str:
    """What is found with the right tokens, changed by *tokens*."""
    given = {"slack_bot_token": slack.bot_token, "slack_app_token": slack.app_token, **tokens}
    secrets = {name: SecretStr(value) for name, value in given.items() if value is not None}
    return await check_slack(SlackSettings(api_base_url=slack.url), Secrets.model_validate(secrets))


async def test_right_tokens_name_the_bot_and_the_workspace(slack: SlackDouble) -> None:
    assert await check(slack) == "pointsman in Team T1, Socket Mode"


async def test_http_mode_names_the_port(slack: SlackDouble) -> None:
    found = await check(slack, slack_app_token=None, slack_signing_secret="s3cret")

    assert found == "pointsman in Team T1, signed requests at port 3000, /slack/events"


async def test_nothing_is_wrong_without_tokens(slack: SlackDouble) -> None:
    found = await check(slack, slack_bot_token=None, slack_app_token=None)

    assert found == "not set up; SLACK_BOT_TOKEN and SLACK_APP_TOKEN switch it on"


@pytest.mark.parametrize("missing", [["files:read"], ["chat:write", "usergroups:read"]])
async def test_missing_scopes_are_named_with_the_page_to_add_them(slack: SlackDouble, missing: list[str]) -> None:
    slack.scopes -= set(missing)

    with pytest.raises(ConnectorError, match=f"lacks the scopes {', '.join(missing)}; add them under OAuth & Perm"):
        await check(slack)


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        ({"slack_bot_token": "xoxb-wrong"}, r"SLACK_BOT_TOKEN is not accepted \(invalid_auth\); copy it anew"),
        (
            {"slack_app_token": "xapp-wrong"},
            r"SLACK_APP_TOKEN is not accepted \(invalid_auth\); make one with the scope",
        ),
        ({"slack_bot_token": "xapp-1-A1-T1-1"}, "SLACK_BOT_TOKEN begins with xoxb-; this is another token"),
        ({"slack_app_token": "xoxb-T1-1"}, "SLACK_APP_TOKEN begins with xapp-; this is another token"),
        ({"slack_bot_token": "xoxp-T1-1"}, "SLACK_BOT_TOKEN begins with xoxb-"),
    ],
)
async def test_wrong_and_swapped_tokens_are_named(slack: SlackDouble, tokens: dict[str, str], said: str) -> None:
    with pytest.raises(ConnectorError, match=said) as failure:
        await check(slack, **tokens)

    assert not any(token in str(failure.value) for token in tokens.values())


async def test_app_that_was_removed_is_named(slack: SlackDouble) -> None:
    await slack.uninstalls()

    with pytest.raises(ConnectorError, match=r"SLACK_BOT_TOKEN is not accepted \(account_inactive\)"):
        await check(slack)


async def test_slack_that_is_out_of_order_is_not_taken_for_a_wrong_token(slack: SlackDouble) -> None:
    slack.fail("auth.test", 502)

    with pytest.raises(ConnectorError, match="Slack is out of order"):
        await check(slack)


async def test_slack_that_cannot_be_reached_is_named_with_what_to_check() -> None:
    slack = SlackDouble()
    slack.server.root = f"http://127.0.0.1:{unused_port()}"

    with pytest.raises(ConnectorError, match=r"Slack cannot be reached at http.*check the network, the proxy"):
        await check(slack)
