"""The skeleton of a French name: what stays of it when it is heard and written down by somebody else."""

import re
from functools import lru_cache

_SOUNDS = (
    (r"PH", "F"),
    (r"SCH|SH|CH", "X"),
    (r"QU?|CK|C(?=[^EIY]|$)|K", "K"),
    (r"C(?=[EIY])|Z", "S"),
    (r"GU(?=[EIY])", "K"),
    (r"GE(?=[AO])|G(?=[EIY])|J", "J"),
    (r"G", "K"),
    (r"[TD]H", "T"),
    (r"D", "T"),
    (r"W", "V"),
    (r"B", "P"),
    (r"[AEO]I[NM](?=[^AEIOUYNM]|$)|[IY][NM](?=[^AEIOUYNM]|$)", "AN"),
    (r"M(?=[^AEIOUYM]|$)", "N"),
    (r"OU|EAU|AU", "O"),
    (r"H", ""),
)
"""Spellings that sound alike, in the order in which they are heard; voiced and voiceless fall together."""

_RULES = tuple((re.compile(spelt), heard) for spelt, heard in _SOUNDS)
_SILENT = re.compile(r"(?<=..)[ESTXP]+$")
"""Letters at a name's end that are not heard (DUPOND, DUPONT; LEFEBVRES)."""
_VOWELS = str.maketrans("", "", "AEIOUY")
_DOUBLED = re.compile(r"(.)\1+")


@lru_cache(maxsize=1 << 16)
def skeleton(solid: str) -> str:
    """Give a name's consonants as they are heard, a first vowel as A; of a solid name (capitals, no spaces)."""
    heard = solid
    for spelt, sound in _RULES:
        heard = spelt.sub(sound, heard)
    heard = _SILENT.sub("", _DOUBLED.sub(r"\1", heard))
    first = "A" if heard[:1] in set("AEIOUY") else heard[:1]
    return first + _DOUBLED.sub(r"\1", heard[1:].translate(_VOWELS))
