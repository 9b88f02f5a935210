"""Which messages are answered with a reason instead of a model."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import wording
from bot.admission import MAX_CHARACTERS, clean, objection, other_language
from bot.rows import read_rows

NAUGHTY = Path(__file__).parents[2] / "shared" / "data" / "prompt_injection" / "blns.jsonl"


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("  When?\n", "When?"),
        ("a\x00b\x07c\x1b[0m", "abc[0m"),
        ("a\ud800b\udfffc", "abc"),
        ("zero\u200bwidth \u202eleft", "zerowidth left"),
        ("10\u00a0days,\u3000really", "10 days, really"),
        ("one\r\ntwo\rthree\u2028four\x0cfive", "one\ntwo\nthree\nfour\nfive"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("café Ω 漢字 🙂", "café Ω 漢字 🙂"),
        ("", ""),
    ],
)
def test_clean_keeps_what_can_be_read(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@given(st.text(st.characters(), max_size=200))
def test_clean_text_can_be_stored_and_stays_as_it_is(text: str) -> None:
    cleaned = clean(text)

    assert clean(cleaned) == cleaned
    assert cleaned.encode("utf-8").decode("utf-8") == cleaned


@pytest.mark.parametrize("text", ["", " ", "\n\t", "?!...", "🙂", "\x00", "----"])
def test_message_without_a_word_is_told_how_to_ask(text: str) -> None:
    assert objection(clean(text)) == wording.EMPTY


@pytest.mark.parametrize(("length", "accepted"), [(MAX_CHARACTERS, True), (MAX_CHARACTERS + 1, False)])
def test_question_may_have_so_many_characters_and_not_one_more(length: int, accepted: bool) -> None:
    text = ("What is the refund policy for annual plans? " * 200)[:length]

    assert (objection(text) is None) == accepted


def test_document_of_100_kilobytes_is_told_where_it_belongs() -> None:
    answer = objection(clean("The invoice is paid within 14 days.\n" * 2_900))

    assert answer is not None
    assert "104,399 characters and I read at most 8,000" in answer
    assert "`pointsman ingest`" in answer


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Guten Tag, wann bekomme ich mein Geld zurück?", "de"),
        ("Quand est-ce que je vais recevoir mon remboursement ?", "fr"),
        ("¿Cuándo voy a recibir el reembolso de mi factura?", "es"),
        ("Quando riceverò il rimborso della mia fattura?", "it"),
        ("Onde está a minha fatura do mês passado?", "pt"),
        ("Waar is mijn factuur?", "nl"),
        ("Где мой счёт?", "other"),
        ("请问发票在哪里", "other"),
        ("متى أسترد أموالي؟", "other"),
        ("Πού είναι το τιμολόγιό μου;", "other"),
    ],
)
def test_question_in_another_language_is_told_so(text: str, language: str) -> None:
    assert other_language(text) == language
    assert objection(text) == wording.not_served(language)


@pytest.mark.parametrize(
    "text",
    [
        "When is my refund paid?",
        "hi",
        "thanks",
        "ok",
        "kubernetes",
        "pgsql vacuum analyze",
        "docker compose up -d",
        "ERR_CONN_REFUSED 10061",
        "How do I say “Guten Tag” to a customer?",
        "Is naïve Bayes used by Müller GmbH?",
        "What does 漢字 mean?",
        "12345",
        "SELECT * FROM users WHERE id = 1; DROP TABLE users",
    ],
)
def test_english_and_technical_questions_are_accepted(text: str) -> None:
    assert objection(text) is None


def test_every_naughty_string_gets_through() -> None:
    if not NAUGHTY.is_file():
        pytest.skip("the list of naughty strings lies outside the repository, in ../shared")
    texts = [row["text"] for row in read_rows(NAUGHTY)]

    answers = [objection(clean(text)) for text in texts]

    assert len(answers) > 500
    assert all(answer is None or answer for answer in answers)
    assert answers.count(None) > len(answers) / 2
