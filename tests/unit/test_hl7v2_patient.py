import pytest
from sites import ADMISSIONS, DEPARTMENT, IPP, demo_site, frame, header

from gateway import er7
from gateway.facts import Identifier, IdentifierKind, IdentityProof, IdentityStatus, PatientReported
from mappings.hl7v2 import translate
from mappings.ins import is_test_ins, nir_key_holds

NIR = "1.2.250.1.213.1.4.8"
INS = f"260058815400233^^^ASIP-SANTE-INS-NIR&{NIR}&ISO^INS"


def pid(**fields):
    """A PID from its field numbers: ``pid(f3=..., f5=...)``."""
    sent = {"f3": "4711^^^CHU^PI", "f5": "DURAND^ANNE^^^^^L", **fields}
    return "PID|" + "|".join(sent.get(f"f{n}", "") for n in range(1, 36)).rstrip("|")


def told(*segments, source=ADMISSIONS):
    """The patient of an A28 with this PID, and the flags."""
    found = translate(er7.read(frame(header("ADT^A28"), *segments)), source, demo_site())
    fact = found.facts[0]
    assert isinstance(fact, PatientReported)
    return fact.patient, {(flag.path, flag.rule) for flag in found.flags}


@pytest.mark.parametrize("cx", ["4711^^^CHU^PI", f"4711^^^X&{IPP}&ISO^PI", "4711^^^CHU^MR", "4711^^^CHU", "4711^^^^PI"])
def test_a_patient_number_is_of_its_authority_else_of_the_source(cx):
    """Namespace, OID and an empty CX-4 of admissions all mean the site's own domain."""
    patient, _ = told(pid(f3=cx))
    assert patient.identifiers == (Identifier(IPP, "4711"),)


def test_a_departments_own_number_is_not_admissions():
    """Where CX-4 is empty a department's number is of the department's domain."""
    patient, _ = told(pid(f3="4711"), source=DEPARTMENT)
    assert patient.identifiers == (Identifier(DEPARTMENT.authority, "4711"),)


def test_the_billing_nir_is_no_ins_though_it_has_its_oid():
    """Type NH, with the OID of the INS, is kept and finds nobody."""
    patient, flags = told(pid(f3=f"4711^^^CHU^PI~260058815400233^^^ASIP-SANTE-NIR&{NIR}&ISO^NH", f32="VALI"))
    assert patient.identifiers[1] == Identifier(NIR, "260058815400233", IdentifierKind.OTHER)
    assert patient.status is IdentityStatus.VALIDEE
    assert not flags


def test_type_ins_under_another_oid_is_no_ins():
    """An INS is one by OID and type together."""
    patient, flags = told(pid(f3="4711^^^CHU^PI~260058815400233^^^X&1.2.3&ISO^INS", f32="VALI"))
    assert patient.of_kind(IdentifierKind.INS) == ()
    assert flags == {("PID-3", "an INS that does not name its OID is not read as one (PAM.FR 6.6.1)")}


def test_an_identifier_is_never_cut():
    """CX-1 has no parts: a number with an & in it is not that of whoever has its beginning, escaped or not."""
    for cx in ("47&11^^^CHU^PI", r"47\T\11^^^CHU^PI"):
        patient, flags = told(pid(f3=cx))
        assert patient.identifiers == (Identifier(IPP, "47&11"),)
        assert bool(flags) is (r"\T" not in cx)


def test_a_number_whose_time_is_over_is_not_the_patients():
    """CX-8 is before the message: the number that is in force counts, wherever it stands; one alone still finds."""
    patient, flags = told(pid(f3="4700^^^CHU^PI^^20190101^20210101~4711^^^CHU^PI"))
    assert patient.of_kind(IdentifierKind.PATIENT) == (Identifier(IPP, "4711"),)
    assert {path for path, _ in flags} == {"PID-3"}
    patient, flags = told(pid(f3="4711^^^CHU^PI^^20190101^20210101"))
    assert (patient.of_kind(IdentifierKind.PATIENT), flags) == ((Identifier(IPP, "4711"),), set())


