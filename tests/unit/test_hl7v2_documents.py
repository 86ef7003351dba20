"""The CI-SIS profile « Transmission de documents CDA en HL7v2 », and CDA headers inside other messages."""

import base64
import hashlib
from datetime import UTC, datetime

import pytest
from facts import IMAGING, Gateway, document, ipp, patient, told
from sites import DEPARTMENT, IPP, PID, demo_site, frame, header

from gateway import er7
from gateway.errors import (
    DocumentIncoherent,
    FieldMissing,
    LimitExceeded,
    MessageIncoherent,
    ValueUnknown,
)
from gateway.facts import Carrier, DocumentAct, DocumentAnswered, Identifier, IdentifierKind, Priority
from gateway.worklist import ItemKind, ItemState
from mappings.hl7v2 import acknowledge, examine, translate

PROFILE = "|||||||||2.1^CISIS_CDA_HL7_V2"
NOW = datetime(2026, 3, 10, tzinfo=UTC)
TXA = "TXA|1|11488-4^CR|TEXT|||||||||D2^^1.2.250.1.999.7^ISO|||||AU"
LETTER = ItemKind.CORRESPONDENCE


def cda(*, patient_id="4711", root=IPP, born="19580321", number="D2", replaces="", others=""):
    related = f'<relatedDocument typeCode="RPLC"><parentDocument><id root="1.2.250.1.999.7" extension="{replaces}"/>'
    related += "</parentDocument></relatedDocument>"
    return (
        '<ClinicalDocument xmlns="urn:hl7-org:v3">'
        f'<id root="1.2.250.1.999.7" extension="{number}"/><code code="11488-4" displayName="CR de consultation"/>'
        f'<title>Compte rendu</title><confidentialityCode code="R"/><recordTarget><patientRole>'
        f'<id root="{root}" extension="{patient_id}"/>{others}<patient><birthTime value="{born}"/></patient>'
        f"</patientRole></recordTarget>{related if replaces else ''}<component/></ClinicalDocument>"
    )


def ed(text="", *, status="F", code="11488-4^CR^LN", kind="TEXT^XML", number=1):
    data = base64.b64encode(text.encode()).decode()
    return f"OBX|{number}|ED|{code}||^{kind}^Base64^{data}||||||{status}"


def error_of(event, *segments, rest=PROFILE):
    kind = "ORU^R01" if event == "R01" else f"MDM^{event}"
    return examine(frame(header(kind, version="2.6", rest=rest), *segments), demo_site()).error


def translated(event, *segments, rest=PROFILE):
    kind = "ORU^R01" if event == "R01" else f"MDM^{event}"
    msh = header(kind, application="DOC", version="2.6", rest=rest)
    return translate(er7.read(frame(msh, *segments)), DEPARTMENT, demo_site())


# -- before the answer -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "path"),
    [
        (cda(), None),
        (cda(patient_id="4712"), "PID-3"),
        (cda(root="1.2.3"), "PID-3"),
        (cda(others=f'<id root="{IPP}" extension="4712"/>'), None),
        (cda(patient_id="4712", others=f'<id root="{IPP}" extension="4711"/>'), None),
        (cda(patient_id="4712", others=f'<id root="{IPP}" extension="4713"/>'), "PID-3"),
        (cda(born="19580322"), "PID-7"),
        (cda(born="1958"), None),
        (cda(born="not a date"), None),
        ("<ClinicalDocument", "OBX-5"),
        ('<!DOCTYPE a [<!ENTITY x "y">]><ClinicalDocument xmlns="urn:hl7-org:v3"/>', "OBX-5"),
    ],
)
def test_the_documents_patient_is_the_messages_or_it_is_refused(document, path):
    """Application error 906 before the answer: another number, another date of birth, no document at all."""
    found = error_of("T02", PID, "ORC|NW", TXA, ed(document))
    assert (found.path if found else None) == path
    assert found is None or type(found) is DocumentIncoherent


@pytest.mark.parametrize("event", ["T01", "T03", "T05", "T08", "T11"])
def test_an_event_that_the_profile_does_not_have_is_refused(event):
    """It writes (T02), replaces (T10) and suppresses (T04); what another event would do to the document is not told."""
    segments = (PID, "ORC|NW", TXA, ed(cda()))
    found = error_of(event, *segments)
    assert (type(found), found.path) == (DocumentIncoherent, "MSH-9.2")
    assert error_of(event, *segments, rest="") is None


