"""The composition root: the settings and the site's data, read once, become the parts of one gateway.

What only a running service has, and the commands that do without start sooner for it, is put together in pipeline.py
and ops/observation.py.
"""

import os
import pwd
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from adapters.bus.dead_letters import DeadLetters, NoDeadLetters
from adapters.operations import Operations
from adapters.settings import EMBEDDED, Settings
from adapters.store.audit import AuditTrail, append
from adapters.store.database import Database
from adapters.store.desk import MessageDesk
from adapters.store.inbox import DUPLICATE_WINDOW, Inbox
from adapters.store.outbox import StoredOutbox
from adapters.store.retention import Retention
from adapters.store.search import MessageSearch
from adapters.store.work import Work
from adapters.store.worklist import Worklist
from gateway.audit import AuditAction, AuditEvent
from gateway.errors import AccessRefused, ResourceNotFound
from gateway.principal import Principal, Right
from gateway.retention import Terms
from gateway.site import Site
from mappings.site import load_site


class Assembly:
    """The parts of one gateway, each made when it is first asked for.

    Args:
        settings: what the operator set.

    Raises:
        ConfigurationError: the site's data or the database URL is wrong.

    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.site: Site = load_site(settings.site)
        self.database = Database(settings.database_url)
        self.inbox = Inbox(self.database)
        self.search = MessageSearch(self.database)
        self.desk = MessageDesk(self.database)
        self.worklist = Worklist(self.database)
        self.trail = AuditTrail(self.database)
        self.outbox = StoredOutbox(self.database)
        self.work = Work(self.database)

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    def prepare_database(self, principal: Principal) -> None:
        """Make the schema of an empty database; require this program's in any other, and durability in both.

        Raises:
            ConfigurationError: the schema is another program's.
            DurabilityUnverified: a setting does not keep what is committed.

        """
        if self.database.is_empty():
            self.migrate(principal)
        self.database.require_current_schema()
        self.database.verify_durability()

    def migrate(self, principal: Principal) -> None:
        """Bring the schema to this program's revision (audited)."""
        self.require_operator(principal, AuditAction.STORE_MIGRATED)
        detail = {"revision": self.database.head()}
        event = AuditEvent(datetime.now(UTC), AuditAction.STORE_MIGRATED, principal.id, detail=detail)
        self.database.migrate(lambda connection: append(connection, [event]))

    def require_operator(self, principal: Principal, act: AuditAction) -> None:
        """Return when the principal may operate; a refusal is audited, once there is a trail to write it to."""
        if Right.OPERATE not in principal.rights:
            self.refused(principal.id, act)
        principal.require(Right.OPERATE)

    def refused(self, principal: str, act: AuditAction) -> None:
        """Leave an audit event of a refused act; in a database without a schema there is nowhere to leave it."""
        if not self.database.is_empty():
            detail = {"act": act.value}
            self.trail.record(AuditEvent(datetime.now(UTC), AuditAction.ACCESS_REFUSED, principal, detail=detail))

    def account_principal(self) -> Principal:
        """Give the principal of the operating-system account that runs this command.

        Raises:
            AccessRefused: access.toml names neither the account nor, on a test site, any account (audited).

        """
        name = pwd.getpwuid(os.geteuid()).pw_name
        found = self.site.access.accounts.get(name) or self.site.access.accounts.get("*")
        if found is None:
            self.refused(account(name), AuditAction.ACCESS_REFUSED)
            raise AccessRefused("this operating-system account is not in the site's access.toml", path="accounts")
        return replace(found, id=account(name))

    def require_account(self, name: str) -> str:
        """Give the principal of an operating-system account that the site knows.

        Raises:
            ResourceNotFound: access.toml names neither the account nor, on a test site, any account.

        """
        known = self.site.access.accounts
        if name not in known and "*" not in known:
            raise ResourceNotFound("an account of the site's access.toml is expected", path="--to")
        return account(name)

    def operations(self, principal: Principal) -> Operations:
        """Give the acts of a principal; an operator's first command makes the schema of an empty database.

        Raises:
            AccessRefused: the database is empty, and the principal may not make its schema.
            ConfigurationError: the schema is another program's.

        """
        if self.database.is_empty():
            self.migrate(principal)
        self.database.require_current_schema()
        return Operations(principal, self.inbox, self.search, self.desk, self.worklist, self.trail, self.site.sensitive)

    def dead_letters(self) -> DeadLetters:
        """Give the dead-letter queues of the bus that the settings name."""
        url = self.settings.broker_url
        if url == EMBEDDED:
            return NoDeadLetters()
        from adapters.bus.rabbitmq_dead_letters import RabbitDeadLetters  # noqa: PLC0415 - a client, where it is used

        return RabbitDeadLetters(url)

    @property
    def retention_terms(self) -> Terms:
        """How long what has passed through is kept."""
        kept = self.settings
        return Terms(
            _term(kept.retention_days),
            _term(kept.retention_quarantine_days),
            _term(kept.retention_outbox_days),
            DUPLICATE_WINDOW,
        )

    def retention(self) -> Retention:
        """Give the purge."""
        return Retention(self.database, self.retention_terms)


def _term(days: int) -> timedelta | None:
    return timedelta(days=days) if days else None


def account(name: str) -> str:
    """Give the principal id of an operating-system account."""
    return f"account:{name}"
