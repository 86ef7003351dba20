"""Tests of a site's routing rules, as data: the folder ``cases`` says what must go where, and `config check` asks.

A case is what a rule may look at, and the secretariats that it must come to, in order.
"""

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from gateway.facts import Priority
from gateway.routing import Subject, route
from gateway.site import Site
from gateway.worklist import ItemKind
from mappings.site import Strict
from mappings.toml_file import Name, read, refuse


class _SubjectTable(Strict):
    source: str = ""
    unit: str = ""
    location: str = ""
    code: str = ""
    patient_class: str = ""
    priority: Priority = Priority.ROUTINE
    event: str = ""
    grade: str = ""
    practitioner: tuple[str, ...] = ()


class _CaseTable(Strict):
    name: str
    kind: ItemKind
    subject: _SubjectTable = _SubjectTable()
    to: Annotated[tuple[Name, ...], Field(min_length=1)]
    rule: str = ""


class _CasesFile(Strict):
    case: tuple[_CaseTable, ...]


def check_cases(folder: Path, site: Site) -> int:
    """Hold a site's rules against its cases, and give how many there are.

    Args:
        folder: the site's; its cases are the files ``cases/*.toml``.
        site: what was read from it.

    Raises:
        ConfigurationError: a case does not come where it must, or not by the rule that it names; or a file is wrong.

    """
    count = 0
    for path in sorted((folder / "cases").glob("*.toml")):
        for place, case in enumerate(read(path, _CasesFile).case):
            _check(path, place, case, site)
            count += 1
    return count


def _check(path: Path, place: int, case: _CaseTable, site: Site) -> None:
    given: dict[str, Any] = case.subject.model_dump()
    default = site.identity_desk if case.kind is ItemKind.IDENTITY else site.default_secretariat
    found = route(Subject(case.kind, **given), site.rules, default)
    if found.secretariats != case.to:
        came = f"it comes to {', '.join(found.secretariats)}, by {found.rule}"
        refuse(path, ("case", place, "to"), f"case {case.name}: {', '.join(case.to)} is expected, but {came}")
    if case.rule and found.rule != case.rule:
        refuse(path, ("case", place, "rule"), f"case {case.name}: by {case.rule} is expected, but it is {found.rule}")
