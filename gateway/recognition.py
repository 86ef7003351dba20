"""Whom a record resembles, and what comes of it: a link, a question, or nothing.

Who is linked by score, and who is only asked about (RNIV 1 §4.9, EXI SI 33 to 37; matrix of §4.9.2.1):

- A record always stays its own: an identity that is received never updates another domain's, provisoire or not. What
  a link changes is the pointer to the person; no trait, status or INS goes from one record to the other.
- Linked without a person is only a department's record with an identity that admissions vouches for and that somebody
  has checked (not provisoire), where both sources have a contract of trust: the référentiel has it in its own domain.
  Two numbers of one domain are never linked by us: that is a question, and a merge that admissions is to make.
- Whoever stands in the matcher's way stops the link, not the delivery: a guard, also against any other record of the
  person; a strict trait that contradicts one (a person who links against it needs a second one, so nobody does alone);
  a second person who may be meant; a decision of people; an attribute that says that the identity is doubtful.
- What people have decided is not asked again until a strict trait changes.
- Nobody is compared with a person of whom a record is frozen: whose it is, is asked already.
- Test and production identities never meet; a test site's are all of test, and meet each other.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.act import Act
from gateway.evidence import Evidence, Hindrance, Weighed
from gateway.facts import Identifier, IdentityStatus, Patient
from gateway.focus import Doubt, Question
from gateway.identity import Identity, apart, disagreements, qualified_ins, settled
from gateway.likeness import likeness, search_keys
from gateway.matching.comparison import levels
from gateway.matching.matcher import Candidate, Grade, Verdict, explained, match, weigh
from gateway.matching.names import NameLevel
from gateway.matching.record import Prepared
from gateway.site import Environment, SourceRole

MOST_NAMED = 10
"""Candidates that a question names at most; how many there were is told beside."""

DOUBTFUL = frozenset({"HOMA", "HOMD", "DOUT", "FICT", "DOUA", "DOUB", "DPOT", "COLP", "COLV", "USUR"})
"""Attributes (table 0445) of an identity that nobody is linked with unseen."""

FICTITIOUS = "FICT"

_TWO_NAMES = frozenset({NameLevel.OTHER, NameLevel.RIVAL})


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A record that is seen for the first time, or has learnt traits.

    Attributes:
        patient: as it is by now.
        key: its domain and number.
        vouched: admissions vouches for it.
        source: who tells it.
        record: as it is stored; None of one that is not.
        person: whose it is already; empty if nobody's.
        named: records that its identifiers and its INS name.

    """

    patient: Patient
    key: Identifier
    vouched: bool
    source: str
    record: Identity | None = None
    person: str = ""
    named: Sequence[Identity] = ()


@dataclass(frozen=True, slots=True)
class Recognition:
    """What comes of a record's likeness to others.

    Attributes:
        link: the record to whose person it belongs; None if it is not linked.
        question: what is asked; of a link, what was known, answered.

    """

    link: Identity | None = None
    question: Question | None = None


NOBODY = Recognition()


def recognise(act: Act, newcomer: Newcomer) -> Recognition:
    """Give what comes of a record's likeness to those that are stored."""
    if act.site.matching is None or (newcomer.record is not None and newcomer.record.frozen):
        return NOBODY
    own = _compared(act, "", newcomer.patient)
    others = {i.id: i for i in _eligible(act, newcomer, own)}
    doubles = _ranked(_doubles(act, newcomer, own, others.values()), others)
    verdicts = _verdicts(act, newcomer, own, others.values())
    elsewhere = _ranked((c for v in verdicts for c in v.candidates), others)
    if not doubles and not elsewhere:
        return NOBODY
    best = others[(doubles or elsewhere)[0].id]
    hindrances: tuple[Hindrance, ...]
    if doubles:
        doubt, hindrances = Doubt.POSSIBLE_DOUBLE, (Hindrance.DOUBLE,)
    elif len({others[c.id].person for c in elsewhere}) > 1:
        doubt, hindrances = Doubt.POSSIBLE_MATCH, (Hindrance.SEVERAL,)
    elif all(verdict.grade is Grade.MATCH for verdict in verdicts):
        hindrances = _hindrances(act, newcomer, best, own)
        doubt = Doubt.LINK_PROPOSED if _OF_THE_SITE.issuperset(hindrances) else Doubt.POSSIBLE_MATCH
    else:
        doubt, hindrances = Doubt.POSSIBLE_MATCH, (Hindrance.SCORE,)
    question = _question(act, newcomer, best, doubt, [*doubles, *elsewhere], hindrances)
    return Recognition(best if question.answered else None, question)


