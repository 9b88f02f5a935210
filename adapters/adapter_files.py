"""A trained adapter's folder: weights, numbers, model card and plot."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from peft import PeftModel

NUMBERS = "training.json"
_LEARNED_FROM = {"sft": "answers", "dpo": "pairs of a better and a worse answer", "kto": "answers that people voted on"}


def write_adapter(model: "PeftModel", folder: Path, numbers: dict[str, Any]) -> None:
    """Write the adapter in float16, its numbers, card and plot; the folder appears under its name when it is whole."""
    from safetensors.torch import load_file, save_file

    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    model.peft_config["default"].base_model_name_or_path = numbers["base_model"]
    model.save_pretrained(str(part), safe_serialization=True, save_embedding_layers=False)
    weights = part / "adapter_model.safetensors"
    save_file({name: tensor.half() for name, tensor in load_file(weights).items()}, weights, {"format": "pt"})
    _plot_loss(numbers["loss"], part / "loss.png")
    (part / "README.md").write_text(_card(numbers), encoding="utf-8")
    (part / NUMBERS).write_text(json.dumps(numbers, indent=1), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)


def _card(numbers: dict[str, Any]) -> str:
    recipe = "\n".join(f"| {name} | {value} |" for name, value in numbers["recipe"].items())
    ended = " It ended at its deadline." if numbers["steps"] < numbers["planned_steps"] else ""
    begun = "" if numbers["start"] == "none" else f" It went on from {numbers['start']}."
    return f"""---
base_model: {numbers["base_model"]}
library_name: peft
---
# LoRA adapter for {numbers["base_model"]}

Trained by `pointsman train --method {numbers["method"]}`, which learns from {_LEARNED_FROM[numbers["method"]]},
on {numbers["rows"]} rows ({_balance(numbers)}) of `{numbers["dataset"]}` (SHA-256 {numbers["data_hash"]}...),
{numbers["steps"]} steps in {numbers["seconds"]:.0f} s, on {numbers["created"]}.{begun}{ended}
The loss went from {_mean(numbers["loss"][:5]):.2f} to {_mean(numbers["loss"][-5:]):.2f} (means of five steps).
The numbers are in `{NUMBERS}`.

![Loss per step](loss.png)

| parameter | value |
|---|---|
{recipe}
"""


def _balance(numbers: dict[str, Any]) -> str:
    if numbers["method"] == "kto":
        return f"{numbers['liked_rows']} liked"
    return f"{numbers['answerable_rows']} answerable"


def _mean(losses: Sequence[Sequence[float]]) -> float:
    return sum(loss for _, loss in losses) / max(len(losses), 1)


def _plot_loss(losses: Sequence[Sequence[float]], target: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3), layout="constrained")
    axes = figure.add_subplot(xlabel="step", ylabel="loss on answer tokens", ylim=(0, None))
    axes.plot([step for step, _ in losses], [loss for _, loss in losses], color="tab:blue")
    axes.grid(alpha=0.3)
    figure.savefig(target, dpi=100)
