"""Appointments: what each SIU event does, statuses, resources, durations."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from gateway.facts import AppointmentAct, AppointmentStatus, ResourceKind

_S = AppointmentStatus
_OPEN = frozenset({_S.PROPOSED, _S.PENDING, _S.WAITLIST, _S.BOOKED})


@dataclass(frozen=True, slots=True)
class SiuRule:
    """What a SIU event does.

    Attributes:
        act: what it does to the appointment.
        status: status after it, if SCH-25 says nothing or contradicts it.
        allowed: statuses of SCH-25 that do not contradict it.

    """

    act: AppointmentAct
    status: AppointmentStatus
    allowed: frozenset[AppointmentStatus]


SIU_EVENTS: Final[Mapping[str, SiuRule]] = MappingProxyType(
    {
        "S12": SiuRule(AppointmentAct.BOOK, _S.BOOKED, _OPEN | {_S.ARRIVED, _S.CHECKED_IN, _S.FULFILLED}),
        "S13": SiuRule(AppointmentAct.CHANGE, _S.BOOKED, _OPEN),
        "S14": SiuRule(AppointmentAct.CHANGE, _S.BOOKED, frozenset(_S)),
        "S15": SiuRule(AppointmentAct.CANCEL, _S.CANCELLED, frozenset({_S.CANCELLED, _S.ENTERED_IN_ERROR})),
        "S16": SiuRule(AppointmentAct.CANCEL, _S.CANCELLED, frozenset({_S.CANCELLED})),
        "S17": SiuRule(AppointmentAct.CANCEL, _S.ENTERED_IN_ERROR, frozenset({_S.CANCELLED, _S.ENTERED_IN_ERROR})),
        **dict.fromkeys(("S18", "S19", "S20", "S21", "S22"), SiuRule(AppointmentAct.CHANGE, _S.BOOKED, frozenset(_S))),
        "S26": SiuRule(AppointmentAct.CHANGE, _S.NOSHOW, frozenset({_S.NOSHOW})),
    }
)
"""2.5.1 §10.4. S18 to S22 change the services and resources of an appointment."""

RESOURCE_SEGMENTS: Final[Mapping[str, tuple[ResourceKind, int]]] = MappingProxyType(
    {
        "AIS": (ResourceKind.SERVICE, 4),
        "AIL": (ResourceKind.PLACE, 6),
        "AIP": (ResourceKind.PERSON, 6),
        "AIG": (ResourceKind.THING, 8),
    }
)
"""Resource segments (2.5.1 §10.6), in the order in which their starts are believed: kind, and field of the start."""

REMOVED: Final = "D"
"""Table 0206 (RGS-2, AIx-2): the resource, or the group, is taken off the appointment."""

INCREMENTAL: Final = frozenset({"S18", "S19", "S20", "S21", "S22"})
"""Events that name the resources that are added, changed or taken off, and no others."""

TAKES_OFF: Final = frozenset({"S20", "S21", "S22"})
"""Of these, the events that cancel, discontinue or delete a resource, whose segment need not say so by its code."""

SIU_IGNORED: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(("S18", "S19", "S20", "S21", "S22"), "siu-resources"),
        **dict.fromkeys(("S23", "S24", "S25"), "siu-slots"),
    }
)
"""Events about a session's resources, where no patient is concerned, and about blocked slots, with the rule's name."""

FILLER_STATUSES: Final[Mapping[str, AppointmentStatus | None]] = MappingProxyType(
    {
        "PENDING": _S.PENDING,
        "WAITLIST": _S.WAITLIST,
        "BOOKED": _S.BOOKED,
        "STARTED": _S.CHECKED_IN,
        "COMPLETE": _S.FULFILLED,
        "CANCELLED": _S.CANCELLED,
        "DELETED": _S.ENTERED_IN_ERROR,
        "NOSHOW": _S.NOSHOW,
        "DISCONTINUED": None,
        "BLOCKED": None,
        "OVERBOOK": None,
    }
)
"""Table 0278 (SCH-25) in capitals, and the FHIR R4 status; None where FHIR has none."""

NOT_SERVICES: Final = frozenset(
    {"CHECKUP", "EMERGENCY", "FOLLOWUP", "ROUTINE", "WALKIN", "NORMAL", "TENTATIVE", "COMPLETE"}
)
"""Tables 0276 and 0277 in capitals: reasons and types that name no service."""

EMERGENCY: Final = "EMERGENCY"
"""The reason of table 0276 that makes an appointment urgent."""

DURATION_SECONDS: Final[Mapping[str, int]] = MappingProxyType(
    {
        **dict.fromkeys(("", "M", "MN", "MIN", "MINS", "MINUTE", "MINUTES"), 60),
        **dict.fromkeys(("S", "SEC", "SECOND", "SECONDS", "SECONDE", "SECONDES"), 1),
        **dict.fromkeys(("H", "HR", "HRS", "HOUR", "HOURS", "HEURE", "HEURES"), 3600),
    }
)
"""Units of a duration in capitals (ISO+ and what senders write), in seconds; minutes when none is given."""

PATIENT_NOTES: Final = frozenset({"PI", "GI"})
"""Table 0364: patient and general instructions; other notes are not for the patient."""
