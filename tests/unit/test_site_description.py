"""What two sites differ in is told by meaning; what must go where is a file that is held against the rules."""

from dataclasses import replace
from pathlib import Path
from shutil import copytree

import pytest

from gateway.errors import ConfigurationError
from mappings.site import DEMO, load_site
from mappings.site_cases import check_cases
from mappings.site_description import Difference, described, differences, version

CASES = Path("cases/routing.toml")


def changed(tmp_path: Path, file: str | Path, old: str, new: str) -> Path:
    """A copy of the packaged site with one text replaced."""
    folder = copytree(DEMO, tmp_path / "site")
    text = (folder / file).read_text(encoding="utf-8")
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    return folder


def told(folder: Path) -> list[Difference]:
    """What a folder differs in from the packaged site."""
    return differences(described(load_site(DEMO)), described(load_site(folder)))


def test_a_comment_or_another_order_of_units_is_no_difference(tmp_path):
    """The files' texts differ, what they mean does not: one version."""
    folder = changed(tmp_path, "secretariats.toml", '["2110", "2111", "2112"]', '["2112", "2111", "2110"]  # moved')
    assert told(folder) == []
    assert load_site(folder).version == load_site(DEMO).version


def test_a_change_is_told_by_its_path_with_both_values(tmp_path):
    """One key of one rule."""
    folder = changed(tmp_path, "routing.toml", 'to = ["emergency", "radiology"]', 'to = ["radiology", "emergency"]')
    path = "rules[imaging-report-emergency].to"
    assert told(folder) == [Difference(path, "emergency, radiology", "radiology, emergency")]
    assert load_site(folder).version != load_site(DEMO).version


def test_the_order_of_rules_is_a_difference(tmp_path):
    """The first that matches wins, so that an order means something."""
    site = load_site(DEMO)
    first, second, *rest = site.rules
    turned = replace(site, rules=(second, first, *rest))
    (only,) = differences(described(site), described(turned))
    assert only.path == "rules.order"
    assert only.after.startswith(f"{second.name}, {first.name}, ")


def test_what_comes_and_goes_is_told(tmp_path):
    """A right that an account has no more, a setting that was not there."""
    folder = changed(
        tmp_path, "access.toml", '[anonymous]\nrights = ["send", "appointment:read"]', '[anonymous]\nrights = ["send"]'
    )
    (gone,) = told(folder)
    assert (gone.path, gone.before, gone.after) == ("access.anonymous.rights", "appointment:read, send", "send")
    assert differences({}, {"a": "1"}) == [Difference("a", "", "1")]


def test_a_version_follows_from_the_description_alone():
    """And not from the version that is written in the site, nor from the order of a dictionary."""
    site = load_site(DEMO)
    assert described(replace(site, version="another")) == described(site)
    assert version(described(site)) == site.version


def test_the_packaged_sites_cases_hold():
    """They are what a site's own are made from."""
    assert check_cases(DEMO, load_site(DEMO)) >= 5


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('to = ["radiology"]', 'to = ["cardiology"]', "it comes to radiology, by code-of-radiology"),
        ('rule = "discharge-letter-surgery"', 'rule = "default"', "by default is expected"),
        ('kind = "result"', 'kind = "letter"', "kind"),
        ("unit = ", "ward = ", "no key of this name"),
        ('to = ["general"]', "to = []", "one at least"),
    ],
)
def test_a_case_that_does_not_hold_is_refused_with_its_line(tmp_path, old, new, said):
    """So is a file of cases that is wrong."""
    folder = changed(tmp_path, CASES, old, new)
    with pytest.raises(ConfigurationError, match=said) as refused:
        check_cases(folder, load_site(folder))
    texts = ((root / CASES).read_text(encoding="utf-8").splitlines() for root in (DEMO, folder))
    line = next(n for n, (good, bad) in enumerate(zip(*texts, strict=True), 1) if good != bad)
    assert str(folder / CASES) in str(refused.value)
    assert f":{line}" in str(refused.value)


def test_a_rule_that_breaks_a_case_is_refused(tmp_path):
    """Where the rules change, the cases speak."""
    folder = changed(tmp_path, "routing.toml", 'kinds = ["result"]', 'kinds = ["admission"]')
    with pytest.raises(ConfigurationError, match="case a critical result"):
        check_cases(folder, load_site(folder))


def test_an_event_that_no_item_has_is_refused(tmp_path):
    """A condition of a closed vocabulary is held against it."""
    folder = changed(tmp_path, "routing.toml", 'patient_class = ["E"]', 'event = ["arived"]')
    with pytest.raises(ConfigurationError, match=r"when\.event: one of .*arrived"):
        load_site(folder)
