"""Message profiles: what a rule can ask, how a file says it, and what a source's messages are answered."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from shutil import copytree

import pytest
from messages import admission, appointment, document, message
from sites import ADMISSIONS, DEPARTMENT, PID, demo_site, frame, header

from adapters.ops.meter import Meter, counters
from gateway import er7, profile
from gateway.errors import (
    AckCode,
    ConfigurationError,
    DataTypeInvalid,
    FieldMissing,
    SegmentMissing,
    SenderError,
    UnsupportedEvent,
    ValueUnknown,
)
from gateway.profile import check
from mappings.hl7v2 import acknowledge, examine, translate
from mappings.profiles import load_profile, load_profiles
from mappings.site import DEMO, load_site

NOW = datetime(2026, 3, 10, 9, 15, tzinfo=UTC)
PROFILES = load_profiles()
HEAD = 'name = "test"\nlabel = "Essai"\nsource = "a test"\nmessages = ["ADT^A01", "ADT^A02", "SIU^S12"]\n'


def made(folder: Path, *rules: str, head: str = HEAD) -> profile.Profile:
    """The profile of these rules, each without its id and source."""
    text = head + "".join(f'[[rule]]\nid = "r{n}"\nsource = "somewhere"\n{rule}\n' for n, rule in enumerate(rules, 1))
    (folder / "test.toml").write_text(text)
    return load_profile(folder / "test.toml")


def paths(found: profile.Profile, *segments: str, kind: str = "ADT^A01") -> list[str]:
    return [d.path for d in check(er7.read(frame(header(kind), *segments)), kind, found)]


# What a rule can ask


@pytest.mark.parametrize(
    ("rule", "segments", "expected"),
    [
        ('path = "ZBE"\nrequired = true', ["PID|1"], ["ZBE"]),
        ('path = "ZBE"\nrequired = true', ["ZBE|1"], []),
        ('path = "ZBE"\nforbidden = true', ["ZBE|1", "ZBE|2"], ["ZBE"]),
        ('path = "PID"\nat_most = 1', ["PID|1", "PID|2", "PID|3"], ["PID[2]"]),
        ('path = "PID"\nat_most = 3', ["PID|1", "PID|2", "PID|3"], []),
        ('path = "PID-3"\nrequired = true', ["PID|||8", "PID|||", 'PID|||""', "PID|||^ &^", "PID|||^^^x"], None),
        ('path = "PID[2]-3"\nrequired = true', ["PID|1", "PID|1", "PID|1"], ["PID[2]-3"]),
        ('path = "PID-3.5"\nrequired = true', ["PID|||8^^^^PI~9~~^^^^XX"], ["PID-3[2].5"]),
        ('path = "PID-3.4.2"\nrequired = true', ["PID|||8^^^CHU&1.2~9^^^CHU"], ["PID-3[2].4.2"]),
        ('path = "PID-3[1].5"\nrequired = true', ["PID|||8~9"], ["PID-3.5"]),
        ('path = "PID-3.5"\nrequired = true', ["PID|1"], []),
        ('path = "ZBE-3"\nforbidden = true', ["ZBE|1|2|3", "ZBE|1|2||4", "ZBE|1||^x", "ZBE"], ["ZBE-3", "ZBE[3]-3"]),
        ('path = "PID-3.7"\nforbidden = true', ["PID|||8^^^^^^2026~9"], ["PID-3.7"]),
        ('path = "PID-3"\nat_most = 1', ["PID|||8~9~10"], ["PID-3[2]"]),
        ('path = "PID-8"\none_of = ["F", "M"]', ["PID||||||||f", "PID||||||||X", 'PID||||||||""', "PID"], ["PID[2]-8"]),
        (
            'path = "PID-5.7"\nsome_of = ["L"]',
            ["PID|||||A^B^^^^^D~A^B^^^^^L", "PID|||||A^B^^^^^D", "PID"],
            ["PID[2]-5.7"],
        ),
        ('path = "PID-3.5"\nnone_of = ["INS"]', ["PID|||8^^^^PI~9^^^^ins"], ["PID-3[2].5"]),
        ('path = "PID-25"\nmatches = "[1-9]"', ["PID" + "|" * 25 + "12", "PID" + "|" * 25 + "2"], ["PID-25"]),
        ('path = "MSH-12"\none_of = ["2.6"]', [], ["MSH-12"]),
    ],
)
def test_what_a_rule_asks_of_a_place(tmp_path, rule, segments, expected):
    """Each demand is met or not at each segment and repetition that its path means, and told by its own path."""
    expected = ["PID[2]-3", "PID[3]-3", "PID[4]-3"] if expected is None else expected
    assert paths(made(tmp_path, rule), *segments) == expected


@pytest.mark.parametrize(
    ("when", "segments", "asked"),
    [
        ('{ "ZBE-4" = ["UPDATE", "CANCEL"] }', ["ZBE|1|||update"], True),
        ('{ "ZBE-4" = ["UPDATE", "CANCEL"] }', ["ZBE|1|||INSERT"], False),
        ('{ "ZBE-4" = ["UPDATE"] }', ["ZBE|1"], False),
        ('{ "ZBE-4" = [""] }', ["ZBE|1"], True),
        ('{ "PID-3.5" = ["INS"] }', ["PID|||8^^^^PI~9^^^^INS", "ZBE|1"], True),
        ('{ "PID-3.5" = ["*"] }', ["PID|||8", "ZBE|1"], False),
        ('{ "PV1" = ["*"] }', ["PV1|1", "ZBE|1"], True),
        ('{ "PV1" = [""] }', ["PV1|1", "ZBE|1"], False),
        ('{ "PV1" = [""], "ZBE-1" = ["1"] }', ["ZBE|1"], True),
        ('{ "PV1" = [""], "ZBE-1" = ["2"] }', ["ZBE|1"], False),
    ],
)
def test_a_rule_may_depend_on_other_places(tmp_path, when, segments, asked):
    """All conditions must hold: any of the values, in any case and repetition; * is any, the empty text none."""
    assert bool(paths(made(tmp_path, f'path = "ZBE-6"\nrequired = true\nwhen = {when}'), *segments)) is asked


def test_a_condition_is_asked_of_the_rules_own_segment(tmp_path):
    """Of two movements, the one that is an update needs its original event."""
    found = made(tmp_path, 'path = "ZBE-6"\nrequired = true\nwhen = { "ZBE-4" = ["UPDATE"] }')
    assert paths(found, "ZBE|1|||INSERT", "ZBE|2|||UPDATE", "ZBE|3|||UPDATE||A01") == ["ZBE[2]-6"]


def test_a_profile_holds_for_its_messages(tmp_path):
    """Rules go by type or event; an event that the profile does not cover departs, another type is not held to it."""
    found = made(
        tmp_path, 'path = "PV1"\nrequired = true\nfor = ["ADT"]', 'path = "ZBE"\nrequired = true\nfor = ["ADT^A02"]'
    )
    assert paths(found, PID) == ["PV1"]
    assert paths(found, PID, kind="ADT^A02") == ["PV1", "ZBE"]
    assert paths(found, PID, kind="SIU^S12") == []
    assert paths(found, PID, kind="ADT^A08") == ["MSH-9.2", "PV1"]
    assert paths(found, PID, kind="ORU^R01") == []


def test_a_profile_may_be_claimed_by_the_message(tmp_path):
    """Where the profile says by what it is known, other messages are not held to it."""
    found = made(tmp_path, 'path = "ZBE"\nrequired = true', head=HEAD + 'when = { "MSH-21.2" = ["TEST"] }\n')
    claimed = header("ADT^A01", rest="|" * 9 + "1.0^TEST")
    assert [d.path for d in check(er7.read(frame(claimed, PID)), "ADT^A01", found)] == ["ZBE"]
    assert paths(found, PID) == []


def test_departures_are_bounded(tmp_path):
    """A message that departs everywhere is told so at its first places only."""
    found = made(tmp_path, 'path = "OBX-3"\nrequired = true')
    assert len(paths(found, *["OBX|1"] * 500)) == profile.MOST_DEPARTURES


def test_what_a_rule_looks_at_is_bounded(tmp_path):
    """Beyond so many segments of a name, or repetitions of a field, a rule does not look; conditions neither."""
    found = made(
        tmp_path,
        'path = "OBX-3"\nrequired = true\nwhen = { "ORC-1" = ["NW"] }',
        'path = "PID-3.5"\nrequired = true',
    )
    orders, good = ["ORC|RO"] * profile.MOST_SEGMENTS, ["OBX|1||a"] * profile.MOST_SEGMENTS
    assert paths(found, "ORC|NW", *good[1:], "OBX|2") == [f"OBX[{profile.MOST_SEGMENTS}]-3"]
    assert paths(found, "ORC|NW", *good, "OBX|2") == paths(found, *orders, "ORC|NW", "OBX|2") == []
    identifiers = "~".join(["8^^^^PI"] * (profile.MOST_REPETITIONS - 1))
    assert paths(found, f"PID|||{identifiers}~9") == [f"PID-3[{profile.MOST_REPETITIONS}].5"]
    assert paths(found, f"PID|||{identifiers}~8^^^^PI~9") == []


def test_a_departure_says_its_rule_and_no_value(tmp_path):
    """What is told holds the rule, its name and its source, never what was sent."""
    found = made(tmp_path, 'path = "PID-8"\none_of = ["F", "M"]')
    (departure,) = check(er7.read(frame(header("ADT^A01"), "PID||||||||SECRET")), "ADT^A01", found)
    assert departure.rule == "one of F, M (test r1; somewhere)"
    assert "SECRET" not in str(departure.error())


@pytest.mark.parametrize(
    ("rule", "error", "condition"),
    [
        ('path = "ZBE"\nrequired = true', SegmentMissing, 100),
        ('path = "PID-99"\nrequired = true', FieldMissing, 101),
        ('path = "PID-3"\nmatches = "x"', DataTypeInvalid, 102),
        ('path = "PID-3"\none_of = ["x"]', ValueUnknown, 103),
        ('path = "PID-3"\nforbidden = true', SenderError, 207),
    ],
)
def test_each_demand_has_its_error(tmp_path, rule, error, condition):
    """An enforced rule is answered AE under the condition of table 0357 that fits it."""
    (departure,) = check(er7.read(frame(header("ADT^A01"), PID)), "ADT^A01", made(tmp_path, rule))
    refused = departure.error()
    assert (type(refused), refused.condition, refused.acknowledgment) == (error, condition, AckCode.AE)


# Files


def test_every_packaged_rule_has_a_source_and_an_effect():
    """No rule of a packaged profile is without its source, and every message of a profile has rules."""
    assert set(PROFILES) == {"pam-fr", "cisis-cda", "siu-agenda"}
    for found in PROFILES.values():
        for rules in found.rules.values():
            assert rules
            assert all(rule.source and rule.says for rule in rules)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (HEAD.replace("test", "Test!", 1), 1, "name: at most 31 lower-case"),
        (HEAD + '[[rule]]\nid = "a"\nsource = "x"\npath = "PID.3"\nrequired = true\n', 8, "path: a path is"),
        (HEAD + '[[rule]]\nid = "a"\nsource = "x"\npath = "PID-3"\n', 5, "one of required, forbidden"),
        (HEAD + '[[rule]]\nid = "a"\nsource = "x"\npath = "PID"\none_of = ["x"]\n', 5, "a path to a field"),
        (HEAD + '[[rule]]\nid = "a"\nsource = "x"\npath = "PID-3"\nmatches = "("\n', 9, "a regular expression"),
        (HEAD + '[[rule]]\nid = "a"\npath = "PID-3"\nrequired = true\n', 5, "this key is expected"),
        (HEAD + ('[[rule]]\nid = "a"\nsource = "x"\npath = "PID-3"\nrequired = true\n' * 2), 11, "id: a stands twice"),
        (HEAD + '[[rule]]\nid = "a"\nsource = "x"\npath = "PID"\nrequired = true\nfor = ["ADT^A99"]\n', 10, "for: ADT"),
        (HEAD + '[[rule]]\nid = "a"\nsource = "x"\npath = "PID"\nrequired = true\nwhen = {"X" = ["1"]}\n', 10, "path"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(tmp_path, text, line, said):
    """A profile that says something else than a profile can is refused at its line, with what was expected."""
    (tmp_path / "wrong.toml").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_profile(tmp_path / "wrong.toml")
    assert said in caught.value.rule
    assert caught.value.path == f"{tmp_path / 'wrong.toml'}:{line}"


def test_a_sites_own_profile_stands_beside_the_packaged_ones(tmp_path):
    """A site's folder may hold profiles; one under a packaged name is refused."""
    made(tmp_path, 'path = "ZBE"\nrequired = true')
    assert {"test", "pam-fr"} <= load_profiles(tmp_path).keys()
    made(tmp_path, head=HEAD.replace('"test"', '"pam-fr"') + "rule = []\n")
    with pytest.raises(ConfigurationError, match="another profile's"):
        load_profiles(tmp_path)


