import unicodedata
from dataclasses import replace

import pytest
from sites import PID, demo_site, frame, header

from gateway.errors import (
    AckCode,
    CharsetUndecodable,
    DataTypeInvalid,
    FieldMissing,
    HeaderInvalid,
    LimitExceeded,
    NotHl7,
    ReceiverUnknown,
    SegmentMissing,
    SenderError,
    SourceUndeclared,
    UnsupportedEvent,
    UnsupportedMessageType,
    UnsupportedProcessingId,
    UnsupportedVersion,
)
from gateway.site import OnError, Source, SourceRole
from mappings.hl7v2 import examine

SITE = demo_site()
ADT = header("ADT^A01^ADT_A01")
SCH = "SCH|P1|F1|||||||||^^30^202604011000^202604011030"
TXA = "TXA|1|DI|TX|||||||||D1"


def error_of(*segments, site=SITE):
    return examine(frame(*segments), site).error


def test_a_sound_message_has_no_error():
    """A message that lacks nothing shows who sent it, what it is, and no error."""
    found = examine(frame(ADT, PID), SITE)
    assert found.error is None
    assert found.source is not None
    assert (found.source.id, found.control_id, found.message_type, found.processing_id) == (
        "admissions",
        "M1",
        "ADT^A01",
        "P",
    )


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b"", NotHl7),
        (b"\r\n", NotHl7),
        (b"HELLO", NotHl7),
        (b"MSH", HeaderInvalid),
        (b"\xef\xbb\xbf\r\n <ADT_A01><!DOCTYPE", NotHl7),
        (b"MSH|^^\\&|GAM", HeaderInvalid),
        (b"MSH|^~\\&|GAM|CHU|||||ADT^A01|1|P|2.5||||||UNICODE UTF-8\rPID|||1\xff", CharsetUndecodable),
    ],
)
def test_what_cannot_be_read_is_an_error_and_not_an_exception(raw, error):
    """Examining never raises: an unreadable frame is an examination without a message."""
    found = examine(raw, SITE)
    assert isinstance(found.error, error)
    assert found.message is None


ACCENTED = Source("accents", SourceRole.DEPARTMENT, applications=("GESTION-ADMISSÉ", "Là"), facilities=("HÔPITAL",))


@pytest.mark.parametrize("codec", ["utf-8", "iso8859-1", "cp1252"])
@pytest.mark.parametrize("label", ["", "8859/1", "UNICODE UTF-8"])
@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("name", ["GESTION-ADMISSÉ", " Là "])
def test_a_source_whose_name_has_accents_is_found(codec, label, form, name):
    """MSH-3 and MSH-4 are looked for as text, whatever MSH-18 says of the bytes."""
    if form == "NFD" and codec != "utf-8":
        return
    names = unicodedata.normalize(form, f"{name}|HÔPITAL")
    msh = f"MSH|^~\\&|{names}|G|C|20260310101500||ADT^A28|M1|P|2.5||||||{label}"
    found = examine(f"{msh}\r{PID}\r".encode(codec), demo_site(sources=(ACCENTED,)))
    assert found.source == ACCENTED


def test_a_frame_that_cannot_be_decoded_still_shows_its_header():
    """The control ID of an undecodable frame is known, so that its sender can be answered."""
    found = examine(frame(header("ADT^A01", rest="||||||NO SUCH SET"), "PID|||1||Zoé"), SITE)
    assert isinstance(found.error, CharsetUndecodable)
    assert found.control_id == "M1"
    assert found.source is not None


def test_the_sources_character_set_overrides_the_label():
    """Where a source's label is untrue, its declared character set reads the frame."""
    source = Source("gam", SourceRole.ADMISSIONS, applications=("GAM",), authority="X", charset="8859/15")
    text = "\r".join((header("ADT^A01", rest="||||||UNICODE UTF-8"), PID.replace("ANNE^", "ZOÉ^")))
    found = examine(text.encode("iso8859-15"), demo_site(sources=(source,)))
    assert found.error is None
    assert found.message is not None
    assert found.message.text("PID-5.2") == "ZOÉ"


