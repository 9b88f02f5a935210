"""One typed tree of settings: pointsman.toml, then POINTSMAN_* variables. Nothing else reads the environment."""

import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from bot.errors import SettingsError
from bot.json_schema import checked_schema
from bot.messages import EVERYONE, GENERAL

DEFAULT_FILE = Path("pointsman.toml")


class Section(BaseModel):
    """A part of the settings; a misspelt key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class StorageSettings(Section):
    """Where everything is kept."""

    directory: Path = Path("var")
    models: Path | None = None  # converted models; several installations may share them. Default: <directory>/models
    retention_days: int = Field(default=365, ge=1)  # how long raw exchanges are kept


class DatabaseSettings(Section):
    """The database of exchanges, votes and jobs."""

    url: SecretStr | None = None  # default: SQLite in the storage directory; may hold a password


class ModelSettings(Section):
    """The language model."""

    base: str = "embedded"  # or a folder, or a Hugging Face id
    engine: str = "transformers"
    deadline_seconds: float = Field(default=120.0, gt=0)  # an answer is cut off here

    @model_validator(mode="after")
    def _built(self) -> "ModelSettings":
        if self.engine != "transformers":
            raise ValueError(f'engine {self.engine!r} is not built yet; use engine = "transformers"')
        return self


def _domain_name(name: str) -> str:
    if name in (GENERAL, "unknown", "reading"):
        raise ValueError(f"{name!r} is a name that Pointsman uses itself; choose another")
    return name


def _place(name: str) -> str:
    if not re.fullmatch(r"slack:[A-Z0-9]+|discord:\d+", name):
        raise ValueError(f"{name!r} is no channel; write slack:C0123456 or discord:81384788765712384")
    return name


def _member(name: str) -> str:
    if name.startswith(("slack:", "discord:")) and not re.fullmatch(
        r"slack:(user|usergroup):[A-Z0-9]+|discord:(user|role):\d+", name
    ):
        raise ValueError(
            f"{name!r} is nobody; write slack:user:U34, slack:usergroup:S12, discord:user:42 or discord:role:56"
        )
    return name


Place = Annotated[str, AfterValidator(_place)]


class DomainSettings(Section):
    """What the bot is an expert in."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$"), AfterValidator(_domain_name)]
    description: str = Field(min_length=1)
    documents: tuple[Path, ...] = ()  # what `pointsman ingest --domain NAME` takes when no path is given
    adapter: str = "production"
    channels: tuple[Place, ...] = ()  # "slack:C0123456", "discord:8138": questions there are for this domain
    help: tuple[Place, ...] = ()  # the channels where "Ask a person" asks
    suggestions: tuple[str, ...] = ()  # questions that are offered to begin with
    access: tuple[str, ...] = (EVERYONE,)
    tone: str = ""
    audience: str = ""
    language: str = ""
    max_words: int | None = Field(default=None, ge=1)
    output_schema: Annotated[str, AfterValidator(checked_schema)] = ""  # a JSON Schema: answers are then JSON


class AccessSettings(Section):
    """Who has a label."""

    label: str = Field(min_length=1)
    members: tuple[Annotated[str, AfterValidator(_member)], ...] = ()


class LimitSettings(Section):
    """How much one may ask in a chat."""

    questions_per_user_per_hour: int = Field(default=60, ge=1)
    questions_per_workspace_per_hour: int = Field(default=2000, ge=1)


class ContactSettings(Section):
    """Whom people turn to."""

    admins: str = "ask whoever installed me"


class SlackSettings(Section):
    """The Slack app; its tokens come from the environment."""

    api_base_url: str = "https://slack.com/api/"
    host: str = "127.0.0.1"  # where signed requests arrive in HTTP mode, at /slack/events
    port: int = Field(default=3000, ge=0, le=65535)
    public_url: str = ""  # how the world reaches this host; needed to install the app in several workspaces

    @field_validator("api_base_url")
    @classmethod
    def _with_slash(cls, url: str) -> str:
        if not url.startswith(("http://", "https://")):
            raise ValueError("is no web address; the default is https://slack.com/api/")
        return url.rstrip("/") + "/"

    @property
    def origin(self) -> str:
        """Scheme and host of api_base_url."""
        parts = urlsplit(self.api_base_url)
        return f"{parts.scheme}://{parts.netloc}"


