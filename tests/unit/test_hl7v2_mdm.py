import base64
import hashlib

import pytest
from sites import DEPARTMENT, PID, demo_site, frame, header

from gateway import er7
from gateway.errors import DataTypeInvalid, UndecidedError
from gateway.facts import DocumentAct, DocumentReported, Identifier, IdentifierKind
from mappings.hl7v2 import translate

CDA = "|||||||||2.1^CISIS_CDA_HL7_V2"


def txa(**fields):
    sent = {"f2": "DI^Compte rendu", "f3": "TX", "f12": "D2", **fields}
    return "TXA|1|" + "|".join(sent.get(f"f{n}", "") for n in range(2, 24)).rstrip("|")


def translated(event, *segments, rest=""):
    msh = header(f"MDM^{event}", application="DOC", version="2.6", rest=rest)
    return translate(er7.read(frame(msh, PID, *segments)), DEPARTMENT, demo_site())


def said(event, *segments, rest=""):
    (fact,) = translated(event, *segments, rest=rest).facts
    assert isinstance(fact, DocumentReported)
    return fact


def key(value, authority="department"):
    return Identifier(authority, value, IdentifierKind.OTHER)


@pytest.mark.parametrize(
    ("event", "parent", "act", "replaces"),
    [
        ("T01", "", DocumentAct.CREATE, None),
        ("T02", "", DocumentAct.CREATE, None),
        ("T03", "", DocumentAct.STATUS, None),
        ("T04", "", DocumentAct.STATUS, None),
        ("T05", "D1", DocumentAct.CREATE, None),
        ("T06", "D1", DocumentAct.CREATE, None),
        ("T07", "", DocumentAct.STATUS, None),
        ("T08", "", DocumentAct.STATUS, None),
        ("T08", "D2", DocumentAct.STATUS, None),
        ("T08", "D1", DocumentAct.REPLACE, "D1"),
        ("T09", "D1", DocumentAct.REPLACE, "D1"),
        ("T10", "D1", DocumentAct.REPLACE, "D1"),
        ("T10", "", DocumentAct.REPLACE, None),
        ("T11", "", DocumentAct.WITHDRAW, None),
    ],
)
def test_the_event_says_what_happened_to_the_document(event, parent, act, replaces):
    """Written, status, addendum beside its parent, edit, replacement, cancellation."""
    found = said(event, txa(f13=parent))
    assert (found.key, found.act) == (key("D2"), act)
    assert found.replaces == (key(replaces) if replaces else None)


def test_a_replacement_that_names_nothing_is_flagged():
    """Outside the CI-SIS profile TXA-13 may lack; that is told."""
    assert "TXA-13" in {flag.path for flag in translated("T10", txa()).flags}


def test_content_of_which_nothing_says_how_it_is_written_is_flagged():
    """Without ED-4 base64 is not told from text: what is measured is what was sent."""
    told = translated("T02", txa(), "OBX|1|ED|D||^AP^PDF^^JVBERg==||||||F")
    assert (told.flags[-1].path, told.facts[0].size) == ("OBX-5.4", 8)
    assert not translated("T02", txa(), "OBX|1|ED|D||^AP^PDF^Base64^JVBERg==||||||F").flags


def test_t04_withdraws_in_the_cda_profile():
    """CI-SIS gives T04 the meaning of suppression."""
    assert said("T04", "ORC|CA", txa(), rest=CDA).act is DocumentAct.WITHDRAW


def test_a_document_in_full():
    """Number, type, author, completion and unit are read where MDM has them."""
    author = "9^DOC^JO^^^DR" + "^" * 17 + "U9"
    found = said("T02", "PV1|1|I|3010", txa(f2="11488-4^Compte rendu", f9=author, f12="7^X^1.2.3^ISO", f17="AU"))
    assert found.key == key("7", "1.2.3")
    assert (found.type_code, found.type_label, found.completion) == ("11488-4", "Compte rendu", "AU")
    assert (found.unit, found.author) == ("U9", "DR JO DOC")


@pytest.mark.parametrize(
    ("segments", "unit"),
    [
        (("PV1|1|I|3010", txa()), "3010"),
        (("ORC|NW||||||||||||||||U17", txa()), "U17"),
        (("PV1|1|I|3010", txa(), "PRT|1|UC|1|RCT||||Cardio^^^^^^UF^^^U8"), "U8"),
    ],
)
def test_the_unit_of_a_document(segments, unit):
    """A PRT that directs it, else the patient's unit, else ORC-17."""
    assert said("T02", *segments).unit == unit


