"""What admissions exports is stored once, as if it had told it: vouched for, found by its likeness, begun anew."""

import json
from itertools import islice

import pytest
from click.testing import CliRunner
from messages import AUTHORITY, patient_told
from sqlalchemy import select
from stores import Store
from test_store_alike import filed, of_laboratory, persons, process, questions

from adapters.cli import main
from adapters.identity_operations import IdentityOperations
from adapters.store import loading, schema
from adapters.store.audit import AuditQuery
from adapters.store.identity_desk import IdentityDesk
from adapters.store.rows import identity
from gateway.audit import AuditAction
from gateway.errors import AccessRefused, ConfigurationError
from gateway.facts import Identifier, IdentityStatus, Patient, Traits
from gateway.likeness import filed_keys
from gateway.principal import Principal, PrincipalKind, Right

DOMAIN = "2.16.840.1.113883.19.750.1"
"""Of the demonstration's admissions."""

FIELDS = """id = "ipp"
[traits]
birth_family_name = "nom"
first_given_name = "prenom"
birth_date = "ddn"
sex = "sexe"
birth_place_code = "cog"
"""
ROWS = [
    "8001;FABULAIRE;ODILE;21/03/1958;F;63220",
    "8002;KERMARREC;YVES;1961-07-04;H;29019",
    "8003;TOURNESOL;ANNE;31/02/1970;F;75056",
    "8004;ESSAILON;PAUL;1940;M;99999",
    "8005;MARTINEAU;LUC;19550512;M;44109",
]
HEAD = "ipp;nom;prenom;ddn;sexe;cog"


def operations(store: Store, *rights: Right) -> IdentityOperations:
    """Give what somebody may do."""
    who = Principal("account:nadia", PrincipalKind.PERSON, rights=frozenset(rights))
    return IdentityOperations(who, IdentityDesk(store.database, store.work), store.trail, store.decider())


@pytest.fixture
def files(store, monkeypatch, tmp_path):
    """Load a file by the command; give exit code and what it printed."""
    monkeypatch.setenv("GATEWAY_DATABASE_URL", store.url)
    fields = tmp_path / "map.toml"
    fields.write_text(FIELDS, encoding="utf-8")

    def load(*rows: str, source: str = "admissions", mapped: str = FIELDS) -> tuple[int, str]:
        fields.write_text(mapped, encoding="utf-8")
        file = tmp_path / "ipp.csv"
        file.write_text("\n".join([HEAD, *rows]), encoding="utf-8")
        arguments = ["identity", "load", str(file), "--fields", str(fields), "--source", source]
        done = CliRunner().invoke(main, [*arguments, "--status", "validée", "--json"])
        return done.exit_code, done.stdout

    return load


def test_a_file_is_stored_as_if_admissions_had_told_it(store, files):
    """Vouched for, each with a person of its own, dates as ISO, filed under the keys of its likeness; audited."""
    exit_code, printed = files(*ROWS)
    assert exit_code == 0
    told = json.loads(printed)
    assert (told["read"], told["stored"], told["known"], told["undated"]) == (5, 5, 0, 1)
    rows = {row.value: row for row in store.rows(select(schema.identity))}
    assert all(row.authoritative and row.authority == DOMAIN for row in rows.values())
    traits = {value: row.patient["traits"] for value, row in rows.items()}
    assert [traits[f"800{n}"]["birth_date"] for n in range(1, 6)] == [
        "1958-03-21",
        "1961-07-04",
        "",
        "1940",
        "1955-05-12",
    ]
    assert traits["8002"]["sex"] == "M"
    assert {row.patient["status"] for row in rows.values()} == {IdentityStatus.VALIDEE}
    assert len(set(persons(store).values())) == 5
    wanted = {row.id: set(filed_keys(identity(row._mapping))) for row in rows.values()}
    assert filed(store) == {id_: keys for id_, keys in wanted.items() if keys}
    assert told["keys"] == store.count(schema.blocking_key)
    (event,) = store.trail.search(AuditQuery(action=AuditAction.IDENTITIES_LOADED))
    assert (event.detail["stored"], event.detail["source"], event.patients) == (5, "admissions", ())
    assert store.count(schema.focus) == store.count(schema.work_item) == 0