HEADERS = [
    (header("ADT^A01", control_id=""), FieldMissing, "MSH-10"),
    (header("ADT^A01", control_id=" "), FieldMissing, "MSH-10"),
    (header("ADT^A01", application="NOBODY"), SourceUndeclared, "MSH-3"),
    (header(""), UnsupportedMessageType, "MSH-9"),
    (header("ADT^A01", version="3.0"), UnsupportedVersion, "MSH-12"),
    (header("ADT^A01", version="2.9"), UnsupportedVersion, "MSH-12"),
    (header("ADT^A01").replace("|P|2.5", "|X|2.5"), UnsupportedProcessingId, "MSH-11"),
    (header("ADT^A01", control_id="9" * 200), DataTypeInvalid, "MSH-10"),
    (header("RDE^O11"), UnsupportedMessageType, "MSH-9.1"),
    (header("QBP^Q22"), UnsupportedMessageType, "MSH-9.1"),
    (header("QRY^A19"), UnsupportedMessageType, "MSH-9.1"),
    (header("ORM^O02"), UnsupportedEvent, "MSH-9.2"),
    (header("VXU^V04"), UnsupportedMessageType, "MSH-9.1"),
    (header("ADT^A99"), UnsupportedEvent, "MSH-9.2"),
    (header("ADT^A23"), UnsupportedEvent, "MSH-9.2"),
    (header("ADT"), UnsupportedEvent, "MSH-9.2"),
    (header("ORU^R30"), UnsupportedEvent, "MSH-9.2"),
]


@pytest.mark.parametrize(("msh", "error", "path"), HEADERS)
def test_what_the_header_cannot_say(msh, error, path):
    """Each refusal of a header names its field."""
    site = demo_site(sources=demo_site().sources[:1])
    found = error_of(msh, PID, site=site)
    assert type(found) is error
    assert found.path == path


def test_xml_is_named_for_what_it_is():
    """The other encoding of HL7 v2 is refused by name: its sender has a setting for it."""
    assert "XML" in error_of("<ADT_A01/>").rule


def test_a_source_may_send_without_a_control_id():
    """Where the site says so, a message without MSH-10 is taken."""
    source = replace(demo_site().sources[0], control_id_required=False)
    assert error_of(header("ADT^A01", control_id=""), PID, site=demo_site(sources=(source,))) is None


@pytest.mark.parametrize(
    ("policy", "msh", "error", "path"),
    [
        ({"messages": ("ORU",)}, header("ADT^A01"), UnsupportedMessageType, "MSH-9.1"),
        ({"messages": ("ORU", "ADT^A28")}, header("ADT^A01"), UnsupportedEvent, "MSH-9.2"),
        ({"messages": ("ORU", "ADT^A01")}, header("ADT^A01"), None, ""),
        ({"messages": ("ADT",)}, header("ADT^A01"), None, ""),
        ({"messages": ("DFT",)}, header("DFT^P03"), None, ""),
        ({"messages": ("ADT",)}, header("DFT^P03"), UnsupportedMessageType, "MSH-9.1"),
        ({"processing_ids": ("P",)}, header("ADT^A01").replace("|P|2.5", "|T|2.5"), UnsupportedProcessingId, "MSH-11"),
        ({"processing_ids": ("P",)}, header("ADT^A01").replace("|P|2.5", "||2.5"), None, ""),
        ({"processing_ids": ("T",)}, header("ADT^A01"), UnsupportedProcessingId, "MSH-11"),
        ({"receiving_applications": ("GW",)}, header("ADT^A01"), ReceiverUnknown, "MSH-5"),
        ({"receiving_applications": ("GW", "SECRETARIAT")}, header("ADT^A01"), None, ""),
        ({"receiving_facilities": ("HE",)}, header("ADT^A01"), ReceiverUnknown, "MSH-6"),
        ({"receiving_facilities": ("CHU",)}, header("ADT^A01"), None, ""),
    ],
)
def test_what_a_source_may_send_is_the_sites_to_say(policy, msh, error, path):
    """Types, events, processing IDs and receivers beyond the site's list are rejected (AR) at their field."""
    site = demo_site(sources=(replace(demo_site().sources[0], **policy),))
    found = examine(frame(msh, PID), site)
    assert type(found.error) is (error or type(None))
    if found.error:
        assert (found.error.path, found.verdict) == (path, AckCode.AR)


def test_a_source_that_is_spared_errors_is_answered_as_if_there_were_none():
    """The error is known, and its verdict is positive."""
    site = demo_site(sources=(replace(demo_site().sources[0], on_error=OnError.ACCEPT),))
    found = examine(frame(ADT), site)
    assert isinstance(found.error, SegmentMissing)
    assert found.verdict is AckCode.AA
    assert examine(frame(ADT), SITE).verdict is AckCode.AE


