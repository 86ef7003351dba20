"""A letter that was sent and is wrong now: what the demonstration shows of convocations, once the morning is over."""

from collections.abc import Callable
from pathlib import Path

from adapters.assembly import Assembly
from adapters.cli.convocation import keep
from adapters.demo.patients import APPOINTMENT_OID
from adapters.demo.scenario import MOVED_LATER
from adapters.pipeline import convocation_operations
from gateway.convocation import Convocation, ConvocationAct
from gateway.facts import Identifier, IdentifierKind

FILE = "annule-et-remplace.pdf"


def corrected(assembly: Assembly, move: Callable[[], None], folder: Path) -> Convocation:
    """Give what corrects a letter that was printed and sent before its appointment was moved; its PDF is in a folder.

    Args:
        assembly: the parts of the demonstration's gateway.
        move: lets the agenda move the appointment, and returns once that is processed.
        folder: where the letter goes.

    """
    key = Identifier(APPOINTMENT_OID, MOVED_LATER, IdentifierKind.OTHER)
    (appointment,) = assembly.worklist.appointments(key)
    acts = convocation_operations(assembly, assembly.account_principal())
    acts.print_one(appointment.id, lambda _: None)
    acts.do(ConvocationAct.SEND, appointment.id)
    move()
    keep(folder / FILE)(acts.preview(appointment.id))
    live = acts.show(appointment.id).convocations.live
    assert live is not None
    return live
