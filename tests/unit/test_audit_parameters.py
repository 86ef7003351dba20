"""A search for AuditEvents is understood as R4, ITI-81 and TdE mean it, or refused."""

from datetime import UTC, datetime

import pytest
from sites import IPP, demo_site

from gateway.audit import AuditAction
from gateway.audit_query import Place
from gateway.errors import SenderError
from gateway.principal import Principal, PrincipalKind
from gateway.site import Access, Source, SourceRole
from mappings.fhir.audit_event import TDE, View
from mappings.fhir.audit_search import PARAMETERS, Cursor, asked_for, searchset
from mappings.fhir.search_date import span

CLIENTS = {"agenda": Principal("agenda", PrincipalKind.MACHINE)}
ACCOUNTS = {"nadia": Principal("nadia", PrincipalKind.PERSON, "secretary"), "*": Principal("*", PrincipalKind.PERSON)}
LABORATORY = Source("lab", SourceRole.DEPARTMENT, "Laboratoire de biologie", clients=("agenda",))
SITE = demo_site(access=Access(accounts=ACCOUNTS, clients=CLIENTS), sources=(*demo_site().sources, LABORATORY))
DAY = ("date", "2026-03-02")
R4 = {
    *("action", "address", "agent", "agent-name", "agent-role", "altid", "date", "entity", "entity-name"),
    *("entity-role", "entity-type", "outcome", "patient", "policy", "site", "source", "subtype", "type"),
}


def asked(*given):
    """Give what a search on a day asks for beside the day."""
    return asked_for([DAY, *given], SITE)


def at(*parts):
    return datetime(*parts, tzinfo=UTC)


def test_all_parameters_are_offered():
    """The 18 of R4, period-start of TdE, and those of ITI-81 for identifiers."""
    assert len(R4) == 18
    identifiers = {f"{part}.identifier" for part in ("agent", "entity", "patient", "source")}
    assert set(PARAMETERS) == R4 | {"period-start"} | identifiers


@pytest.mark.parametrize("given", [[], [("period-start", "2026")], [("patient", "Patient/1"), ("_count", "5")]])
def test_a_search_says_a_date(given):
    """Without `date` nothing is looked for (ITI-81)."""
    with pytest.raises(SenderError) as refused:
        asked_for(given, SITE)
    assert refused.value.path == "date"


@pytest.mark.parametrize(
    ("said", "begin", "end"),
    [
        ("2026", at(2025, 12, 31, 23), at(2026, 12, 31, 23)),
        ("2026-12", at(2026, 11, 30, 23), at(2026, 12, 31, 23)),
        ("2026-03-29", at(2026, 3, 28, 23), at(2026, 3, 29, 22)),
        ("2026-03-02T08:30", at(2026, 3, 2, 7, 30), at(2026, 3, 2, 7, 31)),
        ("2026-03-02T08:30:15Z", at(2026, 3, 2, 8, 30, 15), at(2026, 3, 2, 8, 30, 16)),
        ("2026-03-02T08:30:15.25Z", at(2026, 3, 2, 8, 30, 15, 250000), at(2026, 3, 2, 8, 30, 15, 260000)),
        ("2026-03-02T08:30:15.123456Z", at(2026, 3, 2, 8, 30, 15, 123456), at(2026, 3, 2, 8, 30, 15, 123457)),
        ("2026-03-02T08:30:00 02:00", at(2026, 3, 2, 6, 30), at(2026, 3, 2, 6, 30, 1)),
    ],
)
def test_a_date_is_a_span_as_exact_as_it_is_said(said, begin, end):
    """A day is a day of the site's zone, twenty-three hours long in spring."""
    assert span(said, "Europe/Paris") == (begin, end)


@pytest.mark.parametrize(
    "said", ["", "26", "2026-13", "2026-02-30", "2026-03-02T25:00", "9999", "0001", "2026-03-02T8:3"]
)
def test_what_is_no_date_is_none(said):
    """No calendar has it, or no clock."""
    assert span(said, "Europe/Paris") is None