@pytest.mark.parametrize("version", ["2.1", "2.3.1", "2.5^FRA^2.11", "2.8.2", ""])
def test_versions_that_are_read(version):
    """Any version from 2.1 to 2.8.2 is taken, national extensions and none at all included."""
    assert error_of(header("ADT^A01", version=version), PID) is None


@pytest.mark.parametrize(
    ("segments", "message_type"),
    [
        ((header("ADT"), "EVN|A08", PID), "ADT^A08"),
        ((header("ADT^^ADT_A03"), PID), "ADT^A03"),
        ((header("ORU"), PID, "OBR||1|2|CODE"), "ORU^R01"),
        ((header("adt^a01"), PID), "ADT^A01"),
    ],
)
def test_the_event_is_looked_for_where_older_senders_put_it(segments, message_type):
    """Without MSH-9.2 the event is that of EVN-1, of a structure with one event, or the type's only one."""
    found = examine(frame(*segments), SITE)
    assert found.error is None
    assert found.message_type == message_type


def test_a_structure_that_several_events_share_names_no_event():
    """ADT_A01 is the structure of several events, so it never stands for one."""
    assert isinstance(error_of(header("ADT^^ADT_A01"), PID), UnsupportedEvent)


@pytest.mark.parametrize(
    ("segments", "error", "path"),
    [
        ((ADT,), SegmentMissing, "PID"),
        ((header("ORU^R01"), PID), SegmentMissing, "OBR"),
        ((header("ORU^R01"), "OBR||1|2|CODE", PID), SegmentMissing, "PID"),
        ((header("MDM^T02"), PID), SegmentMissing, "TXA"),
        ((header("SIU^S12"), PID), SegmentMissing, "SCH"),
        ((header("SIU^S12"), SCH), SegmentMissing, "PID"),
        ((header("ADT^A40"), PID), SegmentMissing, "MRG"),
        ((header("ADT^A40"), PID, "MRG|1^^^CHU", PID), SegmentMissing, "MRG"),
        ((ADT, PID, ADT, PID), SegmentMissing, "MSH[2]"),
        ((ADT, PID, "DSC|1"), SegmentMissing, "DSC"),
        ((ADT, "ADD|DURAND^ANNE", PID), SegmentMissing, "ADD"),
        (("FHS|^~\\&|GAM", ADT, PID), UnsupportedMessageType, "FHS"),
        ((ADT, "PID|||||DURAND^ANNE"), FieldMissing, "PID-3"),
        ((ADT, 'PID|||""||DURAND^ANNE'), FieldMissing, "PID-3"),
        ((ADT, "PID|||12345^^^CHU^NH||DURAND^ANNE"), FieldMissing, "PID-3"),
        ((ADT, "PID|||1^^^CHU||^^^^^^L"), FieldMissing, "PID-5"),
        ((header("ADT^A40"), PID, "MRG|"), FieldMissing, "MRG-1"),
        ((header("SIU^S12"), "SCH|", PID), FieldMissing, "SCH-2"),
        ((header("MDM^T02"), PID, "TXA|1|DI"), FieldMissing, "TXA-12"),
        ((header("ORU^R01"), PID, "OBR||1|2|CODE", "OBR||||CODE"), FieldMissing, "OBR[2]-3"),
        ((header("ORU^R01"), PID, "OBR||1|2|"), FieldMissing, "OBR-4"),
        ((ADT, PID.replace("19580321", "21/03/1958")), DataTypeInvalid, "PID-7"),
        ((ADT, PID, "ZBE|1|yesterday"), DataTypeInvalid, "ZBE-2"),
        ((header("SIU^S12"), SCH.replace("202604011000", "tomorrow"), PID), DataTypeInvalid, "SCH-11.4"),
        ((header("SIU^S12"), SCH, PID, "RGS|1", "AIS|1||X|noon"), DataTypeInvalid, "AIS-4"),
    ],
)
def test_what_a_message_cannot_do_without(segments, error, path):
    """The first thing wrong with a message is named with its place."""
    found = error_of(*segments)
    assert type(found) is error
    assert found.path == path