def test_the_refusal_carries_the_application_error():
    """ERR-3 = 207 and ERR-5 = 906, and no trait."""
    raw = frame(header("MDM^T02", version="2.6", rest=PROFILE), PID, "ORC|NW", TXA, ed(cda(patient_id="4712")))
    found = examine(raw, demo_site())
    answer = er7.read(
        acknowledge(found, found.error.acknowledgment, found.error, site=demo_site(), now=NOW, control_id="1")
    )
    assert (answer.text("MSA-1"), answer.text("ERR-3.1"), answer.text("ERR-5.1")) == ("AE", "207", "906")
    assert answer.text("ERR-5.3") == "applicationErrorCondition"
    assert b"471" not in bytes(answer)


def test_an_endless_header_is_refused():
    """What is read of a document before the answer is bounded."""
    endless = f'<ClinicalDocument xmlns="urn:hl7-org:v3"><title>{"x" * (1 << 21)}</title></ClinicalDocument>'
    assert type(error_of("T02", PID, "ORC|NW", TXA, ed(endless))) is LimitExceeded


@pytest.mark.parametrize(
    ("control", "status", "path"),
    [
        ("NW", "F", None),
        ("RO", "C", None),
        ("CA", "D", None),
        ("NW", "C", "OBX-11"),
        ("CA", "F", "OBX-11"),
        ("RE", "F", None),
        ("NW", "P", "OBX-11"),
    ],
)
def test_control_and_status_of_a_result_message_go_together(control, status, path):
    """The profile's ORU says by ORC-1 and OBX-11 what is asked for; no order number is needed."""
    found = error_of("R01", PID, f"ORC|{control}", "OBR|1|||11488-4^CR^LN", ed(cda(), status=status))
    assert (found.path if found else None) == path
    assert found is None or type(found) is DocumentIncoherent


def test_a_result_message_of_the_profile_holds_a_document_with_an_id():
    """Without one nothing could ever replace it."""
    found = error_of(
        "R01", PID, "ORC|NW", "OBR|1|||11488-4^CR^LN", ed(cda().replace('<id root="1.2.250.1.999.7"', "<x"))
    )
    assert (type(found), found.path) == (DocumentIncoherent, "OBX-5")


def test_other_messages_are_not_held_to_the_profile():
    """A contradiction outside it is no refusal: a person looks."""
    segments = (PID, TXA, ed(cda(patient_id="4712")))
    assert error_of("T02", *segments, rest="") is None
    with pytest.raises(MessageIncoherent) as caught:
        translated("T02", *segments, rest="")
    assert caught.value.path == "PID-3"


def test_no_document_of_another_patient_hides_behind_a_first():
    """Each document inside is held against the patient, also in a result outside the profile."""
    other = ed(cda(patient_id="4712"), number=2)
    for event, *before in (("T02", TXA), ("R01", "OBR|1||F1|11488-4")):
        assert translated(event, PID, *before, ed(cda()), rest="").facts
        with pytest.raises(MessageIncoherent) as caught:
            translated(event, PID, *before, ed(cda()), other, rest="")
        assert caught.value.path == "PID-3"


def test_a_document_says_its_title_beside_its_print():
    """A PDF before the CDA takes nothing from what the CDA says."""
    (fact,) = translated("T02", PID, TXA, ed("%PDF", kind="application^pdf"), ed(cda(), number=2), rest="").facts
    assert (fact.media_type, fact.title) == ("application/pdf", "Compte rendu")


def test_xml_that_cannot_be_read_is_flagged_outside_the_profile():
    """It is delivered all the same, known by size and digest."""
    told = translated("T02", PID, TXA, ed("<broken"), rest="")
    assert "OBX-5" in {flag.path for flag in told.flags}
    assert told.facts[0].size == len("<broken")


# -- after it ----------------------------------------------------------------------------------------------------------


