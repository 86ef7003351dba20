"""How a patient is told of an appointment: by letter, by telephone, on the ward, or not at all; and who is told.

The first rule that holds decides (RULES), so that no reason to stay silent is ever outweighed by one to write.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum


class Channel(StrEnum):
    """How it is told."""

    LETTER = "letter"
    PHONE = "phone"
    WARD = "ward"
    """Where the patient lies already."""
    NONE = "none"


class Addressee(StrEnum):
    """Who is told."""

    PATIENT = "patient"
    REPRESENTATIVE = "representative"
    """The representative who is declared (NK1-7 = R), of a minor or a protected adult."""
    GUARDIANS = "guardians"
    """A minor's legal representatives, of whom none is declared: at the minor's address."""


class Reason(StrEnum):
    """Why it is told otherwise than by a letter."""

    NOTHING_SPECIAL = ""
    DECEASED = "deceased"
    FICTITIOUS = "fictitious"
    """No human being: an identity that was made for a test or a training (PID-32 = FICT)."""
    UNDATED = "undated"
    PAST = "past"
    IN_HOUSE = "in-house"
    OF_A_MINOR = "of-a-minor"
    """It is the minor's own affair, and kept from whoever would be written to."""
    CONFIDENTIAL = "confidential"
    SOON = "soon"
    NO_ADDRESS = "no-address"


NEVER = frozenset({Reason.DECEASED, Reason.FICTITIOUS})
"""Reasons for which nobody is ever told."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known of an appointment and its patient that decides how they are told.

    Attributes:
        told_at: when the agenda told it last (aware instant).
        starts: what the patient must know of in time: the start, and the one that a letter told before.
        lead_days: days from the telling to the start below which a letter would come too late.
        deceased: a death was told.
        fictitious: the identity is no human being's.
        in_house: the patient lies in the hospital.
        confidential: nobody at home is to learn of it.
        mailing: the patient has named an address that letters may go to even so.
        minor: the patient may be a minor on that day.
        represented: a legal representative is declared.
        secret: it is kept from the legal representatives (INVISIBLE_REP_LEGAUX, CONNEXION_SECRETE), or the unit is
            sensitive.
        address: whoever is written to has a usable address.
        phone: whoever is called has a number.
        patient_phone: the patient has one.

    """

    told_at: datetime
    starts: tuple[datetime, ...] = ()
    lead_days: int = 0
    deceased: bool = False
    fictitious: bool = False
    in_house: bool = False
    confidential: bool = False
    mailing: bool = False
    minor: bool = False
    represented: bool = False
    secret: bool = False
    address: bool = True
    phone: bool = True
    patient_phone: bool = True

    @property
    def soon(self) -> bool:
        """Whether what is still to come starts before a letter would have been read."""
        zone = self.told_at.tzinfo
        days = (_days(self.told_at.date(), start.astimezone(zone).date()) for start in self.starts)
        ahead = [d for d, start in zip(days, self.starts, strict=True) if start > self.told_at]
        return bool(ahead) and min(ahead) < self.lead_days

    @property
    def past(self) -> bool:
        """Whether it starts before it was told."""
        return bool(self.starts) and self.starts[0] <= self.told_at


def _days(earlier: date, later: date) -> int:
    return (later - earlier).days


@dataclass(frozen=True, slots=True)
class Reach:
    """How and whom.

    Attributes:
        channel: how it is told.
        addressee: who is told.
        reason: why it is not simply a letter.
        incomplete: there is neither an address nor a number to do so: somebody is to find them out.

    """

    channel: Channel = Channel.LETTER
    addressee: Addressee = Addressee.PATIENT
    reason: Reason = Reason.NOTHING_SPECIAL
    incomplete: bool = False


RULES: tuple[tuple[Reason, Channel, Callable[[Situation], bool]], ...] = (
    (Reason.DECEASED, Channel.NONE, lambda s: s.deceased),
    (Reason.FICTITIOUS, Channel.NONE, lambda s: s.fictitious),
    (Reason.UNDATED, Channel.NONE, lambda s: not s.starts),
    (Reason.PAST, Channel.NONE, lambda s: s.past),
    (Reason.IN_HOUSE, Channel.WARD, lambda s: s.in_house and s.soon),
    (Reason.OF_A_MINOR, Channel.PHONE, lambda s: s.minor and s.secret),
    (Reason.CONFIDENTIAL, Channel.PHONE, lambda s: s.confidential and not s.mailing),
    (Reason.SOON, Channel.PHONE, lambda s: s.soon),
    (Reason.NO_ADDRESS, Channel.PHONE, lambda s: not s.address),
    (Reason.NOTHING_SPECIAL, Channel.LETTER, lambda _: True),
)
"""Why and how, the weightiest first."""


def reach(situation: Situation) -> Reach:
    """Give how a patient is told, and who is."""
    reason, channel, _ = next(rule for rule in RULES if rule[2](situation))
    if reason is Reason.OF_A_MINOR:
        return Reach(channel, Addressee.PATIENT, reason, incomplete=not situation.patient_phone)
    addressee = Addressee.PATIENT
    if situation.represented:
        addressee = Addressee.REPRESENTATIVE
    elif situation.minor:
        addressee = Addressee.GUARDIANS
    return Reach(channel, addressee, reason, incomplete=channel is Channel.PHONE and not situation.phone)