@pytest.mark.parametrize(
    ("type_", "obx", "told"),
    [
        ("DI^Imagerie", "OBX|1|ED|18748-4^CR imagerie^LN||^AP^PDF^Base64^AAAA", ("18748-4", "CR imagerie")),
        ("DI^Imagerie", "OBX|1|TX|CODE^Texte||x", ("DI", "Imagerie")),
        ("DI", "OBX|1|TX|CODE^Texte||x", ("DI", "Texte")),
        ("11488-4", "OBX|1|ED|18748-4^CR imagerie^LN||^AP^PDF^Base64^AAAA", ("11488-4", "")),
    ],
)
def test_the_type_is_loinc_where_there_is_one(type_, obx, told):
    """TXA-2, else OBX-3, if it is LOINC; else TXA-2 as sent."""
    found = said("T02", txa(f2=type_), obx)
    assert (found.type_code, found.type_label) == told


CONTENTS = [
    ("^AP^PDF^Base64^SGVsbG8=", "application/pdf", b"Hello"),
    ("^application^pdf^BASE64^SGVs\\.br\\bG8=", "application/pdf", b"Hello"),
    ("^TEXT^XML^Base64^PGEvPg==", "text/xml", b"<a/>"),
    ("^text/rtf^^Base64^SGVsbG8=", "text/rtf", b"Hello"),
    ("^IM^JPEG^Hex^FFD8", "image/jpeg", b"\xff\xd8"),
    ("^TX^^A^Hello", "text/plain", b"Hello"),
    ("^^^Base64^SGVsbG8=", "application/octet-stream", b"Hello"),
]


@pytest.mark.parametrize(("sent", "media_type", "data"), CONTENTS)
def test_embedded_content_is_known_by_type_size_and_digest(sent, media_type, data):
    """What is carried is decoded by its encoding, measured and hashed."""
    found = said("T02", txa(), "OBX|1|TX|X||note", f"OBX|2|ED|DOC||{sent}")
    assert (found.media_type, found.size, found.sha256) == (media_type, len(data), hashlib.sha256(data).hexdigest())


def test_a_text_document_has_content_too():
    """Lines of text are content as well: an edit shows as another digest."""
    found = said("T02", txa(), "OBX|1|TX|X||Bonjour", "OBX|2|FT|X||à tous")
    assert (found.media_type, found.size) == ("text/plain", len("Bonjour\nà tous".encode()))


@pytest.mark.parametrize("segments", [(), ("OBX|1|ED|DOC||^AP^PDF^Base64^",), ("OBX|1|HD|X||",)])
def test_a_document_may_have_no_content(segments):
    """Nothing embedded is no content, not an empty one."""
    found = said("T02", txa(), *segments)
    assert (found.media_type, found.size, found.sha256) == ("", 0, "")


@pytest.mark.parametrize(
    "sent", ["^AP^PDF^Base64^SGVsbG8", "^AP^PDF^Base64^é", "^AP^PDF^Base64^A*B=", "^AP^PDF^Hex^0g"]
)
def test_content_not_in_its_encoding_is_the_senders_error(sent):
    """The place is named, and not one character of the content."""
    with pytest.raises(DataTypeInvalid) as caught:
        said("T02", txa(), "OBX|1|TX|X||note", f"OBX|2|ED|DOC||{sent}")
    assert caught.value.path == "OBX[2]-5"
    assert sent.rsplit("^", 1)[1] not in caught.value.rule


@pytest.mark.parametrize("segments", [(txa(), PID), (txa(), txa())])
def test_several_documents_or_patients_are_for_a_person(segments):
    """One document of one patient in a message; anything else is not guessed at."""
    with pytest.raises(UndecidedError):
        said("T02", *segments)


CUT = base64.encodebytes(bytes(range(256))).decode().split()
OBX = "OBX|1|ED|PDF||^application^pdf^Base64^"


@pytest.mark.parametrize(
    "lines",
    [
        (OBX + "\\.br\\".join(CUT) + "||||||F",),
        (OBX + "~".join(CUT) + "||||||F",),
        (OBX + "\n".join(CUT) + "||||||F",),
        (OBX + "\r\n".join(CUT) + "||||||F",),
        (OBX + CUT[0], *CUT[1:-1], CUT[-1] + "||||||F"),
        (OBX + " ".join(CUT) + "||||||F",),
    ],
)
def test_content_that_is_cut_up_is_read_whole(lines):
    """Lines, layout escapes, repetitions and spaces within Base64 are of one content, and OBX-11 stands behind it."""
    fact = said("T02", txa(), *lines, "OBX|2|TX|NOTE||hello||||||F")
    assert (fact.size, fact.sha256) == (256, hashlib.sha256(bytes(range(256))).hexdigest())


def test_a_second_content_is_no_part_of_the_first():
    """A repetition that is an ED of its own is another content: the first is known by its own digest."""
    fact = said("T02", txa(), f"{OBX}YQ==~^text^plain^Base64^Yg==")
    assert fact.sha256 == hashlib.sha256(b"a").hexdigest()
