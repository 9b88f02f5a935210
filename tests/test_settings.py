"""The settings: where they come from, which there are, and what is said about a wrong one."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from bot.errors import SettingsError
from bot.settings import Secrets, Settings, SlackSettings, load_settings

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "knowledge" / "handbook" / "settings.md"
CONTRACT = """
[storage]
directory = "var"
retention_days = 30

[model]
base = "embedded"
engine = "transformers"

[[domains]]
name = "billing"
description = "Invoices, refunds and payment problems of our customers"
documents = ["docs/billing", "/srv/billing"]
adapter = "none"
channels = ["slack:C0123456", "discord:81384788765712384"]
help = ["slack:C07"]
suggestions = ["When is a refund paid?"]
access = ["finance"]
tone = "friendly"
audience = "customers"
language = "plain English"
max_words = 120
output_schema = "{}"

[[access]]
label = "finance"
members = ["slack:usergroup:S12", "slack:user:U34", "discord:role:56"]

[limits]
questions_per_user_per_hour = 6
questions_per_workspace_per_hour = 60
[contact]
admins = "ask Ada"
[slack]
api_base_url = "https://slack.com/api/"
host = "192.0.2.1"
port = 3001
public_url = "https://bot.example.com"
[discord]
api_base_url = "https://discord.com/api/v10"
gateway_url = "wss://gateway.discord.gg/"
[console]
host = "127.0.0.1"
port = 8080
"""
BILLING = '[[domains]]\nname = "billing"\ndescription = "Invoices"\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder; no variable of the outside is seen."""
    for name in os.environ:
        if name.upper().startswith(("POINTSMAN_", "SLACK_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(text: str, name: str = "pointsman.toml") -> Settings:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return load_settings(path)


def test_every_setting_of_the_contract_is_read() -> None:
    found = load(CONTRACT)

    domain = found.domain("billing")
    assert (found.storage.retention_days, found.model.base, found.model.engine) == (30, "embedded", "transformers")
    assert domain.description == "Invoices, refunds and payment problems of our customers"
    assert (domain.adapter, domain.access, domain.max_words) == ("none", ("finance",), 120)
    assert domain.channels == ("slack:C0123456", "discord:81384788765712384")
    assert (domain.help, domain.suggestions) == (("slack:C07",), ("When is a refund paid?",))
    assert (domain.tone, domain.audience, domain.language) == ("friendly", "customers", "plain English")
    assert domain.output_schema == "{}"
    assert found.access[0].label == "finance"
    assert found.access[0].members == ("slack:usergroup:S12", "slack:user:U34", "discord:role:56")


def test_every_setting_of_the_chats_is_read() -> None:
    found = load(CONTRACT)

    limits, slack, console = found.limits, found.slack, found.console
    assert (limits.questions_per_user_per_hour, limits.questions_per_workspace_per_hour) == (6, 60)
    assert (slack.host, slack.port, slack.public_url) == ("192.0.2.1", 3001, "https://bot.example.com")
    assert (console.host, console.port, found.contact.admins) == ("127.0.0.1", 8080, "ask Ada")


def test_one_domain_with_name_and_description_is_enough() -> None:
    found = load(BILLING)

    assert found.domains[0].adapter == "production"
    assert found.domains[0].access == ("everyone",)
    assert found.storage.directory == Path("var")
    assert found.storage.retention_days == 365


def test_without_a_file_there_are_the_defaults() -> None:
    found = load_settings()

    assert found == Settings()
    assert found.domains == ()


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ('[[access]]\nlabel = "a"\nmembers = ["slack:U34"]\n', "'slack:U34' is nobody; write slack:user:U34"),
        ('[[access]]\nlabel = "a"\nmembers = ["discord:role:mods"]\n', "is nobody"),
        ('[[domains]]\nname = "a"\ndescription = "b"\nchannels = ["C123"]\n', "'C123' is no channel; write slack:C"),
        ('[[domains]]\nname = "a"\ndescription = "b"\nhelp = ["#help"]\n', "is no channel"),
        ('[discord]\ngateway_url = "https://x"\n', "is no websocket address"),
    ],
)
def test_people_and_channels_that_cannot_exist_are_refused(file: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        load(file)


def test_without_slack_settings_it_is_slack_itself_and_only_this_machine_is_listened_to() -> None:
    slack = load(BILLING).slack

    assert (slack.api_base_url, slack.origin) == ("https://slack.com/api/", "https://slack.com")
    assert (slack.host, slack.port, slack.public_url) == ("127.0.0.1", 3000, "")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8090/api", "http://127.0.0.1:8090/api/", "http://127.0.0.1:8090/api//"]
)
def test_address_of_slack_ends_with_a_slash_and_has_an_origin(url: str) -> None:
    slack = SlackSettings(api_base_url=url)

    assert (slack.api_base_url, slack.origin) == ("http://127.0.0.1:8090/api/", "http://127.0.0.1:8090")


