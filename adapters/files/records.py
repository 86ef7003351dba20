"""Records of patients in CSV files, as other systems export them: columns, separators and encodings of their own."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from gateway.errors import ConfigurationError
from gateway.matching.record import TRAITS, Record

Side = Literal["left", "right"]
_STRICT = ConfigDict(extra="forbid", frozen=True)
_SEPARATORS = ",;\t|"
_QUOTED = re.compile(r'"[^"]*"')
_MALE = frozenset({"M", "H", "1", "MALE", "MASCULIN", "HOMME", "MR", "MONSIEUR"})
_FEMALE = frozenset({"F", "2", "FEMALE", "FEMININ", "FÉMININ", "FEMME", "W", "MME", "MADAME"})
_NOTHING = frozenset({"", "NULL", "NONE", "NAN", "N/A", "NA", "\\N", "<NA>"})
"""What stands for a value that is not there."""


def _trait(name: str) -> str:
    if name not in TRAITS:
        raise ValueError(f"one of the traits is expected: {', '.join(TRAITS)}")
    return name


class SideColumns(BaseModel):
    """A trait's column: one name for both files, or one of each file."""

    model_config = _STRICT
    left: str = ""
    right: str = ""

    @model_validator(mode="before")
    @classmethod
    def _of_both(cls, said: object) -> object:
        if not isinstance(said, str | dict):
            raise ValueError("a column's name in quotes is expected, or {left = ..., right = ...}")  # noqa: TRY004 - pydantic's
        return {"left": said, "right": said} if isinstance(said, str) else said


class SideId(BaseModel):
    """The column of one file's record identifiers."""

    model_config = _STRICT
    id: str = Field(min_length=1)


class FieldMap(BaseModel):
    """Which column holds what.

    Attributes:
        id: column of the record's identifier.
        left: the same of the left file, where it differs.
        right: the same of the right file.
        traits: column by trait.

    """

    model_config = _STRICT
    id: str = ""
    left: SideId | None = None
    right: SideId | None = None
    traits: dict[Annotated[str, AfterValidator(_trait)], SideColumns] = Field(min_length=1)

    def id_column(self, side: Side) -> str:
        """Give the column of a file's record identifiers.

        Raises:
            ConfigurationError: none is named.

        """
        own = self.left if side == "left" else self.right
        if not (named := own.id if own else self.id):
            raise ConfigurationError(f"id or {side}.id is expected", path="--fields")
        return named

    def columns(self, side: Side) -> dict[str, str]:
        """Give the column of each trait that a file holds."""
        named = {trait: getattr(column, side) for trait, column in self.traits.items()}
        return {trait: column for trait, column in named.items() if column}