class DiscordSettings(Section):
    """The Discord bot; its token comes from the environment."""

    api_base_url: str = "https://discord.com/api/v10"
    gateway_url: str = "wss://gateway.discord.gg/"
    sharded: bool = False  # several connections, for bots on more than 2,500 servers

    @field_validator("api_base_url")
    @classmethod
    def _without_slash(cls, url: str) -> str:
        if not url.startswith(("http://", "https://")):
            raise ValueError("is no web address; the default is https://discord.com/api/v10")
        return url.rstrip("/")

    @field_validator("gateway_url")
    @classmethod
    def _a_websocket(cls, url: str) -> str:
        if not url.startswith(("ws://", "wss://")):
            raise ValueError("is no websocket address; the default is wss://gateway.discord.gg/")
        return url


class OidcSettings(Section):
    """The company's accounts (OpenID Connect), with which one signs in to the console."""

    issuer: str  # "https://login.example.com"; what it offers is read from its /.well-known/openid-configuration
    client_id: str = Field(min_length=1)
    client_secret: SecretStr | None = None  # from POINTSMAN_CONSOLE__OIDC__CLIENT_SECRET, never from the file
    newcomers: Literal["refuse", "viewer", "curator"] = "refuse"  # what somebody may do who has no account yet

    @field_validator("issuer")
    @classmethod
    def _over_https(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
            raise ValueError("has to begin with https://")
        return url.rstrip("/")


class ConsoleSettings(Section):
    """Where the pages for operators are served."""

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    public_url: str = ""  # how browsers reach the console; with https:// its cookies travel over that only
    oidc: OidcSettings | None = None

    @field_validator("public_url")
    @classmethod
    def _a_site(cls, url: str) -> str:
        if url and not url.startswith(("http://", "https://")):
            raise ValueError("is no web address; write it like https://console.example.com")
        return url.rstrip("/")

    @property
    def url(self) -> str:
        """How browsers reach the console."""
        return self.public_url or f"http://{self.host}:{self.port}"


class LearningSettings(Section):
    """Whether and when adapters are trained without being told to."""

    retrain_after: int = Field(default=0, ge=0)  # newly approved answers of a domain that start a training; 0: never
    from_hour: int = Field(default=1, ge=0, le=23)  # local time; from here...
    to_hour: int = Field(default=5, ge=0, le=23)  # ...to here a training may begin; the same hour: at any time
    max_minutes: int = Field(default=180, ge=1)  # a training ends here with what it has learnt
    promote: Literal["ask", "automatic"] = "ask"  # "automatic": what passes the gate answers from then on


class PromptSettings(Section):
    """The installation's own prompt templates."""

    directory: Path | None = None  # <route>/<task>.v<version>.md; default: <storage directory>/prompts


class Settings(BaseSettings):
    """The whole tree; tests build it from keyword arguments."""

    model_config = SettingsConfigDict(
        env_prefix="POINTSMAN_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    storage: StorageSettings = StorageSettings()
    database: DatabaseSettings = DatabaseSettings()
    model: ModelSettings = ModelSettings()
    prompts: PromptSettings = PromptSettings()
    learning: LearningSettings = LearningSettings()
    limits: LimitSettings = LimitSettings()
    contact: ContactSettings = ContactSettings()
    slack: SlackSettings = SlackSettings()
    discord: DiscordSettings = DiscordSettings()
    console: ConsoleSettings = ConsoleSettings()
    domains: tuple[DomainSettings, ...] = ()
    access: tuple[AccessSettings, ...] = ()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Variables win over the file, whose content arrives as keyword arguments."""
        return env_settings, init_settings

    @model_validator(mode="after")
    def _names_are_unique(self) -> "Settings":
        names = [domain.name for domain in self.domains]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two domains are called {twice[0]!r}")
        return self

    @property
    def database_url(self) -> str:
        """The database, by default a file in the storage directory."""
        own = self.database.url
        return own.get_secret_value() if own else f"sqlite:///{self.storage.directory / 'pointsman.db'}"

    @property
    def prompts_directory(self) -> Path:
        """Where the installation's own prompts are kept; it need not be there by default."""
        return self.prompts.directory or self.storage.directory / "prompts"

    @property
    def prompt_choices(self) -> Path:
        """The file that says which versions of prompts answer."""
        return self.storage.directory / "prompts.json"

    @property
    def models_directory(self) -> Path:
        """Where converted models are kept."""
        return self.storage.models or self.storage.directory / "models"

    def domain(self, name: str) -> DomainSettings:
        """
        The domain called *name*.

        Raises: SettingsError with the names that exist.
        """
        found = next((domain for domain in self.domains if domain.name == name), None)
        if found is None:
            names = ", ".join(domain.name for domain in self.domains) or "none yet"
            raise SettingsError(f"domain {name!r} is not in pointsman.toml; domains there: {names}")
        return found


class Secrets(BaseSettings):
    """Tokens and secrets, from the environment alone: SLACK_BOT_TOKEN and so on."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    slack_bot_token: SecretStr | None = None
    slack_app_token: SecretStr | None = None  # Socket Mode
    slack_signing_secret: SecretStr | None = None  # HTTP mode
    slack_client_id: str | None = None  # several workspaces
    slack_client_secret: SecretStr | None = None

    discord_bot_token: SecretStr | None = None

    @property
    def has_slack(self) -> bool:
        """
        Whether the Slack connector is to run.

        Raises: SettingsError where only a part of what it needs is set.
        """
        account = self.slack_bot_token or self.slack_client_id
        way_in = self.slack_app_token or self.slack_signing_secret
        if account and not way_in:
            raise SettingsError("Slack needs SLACK_APP_TOKEN (Socket Mode) or SLACK_SIGNING_SECRET (HTTP mode) as well")
        if way_in and not account:
            raise SettingsError("Slack needs SLACK_BOT_TOKEN as well (or SLACK_CLIENT_ID for several workspaces)")
        if self.slack_client_id and not self.slack_client_secret:
            raise SettingsError("Slack needs SLACK_CLIENT_SECRET beside SLACK_CLIENT_ID")
        if self.slack_client_id and not self.slack_signing_secret:
            raise SettingsError(
                "Slack needs SLACK_SIGNING_SECRET beside SLACK_CLIENT_ID, for the page that installs it"
            )
        return bool(account)


def load_settings(file: Path | None = None) -> Settings:
    """
    The settings from *file*, else POINTSMAN_CONFIG, else ./pointsman.toml, overridden by POINTSMAN_* variables.

    Paths in the file are relative to the file. Raises: SettingsError naming the setting and what is wrong with it.
    """
    named = file or (Path(os.environ["POINTSMAN_CONFIG"]) if os.environ.get("POINTSMAN_CONFIG") else None)
    path = named or DEFAULT_FILE
    if named and not named.is_file():
        raise SettingsError(f"settings file {named} does not exist; give another with --config")
    _refuse_misspelt_variables()
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        _refuse_secrets(values, path)
        storage = values.setdefault("storage", {})
        if isinstance(storage, dict):
            storage.setdefault("directory", "var")
        return Settings(**_anchored(values, path.parent))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as exc:
        raise SettingsError(f"{path}: cannot be read ({exc})") from exc
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "settings"
        raise SettingsError(f"{path}: {where}: {first['msg'].removeprefix('Value error, ')}") from exc
    except ValueError as exc:  # pydantic-settings: what a variable holds is no JSON
        raise SettingsError(f"a POINTSMAN_* variable: {exc}; lists and whole sections are given as JSON") from exc


def _refuse_misspelt_variables() -> None:
    """A key that is misspelt is found with the file's own; pydantic-settings passes over a misspelt section."""
    for name in os.environ:
        section, nested, _ = name.upper().removeprefix("POINTSMAN_").lower().partition("__")
        if name.upper().startswith("POINTSMAN_") and nested and section not in Settings.model_fields:
            raise SettingsError(
                f"{name}: there is no section {section!r}; there are: {', '.join(Settings.model_fields)}"
            )


def _refuse_secrets(values: dict[str, Any], path: Path) -> None:
    """Files are copied, mailed and committed."""
    console = values.get("console")
    oidc = console.get("oidc") if isinstance(console, dict) else None
    if isinstance(oidc, dict) and "client_secret" in oidc:
        raise SettingsError(
            f"{path}: console.oidc.client_secret: secrets come from the environment; "
            "take it out and set POINTSMAN_CONSOLE__OIDC__CLIENT_SECRET"
        )


def _anchored(values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """*values* with the paths that a file gives made relative to that file's folder."""
    for section, key in (("storage", "directory"), ("storage", "models"), ("prompts", "directory")):
        part = values.get(section)
        if isinstance(part, dict) and isinstance(part.get(key), str):
            part[key] = str(folder / part[key])
    domains = values.get("domains")
    for domain in domains if isinstance(domains, list) else []:
        if isinstance(domain, dict) and isinstance(domain.get("documents"), list):
            paths = domain["documents"]
            domain["documents"] = [str(folder / path) if isinstance(path, str) else path for path in paths]
    base = values.get("model", {}).get("base") if isinstance(values.get("model"), dict) else None
    if isinstance(base, str) and base.startswith("."):
        values["model"]["base"] = str(folder / base)
    return values
