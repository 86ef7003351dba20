"""What is asked of records that were stored before anybody compared them: questions, and never a link."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from gateway.act import Act
from gateway.asking import ask, open_question
from gateway.effect import dispatch_questions
from gateway.focus import Doubt, Question
from gateway.identity import Identity
from gateway.pipeline import Changes, Decider
from gateway.recognition import Newcomer, recognise
from gateway.site import Matching, Source, SourceRole
from gateway.state import State


def propose(
    decider: Decider, state: State, records: Iterable[str], principal: str, now: datetime
) -> tuple[Changes, int]:
    """Ask the identity desk whom stored records are like, as if each were met for the first time; nobody is linked.

    A pair is asked about once, of the department's record rather than of that which admissions vouches for. Where
    something is in question about a record already, or people have decided, nothing more is asked.

    Args:
        decider: publishes what follows.
        state: with the records, and those that share a blocking key with them.
        records: ids.
        principal: who has it done.
        now: aware instant.

    Returns:
        What is written, and how many questions are asked.

    """
    changes, asked = Changes(), 0
    site = replace(decider.site, matching=replace(decider.site.matching or Matching(), automatic=False))
    for record in (state.identities[i] for i in records):
        source = site.source(record.told.source) or Source(record.told.source, SourceRole.DEPARTMENT)
        act = Act(site, state, source, record.told.message, "", None, now, decider.new_id, principal=principal)
        if (question := _question(act, record)) is None:
            continue
        ask(act, record, question)
        dispatch_questions(act)
        decider.publish(act, changes)
        changes.audit.extend(act.events)
        state.mark()
        asked += 1
    return changes, asked


def _question(act: Act, record: Identity) -> Question | None:
    """What is to be asked about a record; None of one that no message told, for a question follows from a message."""
    standing = open_question(act, record)[1]
    busy = standing is not None and standing.doubt is not Doubt.UNKNOWN
    if busy or record.retired or record.origin is not None or not record.told.message:
        return None
    newcomer = Newcomer(record.patient, record.key, record.authoritative, act.source.id, record, record.person)
    question = recognise(act, newcomer).question
    if question is None or question.answered:
        return None
    other = act.state.identities[question.other]
    its_turn = record.authoritative and not other.authoritative
    return None if its_turn or _asks_about(act, other, record) else question


def _asks_about(act: Act, one: Identity, other: Identity) -> bool:
    standing = open_question(act, one)[1]
    return standing is not None and other.id in standing.names
