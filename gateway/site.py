"""A hospital as its site data describes it; mappings/site.py reads the files."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

from gateway.convening import Convening
from gateway.deadline import DEFAULTS, Deadline
from gateway.opening import Calendar
from gateway.principal import Principal
from gateway.profile import Profile
from gateway.routing import Rule, Subject


class Environment(StrEnum):
    """Production quarantines test matter (MSH-11 T / D, test and demonstration INS); test accepts it."""

    PRODUCTION = "production"
    TEST = "test"


class OnError(StrEnum):
    """What a message is answered that is kept in quarantine as it arrives."""

    NACK = "nack"
    """What is wrong with it; most senders show that to somebody, or send again once it is corrected."""
    ACCEPT = "accept-and-quarantine"
    """As if nothing were: for a sender that would stop, or repeat it for ever. A person of ours looks after it."""


class SourceRole(StrEnum):
    """What a source is to patient identity."""

    ADMISSIONS = "admissions"
    """Bureau des entrées: the référentiel, authoritative for identity traits in its own domain."""
    DEPARTMENT = "department"
    """Any other system: what it says never overwrites admissions."""


@lru_cache(maxsize=1024)
def _within(address: str, networks: tuple[str, ...]) -> bool:
    """Whether an IP address is of one of the networks; IPv4 written as IPv6 is IPv4."""
    try:
        given = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    given = (given.ipv4_mapped if isinstance(given, IPv6Address) else None) or given
    return any(given in ip_network(network) for network in networks)


@dataclass(frozen=True, slots=True)
class ReplyAddress:
    """Where a source takes the application acknowledgments of its messages.

    Attributes:
        host: name or address.
        port: TCP port.
        tls: by TLS.
        authorities: PEM file of the authorities that its certificate must come from; empty: those the system trusts.
        certificate: PEM file of our own certificate; empty: none is shown.
        key: PEM file of its private key; empty: it stands in the certificate's file.
        name: name that its certificate must bear; empty: the host.

    """

    host: str
    port: int
    tls: bool = False
    authorities: str = ""
    certificate: str = ""
    key: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """A system that sends.

    Attributes:
        id: name in logs, metrics and lists.
        role: admissions or department.
        label: name for people.
        applications: MSH-3.1 values that identify it; empty: any.
        facilities: MSH-4.1 values that identify it; empty: any.
        clients: HTTP client ids that identify it.
        authority: assigning authority of its identifiers where the message names none.
        orders: domain of the order numbers that name none; sources that share it know each other's orders.
        charset: overrides MSH-18 where the label is known to be untrue; a code of HL7 table 0211.
        control_id_required: refuse a message without MSH-10; false: it is taken (repetitions are told by content).
        on_error: what it is answered when its message is kept in quarantine as it arrives.
        messages: types (``ADT``) and events (``ADT^A01``) that it may send by HL7 v2; empty: whatever is taken here.
        processing_ids: MSH-11.1 values that are taken from it.
        receiving_applications: MSH-5.1 values that it may send to; empty: any.
        receiving_facilities: MSH-6.1 values that it may send to; empty: any.
        addresses: networks (CIDR) that it may send HL7 v2 from; empty: any.
        subjects: subjects of TLS client certificates that it may send HL7 v2 under; empty: any or none.
        messages_per_second: HL7 v2 messages that are taken from it in a second; None: any number.
        secretariat: who answers for what it sends of patients' identities; empty: the identity desk.
        silence_minutes: a source that sends nothing for so long raises an alarm; None: it may be silent.
        folder: where its HL7 v2 files appear; empty: it sends none.
        profile: what its HL7 v2 messages are checked against as they come; None: nothing beyond what is needed.
        enforced: a message that departs from the profile is refused (AE); else that is noted and counted.
        reply_to: where its application acknowledgments (enhanced mode) are told; None: on its own connection.
        trust_contract: its identities may be linked by score with those of admissions (RNIV 1, EXI SI 33, EXI SI 34).

    """

    id: str
    role: SourceRole
    label: str = ""
    applications: tuple[str, ...] = ()
    facilities: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()
    authority: str = ""
    orders: str = ""
    charset: str = ""
    control_id_required: bool = True
    on_error: OnError = OnError.NACK
    messages: tuple[str, ...] = ()
    processing_ids: tuple[str, ...] = ("P", "T", "D")
    receiving_applications: tuple[str, ...] = ()
    receiving_facilities: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    messages_per_second: float | None = None
    secretariat: str = ""
    silence_minutes: int | None = None
    folder: str = ""
    profile: Profile | None = None
    enforced: bool = False
    reply_to: ReplyAddress | None = None
    trust_contract: bool = False

    def sends(self, application: str, facility: str) -> bool:
        """Whether MSH-3.1 and MSH-4.1 are this source's; a source known only by its HTTP clients sends no HL7 v2."""
        if self.clients and not self.applications and not self.facilities:
            return False
        by_application = not self.applications or application in self.applications
        return by_application and (not self.facilities or facility in self.facilities)

    def admits(self, address: str, subject: str | None) -> bool:
        """Whether it may send from this IP address and under this certificate's subject (None: no certificate)."""
        by_subject = not self.subjects or subject in self.subjects
        return by_subject and (not self.addresses or _within(address, self.addresses))


