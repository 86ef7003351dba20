"""Conditions of routing rules and deadlines, as a site's TOML writes them."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from gateway.facts import Abnormality, Priority
from gateway.routing import Subject
from mappings.texts import keys
from mappings.toml_file import Place, refuse

Condition = Literal["source", "unit", "location", "code", "patient_class", "priority", "event", "practitioner", "grade"]
CONDITIONS = tuple(f.name for f in fields(Subject) if f.name != "kind")


def check_conditions(
    path: Path, conditions: Iterable[tuple[Place, Mapping[Condition, tuple[str, ...]]]], sources: Iterable[str]
) -> None:
    """Return when each pattern of a closed vocabulary matches one of its words; else it is a typing error.

    Raises:
        ConfigurationError: one does not; says at which line.

    """
    words: dict[Condition, set[str]] = {
        "source": set(sources),
        "priority": {p.value for p in Priority},
        "event": {title.partition(".")[2] for title in keys("title")},
        "grade": {a.value for a in Abnormality},
    }
    for place, when in conditions:
        for condition, known in words.items():
            for pattern in when.get(condition, ()):
                if not any(fnmatchcase(word, pattern) for word in known):
                    expected = f"when.{condition}: one of {', '.join(sorted(known))} is expected"
                    refuse(path, (*place, "when", condition), expected)
