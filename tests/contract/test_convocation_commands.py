"""What a secretary types of convocations: letters into files, what became of them, exit codes as everywhere."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from messages import AUTHORITY, message, patient_told, pid
from stores import reception

from adapters.assembly import Assembly
from adapters.cli import main
from adapters.pipeline import worker
from adapters.settings import load_settings

DOMAIN = "2.16.840.1.113883.19.750.1"
HOME = "|19580321|F|||12 rue des Lilas^^Clermont-Ferrand^^63000^FRA^H"


@pytest.fixture
def gateway(store, monkeypatch):
    """Call `gateway convocation` where a patient has an appointment in a month; give exit code and text."""
    monkeypatch.setenv("GATEWAY_DATABASE_URL", store.url)
    start = f"{datetime.now(UTC) + timedelta(days=30):%Y%m%d}0900"
    booked = message(
        "SIU^S12^SIU_S12", "C2", f"SCH||R1^AGENDA|||||||||^^^{start}", pid("8001"), application="A", when=1
    )
    told = patient_told("C1", "8001").replace(b"|19580321|F", HOME.encode()).replace(b"|ADM|", b"|GAM|"), booked
    named = [raw.replace(AUTHORITY.encode(), DOMAIN.encode()) for raw in told]
    assembly = Assembly(load_settings())
    sources = ("admissions", "agenda-hl7")
    store.inbox.record([reception(raw, source=source) for raw, source in zip(named, sources, strict=True)])
    assert worker(assembly, lambda: None).run_once() == 2
    assembly.close()

    def call(*arguments):
        done = CliRunner().invoke(main, ["convocation", *map(str, arguments)])
        return done.exit_code, done.output

    return call


def test_a_convocation_is_seen_printed_made_again_and_sent(gateway, tmp_path):
    """Previewing counts nothing; the same bytes come again; what is sent is not sent twice (exit 1)."""
    (known,) = json.loads(gateway("list", "--json")[1])
    one, seen, first, again = known["id"], *(tmp_path / f"{name}.pdf" for name in ("seen", "first", "again"))
    assert gateway("letter", one, "-o", seen, "--preview")[0] == 0
    assert json.loads(gateway("show", one, "--json")[1])["convocations"][0]["state"] == "to-prepare"
    assert gateway("print", "-o", first)[1].splitlines()[-1] == f"1 : {first}"
    assert gateway("letter", one, "-o", again, "--number", "1")[0] == 0
    assert seen.read_bytes() == first.read_bytes() == again.read_bytes()
    assert first.stat().st_mode & 0o777 == 0o600
    assert gateway("sent", one) == (0, f"{one}  envoyée\n")
    assert gateway("sent", one)[0] == 1
    assert "imprimée" in gateway("show", one)[1]
    assert gateway("confirmed", one, "nothing")[0] == 1
    assert gateway("no-show", one)[0] == 0
    assert "non venu" in gateway("list")[1]


def test_a_letter_that_came_back_is_to_be_told_again(gateway, tmp_path):
    """The next one waits for another address, or a telephone."""
    (known,) = json.loads(gateway("list", "--state", "to-prepare", "--channel", "letter", "--json")[1])
    assert gateway("letter", known["id"], "-o", tmp_path / "letter.pdf")[0] == 0
    assert gateway("returned", known["id"])[0] == 0
    after = json.loads(gateway("show", known["id"], "--json")[1])
    assert ([c["state"] for c in after["convocations"]], after["incomplete"]) == (["superseded", "to-prepare"], True)
