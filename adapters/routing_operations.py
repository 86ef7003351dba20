"""What other rules would do, asked by a principal (promise P8)."""

from adapters.audited import Audited
from adapters.store.audit import AuditTrail
from adapters.store.routed import RoutedObjects
from adapters.store.search import MessageFilter, MessageSearch
from gateway.audit import AuditAction
from gateway.principal import Principal, Right
from gateway.rehearsal import Rehearsal, rehearse
from gateway.site import Site


class RoutingOperations(Audited):
    """The acts.

    Args:
        principal: who acts.
        trail: the audit trail.
        objects: what items are about.
        search: finds messages.
        site: the establishment.

    """

    def __init__(
        self,
        principal: Principal,
        trail: AuditTrail,
        objects: RoutedObjects,
        search: MessageSearch,
        site: Site,
    ) -> None:
        super().__init__(principal, trail)
        self._objects = objects
        self._search = search
        self._site = site

    def simulate(self, then: Site, wanted: MessageFilter, last: int | None) -> Rehearsal:
        """Route what the messages of a period told of by another site's rules, and change nothing (audited).

        Args:
            then: the other site.
            wanted: the period.
            last: only the last so many messages of it; None: all.

        """
        self.require(Right.OPERATE, AuditAction.ROUTING_SIMULATED)
        first, end = self._search.span(wanted)
        if last is not None:
            first = max(first, end - last)
        found = rehearse(self._objects.told_by(first, end), self._site, then)
        self._record(
            AuditAction.ROUTING_SIMULATED,
            objects=found.objects,
            moved=found.moves.total(),
            rules=self._site.version,
            other=then.version,
        )
        return found
