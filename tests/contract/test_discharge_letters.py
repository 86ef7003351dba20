"""What is expected of a patient's discharge letters is kept on each store, from one batch to the next."""

import base64

from messages import UNIT, admission, hl7_time, message, patient_told, pid

from gateway.demand import LETTER_EXPECTED
from gateway.worklist import ItemState


def discharge(control_id, event, *, when, act="INSERT"):
    """Admissions tells that a patient leaves (A03), or does not (A13)."""
    segments = (
        f"EVN||{hl7_time(when)}",
        pid("8001", visit="V1"),
        f"PV1||I|{UNIT}^101^1",
        f"ZBE|M2|{hl7_time(60)}||{act}|N|{'A03' if act == 'CANCEL' else ''}|^^^^^^^^^{UNIT}",
    )
    kind = f"ADT^{event}^ADT_A03" if event == "A03" else f"ADT^{event}^ADT_A01"
    return message(kind, control_id, *segments, application="ADM", when=when, version="2.5^FRA^2.11")


def letter(control_id, *, when):
    """The secretariat's word processor sends the signed discharge letter (T02)."""
    txa = ["TXA", "1", "11490-0^Lettre de liaison^LN", "", hl7_time(when), *[""] * 7, "L1^RIS", *[""] * 4, "LA"]
    obx = f"OBX|1|ED|11490-0||^application^pdf^Base64^{base64.b64encode(b'%PDF-1.4').decode()}||||||F"
    segments = f"EVN||{hl7_time(when)}", pid("8001"), "PV1||I", "|".join(txa), obx
    return message("MDM^T02^MDM_T02", control_id, *segments, application="RIS", when=when)


def expected(store):
    found = (view.item for view in store.worklist.items(None))
    return [(i.state, i.version, i.due is not None) for i in found if i.title == LETTER_EXPECTED]


def test_a_letter_is_expected_until_it_comes(store):
    """It is due, is withdrawn by A13, open again by another A03, and ended by the signed document."""
    store.process(patient_told("C1", "8001"), admission("C2", "8001", "V1", when=1))
    store.process(discharge("C3", "A03", when=60))
    assert expected(store) == [(ItemState.NEW, 1, True)]
    store.process(discharge("C4", "A13", when=61, act="CANCEL"))
    assert expected(store) == [(ItemState.WITHDRAWN, 2, True)]
    store.process(discharge("C5", "A03", when=62))
    assert expected(store) == [(ItemState.NEW, 3, True)]
    store.process(letter("C6", when=63))
    assert expected(store) == [(ItemState.WITHDRAWN, 4, True)]
    assert store.trail.verify().ok
