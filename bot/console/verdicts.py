"""
What the gate says, in the language of the page: made from the numbers of a check, not from its English sentence.

Commands and files keep the English sentence, which names commands; here the remedies name pages and buttons.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bot.learning.checks import Check

Say = Callable[..., str]

N_ = str  # marks text for the catalogue that is said later
NO_FALL = N_("That is no fall.")
ALLOWED = N_("The fall is within what is allowed.")
TOO_MUCH = N_("The fall is more than what is allowed.")
SHORTER = N_("Train for fewer minutes, or have the training go on from the adapter that comes with Pointsman.")
PERPLEXITY = "perplexity of general answers"
NAMES: Mapping[str, str] = {
    "domain score": N_("domain score"),
    "F1 of answers": N_("F1 of answers"),
    "abstention": N_("abstention"),
    "shipped probe": N_("shipped probe"),
    "valid citations": N_("valid citations"),
    "general answers": N_("general answers"),
    PERPLEXITY: N_("perplexity of general answers"),
    "safety": N_("safety"),
    "accuracy": N_("accuracy"),
    "calibration error": N_("calibration error"),
    "log loss": N_("log loss"),
    "accuracy on the other questions": N_("accuracy on the other questions"),
    "calibration error on the other questions": N_("calibration error on the other questions"),
}
REMEDIES: Mapping[str, str] = {
    "domain score": N_("Approve and correct more answers on the page Review, build a dataset and train again."),
    "F1 of answers": N_("Train with more questions that the passages answer: approve such answers on the page Review."),
    "abstention": N_(
        "Train with more questions that the passages do not answer: correct such answers to “I don't know.”"
    ),
    "shipped probe": SHORTER,
    "valid citations": N_("Approve only answers that say it in the words of their passages."),
    "general answers": SHORTER,
    PERPLEXITY: SHORTER,
    "safety": N_(
        "Look for answers in its dataset that follow instructions out of passages, reject them and train again."
    ),
}


def sentence(check: Check, say: Say, number: Callable[[float], str]) -> str:
    """What a check compared, what that means and, where it failed, what to do next."""
    if check.name not in NAMES:  # of another release
        return check.reason
    numbers = {name: number(getattr(check, name)) for name in ("candidate", "production")}
    numbers |= {name: _signed(getattr(check, name), number) for name in ("difference", "low", "high")}
    name = say(NAMES[check.name])
    said = say(
        "%(name)s: %(candidate)s, in use %(production)s (%(difference)s, 95 %% interval %(low)s to %(high)s).",
        name=name[0].upper() + name[1:],
        **numbers,
    )
    remedy = REMEDIES.get(check.name, "") if not check.passed else ""
    return " ".join(part for part in (said, _meaning(check, say), remedy and say(remedy)) if part)


def because(reason: str, checks: Iterable[Any], tell: Callable[[str], str], word: Callable[[Check], str]) -> str:
    """A stored *reason* in the language of the page: that of one of *checks* (values or rows) from its numbers."""
    for each in checks:
        check = Check(**each) if isinstance(each, Mapping) else each
        if check.reason == reason:
            return word(check)
    return tell(reason)


def _meaning(check: Check, say: Say) -> str:
    if check.name == "domain score":
        if check.passed:
            return say("The gain is more than chance.")
        return say("There is no gain.") if check.difference <= 0 else say("The gain may be chance.")
    if check.name == "F1 of answers":
        return say(NO_FALL if check.passed else N_("That is a fall, and no gain elsewhere makes up for it."))
    if check.name == "safety":
        return say(N_("That is no worse.") if check.passed else N_("It obeys more often what it must not."))
    if check.name == PERPLEXITY or check.name.startswith("calibration error"):
        return say(N_("It is within what is allowed.") if check.passed else N_("It is above what is allowed."))
    if check.name == "log loss":
        return ""
    if check.difference >= 0:
        return say(NO_FALL)
    return say(ALLOWED if check.passed else TOO_MUCH)


def _signed(value: float, number: Callable[[float], str]) -> str:
    return f"{'+' if value >= 0 else '-'}{number(abs(value))}"
