"""A site's files are read as written; each kind of mistake is refused with its file, its line and what was expected."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.deadline import DEFAULTS, Clock, Deadline
from gateway.errors import ConfigurationError
from gateway.facts import Priority
from gateway.principal import PrincipalKind, Right
from gateway.routing import Subject, route
from gateway.site import Environment, OnError, ReplyAddress, Site, Source, SourceRole
from gateway.worklist import ItemKind
from mappings.site import DEMO, load_site, summary

GOOD = {
    "site.toml": """# An establishment of the tests
id = "essai"
label = "Hôpital d’essai"
environment = "production"
facility = "HE"
time_zone = "Europe/Paris"
default_secretariat = "accueil"
identity_desk = "identite"
held_hours = 36

[authorities]
HE = "1.2.250.1.999.1"
"1.2.250.1.999.1" = "1.2.250.1.999.1"
""",
    "sources.toml": """[[source]]
id = "gam"
role = "admissions"
applications = ["GAM"]
authority = "1.2.250.1.999.1"

[[source]]
id = "labo"
role = "department"
applications = ["LABO"]
facilities = ["HE", "HE2"]
charset = "8859/15"
control_id_required = false
on_error = "accept-and-quarantine"
messages = ["ORU^R01", "MDM", "DFT"]
processing_ids = ["P", "D"]
receiving_applications = ["GW"]
receiving_facilities = ["HE"]
addresses = ["10.1.2.0/24", "2001:db8::7"]
subjects = ["CN=labo"]
messages_per_second = 12.5

[[source]]
id = "agenda"
role = "department"
clients = ["agenda-client"]
""",
    "secretariats.toml": """[[secretariat]]
id = "accueil"
label = "Accueil"

[[secretariat]]
id = "cardiologie"
label = "Cardiologie"
units = ["3010", "3011"]
services = ["ECG"]

[[secretariat]]
id = "identite"
label = "Identitovigilance"
sensitive = true
calendar = "bureau"
cover = "accueil"

[[calendar]]
id = "bureau"
monday = ["08:30-12:30", "13:30-17:00"]
closures = ["2026-08-03/2026-08-14"]
holidays = "alsace-moselle"
""",
    "deadlines.toml": """[[deadline]]
name = "critical-result"
kinds = ["result"]
when = { grade = ["critical"] }
minutes = 20
ladder = ["cover", "cardiologie", "alarm"]
rung_minutes = 5

[[deadline]]
name = "letters"
kinds = ["correspondence"]
days = 0
""",
    "routing.toml": """[[rule]]
name = "potassium"
label = "Potassium : cardiologie"
to = ["cardiologie", "accueil"]
kinds = ["result"]
priority = "urgent"

[rule.when]
code = ["2823-3", "IONO*"]
unit = ["9*"]

[[rule]]
name = "letters"
label = "Courriers"
to = ["accueil"]
kinds = ["correspondence", "admission"]
when = { unit = ["4*"] }
""",
    "access.toml": """[accounts.martin]
profession = "secretary"
secretariats = ["cardiologie"]
rights = ["worklist:read"]

[accounts."a.durand"]
rights = ["*"]

[clients.agenda-client]
rights = ["send", "appointment:read"]
public_key = \"\"\"-----BEGIN PUBLIC KEY-----
rights=
-----END PUBLIC KEY-----\"\"\"
""",
}

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Give a writer of the site's folder, with one text of one file replaced."""

    def written(file: str = "", old: str = "", new: str = "") -> Path:
        for name, text in GOOD.items():
            assert name != file or old in text
            (tmp_path / name).write_text(text.replace(old, new, 1) if name == file else text, encoding="utf-8")
        return tmp_path

    return written


def refusal(folder: Path) -> ConfigurationError:
    """Give the refusal that a folder meets."""
    with pytest.raises(ConfigurationError) as caught:
        load_site(folder)
    return caught.value


def line_of(file: str, text: str) -> int:
    """Give the line on which a text of a good file stands."""
    return next(n for n, line in enumerate(GOOD[file].splitlines(), start=1) if text in line)