def _question(
    act: Act,
    newcomer: Newcomer,
    best: Identity,
    doubt: Doubt,
    found: Sequence[Candidate],
    hindrances: tuple[Hindrance, ...],
) -> Question:
    """Give what is asked, or, where nothing hinders a link, what was known of it."""
    return Question(
        doubt,
        best.id,
        disagreements(best.patient, newcomer.patient),
        answered=not hindrances,
        further=tuple(c.id for c in found[1:MOST_NAMED]),
        evidence=_evidence(act, found, hindrances),
    )


_OF_THE_SITE = frozenset({Hindrance.SETTING, Hindrance.TRUST, Hindrance.VOUCHING, Hindrance.PROVISIONAL})
"""What hinders a link that would be sure enough."""


def _compared(act: Act, id_: str, patient: Patient) -> Prepared:
    """Give a patient as it is compared; on a test site nobody is of test among others who are not."""
    prepared = likeness(id_, patient)
    return replace(prepared, test=False) if act.site.environment is Environment.TEST else prepared


# -- who is weighed ----------------------------------------------------------------------------------------------------


def _eligible(act: Act, newcomer: Newcomer, own: Prepared) -> Iterator[Identity]:
    """Give the records in force that share a key, of other persons, and of whom nobody decided that they are others."""
    for other in act.state.alike(search_keys(newcomer.patient)):
        if other.retired or other.origin is not None or other.person == newcomer.person or other.key == newcomer.key:
            continue
        if newcomer.record is not None and _is_decided(act, newcomer.record, other):
            continue
        if any(member.frozen for member in act.state.family_of(other.person)):
            continue
        fictitious = (FICTITIOUS in other.patient.attributes) != (FICTITIOUS in newcomer.patient.attributes)
        if not fictitious and _compared(act, other.id, other.patient).test == own.test:
            yield other


def _is_decided(act: Act, record: Identity, other: Identity) -> bool:
    return any(settled(record, member) for member in act.state.family_of(other.person))


def _ranked(found: Iterable[Candidate], others: Mapping[str, Identity]) -> list[Candidate]:
    """Give candidates, best first; of equals, in the order of their numbers."""
    return sorted(found, key=lambda c: (-c.score, others[c.id].key))


def _doubles(act: Act, newcomer: Newcomer, own: Prepared, others: Iterable[Identity]) -> list[Candidate]:
    """Give the records of the same domain that may be the same person; twins' two names tell them apart."""
    same = [o for o in others if o.key.authority == newcomer.key.authority]
    on, model = act.now.date(), act.state.model
    weighed = (weigh(own, _compared(act, o.id, o.patient), model, on) for o in same)
    return [c for c in weighed if c and levels(c.comparison).get("given_name") not in _TWO_NAMES]


def _verdicts(act: Act, newcomer: Newcomer, own: Prepared, others: Iterable[Identity]) -> list[Verdict]:
    """Give what the matcher says of each other domain in which somebody is in question."""
    domains: dict[str, list[Prepared]] = defaultdict(list)
    for other in others:
        if other.key.authority != newcomer.key.authority:
            domains[other.key.authority].append(_compared(act, other.id, other.patient))
    verdicts = (match(own, records, act.state.model, act.now.date()) for _, records in sorted(domains.items()))
    return [verdict for verdict in verdicts if verdict.candidates]


# -- what stands in the way --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Link:
    """A link that the matcher would make.

    Attributes:
        act: the message taking effect.
        newcomer: the record.
        own: the same as it is compared.
        person: whose it would be.
        family: that person's records in force.

    """

    act: Act
    newcomer: Newcomer
    own: Prepared
    person: str
    family: Sequence[Identity]

    @property
    def vouching(self) -> list[Identity]:
        """Those of the person's records that admissions vouches for."""
        return [m for m in self.family if m.authoritative]


