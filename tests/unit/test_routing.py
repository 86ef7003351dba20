"""Which secretariat sees it: the first rule whose every condition holds, else the default queue."""

from dataclasses import fields

import pytest

from gateway.facts import Priority
from gateway.routing import DEFAULT_RULE, Route, Rule, Subject, route
from mappings.conditions import CONDITIONS

SUBJECT = Subject(
    "result", "lab", "3010", "CARDIO^12", "IONO", "I", Priority.URGENT, "final", ("10003345678", "LOCAL7")
)


def rule(name: str = "r", to: tuple[str, ...] = ("cardiologie",), kinds=("result",), **when: tuple[str, ...]) -> Rule:
    """Give a rule."""
    return Rule(name, f"règle {name}", to, kinds, when)


@pytest.mark.parametrize(
    "when",
    [
        {},
        {"unit": ("3010",)},
        {"unit": ("2*", "3*")},
        {"unit": ("30?0",)},
        {"location": ("CARDIO^*",)},
        {"source": ("lab",), "code": ("IONO",), "patient_class": ("I",)},
        {"priority": ("urgent", "stat")},
        {"event": ("critical", "final")},
        {"practitioner": ("LOCAL*",)},
    ],
)
def test_a_rule_matches_when_every_condition_holds_by_any_of_its_patterns(when):
    """Conditions are joined by "and", patterns of one condition by "or"."""
    assert rule(**when).matches(SUBJECT)


@pytest.mark.parametrize(
    "when",
    [
        {"unit": ("301",)},
        {"unit": ("*9",)},
        {"unit": ("3010",), "code": ("NFS",)},
        {"code": ("iono",)},
        {"location": ("CARDIO",)},
        {"unit": ("",)},
        {"priority": ("stat",)},
        {"event": ("critical",)},
        {"practitioner": ("10003345679",)},
    ],
)
def test_a_rule_fails_with_one_condition(when):
    """One condition that does not hold is enough; letters' case counts, and a pattern is for the whole value."""
    assert not rule(**when).matches(SUBJECT)
    assert rule(**when).failing(SUBJECT) in when


def test_a_rule_is_for_its_kinds_only():
    """A rule for letters never catches a result."""
    assert not rule(kinds=("correspondence",)).matches(SUBJECT)


def test_the_first_rule_wins():
    """Of two rules that match, the earlier one routes, and is named as the reason."""
    first, second = rule("first", ("a", "b")), rule("second", ("c",))
    assert route(SUBJECT, (first, second), "accueil") == Route(("a", "b"), "first", "règle first")
    assert route(SUBJECT, (rule(unit=("9",)), second, first), "accueil").rule == "second"


def test_what_no_rule_catches_goes_to_the_default_queue():
    """Without a matching rule the establishment's default queue has it (promise P4)."""
    for rules in ((), (rule(unit=("9",)),)):
        assert route(SUBJECT, rules, "accueil") == Route(("accueil",), DEFAULT_RULE, "")


def test_an_unknown_unit_is_caught_only_by_a_rule_for_anything():
    """An empty unit is no unit: only ``*`` or an empty pattern catches it."""
    nowhere = Subject("result")
    assert not rule(unit=("3*", "?*")).matches(nowhere)
    assert rule(unit=("*",)).matches(nowhere)
    assert rule(unit=("",)).matches(nowhere)


def test_hostile_values_are_matched_as_text():
    """What a sender writes is matched, never interpreted: patterns come from the site alone."""
    for value in ("*", "[a-z]", "3010\n", "\\", "3010 "):
        assert not rule(unit=("3010",)).matches(Subject("result", unit=value))


def test_every_condition_that_a_site_may_write_is_a_trait_of_the_subject():
    """The loader's conditions and the subject's fields are the same."""
    assert set(CONDITIONS) == {f.name for f in fields(Subject)} - {"kind"}
    for name in CONDITIONS:
        assert rule(**{name: ("*",)}).matches(SUBJECT)
