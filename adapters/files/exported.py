"""Who the patients of an admissions system are, as it exports them in a CSV file: read row by row."""

from collections.abc import Iterator
from dataclasses import fields
from hashlib import sha256
from pathlib import Path

from adapters.files.records import FieldMap, count_records, records
from gateway.errors import ConfigurationError
from gateway.facts import IdentityStatus, Patient, Traits
from gateway.matching.dates import read_birth_date
from gateway.matching.record import Record

MOST_CHARACTERS = 250
"""Of a number or a trait: more is no name."""

_TRAITS = tuple(f.name for f in fields(Traits))


class Exported:
    """One file.

    Args:
        path: the file.
        mapped: which column holds which trait.

    Raises:
        ConfigurationError: it cannot be read, or holds what is not taken from a file.

    Attributes:
        count: rows in it.
        digest: SHA-256 of its bytes, that names it in the audit trail.
        undated: rows read so far whose date of birth says no day.

    """

    def __init__(self, path: Path, mapped: FieldMap) -> None:
        if other := sorted(set(mapped.traits) - set(_TRAITS)):
            raise ConfigurationError(f"identity traits alone are loaded, not {', '.join(other)}", path="--fields")
        self.path, self._mapped = path, mapped
        self.undated = 0
        self.count = count_records(path, mapped, "left")
        self.digest = sha256(path.read_bytes()).hexdigest()

    def patients(self, status: IdentityStatus) -> Iterator[tuple[str, Patient]]:
        """Give each number with who the patient is.

        Raises:
            ConfigurationError: a number is missing or comes twice, or a cell is too long.

        """
        for line, record in records(self.path, self._mapped, "left"):
            if max(len(record.id), *(len(getattr(record, trait)) for trait in _TRAITS)) > MOST_CHARACTERS:
                rule = f"at most {MOST_CHARACTERS} characters are expected of a number or a trait"
                raise ConfigurationError(rule, path=str(self.path), line=line)
            yield record.id, Patient(traits=self._traits(record), status=status)

    def _traits(self, record: Record) -> Traits:
        """The traits, the date of birth as ISO has it; a date that exists nowhere is not known."""
        said = {trait: getattr(record, trait) for trait in _TRAITS}
        born = read_birth_date(record.birth_date.strip())
        self.undated += bool(record.birth_date.strip()) and not born.valid
        said["birth_date"] = "-".join(filter(None, (born.year, born.month, born.day))) if born.valid else ""
        return Traits(**said)
