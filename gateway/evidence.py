"""Why the matcher asked or linked, as it was at that moment: identifiers, levels and bits; no value of a trait."""

from dataclasses import dataclass
from enum import StrEnum


class Hindrance(StrEnum):
    """Why a match was not linked without a person, beside the guards."""

    SETTING = "setting"
    """The site links nothing by score (``[matching] automatic``)."""
    TRUST = "trust"
    """A source of one of the records has no contract of trust (RNIV 1, EXI SI 33, EXI SI 34)."""
    VOUCHING = "vouching"
    """Admissions vouches for neither of the two, or for both."""
    PROVISIONAL = "provisional"
    """The identity that admissions vouches for is provisoire: nobody has checked it (RNIV 1 §3.2.1)."""
    ATTRIBUTES = "attributes"
    """One of the two is marked as doubtful, fictitious, a homonym or a double."""
    SEVERAL = "several"
    """More than one person is meant."""
    DOUBLE = "double"
    """A number of the same domain may be the same person, or the person has one: admissions merges (EXI SI 37)."""
    DISCORDANT = "discordant"
    """A strict trait contradicts one of the person's records (RNIV 1, EXI PP 20)."""
    MEMBER = "member"
    """A guard speaks between the record and another one of the person's."""
    SCORE = "score"
    """A guard speaks, the score is too low, or another candidate is too near."""
    DECIDED = "decided"
    """People decided that the two are not one person."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """A candidate as it was weighed.

    Attributes:
        identity: the candidate's id.
        score: bits; log2 of the odds that the two are one person.
        grade: what would come of it alone: match or possible-match.
        contributions: trait, level of agreement and bits, the prior first; they add up to the score.
        guards: what speaks against a link, whatever the score.

    """

    identity: str
    score: float
    grade: str
    contributions: tuple[tuple[str, str, float], ...]
    guards: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the matcher knew.

    Attributes:
        version: of the model.
        automatic: score from which a link needs nobody, in bits.
        review: score from which a person is asked, in bits.
        margin: bits within which a second candidate makes the first a question.
        candidates: best first, bounded in number.
        hindrances: why a match was not linked.
        found: how many candidates there were.

    """

    version: str
    automatic: float
    review: float
    margin: float
    candidates: tuple[Weighed, ...]
    hindrances: tuple[Hindrance, ...] = ()
    found: int = 0