def test_paths_are_relative_to_the_file(folder: Path) -> None:
    text = '[storage]\ndirectory = "var"\nmodels = "m"\n[prompts]\ndirectory = "p"\n[model]\nbase = "./b"\n'

    found = load(text + BILLING + 'documents = ["docs", "/srv/docs"]', "etc/own.toml")

    assert found.storage.directory == Path("etc/var")
    assert found.models_directory == Path("etc/m")
    assert found.prompts.directory == Path("etc/p")
    assert found.model.base == "etc/b"
    assert found.domains[0].documents == (Path("etc/docs"), Path("/srv/docs"))


@pytest.mark.parametrize("text", ["", "[storage]\nretention_days = 5"])
def test_storage_is_beside_the_file_by_default(text: str) -> None:
    assert load(text, "etc/own.toml").storage.directory == Path("etc/var")


@pytest.mark.parametrize("base", ["embedded", "HuggingFaceTB/SmolLM2-135M-Instruct", "/srv/model"])
def test_model_that_is_no_relative_folder_is_taken_as_it_is(base: str) -> None:
    assert load(f'[model]\nbase = "{base}"', "etc/own.toml").model.base == base


def test_models_and_database_are_in_the_storage_directory_by_default() -> None:
    found = load('[storage]\ndirectory = "/data"')

    assert found.models_directory == Path("/data/models")
    assert found.database_url == "sqlite:////data/pointsman.db"


def test_file_in_the_working_folder_is_found(folder: Path) -> None:
    (folder / "pointsman.toml").write_text(BILLING)

    assert load_settings().domain("billing").description == "Invoices"


def test_variable_names_the_file_and_the_argument_wins_over_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "one.toml").write_text("[storage]\nretention_days = 1")
    (folder / "two.toml").write_text("[storage]\nretention_days = 2")
    monkeypatch.setenv("POINTSMAN_CONFIG", "one.toml")

    assert load_settings().storage.retention_days == 1
    assert load_settings(Path("two.toml")).storage.retention_days == 2


