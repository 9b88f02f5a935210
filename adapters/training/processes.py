"""The processes that train together, where `accelerate launch` started several; else this one alone."""

from typing import Any

from bot.errors import TrainingError


def is_main() -> bool:
    """Whether this process is the only one, or the first of several; the others neither write nor print."""
    return bool(together().is_main_process)


def wait_for_all() -> None:
    """Until all processes are here."""
    together().wait_for_everyone()


def together() -> Any:
    """
    Accelerate's view of the processes.

    Raises: TrainingError if it is not installed.
    """
    import torch

    try:
        from accelerate import PartialState
    except ImportError as exc:
        raise TrainingError("training needs more packages; run `pip install 'pointsman[training]'`") from exc
    # Without this, processes on a machine that has no GPU would not know of each other.
    return PartialState(cpu=not torch.cuda.is_available())
