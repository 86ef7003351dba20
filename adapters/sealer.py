"""The sealer: appends what is written to the audit chain, at most a second behind."""

import threading

import structlog

from adapters.store.audit import AuditTrail
from gateway.errors import TroubleError

log = structlog.get_logger()

SEAL_SECONDS = 0.5
"""Between two looks at what is unsealed."""


def run_sealer(trail: AuditTrail, stop: threading.Event) -> None:
    """Seal until told to stop, and once more after that."""
    while not stop.wait(SEAL_SECONDS):
        _seal(trail)
    _seal(trail)


def _seal(trail: AuditTrail) -> None:
    try:
        trail.seal()
    except TroubleError as trouble:
        log.warning("sealer.trouble", error=trouble.name)
