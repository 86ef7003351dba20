"""A story on paper: numbered pages, each with the hash of what it tells, the same bytes for the same story."""

import hashlib
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sites import demo_site

from adapters.audit_key import new_signer
from adapters.story_pdf import Sheet, fingerprint, lines, story_pdf
from gateway.audit import AuditAction, AuditEvent, canonical

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
SHEET = Sheet("du patient 8001", AT, "compte nadia (secrétaire)")
SITE = demo_site()


def acts(count):
    """Give acts of several days, with long and accented words."""
    return [
        AuditEvent(
            AT + timedelta(hours=n),
            AuditAction.ITEM_FORWARDED,
            "account:nadia",
            ("p-1",),
            n,
            ("item/859ff440-7ae3-4a94-bec7-dcb39d1a8366", "secretariat/identite"),
            detail={"to": "cardiologie", "reason": "réorienté à l’œil nu, « très » long " * 3},
            id=n,
        )
        for n in range(1, count + 1)
    ]


def pages(pdf):
    return len(re.findall(rb"/Type /Page\b", pdf))


@pytest.mark.parametrize(("count", "expected"), [(0, 1), (1, 1), (30, 3), (200, 16)])
def test_a_story_takes_as_many_pages_as_it_needs(count, expected):
    """None is one page that says so."""
    pdf = story_pdf(SHEET, acts(count), SITE)
    assert pdf.startswith(b"%PDF-")
    assert pages(pdf) == expected


def test_the_same_story_is_the_same_bytes():
    """And another one is not; its properties name nobody."""
    pdf = story_pdf(SHEET, acts(5), SITE)
    assert story_pdf(SHEET, acts(5), SITE) == pdf
    assert story_pdf(SHEET, acts(6), SITE) != pdf
    assert story_pdf(replace(SHEET, made_at=AT + timedelta(days=1)), acts(5), SITE) != pdf
    assert b"8001" not in re.findall(rb"/Title \((.*?)\)", pdf, re.DOTALL)[0]


def test_a_word_longer_than_a_line_is_broken():
    """Nothing runs off the page."""
    long = replace(acts(1)[0], detail={"reason": "x" * 900})
    short = replace(acts(1)[0], detail={"reason": ""})
    longer, shorter = ([line.text for line in lines(SHEET, [event], SITE)] for event in (long, short))
    assert len(longer) > len(shorter) + 8
    assert max(map(len, longer)) < 130


def test_the_hash_is_over_the_canonical_forms():
    """Whoever has them makes it again."""
    events = acts(2)
    form = b"".join(canonical(event) + b"\n" for event in events)
    assert fingerprint(events) == hashlib.sha256(form).hexdigest()


def test_a_pdf_is_signed_and_nothing_else():
    """The key of checkpoints signs no bytes that could be taken for one."""
    signer, pdf = new_signer(), story_pdf(SHEET, acts(1), SITE)
    Ed25519PublicKey.from_public_bytes(signer.public).verify(signer.signature(pdf), pdf)
    with pytest.raises(ValueError):
        signer.signature(b"{}")
