"""Work items follow their object: what it demands is held against the items that exist, and the difference is made."""

from dataclasses import replace

from gateway.act import Act
from gateway.audit import AuditAction
from gateway.deadline import Clock
from gateway.demand import Demand, demand
from gateway.facts import Priority
from gateway.focus import Focus
from gateway.routing import DEFAULT_RULE, Route, route
from gateway.site import Site
from gateway.worklist import ESCALATED, URGENCY, Escalation, Hand, ItemKind, ItemState, WorkItem

WAS_DONE = "-after-done"
"""Suffix of the title of an item that was done (a letter sent, a result read) before its object was withdrawn."""


def more_urgent(a: Priority, b: Priority | None) -> Priority:
    """Give the more urgent of two priorities."""
    return a if b is None else min(a, b, key=URGENCY.index)


def dispatch(act: Act, before: Focus | None, after: Focus) -> None:
    """Make the items about an object what it demands now, on the queues that the rules name.

    An item of a queue that is no longer named is withdrawn; what was done is opened again when a reader would see
    something else; an unchanged one gets no new version. Where people have forwarded an item to, it stays.
    """
    convocations, desk = act.state.convocations, completion(act.site)
    wanted = demand(after, convocations.get(after.id), desk)
    if wanted is None:
        return
    old = demand(before, convocations.before(before.id), desk) if before is not None else None
    where = destination(act.site, wanted)
    reads_new = old is None or old.content != wanted.content
    was_on = destination(act.site, old).secretariats if old is not None else ()
    existing = {item.routed_to: item for item in act.state.items_about(after.id)}
    stays = dict.fromkeys(where.secretariats if wanted.needed else ())
    concerned = {name for name, item in existing.items() if name not in stays and _concerns(item, reads_new=reads_new)}
    if wanted.needed:
        stays |= dict.fromkeys(concerned)
    for item in existing.values():
        if item.routed_to not in stays:
            _take_away(act, item, old, wanted)
    for secretariat in stays:
        if secretariat in existing:
            comes_back = secretariat not in was_on and secretariat not in concerned
            _update(act, existing[secretariat], after, wanted, where, reads_new=reads_new or comes_back)
        else:
            _create(act, secretariat, after, wanted, where)


def _concerns(item: WorkItem, *, reads_new: bool) -> bool:
    """Whether a secretariat keeps an item wherever the rules send its object by now.

    It was told because another had not answered in time; or somebody there acted by a result that is another one now,
    and has not seen that yet.
    """
    if item.rule == ESCALATED:
        return item.state is not ItemState.WITHDRAWN
    hand = item.hand
    acted = bool(item.state is ItemState.DONE or hand.receipt or hand.reading)
    return item.kind is ItemKind.RESULT and ((reads_new and acted) or (item.open and bool(hand.saw)))


def completion(site: Site) -> str:
    """Give the secretariat that completes addresses and prepares admissions; empty if a site convenes nobody."""
    return site.convening.completion if site.convening else ""


def destination(site: Site, wanted: Demand) -> Route:
    """Give where a site's rules send it, and a copy to each secretariat to which they send what the named units get."""
    if not wanted.routed:
        return Route(tuple(wanted.sides), DEFAULT_RULE, "")
    default = site.identity_desk if wanted.kind is ItemKind.IDENTITY else site.default_secretariat
    found = route(wanted.subject, site.rules, default)
    if wanted.sides:
        found = replace(found, secretariats=tuple(dict.fromkeys((*found.secretariats, *wanted.sides))))
    if not wanted.copies:
        return found
    others = (route(replace(wanted.subject, unit=unit, location=""), site.rules, "") for unit in wanted.copies)
    copied = [secretariat for other in others if other.rule != DEFAULT_RULE for secretariat in other.secretariats]
    return replace(found, secretariats=tuple(dict.fromkeys((*found.secretariats, *copied))))


def _reason(wanted: Demand, where: Route, secretariat: str) -> tuple[str, str]:
    """Give the rule by which a secretariat has an item, and its label."""
    side = wanted.sides.get(secretariat)
    return (side.rule, "") if side else (where.rule, where.label)


def _create(act: Act, secretariat: str, focus: Focus, wanted: Demand, where: Route) -> None:
    rule, label = _reason(wanted, where, secretariat)
    item = WorkItem(
        id=act.new_id(),
        kind=wanted.kind,
        secretariat=secretariat,
        priority=more_urgent(wanted.priority, where.priority),
        state=ItemState.NEW,
        identity=focus.identity,
        focus=focus.id,
        title=wanted.title_for(secretariat),
        detail=wanted.detail,
        rule=rule,
        reason=label,
        source_message=act.message,
        version=1,
        created_at=act.now,
        updated_at=act.now,
        remarks=tuple(map(str, wanted.remarks)),
        origin=secretariat,
    )
    item = _timed(act, item, wanted)
    act.state.put_item(item)
    _record(act, AuditAction.ITEM_CREATED, item)


