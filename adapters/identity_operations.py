"""What the identity desk may ask of the gateway: each act needs a right and leaves an audit event (promise P8)."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypedDict

from adapters.audited import Audited
from adapters.store.alike import Scanned
from adapters.store.audit import AuditTrail
from adapters.store.identity_desk import IdentityDesk, Known, OpenQuestion, Proposed, Tally, Written
from adapters.store.loading import Loaded
from gateway.audit import AuditAction, AuditEvent
from gateway.decision import (
    Decision,
    DecisionKind,
    Standing,
    enacted,
    needs_second,
    weighed,
)
from gateway.differences import Line, compared
from gateway.discrepancy import told_otherwise
from gateway.errors import (
    AccessRefused,
    ConfigurationError,
    DecidedMeanwhile,
    ReasonNeeded,
    StateConflict,
    VersionOutdated,
)
from gateway.evidence import Evidence
from gateway.facts import Identifier, Patient
from gateway.focus import Doubt
from gateway.identity import Identity, may_be_minor
from gateway.identity_desk import Sitting, evidence_about, questions_after, questions_before
from gateway.notes import Note
from gateway.pipeline import Changes, Decider
from gateway.principal import Principal, Right
from gateway.proposing import propose
from gateway.site import SourceRole
from gateway.state import State
from gateway.undo import Undoing, undo_needs_second, undone
from gateway.wording import reasoned
from gateway.worklist import WorkItem

MOST_LOOKED_AT = 10_000
"""Questions read at most, to list some or to find the minors' among them."""

