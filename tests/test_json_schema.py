"""Which output_schema is accepted, and which values keep to it."""

import pytest

from bot.json_schema import claims, keeps_to, parse_schema

CLAUSE = {
    "type": "object",
    "properties": {"found": {"type": "boolean"}, "risk": {"enum": ["low", "high"]}, "kind": {"const": "clause"}},
    "required": ["found"],
}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("JSON, please", "Expecting value"),
        ("[]", "not an object"),
        ('{"type": "text"}', "text"),
        ('{"$ref": "https://example.com/schema"}', "somewhere else"),
        ('{"properties": {"a": {"items": {"$ref": "file:///etc/passwd"}}}}', "somewhere else"),
    ],
)
def test_text_that_is_no_schema_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_schema(text)


@pytest.mark.parametrize(
    ("value", "fits"),
    [({"found": True, "risk": "low"}, True), ({"risk": "low"}, False), ({"found": True, "risk": "none"}, False)],
)
def test_value_keeps_to_its_schema(value: object, fits: bool) -> None:
    assert keeps_to(value, CLAUSE) is fits


def test_reference_that_leads_nowhere_is_kept_to_by_nothing() -> None:
    assert not keeps_to({"a": 1}, {"$ref": "#/missing"})


OPEN: dict[str, object] = {
    "properties": {
        "found": {"type": "boolean"},
        "risk": {"enum": ["low", "high"]},
        "grade": {"enum": ["A", "B", 1, 2]},
        "clause": {"type": "string"},
        "until": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}$"},
        "parts": {"items": {"anyOf": [{"const": "none"}, {"type": "number"}]}},
    }
}


@pytest.mark.parametrize(
    ("value", "claimed"),
    [
        ({"found": True, "risk": "low"}, []),
        ({"grade": "A"}, []),
        ({"grade": 1}, []),
        ({"clause": "low"}, ["low"]),  # listed, but not here
        ({"risk": "low", "clause": "The rent is paid"}, ["The rent is paid"]),
        ({"until": "2027-03"}, ["2027-03"]),
        ({"parts": ["none", 3]}, [3]),
        ({"parts": [None, False]}, []),
        ({"penalty": True}, ["penalty"]),  # a field that the schema does not know
    ],
)
def test_claims_are_what_the_schema_does_not_list_where_it_stands(value: object, claimed: list[object]) -> None:
    assert claims(value, OPEN) == claimed


def test_value_may_be_a_claim_as_a_whole() -> None:
    assert claims("no dogs", {"type": "string"}) == ["no dogs"]
    assert claims("yes", {"enum": ["yes", "no"]}) == []