@pytest.mark.parametrize("by_variable", [True, False])
def test_file_that_is_named_has_to_exist(by_variable: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POINTSMAN_CONFIG", "nowhere.toml" if by_variable else "")

    with pytest.raises(SettingsError, match=r"nowhere\.toml does not exist; give another with --config"):
        load_settings(None if by_variable else Path("nowhere.toml"))


@pytest.mark.parametrize(
    ("variable", "value", "where"),
    [
        ("POINTSMAN_STORAGE__DIRECTORY", "/data", "storage.directory"),
        ("POINTSMAN_STORAGE__MODELS", "/models", "storage.models"),
        ("POINTSMAN_STORAGE__RETENTION_DAYS", "7", "storage.retention_days"),
        ("POINTSMAN_MODEL__BASE", "other", "model.base"),
        ("POINTSMAN_MODEL__DEADLINE_SECONDS", "60.0", "model.deadline_seconds"),
        ("POINTSMAN_PROMPTS__DIRECTORY", "own", "prompts.directory"),
        ("POINTSMAN_SLACK__API_BASE_URL", "http://127.0.0.1:8090/api/", "slack.api_base_url"),
        ("POINTSMAN_SLACK__PORT", "3002", "slack.port"),
        ("POINTSMAN_LIMITS__QUESTIONS_PER_USER_PER_HOUR", "7", "limits.questions_per_user_per_hour"),
        ("POINTSMAN_CONTACT__ADMINS", "ask Bob", "contact.admins"),
        ("POINTSMAN_CONSOLE__PORT", "0", "console.port"),
        ("pointsman_storage__directory", "/data", "storage.directory"),
    ],
)
def test_variable_wins_over_the_file(variable: str, value: str, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    section, key = where.split(".")

    found = load('[storage]\ndirectory = "x"\nretention_days = 3\n[model]\nbase = "y"\n[prompts]\ndirectory = "z"')

    assert str(getattr(getattr(found, section), key)) == value


def test_variable_changes_one_setting_and_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POINTSMAN_STORAGE__RETENTION_DAYS", "7")

    found = load('[storage]\ndirectory = "x"\nmodels = "m"')

    assert found.storage.model_dump() == {"directory": Path("x"), "models": Path("m"), "retention_days": 7}


def test_domains_can_be_given_in_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POINTSMAN_DOMAINS", '[{"name": "hr", "description": "People"}]')

    assert [domain.name for domain in load(BILLING).domains] == ["hr"]


def test_password_of_the_database_comes_from_a_variable_and_is_never_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POINTSMAN_DATABASE__URL", "postgresql://bot:hunter2@db/bot")

    found = load_settings()

    assert found.database_url == "postgresql://bot:hunter2@db/bot"
    assert "hunter2" not in repr(found) + str(found) + found.model_dump_json()


def test_wrong_setting_beside_a_password_does_not_show_it() -> None:
    with pytest.raises(SettingsError) as caught:
        load('[database]\nurl = "postgresql://bot:hunter2@db/bot"\nuser = "x"')

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[storag]\n", "storag: "),
        ('[storage]\ndirectry = "x"', "storage.directry: "),
        (BILLING + 'tune = "x"', "domains.0.tune: "),
        ("[storage]\nretention_days = 0", "storage.retention_days: "),
        ("[storage]\ndirectory = 5", "storage.directory: "),
        ('storage = "var"', "storage: "),
        ("[model]\ndeadline_seconds = 0", "model.deadline_seconds: "),
        ("domains = 5", "domains: "),
        ('[domains]\nname = "billing"', "domains: "),
        ('[[domains]]\nname = "billing"', "domains.0.description: Field required"),
        (BILLING + 'documents = "docs"', "domains.0.documents: "),
        (BILLING + "documents = [1]", "domains.0.documents.0: "),
        (BILLING + "max_words = 0", "domains.0.max_words: "),
        (BILLING + BILLING, "two domains are called 'billing'"),
        ('[[access]]\nlabel = ""', "access.0.label: "),
        ("[limits]\nquestions_per_user_per_hour = 0", "limits.questions_per_user_per_hour: "),
        ('[slack]\napi_base_url = "slack.com/api"', "slack.api_base_url: is no web address; the default is https://"),
        ('[slack]\nbot_token = "xoxb-1"', "slack.bot_token: "),
        ("[console]\nport = 65536", "console.port: "),
        (BILLING + 'suggestions = "When?"', "domains.0.suggestions: "),
        ('[model]\nengine = "openvino"', "engine 'openvino' is not built yet; use engine = \"transformers\""),
        ("[storage\n", "cannot be read (Expected ']'"),
    ],
)
def test_wrong_setting_is_named_with_its_file(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=r"own\.toml: ") as caught:
        load(text, "own.toml")

    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["general", "unknown", "Billing", "two words", "", "-x", "x" * 64, "a/b", "été"])
def test_name_of_a_domain_is_short_and_not_taken(name: str) -> None:
    with pytest.raises(SettingsError, match=r"domains\.0\.name: "):
        load(f'[[domains]]\nname = "{name}"\ndescription = "x"')