def _update(act: Act, item: WorkItem, focus: Focus, wanted: Demand, where: Route, *, reads_new: bool) -> None:
    opens = item.state is ItemState.WITHDRAWN or (reads_new and item.state is ItemState.DONE)
    state = ItemState.NEW if opens else item.state
    by_rule = item.routed_to in where.secretariats
    rule, label = _reason(wanted, where, item.routed_to) if by_rule else (item.rule, item.reason)
    hand = _read_anew(item.hand, opens=opens) if opens or reads_new else item.hand
    changed = replace(
        item,
        state=state,
        priority=more_urgent(wanted.priority, where.priority),
        title=wanted.title_for(item.routed_to),
        detail=wanted.detail,
        rule=rule,
        reason=label,
        identity=focus.identity,
        remarks=tuple(map(str, wanted.remarks)),
        hand=hand,
    )
    if opens or reads_new:
        changed = _timed(act, changed, wanted, None if opens else item)
    if changed.escalation.rungs:
        changed = replace(changed, priority=more_urgent(changed.priority, item.priority))
    if changed != item or reads_new:
        _change(act, changed, AuditAction.ITEM_UPDATED)


def _timed(act: Act, item: WorkItem, wanted: Demand, before: WorkItem | None = None) -> WorkItem:
    """Give an item with the time that it is due by, from the reception of what it tells.

    What waited for an answer already goes on doing so since then, however often its sender adds to it.
    """
    deadline = act.site.deadline_of(wanted.subject)
    if deadline is None:
        return item
    waits = before is not None and not before.answered and before.escalation.deadline == deadline.name
    if waits and deadline.clock is not Clock.DAYS_BEFORE:
        return item
    since = min(act.received_at or act.now, act.now)
    due = act.site.due(deadline, item.secretariat, since, wanted.begins)
    return replace(item, due=due, escalation=Escalation(deadline.name, next_at=due))


def _read_anew(hand: Hand, *, opens: bool) -> Hand:
    """What was acknowledged is not what stands there now; who has claimed the item keeps it."""
    if opens:
        return Hand(passed=hand.passed, saw=hand.seen_by)
    return replace(hand, receipt=None, reading=None, saw=hand.seen_by)


def _take_away(act: Act, item: WorkItem, old: Demand | None, wanted: Demand) -> None:
    """Withdraw what nobody has done yet; warn, once, whoever has."""
    told_before = old is not None and not old.needed
    if wanted.needed:  # elsewhere now
        if item.open:
            _change(act, replace(item, state=ItemState.WITHDRAWN), AuditAction.ITEM_WITHDRAWN)
    elif item.open and not (wanted.warns and told_before):
        title = wanted.title_for(item.routed_to)
        _change(act, replace(item, state=ItemState.WITHDRAWN, title=title), AuditAction.ITEM_WITHDRAWN)
    elif item.state is ItemState.DONE and wanted.warns and not told_before and (old is None or old.of_object):
        hand = _read_anew(item.hand, opens=True)
        warned = replace(item, state=ItemState.NEW, title=wanted.title + WAS_DONE, hand=hand)
        _change(act, _timed(act, warned, wanted), AuditAction.ITEM_UPDATED)


def withdraw(act: Act, focus: Focus) -> None:
    """Let nobody act any more on an object that is another one now."""
    for item in act.state.items_about(focus.id):
        if item.open:
            _change(act, replace(item, state=ItemState.WITHDRAWN), AuditAction.ITEM_WITHDRAWN)


def retell(act: Act, item: WorkItem) -> None:
    """Give an open item a new version because its patient is shown otherwise now (a correction, a merge)."""
    _change(act, item, AuditAction.ITEM_UPDATED)


def _change(act: Act, item: WorkItem, action: AuditAction) -> None:
    now = max(act.now, item.updated_at)  # our clock may have gone back
    if item.state is ItemState.WITHDRAWN:  # nobody holds what there is nothing to do about
        item = replace(item, hand=replace(item.hand, holder="", active_at=None, until=None))
    changed = replace(item, version=item.version + 1, source_message=act.message, updated_at=now)
    act.state.put_item(changed)
    _record(act, action, changed)


def _record(act: Act, action: AuditAction, item: WorkItem) -> None:
    act.record(
        action,
        patients=(item.identity,),
        entities=(f"item/{item.id}", f"secretariat/{item.secretariat}"),
        kind=item.kind,
        state=item.state,
        priority=item.priority,
        rule=item.rule or DEFAULT_RULE,
        rules=act.site.version,
        version=item.version,
    )
