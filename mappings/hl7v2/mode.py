"""Which acknowledgments a sender asks for: original or enhanced mode (2.5.1 §2.9.2, §2.9.3; MSH-15, MSH-16)."""

from dataclasses import dataclass
from enum import StrEnum

from gateway.er7 import Message
from gateway.errors import POSITIVE, AckCode


class Wanted(StrEnum):
    """Table 0155: on which conditions an acknowledgment is wanted."""

    ALWAYS = "AL"
    NEVER = "NE"
    ERROR = "ER"
    SUCCESS = "SU"

    def on(self, code: AckCode) -> bool:
        """Whether an acknowledgment with this code is wanted."""
        return self is Wanted.ALWAYS or self is (Wanted.SUCCESS if code in POSITIVE else Wanted.ERROR)


_COMMIT = {AckCode.AA: AckCode.CA, AckCode.AE: AckCode.CE, AckCode.AR: AckCode.CR}


@dataclass(frozen=True, slots=True)
class Mode:
    """How a message is answered.

    In original mode the one answer follows the examination and the commit. In enhanced mode that is the accept
    acknowledgment, and the application acknowledgment follows when the pipeline has ended with the message. What is
    refused never comes that far: its one answer is the accept acknowledgment, or, where that is not wanted, the other.

    Attributes:
        enhanced: MSH-15 or MSH-16 has a value.
        accept: MSH-15.
        application: MSH-16.

    """

    enhanced: bool = False
    accept: Wanted = Wanted.NEVER
    application: Wanted = Wanted.NEVER

    def recorded(self, code: AckCode) -> AckCode:
        """Give the code that a message with this verdict (AA, AE or AR) is recorded with, sent or not."""
        return self.at_once(code) or _COMMIT[code]

    def at_once(self, code: AckCode) -> AckCode | None:
        """Give MSA-1 of the answer that follows the examination and the commit; None if none does."""
        if not self.enhanced:
            return code
        if self.accept.on(code):
            return _COMMIT[code]
        return code if code not in POSITIVE and self.application.on(code) else None

    def follows(self, code: AckCode) -> bool:
        """Whether an application acknowledgment may follow the pipeline's end, after this verdict."""
        return self.enhanced and code in POSITIVE and self.application is not Wanted.NEVER


ORIGINAL = Mode()


def mode_of(header: Message) -> Mode:
    """Give what the MSH asks for.

    A value that table 0155 does not have counts as AL: nobody waits in vain. An acknowledgment is never acknowledged,
    but for an accept acknowledgment that it asks for: two who answered each other's answers would never end.
    """
    msh = header.first("MSH")
    if msh is None:
        return ORIGINAL
    accept, application = msh.text(15).strip().upper(), msh.text(16).strip().upper()
    if msh.text(9).strip().upper() == "ACK":
        return Mode(enhanced=True, accept=_wanted(accept))
    if not accept + application:
        return ORIGINAL
    return Mode(enhanced=True, accept=_wanted(accept), application=_wanted(application))


def _wanted(value: str) -> Wanted:
    if not value:
        return Wanted.NEVER  # one of the two alone: the other is not wanted
    return Wanted(value) if value in set(Wanted) else Wanted.ALWAYS