@pytest.mark.parametrize(
    ("ins", "pid_32", "status", "kept"),
    [
        (True, "VALI", IdentityStatus.QUALIFIEE, True),
        (False, "VALI", IdentityStatus.VALIDEE, False),
        (True, "PROV", IdentityStatus.PROVISOIRE, False),
        (True, "", IdentityStatus.PROVISOIRE, False),
        (True, "VIDE", IdentityStatus.PROVISOIRE, False),
        (True, "VALI~DOUT", IdentityStatus.PROVISOIRE, False),
        (True, "VALI~PROV", IdentityStatus.PROVISOIRE, False),
        (True, "VALI~HOMA", IdentityStatus.QUALIFIEE, True),
    ],
)
def test_an_ins_stays_only_on_a_qualified_identity(ins, pid_32, status, kept):
    """PID-32 and the INS make the status; without VALI the INS is left out, and flagged."""
    patient, flags = told(pid(f3="4711^^^CHU^PI" + (f"~{INS}" if ins else ""), f32=pid_32))
    assert patient.status is status
    assert bool(patient.of_kind(IdentifierKind.INS)) is kept
    assert any(path == "PID-3" for path, _ in flags) is (ins and not kept)


@pytest.mark.parametrize("changes", [{"f32": "PROV"}, {"f32": "VALI"}])
def test_an_unqualified_ins_alone_is_a_number_of_its_sender(changes):
    """It finds what the same sender told before, never what another did (RNIV 1 EXI SI 08)."""
    patient, _ = told(pid(f3=INS, **changes))
    assert patient.of_kind(IdentifierKind.INS) == ()
    (number,) = patient.of_kind(IdentifierKind.PATIENT)
    assert number.authority.endswith("/ins")


def test_attributes_are_kept_and_unknown_ones_flagged():
    """The codes of PID-32 beside the status are attributes; one that the table lacks is kept and flagged."""
    patient, flags = told(pid(f32="PROV~HOMA~NEWCODE"))
    assert patient.attributes == {"HOMA", "NEWCODE"}
    assert {path for path, _ in flags} == {"PID-32"}


def test_a_protected_patient_is_hidden():
    """PD1-12 = Y counts as CACH."""
    patient, _ = told(pid(), "PD1||||||||||||Y")
    assert patient.attributes == {"CACH"}


@pytest.mark.parametrize(
    ("value", "flagged"), [("260058815400233", False), ("260058815400244", True), ("2600588154002", True)]
)
def test_a_wrong_key_is_kept_and_flagged(value, flagged):
    """Reception keeps an INS whose key or length is wrong, for official samples have such."""
    patient, flags = told(pid(f3=f"4711^^^CHU^PI~{value}^^^X&{NIR}&ISO^INS", f32="VALI"))
    assert patient.of_kind(IdentifierKind.INS)[0].value == value
    assert bool(flags) is flagged


@pytest.mark.parametrize(
    ("matricule", "holds"),
    [
        ("260058815400233", True),
        ("279035121518989", True),
        ("260058815400244", False),
        ("100012A00100104", True),
        ("100012B00100131", True),
        ("100012A00100131", False),
        ("2600588154002", False),
        ("26005881540023X", False),
        ("", False),
    ],
)
def test_the_key_of_a_nir(matricule, holds):
    """97 minus the remainder by 97, Corsica's letters being 19 and 18."""
    assert nir_key_holds(matricule) is holds


@pytest.mark.parametrize(
    ("oid", "test"), [(NIR, False), ("1.2.250.1.213.1.4.10", True), ("1.2.250.1.213.1.4.11", True)]
)
def test_an_ins_of_test_or_demonstration_is_known_by_its_oid(oid, test):
    """OID .10 and .11 are test matter."""
    assert is_test_ins(Identifier(oid, "1", IdentifierKind.INS)) is test


