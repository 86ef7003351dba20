"""TOML files into checked values; what is wrong is refused with its path, its line and what was expected."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar

from pydantic import AfterValidator, BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from gateway.errors import ConfigurationError

M = TypeVar("M", bound=BaseModel)
Place = tuple[int | str, ...]

_EXPECTED = {
    "missing": "this key is expected",
    "extra_forbidden": "no key of this name is read here",
    "tuple_type": "a list is expected",
    "frozen_set_type": "a list is expected",
    "dict_type": "a table is expected",
    "model_type": "a table is expected",
    "string_type": "a text in quotes is expected",
    "path_type": "a path in quotes is expected",
    "int_type": "a whole number is expected",
    "int_parsing": "a whole number is expected",
    "too_short": "one at least is expected",
    "string_too_short": "one character at least is expected",
}
"""What an operator is told where pydantic speaks of Python."""

_OF_KEY = "[key]"
"""How pydantic ends the place of an error that lies in a key's name."""

_KEY = re.compile(r'"([^"]*)"|\'([^\']*)\'|([\w-]+)')


def _name(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", text):
        raise PydanticCustomError("name", "at most 63 lower-case letters (a-z), digits and hyphens are expected")
    return text


Name = Annotated[str, AfterValidator(_name)]
"""What the site names: sources, secretariats, rules, calendars."""


def read_text(path: Path) -> str:
    """Give a file's text.

    Raises:
        ConfigurationError: there is no such file, or it is not UTF-8.

    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigurationError(f"a readable file is expected: {error.strerror}", path=str(path)) from None
    except UnicodeDecodeError:
        raise ConfigurationError("UTF-8 is expected", path=str(path)) from None


def parse(path: Path, text: str) -> dict[str, object]:
    """Give a TOML text's table.

    Raises:
        ConfigurationError: it is no TOML; says at which line.

    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        raise ConfigurationError(
            f"TOML is expected: {error}", path=str(path), line=int(line[1]) if line else None
        ) from None


def read(path: Path, model: type[M]) -> M:
    """Give the value that a file holds.

    Raises:
        ConfigurationError: it is missing, no TOML, or not of the model.

    """
    text = read_text(path)
    try:
        return model.model_validate(parse(path, text))
    except ValidationError as error:
        refuse_first(error, path, text)


def refuse_first(error: ValidationError, path: Path, text: str) -> NoReturn:
    """Raise the first of a validation's errors; one that stands in the text goes before one about what is missing."""
    errors = error.errors(include_input=False, include_url=False)
    first = next((e for e in errors if e["type"] != "missing"), errors[0])
    where = ".".join(str(part) for part in first["loc"] if part != _OF_KEY)
    raise ConfigurationError(
        f"{where}: {expectation(first)}", path=str(path), line=line_of(text, first["loc"])
    ) from None


def expectation(error: ErrorDetails) -> str:
    """Give what was expected where a validation's error stands."""
    return _EXPECTED.get(error["type"], error["msg"].removeprefix("Value error, "))


def refuse(path: Path, place: Place, rule: str) -> NoReturn:
    """Raise that what stands at a place of a file is wrong."""
    raise ConfigurationError(rule, path=str(path), line=line_of(read_text(path), place))


def line_of(text: str, place: Place) -> int | None:
    """Give the line of a key, or of the nearest table around it; None if there is neither."""
    lines: dict[Place, int] = {}
    for number, found in _places(text):
        lines.setdefault(found, number)
    return next((lines[place[:n]] for n in range(len(place), 0, -1) if place[:n] in lines), None)


def _places(text: str) -> Iterator[tuple[int, Place]]:
    """Give the line and place of every table and key."""
    table: Place = ()
    counts: dict[str, int] = {}
    for number, line in _code(text):
        if header := re.match(r"\s*\[\[(.+?)\]\]", line):
            name = _keys(header[1])[0]
            counts[name] = counts.get(name, -1) + 1
            table = (name, counts[name])
            yield number, table
        elif header := re.match(r"\s*\[(.+?)\]\s*(?:#|$)", line):
            first, *rest = _keys(header[1])
            table = (first, counts[first], *rest) if first in counts else (first, *rest)
            yield number, table
        elif "=" in line and (keys := _keys(line.split("=")[0])):
            yield number, (*table, *keys)


def _code(text: str) -> Iterator[tuple[int, str]]:
    """Give the numbered lines that are no part of a text over several lines."""
    inside = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if not inside:
            yield number, line
        for mark in ('"""', "'''"):
            if inside in {"", mark} and line.count(mark) % 2:
                inside = "" if inside else mark


def _keys(dotted: str) -> list[str]:
    return [next(filter(None, found), "") for found in _KEY.findall(dotted)]
