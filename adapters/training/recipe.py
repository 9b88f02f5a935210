"""What a training does, in numbers."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from bot.messages import DatasetKind

FRESH = "none"  # where a training starts that starts from nothing

# Preference methods need a tenth: TRL's and the KTO authors' advice is 1e-6 to 5e-5 with LoRA.
_RATES: dict[DatasetKind, float] = {"sft": 5e-4, "dpo": 5e-5, "kto": 5e-5}
MIN_STEPS, MAX_PASSES = 24, 3  # few rows are seen more than once: seven steps changed nothing that could be measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The parameters of a training; the defaults suit some hundred rows on two cores."""

    method: DatasetKind = "sft"
    start: str = FRESH  # the adapter, name@version, that is trained on; its rank, alpha and modules then hold
    rank: int = 8
    alpha: int = 16
    learning_rate: float | None = None  # None: what suits the method
    beta: float = 0.1  # dpo and kto: how much moving away from the start costs
    rows_per_step: int = 8
    max_steps: int | None = None  # None: one pass over the rows, or up to MAX_PASSES where they are few
    rehearsal: float = 0.15  # sft: rows to be rehearsed, by the number of rows; see `rehearsal`
    deadline_seconds: float | None = None  # ends earlier, with the learning rate at 0 all the same
    max_tokens: int = 1024  # longer rows are refused
    seed: int = 17
    # All linear layers, see Dettmers et al. 2023, arXiv:2305.14314, section 4.
    target_modules: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")

    @property
    def rate(self) -> float:
        """The learning rate at its highest."""
        return self.learning_rate or _RATES[self.method]

    def steps(self, rows: int) -> int:
        """How many steps a training on so many *rows* takes."""
        a_pass = math.ceil(rows / self.rows_per_step)
        return self.max_steps or max(a_pass, min(MIN_STEPS, MAX_PASSES * a_pass))

    def row(self) -> dict[str, Any]:
        """The recipe as it is written down."""
        return asdict(self) | {"learning_rate": self.rate}
