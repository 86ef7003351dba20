"""The site's configuration in force: recorded as a service starts with it, and its rules renewed while it serves."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from adapters.store.configurations import Configuration, Configurations
from adapters.store.database import Database
from gateway.audit import AuditAction, AuditEvent
from gateway.errors import ConfigurationError
from gateway.site import Site
from mappings.site import load_site
from mappings.site_cases import check_cases
from mappings.site_description import Difference, described, differences

TOLD = 2_000
"""Characters of a change that its audit event tells; all of it is kept with the configuration."""

RENEWED = ("].label", "].services", "].units")
"""What of a secretariat a service takes up while it runs, beside the rules; all else needs a restart."""


def record(database: Database, site: Site, principal: str) -> bool:
    """Keep the configuration that a service runs with, and tell the audit trail what changed; give whether it did."""
    now, description = datetime.now(UTC), described(site)

    def event(before: Configuration | None) -> AuditEvent:
        changed = differences(before.description, description) if before else []
        detail: dict[str, str | int | bool] = {"configuration": site.version, "changed": len(changed)}
        if before:
            detail |= {"before": before.version, "changes": _told(changed)}
        return AuditEvent(now, AuditAction.CONFIGURATION_CHANGED, principal, detail=detail)

    return Configurations(database).take(site.version, description, principal, now, event)


def renewed(folder: Path, running: Site) -> Site:
    """Give the site as its folder describes it now, for a service that runs.

    Raises:
        ConfigurationError: a file is wrong, a case does not hold, or something changed that needs a restart.

    """
    found = load_site(folder)
    check_cases(folder, found)
    for changed in differences(described(running), described(found)):
        if not _is_renewed(changed):
            raise ConfigurationError(f"a restart is expected to change {changed.path}", path=str(folder))
    return replace(running, rules=found.rules, secretariats=found.secretariats, version=found.version)


def _is_renewed(changed: Difference) -> bool:
    of_secretariat = changed.path.startswith("secretariats[") and changed.path.endswith(RENEWED)
    return of_secretariat or changed.path.startswith("rules")


def _told(changed: list[Difference]) -> str:
    told = "; ".join(f"{c.path}: {c.before or '-'} > {c.after or '-'}" for c in changed)
    return told if len(told) <= TOLD else told[: TOLD - 1] + "…"
