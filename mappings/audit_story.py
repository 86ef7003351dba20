"""An audit event in French, for whoever is no technician: who did what, to what, and why."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from gateway.audit import AuditEvent
from gateway.principal import PrincipalKind
from gateway.site import Site
from mappings.fhir.audit_event import principal_of
from mappings.texts import keys, text


@dataclass(frozen=True, slots=True)
class Told:
    """One act as it is told.

    Attributes:
        at: aware instant.
        who: who did it.
        what: what was done.
        about: what it was done to, and what is known of how; one after the other.

    """

    at: datetime
    who: str
    what: str
    about: tuple[str, ...]


def told(event: AuditEvent, site: Site) -> Told:
    """Give an event as it is told."""
    return Told(event.at, who(event.principal, site), text("audit", event.action), tuple(_about(event, site)))


def who(principal: str, site: Site) -> str:
    """Give a principal in words: the gateway, a source or system by its label, an account with its profession."""
    if principal in keys("actor"):
        return text("actor", principal)
    kind, _, name = principal.partition(":")
    if kind == "queue":
        return _secretariat(name, site)
    if kind == "account":
        return f"{text('actor', 'account')} {name} ({profession_of(principal, site)})"
    source = site.source(principal) or site.source_of_client(principal)
    if source is not None:
        return f"{source.label or source.id} ({text('actor', 'source')})"
    return f"{text('actor', 'client')} {principal} ({profession_of(principal, site)})"


def is_system(principal: str, site: Site) -> bool:
    """Whether a principal is no person: the gateway, a source, or a client to which the site gives no profession."""
    known = principal_of(site, principal)
    if known is not None:
        return known.kind is PrincipalKind.MACHINE and not known.profession
    return principal in keys("actor") or bool(site.source(principal) or site.source_of_client(principal))


def profession_of(principal: str, site: Site) -> str:
    """Give the profession that the site gives a principal now, in words; that of nobody known is « personnel »."""
    if is_system(principal, site):
        return text("profession", "system")
    known = principal_of(site, principal)
    return text("profession", known.profession if known else "")


def _about(event: AuditEvent, site: Site) -> Iterator[str]:
    if event.message is not None:
        yield f"{text('touched', 'message')} {event.message}"
    for entity in event.entities:
        kind, _, number = entity.partition("/")
        yield _secretariat(number, site) if kind == "secretariat" else f"{text('touched', kind)} {number}"
    for name in sorted(keys("detail")):
        value = event.detail.get(name, "")
        if value is True:
            yield text("detail", name)
        elif value not in {"", False}:
            yield f"{text('detail', name)} : {_recipient(str(value), site) if name == 'to' else value}"


def _recipient(name: str, site: Site) -> str:
    """Give to whom or where an item went."""
    return _secretariat(name, site) if name in site.secretariats else who(name, site)


def _secretariat(name: str, site: Site) -> str:
    known = site.secretariats.get(name)
    return known.label if known else f"{text('touched', 'secretariat')} {name}"
