"""A site's own TOML files, read and checked: ``site``, ``sources``, ``secretariats``, ``routing``, ``access`` ...

A wrong file is refused with its path, its line and what was expected.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from cryptography import x509
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from gateway.er7 import codec_of
from gateway.errors import CharsetUndecodable
from gateway.facts import Priority
from gateway.outbox import IDENTITY_QUEUE
from gateway.principal import Principal, PrincipalKind, Right
from gateway.profile import Profile
from gateway.routing import Rule
from gateway.site import Access, Environment, Matching, OnError, ReplyAddress, Secretariat, Site, Source, SourceRole
from gateway.worklist import ItemKind
from mappings.calendars import CalendarTable, calendar_of, check_calendars, require_zone
from mappings.conditions import Condition, check_conditions
from mappings.convening import load_convening
from mappings.deadlines import site_deadlines
from mappings.hl7v2.examination import EVENTS
from mappings.hl7v2.tables import IGNORED_TYPES
from mappings.profiles import load_profiles
from mappings.site_description import described, version
from mappings.toml_file import Name, read, refuse

DEMO = Path(__file__).with_name("sites") / "chu_demo"
"""The packaged demonstration site."""


def _message_kind(text: str) -> str:
    kind, dash, event = text.partition("^")
    events = EVENTS.get(kind, frozenset())
    if not (event in events if dash else events or kind in IGNORED_TYPES):
        expected = f"a type of {', '.join(sorted({*EVENTS, *IGNORED_TYPES}))}, or an event as in ADT^A01, is expected"
        raise PydanticCustomError("message_kind", "{expected}", {"expected": expected})
    return text


def _network(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError:
        expected = "an IP address or network is expected, as in 10.1.2.0/24 (with no bit set behind its prefix)"
        raise PydanticCustomError("network", expected) from None


def _subject(text: str) -> str:
    """A subject is compared as certificates' own are written; one that is written otherwise would never match."""
    try:
        found = x509.Name.from_rfc4514_string(text).rfc4514_string()
    except ValueError:
        found = ""
    if not found:
        expected = "a certificate's subject as in CN=lis,O=CHU (RFC 4514: the last part first, no spaces) is expected"
        raise PydanticCustomError("subject", expected)
    return found


def _address(text: str) -> str:
    host, _, port = text.rpartition(":")
    good = bool(host) and port.isascii() and port.isdecimal() and 0 < int(port) <= HIGHEST_PORT
    if text and not good:
        raise PydanticCustomError("address", "HOST:PORT is expected")
    return text


HIGHEST_PORT = 65_535

ReplyTo = Annotated[str, AfterValidator(_address)]
AbsolutePath = Annotated[str, Field(pattern="^(/.*)?$")]
MessageKind = Annotated[str, AfterValidator(_message_kind)]
Network = Annotated[str, AfterValidator(_network)]
CertificateSubject = Annotated[str, AfterValidator(_subject)]


