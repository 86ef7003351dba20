"""What may be asked of the audit trail: each answer needs a right, and is itself an act that the trail keeps."""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from adapters.assembly import Assembly
from adapters.audited import Audited
from adapters.store.audit import AuditTrail
from gateway.audit import AuditAction, AuditEvent
from gateway.audit_query import AuditPage, AuditQuery, Place
from gateway.audit_report import Case, Dealing, Limits, Masked, anomalies, dealings, masked
from gateway.errors import ResourceNotFound
from gateway.facts import Identifier
from gateway.principal import Principal, Right
from gateway.site import Site
from mappings.audit_story import is_system, profession_of
from mappings.fhir.audit_event import Context, Share, View, principal_of, projected, shares
from mappings.fhir.audit_search import AuditSearch, Cursor


@dataclass(frozen=True, slots=True)
class Found:
    """A page of AuditEvents.

    Attributes:
        resources: as R4 JSON values.
        identities: ids of the records that the conditions on patients come to; None if there was none.
        total: how many match; None if it was not asked for, or would take too long to tell.
        cursor: where the next page begins; None: this is the last.

    """

    resources: list[dict[str, Any]]
    identities: tuple[str, ...] | None
    total: int | None
    cursor: Cursor | None


@dataclass(frozen=True, slots=True)
class Breach:
    """Who dealt with what.

    Attributes:
        dealings: in the order in which each began.
        patients: record id -> identifier, of the records concerned.

    """

    dealings: list[Dealing]
    patients: dict[str, Identifier]


