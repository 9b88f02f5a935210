"""How many questions may be asked in an hour."""

from dataclasses import dataclass, field

from connectors.quota import HOUR, Quota

MINUTE = 60.0


@dataclass
class Asking:
    """Asks at a time of day that the test moves on."""

    per_user: int = 2
    per_workspace: int = 100
    time: float = 0.0
    quota: Quota = field(init=False)

    def __post_init__(self) -> None:
        self.quota = Quota(self.per_user, self.per_workspace, clock=lambda: self.time)

    def ask(self, user: str = "ada", workspace: str = "slack:T1", *, at: float = 0.0) -> str | None:
        self.time = at
        return self.quota.refusal(user, workspace)


def test_questions_within_the_quota_are_not_refused() -> None:
    asking = Asking()

    assert [asking.ask(), asking.ask()] == [None, None]


def test_refusal_says_how_many_were_asked_and_when_to_go_on() -> None:
    asking = Asking()
    asking.ask()
    asking.ask(at=10 * MINUTE)

    refusal = asking.ask(at=20 * MINUTE)

    assert refusal == "You have asked 2 questions within an hour. Please go on in 40 minutes."


def test_wait_of_seconds_is_called_a_minute() -> None:
    asking = Asking(per_user=1)
    asking.ask()

    assert (asking.ask(at=HOUR - 5) or "").endswith("Please go on in a minute.")


def test_question_counts_for_an_hour() -> None:
    asking = Asking()
    for minute in (0, 30):
        asking.ask(at=minute * MINUTE)

    assert asking.ask(at=HOUR - 1)
    assert asking.ask(at=HOUR) is None
    assert asking.ask(at=HOUR)


def test_refused_question_is_not_counted() -> None:
    asking = Asking(per_user=1)
    asking.ask()
    asking.ask(at=HOUR - 1)

    assert asking.ask(at=HOUR) is None


def test_everybody_has_a_quota_of_their_own() -> None:
    asking = Asking(per_user=1)
    asking.ask("ada")

    assert asking.ask("ada")
    assert asking.ask("bob") is None


def test_workspace_has_a_quota_for_all_its_people() -> None:
    asking = Asking(per_workspace=2)
    asking.ask("ada")
    asking.ask("bob")

    refusal = asking.ask("eve", at=MINUTE)

    assert refusal == "Very many questions came in this hour. Please ask again in 59 minutes."
    assert asking.ask("eve", "slack:T2") is None


def test_question_that_the_workspace_has_no_room_for_does_not_count_against_its_asker() -> None:
    asking = Asking(per_user=1, per_workspace=1)
    asking.ask("ada")
    asking.ask("bob", at=MINUTE)

    assert asking.ask("bob", at=HOUR) is None


def test_people_without_a_workspace_share_no_quota() -> None:
    asking = Asking(per_workspace=1)

    assert [asking.ask(user, "") for user in ("ada", "bob")] == [None, None]