class Strict(BaseModel):
    """A table whose keys are all read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _MatchingTable(Strict):
    enabled: bool = True
    automatic: bool = False


class _SiteFile(Strict):
    id: Name
    label: str
    environment: Environment
    facility: str
    time_zone: str = "Europe/Paris"
    default_secretariat: Name
    identity_desk: Name
    held_hours: Annotated[float, Field(gt=0, le=8_760)] = 24.0
    expected_hours: Annotated[float, Field(gt=0, le=8_760)] = 72.0
    desk_days: Annotated[float, Field(gt=0, le=365)] = 7.0
    authorities: dict[str, str] = Field(default_factory=dict)
    matching: _MatchingTable = _MatchingTable()


class _SourceTable(Strict):
    id: Name
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
    messages: tuple[MessageKind, ...] = ()
    processing_ids: Annotated[tuple[Literal["P", "T", "D"], ...], Field(min_length=1)] = ("P", "T", "D")
    receiving_applications: tuple[str, ...] = ()
    receiving_facilities: tuple[str, ...] = ()
    addresses: tuple[Network, ...] = ()
    subjects: tuple[CertificateSubject, ...] = ()
    messages_per_second: Annotated[float, Field(gt=0, le=100_000)] | None = None
    secretariat: str = ""
    silence_minutes: Annotated[int, Field(ge=1)] | None = None
    folder: AbsolutePath = ""
    profile: str = ""
    profile_mode: Literal["advisory", "enforced"] = "advisory"
    reply_to: ReplyTo = ""
    reply_tls: bool = False
    reply_tls_ca: AbsolutePath = ""
    reply_tls_cert: AbsolutePath = ""
    reply_tls_key: AbsolutePath = ""
    reply_tls_name: str = ""
    trust_contract: bool = False


class _SourcesFile(Strict):
    source: tuple[_SourceTable, ...]


class _SecretariatTable(Strict):
    id: Name
    label: str
    units: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()
    sensitive: bool = False
    calendar: str = ""
    cover: str = ""


class _SecretariatsFile(Strict):
    secretariat: tuple[_SecretariatTable, ...]
    calendar: tuple[CalendarTable, ...] = ()


class _RuleTable(Strict):
    name: Name
    label: str
    to: Annotated[tuple[Name, ...], Field(min_length=1)]
    kinds: Annotated[tuple[ItemKind, ...], Field(min_length=1)]
    when: dict[Condition, tuple[str, ...]] = Field(default_factory=dict)
    priority: Priority | None = None


class _RoutingFile(Strict):
    rule: tuple[_RuleTable, ...] = ()


class _PrincipalTable(Strict):
    profession: str = ""
    secretariats: frozenset[Name] = frozenset()
    rights: frozenset[Right | Literal["*"]] = frozenset()
    public_key: str = ""


class _AccessFile(Strict):
    accounts: dict[str, _PrincipalTable] = Field(default_factory=dict)
    clients: dict[str, _PrincipalTable] = Field(default_factory=dict)
    anonymous: _PrincipalTable | None = None


def load_site(folder: Path) -> Site:
    """Give the site that a folder's files describe.

    Raises:
        ConfigurationError: a file is missing or wrong; says which, at which line, and what was expected.

    """
    site = read(folder / "site.toml", _SiteFile)
    sources = read(folder / "sources.toml", _SourcesFile)
    secretariats = read(folder / "secretariats.toml", _SecretariatsFile)
    routing = read(folder / "routing.toml", _RoutingFile)
    access = read(folder / "access.toml", _AccessFile)
    known = {s.id for s in secretariats.secretariat}
    _check_site(folder, site, known)
    _check_unique(folder / "sources.toml", "source", [s.id for s in sources.source])
    _check_unique(folder / "secretariats.toml", "secretariat", [s.id for s in secretariats.secretariat])
    _check_unique(folder / "routing.toml", "rule", [r.name for r in routing.rule])
    _check_units(folder / "secretariats.toml", secretariats)
    _check_hours(folder / "secretariats.toml", secretariats)
    profiles = site_profiles(folder)
    _check_sources(folder / "sources.toml", sources, profiles, known)
    _check_rules(folder / "routing.toml", routing, known)
    conditions = ((("rule", number), rule.when) for number, rule in enumerate(routing.rule))
    check_conditions(folder / "routing.toml", conditions, {s.id for s in sources.source})
    _check_access(folder / "access.toml", access, site.environment)
    _check_principals(folder / "access.toml", access, known)
    calendars = {table.id: calendar_of(table, site.time_zone) for table in secretariats.calendar}
    served = tuple(
        Secretariat(**s.model_dump(exclude={"calendar"}), calendar=calendars.get(s.calendar))
        for s in secretariats.secretariat
    )
    found = Site(
        id=site.id,
        label=site.label,
        environment=site.environment,
        facility=site.facility,
        time_zone=site.time_zone,
        authorities=dict(site.authorities),
        sources=tuple(_source(s, profiles) for s in sources.source),
        secretariats={s.id: s for s in served},
        default_secretariat=site.default_secretariat,
        identity_desk=site.identity_desk,
        rules=(*map(_rule, routing.rule), *_rules_by_unit(served)),
        access=_access(access),
        held_hours=site.held_hours,
        expected_hours=site.expected_hours,
        desk_days=site.desk_days,
        matching=Matching(automatic=site.matching.automatic) if site.matching.enabled else None,
        deadlines=site_deadlines(folder, known, {s.id for s in sources.source}),
        convening=load_convening(folder, known),
    )
    return replace(found, version=version(described(found)))


def site_profiles(folder: Path) -> dict[str, Profile]:
    """Give the message profiles that a site's sources may name: the packaged ones, and its own (folder ``profiles``).

    Raises:
        ConfigurationError: a file of a profile is wrong.

    """
    return load_profiles(folder / "profiles")


def _source(table: _SourceTable, profiles: Mapping[str, Profile]) -> Source:
    apart = {"profile", "profile_mode", "reply_to", *_REPLY_TLS}
    return Source(
        **table.model_dump(exclude=apart),
        profile=profiles.get(table.profile),
        enforced=table.profile_mode == "enforced",
        reply_to=_reply_address(table),
    )


_REPLY_TLS = ("reply_tls", "reply_tls_ca", "reply_tls_cert", "reply_tls_key", "reply_tls_name")


def _reply_address(table: _SourceTable) -> ReplyAddress | None:
    host, _, port = table.reply_to.rpartition(":")
    if not host:
        return None
    return ReplyAddress(host.strip("[]"), int(port), *(getattr(table, name) for name in _REPLY_TLS))


def _rule(table: _RuleTable) -> Rule:
    when = {str(name): patterns for name, patterns in table.when.items()}
    return Rule(table.name, table.label, table.to, tuple(table.kinds), when, table.priority)


def _rules_by_unit(secretariats: tuple[Secretariat, ...]) -> Iterator[Rule]:
    """What no written rule catches goes to the secretariat that serves the unit, the place, or the kind of exam."""
    kinds = tuple(k for k in ItemKind if k is not ItemKind.IDENTITY)
    for condition, values in (("unit", "units"), ("location", "units"), ("code", "services")):
        for secretariat in secretariats:
            if served := tuple(sorted(getattr(secretariat, values))):
                patterns = served if condition != "location" else (*served, *(f"{unit} *" for unit in served))
                name = f"{condition}-of-{secretariat.id}"
                yield Rule(
                    name, f"{secretariat.label} : {_SERVED[condition]}", (secretariat.id,), kinds, {condition: patterns}
                )


_SERVED = {"unit": "unité desservie", "location": "lieu desservi", "code": "acte desservi"}


def _access(file: _AccessFile) -> Access:
    return Access(
        accounts={name: _principal(name, PrincipalKind.PERSON, table) for name, table in file.accounts.items()},
        clients={name: _principal(name, PrincipalKind.MACHINE, table) for name, table in file.clients.items()},
        client_keys={name: table.public_key for name, table in file.clients.items() if table.public_key},
        anonymous=_principal("anonymous", PrincipalKind.MACHINE, file.anonymous) if file.anonymous else None,
    )


def _principal(name: str, kind: PrincipalKind, table: _PrincipalTable) -> Principal:
    rights = frozenset(Right) if "*" in table.rights else frozenset(Right(r) for r in table.rights)
    return Principal(name, kind, table.profession, frozenset(table.secretariats), rights)


# -- checking ---------------------------------------------------------------------------------------------------------


def _check_site(folder: Path, site: _SiteFile, known: set[str]) -> None:
    path = folder / "site.toml"
    for key in ("default_secretariat", "identity_desk"):
        if getattr(site, key) not in known:
            refuse(path, (key,), f"{key}: a secretariat of secretariats.toml is expected")
    require_zone(path, ("time_zone",), site.time_zone)


def _check_unique(path: Path, table: str, names: list[str]) -> None:
    for place, name in enumerate(names):
        if name in names[:place]:
            refuse(path, (table, place), f"{table} names must be unique: {name} stands twice")


def _check_sources(path: Path, sources: _SourcesFile, profiles: Mapping[str, Profile], known: set[str]) -> None:
    if all(source.role is not SourceRole.ADMISSIONS for source in sources.source):
        refuse(path, ("source",), "source: one with role admissions is expected: who else vouches for identities?")
    for place, source in enumerate(sources.source):
        if source.role is SourceRole.ADMISSIONS and not source.authority:
            refuse(path, ("source", place), "authority: the domain that admissions vouches for is expected")
        if source.folder and source.folder in [other.folder for other in sources.source[:place]]:
            refuse(path, ("source", place, "folder"), "folder: one of its own is expected, no other source's")
        if source.secretariat and source.secretariat not in known:
            refuse(path, ("source", place, "secretariat"), "secretariat: one of secretariats.toml is expected")
        if source.profile and source.profile not in profiles:
            refuse(path, ("source", place, "profile"), f"profile: one of {', '.join(sorted(profiles))} is expected")
        _check_reply(path, place, source)
        try:
            codec_of(source.charset or "ASCII")
        except CharsetUndecodable as error:
            refuse(path, ("source", place, "charset"), f"charset: {error.rule}")


def _check_reply(path: Path, place: int, source: _SourceTable) -> None:
    """What belongs to TLS is of use with TLS alone, and TLS with an address alone."""
    given = [name for name in _REPLY_TLS if getattr(source, name)]
    needs = "" if source.reply_to or not given else "reply_to"
    needs = needs or ("reply_tls" if given and not source.reply_tls else "")
    needs = needs or ("reply_tls_cert" if source.reply_tls_key and not source.reply_tls_cert else "")
    if needs:
        refuse(path, ("source", place, given[0]), f"{given[0]}: {needs} is expected with it")


def _check_units(path: Path, secretariats: _SecretariatsFile) -> None:
    served: dict[str, str] = {}
    for place, secretariat in enumerate(secretariats.secretariat):
        if secretariat.id == IDENTITY_QUEUE:
            refuse(path, ("secretariat", place, "id"), "id: another one is expected, this queue tells of identities")
        for unit in sorted(secretariat.units):
            if unit in served:
                where = ("secretariat", place, "units")
                refuse(path, where, f"units: {unit} is served by {served[unit]} already; share it by a rule")
            served[unit] = secretariat.id


def _check_hours(path: Path, secretariats: _SecretariatsFile) -> None:
    """Calendars are good and each is one that stands there; who covers for a closed secretariat is another one."""
    _check_unique(path, "calendar", [c.id for c in secretariats.calendar])
    check_calendars(path, secretariats.calendar)
    calendars = {c.id for c in secretariats.calendar}
    covers = {s.id: s.cover for s in secretariats.secretariat}
    for place, secretariat in enumerate(secretariats.secretariat):
        if secretariat.calendar and secretariat.calendar not in calendars:
            refuse(path, ("secretariat", place, "calendar"), "calendar: the id of a [[calendar]] here is expected")
        if secretariat.cover and secretariat.cover not in covers:
            refuse(path, ("secretariat", place, "cover"), "cover: another secretariat of this file is expected")
        if secretariat.id in _covering(secretariat.id, covers):
            refuse(path, ("secretariat", place, "cover"), "cover: it comes back to this secretariat in the end")


def _covering(secretariat: str, covers: Mapping[str, str]) -> list[str]:
    """Give who covers for a secretariat, who for that one, and so on, each once."""
    found: list[str] = []
    while (secretariat := covers.get(secretariat, "")) and secretariat not in found:
        found.append(secretariat)
    return found


def _check_principals(path: Path, access: _AccessFile, known: set[str]) -> None:
    for table, principals in (("accounts", access.accounts), ("clients", access.clients)):
        for name, principal in principals.items():
            if unknown := sorted(principal.secretariats - known):
                refuse(path, (table, name, "secretariats"), f"secretariats: {unknown[0]} is none of secretariats.toml")


def _check_rules(path: Path, routing: _RoutingFile, known: set[str]) -> None:
    for place, rule in enumerate(routing.rule):
        if len(set(rule.to)) < len(rule.to):
            refuse(path, ("rule", place, "to"), "to: each secretariat once is expected")
        for secretariat in rule.to:
            if secretariat not in known:
                refuse(path, ("rule", place, "to"), f"to: {secretariat} is no secretariat of secretariats.toml")


def _check_access(path: Path, access: _AccessFile, environment: Environment) -> None:
    if environment is not Environment.PRODUCTION:
        return
    if "*" in access.accounts:
        refuse(path, ("accounts", "*"), "accounts: any account (*) may act on test sites only")
    if access.anonymous is not None:
        refuse(path, ("anonymous",), "anonymous: requests without a token are for test sites only")


def summary(site: Site) -> Mapping[str, Any]:
    """Give what `gateway config check` says of a good site."""
    return {
        "site": site.id,
        "version": site.version,
        "environment": site.environment.value,
        "sources": [s.id for s in site.sources],
        "secretariats": list(site.secretariats),
        "rules": [r.name for r in site.rules],
        "deadlines": [d.name for d in site.deadlines],
        "letters": [f"{t.name} {t.version}" for t in site.convening.letters.values()] if site.convening else [],
    }
