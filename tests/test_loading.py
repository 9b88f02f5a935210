"""Files, folders and rows to documents."""

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from bot.errors import InputError
from bot.messages import Document
from knowledge.loading import Source, Unreadable, find_sources

PAGE = """<html><head><title>Refunds</title><script>track()</script></head><body>
<nav>Home About</nav><h1>Refunds<a class="headerlink" href="#r">¶</a></h1><p>Paid within 14&nbsp;days.</p>
<table><tr><th>Plan</th><th>Days</th></tr><tr><td>Basic</td><td>14</td></tr></table><footer>Imprint</footer>
</body></html>"""
WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"


def pdf(text: str) -> bytes:
    """A PDF of one page with one line of text."""
    drawn = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET"
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
        "/Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>",
        f"<< /Length {len(drawn)} >>\nstream\n{drawn}\nendstream",
    ]
    data, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(data))
        data += f"{number} 0 obj\n{content}\nendobj\n".encode()
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    size = len(objects) + 1
    end = f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{len(data)}"
    return data + end.encode() + b"\n%%EOF\n"


def docx(heading: str, text: str) -> bytes:
    """A DOCX with one heading and one paragraph."""
    styled = '<w:pPr><w:pStyle w:val="Heading1"/></w:pPr>'
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Override PartName="/word/document.xml" '
        'ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r1" '
        f'Type="{OFFICE}/officeDocument" Target="word/document.xml"/></Relationships>',
        "word/_rels/document.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r1" '
        f'Type="{OFFICE}/styles" Target="styles.xml"/></Relationships>',
        "word/styles.xml": f'<w:styles {WORD}><w:style w:type="paragraph" w:styleId="Heading1">'
        '<w:name w:val="heading 1"/></w:style></w:styles>',
        "word/document.xml": f"<w:document {WORD}><w:body><w:p>{styled}<w:r><w:t>{heading}</w:t></w:r></w:p>"
        f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:body></w:document>",
    }
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, f'<?xml version="1.0" encoding="UTF-8"?>{content}')
    return held.getvalue()


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def read(folder: Path, name: str, data: bytes) -> Document:
    """The one document of a file."""
    write(folder, {name: data})
    (source,) = find_sources([folder / name])
    assert isinstance(source, Source)
    return source.read()


def found(*paths: Path) -> list[str]:
    return [source.id for source in find_sources(paths)]


@pytest.mark.parametrize(
    ("name", "data", "text"),
    [
        ("a.md", b"# Refunds\n\nPaid.", "# Refunds\n\nPaid."),
        ("a.MARKDOWN", b"Paid.", "Paid."),
        ("a.txt", b"Paid.\r\nSoon.\r\n", "Paid.\nSoon."),
        ("a.txt", b"\xef\xbb\xbfPaid.", "Paid."),
        ("a.txt", "café, 14\u00a0days\n\n\n\n\nnext\x0cpage\x07".encode(), "café, 14 days\n\nnext\npage"),
        ("a.txt", "caf\u00e9 \u20ac5 \u201cnow\u201d".encode("cp1252"), "café €5 “now”"),
        ("a.pdf", pdf("Paid within 14 days."), "Paid within 14 days."),
        ("a.docx", docx("Refunds", "Paid within 14 days."), "# Refunds\n\nPaid within 14 days."),
    ],
)
def test_file_becomes_markdown(name: str, data: bytes, text: str, tmp_path: Path) -> None:
    document = read(tmp_path, name, data)

    assert document == Document(id=name, title="a", text=text)


@pytest.mark.parametrize("name", ["a.html", "a.htm", "a.HTM"])
def test_web_page_becomes_its_content_without_menus_and_scripts(name: str, tmp_path: Path) -> None:
    document = read(tmp_path, name, PAGE.encode())

    assert document.title == "Refunds"
    assert document.text.startswith("# Refunds\n\nPaid within 14 days.\n")
    assert "| Basic | 14 |" in document.text
    assert not any(word in document.text for word in ("Home", "track", "Imprint", "¶"))


@pytest.mark.parametrize("head", ['<meta charset="iso-8859-1">', ""])
def test_web_page_in_an_old_encoding_is_read(head: str, tmp_path: Path) -> None:
    data = f"<html><head>{head}</head><body><p>Zürich café</p></body></html>".encode("latin-1")

    assert read(tmp_path, "a.html", data).text == "Zürich café"


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.pdf", b"%PDF-1.4\nbroken", "broken or protected; open it"),
        ("a.pdf", pdf("x")[:200], "broken or protected"),
        ("a.pdf", b"", "broken or protected"),
        ("a.pdf", b"plain words", "broken or protected"),
        ("a.pdf", pdf(""), "it holds no text .*text recognition"),
        ("a.docx", b"PK\x03\x04broken", "broken or protected; open it"),
        ("a.docx", docx("Refunds", "x")[:300], "broken or protected"),
        ("a.docx", docx("", ""), "it holds no text"),
        ("a.txt", b"\x7fELF\x00\x01", "binary file under a text file's name"),
        ("a.md", b"", "it holds no text"),
        ("a.md", b" \n\t\x07\n", "it holds no text"),
        ("a.html", b"<html><nav>Menu</nav></html>", "it holds no text"),
    ],
)
def test_file_that_cannot_be_used_is_refused_with_the_reason(
    name: str, data: bytes, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=reason):
        read(tmp_path, name, data)


