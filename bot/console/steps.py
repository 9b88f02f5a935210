"""What a job does at the moment, in the language of the page; the command line shows the same in English."""

import re
from collections.abc import Callable

Say = Callable[..., str]

N_ = str  # marks text for the catalogue that is said later
STEPS: tuple[tuple[str, str], ...] = (
    (r"Evaluating (?P<name>.+)", N_("%(name)s sits the exam of the gate")),
    (r"Teaching the router", N_("The router is taught")),
    (r"Teaching the router (?P<name>.+)", N_("The router is taught %(name)s")),
    (r"Measuring (?P<name>.+)", N_("%(name)s is measured")),
    (r"Embedding", N_("Questions are made comparable")),
    (r"Comparing the questions", N_("Questions are compared")),
    (r"Redacting", N_("Personal data is masked")),
    (r"Looking for personal data", N_("Personal data is looked for")),
    (r"Answering", N_("Questions are answered")),
    (r"Asking (?P<n>\S+) held-out questions \(.+\)", N_("%(n)s held-out questions are asked")),
    (r"Loading the model to train", N_("The model is loaded")),
    (r"Asking the base model what not to forget", N_("The base model is asked what is not to be forgotten")),
    (r"Converting the embedded language model, once .*", N_("The language model is made ready, once")),
    (r"Fetching (?P<name>.+) from Hugging Face", N_("%(name)s is fetched from Hugging Face")),
    (r"Waiting for another training to end", N_("Waits for the end of another training")),
    (r"Starting a process of its own", N_("A process of its own is started")),
)

_STEPS = tuple((re.compile(pattern), said) for pattern, said in STEPS)


def step(doing: str, say: Say) -> str:
    """*doing*, as a job reports it, in the language of the page; what no rule knows as it is."""
    for pattern, said in _STEPS:
        if found := pattern.fullmatch(doing):
            return say(said, **found.groupdict())
    return doing
