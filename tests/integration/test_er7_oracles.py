"""The ER7 reader beside two others, python-hl7 and hl7apy, and the names that hl7apy's tables give.

Both are oracles only for what they keep. python-hl7 trims each line's ends. hl7apy trims empty ends of fields, drops
fields that its version withdrew, escapes again what it does not know, and moves components that its version's data type
does not have (a telephone number in the first component of an XTN of v2.6 comes out in the eighteenth).
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import hl7
import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.exceptions import HL7apyException
from hl7apy.parser import parse_message
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.hl7v2.dictionary import field_name, segment_name
from gateway import er7
from gateway.errors import GatewayError, HeaderInvalid

CORPUS = Path(__file__).resolve().parents[2].parent / "shared" / "corpus"
needs_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason=f"no corpus of messages at {CORPUS}")

ADT = (
    "MSH|^~\\&|ADM|CHU|GW|CHU|20260321101500||ADT^A01^ADT_A01|C1|P|2.5^FRA^2.11|||||FRA|UNICODE UTF-8",
    "EVN||20260321101400|||ROUX^J^^^^^^^AUT&1.2.250.1.999.1&ISO",
    'PID|1||8^^^CHU&1.2.250.1.999.2&ISO^PI~9^^^INS&1.2.250.1.213.1.4.10&ISO^INS||TEST^Élise^""^^^^L~TEST^É^^^^^D||1979',
    "PV1|1|I|CARD^101^1^CHU||||100^TEST^G^^^^^^PS&1.2.250.1.71&ISO^L^^^RPPS||||||||||||24^^^CHU",
    'ZBE|M1^CHU^1.2.3^ISO|20260321100000||INSERT|N||CARD^^^^^CHU^UF^^^2100||""',
)
ORU = (
    "MSH|^~\\&|LAB|CHU|GW|CHU|20260321101500||ORU^R01^ORU_R01|C2|P|2.5|||||FRA|8859/1",
    "PID|1||8^^^CHU^PI||TEST^A\\T\\B^C\\S\\D",
    "OBR|1|P1|F1|718-7^Hémoglobine^LN|||20260321",
    "OBX|1|NM|718-7^Hémoglobine^LN||13.2|g/dL|12\\E\\16|N~L|||F",
    "OBX|2|TX|NOTE^Note^L||a\\F\\b\\R\\c~~d|||||F",
    "NTE|1||\\E\\ & suite",
)
SIU = (
    "MSH#*+!%#AGD#CHU#GW#CHU#20260321##SIU*S12*SIU_S12#C3#P#2.5",
    "SCH#1*AGD#2*AGD%1.2.3%ISO###a!S!b",
    "PID#1##8***CHU%1.2%ISO*PI+9",
    "AIS#1##CONS*Consultation#20260401090000",
)
OWN = {"adt": ADT, "oru": ORU, "siu": SIU}


def corpus_files() -> Iterator[Path]:
    yield from sorted(CORPUS.rglob("*.hl7"))


def corpus_messages(step: int = 1) -> Iterator[tuple[str, er7.Message]]:
    """Every step-th message of the corpus that is accepted and is no batch."""
    for path in list(corpus_files())[::step]:
        try:
            message = er7.read(path.read_bytes())
        except GatewayError:
            continue
        if message.segments[0].name == "MSH":
            yield path.name, message


def in_standard_form(message: er7.Message) -> str:
    """The message's segments with the line ends that the oracles want; stray lines are not for them."""
    return "".join(f"{segment.raw}\r" for segment in message.segments if segment.name)


def differs_from_python_hl7(message: er7.Message) -> list[str]:
    """Paths at which python-hl7 reads another field."""
    ours = [segment for segment in message.segments if segment.name]
    theirs = hl7.parse(in_standard_form(message))
    differing = []
    for segment, parsed in zip(ours, theirs, strict=True):
        for number in range(1, segment.field_count + 1):
            field = str(parsed[number]) if number < len(parsed) else ""
            if field.strip() != segment.whole(number).strip():
                differing.append(f"{segment.name}#{segment.position}-{number}")
    return differing


Form = Callable[[str, er7.Separators], object]


def without_empty_ends(field: str, separators: er7.Separators) -> str:
    """The field without empty sub-components, components and repetitions at its ends."""
    repetition, component, subcomponent = map(
        re.escape, (separators.repetition, separators.component, separators.subcomponent)
    )
    field = re.sub(rf"{subcomponent}+(?=$|{component}|{repetition})", "", field)
    field = re.sub(rf"{component}+(?=$|{repetition})", "", field)
    return re.sub(rf"{repetition}+$", "", field)


def values_in_any_place(field: str, separators: er7.Separators) -> Counter[str]:
    """The values of the field, wherever in it they stand."""
    marks = re.escape(separators.repetition + separators.component + separators.subcomponent)
    return Counter(value.strip() for value in re.split(f"[{marks}]", field) if value.strip())


