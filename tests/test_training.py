"""
Training on a tiny model: what it learns, what it refuses, what it leaves, and what a kill costs.

Run as a program, this file is a training that prints its steps.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny_model import write_numbers

from adapters.base_model import EMBEDDED_NAME, BaseModel
from adapters.datasets.rows import Dataset, TrainingExample, read_dataset
from adapters.registry import AdapterRegistry
from adapters.training.encoding import MIN_ROWS, encode
from adapters.training.recipe import Recipe
from adapters.training.training import TrainedAdapter, train
from bot.errors import AdapterUnusable, InputError, TrainingError
from bot.messages import Turn
from bot.prompts import REFUSAL, PromptLibrary
from bot.rows import write_rows

pytest.importorskip("trl", reason="training is an extra: pip install pointsman[training]")

ROOT = Path(__file__).parent.parent
QUICK = Recipe(rank=4, learning_rate=0.02, rows_per_step=4, max_steps=24, rehearsal=0)
COLOURS = ("red", "green", "blue", "white")


def chat(number: int) -> dict[str, Any]:
    turns = [
        {"role": "user", "content": f"What colour is number {number}?"},
        {"role": "assistant", "content": f"It is {COLOURS[number % 4]}."},
    ]
    return {"messages": turns}


@pytest.fixture(scope="session")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of rows of different lengths."""
    file = tmp_path_factory.mktemp("rows") / "colours.jsonl"
    write_rows(file, [chat(number * 37) for number in range(MIN_ROWS + 4)])
    return file


@pytest.fixture(scope="session")
def dataset(rows: Path) -> Dataset:
    return read_dataset(rows, PromptLibrary())


