"""
Everything that can go wrong, as one tree. Messages name the thing and the remedy.

PointsmanError
  SettingsError        at start-up only; names the setting
  InputError           a file, row or argument of the caller is unusable
    NotFound           there is no such thing, or not any more
    Conflict           somebody else, or something that runs, came first
      DecidedMeanwhile .latest: who decided what since the caller looked
  ConnectorError       Slack or Discord refused or dropped us
    ConnectorBusy      for the moment only
  RetrievalError       the index or the embedding model cannot be used
  GenerationError      the language model cannot be loaded or failed
    AdapterNotFound    .adapter
    AdapterUnusable    .adapter exists, but is broken or was made for another base model
    PromptTooLong      .tokens, .limit
  TrainingError        the data does not allow a training, or it failed
  StoreError           the database cannot be read or written
    ExchangeGone       a question was deleted while it was being answered
  SignInError          the company's sign-in refused somebody, or cannot be reached
"""

from collections.abc import Mapping


class PointsmanError(Exception):
    """The root of the errors that we raise."""


class SettingsError(PointsmanError):
    """A setting is missing, misspelt or out of range."""


class InputError(PointsmanError):
    """What the caller gave cannot be used."""


class NotFound(InputError):
    """There is no such thing, or not any more."""


class Conflict(InputError):
    """Somebody else, or something that runs, came first."""


class DecidedMeanwhile(Conflict):
    """Somebody has decided on replies since the caller looked at them."""

    def __init__(self, latest: Mapping[str, tuple[str, str]]) -> None:
        said = ", ".join(f"{reply!r} by {who} ({state})" for reply, (who, state) in latest.items())
        super().__init__(f"decided meanwhile: {said}; look at them anew, nothing was changed")
        self.latest = latest  # by reply who decided last, and the state that it has now


class ConnectorError(PointsmanError):
    """A chat platform refused or dropped us."""


class ConnectorBusy(ConnectorError):
    """A chat platform is out of order, or we called it too often; the same call may succeed later."""


class RetrievalError(PointsmanError):
    """The index or the embedding model cannot be used."""


class GenerationError(PointsmanError):
    """The language model cannot be loaded, or failed."""


class AdapterNotFound(GenerationError):
    """No adapter has this name."""

    def __init__(self, adapter: str) -> None:
        super().__init__(f"adapter {adapter!r} does not exist; `pointsman adapters list` shows those that do")
        self.adapter = adapter


class AdapterUnusable(GenerationError):
    """The adapter exists, but cannot be applied."""

    def __init__(self, adapter: str, reason: str) -> None:
        super().__init__(f"adapter {adapter!r} cannot be used: {reason}")
        self.adapter = adapter


class PromptTooLong(GenerationError):
    """The question alone does not fit the model."""

    def __init__(self, tokens: int, limit: int) -> None:
        super().__init__(f"the question has {tokens} tokens, the model reads {limit}; please shorten it")
        self.tokens = tokens
        self.limit = limit


class TrainingError(PointsmanError):
    """The data does not allow a training, or the training failed."""


class StoreError(PointsmanError):
    """The database cannot be read or written."""


class ExchangeGone(StoreError):
    """A question was deleted while it was being answered."""


class SignInError(PointsmanError):
    """The company's sign-in refused somebody, or cannot be reached."""