def compared_with_hl7apy(message: er7.Message, form: Form) -> tuple[int, list[str]]:
    """How many fields hl7apy kept, and the paths at which it reads another one, both brought into a form."""
    parsed = parse_message(in_standard_form(message), find_groups=False, validation_level=VALIDATION_LEVEL.TOLERANT)
    seen: Counter[str] = Counter()
    compared, differing = 0, []
    for theirs in parsed.children:
        segment = message.all(theirs.name)[seen[theirs.name]]
        seen[theirs.name] += 1
        kept: dict[str, list[str]] = {}
        for field in theirs.children:
            if field.name:  # none beyond those of its version
                kept.setdefault(field.name, []).append(field.to_er7(parsed.encoding_chars))
        for name, repetitions in kept.items():
            number = int(name.rpartition("_")[2])
            whole = segment.whole(number)
            if number <= 2 or message.separators.escape in whole:
                continue
            compared += 1
            field = message.separators.repetition.join(repetitions)
            if form(field, message.separators) != form(whole, message.separators):
                differing.append(f"{name}#{segment.position}")
    return compared, differing


@pytest.mark.parametrize("lines", OWN.values(), ids=OWN)
def test_python_hl7_reads_the_same_fields(lines):
    """Every field of our own messages is the one that python-hl7 reads."""
    assert differs_from_python_hl7(er7.read("\r".join(lines).encode(), charset="UTF-8")) == []


@pytest.mark.parametrize("lines", OWN.values(), ids=OWN)
def test_python_hl7_reads_the_same_values(lines):
    """Every value of our own messages, down to the sub-component, decoded and unescaped, is python-hl7's."""
    assert same_values_as_python_hl7("\r".join(lines)) > 10


def same_values_as_python_hl7(text: str) -> int:
    """How many values were found, each the same as python-hl7's."""
    message = er7.read(text.encode(), charset="UTF-8")
    theirs = hl7.parse(text)
    compared = 0
    for segment in message.segments[1:]:
        for field in range(1, segment.field_count + 1):
            for at, repetition in enumerate(segment.repetitions(field), 1):
                parts = repetition.whole.split(message.separators.component)
                for component, part in enumerate(parts, 1):
                    for subcomponent in range(1, part.count(message.separators.subcomponent) + 2):
                        place = (segment.name, segment.occurrence, field, at, component, subcomponent)
                        value = theirs.extract_field(*place)
                        assert repetition.text(component, subcomponent) == ("" if value == '""' else value), place
                        compared += 1
    return compared


@pytest.mark.parametrize("lines", OWN.values(), ids=OWN)
def test_hl7apy_reads_the_same_fields(lines):
    """Every field of our own messages that hl7apy keeps is the one that we read."""
    compared, differing = compared_with_hl7apy(er7.read("\r".join(lines).encode(), charset="UTF-8"), without_empty_ends)
    assert differing == []
    assert compared > 10


few = settings(max_examples=60, deadline=None, database=None)
words = st.text(st.characters(categories=["L", "Nd", "P", "S", "Zs"]), max_size=8).map(str.strip)
"""Text without control characters, nor blanks at its ends: python-hl7 trims lines, and lines end in fields."""


@st.composite
def repeated(draw, components: int, subcomponents: int = 1) -> str:
    """A field of up to three repetitions, each of at most so many components and sub-components, or the null."""

    def joined(mark: str, most: int, part: Callable[[], str]) -> str:
        return mark.join(part() for _ in range(draw(st.integers(1, most))))

    def value() -> str:
        return er7.escape(draw(words)) or draw(st.sampled_from(["", '""', "x"]))

    return joined("~", 3, lambda: joined("^", components, lambda: joined("&", subcomponents, value)))


@st.composite
def messages(draw) -> str:
    """A result of any depth: fields that the standard has, within the sizes of their data types."""
    lines = [
        "MSH|^~\\&|LAB|CHU|GW|CHU|20260321101500||ORU^R01^ORU_R01|C1|P|2.5|||||FRA|UNICODE UTF-8",
        f"PID|1||{draw(repeated(3))}||{draw(repeated(4))}|||||",
        f"OBR|1|{draw(repeated(2))}|{draw(repeated(2))}|{draw(repeated(3))}",
    ]
    for number in range(draw(st.integers(0, 3))):
        lines.append(f"OBX|{number + 1}|ST|{draw(repeated(3))}||{draw(repeated(1))}|||{draw(repeated(1))}|||F")
        lines += [f"NTE|{number + 1}||{draw(repeated(1))}|"] * draw(st.integers(0, 2))
    return "\r".join([*lines, ""])