@pytest.fixture(scope="session")
def finished(tiny_base: BaseModel, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> TrainedAdapter:
    return train(tiny_base, dataset, tmp_path_factory.mktemp("work"), recipe=QUICK)


def losses(trained: TrainedAdapter) -> list[float]:
    return [loss for _, loss in trained.numbers["loss"]]


def weights(trained: TrainedAdapter) -> dict[str, torch.Tensor]:
    return load_file(trained.folder / "adapter_model.safetensors")


def plain_loss(base: BaseModel, examples: Sequence[TrainingExample]) -> float:
    """The mean over all answer tokens as transformers computes it, with logits everywhere."""
    model, total, count = base.load(), 0.0, 0
    for example in examples:
        prompt, answer = base.encode_turns(example.turns), base.encode_answer(example.answer)
        labels = torch.tensor([[-100] * len(prompt) + answer])
        with torch.no_grad():
            total += len(answer) * float(model(torch.tensor([prompt + answer]), labels=labels).loss)
        count += len(answer)
    return total / count


def test_training_lowers_the_loss(finished: TrainedAdapter) -> None:
    assert sum(losses(finished)[-4:]) < 0.5 * sum(losses(finished)[:4])


def test_loss_at_answer_tokens_is_the_plain_loss(tiny_base: BaseModel, dataset: Dataset, tmp_path: Path) -> None:
    everything = replace(QUICK, rows_per_step=len(dataset.examples), max_steps=1)

    trained = train(tiny_base, dataset, tmp_path, recipe=everything)

    assert losses(trained) == pytest.approx([plain_loss(tiny_base, dataset.examples)], rel=1e-5)


def test_same_rows_and_seed_give_the_same_weights(
    tiny_base: BaseModel, dataset: Dataset, finished: TrainedAdapter, tmp_path: Path
) -> None:
    again = train(tiny_base, dataset, tmp_path, recipe=QUICK)

    assert losses(again) == losses(finished)
    torch.testing.assert_close(weights(again), weights(finished), rtol=0, atol=0)


def test_steps_and_loss_are_reported_and_nothing_is_printed(
    tiny_base: BaseModel, dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[tuple[int, int, str]] = []

    train(tiny_base, dataset, tmp_path, recipe=replace(QUICK, max_steps=3), progress=lambda *args: told.append(args))

    assert [(done, total) for done, total, _ in told] == [(0, 0), (1, 3), (2, 3), (3, 3)]
    assert all(re.fullmatch(r"Training, loss \d+\.\d\d, \d+ (s|min) left", doing) for _, _, doing in told[1:])
    assert capsys.readouterr().out == ""


def test_few_rows_are_passed_three_times(tiny_base: BaseModel, dataset: Dataset, tmp_path: Path) -> None:
    trained = train(tiny_base, dataset, tmp_path, recipe=replace(QUICK, rows_per_step=5, max_steps=None))

    assert trained.numbers["steps"] == 15  # 24 rows, the last step of each pass with four of them


@pytest.mark.parametrize(("rows", "steps"), [(20, 9), (52, 21), (64, 24), (100, 24), (191, 24), (200, 25), (900, 113)])
def test_training_takes_one_pass_or_more_where_rows_are_few(rows: int, steps: int) -> None:
    assert Recipe(rows_per_step=8).steps(rows) == steps


def test_folder_holds_an_adapter_and_nothing_to_unpickle(finished: TrainedAdapter) -> None:
    files = {file.name for file in finished.folder.iterdir()}

    assert files == {"README.md", "adapter_config.json", "adapter_model.safetensors", "loss.png", "training.json"}
    assert [folder.name for folder in finished.folder.parent.iterdir()] == ["adapter"]


def test_adapter_is_float16_and_names_its_base(finished: TrainedAdapter) -> None:
    config = json.loads((finished.folder / "adapter_config.json").read_text())

    assert {tensor.dtype for tensor in weights(finished).values()} == {torch.float16}
    assert (config["base_model_name_or_path"], config["r"], config["peft_type"]) == ("tiny", 4, "LORA")


def test_numbers_say_what_was_done(finished: TrainedAdapter, dataset: Dataset) -> None:
    numbers = json.loads((finished.folder / "training.json").read_text())

    assert numbers == finished.numbers
    assert (numbers["base_model"], numbers["data"], numbers["data_hash"]) == ("tiny", "colours.jsonl", dataset.hash)
    assert (numbers["method"], numbers["dataset"], numbers["start"]) == ("sft", "colours.jsonl", "none")
    assert (numbers["rows"], numbers["answerable_rows"], numbers["steps"]) == (24, 24, 24)
    assert [step for step, _ in numbers["loss"]] == list(range(1, 25))
    assert numbers["recipe"]["learning_rate"] == 0.02
    assert numbers["tokens"] > 24 * 20


def test_card_and_plot_go_with_it(finished: TrainedAdapter) -> None:
    card = (finished.folder / "README.md").read_text()

    assert card.startswith("---\nbase_model: tiny\nlibrary_name: peft\n---\n")
    assert "24 rows (24 answerable) of `colours.jsonl`" in card
    assert "| learning_rate | 0.02 |" in card
    assert (finished.folder / "loss.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_finished_training_is_not_done_again(tiny_base: BaseModel, dataset: Dataset, finished: TrainedAdapter) -> None:
    told: list[str] = []

    again = train(tiny_base, dataset, finished.folder.parent.parent, recipe=QUICK, progress=lambda *_: told.append("x"))

    assert again == finished
    assert told == []


def test_trained_adapter_can_be_a_version(finished: TrainedAdapter, tmp_path: Path) -> None:
    version = AdapterRegistry(tmp_path, {}, "tiny").add(finished, "billing")

    assert version.label == "billing@1"
    assert (version.folder / "adapter_model.safetensors").exists()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda examples: examples[: MIN_ROWS - 1], "19 rows are too few to learn from; bring at least 20"),
        (lambda examples: [refused(each) for each in examples], "every answer is null.*; add answered rows"),
        (
            lambda examples: [*examples[:4], *(refused(each) for each in examples[4:])],
            "^all but 4 answers are null.*; add answered rows, at least 5",
        ),
        (
            lambda examples: [*examples[:2], *(refused(each) for each in examples[2:10])],
            "^10 rows are too few.*; all but 2 answers are null",
        ),
        (
            lambda examples: [*examples[:4], *(replace(each, answer="It is red.") for each in examples[4:])],
            "^21 of 24 answers are 'It is red.'; add rows with other answers",
        ),
        (
            lambda examples: [*examples, replace(examples[0], turns=(Turn(role="user", content="long " * 900),))],
            r"row 25 has \d+ tokens, at most 1024 fit; shorten its passages",
        ),
    ],
)
def test_rows_that_teach_nothing_are_refused_with_what_is_missing(
    tiny_base: BaseModel, dataset: Dataset, tmp_path: Path, change: Any, reason: str
) -> None:
    unusable = replace(dataset, examples=tuple(change(list(dataset.examples))))

    with pytest.raises(TrainingError, match=reason):
        train(tiny_base, unusable, tmp_path, recipe=QUICK)

    assert list(tmp_path.iterdir()) == []


def refused(example: TrainingExample) -> TrainingExample:
    return replace(example, answer=REFUSAL, answerable=False)


def test_rows_among_which_some_are_refusals_are_taken(tiny_base: BaseModel, dataset: Dataset) -> None:
    mixed = replace(dataset, examples=(*dataset.examples[:12], *map(refused, dataset.examples[12:])))

    assert len(encode(tiny_base, mixed, 1024)) == 24


def test_training_goes_on_from_an_earlier_adapter(
    tiny_base: BaseModel, dataset: Dataset, finished: TrainedAdapter, tmp_path: Path
) -> None:
    recipe = replace(QUICK, start="colours@1", rank=16, max_steps=2)

    trained = train(tiny_base, dataset, tmp_path, recipe=recipe, start=finished.folder)

    assert losses(trained)[0] < 0.5 * losses(finished)[0]
    assert (trained.numbers["start"], trained.numbers["recipe"]["rank"]) == ("colours@1", 4)
    assert set(weights(trained)) == set(weights(finished))
    assert "It went on from colours@1." in (trained.folder / "README.md").read_text()


def test_broken_adapter_is_no_start(
    tiny_base: BaseModel, dataset: Dataset, finished: TrainedAdapter, tmp_path: Path
) -> None:
    broken = shutil.copytree(finished.folder, tmp_path / "broken")
    file = broken / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:2000])

    with pytest.raises(AdapterUnusable, match=r"'colours@1' cannot be used: .*; choose another --start"):
        train(tiny_base, dataset, tmp_path / "work", recipe=replace(QUICK, start="colours@1"), start=broken)