# Sources


def site_with(folder: Path, source: str) -> Path:
    """The demonstration's site with these lines in its first source."""
    copytree(DEMO, folder, dirs_exist_ok=True)
    text = (DEMO / "sources.toml").read_text().replace('role = "admissions"', f'role = "admissions"\n{source}', 1)
    (folder / "sources.toml").write_text(text)
    return folder


def test_a_source_names_its_profile(tmp_path):
    """A source's profile is advisory unless its mode says otherwise; an unknown one is refused at its line."""
    admissions = load_site(site_with(tmp_path, 'profile = "pam-fr"')).sources[0]
    assert (admissions.profile, admissions.enforced) == (PROFILES["pam-fr"], False)
    assert load_site(site_with(tmp_path, 'profile = "pam-fr"\nprofile_mode = "enforced"')).sources[0].enforced
    assert load_site(DEMO).sources[0].profile is None
    with pytest.raises(ConfigurationError, match=r"sources.toml:\d+: profile: one of cisis-cda, pam-fr, siu-agenda is"):
        load_site(site_with(tmp_path, 'profile = "pam"'))


def asking(name: str, *, enforced: bool):
    """A site whose sources ask for a profile."""
    asked = (replace(s, profile=PROFILES[name], enforced=enforced) for s in (ADMISSIONS, DEPARTMENT))
    return demo_site(sources=tuple(asked))


