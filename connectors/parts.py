"""What every chat platform is built from."""

from dataclasses import dataclass

from bot import wording
from bot.ports import (
    ExchangeStore,
    FeedbackHandler,
    FeedbackStore,
    FileReader,
    Inbox,
    MessageHandler,
    Openers,
    People,
)
from bot.settings import Settings
from connectors.desk import PAUSE, SIGN_OF_LIFE, Desk, Platform
from connectors.quota import Quota
from connectors.votes import Votes


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a connector is given by the program around it, whatever its platform."""

    settings: Settings
    inbox: Inbox
    exchanges: ExchangeStore
    votes: FeedbackStore
    people: People
    read_file: FileReader
    openers: Openers

    def desk(
        self,
        platform: Platform,
        on_message: MessageHandler,
        *,
        pause: float = PAUSE,
        sign_seconds: float = SIGN_OF_LIFE,
    ) -> Desk:
        """The desk at which the questions from *platform* are answered."""
        limits = self.settings.limits
        return Desk(
            platform=platform,
            inbox=self.inbox,
            exchanges=self.exchanges,
            on_message=on_message,
            quota=Quota(limits.questions_per_user_per_hour, limits.questions_per_workspace_per_hour),
            pause=pause,
            sign_seconds=sign_seconds,
            introduction=wording.introduction({domain.name: domain for domain in self.settings.domains}),
        )

    def votes_on(self, platform: str, on_feedback: FeedbackHandler) -> Votes:
        """What people on *platform* think of answers."""
        return Votes(platform, self.exchanges, self.votes, on_feedback)