def _hindrances(act: Act, newcomer: Newcomer, target: Identity, own: Prepared) -> tuple[Hindrance, ...]:
    family = [m for m in act.state.family_of(target.person) if not m.retired]
    link = _Link(act, newcomer, own, target.person, family)
    return tuple(hindrance for hindrance, hinders in _HINDRANCES.items() if hinders(link))


def _not_set(link: _Link) -> bool:
    return link.act.site.matching is None or not link.act.site.matching.automatic


def _untrusted(link: _Link) -> bool:
    told = [(link.newcomer.source, link.newcomer.key), *((m.told.source, m.key) for m in link.family)]
    return not all(_trusted(link.act, source, key) for source, key in told)


def _vouched_alike(link: _Link) -> bool:
    return link.newcomer.vouched is bool(link.vouching)


def _unchecked(link: _Link) -> bool:
    checked = [link.newcomer.patient] if link.newcomer.vouched else [m.patient for m in link.vouching]
    return any(patient.status is IdentityStatus.PROVISOIRE for patient in checked)


def _marked(link: _Link) -> bool:
    return any(DOUBTFUL & p.attributes for p in (link.newcomer.patient, *(m.patient for m in link.family)))


def _several(link: _Link) -> bool:
    """Whether the record, its identifiers or its INS name somebody else beside."""
    one = link.newcomer
    named = {n.person for n in (*one.named, *_holders(link.act, one))} - {link.person, one.person}
    return bool(named) or len(link.act.state.family_of(one.person)) > 1


def _numbered(link: _Link) -> bool:
    return any(m.key.authority == link.newcomer.key.authority for m in link.family)


def _discordant(link: _Link) -> bool:
    return any(disagreements(m.patient, link.newcomer.patient) for m in link.family)


def _guarded(link: _Link) -> bool:
    act = link.act
    members = (_compared(act, m.id, m.patient) for m in link.family)
    return any(explained(link.own, member, act.state.model, act.now.date()).guards for member in members)


def _decided(link: _Link) -> bool:
    record = link.newcomer.record
    family = link.act.state.family_of(link.person)  # a retired record too: what was decided of it stands
    return record is not None and any(apart(record, member) for member in family)


_HINDRANCES: Mapping[Hindrance, Callable[[_Link], bool]] = {
    Hindrance.SETTING: _not_set,
    Hindrance.TRUST: _untrusted,
    Hindrance.VOUCHING: _vouched_alike,
    Hindrance.PROVISIONAL: _unchecked,
    Hindrance.ATTRIBUTES: _marked,
    Hindrance.SEVERAL: _several,
    Hindrance.DOUBLE: _numbered,
    Hindrance.DISCORDANT: _discordant,
    Hindrance.MEMBER: _guarded,
    Hindrance.DECIDED: _decided,
}


def _trusted(act: Act, source_id: str, key: Identifier) -> bool:
    """Whether a source has a contract of trust; the référentiel needs none in its own domain."""
    source = act.site.source(source_id)
    if source is None:
        return False
    return source.trust_contract or (source.role is SourceRole.ADMISSIONS and source.authority == key.authority)


def _holders(act: Act, newcomer: Newcomer) -> list[Identity]:
    ins = qualified_ins(newcomer.patient)
    return act.state.identities_with(ins) if ins else []


# -- what is kept of it ------------------------------------------------------------------------------------------------


def _evidence(act: Act, found: Sequence[Candidate], hindrances: Sequence[Hindrance]) -> Evidence:
    model = act.state.model
    return Evidence(
        version=model.version,
        automatic=model.automatic,
        review=model.review,
        margin=model.margin,
        candidates=tuple(_weighed(act, candidate) for candidate in found[:MOST_NAMED]),
        hindrances=tuple(hindrances),
        found=len(found),
    )


def _weighed(act: Act, candidate: Candidate) -> Weighed:
    model = act.state.model
    contributions = tuple((trait, str(level), round(bits, 2)) for trait, level, bits in candidate.contributions(model))
    guards, grade = tuple(map(str, candidate.guards)), str(candidate.grade(model))
    return Weighed(candidate.id, round(candidate.score, 2), grade, contributions, guards)
