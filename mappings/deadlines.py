"""Deadlines and ladders of a site, as deadlines.toml writes them: a site without that file has those of the gateway."""

from collections.abc import Collection
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from gateway.deadline import ALARM, COVER, DEFAULTS, Clock, Deadline
from gateway.worklist import ItemKind
from mappings.conditions import Condition, check_conditions
from mappings.toml_file import Name, read, refuse

_Amount = Annotated[float, Field(gt=0, le=100_000)]


class _DeadlineTable(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    kinds: Annotated[tuple[ItemKind, ...], Field(min_length=1)]
    when: dict[Condition, tuple[str, ...]] = Field(default_factory=dict)
    minutes: _Amount | None = None
    opened_hours: _Amount | None = None
    days: Annotated[int, Field(ge=0, le=3_650)] | None = None
    days_before: Annotated[int, Field(ge=1, le=3_650)] | None = None
    ladder: tuple[Name, ...] = ()
    rung_minutes: _Amount = 15.0

    @property
    def times(self) -> dict[Clock, float]:
        return {clock: time for clock in Clock if (time := getattr(self, clock)) is not None}


class _DeadlinesFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    deadline: tuple[_DeadlineTable, ...] = ()


def site_deadlines(folder: Path, secretariats: Collection[str], sources: Collection[str]) -> tuple[Deadline, ...]:
    """Give the deadlines of a site: its own, then those of the gateway that it does not replace by name.

    Args:
        folder: the site's.
        secretariats: ids that a ladder may name.
        sources: ids that a condition may name.

    Raises:
        ConfigurationError: the file is wrong; says at which line, and what was expected.

    """
    path = folder / "deadlines.toml"
    if not path.exists():
        return DEFAULTS
    tables = read(path, _DeadlinesFile).deadline
    for number, table in enumerate(tables):
        _check(path, number, table, secretariats)
        if table.name in [other.name for other in tables[:number]]:
            refuse(path, ("deadline", number), f"deadline names must be unique: {table.name} stands twice")
    check_conditions(path, ((("deadline", number), table.when) for number, table in enumerate(tables)), sources)
    own = tuple(map(_deadline, tables))
    return (*own, *(d for d in DEFAULTS if d.name not in {o.name for o in own}))


def _check(path: Path, number: int, table: _DeadlineTable, secretariats: Collection[str]) -> None:
    place = ("deadline", number)
    if len(table.times) != 1:
        refuse(path, place, f"deadline {table.name}: one of {', '.join(Clock)} is expected")
    for rung in table.ladder:
        if rung not in {COVER, ALARM, *secretariats}:
            expected = f"ladder: {COVER}, {ALARM} or a secretariat of secretariats.toml is expected, not {rung}"
            refuse(path, (*place, "ladder"), expected)
    if ALARM in table.ladder[:-1]:
        refuse(path, (*place, "ladder"), f"ladder: nothing is expected after {ALARM}")


def _deadline(table: _DeadlineTable) -> Deadline:
    ((clock, amount),) = table.times.items()
    when = {str(name): patterns for name, patterns in table.when.items()}
    return Deadline(table.name, table.kinds, clock, amount, when, table.ladder, table.rung_minutes)
