"""What people may do with convocations: each act needs a right and leaves an audit event in its transaction (P8)."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from adapters.audited import Audited
from adapters.letter_pdf import render
from adapters.store.audit import AuditTrail
from adapters.store.convocations import ConvocationDesk, ConvocationView
from gateway import handling
from gateway.act import Act
from gateway.audit import AuditAction, AuditEvent
from gateway.convening import Convening, KindRule
from gateway.convocation import Convocation, ConvocationAct, Convocations, ConvocationState, Printing, acted
from gateway.convoking import convoke, corresponds, rule_of
from gateway.demand import BESIDE
from gateway.dispatch import dispatch
from gateway.errors import AccessRefused, ResourceNotFound, SenderError, StateConflict, StorageUnavailable
from gateway.facts import AppointmentReported, VisitReported
from gateway.focus import Focus
from gateway.handling import Deed
from gateway.letter import Letter
from gateway.pipeline import Changes, Decider
from gateway.principal import Principal, Right
from gateway.reach import Channel
from gateway.site import Source, SourceRole
from gateway.state import State
from gateway.worklist import ItemKind
from mappings.letters import Sender, Writing, written

TRIES = 3
"""How often an act is tried that the store took back because it met others; nothing was done meanwhile."""

MOST_LETTERS = 200
"""Letters that one batch prints."""

_DESK = Source("secretariat", SourceRole.DEPARTMENT)

_ACTS: Mapping[ConvocationAct, tuple[Right, AuditAction]] = {
    ConvocationAct.PRINT: (Right.CONVOCATION_PRINT, AuditAction.CONVOCATION_PRINTED),
    ConvocationAct.SEND: (Right.CONVOCATION_SENT, AuditAction.CONVOCATION_SENT),
    ConvocationAct.CONFIRM: (Right.CONVOCATION_CONFIRM, AuditAction.CONVOCATION_CONFIRMED),
    ConvocationAct.RETURN: (Right.CONVOCATION_RETURN, AuditAction.CONVOCATION_RETURNED),
    ConvocationAct.MISS: (Right.CONVOCATION_NO_SHOW, AuditAction.CONVOCATION_MISSED),
}


@dataclass(slots=True)
class Printed:
    """What a batch printed.

    Attributes:
        views: the convocations whose letters are in it, in order.
        left_out: why others are not, by appointment.

    """

    views: list[ConvocationView] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


class ConvocationOperations(Audited):
    """The acts of one principal on convocations, each named by its appointment's or stay's id.

    Args:
        principal: who acts; no method names an actor.
        desk: the store's side.
        trail: the audit trail.
        decider: publishes what follows for the items.

    Raises:
        AccessRefused: the right is missing, or no item of the principal's secretariats tells of it (audited).
        ResourceNotFound: there is no such convocation, or the site makes none.
        StateConflict: it does not stand so that this may be done.

    """

    def __init__(self, principal: Principal, desk: ConvocationDesk, trail: AuditTrail, decider: Decider) -> None:
        super().__init__(principal, trail)
        self._desk = desk
        self._decider = decider

    @property
    def _rules(self) -> Convening:
        if self._decider.site.convening is None:
            raise ResourceNotFound("the site's folder has no convocations.toml")
        return self._decider.site.convening

    @property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self._decider.site.time_zone)

    # -- looking ---------------------------------------------------------------------------------------------------

    def listed(
        self,
        secretariat: str = "",
        *,
        states: Sequence[str] = (),
        channel: str = "",
        kind: str = "",
        limit: int = 1_000,
    ) -> list[ConvocationView]:
        """Give the convocations that the principal's secretariats look after (audited)."""
        self.require(Right.CONVOCATION_READ, AuditAction.CONVOCATION_LISTED)
        own = self._own(secretariat, AuditAction.CONVOCATION_LISTED)
        found = self._desk.listed(own, states=states, channel=channel, kind=kind, limit=limit)
        patients = [view.convocations.identity for view in found]
        self._record(AuditAction.CONVOCATION_LISTED, patients=patients, secretariat=secretariat, found=len(found))
        return found

    def show(self, appointment: str) -> ConvocationView:
        """Give all convocations of an appointment (audited)."""
        self.require(Right.CONVOCATION_READ, AuditAction.CONVOCATION_SHOWN)
        view = self._seen(appointment, AuditAction.CONVOCATION_SHOWN)
        self._note(AuditAction.CONVOCATION_SHOWN, view.convocations)
        return view

    def preview(self, appointment: str, number: int = 0) -> bytes:
        """Give the letter as it would be printed now or, by a number, as that one was printed (audited).

        Raises:
            StateConflict: none is live; or the template of a printed one has changed since.

        """
        self.require(Right.CONVOCATION_READ, AuditAction.CONVOCATION_PREVIEWED)
        known = self._seen(appointment, AuditAction.CONVOCATION_PREVIEWED).convocations
        if number:
            made = self._made_again(known, number)
        else:
            state = self._desk.read((appointment,))
            focus, live = state.foci[appointment], _live(known)
            made = render([self._writing(self._act(state, focus, datetime.now(UTC)), focus, known, live).letter])
        self._note(AuditAction.CONVOCATION_PREVIEWED, known)
        return made

    def _made_again(self, known: Convocations, number: int) -> bytes:
        one = next((c for c in known.each if c.number == number), None)
        if one is None or not one.printings:
            raise ResourceNotFound("no letter of this number was printed", path="number")
        printing = one.printings[-1]
        template = self._rules.letters.get(printing.template)
        made = b"" if template is None else render([Writing(template, one.notice, printing.fields).letter])
        if hashlib.sha256(made).hexdigest() != printing.sha256:
            wanted = f"{printing.template} {printing.version}"
            raise StateConflict(f"the letter is made of template {wanted}, which is not the one that is here now")
        return made

    # -- acting ----------------------------------------------------------------------------------------------------

    def do(self, act: ConvocationAct, appointment: str) -> ConvocationView:
        """Say that a patient was told, has confirmed or did not come, or that a letter came back (audited)."""
        right, action = _ACTS[act]
        self.require(right, action)
        done: list[Convocations] = []

        def decide(state: State) -> Changes:
            own, changes = self._begin(state, appointment), Changes()
            done.append(self._do(own, act, appointment, changes))
            return self._end(own, changes)

        self._tried((appointment,), decide, action)
        return self._view(done[-1])

    def print_one(self, appointment: str, write: Callable[[bytes], None]) -> ConvocationView:
        """Print one letter, the first time or again (audited).

        Args:
            appointment: whose.
            write: keeps the PDF; what it raises leaves everything as it is.

        """
        return self._print((appointment,), write, strict=True).views[0]

    def print_all(self, secretariat: str, write: Callable[[bytes], None], *, limit: int = MOST_LETTERS) -> Printed:
        """Print the letters that are to be prepared, at most so many, by one transaction (audited, each)."""
        self.require(Right.CONVOCATION_PRINT, AuditAction.CONVOCATION_PRINTED)
        own = self._own(secretariat, AuditAction.CONVOCATION_PRINTED)
        states, letters = [ConvocationState.TO_PREPARE.value], Channel.LETTER.value
        found = self._desk.listed(own, states=states, channel=letters, limit=min(limit, MOST_LETTERS))
        return self._print([v.convocations.appointment for v in found], write, strict=False)

    def _print(self, appointments: Sequence[str], write: Callable[[bytes], None], *, strict: bool) -> Printed:
        self.require(Right.CONVOCATION_PRINT, AuditAction.CONVOCATION_PRINTED)
        printed, done = Printed(), list[Convocations]()

        def decide(state: State) -> Changes:
            done.clear()
            printed.left_out.clear()
            letters, changes, own = list[Letter](), Changes(), list[Act]()
            for appointment in appointments:
                try:
                    own.append(self._begin(state, appointment))
                    letters.append(self._print_letter(own[-1], appointment, changes, done, batch=not strict))
                except SenderError as error:
                    if strict:
                        raise
                    printed.left_out[appointment] = error.rule
            if letters:
                write(render(letters))
            for act in own[-1:]:
                act.events = [event for each in own for event in each.events]
                self._end(act, changes)
            return changes

        if appointments:
            self._tried(appointments, decide, AuditAction.CONVOCATION_PRINTED)
        printed.views = [self._view(known) for known in done]
        return printed

    def _print_letter(
        self, act: Act, appointment: str, changes: Changes, done: list[Convocations], *, batch: bool
    ) -> Letter:
        focus, known = act.state.foci[appointment], act.state.convocations[appointment]
        live, rule = _live(known), self._rule(act.state.foci[appointment])
        self._require_letter(act, focus, live)
        if batch and live.state is not ConvocationState.TO_PREPARE:
            raise StateConflict(f"the convocation is {live.state} by now")
        if batch and _days_left(live, act.now, self._zone) < rule.lead_days:
            raise StateConflict("a letter would come too late: the patient is to be called")
        writing = self._writing(act, focus, known, live)
        sha256 = hashlib.sha256(render([writing.letter])).hexdigest()
        template = writing.template
        printing = Printing(act.now, act.principal, template.name, template.version, writing.fields, sha256)
        again = bool(live.printings)
        done.append(self._do(act, ConvocationAct.PRINT, appointment, changes, printing=printing, again=again))
        return writing.letter

    def _require_letter(self, act: Act, focus: Focus, live: Convocation) -> None:
        """Nothing of somebody is printed who is not confirmed or frozen, and nothing that the letter could not say."""
        person = act.state.persons[act.state.person_of(focus.identity)]
        if person.frozen or not person.confirmed:
            raise StateConflict("the patient's identity is to be confirmed first: nothing is printed")
        if live.reach.channel is not Channel.LETTER:
            raise StateConflict(f"the patient is told otherwise than by a letter: {live.reach.channel}")
        if live.content.start is None or live.content.start <= act.now:
            raise StateConflict("the appointment is past")

    def _do(
        self,
        act: Act,
        what: ConvocationAct,
        appointment: str,
        changes: Changes,
        *,
        printing: Printing | None = None,
        again: bool = False,
    ) -> Convocations:
        """Let one act take effect in the state: on the convocation, and on the items that tell of it."""
        focus, known = act.state.foci[appointment], act.state.convocations[appointment]
        live, rule = _live(known), self._rule(focus)
        window = corresponds(act, focus).window(live.reach.addressee)
        by, asked = act.principal, rule.follow_up
        after = acted(known, what, act.now, by, printing=printing, recipient=window, follow_up=asked)
        act.state.convocations.put(appointment, after)
        if what is ConvocationAct.RETURN:
            convoke(act, focus)
        if what in {ConvocationAct.SEND, ConvocationAct.CONFIRM}:
            self._finish(act, appointment)
        dispatch(act, focus, focus)
        action = AuditAction.CONVOCATION_REPRINTED if again else _ACTS[what][1]
        changes.audit.append(self._told(action, after, live, printing))
        return act.state.convocations[appointment]

    def _finish(self, act: Act, appointment: str) -> None:
        """Be done with the principal's items that asked for it; any other that did is withdrawn, a stay's goes on."""
        for item in act.state.items_about(appointment):
            own = item.rule not in BESIDE and self._principal.may_work_for(item.secretariat)
            if item.open and item.kind is ItemKind.CONVOCATION and own:
                done, at = handling.done(item, act.principal), max(act.now, item.updated_at)
                act.state.put_item(replace(done, version=item.version + 1, updated_at=at))

    # -- what all acts share ---------------------------------------------------------------------------------------

    def _begin(self, state: State, appointment: str) -> Act:
        """Give the act, once the convocations are what they are to be by what is known now."""
        focus, known = state.foci.get(appointment), state.convocations.get(appointment)
        if focus is None or known is None or focus.fact is None:
            raise ResourceNotFound("no convocation has this id")
        if not any(self._principal.may_work_for(item.secretariat) for item in state.items_about(appointment)):
            raise AccessRefused("the right to work for this convocation's secretariat is needed")
        act = self._act(state, focus, datetime.now(UTC))
        convoke(act, focus)
        if state.convocations[appointment] != known:
            dispatch(act, focus, focus)
        return act

    def _act(self, state: State, focus: Focus, now: datetime) -> Act:
        decider, at = self._decider, max(now, focus.updated_at)
        return Act(
            decider.site,
            state,
            _DESK,
            focus.message,
            "",
            None,
            at,
            decider.new_id,
            principal=self._principal.id,
            deed=Deed.CONVOKE,
        )

    def _end(self, act: Act, changes: Changes) -> Changes:
        self._decider.publish(act, changes)
        changes.audit.extend(act.events)
        return changes

    def _tried(self, appointments: Iterable[str], decide: Callable[[State], Changes], action: AuditAction) -> None:
        """Let it take effect; where the store took it back, again. A refusal is audited."""
        named = tuple(appointments)
        for left in reversed(range(TRIES)):
            try:
                return self._desk.act(named, decide, datetime.now(UTC))
            except AccessRefused:
                self._refuse(action)
                raise
            except StorageUnavailable:
                if not left:
                    raise
        return None

    def _own(self, secretariat: str, action: AuditAction) -> Sequence[str] | None:
        """Give the secretariats to look at: the one asked for, else all own ones; None is everybody's."""
        if secretariat and not self._principal.may_work_for(secretariat):
            self._refuse(action)
            raise AccessRefused("the right to work for this secretariat is needed")
        if secretariat:
            return [secretariat]
        return None if Right.WORKLIST_READ_ALL in self._principal.rights else sorted(self._principal.secretariats)

    def _seen(self, appointment: str, action: AuditAction) -> ConvocationView:
        found = self._desk.one(appointment)
        if found is None:
            raise ResourceNotFound("no convocation has this id")
        view, queues = found
        if not any(map(self._principal.may_work_for, queues)):
            self._refuse(action)
            raise AccessRefused("the right to work for this convocation's secretariat is needed")
        return view

    def _view(self, known: Convocations) -> ConvocationView:
        found = self._desk.one(known.appointment)
        assert found is not None
        return found[0]

    def _rule(self, focus: Focus) -> KindRule:
        assert isinstance(focus.fact, AppointmentReported | VisitReported)
        return rule_of(self._rules, focus, focus.fact)

    def _writing(self, act: Act, focus: Focus, known: Convocations, one: Convocation) -> Writing:
        site = self._decider.site
        queue = next((i.routed_to for i in act.state.items_about(focus.id)), site.default_secretariat)
        label = site.secretariats[queue].label if queue in site.secretariats else ""
        sender = Sender(self._rules, site.label, queue, label, site.time_zone)
        today = act.now.astimezone(self._zone).date()
        return written(sender, self._rule(focus), known, one, corresponds(act, focus), today)

    def _note(self, action: AuditAction, known: Convocations) -> None:
        self._record(action, patients=[known.identity], entities=[f"convocation/{known.appointment}"])

    def _told(
        self, action: AuditAction, known: Convocations, one: Convocation, printing: Printing | None
    ) -> AuditEvent:
        detail: dict[str, str | int | bool] = {"number": one.number, "notice": one.notice, "kind": known.kind}
        if printing is not None:
            detail |= {"template": printing.template, "version": printing.version, "sha256": printing.sha256}
            detail["count"] = len(one.printings) + 1
        entities = [f"convocation/{known.appointment}"]
        return replace(self._event(action, patients=[known.identity], entities=entities), detail=detail)


def _live(known: Convocations) -> Convocation:
    if known.live is None:
        raise StateConflict("no convocation of this appointment is live")
    return known.live


def _days_left(live: Convocation, now: datetime, zone: ZoneInfo) -> int:
    assert live.content.start is not None
    return (live.content.start.astimezone(zone).date() - now.astimezone(zone).date()).days
