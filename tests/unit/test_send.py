"""What ``gateway send`` reads from an acknowledgment."""

import pytest

from adapters.cli.send import read_answer


@pytest.mark.parametrize(
    ("version", "rest"),
    [
        ("2.5", "MSA|AE|M1\rERR||PID^1^3|101^Required field missing^HL70357|E||||PID-3: a value is needed\r"),
        ("2.3", "MSA|AE|M1|PID-3: a value is needed\rERR|PID^1^3^101&Required field missing&HL70357\r"),
    ],
)
def test_the_rule_is_told_whatever_the_version(version: str, rest: str):
    """Before 2.5 ERR has no text of its own: MSA-3 holds the rule."""
    answer = f"MSH|^~\\&|S|CHU|GAM|CHU|20260310||ACK|G1|P|{version}\r{rest}".encode()
    assert read_answer(answer)["error"].endswith("PID-3: a value is needed")
