"""The overview: figures of what was asked, the plots and tables that show them, and the files they can be saved in."""

import csv
import io
import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from console_site import Site, open_site

from bot.console.plots import HEIGHT, TOP, WIDTH, Plot
from bot.messages import now

TODAY = now().date()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as site:
        await site.sign_in("viewer")
        yield site


async def ask(site: Site) -> None:
    """One question of each kind, of which one was asked long ago."""
    await site.answer(1, rating=1, seconds_to_first_token=1.0)
    await site.answer(2, rating=-1, route="general", adapter="none", prompt="general/answer@1")
    await site.answer(3, abstained=True, adapter="none", prompt="none", message={"platform": "discord"})
    await site.answer(4, decision="ask_back", route="travel", adapter="none", prompt="none")
    await site.answer(5, adapter="billing@2", message={"at": now() - timedelta(days=200)})


def plain(page: str) -> str:
    """What is read on a page, in one line."""
    return " ".join(re.sub(r"<[^>]+>", " ", page.partition("<main")[2]).split())


async def rows(site: Site, path: str) -> list[dict[str, str]]:
    response = await site.get(path)
    assert response.status == 200
    return list(csv.DictReader(io.StringIO(await response.text())))


async def test_shares_of_the_kinds_are_told_of_the_last_thirty_days(site: Site) -> None:
    await ask(site)

    text = plain(await site.read("/overview"))

    assert "Questions 4 general answer 25% 1 answer from documents 25% 1 asked back 25% 1 did not know 25% 1" in text


async def test_thumbs_are_told_with_where_the_true_share_may_lie(site: Site) -> None:
    await ask(site)

    text = plain(await site.read("/overview"))

    assert "Thumbs up 50% (9%–91%)" in text


async def test_longer_time_takes_more_answers_in(site: Site) -> None:
    await ask(site)

    text = plain(await site.read("/overview?days=all"))

    assert "Questions 5" in text and "billing@2" in text


async def test_filter_leaves_out_what_was_asked_elsewhere_or_answered_otherwise(site: Site) -> None:
    await ask(site)

    discord = await rows(site, "/overview/platform.csv?platform=discord")
    domains = await rows(site, "/overview/route.csv?route=domains")

    assert [(row["platform"], row["questions"], row["unknown"]) for row in discord] == [("discord", "1", "1")]
    assert [(row["route"], row["questions"]) for row in domains] == [("billing", "2"), ("travel", "1")]


async def test_figures_lead_to_the_answers_that_they_are_of(site: Site) -> None:
    await ask(site)

    page = await site.read("/overview")
    link = re.findall(r'href="(/review\?[^"]*outcome=unknown[^"]*)"', page)[0].replace("&amp;", "&")
    listed = await site.read(link)

    assert "reply3" in listed and "reply1" not in listed


async def test_every_row_of_a_table_leads_to_as_many_answers_as_it_counts(site: Site) -> None:
    await ask(site)

    page = await site.read("/overview")
    links = re.findall(r'<th scope="row"><a href="/review\?([^"]*)"', page)
    counts = {}
    for query in (link.replace("&amp;", "&") for link in links):
        fields = dict(parse_qsl(query))
        name = next(fields[key] for key in ("text", "adapter", "prompt", "platform", "route") if key in fields)
        counts[name] = (await (await site.get(f"/review/count?{query}")).json())["count"]

    assert counts["slack"] == 3 and counts["discord"] == 1 and counts["billing"] == 2
    assert counts["billing@3"] == counts["general/answer@1"] == 1


def gaps_in(page: str) -> list[tuple[str, str]]:
    """Each gap of a list with how often it was asked."""
    return re.findall(r'<h2 dir="auto">([^<]+)</h2>\s*<p class="meta"><span>([^<]+)</span>', page)


async def test_gaps_are_those_of_the_page_of_gaps_with_the_same_numbers(site: Site) -> None:
    for number, question in enumerate(("Can I park here?", "Can I park here today?", "Is there tea?")):
        await site.answer(number, abstained=True, prompt="none", message={"user": f"slack:U{number}"})
        await site.rename(f"reply{number}", question)
    await site.answer(4, abstained=True, message={"platform": "discord"})
    page = await site.read("/overview?days=7&platform=slack&route=billing")
    part = re.findall(r'data-part="([^"]+)"', page)[0].replace("&amp;", "&")
    whole = re.findall(r'href="(/knowledge/gaps[^"]*)"', page)[0].replace("&amp;", "&")

    here, there = await site.read(part), await site.read(f"{whole}&all=1")

    assert gaps_in(here) == gaps_in(there) and gaps_in(here)[0][1] == "asked 2 times" and len(gaps_in(here)) == 2
    assert 'href="/overview?days=7&amp;route=billing&amp;platform=slack#unanswered"' in there


