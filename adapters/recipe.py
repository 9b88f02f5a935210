"""What a training does, in numbers."""

from dataclasses import asdict, dataclass
from typing import Any

from bot.messages import DatasetKind

FRESH = "none"  # where a training starts that starts from nothing

# Per method: from the bare base model, and from an adapter that reads already.
# Preference methods need a tenth: TRL's and the KTO authors' advice is 1e-6 to 5e-5 with LoRA.
_RATES: dict[DatasetKind, tuple[float, float]] = {"sft": (5e-4, 2e-4), "dpo": (5e-5, 5e-5), "kto": (5e-5, 5e-5)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The parameters of a training; the defaults suit some hundred rows on two cores."""

    method: DatasetKind = "sft"
    start: str = FRESH  # the adapter, name@version, that is trained on; its rank, alpha and modules then hold
    rank: int = 8
    alpha: int = 16
    learning_rate: float | None = None  # None: what suits method and start
    beta: float = 0.1  # dpo and kto: how much moving away from the start costs
    rows_per_step: int = 8
    epochs: float = 1.0
    max_steps: int | None = None  # instead of epochs
    deadline_seconds: float | None = None  # ends earlier, with the learning rate at 0 all the same
    max_tokens: int = 1024  # longer rows are refused
    seed: int = 17
    # All linear layers, see Dettmers et al. 2023, arXiv:2305.14314, section 4.
    target_modules: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")

    @property
    def rate(self) -> float:
        """The learning rate at its highest."""
        return self.learning_rate or _RATES[self.method][self.start != FRESH]

    def row(self) -> dict[str, Any]:
        """The recipe as it is written down."""
        return asdict(self) | {"learning_rate": self.rate}
