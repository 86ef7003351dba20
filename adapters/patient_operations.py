"""What other systems may ask of patients: each act needs a right and leaves an audit event (promise P8).

Whom the house keeps hidden is found only by who has the right to, and to anybody else is not there; that somebody asked
is in the audit trail all the same.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime

from adapters.audited import Audited
from adapters.store.audit import AuditTrail
from adapters.store.patients import Patients
from gateway.audit import AuditAction
from gateway.errors import DomainUnknown, ResourceNotFound, SearchTooBroad, TargetUnknown
from gateway.facts import Identifier, Patient
from gateway.naming import PROVISIONAL_AUTHORITY
from gateway.patients import Certainty, KnownPatient, Likely, cross_references
from gateway.principal import Principal, Right
from gateway.site import Site
from mappings.fhir.patient_query import CrossReference, PatientQuery
from mappings.ins import INS_OIDS

MOST_ASKED = 50
"""Ids or identifiers asked for at once."""


class PatientOperations(Audited):
    """The acts of one principal.

    Args:
        principal: who acts; no method names an actor.
        patients: the store's side.
        trail: the audit trail.
        site: the establishment.
        clock: gives the aware present.

    """

    def __init__(
        self, principal: Principal, patients: Patients, trail: AuditTrail, site: Site, clock: Callable[[], datetime]
    ) -> None:
        super().__init__(principal, trail)
        self._patients = patients
        self._site = site
        self._clock = clock

    def cross_references(self, asked: CrossReference) -> tuple[tuple[Identifier, ...], str]:
        """Give the other numbers of who bears one, and the person's id (IHE PIXm, ITI-83; audited).

        Raises:
            DomainUnknown: nobody knows the domain of the number.
            ResourceNotFound: nobody bears it, or two people do.
            TargetUnknown: nobody knows a domain asked for.

        """
        action = AuditAction.PATIENT_CROSS_REFERENCED
        self.require(Right.PATIENT_CROSS_REFERENCE, action)
        system, value = asked.source
        number = Identifier(self._site.authority(system), value)
        bearers = [] if number.authority == PROVISIONAL_AUTHORITY else self._patients.numbered(number)
        visible = self._visible(bearers, action)
        if not bearers and not self._knows(number.authority):
            raise DomainUnknown("sourceIdentifier Assigning Authority not found", path="sourceIdentifier")
        if len(visible) != 1:
            raise ResourceNotFound("sourceIdentifier Patient Identifier not found", path="sourceIdentifier")
        targets = [self._site.authority(target) for target in asked.targets]
        if not all(map(self._knows, targets)):
            raise TargetUnknown("targetSystem not found", path="targetSystem")
        return cross_references(visible[0], number, targets), visible[0].person.id

    def read(self, patient: str) -> KnownPatient:
        """Give a person (audited).

        Raises:
            ResourceNotFound: there is none with this id, or none any more.

        """
        self.require(Right.PATIENT_READ, AuditAction.PATIENT_READ)
        found = self._visible(self._patients.persons([patient]), AuditAction.PATIENT_READ)
        if not found:
            raise ResourceNotFound("no patient has this id")
        return found[0]

    def search(self, asked: PatientQuery) -> tuple[Sequence[KnownPatient], int, Collection[str]]:
        """Give a page of the patients that a query finds, how many there are, and the domains to tell of (audited).

        Raises:
            SearchTooBroad: it names neither a number nor a day of birth with the beginning of a name.
            ResourceNotFound: nobody knows a domain that is to be told of.

        """
        self.require(Right.PATIENT_READ, AuditAction.PATIENT_SEARCHED)
        domains = [self._site.authority(system) for system in asked.domains]
        if not all(map(self._knows, domains)):
            raise ResourceNotFound("an identification domain that is asked for is unknown", path="identifier")
        try:
            candidates = self._candidates(asked)
        except SearchTooBroad:
            self._record(AuditAction.PATIENT_SEARCHED, found=0, refused=True)
            raise
        found = [k for k in candidates if asked.active and asked.sought.finds(k.person.traits)]
        visible = self._visible(found, AuditAction.PATIENT_SEARCHED)
        page = visible[asked.offset : asked.offset + asked.count]
        return page, len(visible), domains

    def _candidates(self, asked: PatientQuery) -> list[KnownPatient]:
        if max(len(asked.ids), len(asked.identifiers)) > MOST_ASKED:
            raise SearchTooBroad(f"at most {MOST_ASKED} patients are asked for at once")
        if asked.identifiers:
            numbers = [Identifier(self._site.authority(system), value) for system, value in asked.identifiers if system]
            named = {k.person.id: k for n in numbers for k in self._patients.numbered(n)}
            return [k for i, k in sorted(named.items()) if not asked.ids or i in asked.ids]
        if asked.ids:
            return self._patients.persons(asked.ids)
        if asked.sought.birth_date and (asked.sought.family or asked.sought.given):
            return self._patients.born(asked.sought.birth_date, asked.sought)
        raise SearchTooBroad("an identifier, or a day of birth and the beginning of a name (EXI SI 01), is expected")

    def match(self, described: Patient, *, certain: bool, count: int) -> list[Likely]:
        """Give the persons like the one described, the surest first, as the matcher in force weighs them (audited).

        Args:
            described: the patient.
            certain: only the one of whom nobody need be asked.
            count: so many at most.

        """
        self.require(Right.PATIENT_MATCH, AuditAction.PATIENT_MATCHED)
        found = self._patients.like(described, self._clock().date(), self._site.environment)
        wanted = [each for each in found if not certain or each.certainty is Certainty.CERTAIN]
        visible = {k.person.id for k in self._visible([each.known for each in wanted], AuditAction.PATIENT_MATCHED)}
        return [each for each in wanted if each.known.person.id in visible][:count]

    def _knows(self, authority: str) -> bool:
        site = self._site
        declared = {*site.authorities.values(), *(s.authority for s in site.sources if s.authority), *INS_OIDS}
        return authority in declared or (authority != PROVISIONAL_AUTHORITY and self._patients.knows(authority))

    def _visible(self, found: Iterable[KnownPatient], action: AuditAction) -> list[KnownPatient]:
        """Give those whom the principal may find; the event names everybody who was found (P8)."""
        everybody = list(found)
        may = Right.PATIENT_READ_HIDDEN in self._principal.rights
        visible = [known for known in everybody if may or not known.hidden]
        records = [record.id for known in everybody for record in known.records]
        withheld = len(everybody) - len(visible)
        self._record(action, patients=records, found=len(visible), withheld=withheld)
        return visible
