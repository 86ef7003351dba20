"""Words that people leave with what they do: reasons, notes and comments, bounded (promise P9)."""

from gateway.errors import ReasonNeeded

REASON_LENGTH = 500
"""Characters of why a decision on identities was taken."""

NOTE_LENGTH = 2_000
"""Characters of what the history of a work item keeps."""


def reasoned(text: str) -> str:
    """Give the reason of a decision on identities.

    Raises:
        ReasonNeeded: it is blank, or too long.

    """
    return _bounded(text, REASON_LENGTH, needed=True)


def worded(text: str) -> str:
    """Give the note, comment or reason without which an act on a work item is not done.

    Raises:
        ReasonNeeded: it is blank, or too long.

    """
    return _bounded(text, NOTE_LENGTH, needed=True)


def noted(text: str) -> str:
    """Give the note that an act on a work item may have.

    Raises:
        ReasonNeeded: it is too long.

    """
    return _bounded(text, NOTE_LENGTH, needed=False)


def _bounded(text: str, most: int, *, needed: bool) -> str:
    if len(text) > most or (needed and not text.strip()):
        raise ReasonNeeded(f"a text of at most {most} characters is expected")
    return text
