"""Errands: what is done behind an acknowledgement, and what becomes of it at the end."""

import asyncio

import pytest

from bot.errors import ConnectorError
from connectors import desk
from connectors.desk import Errands


@pytest.mark.parametrize("failure", [ConnectorError("refused"), ZeroDivisionError()])
async def test_errand_that_fails_is_in_the_log_and_harms_nobody(
    failure: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    async def errand() -> None:
        raise failure

    errands = Errands()
    errands.start(errand)
    await errands.close()

    assert type(failure).__name__ in (said := capsys.readouterr().out) or str(failure) in said
    assert errands.running == set()


async def test_closing_waits_for_errands_but_not_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "CLOSING", 0.2)
    done: list[str] = []

    async def errand(seconds: float) -> None:
        await asyncio.sleep(seconds)
        done.append(f"after {seconds}")

    errands = Errands()
    errands.start(lambda: errand(0.01))
    errands.start(lambda: errand(60))
    await errands.close()

    assert done == ["after 0.01"] and errands.running == set()
