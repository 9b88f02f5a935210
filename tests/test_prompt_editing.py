"""A prompt's next version: what makes a text unfit, and that a version which is there never changes."""

from pathlib import Path

import pytest
from test_prompts import template

from bot.errors import InputError, StoreError
from bot.prompt_editing import checked, remarks, save
from bot.prompts import GROUNDED, PLAIN, SHIPPED, PromptLibrary

LIBRARY = PromptLibrary()
GOOD = template("[system]\nSay: I don't know.{{ constraints }}\n[user]\n{{ passages }} {{ question }} {{ earlier }}\n")


@pytest.mark.parametrize("shipped", LIBRARY.all(), ids=lambda each: each.label)
def test_every_shipped_prompt_could_be_saved_as_it_is(shipped: object) -> None:
    again = checked(shipped.name, 2, shipped.text)  # type: ignore[attr-defined]  # a template

    assert again.sections == shipped.sections and remarks(again) == []  # type: ignore[attr-defined]  # a template


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("just words", "this is not a prompt yet: it has no head between two ---"),
        ("---\nsummary: no end\n[user]\n{{ question }}\n", "this is not a prompt yet: it has no head between two ---"),
        ("---\nmax_new_tokens: 9\n---\n[user]\n{{ question }}\n", "its head has no summary; add a line"),
        ("---\nsummary: a: b\n---\n[user]\n{{ question }}\n", "line 1 of its head cannot be read; each of its lines"),
        ("---\n- summary\n---\n[user]\n{{ question }}\n", "its head cannot be read; each of its lines"),
        (
            template("[user]\n{{ question }\n"),
            r"this is not a prompt yet: unexpected '}' in line 1 of \[user\]; values",
        ),
        (template("[user]\n{{ question.__class__ }}\n"), "'__class__' cannot stand in a prompt; no name there begins"),
        (
            template("[user]\n{{ question['__class__'] }}\n"),
            "'__class__' cannot stand in a prompt; no name there begins",
        ),
        (
            template("[user]\n{{ question.colour }} {{ passages }}\n"),
            "a value has no attribute 'colour'; a passage has",
        ),
        (template("[user]\n{{ question | first(2) }} {{ passages }}\n"), "it uses a value in a way that does not work"),
        (template("[user]\n{{ question }} {{ passages }}\n", kinds=7), "kinds has to be a list"),
        (template("[user]\n{{ question }} {{ passages }} {{ colour }}\n"), "there is no value for colour; .* passages"),
        (template("[user]\n{{ question }}\n"), "the text does not use passages"),
        (template("[user]\nHello {{ passages }}\n"), "the text does not use question"),
        (template("[user]\n{{ question }} {{ passages }}\n", max_new_tokens="many"), "max_new_tokens has to be"),
        (template("[user]\n{{ question }} {{ passages }}\n", max_new_tokens="true"), "max_new_tokens has to be"),
        (template("[user]\n{{ question }} {{ passages }}\n", repetition_penalty=9), "repetition_penalty has to be"),
        (template("[user]\n{{ question }} {{ passages }}\n", hidden_reasoning="maybe"), "hidden_reasoning has to be"),
        (template("[user]\n{{ question }} {{ passages }}\n", kinds="[1]"), "kinds has to be a list"),
        (template("[user]\n{{ question }} {{ passages }}\n", summary="''"), "summary has to say"),
        (template("[user]\n{{ question }} {{ passages }} {{ 1 / 0 }}\n"), "'div' cannot stand in a prompt"),
        (template("[user]\n{{ question }} {{ passages[0].text }}\n"), "a value has no element 0; .* there may be none"),
        (template("[user]\n{{ question }} {{ passages }}" + "x" * 50_000), "the longest that can be kept"),
    ],
)
def test_text_that_cannot_answer_is_refused_with_what_is_wrong(text: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        checked(GROUNDED, 2, text)


@pytest.mark.parametrize(
    "text", ["{{ question", "{% if %}", "{{ question | shout }}", "{% endfor %}", "{{ 1 + }}", "{% raw %}"]
)
def test_what_is_wrong_is_said_without_the_words_of_a_program(text: str) -> None:
    with pytest.raises(InputError) as told:
        checked(GROUNDED, 2, template(f"[user]\n{text}\n"))

    assert "\n" not in str(told.value) and not any(
        word in str(told.value) for word in ("__init__", "object", "token '")
    )


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(InputError, match=r"max_new_tokens.*no value for colour.*does not use passages, question"):
        checked(GROUNDED, 2, template("[user]\n{{ colour }}\n", max_new_tokens=0))


def test_what_is_allowed_but_unwise_is_remarked() -> None:
    found = remarks(checked(GROUNDED, 2, template("[user]\n{{ question }} {{ passages }}\n")))

    assert len(found) == 2 and "{{ constraints }}" in found[0] and "I don't know." in found[1]
    assert remarks(checked(GROUNDED, 2, GOOD)) == []


def test_text_from_a_browser_is_kept_with_plain_line_ends(tmp_path: Path) -> None:
    library = PromptLibrary(tmp_path, must_exist=False)

    saved = save(library, tmp_path, GROUNDED, GOOD.replace("\n", "\r\n"))

    assert (saved.label, saved.text) == ("domain/answer@2", GOOD)
    assert (tmp_path / "domain" / "answer.v2.md").read_bytes() == GOOD.encode()


def test_each_save_is_a_version_of_its_own_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    library = PromptLibrary(tmp_path, must_exist=False)

    labels = [save(library, tmp_path, GROUNDED, GOOD.replace("Say", word)).label for word in ("Say", "Tell", "Answer")]

    assert labels == ["domain/answer@2", "domain/answer@3", "domain/answer@4"]
    assert len(list((tmp_path / "domain").iterdir())) == 3 and library.get(PLAIN).text


def test_text_that_a_version_holds_already_is_not_saved_again(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="version 1 holds the same text; nothing was saved"):
        save(LIBRARY, tmp_path, GROUNDED, (SHIPPED / "domain" / "answer.v1.md").read_text())


def test_version_that_somebody_else_saved_meanwhile_is_never_overwritten(tmp_path: Path) -> None:
    save(PromptLibrary(tmp_path), tmp_path, GROUNDED, GOOD)

    with pytest.raises(InputError, match="somebody saved domain/answer@2 a moment ago"):
        save(LIBRARY, tmp_path, GROUNDED, GOOD.replace("Say", "Tell"))

    assert (tmp_path / "domain" / "answer.v2.md").read_text() == GOOD


def test_prompt_that_there_is_not_gets_no_version(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        save(PromptLibrary(tmp_path), tmp_path, "domain/haiku", GOOD)


def test_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "domain").write_text("in the way")

    with pytest.raises(StoreError, match="domain cannot be written"):
        save(LIBRARY, tmp_path, GROUNDED, GOOD)
