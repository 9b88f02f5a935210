"""
Our own errors as the console words them: in the language of the page, and with the page or button to go to next.

The command line says the same with its commands. What no rule knows is said as it is, with commands replaced.
"""

import re
from collections.abc import Callable

Say = Callable[..., str]

N_ = str  # marks text for the catalogue that is said later
RULES: tuple[tuple[str, str], ...] = (
    (
        r"no reviewed reply of (?P<domain>\S+) makes a row of kind \w+ \(none is reviewed\); .*",
        N_("No answer of %(domain)s is reviewed yet. Approve or correct some on the page Review, then build it again."),
    ),
    (
        r"no reviewed reply of (?P<domain>\S+) makes a row of kind \w+ \((?P<reasons>.*)\); `pointsman .*",
        N_(
            "None of the reviewed answers of %(domain)s makes a row of this kind (%(reasons)s). "
            "Review more on the page Review, or choose another kind."
        ),
    ),
    (
        r"(?P<count>\d+) rows are too few to learn from; bring at least (?P<least>\d+)",
        N_(
            "%(count)s rows are too few to learn from, %(least)s are needed: "
            "approve more answers on the page Review, and build a new dataset."
        ),
    ),
    (
        r"the deadline passed before the first step; .*",
        N_("The time was over before the first step. Train again with more minutes."),
    ),
    (
        r"the training ended early; the log says why\. .*",
        N_("The training ended early; the log of Pointsman says why. Begin it again: it goes on where it was."),
    ),
    (
        r"training (?:also )?needs .*pip install .*",
        N_(
            "Packages for training are missing; whoever runs Pointsman installs them: pip install 'pointsman[training]'"
        ),
    ),
    (
        r"no training can start there: (?P<reason>.*); --start .*",
        N_("No training can go on from there (%(reason)s). Choose another start, such as the base model."),
    ),
    (
        r"row (?P<row>\d+) has (?P<n>\d+) tokens, at most (?P<most>\d+) fit; .*",
        N_(
            "Row %(row)s of the dataset has %(n)s tokens, and %(most)s fit. "
            "Reject that answer on the page Review, and build again."
        ),
    ),
    (
        r"(?P<domain>\S+) is being trained already; .*",
        N_("%(domain)s is being trained already; wait for the end of that, or stop it."),
    ),
    (
        r".*(?:was changed since|; build) dataset (?P<dataset>\S+) (?:was built; build it )?again",
        N_("The files of dataset %(dataset)s are not what was built. Build it again on the page of its domain."),
    ),
    (
        r"(?P<domain>\S+) has no candidate; .*",
        N_("%(domain)s has no version that waits. Train one on its page below Learn."),
    ),
    (
        r"(?P<version>\S+) is in production already; .*",
        N_("%(version)s is in production already; choose another version on the page of its domain."),
    ),
    (
        r"(?P<version>\S+) is the canary; .*",
        N_("%(version)s is the canary: promote it for everybody, or end the canary, on the page of its domain."),
    ),
    (
        r"(?P<version>\S+) was never released; .*",
        N_("%(version)s was never released; promote it on its own page, and the gate judges it first."),
    ),
    (
        r"(?P<version>\S+) is in production; roll back, or .*",
        N_("%(version)s is in production; roll back, or promote another, and it is retired."),
    ),
    (r"(?P<version>\S+) is retired already; .*", N_("%(version)s is retired already; there is nothing to do.")),
    (
        r"adapter '(?P<name>.+)' does not exist; .*",
        N_("There is no adapter %(name)s any more; the page Learn shows those there are."),
    ),
    (
        r"adapter '(?P<name>[^']+)' cannot be used: (?P<reason>.*)\. Train a new version .*",
        N_("Adapter %(name)s cannot be used (%(reason)s). Train a new version on the page of its domain."),
    ),
    (
        r"adapter '(?P<name>[^']+)' cannot be used: (?P<reason>.*); the base model answers alone, .*",
        N_("Adapter %(name)s cannot be used (%(reason)s), so the base model alone was compared with."),
    ),
    (
        r"adapter '(?P<name>[^']+)' cannot be used: (?P<reason>.*)",
        N_("Adapter %(name)s cannot be used (%(reason)s). Train a new one on the page of its domain."),
    ),
    (
        r"(?P<first>\S+) (?:and|or|ran on .*,) (?P<second>\S+) .*`pointsman adapters evaluate`.*",
        N_("%(first)s and %(second)s were not asked under the same conditions. Ask the gate once more."),
    ),
    (
        r"No probe, no promotion: .*",
        N_("The questions of the gate are missing or too few. Whoever runs Pointsman installs it again to get them."),
    ),
    (
        r"what answers (?:for )?(?P<name>\S+) was changed .*meanwhile; .*",
        N_("What answers for %(name)s was changed meanwhile; look at the page anew, and try again."),
    ),
    (
        r"(?P<count>\d+) example questions are too few to measure a router by, (?P<least>\d+) are needed: .*",
        N_(
            "%(count)s example questions are too few to measure a router by, %(least)s are needed. Review more answers."
        ),
    ),
    (
        r"documents have changed, or something was deleted .*`pointsman router train` .*",
        N_(
            "Documents have changed, or something was deleted, since it was trained. Train the router anew on its page."
        ),
    ),
    (r"router (?P<version>\S+) is in use already; .*", N_("Router %(version)s is in use already.")),
    (
        r"router (?P<version>\S+) does not exist; .*",
        N_("There is no router %(version)s any more; its page shows those there are."),
    ),
    (r"there is no candidate; `pointsman router .*", N_("No version of the router waits. Train one on its page.")),
    (
        r"another training runs, and there is one at a time; .*",
        N_("A training runs, and there is one at a time. Wait for its end, or stop it."),
    ),
    (r"this is being done already; .*", N_("This is being done already; wait for its end, or stop it.")),
    (r"this is no longer there; .*", N_("This is no longer there; somebody has put it away.")),
    (
        r"reply '.*' is not known; .*",
        N_("This answer is gone; it may be older than the time for which answers are kept."),
    ),
    (r"nothing is decided about reply .*", N_("Nothing is decided about this answer, so there is nothing to undo.")),
    (r"the correction of reply .* holds no text; .*", N_("The right answer is empty; type what it is.")),
    (
        r"reply '.*' was never finished, .*",
        N_("This answer was never finished, so there is nothing to decide on."),
    ),
    (
        r"something went wrong in the running Pointsman; .*",
        N_("Something went wrong; the log of Pointsman says what."),
    ),
    (
        r"the password is too short; use at least (?P<n>\d+) characters",
        N_("The password is too short; use at least %(n)s characters."),
    ),
    (
        r"the password is too long; use at most (?P<n>\d+) characters",
        N_("The password is too long; use at most %(n)s characters."),
    ),
    (r"the password is too easy .*", N_("The password is too easy to guess; use several words, and not the name.")),
    (
        r"'(?P<name>.*)' cannot be a name; .*",
        N_("“%(name)s” cannot be a name; use letters, digits and . _ @ + - (an e-mail address will do)."),
    ),
    (
        r"there is an account '(?P<name>.*)' already; .*",
        N_("There is an account “%(name)s” already; choose another name."),
    ),
    (r"there is no account '(?P<name>.*)'; .*", N_("There is no account “%(name)s” any more.")),
    (
        r"'(?P<name>.*)' is the last admin; .*",
        N_("“%(name)s” is the last admin; make somebody else an admin first."),
    ),
    (
        r"the files that were sent are gone; .*",
        N_("The files that were sent are gone; send them once more on the page “Add documents”."),
    ),
    (
        r"this would end the same way again; .*",
        N_("This would end the same way again. Do first what it says, then begin it anew from its form."),
    ),
    (
        r"it is broken or protected; .*",
        N_("It is broken or protected. Open it in its own program, and save it anew without a password."),
    ),
    (
        r"its text unpacks to (?P<size>\S+ MB), and at most (?P<most>\S+ MB) are read; .*",
        N_("Its text unpacks to %(size)s, and at most %(most)s are read. Split it into several files."),
    ),
    (
        r"it unpacks to (?P<size>\S+ MB), and at most (?P<most>\S+ MB) are read; .*",
        N_("It unpacks to %(size)s, and at most %(most)s are read. Split it into several files."),
    ),
    (
        r"reading it took more memory than there is; .*",
        N_("Reading it took more memory than there is. Split it into several files."),
    ),
    (
        r"it holds no text .*",
        N_("It holds no text. If it is a scan, have its text recognized first."),
    ),
    (
        r"no passage is chosen; .*",
        N_("No passage is chosen. Tick one, write one in your own words, or choose “search anew”."),
    ),
    (r"this preview is gone; .*", N_("This preview is gone; preview the prompt once more.")),
    (r"this cannot be stopped any more; .*", N_("This cannot be stopped any more; look at the page anew.")),
)
PLACES: tuple[tuple[str, str], ...] = (
    ("feedback", N_("the page Review")),
    ("adapters", N_("the page Learn")),
    ("train", N_("the page Learn")),
    ("dataset", N_("the page Learn")),
    ("router", N_("the page Learn")),
    ("retrieve", N_("the page “Try a search”")),
    ("ingest", N_("the page “Add documents”")),
    ("prompts", N_("the page Prompts")),
)
"""What stands for commands that begin so; those that are left out have no page: an operator has to run them."""

_RULES = tuple((re.compile(pattern, re.DOTALL), said) for pattern, said in RULES)
_COMMAND = re.compile(r"(?:run )?`pointsman (?P<verb>[a-z]+)[^`]*`")


def reworded(text: str, say: Say) -> str:
    """*text*, one of our errors as the command line has it, as the console says it."""
    for pattern, said in _RULES:
        if found := pattern.fullmatch(text):
            return say(said, **found.groupdict())
    return _COMMAND.sub(lambda found: _place(found, say), text)


def _place(command: re.Match[str], say: Say) -> str:
    place = dict(PLACES).get(command["verb"])
    return say(place) if place else command[0]
