"""Message profiles, read from TOML: those of this folder, and a site's own in its folder ``profiles``."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from gateway import terser
from gateway.profile import ANY, Condition, Demand, Profile, Rule
from mappings.toml_file import read, refuse

PACKAGED = Path(__file__).parent

_DEMANDS = tuple(d for d in Demand if d is not Demand.EVENT)


def _id(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,30}", text):
        raise PydanticCustomError("id", "at most 31 lower-case letters (a-z), digits and hyphens are expected")
    return text


def _place(path: str) -> str:
    try:
        terser.parse(path)
    except ValueError as error:
        raise PydanticCustomError("path", "{rule}", {"rule": str(error)}) from None
    return path


def _form(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error:
        raise PydanticCustomError("form", "a regular expression is expected") from None
    return pattern


Id = Annotated[str, AfterValidator(_id)]
Path_ = Annotated[str, AfterValidator(_place)]
Message_ = Annotated[str, Field(pattern=r"^[A-Z]{3}(\^[A-Z][A-Z0-9]{2})?$")]
Codes = Annotated[tuple[str, ...], Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _RuleTable(_Strict):
    id: Id
    path: Path_
    source: str
    says: str = ""
    of: tuple[Message_, ...] = Field(default=(), alias="for")
    when: dict[Path_, Codes] = Field(default_factory=dict)
    required: bool = False
    forbidden: bool = False
    at_most: Annotated[int, Field(ge=1)] | None = None
    one_of: Codes | None = None
    some_of: Codes | None = None
    none_of: Codes | None = None
    matches: Annotated[str, AfterValidator(_form)] | None = None

    @property
    def demands(self) -> tuple[Demand, ...]:
        """What it asks."""
        return tuple(d for d in _DEMANDS if getattr(self, d.value))

    @model_validator(mode="after")
    def _asks_what_can_be_asked(self) -> "_RuleTable":
        if len(self.demands) != 1:
            raise PydanticCustomError("demand", "one of {demands} is expected", {"demands": ", ".join(_DEMANDS)})
        of_segment = {Demand.REQUIRED, Demand.FORBIDDEN, Demand.AT_MOST}
        if not terser.parse(self.path).field and self.demands[0] not in of_segment:
            raise PydanticCustomError(
                "demand", "a path to a field is expected for {demand}", {"demand": self.demands[0]}
            )
        return self


class _ProfileFile(_Strict):
    name: Id
    label: str
    source: str
    messages: Annotated[tuple[Message_, ...], Field(min_length=1)]
    when: dict[Path_, Codes] = Field(default_factory=dict)
    rule: tuple[_RuleTable, ...]


def load_profiles(*folders: Path) -> dict[str, Profile]:
    """Give the profiles of this package and of these folders, by name.

    Raises:
        ConfigurationError: a file is wrong, or a name stands twice; says where, and what was expected.

    """
    found: dict[str, Profile] = {}
    for folder in (PACKAGED, *folders):
        for file in sorted(folder.glob("*.toml")):
            profile = load_profile(file)
            if profile.name in found:
                refuse(file, ("name",), f"name: {profile.name} is another profile's")
            found[profile.name] = profile
    return found


def load_profile(file: Path) -> Profile:
    """Give the profile of a file.

    Raises:
        ConfigurationError: it is wrong.

    """
    table = read(file, _ProfileFile)
    seen: set[str] = set()
    for place, rule in enumerate(table.rule):
        if rule.id in seen:
            refuse(file, ("rule", place, "id"), f"id: {rule.id} stands twice")
        seen.add(rule.id)
        if unknown := next((m for m in rule.of if not _covered(m, table.messages)), None):
            refuse(file, ("rule", place, "for"), f"for: {unknown} is none of the profile's messages")
    return Profile(
        name=table.name,
        label=table.label,
        messages=frozenset(table.messages),
        rules=dict(_by_message(table)),
        when=_conditions(table.when),
    )


def _covered(wanted: str, messages: tuple[str, ...]) -> bool:
    return any(wanted in {message, message.partition("^")[0]} for message in messages)


def _by_message(table: _ProfileFile) -> Iterator[tuple[str, tuple[Rule, ...]]]:
    rules = [(frozenset(rule.of), _rule(rule)) for rule in table.rule]
    event = Rule("event", terser.parse("MSH-9.2"), Demand.EVENT, "an event of the profile", table.source)
    for message in table.messages:
        kind = message.partition("^")[0]
        yield message, tuple(rule for of, rule in rules if not of or message in of or kind in of)
    for kind in {message.partition("^")[0] for message in table.messages}:
        yield kind, (event, *(rule for of, rule in rules if not of or kind in of))


def _rule(table: _RuleTable) -> Rule:
    (demand,) = table.demands
    asked: Any = getattr(table, demand.value)
    values = tuple(v.upper() for v in asked) if isinstance(asked, tuple) else ()
    return Rule(
        id=table.id,
        place=terser.parse(table.path),
        demand=demand,
        says=table.says or _said(demand, asked, whole_segment=not terser.parse(table.path).field),
        source=table.source,
        values=frozenset(values),
        most=table.at_most or 0,
        form=re.compile(table.matches) if table.matches else None,
        when=_conditions(table.when),
    )


def _said(demand: Demand, asked: Any, *, whole_segment: bool) -> str:
    """What a demand asks, in words."""
    thing = "such segment" if whole_segment else "value"
    words = {
        Demand.REQUIRED: f"one {thing} at least" if whole_segment else f"a {thing}",
        Demand.FORBIDDEN: f"no {thing}",
        Demand.AT_MOST: f"at most {asked}",
        Demand.MATCHES: f"a value of the form {asked}",
    }
    if isinstance(asked, tuple):
        joined = ", ".join(asked)
        words[Demand.ONE_OF], words[Demand.SOME_OF] = f"one of {joined}", f"a repetition with one of {joined}"
        words[Demand.NONE_OF] = f"none of {joined}"
    return words[demand]


def _conditions(when: dict[str, tuple[str, ...]]) -> tuple[Condition, ...]:
    return tuple(
        Condition(terser.parse(path), frozenset(v if v == ANY else v.upper() for v in values))
        for path, values in when.items()
    )