DEPARTING = frame(header("ADT^A28", version="2.5^FRA^2.11"), "EVN||20260310", PID.replace("|F|", "|X|"), "PV1||N")


def test_an_advisory_profile_takes_the_message_and_notes_it():
    """What departs from an advisory profile is answered AA, told by the examination and noted by the translation."""
    site = asking("pam-fr", enforced=False)
    found = examine(DEPARTING, site)
    assert found.error is None
    assert [d.path for d in found.departures] == ["PID-8"]
    told = translate(found.message, found.source, site)
    assert [(d.path, d.rule) for d in told.departures] == [
        ("PID-8", "one of F, M, U (pam-fr pid-sex; PAM.FR 2.11.2, PID-8)")
    ]
    assert examine(DEPARTING, demo_site()).departures == ()


def test_an_enforced_profile_refuses_the_message_with_place_and_rule():
    """What departs from an enforced profile is answered AE, with the location and the rule in ERR."""
    site = asking("pam-fr", enforced=True)
    found = examine(DEPARTING, site)
    assert (type(found.error), found.error.path) == (ValueUnknown, "PID-8")
    answer = er7.read(acknowledge(found, AckCode.AE, found.error, site=site, now=NOW, control_id="G1"))
    assert [answer.text(p) for p in ("MSA-1", "ERR-2", "ERR-2.3", "ERR-3", "ERR-4")] == ["AE", "PID", "8", "103", "E"]
    assert answer.text("ERR-8") == "PID-8: one of F, M, U (pam-fr pid-sex; PAM.FR 2.11.2, PID-8)"