NAMES = [
    ("DARK^JEANNE^JEANNE MARIE CECILE^^Mme^^L", ("DARK", "JEANNE", "JEANNE MARIE CECILE", "", "")),
    ("DARK^JEANNE~ARC^JANE^^^^^D", ("DARK", "JEANNE", "", "ARC", "JANE")),
    ("DARK^JEANNE^^^^^L~^MARIE-CECILE^^^^^D", ("DARK", "JEANNE", "", "", "MARIE-CECILE")),
    ('DARK^JEANNE^^^^^L~""^^^^^^D', ("DARK", "JEANNE", "", "", "")),
    ("DARK^JEANNE^^^^^L~STAR^S^^^^^S~X^Y^^^^^U", ("DARK", "JEANNE", "", "", "")),
    ("MARTIN^JEAN^Paul,Jacques^^^^L", ("MARTIN", "JEAN", "JEAN Paul Jacques", "", "")),
    ("MARTIN^Paul,Jacques^^^^^L", ("MARTIN", "Paul", "Paul Jacques", "", "")),
    ("MARTIN^MAX-PATRICK^MAX PATRICK LUC^^^^L", ("MARTIN", "MAX-PATRICK", "MAX PATRICK LUC", "", "")),
    ("O&&&&RLY\\T\\CO^ZOE^^^^^L", ("O", "ZOE", "", "", "")),
]


@pytest.mark.parametrize(("sent", "names"), NAMES)
def test_names_by_their_type(sent, names):
    """L is the birth name, D what is used; the list of given names begins with the first."""
    patient, flags = told(pid(f5=sent))
    traits = patient.traits
    assert (
        traits.birth_family_name,
        traits.first_given_name,
        traits.given_names,
        traits.used_family_name,
        traits.used_given_name,
    ) == names
    assert not flags


def test_a_name_type_that_is_not_allowed_is_flagged():
    """A maiden name of type M is no birth name in PAM.FR; it is not taken for one."""
    patient, flags = told(pid(f5="DARK^JEANNE^^^^^L~OLD^J^^^^^M"))
    assert patient.traits.birth_family_name == "DARK"
    assert {path for path, _ in flags} == {"PID-5"}


def test_the_other_traits():
    """Date, sex, birth place (COG) and rank are read where PAM.FR has them."""
    patient, _ = told(pid(f7="195803", f8="f", f11="1 RUE X^^PARIS~^^^^^^BDL^^63220", f25="02"))
    traits = patient.traits
    assert (traits.birth_date, traits.sex, traits.birth_place_code, traits.multiple_birth_rank) == (
        "1958-03",
        "F",
        "63220",
        "2",
    )


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"f8": "O"}, "PID-8"),
        ({"f7": "19580000"}, "PID-7"),
        ({"f7": "00000000"}, "PID-7"),
        ({"f7": '""'}, "PID-7"),
        ({"f8": '""'}, "PID-8"),
        ({"f5": "DURAND^ANNE^^^^^L~DUPONT^LEA^^^^^L"}, "PID-5"),
        ({"f32": "PROV~DOUT~FICT"}, "PID-32"),
    ],
)
def test_odd_traits_are_tolerated_and_flagged(fields, path):
    """Another sex than M, F, U is U, and zeros in a date are unknown; the null deletes neither."""
    patient, flags = told(pid(**fields))
    assert (patient.traits.sex, patient.traits.birth_date) in {("U", ""), ("", "1958"), ("", "")}
    assert patient.traits.birth_family_name == "DURAND"
    assert {p for p, _ in flags} == {path}


@pytest.mark.parametrize(
    ("born", "flagged"), [("20260310", False), ("20260311", True), ("2026", False), ("2058", True)]
)
def test_a_birth_after_the_message_is_flagged(born, flagged):
    """A century mistyped is seen (RNIV 1, RECO SI 02)."""
    assert ("PID-7" in {p for p, _ in told(pid(f7=born))[1]}) is flagged


