"""`gateway identity evaluate`."""

import csv
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from adapters.cli.output import json_option, print_json, print_table
from adapters.files.records import FieldMap, read_records, read_truth
from gateway.errors import ConfigurationError
from gateway.matching.linkage import Index, Link, duplicates, link
from gateway.matching.matcher import Candidate, Grade
from gateway.matching.model import Model
from gateway.matching.record import Prepared, prepare
from gateway.matching.training import train
from mappings import toml_file

ENOUGH_TO_TRAIN = 2000
"""Records above which the weights are learnt from the files themselves."""

PROGRESS_SECONDS = 5

Pair = tuple[str, str]
_file = click.Path(path_type=Path)


@dataclass(frozen=True, slots=True)
class Measure:
    """How links compare with the truth."""

    precision: float
    recall: float
    f1: float
    links: int
    wrong: int


@click.command()
@click.option(
    "--left", required=True, type=_file, metavar="A.csv", help="Records; alone, they are searched for duplicates."
)
@click.option("--right", type=_file, metavar="B.csv", help="Records of another domain.")
@click.option("--truth", required=True, type=_file, metavar="T.csv", help="Pairs of one person: left_id, right_id.")
@click.option("--fields", required=True, type=_file, metavar="MAP.toml", help="Which column holds which trait.")
@click.option("--links", "out", type=_file, metavar="OUT.csv", help="Write every link, with its score and explanation.")
@click.option("--no-train", is_flag=True, help="Keep the shipped weights, however many records there are.")
@json_option
def evaluate(
    left: Path, right: Path | None, truth: Path, fields: Path, out: Path | None, *, no_train: bool, as_json: bool
) -> None:
    """Link two files, or find the duplicates of one, with the matcher of the service, and say how right it is.

    Automatic links are those that the service makes alone; with review are those and the questions that it asks a
    person. Above 2,000 records the weights are learnt from the files (never from the truth). Nothing is stored;
    no value of a record is told, save in --links OUT.csv identifiers.

    CSV files have a line of column names; comma, semicolon, tab or bar; UTF-8, UTF-16 or Windows-1252. Dates are
    YYYYMMDD, YYYY-MM-DD or DD/MM/YYYY; MM/DD/YYYY only where a file's dates show it.

    \b
    MAP.toml:
      id = "rec_id"                          # or [left] id = ..., [right] id = ...
      [traits]
      birth_family_name = "surname"
      birth_date = {left = "dob", right = "ddn"}

    \b
    Examples:
      gateway identity evaluate --left a.csv --right b.csv --truth truth.csv --fields map.toml
      gateway identity evaluate --left a.csv --truth truth.csv --fields map.toml --json --links links.csv
    """
    mapped = toml_file.read(fields, FieldMap)
    ours = [prepare(record) for record in read_records(left, mapped, "left")]
    theirs = [prepare(record) for record in read_records(right, mapped, "right")] if right else None
    true = _truth(truth, ours, theirs)
    began = time.perf_counter()
    links = _linked(ours, theirs, train_it=not no_train)
    seconds = time.perf_counter() - began
    if out:
        _write(out, links.found, ours, theirs or ours, links.model)
    result = _result(links.found, ours, theirs, true, seconds)
    if as_json:
        print_json(result)
    else:
        _print(result, links)


@dataclass(frozen=True, slots=True)
class Linked:
    """What the matcher said of the files.

    Attributes:
        found: links and questions.
        model: that weighed them.
        bulky: keys left out for being shared by too many.

    """

    found: list[Link]
    model: Model
    bulky: dict[str, int]


def _linked(ours: Sequence[Prepared], theirs: Sequence[Prepared] | None, *, train_it: bool) -> Linked:
    index = Index(ours if theirs is None else theirs)
    on = datetime.now(tz=UTC).date()
    model = Model().among(max(len(ours), len(index.records)))
    enough = len(ours) + (len(theirs) if theirs else 0) > ENOUGH_TO_TRAIN
    if train_it and enough and ours and index.records:
        model = train(ours, index, model, one_file=theirs is None)
    progress = _progress(len(ours))
    link_them = duplicates if theirs is None else link
    return Linked(link_them(ours, index, model, on, progress), model, dict(index.bulky))