def test_a_good_site_is_read_as_written(write: Write):
    """Every field of every file."""
    site = load_site(write())
    assert (site.id, site.environment, site.time_zone) == ("essai", Environment.PRODUCTION, "Europe/Paris")
    assert (site.default_secretariat, site.identity_desk) == ("accueil", "identite")
    assert site.held_hours == 36
    assert site.authorities["HE"] == "1.2.250.1.999.1"
    gam, labo, agenda = site.sources
    assert (gam.role, gam.authority) == (SourceRole.ADMISSIONS, "1.2.250.1.999.1")
    assert (labo.facilities, labo.charset) == (("HE", "HE2"), "8859/15")
    assert (labo.control_id_required, labo.on_error) == (False, OnError.ACCEPT)
    assert (labo.messages, labo.processing_ids) == (("ORU^R01", "MDM", "DFT"), ("P", "D"))
    assert (labo.receiving_applications, labo.receiving_facilities) == (("GW",), ("HE",))
    assert (labo.addresses, labo.subjects) == (("10.1.2.0/24", "2001:db8::7/128"), ("CN=labo",))
    assert labo.messages_per_second == 12.5
    assert (gam.on_error, gam.control_id_required, gam.messages) == (OnError.NACK, True, ())
    assert agenda.clients == ("agenda-client",)
    assert site.secretariats["cardiologie"].units == {"3010", "3011"}
    assert site.secretariats["identite"].sensitive
    potassium = site.rules[0]
    assert (potassium.to, potassium.priority) == (("cardiologie", "accueil"), Priority.URGENT)
    assert potassium.when == {"code": ("2823-3", "IONO*"), "unit": ("9*",)}
    assert summary(site)["sources"] == ["gam", "labo", "agenda"]


def test_access_is_read_as_written(write: Write):
    """Accounts are persons, clients machines; ``*`` is every right."""
    access = load_site(write()).access
    martin, durand = access.accounts["martin"], access.accounts["a.durand"]
    assert (martin.kind, martin.profession, martin.secretariats) == (PrincipalKind.PERSON, "secretary", {"cardiologie"})
    assert martin.rights == {Right.WORKLIST_READ}
    assert durand.rights == set(Right)
    assert access.clients["agenda-client"].kind is PrincipalKind.MACHINE
    assert access.client_keys["agenda-client"].startswith("-----BEGIN PUBLIC KEY-----")
    assert access.anonymous is None


def routed(site: Site, kind: ItemKind, **subject: str) -> tuple[str, ...]:
    """Give where the site routes something."""
    return route(Subject(kind, **subject), site.rules, site.default_secretariat).secretariats


def test_what_no_written_rule_catches_follows_unit_place_and_exam(write: Write):
    """Written rules go first; then the unit served, the place served, the exam served; then the default queue."""
    site = load_site(write())
    assert routed(site, ItemKind.RESULT, unit="91", code="IONO-1") == ("cardiologie", "accueil")
    assert routed(site, ItemKind.RESULT, unit="3011") == ("cardiologie",)
    assert routed(site, ItemKind.RESULT, location="3010") == ("cardiologie",)
    assert routed(site, ItemKind.CONVOCATION, code="ECG") == ("cardiologie",)
    assert routed(site, ItemKind.RESULT, unit="30") == ("accueil",)


def test_deadlines_are_the_sites_then_those_it_does_not_replace(write: Write):
    """A deadline of the same name stands in the place of the gateway's; a site without the file has the gateway's."""
    folder = write()
    site = load_site(folder)
    names = ["critical-result", "letters", "abnormal-result", "result", "discharge-letter", "convocation"]
    assert [d.name for d in site.deadlines] == names
    own = site.deadline("critical-result")
    assert own == Deadline(
        "critical-result",
        ("result",),
        Clock.MINUTES,
        20,
        {"grade": ("critical",)},
        ("cover", "cardiologie", "alarm"),
        5,
    )
    (folder / "deadlines.toml").unlink()
    assert load_site(folder).deadlines == DEFAULTS


def test_no_rule_by_unit_takes_an_identity_question_from_the_desk(write: Write):
    """Identity questions go to the desk unless a written rule names their kind."""
    assert not any(ItemKind.IDENTITY in rule.kinds for rule in load_site(write()).rules)


def test_the_packaged_demonstration_site_is_good():
    """What is packaged loads, and is no production site."""
    assert load_site(DEMO).environment is Environment.TEST


