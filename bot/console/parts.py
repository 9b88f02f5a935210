"""What the pages are made of: the parts that every one of them may use, wired in bot/app.py."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bot.console.catalogue import Catalogue
from bot.console.limits import Attempts
from bot.console.oidc import CompanySignIn
from bot.console.passwords import Passwords
from bot.console.ports import (
    Accounts,
    Again,
    AuditLog,
    Knowledge,
    OverviewFigures,
    PromptOf,
    Prompts,
    Redact,
    Reviewer,
    ReviewList,
    Sessions,
    Workbench,
)
from bot.ports import CurationStore, ExchangeStore
from bot.prompts import PromptLibrary
from bot.settings import ConsoleSettings, LearningSettings


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Everything behind the pages."""

    settings: ConsoleSettings
    accounts: Accounts
    sessions: Sessions
    audit: AuditLog
    answers: ReviewList
    overview: OverviewFigures
    redact: Redact
    exchanges: ExchangeStore
    reviews: CurationStore
    curator: Reviewer
    again: Again
    prompt_of: PromptOf
    prompts: PromptLibrary
    knowledge: Knowledge
    prompting: Prompts
    domains: Sequence[str]
    adapters: Callable[[], Sequence[str]]  # those there are now; "name@version"
    learn: Workbench
    schedule: LearningSettings
    company: CompanySignIn | None = None
    passwords: Passwords = field(default_factory=Passwords)
    attempts: Attempts = field(default_factory=Attempts)
    catalogue: Catalogue = field(default_factory=Catalogue)

    @property
    def secure(self) -> bool:
        """Whether browsers reach the console over HTTPS only."""
        return self.settings.public_url.startswith("https://")
