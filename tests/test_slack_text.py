"""Slack's spelling of text: what people typed made plain, and ours made safe."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.markup import JOINER
from connectors.slack.text import escaped, link, mentions_somebody_else, plain, shortened


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("<@UBOT> When is it paid?", "When is it paid?"),
        ("<@UBOT|pointsman> When?", "When?"),
        ("Ask <@U2> or <@U3|Eve>", "Ask @U2 or @Eve"),
        ("see <#C1|billing> and <#C2>", "see #billing and #C2"),
        ("<!here> and <!channel|channel>", "@here and channel"),
        ("<!subteam^S1|@finance> or <!subteam^S2>", "@finance or @a group"),
        ("on <!date^1392734382^{date}|Feb 18>", "on Feb 18"),
        ("<https://a.test/x?a=1&amp;b=2>", "https://a.test/x?a=1&b=2"),
        ("<https://a.test|the page>", "the page (https://a.test)"),
        ("<https://a.test|https://a.test>", "https://a.test"),
        ("<mailto:ada@a.test|ada@a.test>", "ada@a.test"),
        ("a &lt;b&gt; &amp;&amp; c", "a <b> && c"),
        ("&lt;@U2&gt; and &amp;lt;", "<@U2> and &lt;"),
        ("1 > 0 < 2", "1 > 0 < 2"),
        ("<@UBOT>", ""),
    ],
)
def test_what_somebody_typed_is_made_plain(typed: str, read: str) -> None:
    assert plain(typed, bot="UBOT") == read


@given(st.text())
def test_text_without_references_comes_back_as_it_was_typed(text: str) -> None:
    sent = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

    assert plain(sent, bot="UBOT") == text.strip()


@pytest.mark.parametrize(
    ("text", "somebody_else"),
    [
        ("<@U2> can you help?", True),
        ("  <@U2|Eve> can you help?", True),
        ("<@UBOT> can you help?", False),
        ("can <@U2> help?", False),
        ("&lt;@U2&gt; help", False),
        ("", False),
    ],
)
def test_message_that_opens_with_a_mention_is_meant_for_that_person(text: str, somebody_else: bool) -> None:
    assert mentions_somebody_else(text, bot="UBOT") is somebody_else


@given(st.text("<>&@!ehr x"))
def test_our_text_holds_no_control_characters_and_is_read_as_it_stands(text: str) -> None:
    safe = escaped(text)

    assert not {"<", ">"} & set(safe)
    assert plain(safe, bot="UBOT").replace(JOINER, "") == text.strip()


@pytest.mark.parametrize(
    ("title", "url", "shown"),
    [
        ("Refunds", "https://a.test/r", "<https://a.test/r|Refunds>"),
        ("Refunds > When & why", "http://a.test", "<http://a.test|Refunds &gt; When &amp; why>"),
        ("a|b\nc", "https://a.test", "<https://a.test|a/b c>"),
        ("Refunds", "https://a.test/?a=1&b=2", "<https://a.test/?a=1&amp;b=2|Refunds>"),
        ("Refunds", "https://a.test/a b|c>d", "<https://a.test/a%20b%7Cc%3Ed|Refunds>"),
        ("Refunds", "https://a.test/@here", "<https://a.test/@here|Refunds>"),
        ("Refunds", "https://a.test/x\n", "<https://a.test/x|Refunds>"),
        ("Refunds", None, "Refunds"),
        ("<!here>", None, f"&lt;{JOINER}!here&gt;"),
        ("Refunds", "javascript:alert(1)", "Refunds"),
    ],
)
def test_link_shows_its_title_and_leads_to_the_web_only(title: str, url: str | None, shown: str) -> None:
    assert link(title, url) == shown


@pytest.mark.parametrize(
    ("text", "short"), [("one two", "one two"), ("one  \n two", "one two"), ("one two three", "one two…"), ("", "")]
)
def test_long_text_is_cut_with_a_sign_that_it_goes_on(text: str, short: str) -> None:
    assert shortened(text, 9) == short