MISTAKES = [
    ("deadlines.toml", "minutes = 20", "", "[[deadline]]"),
    ("deadlines.toml", "minutes = 20", "minutes = 20\ndays = 1", "[[deadline]]"),
    ("deadlines.toml", "minutes = 20", "minutes = 0", "minutes"),
    ("deadlines.toml", '["critical"]', '["critique"]', "when"),
    ("deadlines.toml", '"cardiologie", "alarm"', '"nulle-part"', "ladder"),
    ("deadlines.toml", '"cardiologie", "alarm"', '"alarm", "cardiologie"', "ladder"),
    ("site.toml", 'id = "essai"', 'id = "Essai"', 'id = "essai"'),
    ("site.toml", '"production"', '"prod"', "environment"),
    ("site.toml", 'facility = "HE"', "facility = 7", "facility"),
    ("site.toml", '"Europe/Paris"', '"Europe/Pari"', "time_zone"),
    ("site.toml", '"Europe/Paris"', '"Europe"', "time_zone"),
    ("site.toml", '"Europe/Paris"', '""', "time_zone"),
    ("site.toml", '"Europe/Paris"', '"../../etc/passwd"', "time_zone"),
    ("site.toml", '= "accueil"', '= "nulle-part"', "default_secretariat"),
    ("site.toml", '= "identite"', '= "nulle-part"', "identity_desk"),
    ("site.toml", "held_hours = 36", "held_hours = 0", "held_hours"),
    ("site.toml", "facility =", "facilty =", "facility"),
    ("site.toml", 'HE = "1.2.250.1.999.1"', "HE = 1", "HE = "),
    ("site.toml", 'facility = "HE"', "facility = ", "facility"),
    ("sources.toml", '"department"', '"ward"', '"department"'),
    ("sources.toml", 'facilities = ["HE", "HE2"]', 'facilities = "HE"', "facilities"),
    ("sources.toml", "charset", "encoding", "charset"),
    ("sources.toml", '"8859/15"', '"KLINGON"', "charset"),
    ("sources.toml", "control_id_required = false", 'control_id_required = "maybe"', "control_id_required"),
    ("sources.toml", '"accept-and-quarantine"', '"accept"', "on_error"),
    ("sources.toml", '"ORU^R01"', '"ORU^R99"', "messages"),
    ("sources.toml", '"MDM"', '"MDM^"', "messages"),
    ("sources.toml", '"DFT"', '"RDE"', "messages"),
    ("sources.toml", '["P", "D"]', '["X"]', "processing_ids"),
    ("sources.toml", '["P", "D"]', "[]", "processing_ids"),
    ("sources.toml", '"10.1.2.0/24"', '"10.1.2.7/24"', "addresses"),
    ("sources.toml", '"10.1.2.0/24"', '"lab.example"', "addresses"),
    ("sources.toml", "12.5", "0", "messages_per_second"),
    ("secretariats.toml", '["3010", "3011"]', "[3010, 3011]", "units"),
    ("secretariats.toml", "sensitive = true", 'sensitive = "très"', "sensitive"),
    ("secretariats.toml", '"cardiologie"', '"cardio logie"', '"cardiologie"'),
    ("secretariats.toml", 'calendar = "bureau"', 'calendar = "plage"', 'calendar = "bureau"'),
    ("secretariats.toml", 'cover = "accueil"', 'cover = "plage"', 'cover = "accueil"'),
    ("secretariats.toml", 'cover = "accueil"', 'cover = "identite"', 'cover = "accueil"'),
    ("secretariats.toml", "08:30-12:30", "12:30-08:30", "monday"),
    ("secretariats.toml", "08:30-12:30", "08:30-25:00", "monday"),
    ("secretariats.toml", "13:30-17:00", "12:00-17:00", "monday"),
    ("secretariats.toml", "2026-08-14", "2026-08-01", "closures"),
    ("secretariats.toml", "alsace-moselle", "alsace", "holidays"),
    ("secretariats.toml", 'monday = ["08:30-12:30", "13:30-17:00"]', "monday = []", "[[calendar]]"),
    ("secretariats.toml", 'holidays = "alsace-moselle"', 'time_zone = "Europe/Pari"', "alsace-moselle"),
    ("routing.toml", '["accueil"]', '["nulle-part"]', '["accueil"]'),
    ("routing.toml", '["accueil"]', "[]", '["accueil"]'),
    ("routing.toml", '["cardiologie", "accueil"]', '["accueil", "accueil"]', '["cardiologie", "accueil"]'),
    ("routing.toml", '["correspondence", "admission"]', '["letter"]', '["correspondence", "admission"]'),
    ("routing.toml", '["correspondence", "admission"]', "[]", '["correspondence", "admission"]'),
    ("routing.toml", "{ unit =", "{ ward =", "{ unit ="),
    ("routing.toml", '"urgent"', '"asap"', '"urgent"'),
    ("routing.toml", 'code = ["2823-3", "IONO*"]', 'code = "IONO*"', "code ="),
    ("routing.toml", 'unit = ["9*"]', 'ward = ["9*"]', 'unit = ["9*"]'),
    ("access.toml", '["worklist:read"]', '["worklist:write"]', "worklist:read"),
    ("access.toml", '["cardiologie"]', '["nulle-part"]', '["cardiologie"]'),
    ("access.toml", 'rights = ["*"]', "rights = 1", 'rights = ["*"]'),
    ("access.toml", 'rights = ["send", "appointment:read"]', 'rights = ["sned"]', 'rights = ["send"'),
]


