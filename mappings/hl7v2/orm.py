"""ORM, OMG and OML into facts: what was ordered, by whom and for which unit (2.5.1 chapter 4).

An order is nobody's work here; the result that comes back is held against it.
"""

from gateway.er7 import Message
from gateway.errors import FieldMissing, SegmentMissing
from gateway.facts import Fact, Identifier, OrderAct, OrderReported
from mappings.hl7v2.orders import Order, groups_of, numbers_of
from mappings.hl7v2.oru import asked_priority, ordering_unit, requester
from mappings.hl7v2.patient import patient_of
from mappings.hl7v2.reading import Reading, first_of, unit_of_visit
from mappings.hl7v2.tables import ORDER_CONTROLS, OTHER_REQUESTS


def orders(message: Message, event: str) -> list[Order]:
    """Give the orders asked for: results of before that go along (ORC-1 = PR, PATIENT_PRIOR) are none."""
    return [order for order in groups_of(message, event).orders if not order.former and order.request is not None]


def asks_for_other_things(message: Message) -> bool:
    """Whether what is ordered are medicines, diets or supplies alone (RXO, ODS, RQD ...), which no result answers."""
    return message.first("OBR") is None and any(message.first(name) for name in OTHER_REQUESTS)


def facts(reading: Reading) -> tuple[Fact, ...]:
    """Give what an order message says: one order per number, with all that is ordered under it.

    Raises:
        SegmentMissing: no OBR that is asked for, or one before any PID.
        FieldMissing: an order has no number.

    """
    found: dict[Identifier, list[Order]] = {}
    for order in orders(reading.message, reading.event):
        found.setdefault(keys(reading, order)[-1], []).append(order)
    if not found:
        raise SegmentMissing("an order has an OBR", path="OBR")
    return tuple(_order(reading, same) for same in found.values())


def check(reading: Reading) -> None:
    """Return when each order has a number.

    Raises:
        FieldMissing: one has none.

    """
    for order in orders(reading.message, reading.event):
        keys(reading, order)


def keys(reading: Reading, order: Order) -> tuple[Identifier, ...]:
    """Give the order's numbers, the filler's first and the placer's last.

    Raises:
        FieldMissing: there is none.

    """
    numbers = numbers_of(reading, order)
    if not numbers:
        path = reading.path(order.place, 2) if order.place else "ORC-2"
        raise FieldMissing("an order has a placer or a filler number", path=path)
    return numbers


def _order(reading: Reading, same: list[Order]) -> OrderReported:
    order = same[0]
    if order.pid is None:
        raise SegmentMissing("an order comes behind its PID", path="PID")
    labels = dict.fromkeys(first_of(each.field(4, 2), each.field(4)) for each in same)
    return OrderReported(
        patient=patient_of(reading, order.pid),
        keys=tuple(dict.fromkeys(key for each in same for key in keys(reading, each))),
        act=_act(reading, same),
        codes=tuple(dict.fromkeys(code for each in same if (code := each.field(4)))),
        label=", ".join(label for label in labels if label),
        ordering_unit=first_of(ordering_unit(order), unit_of_visit(order.visit)),
        requester=requester(order),
        priority=asked_priority(order),
    )


def _act(reading: Reading, same: list[Order]) -> OrderAct:
    """By ORC-1 (table 0119); an order is cancelled when all that was ordered under its number is."""
    acts = [_act_of(reading, order) for order in same]
    if OrderAct.CANCEL in acts and set(acts) != {OrderAct.CANCEL}:
        return OrderAct.CHANGE
    return acts[0]


def _act_of(reading: Reading, order: Order) -> OrderAct:
    code = order.common_field(1).upper()
    if code in ORDER_CONTROLS:
        return ORDER_CONTROLS[code]
    path = reading.path(order.common, 1) if order.common else "ORC-1"
    reading.flag(path, "no order control of table 0119: read as a new order")
    return OrderAct.REQUEST
