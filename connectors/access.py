"""Who may read what: the labels of a person, and those of a room, where everybody reads every answer."""

from collections.abc import Collection, Iterable, Sequence

from bot.messages import EVERYONE
from bot.settings import AccessSettings, DomainSettings

NOBODYS = frozenset({EVERYONE})


def labels_of(identities: Collection[str], access: Sequence[AccessSettings]) -> frozenset[str]:
    """The labels of a person known by *identities*, such as "slack:user:U1" and "slack:usergroup:S1"."""
    return NOBODYS | {entry.label for entry in access if not set(identities).isdisjoint(entry.members)}


def help_channel(domains: Sequence[DomainSettings], route: str, platform: str) -> str | None:
    """The channel where people help with *route*."""
    helpers = next((domain.help for domain in domains if domain.name == route), ())
    return next((each.removeprefix(f"{platform}:") for each in helpers if each.startswith(f"{platform}:")), None)


def shared_labels(people: Iterable[frozenset[str]]) -> frozenset[str]:
    """The labels that each of *people* has; where nobody is known, what everyone may read."""
    shared: frozenset[str] | None = None
    for labels in people:
        shared = labels if shared is None else shared & labels
    return NOBODYS if shared is None else shared | NOBODYS