class AuditOperations(Audited):
    """The answers that one principal may have.

    Args:
        principal: who asks; no method names an actor.
        trail: the audit trail.
        site: the establishment.

    """

    def __init__(self, principal: Principal, trail: AuditTrail, site: Site) -> None:
        super().__init__(principal, trail)
        self._site = site

    def search(self, query: AuditQuery) -> list[AuditEvent]:
        """Give the events that match, oldest first (audited)."""
        self.require(Right.AUDIT_READ, AuditAction.AUDIT_SEARCHED)
        found = self._trail.search(query)
        self._record(AuditAction.AUDIT_SEARCHED, patients=self._asked_about(query, found), found=len(found))
        return found

    def write(self, query: AuditQuery) -> list[AuditEvent]:
        """Give the events that match, oldest first, to be written down for others (audited as a report)."""
        self.require(Right.AUDIT_REPORT, AuditAction.AUDIT_REPORTED)
        found = self._trail.search(query)
        patients = self._asked_about(query, found)
        self._record(AuditAction.AUDIT_REPORTED, patients=patients, report="search", found=len(found))
        return found

    def _asked_about(self, query: AuditQuery, found: Sequence[AuditEvent]) -> Collection[str]:
        """Give the records that a question is about: those named, or those of the one thing that it asks about."""
        if query.patient:
            return self._trail.identities(query.patient)
        if query.identities is not None:
            return query.identities
        single = query.item or query.correlation or query.message is not None or query.event is not None
        return sorted({patient for event in found for patient in event.patients}) if single else ()

    # -- reports ---------------------------------------------------------------------------------------------------

    def breach(self, patient: str, principal: str, since: datetime, until: datetime | None) -> Breach:
        """Give who dealt with a patient's data, or with whose data somebody dealt (RGPD 33; audited).

        Args:
            patient: an identifier's value; empty: whoever is concerned.
            principal: whose dealings; empty: everybody's.
            since: from this instant on.
            until: before this instant; None: up to now.

        Raises:
            ResourceNotFound: nobody has this identifier.

        """
        self.require(Right.AUDIT_REPORT, AuditAction.AUDIT_REPORTED)
        records = frozenset(self._trail.identities(patient)) if patient else None
        if records == frozenset():
            raise ResourceNotFound("no patient has this identifier", path="--patient")
        query = AuditQuery(patient=patient, principal=principal, since=since, until=until)
        found = dealings(self._trail.each(query), records)
        concerned = {record for each in found for record in each.patients}
        self._record(AuditAction.AUDIT_REPORTED, patients=sorted(concerned), report="breach", found=len(found))
        return Breach(found, self._trail.identifiers(concerned))

    def anomalies(self, since: datetime, until: datetime | None, limits: Limits) -> list[Case]:
        """Give what is worth a look in a period, in order of time (audited)."""
        self.require(Right.AUDIT_REPORT, AuditAction.AUDIT_REPORTED)
        found: list[Case] = []
        for name in self._trail.actors():
            found += anomalies(self._acts(name, since, until), self._serves(name), limits)
        self._record(AuditAction.AUDIT_REPORTED, report="anomalies", found=len(found))
        return sorted(found, key=lambda case: (case.first, case.events))

    def _acts(self, principal: str, since: datetime, until: datetime | None) -> Iterator[AuditEvent]:
        """Give what a person did; of a system, which works by night and in bulk, what it was refused."""
        action = AuditAction.ACCESS_REFUSED if is_system(principal, self._site) else "user:"
        return self._trail.each(AuditQuery(principal=principal, action=action, since=since, until=until))

    def _serves(self, principal: str) -> frozenset[str] | None:
        """Give the secretariats that somebody works for; None where the site says nothing, or that they read all."""
        known = principal_of(self._site, principal)
        return known.secretariats if known and known.secretariats else None

    def disclose(self, patient: str, since: datetime | None, until: datetime | None) -> list[Masked]:
        """Give what a patient may be told of who dealt with their data: by day and profession (audited).

        Raises:
            ResourceNotFound: nobody has this identifier.

        """
        self.require(Right.AUDIT_DISCLOSE, AuditAction.AUDIT_DISCLOSED)
        records = tuple(self._trail.identities(patient))
        if not records:
            raise ResourceNotFound("no patient has this identifier", path="--patient")
        events = list(self._trail.each(AuditQuery(identities=records, since=since, until=until)))
        professions = {e.principal: profession_of(e.principal, self._site) for e in events}
        found = masked(events, professions, self._site.time_zone)
        self._record(AuditAction.AUDIT_DISCLOSED, patients=records, found=len(found))
        return found

    # -- FHIR (ITI-81) ---------------------------------------------------------------------------------------------

    def find(self, search: AuditSearch, raw: bytes) -> Found:
        """Give a page of AuditEvents (audited).

        Args:
            search: what is asked.
            raw: the query as it came, of which the trail keeps the SHA-256.

        """
        self.require(Right.AUDIT_READ, AuditAction.AUDIT_SEARCHED)
        identities = self._records(search)
        query = replace(search.query, identities=identities, until_event=self._until(search), after=_after(search))
        nothing = search.nothing or identities == ()
        page = AuditPage([], None) if nothing or not query.limit else self._trail.page(query)
        shown, cursor = _taken(page, search, query)
        total = (0 if nothing else self._total(query, search)) if search.total and search.cursor is None else None
        found = Found(self._rendered(shown, search.view), identities, total, cursor)
        query_hash = hashlib.sha256(raw).hexdigest()
        patients = self._asked_about(query, [event for event, _ in shown])
        self._record(
            AuditAction.AUDIT_SEARCHED, patients=patients, found=len(shown), query=query_hash, view=search.view
        )
        return found

    def read(self, number: int, logical_id: str) -> dict[str, Any]:
        """Give the AuditEvent with this logical id (audited).

        Raises:
            ResourceNotFound: there is none.

        """
        self.require(Right.AUDIT_READ, AuditAction.AUDIT_SEARCHED)
        events = self._trail.page(AuditQuery(event=number, limit=1)).events
        shown = [(event, share) for event in events for share in shares(event, View.BALP) if share[0] == logical_id]
        patients = [patient for _, share in shown for patient in share[1]]
        entities = [f"audit/{number}"] if shown else []
        self._record(AuditAction.AUDIT_SEARCHED, patients=patients, entities=entities, found=len(shown), view=View.BALP)
        if not shown:
            raise ResourceNotFound("no audit event has this id")
        return self._rendered(shown, View.BALP)[0]

    def _records(self, search: AuditSearch) -> tuple[str, ...] | None:
        """Give the ids of the records for which all conditions on patients hold; None if there is none."""
        found = [
            {
                record
                for value in values
                for record in ([value] if isinstance(value, str) else self._trail.identities(value[1], value[0]))
            }
            for values in search.patients
        ]
        return tuple(sorted(set.intersection(*found))) if found else None

    def _until(self, search: AuditSearch) -> int:
        return search.cursor.until_event if search.cursor else self._trail.last()

    def _total(self, query: AuditQuery, search: AuditSearch) -> int | None:
        tally = self._trail.count(query)
        if tally is None:
            return None
        return tally.events if search.view is View.TDE else tally.shares

    def _rendered(self, shown: list[tuple[AuditEvent, Share]], view: View) -> list[dict[str, Any]]:
        patients = {patient for _, (_, named) in shown for patient in named}
        context = Context(self._site, self._trail.identifiers(patients))
        return [projected(event, share, context, view) for event, share in shown]


def _after(search: AuditSearch) -> Place | None:
    """Give where the page before ended; before the event of which it has not shown all."""
    if search.cursor is None:
        return None
    place = search.cursor.place
    if not search.cursor.shown:
        return place
    return replace(place, event=place.event + (-1 if search.query.oldest_first else 1))


def _taken(
    page: AuditPage, search: AuditSearch, query: AuditQuery
) -> tuple[list[tuple[AuditEvent, Share]], Cursor | None]:
    """Give the AuditEvents of a page, each with its event, and where the next one begins."""
    asked_for, until_event = query.identities, query.until_event or 0
    shown: list[tuple[AuditEvent, Share]] = []
    before: Place | None = None
    for event in page.events:
        own = [s for s in shares(event, search.view) if asked_for is None or not {*s[1]}.isdisjoint(asked_for)]
        begun = search.cursor.shown if search.cursor and search.cursor.place.event == event.id else 0
        room = query.limit - len(shown)
        shown += [(event, share) for share in own[begun : begun + room]]
        here = Place(event.at, event.id)
        if len(own) - begun > room:
            done = begun + room
            return shown, Cursor(here if done else before or here, done, until_event)
        before = here
    return shown, Cursor(page.after, 0, until_event) if page.after else None


def audit_operations(parts: Assembly, principal: Principal) -> AuditOperations:
    """Give what a principal may ask of the audit trail."""
    parts.operations(principal)  # an empty database gets its schema
    return AuditOperations(principal, parts.trail, parts.site)
