"""Who is admitted to an interface: a token that holds, or a refusal that is audited (promise P8)."""

from datetime import datetime

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from adapters.store.audit import AuditTrail
from adapters.web.exchange import calling
from adapters.web.tokens import authenticate
from gateway.audit import AuditAction, AuditEvent
from gateway.errors import AccessRefused
from gateway.principal import Principal
from gateway.site import Site


async def admitted(request: Request, site: Site, trail: AuditTrail, now: datetime, act: AuditAction) -> Principal:
    """Give the principal for whom a request acts.

    Args:
        request: with a Bearer token, or without one where the site admits anybody.
        site: the establishment.
        trail: takes the refusal of whoever does not say who they are.
        now: aware instant.
        act: what is asked for.

    Raises:
        AccessRefused: it does not say for whom.

    """
    try:
        principal = authenticate(request.headers.get("authorization"), site.access, now, audience=site.id)
        return calling(principal, request)
    except AccessRefused:
        refused = AuditEvent(now, AuditAction.ACCESS_REFUSED, "", detail={"act": act.value})
        await run_in_threadpool(trail.record, refused)
        raise
