"""What an appointment needs is told whole or as changes, and what people are shown of it follows."""

import pytest
from facts import AGENDA, Gateway, book, change, ipp, patient, told

from gateway.facts import AppointmentReported, Resource, ResourceKind
from gateway.focus import FocusKind

ANNE_1 = patient(ipp("1"))
ROOM_2, ROOM_3 = Resource(ResourceKind.PLACE, "3010", "Box 2"), Resource(ResourceKind.PLACE, "3020", "Box 3")
JO, EVE = Resource(ResourceKind.PERSON, "77", "DR JO DOC"), Resource(ResourceKind.PERSON, "78", "EVE MARTIN")


def after(**changes):
    """Give the appointment as it stands after a change that says nothing but this."""
    gateway = Gateway()
    gateway.send(told(ANNE_1))
    first = book(ANNE_1, resources=(ROOM_2, JO), practitioner="DR JO DOC")
    gateway.send(first, source=AGENDA)
    said = {"unit": "", "location": "", "start": None, **changes}
    gateway.send(change(ANNE_1, **said), source=AGENDA)
    (fact,) = (f.fact for f in gateway.store.foci.values() if f.kind is FocusKind.APPOINTMENT)
    assert isinstance(fact, AppointmentReported)
    assert not fact.taken_off
    return fact


@pytest.mark.parametrize(
    ("changes", "place", "unit", "people"),
    [
        ({}, "Box 2", "3010", "DR JO DOC"),
        ({"resources": (EVE,), "practitioner": "EVE MARTIN"}, "Box 2", "3010", "EVE MARTIN"),
        ({"resources": (EVE,), "partial": True}, "Box 2", "3010", "DR JO DOC, EVE MARTIN"),
        ({"taken_off": (JO,), "partial": True}, "Box 2", "3010", ""),
        ({"taken_off": (JO,), "resources": (EVE,), "partial": True}, "Box 2", "3010", "EVE MARTIN"),
        ({"taken_off": (ROOM_2,), "resources": (ROOM_3,), "partial": True}, "Box 3", "3020", "DR JO DOC"),
        ({"taken_off": (ROOM_2,), "partial": True}, "", "3010", "DR JO DOC"),
        ({"resources": (ROOM_3,), "location": "Box 3", "unit": "3020"}, "Box 3", "3020", "DR JO DOC"),
    ],
)
def test_places_and_people_follow_the_resources(changes, place, unit, people):
    """A resource that is taken off is no longer shown; a unit without a place still receives the patient."""
    fact = after(**changes)
    assert (fact.location, fact.unit, fact.practitioner) == (place, unit, people)