def test_training_ends_at_its_deadline_with_what_it_has(tiny_base: BaseModel, dataset: Dataset, tmp_path: Path) -> None:
    trained = train(tiny_base, dataset, tmp_path, recipe=replace(QUICK, deadline_seconds=0.01))

    assert (trained.numbers["steps"], trained.numbers["planned_steps"]) == (1, 24)
    assert "It ended at its deadline." in (trained.folder / "README.md").read_text()


@pytest.mark.parametrize(("spent", "left"), [(0.0, 0.5), (0.3, 0.5), (0.8, 0.2)])
def test_learning_rate_falls_with_the_steps_or_the_time_whichever_is_further(spent: float, left: float) -> None:
    from adapters.training.trainers import Clock, Ours

    trainer: Any = Ours()
    clock = Clock(QUICK, lambda *_: None)
    trainer.callback_handler, trainer.lr_scheduler = SimpleNamespace(callbacks=[clock]), None
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = trainer.create_scheduler(21, optimizer)

    rates = []
    for step in range(21):
        rates.append(scheduler.get_last_lr()[0])
        clock.spent = spent if step == 10 else 0.0
        optimizer.step()
        scheduler.step()

    assert (rates[0], rates[1], rates[-1]) == (0.5, 1.0, pytest.approx(0.05))
    assert rates[11] == pytest.approx(left)


@pytest.mark.parametrize(
    ("setting", "named", "label"),
    [
        ("production", "production", "reading@1"),
        ("production", "reading", "reading@1"),
        ("production", "1", "billing@1"),
        ("production", "billing@1", "billing@1"),
        ("1", "production", "billing@1"),
        ("none", "production", None),
        ("1", "none", None),
    ],
)
def test_training_starts_from_what_answers_unless_told_otherwise(
    tmp_path: Path, setting: str, named: str, label: str | None
) -> None:
    write_numbers(tmp_path / "billing" / "1", base_model=EMBEDDED_NAME, created="2026-01-01")
    registry = AdapterRegistry(tmp_path, {"billing": setting}, EMBEDDED_NAME)

    start = registry.start("billing", named)

    assert (start and start.label) == label


@pytest.mark.parametrize(
    ("named", "reason"), [("7", "adapter 'billing@7' does not exist"), ("reading", "it was trained for HuggingFaceTB")]
)
def test_start_that_cannot_be_used_is_refused_with_a_way_out(tmp_path: Path, named: str, reason: str) -> None:
    registry = AdapterRegistry(tmp_path, {}, "another model")

    with pytest.raises(InputError, match=f"{reason}.*--start none trains from the base model"):
        registry.start("billing", named)


@pytest.fixture(scope="session")
def killed(tiny_base: BaseModel, rows: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The work folder of a process that was killed as soon as it said that it did step 12."""
    work = tmp_path_factory.mktemp("killed")
    command = [sys.executable, __file__, tiny_base.base, str(rows), str(work)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout
        assert any(line == "12\n" for line in process.stdout)
        process.kill()
    return work


def test_killed_training_goes_on_at_its_checkpoint(
    tiny_base: BaseModel, dataset: Dataset, finished: TrainedAdapter, killed: Path, tmp_path: Path
) -> None:
    work = shutil.copytree(killed, tmp_path / "work")
    (checkpoint,) = work.glob("*/checkpoints/checkpoint-10")
    half = shutil.copytree(checkpoint, checkpoint.with_name("checkpoint-20"))
    (half / "trainer_state.json").write_text('{"epoch": 3.')  # as a kill in the middle of writing leaves it
    steps: list[int] = []

    resumed = train(tiny_base, dataset, work, recipe=QUICK, progress=lambda step, *_: steps.append(step))

    assert steps == [0, *range(11, 25)]  # 0: the model is loaded
    assert losses(resumed) == pytest.approx(losses(finished), rel=1e-5)
    torch.testing.assert_close(weights(resumed), weights(finished), rtol=1e-3, atol=1e-4)
    assert [folder.name for folder in resumed.folder.parent.iterdir()] == ["adapter"]


def test_checkpoint_that_would_run_code_is_refused(
    tiny_base: BaseModel, dataset: Dataset, killed: Path, tmp_path: Path
) -> None:
    work = shutil.copytree(killed, tmp_path / "work")
    (checkpoint,) = work.glob("*/checkpoints/checkpoint-10")
    torch.save(Touch(tmp_path / "harmed"), checkpoint / "optimizer.pt")

    with pytest.raises(Exception, match="Weights only load failed"):
        train(tiny_base, dataset, work, recipe=QUICK)

    assert not (tmp_path / "harmed").exists()


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mknod, (str(self._file),)


if __name__ == "__main__":
    base, data, work = sys.argv[1:]
    train(
        BaseModel(base, Path(work)),
        read_dataset(Path(data), PromptLibrary()),
        Path(work),
        recipe=QUICK,
        progress=lambda step, *_: print(step, flush=True),
    )
