"""The one catalogue of texts that secretaries, identity staff and compliance officers read."""

import tomllib
from functools import cache
from importlib.resources import files


@cache
def _catalogue() -> dict[str, dict[str, str]]:
    return tomllib.loads(files(__name__).joinpath("fr.toml").read_text(encoding="utf-8"))


def text(section: str, key: str) -> str:
    """Give the French text of a key; the key itself where the catalogue has none (a test sees that it has them all)."""
    return _catalogue().get(section, {}).get(key, key)


def keys(section: str) -> frozenset[str]:
    """Give the keys of a section."""
    return frozenset(_catalogue().get(section, {}))


def title(key: str) -> str:
    """Give the title of an item by its key; empty: it is masked, and that is said."""
    return text("title", key) if key else text("sight", "masked")