def test_file_that_vanished_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        Source("a.md", tmp_path / "a.md").read()


def test_folder_is_searched_in_a_stable_order_without_hidden_and_other_files(tmp_path: Path) -> None:
    names = ["b.md", "a/z.txt", "a/b/c.HTML", ".git/x.md", "a/.hidden.md", "image.png", "code.py", "README"]
    write(tmp_path, dict.fromkeys(names, b"x"))

    assert found(tmp_path) == ["a/b/c.HTML", "a/z.txt", "b.md"]


def test_what_sphinx_puts_beside_the_pages_of_a_manual_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path, dict.fromkeys(["index.html", "_sources/index.rst.txt", "_static/about.html"], b"x"))

    assert found(tmp_path) == ["index.html"]


def test_folder_below_a_hidden_one_may_be_named(tmp_path: Path) -> None:
    write(tmp_path, {".notes/a.md": b"x"})

    assert found(tmp_path / ".notes") == ["a.md"]


def test_several_paths_are_taken_in_their_order(tmp_path: Path) -> None:
    write(tmp_path, {"a.md": b"x", "docs/b.md": b"x"})

    assert found(tmp_path / "docs", tmp_path / "a.md") == ["b.md", "a.md"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [("nowhere", "nowhere does not exist"), ("a.png", r"a\.png: files of this kind are not read; these are: \.docx,")],
)
def test_path_that_is_named_has_to_be_of_use(name: str, reason: str, tmp_path: Path) -> None:
    write(tmp_path, {"a.png": b"x"})

    with pytest.raises(InputError, match=reason):
        found(tmp_path / name)


def test_each_line_of_a_jsonl_file_is_a_document(tmp_path: Path) -> None:
    rows = [
        {"id": "r1", "title": "Refunds", "text": "Paid.\x07", "url": "https://docs.test/r1", "extra": 1},
        {"_id": 7, "text": "Sent."},
    ]
    write(tmp_path, {"a.jsonl": "\r\n\n".join(json.dumps(row) for row in rows).encode()})

    documents = [source.read() for source in find_sources([tmp_path]) if isinstance(source, Source)]

    assert documents == [
        Document(id="r1", title="Refunds", text="Paid.", url="https://docs.test/r1"),
        Document(id="7", title="", text="Sent."),
    ]


@pytest.mark.parametrize("url", ["javascript:alert(1)", "/etc/passwd", "", 5, None])
def test_address_of_a_row_is_kept_only_if_it_is_one(url: object, tmp_path: Path) -> None:
    document = read(tmp_path, "a.jsonl", json.dumps({"id": 1, "text": "x", "url": url}).encode())

    assert document.url is None


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"id": 1, "text": ', "not JSON: "),
        (b"[" * 100_000, "not JSON: "),
        (b'{"id": 1}', 'no usable "text"; a row is {"id" or "_id", "title", "text", "url"?}'),
        (b'{"text": "x"}', 'no usable "id"; a row is {"id" or "_id"'),
        (b'{"id": "", "text": "x"}', 'no usable "id"; a row is'),
        (b'{"id": [1], "text": "x"}', 'no usable "id"; a row is'),
        (b'"id, text"', "not an object; a row is"),
        (b"null", "not an object; a row is"),
    ],
)
def test_line_that_is_no_row_is_named_and_the_others_are_read(line: bytes, reason: str, tmp_path: Path) -> None:
    write(tmp_path, {"a.jsonl": b'{"id": "first", "text": "x"}\n' + line + b'\n{"id": "last", "text": "x"}'})

    first, wrong, last = find_sources([tmp_path])

    assert (first.id, wrong.id, last.id) == ("first", "a.jsonl, line 2", "last")
    assert isinstance(wrong, Unreadable) and wrong.reason.startswith(reason)


def test_row_without_text_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="it holds no text"):
        read(tmp_path, "a.jsonl", b'{"id": 1, "text": " "}')


def test_rows_of_an_upload_have_names_that_no_other_document_has(tmp_path: Path) -> None:
    write(tmp_path, {"uploads/a.jsonl": b'{"id": "refunds.md", "text": "x"}\n{"id": "uploads/b", "text": "x"}'})

    assert [source.id for source in find_sources([tmp_path])] == ["uploads/refunds.md", "uploads/b"]


def test_jsonl_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    assert read(tmp_path, "a.jsonl", b'\xef\xbb\xbf{"id": 1, "text": "x"}').text == "x"


def test_jsonl_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    write(tmp_path, {"a.jsonl": '{"id": 1, "text": "café"}'.encode("latin-1")})

    (wrong,) = find_sources([tmp_path])

    assert isinstance(wrong, Unreadable)
    assert (wrong.id, wrong.reason[:16]) == ("a.jsonl", "cannot be read: ")


def test_link_to_a_file_of_the_same_folder_is_no_second_document(tmp_path: Path) -> None:
    (tmp_path / "page.en.html").write_text("<h1>Refunds</h1><p>Within 14 days.</p>")
    (tmp_path / "page.html").symlink_to("page.en.html")

    assert [source.id for source in find_sources([tmp_path])] == ["page.en.html"]