def test_what_the_document_says_of_itself_is_told():
    """Title, author's words and confidentiality of the CDA header complete what the message says."""
    (fact,) = translated("T02", PID, "ORC|NW", TXA, ed(cda())).facts
    assert (fact.title, fact.confidentiality, fact.type_code) == ("Compte rendu", "R", "11488-4")


def test_a_document_under_another_number_than_its_own_is_flagged():
    """TXA-12 finds it; that the CDA has another id is told."""
    assert "TXA-12" in {f.path for f in translated("T02", PID, "ORC|NW", TXA, ed(cda(number="D9"))).flags}
    assert "TXA-12" not in {f.path for f in translated("T02", PID, "ORC|NW", TXA, ed(cda())).flags}


def test_the_documents_of_a_result_message():
    """An ORU of the profile brings documents under their CDA ids, the texts of the mail that goes with them none."""
    raw = cda(replaces="D1")
    mail = ed("Bonjour", code="CORPSMAIL_PS^Corps^MetaDMPMSS", kind="TEXT^PLAIN", number=3)
    (fact,) = translated(
        "R01",
        *(PID, "PV1|1|I|3010", "ORC|RO", "OBR|1|||11488-4^CR^LN"),
        *(ed(raw, status="C"), "PRT||UC||RCT^Results Copies To^participation||||Cardio^^^^^1^UF^^^U8"),
        *("OBX|2|CE|INVISIBLE_PATIENT^x^MetaDMPMSS||Y^^expandedYes-NoIndicator||||||F", mail),
    ).facts
    assert fact.key == Identifier("1.2.250.1.999.7", "D2", IdentifierKind.OTHER)
    assert (fact.act, fact.replaces.value) == (DocumentAct.REPLACE, "D1")
    assert (fact.unit, fact.restrictions) == ("U8", {"INVISIBLE_PATIENT"})
    assert (fact.size, fact.sha256) == (len(raw.encode()), hashlib.sha256(raw.encode()).hexdigest())


def test_a_document_of_a_result_message_that_is_cut_up_is_read_whole():
    """Base64 in lines, each of which HL7 takes for a segment, is one document, and its status stands behind it."""
    before, data, behind = (
        ed(cda(), status="D").rpartition("^")[0] + "^",
        ed(cda()).rpartition("^")[2].partition("|")[0],
        "||||||D",
    )
    lines = [data[at : at + 76] for at in range(0, len(data), 76)]
    cut = [before + lines[0], *lines[1:-1], lines[-1] + behind]
    (fact,) = translated("R01", PID, "ORC|CA", "OBR|1||F1|11488-4", *cut).facts
    (whole,) = translated("R01", PID, "ORC|CA", "OBR|1||F1|11488-4", ed(cda(), status="D")).facts
    assert fact == whole
    assert error_of("R01", PID, "ORC|CA", "OBR|1||F1|11488-4", *cut) is None


def renditions(act="NW", status="F", *, number="", replaced=("", "")):
    """Give the segments of a result message with a document of level 1 and, beside it, the same of level 3."""
    texts = (cda(number=f"{number}N{level}", replaces=of) for level, of in zip("13", replaced, strict=True))
    return (PID, f"ORC|{act}", "OBR|1|||11488-4^CR^LN", *(ed(t, status=status, number=n) for n, t in enumerate(texts)))


def test_two_formats_of_one_document_are_one_document():
    """An ORU of the profile may bring the content of a document in another format too, under an id of its own."""
    (fact,) = translated("R01", *renditions()).facts
    assert [number.value for number in fact.numbers] == ["N1", "N3"]
    assert fact.size == len(cda(number="N1").encode())


def test_documents_of_two_types_titles_or_orders_are_two():
    """A letter beside a report is no format of it, nor what has another title; another order's document is another."""
    letter = ed(cda(number="N3"), code="11490-0^Lettre de liaison^LN")
    order = ("ORC|NW", "OBR|1|||11488-4^CR^LN")
    assert len(translated("R01", *renditions()[:-1], letter).facts) == 2
    other = ed(cda(number="N3").replace("Compte rendu</", "Scanner</"))
    assert len(translated("R01", *renditions()[:-1], other).facts) == 2
    assert len(translated("R01", *renditions(), ed(cda(number="N5"))).facts) == 3
    assert len(translated("R01", *renditions()[:-1], *order, ed(cda(number="N3"))).facts) == 2


