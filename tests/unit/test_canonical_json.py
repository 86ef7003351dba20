"""The canonical form is RFC 8785's, so that anybody's implementation gives the bytes that were hashed."""

import json

import pytest
from facts import at

from gateway.audit import AuditAction, AuditEvent, canonical
from gateway.canonical_json import MOST, encoded


def test_names_stand_in_the_order_of_their_utf16_code_units():
    """The RFC's own example (3.2.3): a sign beyond the basic plane stands before U+FB33, by its surrogates."""
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\x80", "\xf6"]
    given = {name: number for number, name in enumerate(names)}
    assert list(json.loads(encoded(given))) == ["\r", "1", "\x80", "\xf6", "\u20ac", "\U0001f600", "\ufb33"]


def test_texts_are_escaped_only_where_json_must():
    """The RFC's own example (3.2.2.2): short escapes where there are some, lower-case hexadecimal else."""
    given = '\u20ac$\x0f\nA\'B"\\\\"/\x08\t\x0c\r\x7f\u2028'
    assert encoded(given) == '"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/\\b\\t\\f\\r\x7f\u2028"'.encode()
    assert encoded(["", True, False, None, {}, [], 0, -1]) == b'["",true,false,null,{},[],0,-1]'


@pytest.mark.parametrize("number", [MOST + 1, -MOST - 1])
def test_a_number_that_programs_read_differently_is_refused(number):
    """Beyond 2^53 a double rounds (3.2.2.3)."""
    assert encoded({"n": MOST}) == b'{"n":9007199254740991}'
    with pytest.raises(ValueError):
        encoded({"n": number})


@pytest.mark.parametrize("value", [1.5, float("nan"), b"x", {1: 2}, {"a": {1}}])
def test_what_is_none_of_our_kinds_is_refused(value):
    """A fraction, bytes, a name that is no text, a set."""
    with pytest.raises(TypeError):
        encoded(value)


def test_half_a_character_is_refused():
    """A lone surrogate has no UTF-8 (3.2.2.2)."""
    with pytest.raises(ValueError):
        encoded("\ud800")


def test_an_event_has_the_form_that_existing_chains_were_made_of():
    """What sealed the logs of earlier versions, key by key in order and without blanks, is what is written now."""
    event = AuditEvent(
        at(7),
        AuditAction.ITEM_CREATED,
        "gateway",
        ("p-1", "p-2"),
        None,
        ("item/é",),
        'M"7\\\t',
        {"vouched": True, "kind": "result", "version": 12},
        7,
    )
    record = {
        "action": str(event.action),
        "at": event.at.isoformat(timespec="microseconds"),
        "correlation": event.correlation,
        "detail": dict(event.detail),
        "entities": list(event.entities),
        "id": event.id,
        "message": event.message,
        "patients": list(event.patients),
        "principal": event.principal,
    }
    earlier = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert canonical(event) == earlier == encoded(record)