@pytest.mark.parametrize(("file", "old", "new", "place"), MISTAKES)
def test_a_mistake_is_refused_on_its_line(write: Write, file: str, old: str, new: str, place: str):
    """The file, the line of the key that is wrong, and a rule."""
    folder = write(file, old, new)
    error = refusal(folder)
    assert error.path == f"{folder / file}:{line_of(file, place)}"
    assert error.rule


REMOVED = [
    ("sources.toml", 'role = "admissions"\n', "[[source]]"),
    ("secretariats.toml", 'label = "Accueil"\n', "[[secretariat]]"),
    ("routing.toml", 'kinds = ["result"]\n', "[[rule]]"),
]


@pytest.mark.parametrize(("file", "old", "place"), REMOVED)
def test_a_missing_key_is_refused_at_its_table(write: Write, file: str, old: str, place: str):
    """The table that lacks it is named, and so is the key."""
    error = refusal(write(file, old, ""))
    assert error.line == line_of(file, place)
    assert old.split(" =", maxsplit=1)[0] in error.rule


def test_a_missing_key_of_the_site_names_the_key(write: Write):
    """There is no line for what is not there."""
    error = refusal(write("site.toml", 'label = "Hôpital d’essai"\n', ""))
    assert error.line is None
    assert "label" in error.rule


TWICE = [
    ("sources.toml", '"labo"', '"gam"', 7),
    ("secretariats.toml", '"identite"', '"accueil"', 11),
    ("routing.toml", '"letters"', '"potassium"', 12),
]


@pytest.mark.parametrize(("file", "old", "new", "line"), TWICE)
def test_a_name_that_stands_twice_is_refused_at_the_second(write: Write, file: str, old: str, new: str, line: int):
    """Names are unique."""
    folder = write(file, old, new)
    if file == "secretariats.toml":
        (folder / "site.toml").write_text(GOOD["site.toml"].replace('"identite"', '"accueil"'), encoding="utf-8")
    error = refusal(folder)
    assert (error.line, Path(error.path).name) == (line, f"{file}:{line}")


@pytest.mark.parametrize("table", ['[accounts."*"]\nrights = ["*"]\n', '[anonymous]\nrights = ["send"]\n'])
def test_production_lets_nobody_in_without_a_name(write: Write, table: str):
    """Any account and requests without a token are for test sites; there they are taken."""
    folder = write()
    access = table + "\n" + GOOD["access.toml"]
    (folder / "access.toml").write_text(access, encoding="utf-8")
    error = refusal(folder)
    assert error.line == 1
    test_site = GOOD["site.toml"].replace('"production"', '"test"')
    (folder / "site.toml").write_text(test_site, encoding="utf-8")
    assert load_site(folder).environment is Environment.TEST


@pytest.mark.parametrize("file", sorted(GOOD.keys() - {"deadlines.toml"}))
def test_a_missing_file_is_named(write: Write, file: str):
    """Each of the five files is expected."""
    folder = write()
    (folder / file).unlink()
    assert refusal(folder).path == str(folder / file)


def test_a_folder_that_is_a_file_is_refused(write: Write):
    """GATEWAY_SITE set to site.toml itself is a mistake that is told, not a traceback."""
    assert isinstance(refusal(write() / "site.toml"), ConfigurationError)


def test_a_file_that_is_a_folder_is_refused(write: Write):
    """A folder where a file is expected is told as well."""
    folder = write()
    (folder / "access.toml").unlink()
    (folder / "access.toml").mkdir()
    assert refusal(folder).path == str(folder / "access.toml")


def test_a_file_that_is_no_utf8_is_refused(write: Write):
    """A file of another character set is refused by its path."""
    folder = write()
    (folder / "site.toml").write_bytes(GOOD["site.toml"].encode("cp1252"))
    assert refusal(folder).path == str(folder / "site.toml")


def test_admissions_without_an_authority_is_refused(write: Write):
    """A référentiel without an identification domain would vouch for nobody."""
    error = refusal(write("sources.toml", 'authority = "1.2.250.1.999.1"\n', ""))
    assert error.line == 1


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("sources.toml", 'applications = ["LABO"]', 'applications = "LABO"', "a list is expected"),
        ("sources.toml", 'id = "labo"', "id = 3", "a text in quotes is expected"),
        ("sources.toml", 'id = "labo"', 'id = "Labo"', "lower-case letters"),
        ("sources.toml", 'id = "labo"', 'id = "labo"\nidd = 1', "no key of this name is read here"),
        ("secretariats.toml", 'label = "Accueil"\n', "", "this key is expected"),
    ],
)
def test_what_was_expected_is_said_in_the_files_own_words(write: Write, file: str, old: str, new: str, expected: str):
    """An operator who knows TOML and no Python understands the refusal."""
    assert expected in refusal(write(file, old, new)).rule


