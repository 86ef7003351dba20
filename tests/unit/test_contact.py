"""Where a patient is reached, and who speaks for them, as HL7 v2 and FHIR tell it."""

from dataclasses import replace

import pytest
from facts import ADMISSIONS, LAB, Gateway, ipp, patient, told
from sites import DEPARTMENT, PID, demo_site, frame, header

from gateway import er7
from gateway.facts import NO_CONTACT, Address, Contact, Representative
from mappings.fhir.element import Element
from mappings.fhir.patient import read_patient
from mappings.hl7v2 import translate

HOME = "12 rue des Lilas&rue des Lilas&12^Bât. B^Clermont-Ferrand^^63000^FRA^H"
AT_HOME = Address(("Bât. B", "12 rue des Lilas"), "63000", "Clermont-Ferrand", "FRA")


def read(addresses: str = "", numbers: str = "", *more: str):
    fields = PID.split("|")
    fields += [""] * (14 - len(fields))
    fields[11], fields[13] = addresses, numbers
    message = er7.read(frame(header("ADT^A28^ADT_A05"), "EVN||20260310101500", "|".join(fields), *more))
    (fact,) = translate(message, ADMISSIONS, demo_site()).facts
    return fact.patient


@pytest.mark.parametrize(
    ("sent", "address"),
    [
        (HOME, AT_HOME),
        (f"^^^^^^BDL^^63220~{HOME}", AT_HOME),
        (HOME.replace("^H", "^BA"), Address()),
        (
            f"{HOME}~Poste restante^^Riom^^63200^FRA^M",
            Address(("Poste restante",), "63200", "Riom", "FRA", mailing=True),
        ),
    ],
    ids=["home", "not the place of birth", "not a bad address", "the mailing address first"],
)
def test_letters_go_to_the_mailing_address_else_home(sent, address):
    """PID-11 by XAD-7: BDL is where the patient was born, BA where letters come back from."""
    assert read(sent).contact.address == address


def test_a_mobile_comes_first_a_fax_is_no_telephone_and_an_address_of_mail_is_found():
    """PID-13 by XTN-3 and XTN-4, or the number as one text."""
    numbers = "0473000001^PRN^PH~0473000002^PRN^FX~^PRN^CP^^^^^^^^^0600000001~^NET^Internet^anne@example.org"
    assert read("", numbers).contact == Contact(phones=("0600000001", "0473000001"), email="anne@example.org")


def test_the_legal_representative_is_the_nk1_of_role_r():
    """Others are not; NK1 without one say that there is none any more."""
    legal = f"NK1|1|DURAND^MARC|PAR|{HOME}|0600000002|^^|R"
    other = "NK1|2|DURAND^LUC|BRO||||K"
    assert read("", "", legal, other).representatives == (
        Representative("DURAND", "MARC", Contact(AT_HOME, ("0600000002",))),
    )
    assert read("", "", other).representatives == ()
    assert read().representatives is None


def test_what_a_later_message_leaves_unsaid_stays():
    """A thin PID takes no address away, an A31 neither; a department changes nothing of what admissions holds."""
    gateway, anne = Gateway(), patient(ipp("1"), contact=Contact(AT_HOME, ("0600000001",)))
    gateway.send(told(anne))
    gateway.send(told(replace(anne, contact=NO_CONTACT), correction=True))
    gateway.send(told(replace(anne, contact=Contact(phones=("0700000000",)))), source=LAB)
    (record,) = [i for i in gateway.store.identities.values() if i.authoritative]
    assert record.patient.contact == anne.contact


def test_a_provisional_record_learns_the_address_that_it_lacks():
    """Whom only departments have named is reached as they say."""
    gateway, anne = Gateway(), patient(ipp("1"))
    gateway.send(told(anne), source=LAB)
    gateway.send(told(replace(anne, contact=Contact(AT_HOME))), source=LAB)
    (record,) = gateway.store.identities.values()
    assert record.patient.contact.address == AT_HOME


def test_fhir_tells_the_same():
    """Patient.address, telecom and contact with a guardian."""
    home = {"use": "home", "line": ["12 rue des Lilas"], "postalCode": "63000", "city": "Clermont-Ferrand"}
    resource = {
        "identifier": [{"system": "urn:oid:1.2.250.1.999.1", "value": "1", "type": {"coding": [{"code": "PI"}]}}],
        "address": [{"use": "old", "line": ["ailleurs"], "city": "Riom"}, home],
        "telecom": [
            {"system": "phone", "value": "0473000001"},
            {"system": "phone", "use": "mobile", "value": "0600000001"},
            {"system": "email", "value": "anne@example.org"},
        ],
        "contact": [
            {
                "relationship": [{"coding": [{"code": "GUARD"}]}],
                "name": {"family": "DURAND", "given": ["MARC"]},
                "address": home,
            }
        ],
    }
    found = read_patient(Element(resource, "Patient"), DEPARTMENT, demo_site(), [])
    address = Address(("12 rue des Lilas",), "63000", "Clermont-Ferrand")
    assert found.contact == Contact(address, ("0600000001", "0473000001"), "anne@example.org")
    assert found.representatives == (Representative("DURAND", "MARC", Contact(address)),)
