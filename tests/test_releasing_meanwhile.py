"""Releases that meet each other, a kill, or an adapter that cannot be loaded."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest
from scripted_exam import Yard
from tiny_model import write_numbers

from bot.errors import AdapterUnusable, InputError, StoreError
from bot.ports import silent


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path)


async def test_rollback_does_not_wait_for_an_evaluation(yard: Yard) -> None:
    await yard.promote("1")
    yard.script.open.clear()
    promotion = asyncio.create_task(yard.promote("2"))
    await yard.script.begun.wait()

    await asyncio.wait_for(yard.rollback(), 5)

    assert yard.current == "none" and not promotion.done()
    yard.script.open.set()
    with pytest.raises(InputError, match="what answers billing was changed by somebody else meanwhile"):
        await promotion
    assert yard.current == "none" and [what for _, what, _, _ in yard.audit.entries][-1] == "adapter.rollback billing"


async def test_of_two_promotions_at_once_one_is_made_and_the_other_is_told(yard: Yard) -> None:
    found = await asyncio.gather(yard.promote("2"), yard.promote("3"), return_exceptions=True)

    made, told = (each for each in sorted(found, key=lambda each: isinstance(each, InputError)))
    assert isinstance(made, dict) and made["promoted"] and isinstance(told, InputError)
    assert yard.current == made["adapter"]


async def test_one_report_is_written_at_a_time(yard: Yard) -> None:
    writing: list[str] = []

    def report(*_: object) -> None:
        assert not writing
        writing.append("a report")
        time.sleep(0.1)
        writing.clear()

    releaser = replace(yard.releaser, write_report=report)

    judged = await asyncio.gather(*(releaser.judge("billing", "2", silent) for _ in range(3)))

    assert [row["passed"] for row in judged] == [True, True, True]


async def test_one_adapter_is_evaluated_at_a_time(yard: Yard) -> None:
    evaluations = (yard.releaser.evaluate(f"billing@{number}", silent) for number in (1, 2, 3))

    await asyncio.gather(*evaluations)

    order = list(dict.fromkeys(yard.script.asked))
    assert yard.script.asked == sorted(yard.script.asked, key=order.index)


async def test_promotion_that_a_kill_interrupted_after_the_change_is_not_made_twice(yard: Yard) -> None:
    first = await yard.promote(request="r1")

    again = await yard.promote(request="r1")

    assert (first["adapter"], again["adapter"], again["promoted"]) == ("billing@4", "billing@4", True)
    assert yard.statuses == ["candidate", "candidate", "candidate", "production"] and len(yard.audit.entries) == 1


async def test_rollback_that_a_kill_interrupted_after_the_change_is_not_made_twice(yard: Yard) -> None:
    for version in ("1", "2", "3"):
        await yard.promote(version)
    await yard.rollback(request="r2")

    again = await yard.rollback(request="r2")

    assert (again["adapter"], yard.current) == ("billing@2", "billing@2")


async def test_change_that_cannot_be_noted_is_not_made(yard: Yard) -> None:
    async def fails(*_: object) -> None:
        raise StoreError("the disk is full")

    yard.audit.record = fails  # type: ignore[method-assign]  # a fault that comes from there

    with pytest.raises(StoreError, match="the disk is full"):
        await yard.promote("1")

    assert yard.current == "none"


async def test_adapter_that_cannot_be_loaded_is_not_promoted(yard: Yard) -> None:
    yard.broken = ("billing@1",)

    with pytest.raises(AdapterUnusable, match="it is torn"):
        await yard.promote("1")

    assert yard.current == "none" and yard.audit.entries == []


async def test_rollback_to_an_adapter_that_cannot_be_loaded_is_made_and_says_so(yard: Yard) -> None:
    await yard.promote("1")
    await yard.promote("2")
    yard.broken = ("billing@1",)

    row = await yard.rollback()

    assert yard.current == "billing@1"
    assert row["notes"] == ["the base model answers alone: adapter 'billing@1' cannot be used: it is torn"]


async def test_rollback_refuses_a_version_of_another_base_model(yard: Yard, tmp_path: Path) -> None:
    await yard.promote("1")
    await yard.promote("2")
    write_numbers(tmp_path / "adapters" / "billing" / "1", base_model="other", created="2030-01-01T00:00:00+00:00")

    with pytest.raises(AdapterUnusable, match="trained for other, this is tiny"):
        await yard.rollback("1")
    with pytest.raises(AdapterUnusable, match="trained for other, this is tiny"):
        await yard.rollback()

    assert yard.current == "billing@2"
