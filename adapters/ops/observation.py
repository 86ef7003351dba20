"""What watches a running service and tells of it, put together from a gateway's parts."""

from adapters.assembly import Assembly
from adapters.ops.readings import AlarmLimits, Readings
from adapters.ops.watch import Watch
from adapters.ops.webhook import Webhook
from adapters.settings import Settings
from gateway.pressure import IntakeLimits


def watch(parts: Assembly, role: str) -> Watch:
    """Give what watches this process, which has this role, and the database."""
    settings = parts.settings
    return Watch(
        parts.database,
        parts.site,
        Readings(parts.site, alarm_limits(settings)),
        IntakeLimits(settings.max_backlog, settings.min_free_bytes),
        settings.alarm_calm_seconds,
        notify=bool(settings.alarm_webhook),
        role=role,
    )


def webhook(parts: Assembly, watch: Watch) -> Webhook | None:
    """Give what tells a receiver of alarms; None where the operator named none."""
    url = parts.settings.alarm_webhook
    return Webhook(url, parts.site.id, watch.store, watch.leads) if url else None


def alarm_limits(settings: Settings) -> AlarmLimits:
    """Give from which values alarms are raised."""
    return AlarmLimits(
        oldest_pending=settings.alarm_oldest_pending_seconds,
        backlog=settings.alarm_backlog,
        quarantine=settings.alarm_quarantine,
        outbox=settings.alarm_outbox_seconds,
        broker_away=settings.alarm_broker_away_seconds,
        disk_free=settings.alarm_disk_free_bytes,
        unsealed=settings.alarm_unsealed_seconds,
        replies=settings.alarm_reply_seconds,
        checkpoint=settings.alarm_checkpoint_seconds,
        keys_left_out=settings.alarm_keys_left_out,
    )
