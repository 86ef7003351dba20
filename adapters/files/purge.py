"""Files that were taken or refused go when they have been kept for as long as the bodies of messages are."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from adapters.files.folder import Folder
from gateway.audit import AuditAction, AuditEvent
from gateway.principal import WORKER
from gateway.reception import State
from gateway.retention import Terms

MOST_AT_ONCE = 1_000
"""Files removed under one audit event."""


@dataclass(frozen=True, slots=True)
class FolderPurge:
    """Purges the folders ``done`` and ``error`` of watched folders.

    Attributes:
        terms: how long bodies of messages are kept; those in quarantine for files in ``error``.
        record: puts an audit event into the trail.

    """

    terms: Terms
    record: Callable[[AuditEvent], object]

    def run(self, folder: Folder, source: str, now: datetime) -> int:
        """Remove what is due, a bounded number; give how many files. The audit trail knows of them before they go.

        Raises:
            OSError: the folder is away.
            TroubleError: the trail cannot be written to, so nothing was removed.

        """
        due = [kept for kept in folder.kept() if self._is_due(kept.refused, kept.since, now)][:MOST_AT_ONCE]
        if due:
            detail: dict[str, str | int | bool] = {"matter": "file", "count": len(due), "source": source}
            self.record(AuditEvent(now, AuditAction.STORE_PURGED, WORKER.id, detail=detail))
            folder.remove(due)
        return len(due)

    def _is_due(self, refused: bool, since: datetime, now: datetime) -> bool:  # noqa: FBT001 - of one kind or the other
        state = State.QUARANTINED if refused else State.PROCESSED
        return self.terms.releases_body(state, since, now, waits=False)
