"""Read access to a FHIR resource as plain JSON values; each element knows its FHIRPath, no error holds a value."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.errors import DataTypeInvalid


@dataclass(frozen=True, slots=True)
class Element:
    """A JSON object of a resource; empty where the sender gave none.

    Attributes:
        value: its properties.
        path: its FHIRPath, e.g. ``Appointment.participant[0].actor``.

    """

    value: Mapping[str, Any]
    path: str

    def __bool__(self) -> bool:
        return bool(self.value)

    def path_of(self, name: str) -> str:
        """Give the FHIRPath of a property."""
        return f"{self.path}.{name}"

    def _typed(self, name: str, kind: type, words: str) -> Any:
        given = self.value.get(name)
        if given is None or type(given) is kind:
            return given
        raise DataTypeInvalid(f"{words} is expected", path=self.path_of(name))

    def one(self, name: str) -> "Element":
        """Give a complex element; an empty one if it is absent."""
        return Element(self._typed(name, dict, "an object") or {}, self.path_of(name))

    def each(self, name: str) -> Iterator["Element"]:
        """Give the repetitions of a complex element, in order."""
        for place, given in enumerate(self._typed(name, list, "an array") or ()):
            path = f"{self.path_of(name)}[{place}]"
            if not isinstance(given, dict):
                raise DataTypeInvalid("an object is expected", path=path)
            yield Element(given, path)

    def text(self, name: str) -> str:
        """Give a string, trimmed; empty if it is absent."""
        given: str = self._typed(name, str, "a string") or ""
        return given.strip()

    def texts(self, name: str) -> tuple[str, ...]:
        """Give the repetitions of a string, trimmed; absent ones are left out."""
        given = self._typed(name, list, "an array") or []
        if any(not isinstance(text, str | None) for text in given):
            raise DataTypeInvalid("strings are expected", path=self.path_of(name))
        return tuple(text.strip() for text in given if text)

    def number(self, name: str) -> int | None:
        """Give an integer; None if it is absent."""
        number: int | None = self._typed(name, int, "an integer")
        return number

    def truth(self, name: str) -> bool:
        """Give a boolean; False if it is absent."""
        return bool(self._typed(name, bool, "a boolean"))

    def instant(self, name: str) -> datetime | None:
        """Give an instant, with its offset (FHIR R4 datatypes.html#instant); None if it is absent."""
        given = self.text(name)
        if not given:
            return None
        try:
            instant = datetime.fromisoformat(given)
        except ValueError:
            instant = None
        if instant is None or instant.tzinfo is None:
            raise DataTypeInvalid("an instant with its offset is expected", path=self.path_of(name))
        return instant

    def codes(self, name: str) -> tuple[tuple[str, str], ...]:
        """Give (system, code) of each coding of a CodeableConcept."""
        return tuple((c.text("system"), c.text("code")) for c in self.one(name).each("coding"))

    def extension(self, *urls: str) -> "Element":
        """Give the first extension with one of these URLs; an empty element if there is none."""
        found = (e for e in self.each("extension") if e.text("url").split("|", 1)[0] in urls)
        return next(found, Element({}, self.path_of("extension")))
