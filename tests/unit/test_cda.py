import pytest

from gateway.errors import DataTypeInvalid, LimitExceeded
from mappings.cda import DEEPEST, LONGEST_HEADER, CdaHeader, header_of

HEADER = """<?xml version="1.0" encoding="UTF-8"?>
<?xml-stylesheet href="http://nowhere.invalid/x.xsl"?>
<ClinicalDocument xmlns="urn:hl7-org:v3">
 <!-- comment -->
 <id root="1.2.250.1.999.7" extension="D2"/>
 <code code="11488-4" displayName="CR de consultation" codeSystem="2.16.840.1.113883.6.1"/>
 <title>Compte rendu
   de consultation</title>
 <confidentialityCode code="N"/>
 <recordTarget><patientRole>
  <id root="1.2.250.1.999.1" extension="4711"/>
  <id root="1.2.250.1.213.1.4.8" extension="258036322000123"/>
  <id nullFlavor="NI"/>
  <patient><birthTime value="19580321"/></patient>
 </patientRole></recordTarget>
 <author><assignedAuthor><assignedPerson>
  <name><prefix>DR</prefix><given>JO</given><family>DOC</family></name>
 </assignedPerson></assignedAuthor></author>
 <relatedDocument typeCode="RPLC"><parentDocument><id root="1.2.250.1.999.7" extension="D1"/></parentDocument>
 </relatedDocument>
"""
BODY = "<component><structuredBody/></component></ClinicalDocument>"


def read(text, size=4096):
    data = text.encode()
    return header_of(data[at : at + size] for at in range(0, len(data), size))


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_a_header_in_full(size):
    """What the document says of itself is read, in whatever pieces it comes."""
    assert read(HEADER + BODY, size) == CdaHeader(
        id=("1.2.250.1.999.7", "D2"),
        replaces=("1.2.250.1.999.7", "D1"),
        code="11488-4",
        label="CR de consultation",
        title="Compte rendu de consultation",
        confidentiality="N",
        patient_ids=(("1.2.250.1.999.1", "4711"), ("1.2.250.1.213.1.4.8", "258036322000123")),
        birth_date="19580321",
        author="DR JO DOC",
    )


def test_the_body_is_not_read():
    """No piece behind the header is asked for: a body of any size costs nothing, nor does what is wrong in it."""
    asked = []

    def pieces():
        for text in (HEADER, "<component>", "not & well <formed", BODY):
            asked.append(text)
            yield text.encode()

    assert header_of(pieces()).code == "11488-4"
    assert asked == [HEADER, "<component>"]


def test_a_document_may_say_next_to_nothing():
    """Absent is empty, never an error."""
    assert read('<ClinicalDocument xmlns="urn:hl7-org:v3"/>') == CdaHeader(None)


@pytest.mark.parametrize("text", ["<html/>", '<ClinicalDocument xmlns="urn:other"/>'])
def test_xml_of_another_kind_is_no_cda(text):
    """It is not taken for one."""
    assert read(text) is None


BOMB = """<!DOCTYPE ClinicalDocument [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<ClinicalDocument xmlns="urn:hl7-org:v3"><title>&b;</title></ClinicalDocument>"""
OUTSIDE = """<!DOCTYPE ClinicalDocument [<!ENTITY x SYSTEM "file:///etc/hostname">]>
<ClinicalDocument xmlns="urn:hl7-org:v3"><title>&x;</title></ClinicalDocument>"""


@pytest.mark.parametrize(
    "text", [BOMB, OUTSIDE, '<!DOCTYPE a SYSTEM "http://nowhere.invalid/a.dtd"><a/>', "", "<a", "<a></b>", "%PDF-1.4"]
)
def test_what_is_no_plain_xml_is_refused(text):
    """Entities, external ones included, and what is not well-formed."""
    with pytest.raises(DataTypeInvalid) as caught:
        read(text)
    assert "hostname" not in str(caught.value)


@pytest.mark.parametrize(
    "inside",
    [
        "<a>" * DEEPEST + "</a>" * DEEPEST,
        "<a/>" * 20_001,
        f"<title>{'x' * (LONGEST_HEADER + (1 << 14))}</title>",
        "".join(f'<a b{n}="{"x" * 1000}"/>' for n in range(1_100)),
    ],
)
def test_a_header_is_bounded(inside):
    """Depth, number and size of what stands before the body."""
    with pytest.raises(LimitExceeded):
        read(f'<ClinicalDocument xmlns="urn:hl7-org:v3">{inside}{BODY}', 1 << 14)
