"""The manifest that people paste into Slack says exactly what the code does."""

import ast
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from slack_bot import BILLING, MANIFEST
from slack_double_api import METHODS
from slack_double_server import APP_METHODS, OPEN_METHODS
from slack_double_workspace import EVENT_SCOPES, READS

from bot.settings import Secrets, Settings
from connectors.parts import Parts
from connectors.slack import connector as connector_module
from connectors.slack.connector import SlackApp, SlackConnector
from connectors.slack.install import SCOPES

SOURCES = sorted(Path(connector_module.__file__).parent.glob("*.py"))
EVENTS = MANIFEST["settings"]["event_subscriptions"]["bot_events"]
ASKED_FOR = MANIFEST["oauth_config"]["scopes"]["bot"]

BY_THE_SDK = {"auth.test", "apps.connections.open", "oauth.v2.access"}  # methods that it calls for us
# For the command, for the bytes of files, and for the first message to somebody who never wrote to us.
WITHOUT_A_METHOD = {"commands", "files:read", "im:write"}


class Listeners:
    """What bolt is told to listen to, by kind."""

    def __init__(self) -> None:
        self.names: dict[str, list[str]] = {}

    def __getattr__(self, kind: str) -> Callable[[str], Callable[[Any], None]]:
        return lambda name: lambda listener: self.names.setdefault(kind, []).append(name)


@pytest.fixture
def listeners() -> Listeners:
    """What our app registers."""
    nothing = SimpleNamespace()
    parts = Parts(
        settings=Settings(domains=(BILLING,)),
        inbox=nothing,
        exchanges=nothing,
        votes=nothing,
        people=nothing,
        read_file=nothing,
        openers=nothing,
    )  # type: ignore[arg-type]  # listening needs none of them
    connector = SlackConnector(parts=parts, secrets=Secrets(), engine=nothing)  # type: ignore[arg-type]  # nothing of it is used
    heard = Listeners()
    SlackApp(connector, nothing, nothing, nothing, nothing).listen(heard)  # type: ignore[arg-type]  # nothing of it is used
    return heard


def called() -> set[str]:
    """The Web API's methods that the connector names."""
    trees = [ast.parse(path.read_text("utf-8")) for path in SOURCES]
    words = {node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    known = {*METHODS, *APP_METHODS, *OPEN_METHODS}
    return {word for word in words if word in known} | BY_THE_SDK


def needed() -> set[str]:
    """The scopes of these methods and of the events, for each kind of conversation."""
    methods = {METHODS[name].scope for name in called() & set(METHODS)} - {""}
    # Events say of direct messages that they are some: no look-up of ours is about them, so im:read is not needed.
    by_kind = {scope.replace("*", kind) for scope in methods for kind in READS.values()} - {"im:read"}
    events = {f"{name.partition('.')[2]}:history" for name in EVENTS if name.startswith("message.")}
    return by_kind | events | {EVENT_SCOPES[name] for name in EVENTS if name in EVENT_SCOPES}


def test_scopes_are_those_that_installations_by_oauth_ask_for() -> None:
    assert list(SCOPES) == ASKED_FOR == sorted(ASKED_FOR)


def test_every_method_that_we_call_has_its_scope() -> None:
    assert needed() - set(ASKED_FOR) == set()


def test_no_scope_is_asked_for_that_nothing_needs() -> None:
    assert set(ASKED_FOR) - needed() == WITHOUT_A_METHOD


def test_events_are_those_that_the_app_listens_to(listeners: Listeners) -> None:
    kinds = {f"message.{name}" for name in READS.values()}

    assert set(EVENTS) == {*listeners.names["event"], *kinds} - {"message"}
    assert sorted(set(EVENTS)) == EVENTS


def test_command_and_shortcut_are_those_that_the_app_listens_to(listeners: Listeners) -> None:
    features = MANIFEST["features"]

    assert [each["command"] for each in features["slash_commands"]] == listeners.names["command"]
    assert [each["callback_id"] for each in features["shortcuts"]] == listeners.names["shortcut"]
    assert all(each["should_escape"] for each in features["slash_commands"])  # else names arrive instead of ids


def test_the_app_is_an_agent_with_its_own_tabs() -> None:
    features, settings = MANIFEST["features"], MANIFEST["settings"]

    assert features["agent_view"]["agent_description"]
    assert features["app_home"] == {
        "home_tab_enabled": True,
        "messages_tab_enabled": True,
        "messages_tab_read_only_enabled": False,
    }
    assert settings["interactivity"]["is_enabled"] and settings["socket_mode_enabled"]
    assert not settings["token_rotation_enabled"]  # we keep no refresh tokens


def test_connector_calls_only_methods_that_the_double_knows() -> None:
    assert called() >= {"chat.startStream", "chat.postMessage", "views.open", "assistant.threads.setTitle"}
