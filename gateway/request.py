"""What people asked admissions to do with identities, and how it ends: by admissions' own message.

Only the référentiel merges and sets attributes (RNIV 1, EXI SI 09, EXI SI 37). What was asked of it stands on the
records, so that the message by which it is done ends it, without a search.
"""

from dataclasses import replace

from gateway.act import Act
from gateway.audit import AuditAction
from gateway.identity import Identity


def end_merge_requests(act: Act, retired: str, survivor: str) -> None:
    """Let no merge of a number be waited for that admissions has merged, into whichever other one."""
    record = act.state.identities[retired]
    for request in [r for r in record.requests if r.other]:
        for identity in (retired, request.other):
            if act.state.identities.get(identity) is not None:
                _drop(act, identity, request.decision)
        act.record(
            AuditAction.REQUEST_FOLLOWED,
            patients=(retired, survivor),
            entities=(f"decision/{request.decision}",),
            kind="request-merge",
            as_requested=request.other == survivor,
        )


def end_flag_requests(act: Act, record: Identity) -> Identity:
    """Let no attribute be waited for that the record has by now; give the record."""
    for request in [r for r in record.requests if r.attribute and r.attribute in record.patient.attributes]:
        record = _drop(act, record.id, request.decision)
        act.record(
            AuditAction.REQUEST_FOLLOWED,
            patients=(record.id,),
            entities=(f"decision/{request.decision}",),
            kind="request-flag",
            as_requested=True,
        )
    return record


def _drop(act: Act, identity: str, decision: int) -> Identity:
    record = act.state.identities[identity]
    kept = tuple(r for r in record.requests if r.decision != decision)
    after = replace(record, requests=kept)
    if after != record:
        act.state.put_identity(after)
    return after