@pytest.mark.parametrize("named", [(0,), (1,), (0, 1), (1, 0)])
def test_each_format_finds_the_one_document(named):
    """Replaced by both ids, in any order, or by either, it is one item; what is told of what was replaced is stale."""
    gateway = Gateway()

    def send(*segments, of=None):
        gateway.send(*translated("R01", *(segments[:3] + tuple(segments[3 + n] for n in of or (0, 1)))).facts)

    send(*renditions())
    send(*renditions("RO", "C", number="B", replaced=("N1", "N3")), of=named)
    assert gateway.only(LETTER).title == "correspondence.replaced"
    assert "held" not in gateway.endings[-1].notes
    send(*renditions("CA", "D"))
    assert gateway.endings[-1].notes["stale"] == 1
    assert gateway.only(LETTER).title == "correspondence.replaced"
    send(*renditions("CA", "D", number="B"), of=named[:1])
    assert gateway.only(LETTER, every=True).state is ItemState.WITHDRAWN


def test_the_same_document_has_one_number_in_both_kinds_of_message():
    """What an ORU brings, an MDM replaces."""
    (by_oru,) = translated("R01", PID, "ORC|NW", "OBR|1|||11488-4", ed(cda())).facts
    (by_mdm,) = translated("T02", PID, "ORC|NW", TXA, ed(cda())).facts
    assert by_oru.key == by_mdm.key


@pytest.mark.parametrize(("value", "set_"), [("N", False), ("Y", True), ("?", True), ("", True)])
def test_a_restriction_is_set_unless_it_says_no(value, set_):
    """What cannot be understood protects, and is flagged."""
    told = translated("T02", PID, "ORC|NW", TXA, ed(cda()), f"OBX|2|CWE|MASQUE_PS^x||{value}||||||F")
    assert (told.facts[0].restrictions == {"MASQUE_PS"}) is set_
    assert ("OBX[2]-5" in {f.path for f in told.flags}) is (value in {"?", ""})


def test_further_units_get_copies():
    """Each PRT that directs it to a unit or service counts, the first as its own."""
    directed = "PRT||UC||RCT^Results Copies To^participation||||x^^^^^1^{}^^^{}"
    lines = (directed.format("UF", "U8"), directed.format("SVR", "U9"), directed.format("FINEG", "300017985"))
    (fact,) = translated("T02", PID, "ORC|NW", TXA, ed(cda()), *lines).facts
    assert (fact.unit, fact.copies) == ("U8", ("U9",))


@pytest.mark.parametrize(
    ("event", "code", "act", "flagged"),
    [
        ("T03", "CA", DocumentAct.WITHDRAW, False),
        ("T03", "OB", DocumentAct.STATUS, True),
        ("T02", "CA", DocumentAct.CREATE, True),
        ("T02", "AV", DocumentAct.CREATE, False),
    ],
)
def test_the_availability_of_a_document(event, code, act, flagged):
    """TXA-19: a status that it is deleted withdraws it; what contradicts the event is flagged, the event wins."""
    told = translated(event, PID, f"{TXA}|R|{code}", rest="")
    assert (told.facts[0].act, told.facts[0].availability) == (act, code)
    assert told.facts[0].confidentiality == "R"
    assert ("TXA-19" in {f.path for f in told.flags}) is flagged


def test_a_document_of_20_megabytes():
    """It is measured and hashed in pieces, and its header found without its body."""
    text = cda().replace("<component/>", "<component>" + "x" * 20_000_000 + "</component>")
    (fact,) = translated("T02", PID, "ORC|NW", TXA, ed(text)).facts
    assert (fact.size, fact.title) == (len(text), "Compte rendu")
    assert fact.sha256 == hashlib.sha256(text.encode()).hexdigest()


# -- business acknowledgments ------------------------------------------------------------------------------------------


def zam(event, code, of="M7", value="Y"):
    msh = header(f"ZAM^{event}^ZAM_Z01", version="2.6", rest=PROFILE).replace("SECRETARIAT|CHU", "DOC|CHU")
    return frame(msh, f"OBX|1|CWE|{code}^x^AckMetierZAM|{of}|{value}^^expandedYes-NoIndicator||||||F")