def test_an_excluded_event_is_refused_where_the_profile_is_enforced():
    """PAM.FR has no A08: traits change by A31 alone."""
    found = examine(frame(header("ADT^A08", version="2.5^FRA^2.11"), PID), asking("pam-fr", enforced=True))
    assert (type(found.error), found.error.path) == (UnsupportedEvent, "MSH-9.2")


def test_what_is_refused_anyway_is_not_checked_again():
    """A message that cannot be taken is refused for that, whatever its source's profile says."""
    found = examine(frame(header("ADT^A01"), "PID|1"), asking("pam-fr", enforced=True))
    assert (type(found.error), found.departures) == (FieldMissing, ())


def test_departures_are_counted_by_rule():
    """A message counts once under each rule; a source that the site does not name is `other`."""
    meter = Meter(["admissions"])
    meter.departed("admissions", {("pam-fr", "pid-sex"), ("pam-fr", "zbe")})
    meter.departed("admissions", {("pam-fr", "zbe")})
    meter.departed("stranger", {("pam-fr", "zbe")})
    meter.departed("admissions", ())
    families = {family.name: family for family in counters(meter.take_traffic().tallies)}
    counted = {tuple(s.labels.values()): s.value for s in families["gateway_profile_departures"].samples}
    assert counted == {
        ("admissions", "pam-fr", "pid-sex"): 1,
        ("admissions", "pam-fr", "zbe"): 2,
        ("other", "pam-fr", "zbe"): 1,
    }