@pytest.mark.parametrize("name", ["a", "it-support", "q_and_a", "7", "x" * 63])
def test_name_of_a_domain_consists_of_letters_digits_and_hyphens(name: str) -> None:
    assert load(f'[[domains]]\nname = "{name}"\ndescription = "x"').domain(name).name == name


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("POINTSMAN_STORAGE__DIRECTRY", "x", "storage.directry: "),
        ("POINTSMAN_STORAG__DIRECTORY", "x", "POINTSMAN_STORAG__DIRECTORY: there is no section 'storag'"),
        ("POINTSMAN_MODEL__ENGINE", "vllm", "engine 'vllm' is not built yet"),
        ("POINTSMAN_DOMAINS", "billing", '"domains"'),
        ("POINTSMAN_STORAGE", "var", '"storage"'),
    ],
)
def test_wrong_variable_is_named(variable: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(SettingsError) as caught:
        load_settings()

    assert message in str(caught.value)


def test_file_in_another_encoding_is_named(folder: Path) -> None:
    (folder / "pointsman.toml").write_bytes(BILLING.replace("Invoices", "Café").encode("latin-1"))

    with pytest.raises(SettingsError, match=r"pointsman\.toml: cannot be read"):
        load_settings()


@pytest.mark.parametrize(("text", "names"), [("", "none yet"), (BILLING, "billing")])
def test_domain_that_is_asked_for_and_absent_is_named_with_those_that_exist(text: str, names: str) -> None:
    with pytest.raises(SettingsError, match=rf"domain 'hr' is not in pointsman\.toml; domains there: {names}"):
        load(text).domain("hr")


TOKEN, SOCKET, SIGNED = {"slack_bot_token": "xoxb-1"}, {"slack_app_token": "xapp-1"}, {"slack_signing_secret": "s"}
MANY = {"slack_client_id": "1.2", "slack_client_secret": "s"}


@pytest.mark.parametrize(
    ("given", "has_slack"),
    [
        ({}, False),
        (TOKEN | SOCKET, True),
        (TOKEN | SIGNED, True),
        (TOKEN | SOCKET | SIGNED, True),
        (MANY | SIGNED, True),
    ],
)
def test_slack_is_served_where_its_account_and_a_way_in_are_given(given: dict[str, str], has_slack: bool) -> None:
    assert Secrets(**given).has_slack is has_slack


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        (TOKEN, "SLACK_APP_TOKEN"),
        (MANY, "SLACK_SIGNING_SECRET"),
        (SOCKET, "SLACK_BOT_TOKEN"),
        (SIGNED, "SLACK_BOT_TOKEN"),
        ({"slack_client_id": "1.2"} | SIGNED, "SLACK_CLIENT_SECRET"),
    ],
)
def test_half_of_what_slack_needs_is_refused_with_the_name_of_the_rest(given: dict[str, str], missing: str) -> None:
    with pytest.raises(SettingsError, match=missing):
        _ = Secrets(**given).has_slack


def test_tokens_come_from_the_environment_and_are_never_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-hush")
    monkeypatch.setenv("SLACK_SIGNING_SECRET", "")

    found = Secrets()

    assert found.slack_bot_token and found.slack_bot_token.get_secret_value() == "xoxb-hush"
    assert found.slack_signing_secret is None
    assert "hush" not in repr(found) + str(found) + found.model_dump_json()


def fields(tree: type[BaseModel], section: str = "") -> Iterator[tuple[str, str]]:
    for name, field in tree.model_fields.items():
        inner = [kind for kind in (field.annotation, *get_args(field.annotation)) if isinstance(kind, type)]
        below = next((kind for kind in inner if issubclass(kind, BaseModel)), None)
        if below is None:
            yield section, name
        else:
            yield from fields(below, f"{section}.{name}".lstrip("."))


@pytest.mark.parametrize(("section", "field"), list(fields(Settings)))
def test_setting_is_explained_in_the_handbook(section: str, field: str) -> None:
    if not PAGE.is_file():
        pytest.skip("the handbook has no page of settings")
    text = PAGE.read_text(encoding="utf-8")

    assert re.search(rf"`\[+{re.escape(section)}\]+`", text)
    assert f"`{field}`" in text