def _progress(records: int) -> Callable[[int], None]:
    """Tell on standard error, every few seconds, how far it is."""
    told = time.monotonic()

    def tell(done: int) -> None:
        nonlocal told
        if time.monotonic() - told > PROGRESS_SECONDS:
            told = time.monotonic()
            click.echo(f"{done} of {records} records", err=True)

    return tell


def _truth(path: Path, ours: Sequence[Prepared], theirs: Sequence[Prepared] | None) -> set[Pair]:
    """The true pairs; of one file in the order of their text, for either order says the same."""
    left = {one.record.id for one in ours}
    right = {one.record.id for one in theirs} if theirs is not None else left
    true: set[Pair] = set()
    for line, one, other in read_truth(path):
        if one not in left or other not in right:
            raise ConfigurationError("identifiers of the files are expected", path=str(path), line=line)
        if theirs is not None or one != other:
            true.add(_pair(one, other, one_file=theirs is None))
    return true


def _pair(one: str, other: str, *, one_file: bool) -> Pair:
    return (other, one) if one_file and other < one else (one, other)


def _result(
    links: Sequence[Link], ours: Sequence[Prepared], theirs: Sequence[Prepared] | None, true: set[Pair], seconds: float
) -> dict[str, object]:
    automatic, asked = _pairs(links, ours, theirs, Grade.MATCH), _pairs(links, ours, theirs, Grade.POSSIBLE_MATCH)
    return {
        "automatic": asdict(_measured(automatic, true)),
        "with_review": asdict(_measured(automatic | asked, true)),
        "review_pairs": len(asked),
        "seconds": round(seconds, 2),
        "records": len(ours) + (len(theirs) if theirs is not None else 0),
    }


def _pairs(
    links: Iterable[Link], ours: Sequence[Prepared], theirs: Sequence[Prepared] | None, grade: Grade
) -> set[Pair]:
    others = ours if theirs is None else theirs
    named = ((ours[one.left].record.id, others[one.right].record.id) for one in links if one.grade is grade)
    return {_pair(one, other, one_file=theirs is None) for one, other in named}


def _measured(links: set[Pair], true: set[Pair]) -> Measure:
    """Of no links none is wrong, and of no true pairs none is missed."""
    right = len(links & true)
    precision, recall = right / len(links) if links else 1.0, right / len(true) if true else 1.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return Measure(round(precision, 6), round(recall, 6), round(f1, 6), len(links), len(links) - right)


def _write(
    path: Path, links: Iterable[Link], ours: Sequence[Prepared], theirs: Sequence[Prepared], model: Model
) -> None:
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("left_id", "right_id", "score", "grade", "explanation"))
            writer.writerows(_rows(links, ours, theirs, model))
    except OSError as error:
        raise ConfigurationError(f"a file that can be written is expected: {error.strerror}", path=str(path)) from None


def _rows(
    links: Iterable[Link], ours: Sequence[Prepared], theirs: Sequence[Prepared], model: Model
) -> Iterator[tuple[str, ...]]:
    for one in sorted(links, key=lambda found: -found.candidate.score):
        ids = ours[one.left].record.id, theirs[one.right].record.id
        yield (*ids, f"{one.candidate.score:.2f}", one.grade.value, _explanation(one.candidate, model))


def _explanation(candidate: Candidate, model: Model) -> str:
    weighed = [f"{trait} {level} {bits:+.1f}" for trait, level, bits in candidate.contributions(model)]
    return "; ".join([*weighed, *(f"guard {guard}" for guard in candidate.guards)])


def _print(result: dict[str, object], links: Linked) -> None:
    rows = [{"": name.replace("_", " "), **_row(result[name])} for name in ("automatic", "with_review")]
    print_table(("", "precision", "recall", "f1", "links", "wrong"), rows)
    click.echo(f"questions to a person: {result['review_pairs']}")
    click.echo(f"records: {result['records']}, seconds: {result['seconds']}, model: {links.model.version}")
    if links.bulky:
        click.echo(f"keys left out, shared by too many records: {sum(links.bulky.values())}", file=sys.stderr)


def _row(measure: object) -> dict[str, object]:
    assert isinstance(measure, dict)
    return measure