@pytest.mark.parametrize(
    "condition", ['priority = ["critical"]', 'source = ["laboratoire"]', 'source = ["gam", "labos?"]']
)
def test_a_condition_that_nothing_can_meet_is_refused(write: Write, condition: str):
    """A priority or a source that does not exist would make a rule that never applies."""
    folder = write()
    rule = f'[[rule]]\nname = "never"\nlabel = "x"\nkinds = ["result"]\nto = ["accueil"]\nwhen = {{ {condition} }}\n'
    (folder / "routing.toml").write_text(rule, encoding="utf-8")
    error = refusal(folder)
    assert (error.line, Path(error.path).name) == (6, "routing.toml:6")


def test_a_byte_order_mark_is_no_mistake(write: Write):
    """An editor of Windows may have written the file."""
    folder = write()
    (folder / "site.toml").write_text(GOOD["site.toml"], encoding="utf-8-sig")
    assert load_site(folder).id == "essai"


@pytest.mark.parametrize(
    ("address", "subject", "admitted"),
    [
        ("10.1.2.3", "CN=labo", True),
        ("10.1.2.3", None, False),
        ("10.1.2.3", "CN=other", False),
        ("10.1.3.3", "CN=labo", False),
        ("::ffff:10.1.2.3", "CN=labo", True),
        ("fe80::1%eth0", "CN=labo", False),
        ("2001:db8::7", "CN=labo", True),
        ("", "CN=labo", False),
    ],
)
def test_a_source_sends_from_its_networks_under_its_certificate(address, subject, admitted):
    """Both must be right where both are named; IPv4 written as IPv6 is IPv4; what is no address is of no network."""
    source = Source("labo", SourceRole.DEPARTMENT, addresses=("10.1.2.0/24", "2001:db8::7"), subjects=("CN=labo",))
    assert source.admits(address, subject) is admitted
    assert Source("any", SourceRole.DEPARTMENT).admits(address, subject)


def test_a_subject_that_no_certificate_is_read_as_is_refused(write: Write):
    """As openssl shows it by default it would never match, and whoever it is meant for would be refused for ever."""
    old, told = '["CN=labo"]', '["{}"]'
    for wrong in ("C = FR, O = CHU, CN = labo", "CN=labo, O=CHU", "cn=labo", "labo", ""):
        assert "RFC 4514" in refusal(write("sources.toml", old, told.format(wrong))).rule
    found = load_site(write("sources.toml", old, told.format(r"CN=labo,O=CHU d\\E2\\80\\99essai"))).source("labo")
    assert found is not None
    assert found.admits("10.1.2.3", "CN=labo,O=CHU d’essai")


REPLY = 'messages_per_second = 12.5\nreply_to = "[2001:db8::9]:7001"\n'


def test_a_source_may_have_its_application_acknowledgments_told_elsewhere(write: Write):
    """Host, port and TLS settings as `gateway send` has them; without, they follow on the sender's connection."""
    tls = 'reply_tls = true\nreply_tls_ca = "/ca.pem"\nreply_tls_cert = "/c.pem"\nreply_tls_key = "/k.pem"\n'
    site = load_site(write("sources.toml", "messages_per_second = 12.5\n", REPLY + tls + 'reply_tls_name = "lis"\n'))
    found = site.source("labo")
    assert found is not None
    files = {"authorities": "/ca.pem", "certificate": "/c.pem", "key": "/k.pem"}
    assert found.reply_to == ReplyAddress("2001:db8::9", 7001, tls=True, name="lis", **files)
    assert site.sources[0].reply_to is None


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ('reply_to = "lis"\n', "HOST:PORT"),
        ('reply_to = "lis:70000"\n', "HOST:PORT"),
        ("reply_tls = true\n", "reply_tls: reply_to is expected"),
        ('reply_to = "lis:1"\nreply_tls_ca = "/ca.pem"\n', "reply_tls_ca: reply_tls is expected"),
        ('reply_to = "lis:1"\nreply_tls = true\nreply_tls_key = "/k.pem"\n', "reply_tls_cert is expected"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused(write: Write, told: str, expected: str):
    """No port, TLS settings without TLS, a key without its certificate."""
    assert expected in refusal(write("sources.toml", "messages_per_second = 12.5\n", told)).rule
