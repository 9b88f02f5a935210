"""What the gate's report says, and that it is data and a page that needs nothing else."""

import base64
import json
import re
from dataclasses import replace
from pathlib import Path

import fakes_gate as made
import pytest
from fakes_gate import candidate, production

from adapters.gate.evaluation import Evaluation
from adapters.gate.gate import Verdict, judge, refused
from adapters.gate.report import draw, page, write_report
from bot.errors import StoreError

BEFORE = production(0)
AFTER = candidate(BEFORE, 0, made.learns, made.forgets_general)
VERDICT = judge(AFTER, BEFORE)
BETTER = candidate(BEFORE, 0, made.learns)
HOSTILE = '<script>alert(1)</script> & "quotes" \ud800'


def saying(evaluation: Evaluation, text: str) -> Evaluation:
    rows = tuple(replace(row, question=f"Why {row.id}?", text=text, score=row.score / 2) for row in evaluation.rows)
    return replace(evaluation, rows=rows)


def rows_of(text: str, heading: str) -> int:
    section = text.partition(heading)[2].partition("</table>")[0]
    return section.count("<tr>") - 1


def test_json_holds_the_verdict_and_both_evaluations(tmp_path: Path) -> None:
    write_report(VERDICT, AFTER, BEFORE, tmp_path / "gate")

    found = json.loads((tmp_path / "gate" / "gate.json").read_text())

    assert (found["passed"], found["reasons"]) == (False, list(VERDICT.reasons))
    assert [check["name"] for check in found["checks"]] == [check.name for check in VERDICT.checks]
    assert Evaluation.from_row(found["candidate"]) == AFTER
    assert Evaluation.from_row(found["production"]) == BEFORE


def test_page_gives_every_reason_and_every_check(tmp_path: Path) -> None:
    write_report(VERDICT, AFTER, BEFORE, tmp_path / "gate")

    text = (tmp_path / "gate" / "gate.html").read_text()

    assert "Gate: billing@2 against billing@1: refused" in text
    assert all(check.reason in text and f"{check.low:+.3f} to {check.high:+.3f}" in text for check in VERDICT.checks)


def test_page_of_a_candidate_that_passed_says_so() -> None:
    text = page(judge(BETTER, BEFORE), BETTER, BEFORE)

    assert "billing@1: passed" in text
    assert "better on the domain by more than chance" in text


def test_page_shows_the_rows_that_changed_most() -> None:
    text = page(VERDICT, AFTER, BEFORE)

    assert rows_of(text, "became worse") == min(10, sum(a.score < b.score for a, b in _pairs()))
    assert rows_of(text, "became better") == min(10, sum(a.score > b.score for a, b in _pairs()))


def _pairs() -> list[tuple[made.RowScore, made.RowScore]]:
    return [(a, b) for a, b in zip(AFTER.rows, BEFORE.rows, strict=True) if a.part != "surprise"]


def test_what_models_and_users_wrote_is_text_and_nothing_else(tmp_path: Path) -> None:
    verdict = replace(VERDICT, reasons=(HOSTILE,), notes=(HOSTILE,))

    write_report(verdict, saying(AFTER, HOSTILE), saying(BEFORE, "b"), tmp_path / "gate")

    text = (tmp_path / "gate" / "gate.html").read_text()
    assert "<script" not in text
    assert "<td>Why " in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt; &amp; &#34;quotes&#34;") > 2
    assert json.loads((tmp_path / "gate" / "gate.json").read_text())["notes"] == [HOSTILE]


def test_page_needs_no_other_file_and_no_script() -> None:
    text = page(VERDICT, AFTER, BEFORE, draw(VERDICT.checks))

    assert re.findall(r"<(?:script|link|iframe|style)|style=|\bon\w+=|https?:", text) == []
    (source,) = re.findall(r'src="([^"]+)"', text)
    assert base64.b64decode(source.removeprefix("data:image/png;base64,")).startswith(b"\x89PNG")


def test_candidate_that_could_not_be_evaluated_has_a_report_without_numbers(tmp_path: Path) -> None:
    write_report(refused("billing@2 is torn."), None, None, tmp_path / "gate")

    found = json.loads((tmp_path / "gate" / "gate.json").read_text())
    text = (tmp_path / "gate" / "gate.html").read_text()

    assert (found["passed"], found["checks"], found["candidate"]) == (False, [], None)
    assert "billing@2 is torn." in text
    assert "<img" not in text


def test_newer_report_takes_the_place_of_the_older(tmp_path: Path) -> None:
    write_report(VERDICT, AFTER, BEFORE, tmp_path / "gate")

    write_report(Verdict(passed=True), None, None, tmp_path / "gate")

    assert json.loads((tmp_path / "gate" / "gate.json").read_text())["passed"]
    assert [path.name for path in tmp_path.iterdir()] == ["gate"]


def test_report_that_cannot_be_written_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StoreError, match="cannot be written"):
        write_report(VERDICT, AFTER, BEFORE, tmp_path / "file" / "gate")
