"""``python -m tests.population --seed N --mix NAME --persons N --out DIR [--one-file]``."""

import argparse
from pathlib import Path

from .files import one_file, two_files, write
from .mixes import FROZEN, MIXES


def main() -> None:
    """Write the files of a population."""
    parser = argparse.ArgumentParser(prog="python -m tests.population", description="Writes an invented population.")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--mix", choices=sorted(MIXES), default=FROZEN, help=f"names and births; {FROZEN} to freeze on")
    parser.add_argument("--persons", type=int, default=50_000)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--one-file", action="store_true", help="one domain's file with duplicates, not two files")
    asked = parser.parse_args()
    make = one_file if asked.one_file else two_files
    write(make(asked.seed, MIXES[asked.mix], asked.persons), asked.out)


main()
