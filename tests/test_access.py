"""Who may read what."""

import pytest

from bot.settings import AccessSettings
from connectors.access import labels_of, shared_labels

ACCESS = (
    AccessSettings(label="finance", members=("slack:usergroup:S1", "slack:user:U1")),
    AccessSettings(label="staff", members=("slack:user:U1", "slack:user:U2")),
    AccessSettings(label="board"),
)
EVERYONE = frozenset({"everyone"})
FINANCE = EVERYONE | {"finance"}
STAFF = EVERYONE | {"staff"}


@pytest.mark.parametrize(
    ("identities", "labels"),
    [
        ({"slack:user:U1"}, FINANCE | STAFF),
        ({"slack:user:U2"}, STAFF),
        ({"slack:user:U3", "slack:usergroup:S1"}, FINANCE),
        ({"slack:user:U3"}, EVERYONE),
        ({"U1"}, EVERYONE),
        ({"discord:user:U1"}, EVERYONE),
        (set[str](), EVERYONE),
    ],
)
def test_person_has_the_labels_that_list_one_of_their_identities(identities: set[str], labels: frozenset[str]) -> None:
    assert labels_of(identities, ACCESS) == labels


def test_without_access_settings_everybody_has_the_label_of_everyone() -> None:
    assert labels_of({"slack:user:U1"}, ()) == EVERYONE


@pytest.mark.parametrize(
    ("people", "shared"),
    [
        ([FINANCE | STAFF, STAFF], STAFF),
        ([FINANCE, STAFF], EVERYONE),
        ([FINANCE], FINANCE),
        ([FINANCE, frozenset[str]()], EVERYONE),
        ([], EVERYONE),
    ],
)
def test_room_may_read_what_each_of_its_people_may(people: list[frozenset[str]], shared: frozenset[str]) -> None:
    assert shared_labels(people) == shared
