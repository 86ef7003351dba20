"""What ``gateway send`` reads from an acknowledgment."""

import pytest
from sites import PID, frame, header

from adapters.cli.send import _told, read_answer, read_answers


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


class Receiver:
    """Answers by a script, as `adapters.mllp.client.Client` gives it."""

    def __init__(self, *codes):
        self.codes = codes

    async def converse(self, _payload, _seconds, enough=None):
        """Give the script's answers until it is enough."""
        answers = []
        for code in self.codes:
            answers.append(f"MSH|^~\\&|S\rMSA|{code}|M1\r".encode())
            if enough is not None and enough(answers):
                break
        return answers


@pytest.mark.parametrize(
    ("accept", "application", "script", "code", "then", "error"),
    [
        ("AL", "AL", ("CA", "AE", "AA"), "CA", "AE", None),
        ("AL", "AL", ("CE", "AA"), "CE", None, None),
        ("NE", "AL", ("AA", "AA"), "AA", None, None),
        ("NE", "NE", (), None, None, None),
        ("ER", "NE", ("CR",), "CR", None, None),
        ("ER", "ER", (), None, None, None),
        ("NE", "AL", (), None, None, "no answer in time"),
    ],
)
async def test_each_acknowledgment_that_is_asked_for_is_told(accept, application, script, code, then, error):
    """Both where both are due, one where the first refuses; silence is told only where an answer was asked for."""
    payload = frame(header("ADT^A28", rest=f"|||{accept}|{application}"), PID)
    ((told,),) = [row async for row in _told(Receiver(*script), [payload], 1)]
    assert (told["code"], told.get("application"), told["error"]) == (code, then, error)


def test_each_acknowledgment_in_a_batchs_is_told():
    """The envelope is taken off; an envelope that cannot be read tells so."""
    acks = "".join(f"MSH|^~\\&|S\rMSA|{code}|M{n}\r" for n, code in enumerate(("AA", "AE")))
    told = read_answers(f"BHS|^~\\&|S\r{acks}BTS|2\r".encode())
    assert [(row["code"], row["control_id"]) for row in told] == [("AA", "M0"), ("AE", "M1")]
    assert [row["code"] for row in read_answers(b"BHS|^~\\&|S\rNTE|1\r")] == ["?"]
