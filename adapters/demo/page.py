"""The page that a newcomer reads: what came in, how it ended, who has to do what and why, who is who, and the proof.

What an operator reads is in English; what secretaries, the identity desk and compliance officers read is in French, by
the text catalogue.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import zip_longest
from pathlib import Path
from textwrap import wrap
from zoneinfo import ZoneInfo

from adapters.demo.aftermath import Aftermath
from adapters.demo.play import Answer
from adapters.demo.scenario import MOVED_LATER, Scenario
from adapters.demo.steps import PARIS, Step
from adapters.store.inbox import StoredMessage
from adapters.store.worklist import ItemView
from gateway.audit import AuditAction, AuditEvent
from gateway.convocation import Convocation
from gateway.identity import Person
from gateway.reception import State
from gateway.site import Site
from gateway.worklist import ItemKind, ItemState, WorkItem
from mappings.texts import text

WIDTH = 100
"""Columns of the page."""

_ENDINGS = (State.PROCESSED, State.DUPLICATE, State.IGNORED, State.QUARANTINED, State.PENDING)

_BOUND = "\N{NO-BREAK SPACE}:"

_DECIDED = (
    AuditAction.IDENTITY_CONFIRMED,
    AuditAction.IDENTITY_LINKED,
    AuditAction.IDENTITY_UPDATED,
    AuditAction.IDENTITY_MERGED,
)


def page(
    site: Site, scenario: Scenario, answers: Sequence[Answer], aftermath: Aftermath, differences: Sequence[str]
) -> str:
    """Give the page as plain text of at most 100 columns."""
    parts = (
        _opening(site, scenario, aftermath),
        _messages(scenario, answers, aftermath),
        _quarantine(aftermath),
        _queues(site, aftermath),
        _identities(aftermath),
        _story(scenario, aftermath),
        _verification(scenario, aftermath, differences),
    )
    return "\n".join(line.rstrip() for part in parts for line in part) + "\n"


def correction(site: Site, live: Convocation, path: Path) -> str:
    """Give what is told of the letter that corrects another one."""
    start = live.content.start.astimezone(ZoneInfo(site.time_zone)) if live.content.start else None
    note = (
        f"{MOVED_LATER} was moved to {start:%Y-%m-%d %H:%M} after its letter had been sent: letter {live.number} is"
        f" live, « annule et remplace » letter {live.replaces}. It is {path}, which stays with --keep DIR."
    )
    return "\n".join(line.rstrip() for line in _heading("A letter that was sent, and is wrong now", note)) + "\n"


def _opening(site: Site, scenario: Scenario, aftermath: Aftermath) -> Iterator[str]:
    counts = aftermath.summary
    ended = ", ".join(f"{counts[state]} {state}" for state in _ENDINGS)
    waiting = sum(view.item.open for queue in aftermath.queues.values() for view in queue)
    yield f"{site.label}: a morning at the hospital, {scenario.today.isoformat()}"
    yield "=" * WIDTH
    yield f"{counts['received']} messages received = {ended}."
    yield f"{waiting} items wait for a person, on {len(aftermath.queues)} queues."


def _heading(title: str, note: str) -> Iterator[str]:
    yield ""
    yield title
    yield "-" * WIDTH
    yield from _lines(note, WIDTH)
    yield ""


def _lines(words: str, width: int, indent: str = "") -> list[str]:
    """Give the words in lines; a French colon stays with the word before it."""
    bound = words.replace(" :", _BOUND)
    return [line.replace(_BOUND, " :") for line in wrap(bound, width, subsequent_indent=indent, break_on_hyphens=False)]


def _columns(cells: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    """Give one row; what is longer than its column goes on below."""
    wrapped = [_lines(cell, width) if cell else [""] for cell, width in zip(cells, widths, strict=True)]
    for line in zip_longest(*wrapped, fillvalue=""):
        yield "  ".join(part.ljust(width) for part, width in zip(line, widths, strict=True))


# -- what came in ------------------------------------------------------------------------------------------------------

_MESSAGE_WIDTHS = (4, 14, 9, 6, 11, WIDTH - 54)


def _messages(scenario: Scenario, answers: Sequence[Answer], aftermath: Aftermath) -> Iterator[str]:
    yield from _heading(
        "Messages in, and how each ended",
        "Each was acknowledged only once its bytes were on disk; each ends in exactly one way, and none is dropped.",
    )
    yield from _columns(("no.", "from", "what", "answer", "ended", "ce qui se passe"), _MESSAGE_WIDTHS)
    inbox = iter(aftermath.messages)
    for step, answer in zip(scenario.steps, answers, strict=True):
        yield from _columns(_message_row(step, answer, next(inbox, None)), _MESSAGE_WIDTHS)


def _message_row(step: Step, answer: Answer, message: StoredMessage | None) -> tuple[str, ...]:
    number, ended, kind = "-", "missing", ""
    if message is not None:
        number, ended, kind = str(message.id), str(message.outcome.state), message.message_type
    what = kind if step.method == "MLLP" else f"FHIR {step.method}"
    return number, step.source or "(unknown)", what or "(no HL7)", answer.code, ended, step.tells


def _quarantine(aftermath: Aftermath) -> Iterator[str]:
    yield from _heading(
        "In quarantine, and why",
        "Path and rule, never a value. An operator sees the raw bytes, has the cause repaired, and replays them.",
    )
    for message in aftermath.messages:
        outcome = message.outcome
        if outcome.state is State.QUARANTINED:
            yield from _columns(
                (str(message.id), outcome.error, outcome.path or "(whole)", outcome.rule), (4, 20, 26, WIDTH - 56)
            )


# -- who has to do what ------------------------------------------------------------------------------------------------

_ITEM_WIDTHS = (0, 8, 11, WIDTH - 25)
_PATIENT_WIDTHS = (0, 8, WIDTH - 12)


def _queues(site: Site, aftermath: Aftermath) -> Iterator[str]:
    yield from _heading(
        "The secretariats' queues",
        "In the order in which things are to be done: priority outranks age. Behind the arrow: why it came here.",
    )
    for secretariat, views in aftermath.queues.items():
        label = site.secretariats[secretariat].label
        counts = Counter(view.item.state for view in views)
        told = ", ".join(f"{counts[state]} {text('state', state)}" for state in ItemState if counts[state])
        yield f"{secretariat}: {label} ({told or 'rien'})"
        waiting = [view for view in views if view.item.open]
        for view in (*waiting, *(view for view in views if not view.item.open)):
            yield from _item(view)
        yield ""


def _item(view: ItemView) -> Iterator[str]:
    item = view.item
    urgency = text("priority", item.priority) if item.open else text("state", item.state)
    told = f"{_title(item)} ← {_reason(item)}" if item.open else _title(item)
    yield from _columns(("", urgency, text("kind", item.kind), told), _ITEM_WIDTHS)
    yield from _columns(("", "", shown(view.person)), _PATIENT_WIDTHS)


def _title(item: WorkItem) -> str:
    title = text("title", item.title)
    if not item.detail:
        return title
    detail = item.detail
    if item.kind is ItemKind.IDENTITY:
        detail = ", ".join(text("trait", trait) for trait in item.detail.split(", "))
    return f"{title} ({detail})"


def _reason(item: WorkItem) -> str:
    if item.reason:
        return item.reason
    return text("reason", "default-identity" if item.kind is ItemKind.IDENTITY else "default")


def shown(person: Person) -> str:
    """Give a person as every screen must show one, each trait named (RNIV 1, EXI SI 11 and EXI SI 16)."""
    traits = person.traits
    named = (
        ("né(e)", traits.birth_family_name),
        ("1er prénom", traits.first_given_name),
        ("nom utilisé", traits.used_family_name),
        ("prénom utilisé", traits.used_given_name),
        ("le", _born(traits.birth_date)),
        ("sexe", traits.sex),
        ("identité", person.status.value if person.confirmed else "à confirmer"),
    )
    return ", ".join(f"{name} {value}" for name, value in named if value)


def _born(iso: str) -> str:
    try:
        return f"{date.fromisoformat(iso):%d/%m/%Y}"
    except ValueError:
        return iso  # known in part only


# -- who is who --------------------------------------------------------------------------------------------------------


_DECISION_WIDTHS = (0, 12, WIDTH - 16)


def _identities(aftermath: Aftermath) -> Iterator[str]:
    yield from _heading(
        "Identities: decided, and left to a person",
        "Two patients are never joined on doubtful evidence; a doubt delays nothing, and goes to the identity desk.",
    )
    created = sum(event.action is AuditAction.IDENTITY_CREATED for event in aftermath.decisions)
    yield f"  {created} × {text('audit', AuditAction.IDENTITY_CREATED)}"
    for event in aftermath.decisions:
        if event.action in _DECIDED:
            yield from _columns(("", f"message {event.message}", _decision(event)), _DECISION_WIDTHS)
    yield "  laissé à une personne :"
    for views in aftermath.queues.values():
        for view in views:
            if view.item.kind is ItemKind.IDENTITY and view.item.open:
                yield from _columns(
                    ("", f"message {view.item.source_message}", f"{_title(view.item)} : {shown(view.person)}"),
                    _DECISION_WIDTHS,
                )


def _decision(event: AuditEvent) -> str:
    """The act, and what it rests on."""
    label = text("audit", event.action)
    if by := str(event.detail.get("by", "")):
        return f"{label} ({text('link', by)})"
    if corrected := str(event.detail.get("corrected", "")):
        return f"{label} ({', '.join(text('trait', trait) for trait in corrected.split(','))})"
    return label


# -- the proof ---------------------------------------------------------------------------------------------------------

_STORY_WIDTHS = (5, 8, 12, 40, WIDTH - 73)


def _story(scenario: Scenario, aftermath: Aftermath) -> Iterator[str]:
    yield from _heading(
        f"One patient's audit story: IPP {scenario.expected.story}",
        "What was done to any record of this person, and all that the same messages led to; nothing of it can be taken"
        " away unseen.",
    )
    yield from _columns(("no.", "quand", "qui", "quoi", "message, objet"), _STORY_WIDTHS)
    for event in aftermath.story:
        about = ", ".join((*([f"message {event.message}"] if event.message else []), *map(_entity, event.entities)))
        row = (str(event.id), f"{event.at.astimezone(PARIS):%H:%M:%S}", event.principal, text("audit", event.action))
        yield from _columns((*row, about), _STORY_WIDTHS)


def _entity(entity: str) -> str:
    kind, _, name = entity.partition("/")
    return f"{kind} {name[:8]}…" if kind == "item" else name


def _verification(scenario: Scenario, aftermath: Aftermath, differences: Sequence[str]) -> Iterator[str]:
    yield from _heading("Verification", "The audit chain, link by link; then every expectation of the scenario.")
    chain = aftermath.verification
    if chain.first_bad is None:
        yield f"  audit chain  intact: {chain.sealed} events sealed, each bound to all before it"
    else:
        yield f"  audit chain  BROKEN at link {chain.first_bad.sequence}: {chain.first_bad.problem}"
    yield f"  bus          {aftermath.waiting} messages wait for their confirmation"
    if not differences:
        items = sum(map(len, scenario.expected.queues.values()))
        yield f"  scenario     as it should be: {len(scenario.steps)} answers and endings, {items} items"
        return
    yield f"  scenario     {len(differences)} DIFFERENCES"
    for difference in differences:
        yield from _lines(f"    - {difference}", WIDTH, "      ")
