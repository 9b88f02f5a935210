"""Follow-ups stay on the track of the question before."""

from dataclasses import replace

from fakes import EchoGenerator
from test_assistant import BILLING, GENERAL_CHOICE, REFUNDS, SUPPORTED, ask, make_assistant


async def test_follow_up_to_a_domain_answer_is_answered_from_the_same_documents() -> None:
    first = make_assistant(BILLING, generator=EchoGenerator(SUPPORTED))
    await ask(first, "When is my refund paid?", thread="t")

    reply = await ask(replace(first, router=make_assistant(GENERAL_CHOICE).router), "and for members?", thread="t")

    assert (reply.route, reply.abstained) == ("billing", False)


async def test_follow_up_leaves_the_documents_that_do_not_come_near_it() -> None:
    first = make_assistant(BILLING, generator=EchoGenerator(SUPPORTED))
    await ask(first, "When is my refund paid?", thread="t")
    far = make_assistant(GENERAL_CHOICE, passages=[replace(REFUNDS, dense=0.1)])

    reply = await ask(replace(first, router=far.router, retriever=far.retriever), "and a joke?", thread="t")

    assert reply.route == "general"