@pytest.mark.parametrize(
    ("event", "code", "carrier"),
    [
        ("Z01", "ACK_RECEPTION_DMP", Carrier.RECORD),
        ("Z02", "ACK_RECEPTION_MSS", Carrier.MAIL),
        ("Z03", "ACK_LECTURE_MSS", Carrier.READER),
    ],
)
def test_a_business_acknowledgment_names_the_message_that_carried_the_document(event, code, carrier):
    """By its control ID, among those of the receiver of the acknowledgment, who made the document."""
    raw = zam(event, code, value="N")
    assert examine(raw, demo_site()).error is None
    (fact,) = translate(er7.read(raw), DEPARTMENT, demo_site()).facts
    assert fact == DocumentAnswered(
        Identifier("department/message", "M7", IdentifierKind.OTHER), carrier, arrived=False
    )


@pytest.mark.parametrize(
    ("raw", "error", "path"),
    [
        (zam("Z01", "DESTINATAIRE_MSS"), FieldMissing, "OBX-3"),
        (zam("Z01", "ACK_RECEPTION_DMP", of=""), FieldMissing, "OBX-4"),
        (zam("Z01", "ACK_RECEPTION_DMP", value="?"), ValueUnknown, "OBX-5"),
    ],
)
def test_a_business_acknowledgment_that_says_nothing_is_refused(raw, error, path):
    """No answer, no message, neither yes nor no."""
    found = examine(raw, demo_site()).error
    assert (type(found), found.path) == (error, path)


MESSAGE = Identifier("imaging/message", "M7", IdentifierKind.OTHER)
ANNE_1 = patient(ipp("1"))


def sent():
    gateway = Gateway()
    gateway.send(told(ANNE_1))
    gateway.send(document(ANNE_1, carried_by=MESSAGE), source=IMAGING)
    return gateway


def test_a_document_that_did_not_arrive_is_urgent_until_it_does():
    """The secretariat hears of it, and no more once it has arrived."""
    gateway = sent()
    gateway.send(DocumentAnswered(MESSAGE, Carrier.MAIL, arrived=False))
    item = gateway.only(LETTER)
    assert (item.title, item.priority) == ("correspondence.undelivered", Priority.URGENT)
    gateway.send(DocumentAnswered(MESSAGE, Carrier.RECORD, arrived=True))
    assert gateway.only(LETTER).title == "correspondence.undelivered"
    gateway.send(DocumentAnswered(MESSAGE, Carrier.MAIL, arrived=True))
    assert gateway.only(LETTER).title == "correspondence.new"


def test_a_good_answer_changes_nothing_for_the_reader():
    """It makes no new version."""
    gateway = sent()
    before = gateway.only(LETTER)
    gateway.send(DocumentAnswered(MESSAGE, Carrier.RECORD, arrived=True))
    assert gateway.only(LETTER) == before


def test_an_answer_for_a_document_that_nobody_knows():
    """A good one is counted; a bad one is for a person."""
    gateway = sent()
    unknown = Identifier("imaging/message", "M8", IdentifierKind.OTHER)
    gateway.send(DocumentAnswered(unknown, Carrier.MAIL, arrived=True))
    assert gateway.endings[-1].notes["unmatched"] == 1
    gateway.process([gateway.job(DocumentAnswered(unknown, Carrier.MAIL, arrived=False))])
    assert gateway.endings[-1].outcome.error == "PersonNeeded"


def test_the_typing_loop_is_one_item_that_moves_on():
    """Dictated, typed, to sign, signed: each step is work again, and the item says which."""
    gateway = Gateway()
    gateway.send(told(ANNE_1))
    gateway.send(document(ANNE_1, completion="DI"), source=IMAGING)
    titles = [gateway.only(LETTER).title]
    for completion in ("DO", "PA", "LA"):
        gateway.send(document(ANNE_1, DocumentAct.STATUS, completion=completion), source=IMAGING)
        titles.append(gateway.only(LETTER).title)
    assert titles == [
        "correspondence.dictated",
        "correspondence.typed",
        "correspondence.to-sign",
        "correspondence.status",
    ]
    assert gateway.only(LETTER).state is ItemState.NEW