@few
@given(messages(), st.sampled_from(["\r", "\n", "\r\n"]))
def test_python_hl7_reads_the_same_of_any_message(text, end):
    """Field by field and value by value, whatever the line ends that we stand beside it."""
    message = er7.read(text.replace("\r", end).encode())
    assert differs_from_python_hl7(message) == []
    same_values_as_python_hl7(text)


@few
@given(messages())
def test_hl7apy_reads_the_same_of_any_message(text):
    """Every field of a generated message that hl7apy keeps has the values that we read, each in its place."""
    compared, differing = compared_with_hl7apy(er7.read(text.encode()), without_empty_ends)
    assert differing == []
    assert compared > 0


@needs_corpus
def test_every_corpus_file_is_read_without_loss():
    """Bytes in are bytes out, and lines in are segments understood, for every file with a usable header."""
    refused = []
    for path in corpus_files():
        raw = path.read_bytes()
        try:
            message = er7.read(raw)
        except HeaderInvalid:
            refused.append(path.name)
            continue
        assert bytes(message) == raw, path.name
        lines = [line for line in re.split(rb"[\r\n]+", raw.removeprefix(b"\xef\xbb\xbf")) if line.strip()]
        valid = (re.match(rb"(?i)([a-z0-9]{3})(?:$|" + re.escape(line[3:4]) + rb")", line) for line in lines)
        field = message.separators.field.encode()
        names = [
            m[1].decode().upper() if m and line[3:4] in (b"", field) else ""
            for m, line in zip(valid, lines, strict=True)
        ]
        assert Counter(names) == Counter(dict(message.counts())), path.name
        assert Counter(s.name for s in message.segments) == Counter(names), path.name
    assert all(er7_header_is_unusable(CORPUS, name) for name in refused)


def er7_header_is_unusable(corpus: Path, name: str) -> bool:
    """Whether the encoding characters of this file are doubled or too many."""
    raw = next(corpus.rglob(name)).read_bytes().lstrip(b"\xef\xbb\xbf\r\n ")
    encoding = raw[4 : raw.index(raw[3:4], 4)]
    return len(set(encoding)) < len(encoding) or len(encoding) > 5


@needs_corpus
def test_python_hl7_reads_the_same_corpus():
    """Every field of the corpus is the one that python-hl7 reads."""
    differing = {name: found for name, message in corpus_messages() if (found := differs_from_python_hl7(message))}
    assert differing == {}


@needs_corpus
def test_hl7apy_reads_the_same_corpus():
    """Every field that hl7apy keeps, in a sample of the corpus, has the values that we read."""
    compared, differing = 0, {}
    for name, message in corpus_messages(step=12):
        try:
            count, found = compared_with_hl7apy(message, values_in_any_place)
        except HL7apyException:
            continue  # a version, name or fifth encoding character that it does not take
        compared += count
        if found:
            differing[name] = found
    assert differing == {}
    assert compared > 1000


@pytest.mark.parametrize(
    ("version", "segment", "field", "name"),
    [
        ("2.5", "PID", 3, "Patient Identifier List"),
        ("2.5^FRA^2.11", "pid", 3, "Patient Identifier List"),
        ("2.5", "PID", 6, "Mother's Maiden Name"),
        ("2.5.1", "MSH", 7, "Date/Time of Message"),
        ("2.6", "TXA", 12, "Unique Document Number"),
        ("2.7", "OBX", 5, "Observation Value"),
        ("2.3", "PID", 3, "Patient ID Internal ID"),
        ("1.0", "PID", 3, "Patient ID Internal ID"),
        ("2.5.2", "PID", 3, "Patient Identifier List"),
        ("12.0", "PID", 3, "Patient Identifier List"),
        ("", "MSH", 18, "Character Set"),
        ("inconnue", "AFF", 1, "Set ID AFF"),
        ("2.5", "PRT", 4, "Participation"),
        ("2.5", "PID", 40, "Patient Telecommunication Information"),
        ("2.8.2", "PV1", 52, "Other Healthcare Provider"),
        ("2.5", "PID", 99, ""),
        ("2.5", "PID", 0, ""),
        ("2.5", "ZBE", 1, ""),
        ("2.5", "", 1, ""),
        ("2.5", "QQQ", 1, ""),
    ],
)
def test_fields_have_the_names_of_their_version(version, segment, field, name):
    """A field is named by its version, the nearest older one, or whichever has it; Z segments have no names."""
    assert field_name(version, segment, field) == name


@pytest.mark.parametrize(
    ("segment", "name"),
    [("PID", "Patient Identification"), ("txa", "Transcription Document Header"), ("ZBE", ""), ("", ""), ("QQQ", "")],
)
def test_segments_have_names(segment, name):
    """A segment of the standard has a name in any version, a Z segment none."""
    assert segment_name("2.5", segment) == name