def test_a_load_begun_anew_goes_on(store, monkeypatch):
    """Stopped between two batches, nothing is stored twice, and what admissions has told since stays as it is."""
    monkeypatch.setattr(loading, "LOADED_BATCH", 2)
    own = operations(store, Right.OPERATE)
    told = [(f"80{n}", Patient(traits=Traits(f"N{n}EMO", birth_date=f"195{n}-03-21"))) for n in range(5)]
    deque = list(islice(own.load("admissions", told, "d1"), 1))
    assert deque[-1].stored == 2
    process(store, patient_told("A", "804", family="CORRIGE"))
    *_, done = own.load("admissions", told, "d1")
    assert (done.read, done.stored) == (5, 2)
    names = {r.value: r.patient["traits"]["birth_family_name"] for r in store.rows(select(schema.identity))}
    assert names == {"800": "N0EMO", "801": "N1EMO", "802": "N2EMO", "803": "N3EMO", "804": "CORRIGE"}
    *_, again = own.load("admissions", told, "d1")
    assert (again.read, again.stored) == (5, 0)
    events = store.trail.search(AuditQuery(action=AuditAction.IDENTITIES_LOADED))
    assert {event.entities for event in events} == {("load/d1",)}
    assert sum(int(event.detail["stored"]) for event in events) == 4


def test_whom_a_message_brings_is_compared_with_those_who_were_loaded(store):
    """A department's record that is like a loaded one is a question about it."""
    traits = Traits("FABULAIRE", "", "ODILE", "ODILE", "", "1958-03-21", "F", "63220")
    loaded = operations(store, Right.OPERATE).load(
        "admissions", [("8001", Patient(traits=traits, status=IdentityStatus.VALIDEE))], "d1"
    )
    assert sum(done.stored for done in loaded) == 1
    process(store, of_laboratory("L", "L1"))
    ids = {row.value: row.id for row in store.rows(select(schema.identity.c.value, schema.identity.c.id))}
    assert [q["other"] for q in questions(store)] == [ids["8001"]]
    process(store, patient_told("A", "8001", when=1, event="A31", born="19580322"))
    (row,) = store.rows(select(schema.identity.c.patient).where(schema.identity.c.value == "8001"))
    assert row.patient["traits"]["birth_date"] == "1958-03-22"


@pytest.mark.parametrize(
    ("rows", "source", "mapped"),
    [
        ([*ROWS, ROWS[0]], "admissions", FIELDS),
        ([";SANSNUMERO;ODILE;;F;"], "admissions", FIELDS),
        ([f"8001;{'A' * 300};ODILE;;F;"], "admissions", FIELDS),
        (ROWS, "imaging", FIELDS),
        (ROWS, "nobody", FIELDS),
        (ROWS, "admissions", FIELDS + 'ins = "nom"\n'),
    ],
)
def test_what_is_no_export_of_admissions_is_refused(store, files, rows, source, mapped):
    """A number twice or none, a cell too long, another source, a trait that is not loaded: nothing is stored."""
    assert files(*rows, source=source, mapped=mapped)[0] == 2
    assert store.count(schema.identity) == 0


def test_who_may_not_operate_loads_nobody(store):
    """The refusal is in the trail; a source that is no admissions is refused to whoever asks."""
    with pytest.raises(AccessRefused):
        operations(store, Right.IDENTITY_LINK).load("admissions", [], "d1")
    assert [e.action for e in store.trail.search(AuditQuery())] == [AuditAction.ACCESS_REFUSED]
    with pytest.raises(ConfigurationError):
        operations(store, Right.OPERATE).load("department", [], "d1")


def test_the_key_of_a_loaded_record_is_the_domain_of_its_source(store):
    """The number is the source's, whatever the file says."""
    *_, _done = operations(store, Right.OPERATE).load("admissions", [("1", Patient(traits=Traits("A")))], "d")
    (row,) = store.rows(select(schema.identity.c.authority, schema.identity.c.patient))
    assert row.authority == AUTHORITY
    (own,) = row.patient["identifiers"]
    assert Identifier(own["authority"], own["value"]) == Identifier(AUTHORITY, "1")
