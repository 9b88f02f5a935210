"""Where an answer in Discord comes from: its mark, its citations, and links to read on."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import discord
import pytest
from discord_bot import Bot, bot_on_discord

from bot.messages import Citation, Passage

CITED = Citation(
    number=1, document="terms.md", chunk=0, title="Terms", url="https://ada.org/terms", quote="14 days.\nNo more."
)
LOCAL = Passage(document="local.md", chunk=0, text="In a file", title="Local")


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Bot]:
    async with bot_on_discord(tmp_path) as bot:
        yield bot


async def test_answer_shows_its_sources_with_links(bot: Bot) -> None:
    cited, looked_into = (CITED, replace(CITED, number=2, url=None)), (replace(LOCAL, url="https://ada.org/local"),)
    bot.assistant.change = lambda reply: replace(reply, citations=cited, passages=looked_into)

    answer = await bot.answer()

    (embed,) = answer.embeds
    assert embed.description == (
        "[1] [Terms](https://ada.org/terms): “14 days. No more.”\n[2] Terms: “14 days. No more.”"
    )
    assert (embed.footer.text, embed.colour) == ("📄 From the documents of billing", discord.Colour.green())
    assert not answer.flags.suppress_embeds


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"citations": ()}, "🔎 Looked in the documents of billing"),
        ({"route": "general"}, "💭 General knowledge, not from the documents"),
    ],
)
async def test_answer_says_where_it_comes_from(bot: Bot, change: dict[str, object], shown: str) -> None:
    bot.assistant.change = lambda reply: replace(reply, **change)

    answer = await bot.answer()

    (embed,) = answer.embeds
    assert embed.footer.text == shown and embed.description is None and embed.colour is None


@pytest.mark.parametrize("change", [{"route": "general", "abstained": True}, {"decision": "ask_back"}])
async def test_what_the_bot_says_by_itself_comes_from_nowhere(bot: Bot, change: dict[str, object]) -> None:
    bot.assistant.change = lambda reply: replace(reply, **change)

    answer = await bot.answer()

    assert answer.embeds == [] and answer.components


async def test_who_gets_no_answer_can_read_on_in_the_pages_that_were_looked_into(bot: Bot) -> None:
    terms = Passage(document="terms.md", chunk=0, text="14 days", title="Terms", url="https://ada.org/terms")
    passages = (terms, replace(terms, chunk=1), replace(terms, title="", url="https://ada.org/a"), LOCAL)
    bot.assistant.change = lambda reply: replace(reply, abstained=True, passages=passages)

    answer = await bot.answer()

    assert answer.embeds[0].description == "Read on: [Terms](https://ada.org/terms), [terms.md](https://ada.org/a)"


async def test_very_many_and_long_sources_fit(bot: Bot) -> None:
    long = replace(CITED, title="*" * 999, quote="_" * 999, url=f"https://ada.org/{'x' * 280}")
    bot.assistant.change = lambda reply: replace(reply, citations=(long,) * 30)

    answer = await bot.answer()

    description = answer.embeds[0].description or ""
    assert 3_000 < len(description) <= 4_096 and description.endswith("”")


async def test_sources_forge_neither_mentions_nor_links(bot: Bot) -> None:
    forged = replace(
        CITED, title="a](https://evil.org) [b", quote="<@1> [c](https://evil.org)", url="https://a.b/(c) d"
    )
    bot.assistant.change = lambda reply: replace(reply, citations=(forged,))

    description = (await bot.answer()).embeds[0].description or ""

    assert description.count("](https:") == 1 and "](https://a.b/%28c%29%20d)" in description
    assert "<@1>" not in description
