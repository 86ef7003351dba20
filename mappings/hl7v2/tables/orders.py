"""Orders and results: events, order controls, priorities, statuses, abnormalities."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gateway.facts import Abnormality, OrderAct, Priority, ResultStatus

RESULT_EVENTS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {"ORU": frozenset({"R01"}), "OUL": frozenset({"R22", "R23", "R24"})}
)
"""Messages with results: per order, per specimen (R22), container (R23) or order (R24) (2.5.1 §7.3)."""

SPECIMEN_FIRST: Final = frozenset({"R22", "R23", "O33"})
"""Events whose specimens stand before the orders on them (OUL_R22, OUL_R23, OML_O33)."""

ORDERS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {"ORM": frozenset({"O01"}), "OMG": frozenset({"O19"}), "OML": frozenset({"O21", "O33"})}
)
"""Messages with orders: general (ORM, OMG), laboratory per order (O21) or specimen (O33) (2.5.1 §4.4)."""

ORDER_EVENTS: Final = frozenset(event for events in ORDERS.values() for event in events)
"""Order messages, in which a second PID begins results of before (PATIENT_PRIOR)."""

_ORDER_CONTROLS: Final = {
    OrderAct.REQUEST: "NW NA NR OK SN PA CH RE RP RO RU RQ RF AF FU IN",
    OrderAct.CHANGE: "XO XR XX UX UC UD SC SR HD HR OH UH RL OR CN DE DF LI UN PY SS RR",
    OrderAct.CANCEL: "CA CR OC DC DR OD UA",
}

ORDER_CONTROLS: Final[Mapping[str, OrderAct]] = MappingProxyType(
    {code: act for act, codes in _ORDER_CONTROLS.items() for code in codes.split()}
)
"""Table 0119 (ORC-1)."""

OTHER_REQUESTS: Final = ("RXO", "RXE", "RXD", "RXG", "RXA", "ODS", "ODT", "RQD", "RQ1", "BPO")
"""Segments of orders that no result answers: medicines, diets, supplies, blood products."""

FORMER_RESULTS: Final = frozenset({"PR"})
"""Table 0119 (ORC-1): previous results that go along with a new order."""

COMMON_BEHIND: Final = frozenset({"R22", "R23", "R24"})
"""Events in which an ORC stands behind its OBR (OUL)."""

PRIORITIES: Final[Mapping[str, Priority]] = MappingProxyType(
    {"S": Priority.STAT, "STAT": Priority.STAT, "A": Priority.URGENT, "ASAP": Priority.URGENT}
)
"""Table 0485 (TQ1-9) and its elders (OBR-5, OBR-27.6, SCH-11.6): what is more than routine."""

_R = ResultStatus

LINE_STATUSES: Final[Mapping[str, ResultStatus]] = MappingProxyType(
    {
        "P": _R.PRELIMINARY,
        "F": _R.FINAL,
        "U": _R.FINAL,
        "C": _R.CORRECTED,
        "D": _R.WITHDRAWN,
        "W": _R.WITHDRAWN,
        "X": _R.UNOBTAINABLE,
    }
)
"""Table 0085 (OBX-11); any other code is a status unknown."""

REPORT_STATUSES: Final[Mapping[str, ResultStatus]] = MappingProxyType(
    {**LINE_STATUSES, "A": _R.PRELIMINARY, "R": _R.PRELIMINARY}
)
"""Table 0123 (OBR-25), where A is "some of the results", R "not yet verified"; senders use those of 0085 as well."""

MADE_FINAL: Final = "U"
"""Table 0085: final without being sent again: the value told before stands."""

NOT_RESULTS: Final = frozenset({"O", "N"})
"""Table 0085: lines that describe the order or were not asked for; they carry no status of a result."""

ABNORMALITIES: Final[Mapping[str, Abnormality]] = MappingProxyType(
    {
        **dict.fromkeys(("HH", "LL", "AA"), Abnormality.CRITICAL),
        **dict.fromkeys(("A", "H", "L", "R", ">", "<"), Abnormality.ABNORMAL),
        "N": Abnormality.NORMAL,
    }
)
"""Table 0078 (OBX-8); any other code is unclassified, never normal."""

CODED_TYPES: Final = frozenset({"CE", "CWE", "CNE", "CF"})
"""OBX-2 of values with a code and a text."""

ENCAPSULATED: Final = "ED"
"""OBX-2 of embedded content."""