# The packaged profiles, on messages as they should be


def told(name: str, raw: bytes) -> list[str]:
    read = er7.read(raw)
    kind = f"{read.text('MSH-9.1')}^{read.text('MSH-9.2')}"
    return [f"{d.path} {d.broken.id}" for d in check(read, kind, PROFILES[name])]


def status(raw: bytes, code: str) -> bytes:
    """The message with this PID-32."""
    return b"\r".join(
        line + b"|" * (32 - line.count(b"|")) + code.encode() if line.startswith(b"PID") else line
        for line in raw.split(b"\r")
    )


def test_a_good_admission_is_of_pam_fr():
    """An A01 with status, NDA, PV1 and movement conforms; without its status or with an unqualified INS it does not."""
    good = status(admission("C1", "1", "2"), "VALI")
    assert told("pam-fr", good) == []
    assert told("pam-fr", admission("C1", "1", "2")) == ["PID-32 pid-status-sent"]
    ins = good.replace(b"&ISO^PI", b"&ISO^INS").replace(b"VALI", b"PROV")
    assert "PID-3.5 pid-ins-of-qualified" in told("pam-fr", ins)
    assert told("pam-fr", good.replace(b"||INSERT", b"|20260401|INSERT")) == ["ZBE-3 zbe-end"]
    assert told("pam-fr", good.replace(b"INSERT", b"CANCEL")) == ["ZBE-6 zbe-original-event"]


CDA = message(
    "MDM^T02^MDM_T02",
    "C1",
    "EVN||20260310",
    "PID|||1^^^CHU^PI||ESSAI^A^A^^^^L",
    "PV1||I|" + "|" * 15 + "|V1",
    "ORC|NW",
    "OBR|1|||11502-2^CR^LN",
    "TXA|1|11502-2|TEXT|||||||||1.2.3|||||AU",
    "OBX|1|ED|11502-2^CR^LN||^text^XML^Base64^QUJD||||||F",
    "PRT||UC||RCT^Results Copies To^participation|||||||||||^^X.400^service@example.org",
    application="RIS",
    version="2.6|||||FRA|UNICODE UTF-8|||2.1^CISIS_CDA_HL7_V2",
)


def test_a_good_cda_message_is_of_the_ci_sis():
    """A new document conforms; one whose order and status contradict each other does not, nor one without PV1."""
    assert told("cisis-cda", CDA) == []
    assert told("cisis-cda", CDA.replace(b"ORC|NW", b"ORC|RO")) == ["ORC-1 orc-of-t02", "OBX-11 obx-of-ro"]
    assert told("cisis-cda", CDA.replace(b"PV1||", b"PV2||")) == ["PV1 pv1"]
    assert told("cisis-cda", CDA.replace(b"|V1\r", b"|\r")) == ["PV1-19 pv1-visit"]
    assert told("cisis-cda", CDA.replace(b"^T02^", b"^T10^")) == ["TXA-13 txa-parent", "ORC-1 orc-of-t10"]
    assert told("cisis-cda", CDA.replace(b"^service@example.org", b"")) == ["PRT-15.4 prt-address"]
    assert told("cisis-cda", document("T02", "C1", "1", "2")) == []


def test_a_good_appointment_is_as_the_gateway_wants_it():
    """A booking with number, start, place and patient conforms; without a start or a place it says what is missing."""
    good = appointment("S12", "C1", "1", "2")
    assert told("siu-agenda", good) == []
    start = next(f for f in good.split(b"|") if f.startswith(b"^^^2")).split(b"\r")[0]
    assert told("siu-agenda", good.replace(start, b"")) == ["SCH-11 start-sent"]
    assert told("siu-agenda", good.replace(b"AIL|1||3201^Salle 2", b"AIL|1||")) == ["AIL-3 place"]