def test_the_null_takes_a_consent_back():
    """ZFD-3 deleted is no consent (PAM.FR: N by default), which silence is not; what is not deleted is flagged."""
    assert [told(pid(), f"ZFD|||{sent}")[0].sms_consent for sent in ("Y", '""', "")] == [True, False, None]
    assert {p for p, _ in told(pid(), 'ZFD|""')[1]} == {"ZFD-1"}


@pytest.mark.parametrize(
    ("fields", "deceased"),
    [
        ({}, None),
        ({"f30": "Y"}, True),
        ({"f30": "N"}, False),
        ({"f29": "20260301"}, True),
        ({"f29": '""', "f30": '""'}, False),
    ],
)
def test_a_death_is_told_by_its_indicator_or_date(fields, deceased):
    """PID-30 = Y, or any date in PID-29; N or the null takes it back, silence does not."""
    assert told(pid(**fields))[0].deceased is deceased


def test_a_newborn_names_its_mother():
    """PID-21 holds the mother's IPP and NDA (PAM.FR)."""
    patient, flags = told(pid(f5="DURAND^SANS PRENOM^^^^^L", f21="4710^^^CHU^PI~NDA1^^^CHU^AN"))
    assert patient.mother == (Identifier(IPP, "4710"), Identifier(IPP, "NDA1", IdentifierKind.OTHER))
    assert patient.traits.first_given_name == "SANS PRENOM"
    assert not flags


@pytest.mark.parametrize(
    ("zfd", "lunar", "consent"),
    [("ZFD|32^13^1958||Y", "32/13/1958", True), ("ZFD|||N", "", False), ("ZFD|", "", None), ("ZFA|1", "", None)],
)
def test_lunar_date_and_consent_come_from_zfd(zfd, lunar, consent):
    """ZFD-1 is kept as sent, for no calendar of ours holds it; nobody consents who did not say so (ZFD-3)."""
    patient, _ = told(pid(), zfd)
    assert (patient.lunar_birth_date, patient.sms_consent) == (lunar, consent)


def test_the_whole_of_zfd_and_the_status_of_the_national_record_are_read():
    """Weeks of gestation, corrected date, mode, INSi date, document and its end (PAM.FR 2.11), and ZFA-1."""
    patient, flags = told(pid(), "ZFD||38||N|INSI|20260309101500|PA|20300101", "ZFA|ACTIF")
    assert (patient.gestation_weeks, patient.birth_date_corrected, patient.national_record) == (38, False, "ACTIF")
    assert patient.proof == IdentityProof("INSI", "2026-03-09", "PA", "2030-01-01")
    assert not flags


def test_what_zfd_does_not_say_is_not_told():
    """An empty ZFD says nothing of proof, weeks and date."""
    patient, _ = told(pid(), "ZFD|")
    assert (patient.gestation_weeks, patient.birth_date_corrected, patient.proof) == (None, None, IdentityProof())


@pytest.mark.parametrize(
    ("zfd", "path"),
    [("ZFD||many", "ZFD-2"), ("ZFD|||||XX", "ZFD-5"), ("ZFD||||||soon", "ZFD-6"), ("ZFD|||||||Z", "ZFD-7")],
)
def test_what_of_zfd_the_profile_does_not_have_is_flagged(zfd, path):
    """Nothing odd refuses a patient."""
    assert {p for p, _ in told(pid(), zfd)[1]} == {path}


def test_a_corrected_date_of_birth_has_no_ins():
    """ZFD-4 = Y: the identity can be validée, not qualifiée (PAM.FR, PID-7)."""
    patient, flags = told(pid(f3=f"4711^^^CHU^PI~{INS}", f32="VALI"), "ZFD||||Y")
    assert patient.status is IdentityStatus.VALIDEE
    assert patient.of_kind(IdentifierKind.INS) == ()
    assert {path for path, _ in flags} == {"ZFD-4"}
