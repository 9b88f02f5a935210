"""
The main path: a question in, an answer with its lineage out.

    understand -> embed -> retrieve -> choose a route -> fill a prompt -> generate -> check -> reply

An answer that a person has reviewed takes the place of prompt and model where the same is asked again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import uuid4

from bot import wording
from bot.answering import NONE, Answer, Stopwatch, again, unknown, write_general, write_grounded
from bot.conversation import MEMORY, Asked, from_file, understand
from bot.grounding import refuse_above, too_weak
from bot.messages import GENERAL, Asking, Message, Passage, Prompt, Reply, Retrieval, RouteChoice
from bot.ports import AdapterChooser, ExchangeStore, Generator, OnText, Retriever, ReviewedAnswers, Router, discard
from bot.prompts import GROUNDED, REFUSAL, PromptLibrary, constraints, fit
from bot.routing import SOMEBODYS_OWN, nearest_records
from bot.settings import DomainSettings

TOP_K = 3  # passages in a prompt: on a small machine each costs the reader a second
NOWHERE = RouteChoice(route=GENERAL, probability=0.0, domain_probability=0.0)


@dataclass(frozen=True, slots=True)
class Assistant:
    """Answers one message; as many at once as are asked."""

    domains: Mapping[str, DomainSettings]
    retriever: Retriever
    router: Router
    prompts: PromptLibrary
    adapters: AdapterChooser
    generator: Generator
    exchanges: ExchangeStore
    reviewed: ReviewedAnswers

    async def reply_to(self, message: Message, on_text: OnText = discard) -> Reply:
        """
        The reply to *message*; what may be shown of it goes to *on_text* as it comes.

        Raises: PointsmanError if a part is out of order; what was known by then is in the store.
        """
        watch = Stopwatch()
        past = await self.exchanges.thread(message.thread, last=MEMORY)
        asked = understand(message, past, tuple(self.domains))
        choice, passages, known = await self._route(message, asked)
        answer = known or self._without_model(message, asked, choice, passages)
        plan = answer or self._prompt(message, asked, choice, passages)
        reply = self._draft(message, asked, choice, passages, plan)
        await self.exchanges.begin(message, reply)
        answer = await self._write(reply, plan, on_text, watch)
        reply = answer.complete(reply, watch)
        await self.exchanges.complete(reply)
        return reply

    async def _route(self, message: Message, asked: Asked) -> tuple[RouteChoice, Sequence[Passage], Answer | None]:
        """Where the question goes, the passages that the route has for it, and its answer where one was reviewed."""
        if asked.objection:
            return NOWHERE, (), None
        query = await self.retriever.embed(asked.text, earlier=asked.earlier)
        if message.passages is not None:
            route = asked.route or self.router.nearest_domain(query) or next(iter(self.domains), None)
            given = await self.retriever.compare(query, message.passages)
            return self.router.choose(query, {}, explicit=route), from_file(given, message.source, TOP_K), None
        found = await self.retriever.retrieve(query, labels=message.labels, top_k=TOP_K)
        choice = self.router.choose(query, found, explicit=asked.route)
        if not asked.route and choice.task == SOMEBODYS_OWN:
            choice = nearest_records(choice, found)
        elif not asked.route and asked.track in found:
            choice = nearest_records(choice, {asked.track: found[asked.track]})
        asking = Asking(message=message, query=query, choice=choice, found=found, explicit=bool(asked.route))
        known = None if asked.earlier else await self.reviewed.find(asking)
        if known is None:
            return choice, found.get(choice.route, Retrieval()).passages, None
        if known.route != choice.route:
            choice = self.router.choose(query, found, explicit=known.route)
        return choice, known.passages, again(known)

    def _without_model(
        self, message: Message, asked: Asked, choice: RouteChoice, passages: Sequence[Passage]
    ) -> Answer | None:
        """What to say where no model is needed: an objection, a question back, or that the documents hold nothing."""
        if asked.objection and message.source and not message.text.strip():
            return Answer(text=wording.has_read(message.source), abstained=True)
        if asked.objection:
            return Answer(text=asked.objection, abstained=True)
        if message.passages == () and asked.route != GENERAL:
            return Answer(text=wording.NO_PASSAGES, abstained=True)
        if choice.decision == "ask_back" and asked.may_ask_back:
            return Answer(text=wording.ask_back(choice, self.domains), asked_back=True)
        if choice.route == GENERAL and not asked.route and choice.task == SOMEBODYS_OWN:
            return Answer(text=wording.not_mine(self.domains, missing=asked.missing), abstained=True)
        if choice.route != GENERAL and not passages:
            return Answer(text=wording.no_documents(choice.route), abstained=True)
        if choice.route != GENERAL and too_weak(passages):
            return unknown(choice.route, asked.text, passages)
        return None

    def _prompt(self, message: Message, asked: Asked, choice: RouteChoice, passages: Sequence[Passage]) -> Prompt:
        """The template that fits the route and the task, filled within the model's limit."""
        talk = message.thread or message.user
        if choice.route == GENERAL:
            template = self.prompts.for_kind(choice.task, talk)
            return fit(template, tokens=self.generator, question=asked.text, history=asked.history)
        domain = self.domains.get(choice.route)
        prompt = fit(
            self.prompts.answering(GROUNDED, talk),
            tokens=self.generator,
            question=asked.text,
            earlier=asked.earlier,
            passages=passages,
            constraints=constraints(domain),
            schema=domain.output_schema if domain else "",
        )
        return replace(prompt, refusal=REFUSAL, refuse_above=refuse_above(passages))

    def _draft(
        self, message: Message, asked: Asked, choice: RouteChoice, passages: Sequence[Passage], plan: Answer | Prompt
    ) -> Reply:
        """The reply as far as it is known before the first character."""
        prompt = plan if isinstance(plan, Prompt) else None
        adapted = prompt is not None and choice.route != GENERAL
        return Reply(
            id=uuid4().hex,
            route=choice.route,
            probability=choice.probability,
            domain_probability=choice.domain_probability,
            adapter=self.adapters.current(choice.route, message.thread or message.user) if adapted else NONE,
            prompt=plan.label,
            model=self.generator.model,
            question=asked.standalone,
            passages=tuple(prompt.passages if prompt else passages),
        )

    async def _write(self, reply: Reply, plan: Answer | Prompt, on_text: OnText, watch: Stopwatch) -> Answer:
        if isinstance(plan, Answer):
            await on_text(plan.text)
            return plan
        if reply.route == GENERAL:
            return await write_general(self.generator, plan, on_text, watch)
        return await write_grounded(self.generator, plan, reply, on_text, watch)