async def test_plots_have_a_title_a_sentence_and_a_table(site: Site) -> None:
    await ask(site)

    page = await site.read("/overview")

    pictures = re.findall(r'<svg class="chart" [^>]*role="img" aria-labelledby="([^"]+)"', page)
    assert len(pictures) == 3
    assert all(f'id="{name}"' in page for pair in pictures for name in pair.split())
    assert page.partition('class="numbers"')[2].partition("</table>")[0].count('<th scope="row">') == 30  # days


async def test_days_are_a_file_too_with_empty_ones_in_place(site: Site) -> None:
    await ask(site)

    found = await rows(site, "/overview/days.csv?days=7")

    assert [row["first_day"] for row in found] == [str(TODAY - timedelta(days=n)) for n in range(6, -1, -1)]
    assert [row["questions"] for row in found] == ["0"] * 6 + ["4"]
    assert (found[-1]["thumbs_up_rate"], found[0]["thumbs_up_rate"]) == ("0.5", "")


@pytest.mark.parametrize("table", ["days", "platform", "route", "adapter", "prompt"])
async def test_every_table_can_be_saved_as_jsonl(site: Site, table: str) -> None:
    await ask(site)

    response = await site.get(f"/overview/{table}.jsonl")

    assert f'filename="overview-{table}.jsonl"' in response.headers["Content-Disposition"]
    assert [json.loads(line) for line in (await response.text()).splitlines()]


async def test_questions_leave_in_files_without_personal_data(site: Site) -> None:
    await site.answer(1, abstained=True)
    await site.rename("reply1", "Why is ada@example.com locked?")

    (row,) = await rows(site, "/knowledge/gaps.csv")

    assert row["question"] == "Why is <EMAIL> locked?"


async def test_empty_database_says_what_to_do_next(site: Site) -> None:
    assert "Everything that is kept" in await site.read("/overview")
    assert "pointsman ask" in await site.read("/overview?days=all")


async def test_time_range_that_there_is_not_is_refused(site: Site) -> None:
    response = await site.get("/overview?days=12")

    assert response.status == 400 and "no such time range" in await response.text()


async def test_names_that_people_wrote_are_shown_as_they_are(site: Site) -> None:
    await site.answer(1, abstained=True, adapter="<b>@1", prompt="<i>@1", message={"platform": "<u>"})
    await site.rename("reply1", "<script>alert(1)</script>")

    page = await site.read("/overview")

    assert "<b>@1" not in page and "<i>@1" not in page and "<u>" not in page and "<script>alert" not in page


def test_bars_stand_on_each_other_and_inside_the_picture() -> None:
    plot = Plot([TODAY] * 3, 12.0, whole=True)

    marks = plot.bars([[("a", 3), ("b", 9)], [("a", 0), ("b", 0)], [("a", 1), ("b", 0)]])

    assert [(mark.name, mark.of) for mark in marks] == [("a", 0), ("b", 0), ("a", 2)]
    assert marks[1].y + marks[1].height == pytest.approx(marks[0].y)
    assert all(mark.y >= TOP and mark.x + mark.width <= WIDTH and mark.y + mark.height <= HEIGHT for mark in marks)


@pytest.mark.parametrize(
    ("highest", "whole", "values"),
    [
        (0, True, [0, 1]),
        (1.0, False, [0, 0.25, 0.5, 0.75, 1]),
        (7, True, [0, 2, 4, 6, 8]),
        (130, True, [0, 50, 100, 150]),
    ],
)
def test_axis_has_few_values_that_people_can_read(highest: float, whole: bool, values: list[float]) -> None:
    assert [value for _, value in Plot([TODAY], highest, whole=whole).axes.ticks] == values


def test_day_without_a_value_parts_the_line() -> None:
    plot = Plot([TODAY] * 5, 10.0)

    assert [len(line.split()) for line in plot.lines([1, 2, None, 3, 4])] == [2, 2]
    assert plot.lines([1, None, 3]) == ()  # points are shown by themselves
