"""A corpus of other people's messages goes through a running gateway, and nothing of it is lost, leaked or fatal."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from gateways import REPOSITORY, gateway_in, write_site

from adapters.store.audit import AuditTrail
from mappings.hl7v2.batch import is_batch, read_file, split

CORPUS = REPOSITORY.parent / "shared" / "corpus"
LONGEST_SHORT = 4
"""Values up to this length are met by chance everywhere."""


@pytest.fixture(scope="module")
def corpus():
    """The corpus's files."""
    files = sorted(CORPUS.rglob("*.hl7"))
    if not files:
        pytest.skip("no ../shared/corpus beside the checkout")
    return files


def traits(files: list[Path]) -> set[str]:
    """Give the values of all PID fields and their components that can be told apart from our own words."""
    values = set()
    for file in files:
        for line in re.split(rb"[\r\n]+", file.read_bytes()):
            if line[:3] == b"PID":
                for charset in ("utf-8", "latin-1"):
                    values |= set(re.split(r"[|^~&]", line.decode(charset, "replace")[4:]))
    own = "".join(
        f.read_text() for room in ("gateway", "mappings", "adapters") for f in (REPOSITORY / room).rglob("*.py")
    )
    long = {value.strip() for value in values if len(value.strip()) > LONGEST_SHORT}
    return {value for value in long if value not in own}  # "other" is in "another": a word of ours tells nothing


def messages_of(part: bytes) -> Sequence[bytes]:
    """Give the messages of what is sent in one frame."""
    return read_file(part).messages if is_batch(part) else (part,)


def texts(events: list[dict[str, Any]]) -> Iterator[str]:
    """Give the texts of log events, without times, addresses and numbers, in which any digits may be met."""
    for event in events:
        yield from (
            v for k, v in event.items() if isinstance(v, str) and k not in {"timestamp", "mllp", "http", "peer"}
        )


def test_the_corpus_goes_through(tmp_path, corpus):
    """Every complete frame is answered, every message ends as one of four, the chain holds, the log tells nobody."""
    site = write_site(tmp_path / "site", any_source=True)
    parts = {(str(file), n): part for file in corpus for n, part in enumerate(split(file.read_bytes()), start=1)}
    frames = [message for part in parts.values() for message in messages_of(part)]
    with gateway_in(tmp_path, site=site) as gateway:
        answers = gateway.json("send", *corpus, "--to", gateway.ready["mllp"], exit_code=None)
        assert {(answer["file"], answer["message"]) for answer in answers} == set(parts)
        assert {answer["code"] for answer in answers} == {"AA", "AE", "AR", "CA", "CE", "CR", None}
        assert [answer for answer in answers if answer["code"] is None and answer["error"]] == []
        summary = gateway.settled()
        assert summary["received"] == len(frames)
        assert summary["received"] == sum(count for name, count in summary.items() if name != "received")
        assert summary["processed"] > len(frames) // 4
        kept = gateway.rows("SELECT raw FROM message_body ORDER BY message_id")
        assert [bytes(raw) for (raw,) in kept] == frames
        faults = gateway.rows("SELECT message_id, rule FROM outcome WHERE error = 'ProcessingFailed'")
        assert faults == []
        assert gateway.terminate() == 0
        with gateway.database() as database:
            assert AuditTrail(database).verify().ok
        told = [json.loads(line) for line in gateway.log.splitlines()]
    said = "\n".join([*texts(told), *(answer["error"] or "" for answer in answers)])
    assert sorted(value for value in traits(corpus) if value in said) == []