@pytest.mark.parametrize("kind", ["DFT^P03", "BAR^P01", "ACK^A01", "ACK", "ADT^A20", "ADT^A60", "SIU^S23", "SIU^S18"])
def test_what_is_left_aside_needs_no_patient(kind):
    """A message that a rule leaves aside is accepted as it is."""
    assert error_of(header(kind)) is None


CDA = "|||||||||2.1^ CISIS_CDA_HL7_V2"


@pytest.mark.parametrize(
    ("event", "segments", "path"),
    [
        ("T02", ("ORC|RO", TXA, "OBX|1|ED|||^TEXT^XML^Base64^||||||F"), "ORC-1"),
        ("T02", ("ORC|NW", TXA, "OBX|1|ED|||^TEXT^XML^Base64^||||||C"), "OBX-11"),
        ("T10", ("ORC|RO", TXA, "OBX|1|ED|||^TEXT^XML^Base64^||||||C"), "TXA-13"),
        ("T04", ("ORC|NW", TXA), "ORC-1"),
    ],
)
def test_incoherent_messages_of_the_cda_profile_are_refused(event, segments, path):
    """In the CI-SIS profile event, order control and status go together; elsewhere nobody asks."""
    found = error_of(header(f"MDM^{event}", version="2.6", rest=CDA), PID, *segments)
    assert isinstance(found, SenderError)
    assert found.path == path
    assert error_of(header(f"MDM^{event}", version="2.6"), PID, *segments) is None


def test_coherent_messages_of_the_cda_profile_are_taken():
    """An initial document of the profile is accepted."""
    msh = header("MDM^T02", version="2.6", rest=CDA)
    assert error_of(msh, PID, "ORC|NW", TXA, "OBX|1|ED|||^TEXT^XML^Base64^||||||F") is None


@pytest.mark.parametrize(
    ("segments", "error", "path"),
    [
        ((PID + "|a\0b",), DataTypeInvalid, "PID"),
        (("PID|||" + "9" * 251 + "^^^CHU^PI||DURAND^ANNE",), DataTypeInvalid, "PID-3"),
        (("PID|||1^^^" + "9" * 251 + "^PI||DURAND^ANNE",), DataTypeInvalid, "PID-3"),
        ((PID, "PV1||I" + "|" * 17 + "9" * 251), DataTypeInvalid, "PV1-19"),
        (("PID|||" + "~".join(["1^^^CHU^PI"] * 101) + "||DURAND^ANNE",), LimitExceeded, "PID-3"),
        ((PID,) * 51, LimitExceeded, "PID"),
    ],
)
def test_what_no_store_should_hold_is_refused_before_it_is_acknowledged(segments, error, path):
    """A NUL, an endless number, a load of patients: the sender hears it, on either database alike."""
    found = error_of(header("ADT^A28"), *segments)
    assert (type(found), found.path) == (error, path)


def test_an_endless_order_number_is_refused_before_it_is_acknowledged():
    """A number that the stores cannot index is refused at its field, not quarantined after an AA."""
    found = error_of(header("ORU^R01"), PID, "OBR|1||" + "9" * 251 + "|58410-2^NFS^LN")
    assert (type(found), found.path) == (DataTypeInvalid, "OBR-3")


@pytest.mark.parametrize("kind", ["NH", "NIR", "INS-NIR", "MR", ""])
def test_a_nir_is_no_patient_number_under_any_type(kind):
    """What has the OID of the INS and is none finds nobody: children share their parent's NIR."""
    nir = f"PID|||260058815400233^^^ASIP-SANTE-NIR&1.2.250.1.213.1.4.8&ISO^{kind}||DURAND^ANNE"
    assert error_of(header("ADT^A28"), nir).path == "PID-3"


def test_a_merge_names_the_retired_number_by_a_local_type_too():
    """MRG-1 is read as PID-3 is."""
    pid = "PID|||12345^^^CHU^MRN||DURAND^ANNE"
    assert error_of(header("ADT^A40"), pid, "MRG|12346^^^CHU^MRN") is None


def test_a_local_type_of_number_is_read_rather_than_refused():
    """CX-5 is of a user-defined table: MRN numbers a patient where nothing else does; an INS alone is taken too."""
    assert error_of(header("ADT^A28"), "PID|||12345^^^CHU^MRN||DURAND^ANNE") is None
    ins = "PID|||260058815400233^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.8&ISO^INS||DURAND^ANNE"
    assert error_of(header("ADT^A28"), ins) is None
