"""Adapters that are missing, torn or of another kind: the base model answers, and the others go on."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from structlog.testing import capture_logs
from tiny_model import ADAPTERS, prompt, write_numbers

from adapters.generator import TransformersGenerator

WEIGHTS = "adapter_model.safetensors"


def truncate(folder: Path) -> None:
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(data[: len(data) // 2])


def pickle_instead(folder: Path) -> None:
    torch.save(load_file(folder / WEIGHTS), folder / "adapter_model.bin")
    (folder / WEIGHTS).unlink()


def rename_weights(folder: Path) -> None:
    weights = load_file(folder / WEIGHTS)
    save_file({name.replace("lora_A", "lora_X"): tensor for name, tensor in weights.items()}, folder / WEIGHTS)


def reshape_weights(folder: Path) -> None:
    save_file({name: tensor[:2, :2].clone() for name, tensor in load_file(folder / WEIGHTS).items()}, folder / WEIGHTS)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "missing": shutil.rmtree,
    "no weights": lambda folder: (folder / WEIGHTS).unlink(),
    "truncated": truncate,
    "empty": lambda folder: (folder / WEIGHTS).write_bytes(b""),
    "garbage": lambda folder: (folder / WEIGHTS).write_bytes(b"garbage" * 1000),
    "pickle": pickle_instead,
    "other names": rename_weights,
    "other shapes": reshape_weights,
    "no configuration": lambda folder: (folder / "adapter_config.json").unlink(),
    "torn configuration": lambda folder: (folder / "adapter_config.json").write_text('{"peft_type": "LO'),
    "unknown kind": lambda folder: (folder / "adapter_config.json").write_text('{"peft_type": "MAGIC"}'),
    "other base": lambda folder: write_numbers(folder, base_model="other", created="2026-01-01T00:00:00+00:00"),
    "torn numbers": lambda folder: (folder / "training.json").write_text('{"base_mo'),
}


@pytest.mark.filterwarnings("ignore:Found missing adapter keys")  # PEFT says so too
@pytest.mark.parametrize("before", ADAPTERS[::2])
@pytest.mark.parametrize("damage", DAMAGE)
async def test_broken_adapter_leaves_the_base_model_answering(
    generator: TransformersGenerator, adapters: Path, damage: str, before: str
) -> None:
    question = prompt("When?", max_new_tokens=6)
    plain = await generator.generate(question, adapter="none")
    whole = await generator.generate(question, adapter=before)
    DAMAGE[damage](adapters / "billing" / "1")

    with capture_logs() as logs:
        broken = [await generator.generate(question, adapter="billing@1") for _ in range(2)]

    assert broken == [plain, plain]
    assert ("warning", "billing@1") in [(entry["log_level"], entry["adapter"]) for entry in logs]
    assert await generator.generate(question, adapter=before) == whole
    assert (await generator.generate(question, adapter="travel@1")).adapter == "travel@1"
