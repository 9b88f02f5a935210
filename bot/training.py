"""Training as the commands need it: rows in, a new adapter version out."""

from pathlib import Path

from adapters.base_model import BaseModel
from adapters.dataset import read_dataset
from adapters.registry import AdapterVersion
from adapters.training import Recipe, train
from bot.app import open_registry
from bot.ports import Progress
from bot.prompts import PromptLibrary
from bot.settings import Settings


def train_adapter(
    settings: Settings, domain: str, dataset: Path, max_steps: int | None, progress: Progress
) -> AdapterVersion:
    """
    The next version of *domain*'s adapter, trained on the rows in *dataset*.

    Raises: InputError for unusable rows, TrainingError if they do not allow a training.
    """
    rows = read_dataset(dataset, PromptLibrary(settings.prompts.directory))
    base = BaseModel(settings.model.base, settings.models_directory, progress)
    work = settings.storage.directory / "training" / domain
    trained = train(base, rows, work, recipe=Recipe(max_steps=max_steps), progress=progress)
    return open_registry(settings).add(trained, domain)