@pytest.mark.parametrize(
    ("given", "since", "until"),
    [
        (["ge2026-03-02T00:00:00Z"], at(2026, 3, 2), None),
        (["gt2026-03-02T00:00:00Z"], at(2026, 3, 2, 0, 0, 1), None),
        (["sa2026-03-02T00:00:00Z"], at(2026, 3, 2, 0, 0, 1), None),
        (["lt2026-03-02T00:00:00Z"], None, at(2026, 3, 2)),
        (["eb2026-03-02T00:00:00Z"], None, at(2026, 3, 2)),
        (["le2026-03-02T00:00:00Z"], None, at(2026, 3, 2, 0, 0, 1)),
        (["eq2026-03-02T00:00Z"], at(2026, 3, 2), at(2026, 3, 2, 0, 1)),
        (["ge2026-03-01T00:00:00Z", "ge2026-03-02T00:00:00Z", "lt2026-04-01T00:00:00Z", "lt2026-05-01T00:00:00Z"],
         at(2026, 3, 2), at(2026, 4, 1)),
    ],
)  # fmt: skip
def test_prefixes_bound_the_period(given, since, until):
    """Several are all to hold."""
    query = asked_for([("date", value) for value in given], SITE).query
    assert (query.since, query.until) == (since, until)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("date", "ne2026"),
        ("date", "ap2026"),
        ("date", "yesterday"),
        ("period-start", ""),
        ("type", ""),
        ("type", "a,,b"),
        ("type", ",".join("x" * 21)),
        ("agent", "a\x00b"),
        ("patient", "Practitioner/1"),
        ("patient", "Patient/'; DROP"),
        ("patient:missing", "true"),
        ("entity", "Task/1,Task/2"),
        ("entity", "Observation/1"),
        ("entity-name:exact", "x"),
        ("_count", "-1"),
        ("_count", "1001"),
        ("_count", "ten"),
        ("_sort", "patient"),
        ("_total", "all"),
        ("_profile", "http://example.org/other"),
        ("_format", "xml"),
        ("_after", "nonsense"),
        ("_after", "bnVsbA"),
        ("_after", "WyIyMDI2LTAzLTAyVDA4OjAwOjAwIiwxLDAsMV0"),
        ("_include", "AuditEvent:patient"),
        ("name", "DUPONT"),
    ],
)
def test_what_is_not_understood_is_refused(name, value):
    """Too much would be found; no refusal holds a value."""
    with pytest.raises(SenderError) as refused:
        asked((name, value))
    assert "DUPONT" not in str(refused.value)


def test_codes_narrow_the_actions():
    """Kind, subtype, CRUDE code and outcome hold together; a system that is said must be the code's."""

    def actions(*given):
        return set(asked(*given).query.actions or ())

    assert actions(("outcome", "8")) == {AuditAction.ACCESS_REFUSED}
    assert actions(("type", "110106")) == {AuditAction.ITEM_PUBLISHED}
    assert actions(("type", "http://dicom.nema.org/resources/ontology/DCM|110106")) == {AuditAction.ITEM_PUBLISHED}
    assert actions(("type", "http://dicom.nema.org/resources/ontology/DCM|")) > {AuditAction.ITEM_PUBLISHED}
    assert actions(("subtype", "http://hl7.org/fhir/restful-interaction|read")) == {AuditAction.APPOINTMENT_READ}
    assert actions(("subtype", "user:item:shown,user:item:done")) == {AuditAction.ITEM_SHOWN, AuditAction.ITEM_DONE}
    assert actions(("action", "R"), ("type", "rest")) == {AuditAction.APPOINTMENT_READ}
    assert asked().query.actions is None
    assert asked(("type", "http://loinc.org|110106")).nothing
    assert asked(("outcome", "8"), ("action", "R")).nothing


def test_agents_are_who_acted():
    """By reference, identifier, other name, profession and a system's label; all are to hold."""

    def actors(*given):
        query = asked(*given).query
        return {query.principal} if query.principal else set(query.principals or ())

    assert actors(("agent", "account:nadia")) == {"account:nadia"}
    assert actors(("agent.identifier", "urn:secretariat-gateway:demo:principal|account:nadia")) == {"account:nadia"}
    assert actors(("agent:identifier", "urn:x|a"), ("altid", "a,b")) == {"a"}
    assert actors(("altid", "a,b")) == {"a", "b"}
    assert actors(("agent-role", "secretary")) == {"account:nadia"}
    assert actors(("agent-name", "laboratoire")) == {"lab", "agenda"}
    assert asked(("altid", "a"), ("altid", "b")).nothing
    assert asked(("agent-role", "surgeon")).nothing