_RIGHTS = {
    DecisionKind.LINK: (Right.IDENTITY_LINK, AuditAction.IDENTITY_LINK_DECIDED),
    DecisionKind.NOT_SAME: (Right.IDENTITY_NOT_SAME, AuditAction.IDENTITY_SEPARATION_DECIDED),
    DecisionKind.UNLINK: (Right.IDENTITY_UNLINK, AuditAction.IDENTITY_UNLINK_DECIDED),
    DecisionKind.REQUEST_MERGE: (Right.IDENTITY_REQUEST_MERGE, AuditAction.MERGE_REQUEST_DECIDED),
    DecisionKind.REQUEST_FLAG: (Right.IDENTITY_REQUEST_FLAG, AuditAction.FLAG_REQUEST_DECIDED),
    DecisionKind.FREEZE: (Right.IDENTITY_FREEZE, AuditAction.IDENTITY_FREEZE_DECIDED),
    DecisionKind.LIFT: (Right.IDENTITY_LIFT, AuditAction.IDENTITY_LIFT_DECIDED),
    DecisionKind.ASK: (Right.IDENTITY_ASK, AuditAction.INFORMATION_ASKED),
    DecisionKind.UNDO: (Right.IDENTITY_UNDO, AuditAction.IDENTITY_DECISION_UNDONE),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an act of the desk does, or would do.

    Attributes:
        decision: the decision, as it stands then.
        items: open items that are told anew.
        told: items of the records that move of which others have been told already (« déjà transmis »).
        stays: records that an undo leaves where admissions has put them.
        joined: records that came since, and that an undo leaves too.
        version: of what it was decided on, as it was before.

    """

    decision: Decision
    items: tuple[str, ...] = ()
    told: tuple[WorkItem, ...] = ()
    stays: tuple[str, ...] = ()
    joined: tuple[str, ...] = ()
    version: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """One record with its person's others and what is known of it.

    Attributes:
        record: the record.
        family: all records of its person.
        decisions: what people decided of it.
        followed: numbers of the requests among them that admissions has followed.
        version: changes with what is known.
        evidence: what the matcher knew when it last asked about it or linked it; None if it never did.

    """

    record: Identity
    family: list[Identity]
    decisions: tuple[Decision, ...]
    followed: frozenset[int] = frozenset()
    version: str = ""
    evidence: Evidence | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """Records side by side, trait by trait, and the version of what is known of them."""

    records: list[Identity]
    lines: list[Line]
    version: str


class _Last(TypedDict, total=False):
    decision: int
    by: str
    at: str


_Act = Callable[[Known, int], tuple[Written, Outcome]]
"""What is decided once all is known, by the number that the decision gets."""


class IdentityOperations(Audited):
    """The acts of one principal at the identity desk.

    Args:
        principal: who acts; no method names an actor.
        desk: the store's side.
        trail: the audit trail.
        decider: publishes what follows.

    """

    def __init__(self, principal: Principal, desk: IdentityDesk, trail: AuditTrail, decider: Decider) -> None:
        super().__init__(principal, trail)
        self._desk = desk
        self._decider = decider

    # -- reading ---------------------------------------------------------------------------------------------------

    def list_questions(
        self,
        doubts: Collection[Doubt],
        limit: int,
        reveal: str,
        *,
        minors: bool = False,
        stale: bool = False,
        after: tuple[datetime, str] | None = None,
    ) -> list[OpenQuestion]:
        """Give open questions, oldest first (audited).

        Args:
            doubts: why they are asked.
            limit: so many at most.
            reveal: why values are shown; empty: they are not.
            minors: only those about minors.
            stale: only those open for longer than the site's `desk_days`.
            after: time and id of the item behind which to begin.

        """
        self._may_read(reveal, AuditAction.IDENTITY_LISTED)
        titles = [f"identity.{doubt}" for doubt in doubts]
        site, now = self._decider.site, datetime.now(UTC)
        before, most = now - site.desk_limit if stale else None, MOST_LOOKED_AT if minors else limit
        found = self._desk.questions(titles, list(site.secretariats), most, before=before, after=after)
        if minors:
            found = [q for q in found if may_be_minor(q.record.patient.traits.birth_date, now.date())][:limit]
        patients = [q.record.id for q in found]
        self._record(
            AuditAction.IDENTITY_LISTED, patients=patients, found=len(found), revealed=bool(reveal), reason=reveal
        )
        return found

    def list_records(
        self, about: Note, limit: int, reveal: str, *, after: tuple[int, str] | None = None
    ) -> list[Identity]:
        """Give records of which something is notable, what was told last first (audited).

        Args:
            about: what is notable.
            limit: so many at most.
            reveal: why values are shown; empty: they are not.
            after: message and id of the record behind which to begin.

        """
        self._may_read(reveal, AuditAction.IDENTITY_LISTED)
        found = self._desk.notable(about, limit, after)
        patients = [record.id for record in found]
        self._record(
            AuditAction.IDENTITY_LISTED,
            patients=patients,
            about=about,
            found=len(found),
            revealed=bool(reveal),
            reason=reveal,
        )
        return found

    def list_decisions(
        self, standing: Standing, kind: DecisionKind | None, limit: int, *, after: int = 0
    ) -> list[Decision]:
        """Give decisions that stand so, after a number; of requests and freezes, those that still hold (audited)."""
        self._may_read("", AuditAction.IDENTITY_LISTED)
        found = self._desk.decisions(standing, kind, limit, after)
        patients = [i for d in found for i in (d.one, d.other) if i]
        self._record(AuditAction.IDENTITY_LISTED, patients=patients, found=len(found), standing=standing)
        return found

    def tally(self) -> Tally:
        """Give the desk's indicators: open questions and decisions, in numbers (audited)."""
        self._may_read("", AuditAction.IDENTITY_LISTED)
        site = self._decider.site
        found = self._desk.tally(list(site.secretariats), datetime.now(UTC) - site.desk_limit)
        self._record(AuditAction.IDENTITY_LISTED, about="tally")
        return found

    def show(self, identity: str, reveal: str) -> Shown:
        """Give a record, its person's others, and what was decided of them (audited)."""
        self._may_read(reveal, AuditAction.IDENTITY_SHOWN)
        known = self._desk.look([identity])
        circle = known.circle
        record, family = circle.record(identity), circle.family(identity)
        patients = [record.id, *(f.id for f in family)]
        self._record(AuditAction.IDENTITY_SHOWN, patients=patients, revealed=bool(reveal), reason=reveal)
        decisions = tuple(d for d in circle.decisions if identity in {d.one, d.other, *d.prints})
        followed = frozenset(d.number for d in decisions if circle.is_followed(d))
        return Shown(record, family, decisions, followed, circle.version, evidence_about(known.state, identity))

    def show_decision(self, number: int, reveal: str) -> tuple[Decision, str]:
        """Give a decision, and the version of what is known of its records (audited)."""
        self._may_read(reveal, AuditAction.IDENTITY_SHOWN)
        circle = self._desk.look([], decision=number).circle
        decision = circle.decision(number)
        entities = [f"decision/{number}"]
        patients = list(decision.prints) or [decision.one]
        self._record(
            AuditAction.IDENTITY_SHOWN, patients=patients, entities=entities, revealed=bool(reveal), reason=reveal
        )
        return decision, circle.version

    def compare(self, identities: Sequence[str], reveal: str) -> tuple[list[Identity], list[Line]]:
        """Give the traits of records side by side, and what departments tell of them otherwise (audited)."""
        found = self.comparison(identities, reveal)
        return found.records, found.lines

    def comparison(self, identities: Sequence[str], reveal: str) -> Compared:
        """Give the same, and the version on which a decision may be held to (audited)."""
        self._may_read(reveal, AuditAction.IDENTITY_COMPARED)
        known = self._desk.look(identities)
        records = [known.circle.record(identity) for identity in identities]
        records += told_otherwise(known.state, records)
        self._record(AuditAction.IDENTITY_COMPARED, patients=identities, revealed=bool(reveal), reason=reveal)
        return Compared(records, compared(records), known.circle.version)

    def _may_read(self, reveal: str, act: AuditAction) -> None:
        self.require(Right.IDENTITY_REVEAL if reveal else Right.IDENTITY_READ, act)

    def scan(self) -> Iterator[Scanned]:
        """Let every stored record be found by its likeness; give how far that has come (audited, batch by batch)."""
        self.require(Right.OPERATE, AuditAction.IDENTITIES_FILED)
        return self._desk.scan(lambda filed: self._event(AuditAction.IDENTITIES_FILED, filed=filed))

    def load(self, source: str, patients: Iterable[tuple[str, Patient]], digest: str) -> Iterator[Loaded]:
        """Store who the patients of an admissions system are, as if it had told them; give how far that has come.

        Each transaction leaves an event with its counts, and with the file's SHA-256, by which they are one act.

        Args:
            source: the site's source id.
            patients: number of the source's domain, and who it is.
            digest: SHA-256 of the file that they come from.

        Raises:
            ConfigurationError: it is no admissions system of the site's, or has no domain of its own.

        """
        self.require(Right.OPERATE, AuditAction.IDENTITIES_LOADED)
        known = self._decider.site.source(source)
        if known is None or known.role is not SourceRole.ADMISSIONS or not known.authority:
            raise ConfigurationError("an admissions system with an authority is expected", path="--source")
        told = ((Identifier(known.authority, value), patient) for value, patient in patients)
        named = ((key, replace(patient, identifiers=(key,))) for key, patient in told)
        entities = [f"load/{digest}"]

        def event(done: Loaded) -> AuditEvent:
            return self._event(
                AuditAction.IDENTITIES_LOADED,
                entities=entities,
                source=source,
                read=done.read,
                stored=done.stored,
                keys=done.keys,
            )

        return self._desk.load(source, named, event)

    def propose(self, after: str = "") -> Iterator[Proposed]:
        """Ask whom stored records are like, beginning behind one; nobody is linked (audited, batch by batch).

        Nothing is asked on a site that compares nobody (no ``[matching]``).
        """
        self.require(Right.OPERATE, AuditAction.IDENTITIES_COMPARED)
        return iter(()) if self._decider.site.matching is None else self._desk.propose(self._proposed, after)

    def _proposed(self, state: State, records: Sequence[str]) -> tuple[Changes, int]:
        changes, asked = propose(self._decider, state, records, self._principal.id, datetime.now(UTC))
        changes.audit.append(self._event(AuditAction.IDENTITIES_COMPARED, looked=len(records), asked=asked))
        return changes, asked

    # -- deciding --------------------------------------------------------------------------------------------------

    def decide(
        self,
        kind: DecisionKind,
        one: str,
        other: str,
        reason: str,
        *,
        further: Sequence[str] = (),
        subject: str = "",
        really: bool = True,
        expects: str = "",
    ) -> Outcome:
        """Decide on records, or only say what it would do (audited).

        Where a second person is needed, the decision is proposed and moves nothing. ``expects`` is the version of a
        preview or a comparison of the same records, or of the record to unlink; empty: whatever it is by now.

        Args:
            kind: what is decided; an undo is decided by `undo`.
            one: the record that it is about.
            other: the other record, if there are two.
            reason: why, in words.
            further: records beside the other one that are not its person either (not-same alone).
            subject: the attribute that is requested, or the secretariat that is asked (empty: that of the record's
                source).
            really: do it; otherwise only say what it would do.

        Raises:
            VersionOutdated: it is of another version.
            StateConflict: a rule forbids it.
            ResourceNotFound: there is no such record.

        """
        right, action = _RIGHTS[kind]
        self.require(right, action)
        now = datetime.now(UTC)

        def asked(known: Known, number: int) -> tuple[Written, Outcome]:
            told = self._whom_to_ask(known.circle.record(one), subject) if kind is DecisionKind.ASK else subject
            plain = Decision(number, kind, one, other, self._principal.id, now, reasoned(reason), subject=told)
            plain = replace(plain, further=tuple(further))
            decision = weighed(known.circle, plain, self._decider.new_id())
            if needs_second(known.circle, decision, _told_of(known)):
                proposed = replace(plain, discordant=decision.discordant, prints=decision.prints)
                return self._propose(known, proposed, _moved_items(known, decision))
            return self._enact(known, decision, action, now)

        return self._do([i for i in (one, other, *further) if i], asked, now, really=really, expects=expects)

    def _whom_to_ask(self, record: Identity, named: str) -> str:
        """Give the secretariat that is asked: the one named, else that of the source that told the record.

        Raises:
            StateConflict: there is none, or it is the desk itself.

        """
        site = self._decider.site
        source = site.source(record.told.source)
        asked = named or (source.secretariat if source else "")
        if asked not in site.secretariats or asked == site.identity_desk:
            raise StateConflict("a secretariat other than the identity desk is expected")
        return asked

    def _propose(self, known: Known, decision: Decision, told: tuple[WorkItem, ...]) -> tuple[Written, Outcome]:
        """Let a decision wait for a second person, once."""
        same = (decision.kind, decision.one, decision.other, decision.further, decision.undoes)
        waiting = (d for d in known.circle.decisions if d.standing is Standing.PROPOSED)
        if any((d.kind, d.one, d.other, d.further, d.undoes) == same for d in waiting):
            raise StateConflict("this waits for a second person already")
        proposed = replace(decision, standing=Standing.PROPOSED)
        changes = self._announced(known, Changes(), self._told(AuditAction.IDENTITY_DECISION_PROPOSED, proposed))
        return Written([proposed], changes), Outcome(proposed, told=told)

    def approve(self, number: int, *, really: bool = True, expects: str = "") -> Outcome:
        """Let what somebody else proposed take effect, as things are by now (audited).

        Raises:
            StateConflict: it is not proposed, or a rule forbids it by now.
            AccessRefused: the principal proposed it.

        """
        action = AuditAction.IDENTITY_DECISION_APPROVED
        self.require(Right.IDENTITY_APPROVE, action)
        now = datetime.now(UTC)

        def approved(known: Known, _number: int) -> tuple[Written, Outcome]:
            proposed = known.circle.decision(number)
            if proposed.standing is not Standing.PROPOSED:
                raise StateConflict("only a proposed decision is approved")
            asked = replace(proposed, standing=Standing.IN_FORCE, second=self._principal.id, discordant=())
            if asked.kind is DecisionKind.UNDO:
                done = undone(known.circle, asked.undoes, asked.by, now, asked.reason, second=asked.second)
                return self._let_be_undone(known, done, now, action, asked)
            return self._enact(known, weighed(known.circle, asked, self._decider.new_id()), action, now)

        proposed = self._desk.look([], decision=number).circle.decision(number)
        if proposed.by == self._principal.id:
            self._refuse(action)
            raise AccessRefused("who proposed a decision does not approve it")
        return self._do([], approved, now, really=really, decision=number, expects=expects)

    def undo(self, number: int, reason: str, *, really: bool = True, expects: str = "") -> Outcome:
        """Let things be as if a decision had never been taken, or say what that would do (audited).

        Where what follows would need a second person if it were decided directly, the undo is proposed.

        Raises:
            ResourceNotFound: there is no such decision.
            StateConflict: it is undone already, or a later one must be undone first.

        """
        self.require(Right.IDENTITY_UNDO, AuditAction.IDENTITY_DECISION_UNDONE)
        now = datetime.now(UTC)

        def undoing(known: Known, own: int) -> tuple[Written, Outcome]:
            done = undone(known.circle, number, self._principal.id, now, reasoned(reason))
            if undo_needs_second(known.circle, done, _told_of(known)):
                one, other = done.decision.one, done.decision.other
                plain = Decision(own, DecisionKind.UNDO, one, other, self._principal.id, now, reason, undoes=number)
                proposed = replace(plain, prints=done.decision.prints)
                return self._propose(known, proposed, _moved_items(known, done.decision))
            return self._let_be_undone(known, done, now, AuditAction.IDENTITY_DECISION_UNDONE)

        return self._do([], undoing, now, really=really, decision=number, expects=expects)

    def _let_be_undone(
        self, known: Known, done: Undoing, now: datetime, action: AuditAction, *approved: Decision
    ) -> tuple[Written, Outcome]:
        questions = questions_before(known.state, done.circle, done.decision)
        changes = self._sitting(known, now).follow(done.circle, questions)
        event = self._told(action, done.decision, stays=len(done.stays))
        entities = (*event.entities, *(f"decision/{each.number}" for each in approved))
        changes = self._announced(known, changes, replace(event, entities=entities))
        told = _moved_items(known, done.decision)
        outcome = Outcome(done.decision, _retold(changes), told, done.stays, done.joined)
        return Written([done.decision, *done.changed, *approved], changes), outcome

    def _enact(self, known: Known, decision: Decision, action: AuditAction, now: datetime) -> tuple[Written, Outcome]:
        circle = enacted(known.circle, decision)
        questions, answered = questions_after(known.state, circle, decision)
        decision = replace(decision, answered=answered)
        changes = self._sitting(known, now).follow(circle, questions)
        changes = self._announced(known, changes, self._told(action, decision))
        told = _moved_items(known, decision) if decision.kind is DecisionKind.UNLINK else ()
        return Written([decision], changes), Outcome(decision, _retold(changes), told)

    def _announced(self, known: Known, changes: Changes, event: AuditEvent) -> Changes:
        """Give the changes with the event of the act, and with what others are told of it."""
        changes.audit.append(event)
        self._decider.announce([event], known.state, changes, event.at)
        return changes

    def _sitting(self, known: Known, now: datetime) -> Sitting:
        return Sitting(self._decider, known.state, self._principal.id, now)

    def _do(
        self,
        identities: Collection[str],
        act: _Act,
        now: datetime,
        *,
        really: bool,
        decision: int = 0,
        expects: str = "",
    ) -> Outcome:
        """Do it in one transaction, or only look at what it would do."""
        act = _held_to(expects, act)
        if not really:
            known = self._desk.look(identities, decision=decision)
            outcome = act(known, 1 + max((d.number for d in known.circle.decisions), default=0))[1]
            patients = outcome.decision.prints or identities
            self._record(AuditAction.IDENTITY_COMPARED, patients=patients, preview=True)
            return outcome
        done: list[Outcome] = []

        def write(known: Known, number: int) -> Written:
            written, outcome = act(known, number)
            done.append(outcome)
            return written

        self._desk.act(identities, write, now, decision=decision)
        return done[-1]

    def _told(self, action: AuditAction, decision: Decision, **more: int) -> AuditEvent:
        """The event of a decision: its reason, in free words, stays with the decision."""
        patients = decision.prints or {i: "" for i in (decision.one, decision.other) if i}
        entities = [f"decision/{decision.number}"]
        return self._event(
            action,
            patients=patients,
            entities=entities,
            kind=decision.kind,
            standing=decision.standing,
            discordant=",".join(decision.discordant),
            moved=len(decision.moves),
            **more,
        )


def _held_to(expects: str, act: _Act) -> _Act:
    """Give the act, done only on the version expected; what a rule forbids says who decided last, and when."""

    def held(known: Known, number: int) -> tuple[Written, Outcome]:
        version = known.circle.version
        if expects not in {"", version}:
            raise VersionOutdated("what is known of these records has changed since it was read", **_last(known))
        try:
            written, outcome = act(known, number)
        except ReasonNeeded:
            raise
        except StateConflict as conflict:
            raise DecidedMeanwhile(conflict.rule, path=conflict.path, **_last(known)) from None
        return written, replace(outcome, version=version)

    return held


def _last(known: Known) -> _Last:
    """Give which decision on these records was the last, whose, and when; nothing if there was none."""
    latest = known.circle.latest
    if latest is None:
        return {}
    by = latest.undone_by or latest.second or latest.by
    return {"decision": latest.number, "by": by, "at": (latest.undone_at or latest.at).isoformat()}


def _told_of(known: Known) -> frozenset[str]:
    """Name the records of whose items others have been told."""
    return frozenset(item.identity for item in known.told)


def _moved_items(known: Known, decision: Decision) -> tuple[WorkItem, ...]:
    moved = {move.identity for move in decision.moves}
    return tuple(item for item in known.told if item.identity in moved)


def _retold(changes: Changes) -> tuple[str, ...]:
    return tuple(dict.fromkeys(entry.item for entry in changes.outbox if entry.about_item))