class Table:
    """A CSV file: its columns, and its rows with the line on which each begins."""

    def __init__(self, path: Path) -> None:
        """Read a file.

        Raises:
            ConfigurationError: it cannot be read, or has no columns.

        """
        self.path = path
        text = _text(path)
        first = next((line for line in text.splitlines() if line.strip()), "")
        counts = Counter(c for c in _QUOTED.sub("", first) if c in _SEPARATORS)
        separator = max(_SEPARATORS, key=lambda c: counts[c])
        self._closed = text.rstrip().endswith('"')
        self._reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
        self.columns = [name.strip() for name in next(self._rows(), (1, []))[1]]
        if not any(self.columns):
            raise ConfigurationError("a line of column names is expected", path=str(path), line=1)

    def rows(self, needed: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
        """Give each row by column; cells that a short row lacks are empty.

        Raises:
            ConfigurationError: a needed column is not there, or occurs twice; a row is no CSV.

        """
        for column in needed:
            if self.columns.count(column) != 1:
                # The columns are not named: where the line of names is missing, they are the first patient's traits.
                rule = f"one column {column!r} is expected among the names of {len(self.columns)}"
                raise ConfigurationError(rule, path=str(self.path), line=1)
        places = {column: self.columns.index(column) for column in needed}
        for line, cells in self._rows():
            yield line, {c: cells[at].strip() if at < len(cells) else "" for c, at in places.items()}

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        cells: list[str] = []
        line = begun = 0
        try:
            for cells in self._reader:
                begun, line = line + 1, self._reader.line_num
                if any(cell.strip() for cell in cells):
                    yield begun, cells
        except csv.Error as error:
            raise ConfigurationError(
                f"CSV is expected: {error}", path=str(self.path), line=self._reader.line_num
            ) from None
        if cells and "\n" in cells[-1] and not self._closed:
            raise ConfigurationError("the quote that opens here is closed nowhere", path=str(self.path), line=begun)


def _text(path: Path) -> str:
    """The text in UTF-8 or UTF-16 where it is, else as Windows writes it in France; its gaps as Latin-1."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"a readable file is expected: {error.strerror}", path=str(path)) from None
    charsets = ("utf-16",) if raw[:2] in {b"\xff\xfe", b"\xfe\xff"} else ("utf-8-sig", "cp1252", "latin-1")
    for charset in charsets:
        try:
            return raw.decode(charset).replace("\0", "")
        except UnicodeDecodeError:
            continue
    raise ConfigurationError("UTF-8, UTF-16 or Windows-1252 is expected", path=str(path))


def read_records(path: Path, fields: FieldMap, side: Side) -> list[Record]:
    """Give the records of a file (see `records`)."""
    return [record for _, record in records(path, fields, side)]


def records(path: Path, fields: FieldMap, side: Side) -> Iterator[tuple[int, Record]]:
    """Give the records of a file, each with its line, as they are read.

    Dates that stand as 12/03/1958 or 12-03-1958 are day first, as in France, unless the file shows that they are not:
    some date in it has a second part above 12, and none has a first part above 12.

    Raises:
        ConfigurationError: a column is missing, or two rows have one identifier.

    """
    columns, id_column = fields.columns(side), fields.id_column(side)
    month_first = "birth_date" in columns and _month_first(_column(path, columns["birth_date"]))
    for line, row in _identified(path, id_column, columns.values()):
        yield line, _record(row[id_column], {t: _said(row[c]) for t, c in columns.items()}, month_first=month_first)


def count_records(path: Path, fields: FieldMap, side: Side) -> int:
    """Give how many records a file has.

    Raises:
        ConfigurationError: a column is missing, or two rows have one identifier.

    """
    return sum(1 for _ in _identified(path, fields.id_column(side), fields.columns(side).values()))


def _identified(path: Path, id_column: str, columns: Iterable[str]) -> Iterator[tuple[int, dict[str, str]]]:
    seen: set[str] = set()
    for line, row in Table(path).rows(tuple(dict.fromkeys((id_column, *columns)))):
        name = row[id_column]
        if not name or name in seen:
            raise ConfigurationError("an identifier of its own is expected of each row", path=str(path), line=line)
        seen.add(name)
        yield line, row


def _column(path: Path, column: str) -> Iterator[str]:
    return (row[column] for _, row in Table(path).rows((column,)))


def _said(value: str) -> str:
    return "" if value.upper() in _NOTHING else value


def _record(name: str, traits: Mapping[str, str], *, month_first: bool) -> Record:
    changed: dict[str, Any] = dict(traits)
    if month_first and (parts := _parts(changed["birth_date"])):
        changed["birth_date"] = f"{parts[1]}/{parts[0]}/{parts[2]}"
    sex = changed.get("sex", "").upper()
    if "sex" in changed:
        changed["sex"] = "M" if sex in _MALE else "F" if sex in _FEMALE else ""
    return Record(id=name, **changed)


def _parts(said: str) -> Sequence[str]:
    parts = said.split(maxsplit=1)[0].replace("-", "/").replace(".", "/").split("/") if said else []
    return parts if len(parts) == 3 and len(parts[0]) <= 2 and all(p.isdecimal() for p in parts) else ()  # noqa: PLR2004


def _month_first(dates: Iterator[str]) -> bool:
    """Whether some second part is above 12 and no first part is; a few slips do not count."""
    first = second = 0
    for parts in map(_parts, dates):
        if parts:
            first += int(parts[0]) > 12  # noqa: PLR2004 - months
            second += int(parts[1]) > 12  # noqa: PLR2004 - months
    return second > 10 * first


def read_truth(path: Path) -> list[tuple[int, str, str]]:
    """Give the pairs that are one person, with their lines, from the columns left_id and right_id."""
    rows = Table(path).rows(("left_id", "right_id"))
    return [(line, row["left_id"], row["right_id"]) for line, row in rows]