@dataclass(frozen=True, slots=True)
class Secretariat:
    """A secretariat and its queue.

    Attributes:
        id: name of the queue: lower-case ASCII letters, digits and hyphens.
        label: name for people.
        units: unit codes (UF) that it serves.
        services: codes of kinds of appointment or exam that it serves.
        sensitive: titles are masked to everyone outside it.
        calendar: when somebody is there; None: always.
        cover: the secretariat that answers for it while it is closed; empty: none does.

    """

    id: str
    label: str
    units: frozenset[str] = field(default_factory=frozenset)
    services: frozenset[str] = field(default_factory=frozenset)
    sensitive: bool = False
    calendar: Calendar | None = None
    cover: str = ""

    def open_at(self, at: datetime) -> bool:
        """Whether somebody is there at an aware instant."""
        return self.calendar is None or self.calendar.open_at(at)


@dataclass(frozen=True, slots=True)
class Access:
    """Who may act on this site.

    Attributes:
        accounts: operating-system account -> principal, for the CLI; ``*`` (test sites only) is any account.
        clients: HTTP client id (the token's ``iss``) -> principal.
        client_keys: HTTP client id -> PEM public key that verifies its tokens.
        anonymous: principal of an HTTP request without a token (test sites only); None: refused.

    """

    accounts: dict[str, Principal] = field(default_factory=dict)
    clients: dict[str, Principal] = field(default_factory=dict)
    client_keys: dict[str, str] = field(default_factory=dict)
    anonymous: Principal | None = None


@dataclass(frozen=True, slots=True)
class Matching:
    """How the matcher is used while messages are processed.

    Attributes:
        automatic: a match that nothing hinders is linked; else each is a question.

    """

    automatic: bool = False


@dataclass(frozen=True, slots=True)
class Site:
    """One establishment.

    Attributes:
        id: short name.
        label: name for people.
        environment: production or test.
        facility: MSH-4 of what the gateway sends.
        time_zone: IANA name; HL7 times without offset are read in it.
        authorities: namespace (HD-1) or OID as sent -> assigning authority.
        sources: in order; the first that matches the sender wins.
        secretariats: by id.
        default_secretariat: the queue of what no rule catches.
        identity_desk: the secretariat that answers identity questions (cellule d'identitovigilance).
        rules: routing rules, first match wins within a kind.
        access: who may act.
        held_hours: how long a fact may wait for its object before a person sees it.
        expected_hours: how long a result may be expected before a person sees that it has not come.
        desk_days: how long a question may stay open, or a request to admissions wait, before it is listed as late.
        matching: how the matcher is used; None: exact rules alone.
        convening: how patients are convened; None: no convocations are made, and items alone say what to do.
        deadlines: by when items are to be done, the first that matches; what goes without saying comes last.
        version: name of all this as it was read; empty: it was read from nowhere.

    """

    id: str
    label: str
    environment: Environment
    facility: str
    time_zone: str
    authorities: dict[str, str]
    sources: tuple[Source, ...]
    secretariats: dict[str, Secretariat]
    default_secretariat: str
    identity_desk: str
    rules: tuple[Rule, ...]
    access: Access
    held_hours: float = 24.0
    expected_hours: float = 72.0
    desk_days: float = 7.0
    matching: Matching | None = None
    convening: Convening | None = None
    deadlines: tuple[Deadline, ...] = DEFAULTS
    version: str = ""

    @property
    def desk_limit(self) -> timedelta:
        """How long a question may stay open, or a request to admissions wait, before it is listed as late."""
        return timedelta(days=self.desk_days)

    @property
    def sensitive(self) -> frozenset[str]:
        """The secretariats whose very concern with a patient is told to nobody outside them."""
        return frozenset(s.id for s in self.secretariats.values() if s.sensitive)

    @property
    def admissions_domains(self) -> frozenset[str]:
        """The identification domains that an admissions source vouches for."""
        return frozenset(s.authority for s in self.sources if s.role is SourceRole.ADMISSIONS)

    @property
    def held_limit(self) -> timedelta:
        """How long a fact may wait for its object before a person sees it."""
        return timedelta(hours=self.held_hours)

    @property
    def expected_limit(self) -> timedelta:
        """How long a result may be expected before a person sees that it has not come."""
        return timedelta(hours=self.expected_hours)

    def covering(self, secretariat: str, at: datetime) -> str:
        """Give who answers for a secretariat at an aware instant: itself, or while it is closed the first open cover.

        Empty where all of them are closed, or it is no secretariat of the site.
        """
        asked: set[str] = set()
        while (known := self.secretariats.get(secretariat)) and known.id not in asked:
            if known.open_at(at):
                return known.id
            asked.add(known.id)
            secretariat = known.cover
        return ""

    def deadline_of(self, subject: Subject) -> Deadline | None:
        """The deadline of what an item is about."""
        return next((d for d in self.deadlines if d.matches(subject)), None)

    def deadline(self, name: str) -> Deadline | None:
        """The deadline with this name."""
        return next((d for d in self.deadlines if d.name == name), None)

    def due(self, deadline: Deadline, secretariat: str, since: datetime, begins: datetime | None) -> datetime | None:
        """By when an item on a secretariat's queue is to be done that came at an aware instant."""
        known = self.secretariats.get(secretariat)
        return deadline.due(since, known.calendar if known else None, self.time_zone, begins)

    def source_of(self, application: str, facility: str) -> Source | None:
        """The first source that sends under this application and facility."""
        for source in self.sources:
            if source.sends(application, facility):
                return source
        return None

    def source_of_client(self, client: str) -> Source | None:
        """The source of an HTTP client."""
        return next((s for s in self.sources if client in s.clients), None)

    def source(self, source_id: str) -> Source | None:
        """The source with this id."""
        return next((s for s in self.sources if s.id == source_id), None)

    def authority(self, *names: str) -> str:
        """The assigning authority that any of these names means (OID first); the first as sent if none is known."""
        given = [name.removeprefix("urn:oid:") for name in names if name]
        for name in given:
            if known := self.authorities.get(name):
                return known
        return given[0] if given else ""
