"""
The reference engine: transformers, with the base model and its LoRA adapters resident together.

`set_adapter` changes the model for everybody, so requests take turns, and those for the same adapter may share one;
nothing but the holder of the lock touches the model, and it keeps the lock until the model has really stopped.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import structlog

from adapters.base_model import BaseModel
from adapters.batch import answer_together
from adapters.gate.surprise import mean_surprise
from adapters.json_grammar import JsonGrammar
from adapters.registry import NONE, AdapterRegistry
from adapters.requests import Request, going_with
from bot.errors import AdapterNotFound, AdapterUnusable, GenerationError, PromptTooLong
from bot.messages import Completion, Prompt, Turn
from bot.ports import OnText, discard

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedModel

log = structlog.get_logger()

Result = TypeVar("Result")


class TransformersGenerator:
    """Greedy by default, so that the same question gets the same answer."""

    def __init__(self, base: BaseModel, registry: AdapterRegistry, *, deadline_seconds: float) -> None:
        self._base = base
        self._registry = registry
        self._deadline_seconds = deadline_seconds
        self._turn = asyncio.Lock()  # first come, first served
        self._waiting: list[Request] = []
        self._turns: set[asyncio.Task[None]] = set()
        self._model: Any = None  # the base model, wrapped by PEFT from the first adapter on
        self._grammar = JsonGrammar(base)

    @property
    def model(self) -> str:
        """The base model's name."""
        return self._base.name

    @property
    def context_tokens(self) -> int:
        """What the model reads and writes in one go, at most."""
        return self._base.context_tokens

    def count_tokens(self, turns: "Sequence[Turn]") -> int:
        """The length of a prompt with everything the chat template adds."""
        return len(self._base.encode_turns(tuple(turns)))

    async def warm_up(self) -> None:
        """Load the model now rather than at the first question."""
        await asyncio.shield(await self._take_turn(self._load))

    async def prepare(self, adapter: str) -> None:
        """
        Load *adapter* beside those in use, so that no question has to wait for it; without a model yet, nothing.

        Raises: AdapterNotFound, AdapterUnusable.
        """
        await asyncio.shield(await self._take_turn(lambda: self._prepare(adapter)))

    async def generate(self, prompt: Prompt, *, adapter: str, on_text: OnText = discard) -> Completion:
        """
        Complete *prompt*; where *adapter* is missing or broken, with the base model alone.

        Raises: PromptTooLong, GenerationError. Cancelling the task stops the model after the current token.
        """
        request = Request(prompt, adapter, self._read(prompt))
        self._waiting.append(request)
        turn = asyncio.create_task(self._serve(request))
        self._turns.add(turn)  # the event loop itself would forget it
        turn.add_done_callback(self._turns.discard)
        try:
            while (piece := await request.pieces.get()) is not None:
                await on_text(piece)
            return await request.completion
        finally:
            request.stop.set()
            request.completion.cancel()
            if request in self._waiting:
                self._waiting.remove(request)

    async def surprise(self, asked: "Sequence[tuple[Prompt, str]]", adapter: str) -> list[float]:
        """
        How little the model, with *adapter* switched on, expects each answer: mean negative log-likelihood per token.

        Raises: AdapterNotFound, AdapterUnusable, PromptTooLong, GenerationError. Each answer waits its turn.
        """
        return [
            await asyncio.shield(await self._take_turn(partial(self._surprise, prompt, answer, adapter)))
            for prompt, answer in asked
        ]

    async def _take_turn(self, work: Callable[[], Result]) -> "asyncio.Task[Result]":
        """Start *work* in a thread when its turn comes; the turn ends with the work, whatever becomes of the asker."""
        await self._turn.acquire()
        task = asyncio.create_task(asyncio.to_thread(work))
        task.add_done_callback(lambda _: self._turn.release())
        return task

    def _read(self, prompt: Prompt) -> list[int]:
        """The tokens of *prompt*. Raises: PromptTooLong."""
        ids = self._base.encode_turns(prompt.turns)
        if len(ids) + prompt.max_new_tokens > self.context_tokens:
            raise PromptTooLong(len(ids), self.context_tokens - prompt.max_new_tokens)
        return ids

    async def _serve(self, request: Request) -> None:
        """When its turn comes, have *request* answered and those that go with it, unless it went with another."""
        async with self._turn:
            if request not in self._waiting:
                return
            together = going_with(request, self._waiting)
            self._waiting = [each for each in self._waiting if each not in together]
            (failure,) = await asyncio.gather(asyncio.to_thread(self._work, together), return_exceptions=True)
            if failure is not None:
                for each in together:
                    each.finish(failure)

    def _work(self, together: "Sequence[Request]") -> None:
        """A batch, in a worker thread."""
        self._load()
        schema = together[0].prompt.schema
        grammar = self._grammar.of(schema) if schema else None
        adapter = self._switch(together[0].adapter)
        with self._switched(adapter), _running(self._base, "try a shorter question"):
            answer_together(
                self._model,
                self._base,
                together,
                adapter=adapter,
                deadline_seconds=self._deadline_seconds,
                grammar=grammar,
            )

    def _surprise(self, prompt: Prompt, answer: str, adapter: str) -> float:
        """One answer, in a worker thread."""
        ids, said = self._base.encode_turns(prompt.turns), self._base.encode_answer(answer)
        if len(ids) + len(said) > self.context_tokens:
            raise PromptTooLong(len(ids), self.context_tokens - len(said))
        self._load()
        with self._switched(self._on(adapter)), _running(self._base, "free some memory and run again"):
            return mean_surprise(self._model, ids, said)

    @property
    def _adapted(self) -> bool:
        return hasattr(self._model, "peft_config")

    def _load(self) -> None:
        if self._model is None:
            self._model = self._base.load()

    def _prepare(self, adapter: str) -> None:
        if self._model is not None and adapter != NONE and not self._attached(adapter):
            self._attach(adapter)

    def _attached(self, adapter: str) -> bool:
        return self._adapted and _slot(adapter) in self._model.peft_config

    def _switch(self, adapter: str) -> str:
        """Make *adapter* the active one; returns the one that is, "none" if it cannot be used."""
        try:
            return self._on(adapter)
        except (AdapterNotFound, AdapterUnusable) as exc:
            log.warning("the base model answers without its adapter", adapter=adapter, reason=str(exc))
            return NONE

    def _on(self, adapter: str) -> str:
        """Make *adapter* the active one. Raises: AdapterNotFound, AdapterUnusable."""
        if adapter == NONE:
            return NONE
        if not self._attached(adapter):
            self._attach(adapter)
        self._model.set_adapter(_slot(adapter))
        return adapter

    def _switched(self, adapter: str) -> AbstractContextManager[object]:
        """While the block runs, the model is as it is with *adapter*, which is the active one by now."""
        return self._model.disable_adapter() if adapter == NONE and self._adapted else nullcontext()

    def _attach(self, adapter: str) -> None:
        from peft import PeftModel, get_peft_model_state_dict
        from safetensors import SafetensorError

        folder = str(self._registry.get(adapter).folder)
        slot = _slot(adapter)
        try:
            stored = _weight_names(folder)
            if self._adapted:
                self._model.load_adapter(folder, adapter_name=slot, use_safetensors=True)
            else:
                model = cast("PreTrainedModel", self._model)
                self._model = PeftModel.from_pretrained(model, folder, adapter_name=slot, use_safetensors=True)
            self._model.eval()
            # PEFT only warns of weights that are missing, and is silent on those that it did not expect.
            # (`save_embedding_layers` unset would make it ask the Hugging Face hub for the base model.)
            known = get_peft_model_state_dict(self._model, adapter_name=slot, save_embedding_layers=False)
            if stored != set(known):
                raise ValueError("its weights are not those that its configuration names")
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as exc:
            self._forget(slot)
            raise AdapterUnusable(adapter, f"{folder} cannot be loaded ({str(exc)[:200]}); train it again") from exc

    def _forget(self, slot: str) -> None:
        """Drop what a failed load left behind."""
        if self._adapted and slot in self._model.peft_config and len(self._model.peft_config) > 1:
            self._model.delete_adapter(slot)
        elif self._adapted or any("lora_" in name for name, _ in self._model.named_parameters()):
            self._model = self._base.load()


def _weight_names(folder: str) -> set[str]:
    """What the adapter's safetensors hold; PEFT would unpickle a .bin file where there are none."""
    from safetensors import safe_open

    with safe_open(Path(folder) / "adapter_model.safetensors", framework="pt") as weights:
        return set(weights.keys())


def _slot(adapter: str) -> str:
    # PEFT uses the name as a module's name, in which a dot is not allowed.
    return adapter.replace(".", "_")


@contextmanager
def _running(base: BaseModel, remedy: str) -> Iterator[None]:
    """While the block runs, what the model's libraries raise becomes a GenerationError with the *remedy*."""
    try:
        yield
    except (RuntimeError, ValueError, MemoryError) as exc:
        raise GenerationError(f"model {base.name} failed ({str(exc)[:200]}); {remedy}") from exc
