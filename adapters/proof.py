"""What proves the audit trail, put together from a gateway's parts."""

from pathlib import Path

from adapters.assembly import Assembly
from adapters.notary import Keys, Notary
from adapters.proof_operations import ProofOperations
from adapters.store.checkpoints import CheckpointStore
from gateway.principal import Principal


def key_file(parts: Assembly) -> Path | None:
    """Give the file of the private key: as set, else beside a SQLite file; None where there is no such place."""
    if parts.settings.audit_key:
        return Path(parts.settings.audit_key)
    beside = parts.database.file
    return beside.with_name(f"{beside.name}.audit-key.pem") if beside is not None else None


def keys(parts: Assembly) -> Keys:
    """Give the log's keys."""
    return Keys(CheckpointStore(parts.database), key_file(parts))


def operations(parts: Assembly, principal: Principal) -> ProofOperations:
    """Give the acts of a principal on what proves the log."""
    parts.operations(principal)  # an empty database gets its schema
    store, installation = CheckpointStore(parts.database), parts.database.installation()
    return ProofOperations(principal, parts.trail, store, keys(parts), installation)


def notary(parts: Assembly) -> Notary:
    """Give what makes checkpoints."""
    settings = parts.settings
    store = CheckpointStore(parts.database)
    return Notary(store, keys(parts), settings.audit_checkpoint_events, settings.audit_checkpoint_seconds)
