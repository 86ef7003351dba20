"""The gateway's own clock jumps back and forth by hours while it works: nothing ends otherwise."""

import re
from collections import Counter

import steps
from gateways import Wire, code, write_site
from messages import AHEAD, admission, appointment, patient_told, result
from normalised import the_day
from test_crash_matrix import BATCH, BEFORE, SteppedGateway, control_id

from adapters.store.audit import AuditTrail

READINGS = (1, 3, 8)
"""The clock jumps every so many readings."""

NEWER = (
    patient_told("N1", "8001", when=30, event="A31", given="ODETTE"),
    result("N2", "8001", "O1", when=31, value="5.5"),
    appointment("S13", "N3", "8001", "R1", when=32, starts=AHEAD + 4_000),
    admission("N4", "8003", "V3", when=33),
    appointment("S15", "N5", "8003", "R2", when=34),
)


def a_day(folder, database_url, every):
    """Give what comes of a day on a clock that jumps every so many readings (0: never), and its instants."""
    folder.mkdir()
    gateway = SteppedGateway(folder, site=write_site(folder / "site"), database_url=database_url, GATEWAY_WORKERS="0")
    gateway.environment[steps.CLOCK] = str(every)
    gateway.start()
    try:
        with Wire(gateway.mllp) as wire:
            codes = [code(wire.ask(raw)) for raw in BEFORE]
            wire.send(*BATCH)
            codes += [code(wire.answer()) for _ in BATCH]
            codes += [code(wire.ask(raw)) for raw in (*NEWER, *BEFORE)]
        gateway.settled()
        assert gateway.terminate() == 0
    finally:
        gateway.kill()
    return gateway, codes


def timeless(day):
    """Give what came of a day without the times up to which each source has told: none is after its reception."""
    times = re.compile(r'"times": \{[^}]*\}|"(?:(?:told|received)_at|at|due|place)": "[^"]*"')
    return {t: Counter(times.sub("", row) for row in rows.elements()) for t, rows in day.effects.items()}


def test_a_clock_that_jumps_back_changes_nothing_but_instants(tmp_path, database_url):
    """All that came of the day is as on a clock that runs; nothing ended before it began; what came again is known."""
    calm, codes = a_day(tmp_path / "calm", "", 0)
    with calm.database() as database:
        expected = the_day(database)
    assert expected.again == {control_id(raw): 2 if raw is BEFORE[0] else 1 for raw in BEFORE}
    for every in READINGS:
        url = database_url if every == READINGS[0] else ""
        jumping, answered = a_day(tmp_path / str(every), url, every)
        assert answered == codes
        with jumping.database() as database:
            found = the_day(database)
            assert AuditTrail(database).verify().first_bad is None
        for table, rows in timeless(expected).items():
            ended = timeless(found)[table]
            assert (every, table, ended - rows, rows - ended) == (every, table, {}, {})
        assert found.again == expected.again
        for who, told in expected.told.items():
            assert found.told[who] == told
        backwards = "SELECT 1 FROM outcome o JOIN message m ON m.id = o.message_id WHERE o.ended_at < m.received_at"
        assert jumping.rows(backwards) == []
        assert jumping.rows("SELECT 1 FROM work_item WHERE updated_at < created_at") == []
