"""`gateway identity evaluate` reads files as others write them, and says how right the matcher is."""

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from adapters.cli import main

MAP = 'id = "rec_id"\n[traits]\n'
MAP += 'birth_family_name = "nom"\nfirst_given_name = "prenom"\nbirth_date = "ddn"\nsex = "sexe"\n'
LEFT = """rec_id,nom,prenom,ddn,sexe
A1,VERDELHAN,JEANNE,1958-03-21,F
A2,SABATIER,MARCELIN,1949-11-05,M
A3,CAZALS,ODETTE,1931-07-30,F
"""
RIGHT = """rec_id,nom,prenom,ddn,sexe
B1,Verdelhan,Jeanne,1958-03-21,F
B2,SABATIER,MARCELLIN,1949-11-05,M
B3,PUECH,LEONTINE,1971-02-13,F
"""
TRUTH = "left_id,right_id\nA1,B1\nA2,B2\n"


class Files:
    """Files of one test, and the command on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, text in (("map.toml", MAP), ("left.csv", LEFT), ("right.csv", RIGHT), ("truth.csv", TRUTH)):
            self.write(name, text.encode())

    def write(self, name: str, content: bytes) -> None:
        (self.folder / name).write_bytes(content)

    def evaluate(self, *extra: str, right: bool = True):
        given = {"--left": "left.csv", "--truth": "truth.csv", "--fields": "map.toml"} | (
            {"--right": "right.csv"} if right else {}
        )
        options = [part for option, name in given.items() for part in (option, str(self.folder / name))]
        return CliRunner().invoke(main, ["identity", "evaluate", *options, *extra])

    def result(self, *extra: str, right: bool = True) -> dict:
        done = self.evaluate("--json", *extra, right=right)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_two_files_are_measured(files: Files):
    """The JSON holds what is promised, and nothing else."""
    result = files.result()
    assert set(result) == {"automatic", "with_review", "review_pairs", "seconds", "records"}
    assert set(result["automatic"]) == set(result["with_review"]) == {"precision", "recall", "f1", "links", "wrong"}
    assert result["automatic"]["links"] + result["review_pairs"] == 2
    assert result["with_review"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0, "links": 2, "wrong": 0}
    assert result["records"] == 6


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + RIGHT.encode(),
        RIGHT.replace(",", ";").encode(),
        RIGHT.replace(",", "\t").encode("utf-16"),
        RIGHT.replace("PUECH", "PUÉCH").encode("cp1252"),
        RIGHT.replace("\n", "\r\n").encode(),
        RIGHT.replace("LEONTINE,1971-02-13,F", "LEONTINE").encode(),
        RIGHT.replace("-", "").encode(),
        RIGHT.replace("1958-03-21", "21/03/1958").replace("1949-11-05", "05/11/1949").encode(),
        RIGHT.replace("1958-03-21", "03/21/1958").replace("1949-11-05", "11/05/1949").encode(),
        RIGHT.replace("rec_id,nom,prenom", '"rec_id" , "nom", "prenom"').encode() + b"\n\n",
        RIGHT.replace(",", ";").replace("sexe", 'sexe;"vu, lu, su, tu, eu"').encode(),
        RIGHT.replace("1971-02-13", "\u00b2/\u00b3/1971").encode(),
        RIGHT.replace("\n", "\r").encode(),
        RIGHT.encode("utf-16-le"),
        RIGHT.replace("PUECH", '"PUECH\nCAZALS"').encode(),
    ],
    ids=[
        "bom",
        "semicolons",
        "utf-16 tabs",
        "cp1252",
        "crlf",
        "ragged",
        "plain dates",
        "french",
        "month first",
        "quoted",
        "separators within quotes",
        "no digits",
        "cr",
        "utf-16 unmarked",
        "a cell of two lines",
    ],
)
def test_files_are_read_as_others_write_them(files: Files, content: bytes):
    """Encoding, separator, dates and short rows change nothing in what is found."""
    files.write("right.csv", content)
    assert files.result()["with_review"]["f1"] == 1.0


def test_duplicates_of_one_file(files: Files):
    """One file is searched for duplicates; the truth may name a pair in either order."""
    files.write("left.csv", (LEFT + RIGHT.split("\n", 1)[1]).encode())
    files.write("truth.csv", b"left_id,right_id\nB1,A1\nA2,B2\nB2,A2\n")
    assert files.result(right=False)["with_review"]["f1"] == 1.0


def test_every_link_is_written_with_its_reasons(files: Files, tmp_path: Path):
    """The links' file names identifiers, score, grade and contributions, and no value."""
    files.result("--links", str(tmp_path / "out.csv"))
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()))
    assert {(row["left_id"], row["right_id"]) for row in rows} == {("A1", "B1"), ("A2", "B2")}
    assert all("family_name " in row["explanation"] for row in rows)
    assert not any("VERDELHAN" in row["explanation"] for row in rows)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("map.toml", MAP + 'shoe = "pointure"\n', "map.toml:7: traits.shoe: one of the traits is expected: "),
        ("map.toml", "[traits]\n" + MAP.split("[traits]\n")[1], "--fields: id or left.id is expected"),
        ("map.toml", MAP.replace('"ddn"', '"naissance"'), "left.csv:1: one column 'naissance' is expected"),
        ("left.csv", LEFT.split("\n", 1)[1], "left.csv:1: one column '"),
        ("left.csv", LEFT.replace("A3", "A1"), "left.csv:4: an identifier of its own is expected"),
        ("left.csv", LEFT + 'A4,"PUECH,LEON,1971-02-13,M\nA5,X,Y,,\n', "left.csv:5: the quote that opens here"),
        ("map.toml", MAP + "phone = 3\n", "map.toml:7: traits.phone: a column's name in quotes is expected"),
        ("map.toml", MAP + 'phone = {middle = "tel"}\n', "map.toml:7: traits.phone.middle: no key of this name"),
        ("left.csv", "", "left.csv:1: a line of column names is expected"),
        ("truth.csv", TRUTH + "A9,B3\n", "truth.csv:4: identifiers of the files are expected"),
        ("truth.csv", "a,b\nA1,B1\n", "truth.csv:1: one column 'left_id' is expected"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(files: Files, name: str, content: str, said: str):
    """A wrong file is refused with path, line and rule, and exit code 2; no value of a record is told."""
    files.write(name, content.encode())
    done = files.evaluate()
    assert done.exit_code == 2
    assert said in done.stderr
    assert "VERDELHAN" not in done.output


@pytest.mark.parametrize("empty", ["left.csv", "right.csv"])
def test_a_file_without_rows_has_no_links(files: Files, empty: str):
    """A file may have no rows, however many the other has."""
    other = {"left.csv": "right.csv", "right.csv": "left.csv"}[empty]
    files.write(empty, LEFT.splitlines()[0].encode())
    rows = "".join(f"R{n},NOM{n},JEAN,1950-01-02,M\n" for n in range(2500))
    files.write(other, f"{LEFT.splitlines()[0]}\n{rows}".encode())
    files.write("truth.csv", b"left_id,right_id\n")
    assert files.result()["with_review"]["links"] == 0


def test_a_missing_file_is_said(files: Files):
    """A file that is not there is named."""
    (files.folder / "right.csv").unlink()
    done = files.evaluate()
    assert done.exit_code == 2
    assert "right.csv: a readable file is expected" in done.stderr