def test_entities_are_what_it_touched():
    """Items, appointments, messages, the sender's reference, our own record of the event, and patients."""
    own = "urn:secretariat-gateway:demo:"
    assert asked(("entity", "Task/i-1")).query.item == "i-1"
    assert asked(("entity", "https://host/fhir/Appointment/a-1")).query.entities == ("appointment/a-1",)
    assert asked(("entity", "Patient/p-1")).patients == (("p-1",),)
    assert asked(("entity.identifier", f"{own}message|12")).query.message == 12
    assert asked(("entity.identifier", f"{own}message|x")).query.message == 0
    assert asked(("entity.identifier", f"{own}audit|12")).query.event == 12
    assert asked(("entity.identifier", f"{own}decision|3")).query.entities == ("decision/3",)
    assert asked(("entity.identifier", "|MSG-1")).query.correlation == "MSG-1"
    assert asked(("entity.identifier", "urn:oid:1.2.3|9")).patients == ((("1.2.3", "9"),),)
    assert asked(("entity:identifier", "8001")).patients == ((("", "8001"),),)
    assert asked(("entity-type", "1")).query.holding == ("patients",)
    assert asked(("entity-type", "1"), ("entity-role", "1")).query.holding == ("patients",)
    assert asked(("entity-role", "4")).query.holding == ("entities", "message_id")
    assert asked(("entity-type", "2,1")).query.holding is None
    assert asked(("entity-role", "24")).nothing
    for twice in (("entity", "Task/1"), ("entity-type", "1")):
        with pytest.raises(SenderError):
            asked(twice, ("entity", "Task/2"), ("entity-role", "4"))


def test_patients_are_records_or_identifiers():
    """An identifier's system may be the site's namespace or an OID; one without is of any."""
    assert asked(("patient", "Patient/p-1,p-2")).patients == (("p-1", "p-2"),)
    assert asked(("patient.identifier", f"urn:oid:{IPP}|8001"), ("patient:identifier", "CHU|8002")).patients == (
        ((IPP, "8001"),),
        ((IPP, "8002"),),
    )


@pytest.mark.parametrize("never", ["policy", "entity-name"])
def test_what_no_event_of_ours_has_finds_nothing(never):
    """It is understood, and holds for none."""
    assert asked((never, "x")).nothing


def test_site_and_source_are_this_one():
    """What another system has recorded is not here."""
    for name in ("site", "source", "source.identifier"):
        assert not asked((name, "demo")).nothing
        assert asked((name, "elsewhere")).nothing


def test_how_to_answer():
    """Size, order, total, profile; a page of no size is a count."""
    search = asked(("_count", "5"), ("_sort", "date"), ("_total", "accurate"), ("_profile", f"{TDE}|2.0.0"))
    assert (search.query.limit, search.query.oldest_first, search.total, search.view) == (5, True, True, View.TDE)
    assert not asked(("_sort", "-date"), ("_total", "none")).total
    assert asked(("_count", "0")).total
    assert asked().query.limit == 100


def test_links_name_patients_by_their_records_only():
    """No identifier of a patient stands in a URL that we make; the next page is asked for as this one was."""
    search = asked(("patient.identifier", f"urn:oid:{IPP}|8001"), ("entity.identifier", "8001"), ("_count", "2"))
    place = Cursor(Place(at(2026, 3, 2), 17), 1, 40)
    bundle = searchset("http://h/fhir", search, [], identities=("p-1", "p-2"), total=None, cursor=place)
    here, onward = (each["url"] for each in bundle["link"])
    assert here == "http://h/fhir/AuditEvent?date=2026-03-02&_count=2&patient=p-1,p-2"
    assert onward.startswith(f"{here}&_after=")
    again = asked_for([tuple(p.split("=")) for p in onward.partition("?")[2].split("&")], SITE)
    assert again.cursor == place
    assert again.query == search.query
    assert again.patients == (("p-1", "p-2"),)
    unknown = searchset("http://h/fhir", search, [], identities=(), total=0, cursor=None)
    assert unknown["link"][0]["url"].endswith("&patient=none")
    assert unknown["total"] == 0
