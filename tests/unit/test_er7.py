"""The ER7 reader: HL7 v2.5.1 chapter 2, and what senders make of it."""

import pytest

from gateway.er7 import Limits, Separators, codec_of, escape, read, unescape
from gateway.errors import AckCode, CharsetUndecodable, HeaderInvalid, LimitExceeded, NotHl7

HEADER = "MSH|^~\\&|ADM|CHU|GW|CHU|20260321101500||ADT^A01^ADT_A01|C1|P|2.5"


def frame(*lines: str, header: str = HEADER) -> bytes:
    return "\r".join((header, *lines, "")).encode()


def labelled(label: str, name: bytes) -> bytes:
    return f"{HEADER}||||||{label}\rPID|||1||".encode() + name + b"\r"


def rules(raw: bytes, **settings) -> list[tuple[str, str]]:
    return [(flag.path, flag.rule) for flag in read(raw, **settings).flags]


# Segments and fields


def test_bytes_in_are_bytes_out():
    """Whatever is tolerated, the frame's bytes are kept as they came."""
    raw = b"\xef\xbb\xbf\r\n \n" + frame("pid|1", "a stray line", "", "ZZZ|x\ny")
    assert bytes(read(raw)) == raw


def test_header_counts_its_separator_as_first_field():
    """MSH-1 is the field separator and MSH-2 the encoding characters, so MSH-9 is the ninth field."""
    message = read(frame())
    paths = ("MSH-1", "MSH-2", "MSH-3", "MSH-9", "MSH-9.2", "MSH-9.3", "MSH-12")
    assert [message.text(p) for p in paths] == ["|", "^~\\&", "ADM", "ADT", "A01", "ADT_A01", "2.5"]
    assert message.segments[0].field_count == 12


def test_encoding_characters_are_one_opaque_value():
    """MSH-2 is never split by the delimiters that it declares."""
    header = read(frame()).segments[0]
    assert header.whole(2) == "^~\\&"
    assert [r.whole for r in header.repetitions(2)] == ["^~\\&"]
    assert not header.is_null(2)


@pytest.mark.parametrize("name", ["FHS", "BHS"])
def test_file_and_batch_headers_start_a_frame(name):
    """FHS and BHS declare delimiters as MSH does, and their fields are numbered as its are."""
    message = read(f"{name}|^~\\&|ADM\rMSH|^~\\&|LAB\r".encode())
    assert (message.text(f"{name}-3"), message.text("MSH-3")) == ("ADM", "LAB")


def test_a_path_reaches_every_depth():
    """Segment, repetition, component and sub-component are numbered from 1, and the first where left out."""
    message = read(frame("PID|1||8^^^CHU&1.2.3&ISO^PI~9^^^INS&1.2.250&ISO^INS", "OBX|1||||a", "OBX|2||||b"))
    assert message.text("PID-3") == "8"
    assert message.text("PID-3.4.2") == "1.2.3"
    assert message.text("PID-3[2].4.2") == "1.2.250"
    assert message.text("pid[1]-3[2].5") == "INS"
    assert message.text("OBX[2]-5") == "b"


@pytest.mark.parametrize("path", ["PID-99", "PID-3[9]", "PID-3.9", "PID-3.1.9", "OBX-1", "PID[2]-3", "PID-2"])
def test_what_is_absent_is_empty(path):
    """A path beyond what was sent gives the empty text."""
    assert read(frame("PID|1||8^b")).text(path) == ""


@pytest.mark.parametrize("path", ["", "PID", "PID-", "PID-0", "PID-3[0]", "PID.3", "PI-3", "PID-3.1.1.1", "PID-3\n"])
def test_a_bad_path_is_a_programmers_error(path):
    """What is no terser path raises ValueError."""
    with pytest.raises(ValueError, match="a path is"):
        read(frame("PID|1||8")).text(path)


def test_numbers_start_at_one():
    """Zero and less number no field, repetition, component or sub-component."""
    segment = read(frame("PID|1||8^b")).segments[1]
    for ask in (lambda: segment.whole(0), lambda: segment.text(3, 0), lambda: segment.text(3, repetition=-1)):
        with pytest.raises(ValueError, match="numbered from 1"):
            ask()


def test_null_is_not_empty():
    """The HL7 null reads as empty text but says that it is the null; an empty or absent value does not."""
    segment = read(frame('PID|""||1^""~""|')).segments[1]
    assert (segment.text(1), segment.is_null(1), segment.whole(1)) == ("", True, '""')
    assert (segment.text(2), segment.is_null(2), segment.is_null(9)) == ("", False, False)
    assert (segment.is_null(3), segment.is_null(3, 2), segment.is_null(3, repetition=2)) == (False, True, True)


def test_repetitions_keep_their_order_and_their_gaps():
    """A field's repetitions come in order, an empty one between or after others included; an empty field has none."""
    segment = read(frame('PID||a^1&2~~""^c~|')).segments[1]
    found = segment.repetitions(2)
    assert [r.whole for r in found] == ["a^1&2", "", '""^c', ""]
    assert [r.component_count for r in found] == [2, 0, 2, 0]
    assert (found[0].text(), found[0].text(2, 2), found[2].is_null(), found[2].text(2)) == ("a", "2", True, "c")
    assert segment.repetitions(1) == segment.repetitions(3) == segment.repetitions(7) == ()


def test_segments_are_found_by_name_and_counted():
    """Every segment is found by name, in order, and counted in order of first sight."""
    message = read(frame("OBX|1", "ZZ1|x", "OBX|2", "PRT|y"))
    assert [s.text(1) for s in message.all("OBX")] == ["1", "2"]
    assert message.first("PRT").text(1) == "y"
    assert (message.first("NTE"), message.all("NTE")) == (None, ())
    assert message.counts() == (("MSH", 1), ("OBX", 2), ("ZZ1", 1), ("PRT", 1))
    assert [s.position for s in message.segments] == [1, 2, 3, 4, 5]


def test_a_bare_name_is_a_segment():
    """A segment may consist of its name alone."""
    segment = read(frame("PV2")).segments[1]
    assert (segment.name, segment.field_count, segment.text(1), segment.raw) == ("PV2", 0, "", "PV2")


def test_lower_case_names_are_raised_and_flagged():
    """A name in lower case is the same segment, flagged once; the line stays as sent."""
    message = read(frame("pid|1||8", "Obx|1"))
    assert [s.name for s in message.segments] == ["MSH", "PID", "OBX"]
    assert message.segments[1].raw == "pid|1||8"
    assert [f.path for f in message.flags] == ["PID"]


@pytest.mark.parametrize("line", ["conclusion : normale", "PIDX|1", "PV|1", "é12|1", "P-D|1", " PID|1", "PID^1", "-"])
def test_a_stray_line_is_kept_as_text(line):
    """A line that starts with no segment name is kept, without name or fields, and flagged."""
    message = read(frame("PID|1", line, "OBX|1", header=f"{HEADER}||||||UTF-8"))
    stray = message.segments[2]
    assert (stray.name, stray.raw, stray.field_count, stray.text(1), stray.position) == ("", line, 0, "", 3)
    assert [f.path for f in message.flags] == ["#3"]
    assert message.counts() == (("MSH", 1), ("PID", 1), ("", 1), ("OBX", 1))


def test_blank_lines_are_no_segments():
    """Blank lines among and behind segments are passed over."""
    assert read(frame("", "PID|1", "  ", "", "PV1|1", "\t")).counts() == (("MSH", 1), ("PID", 1), ("PV1", 1))


@pytest.mark.parametrize(
    ("end", "word"),
    [("\n", "LF"), ("\r\n", "CRLF"), ("\r", None), ("\n\r", "mixed")],
    ids=["lf", "crlf", "cr", "mixed"],
)
def test_every_line_end_is_read(end, word):
    """CR, LF, CRLF and mixes end a line; all but CR are flagged."""
    message = read(end.join((HEADER, "PID|1", "ZBE|2", "")).encode())
    assert message.counts() == (("MSH", 1), ("PID", 1), ("ZBE", 1))
    assert [f.rule for f in message.flags if word and word in f.rule] == [f.rule for f in message.flags]
    assert len(message.flags) == (word is not None)


def test_byte_order_mark_and_blank_lines_before_the_header_are_flagged():
    """A byte order mark and blank lines may stand before MSH."""
    message = read(b"\xef\xbb\xbf\r\n" + frame())
    assert [f.rule for f in message.flags if "before the header" in f.rule and f.path == ""] == [
        "a byte order mark stands before the header",
        "blank lines stand before the header",
    ]


def test_no_repr_shows_a_value():
    """What a log or a traceback may show of a message holds counts and names only (P6)."""
    message = read(frame("PID|1||8000123", "DUPONT"))
    segment = message.segments[1]
    shown = f"{message!r}{segment!r}{segment.repetitions(3)[0]!r}{message.segments[2]!r}"
    assert "8000123" not in shown
    assert "DUPONT" not in shown
    assert "PID" in shown


# Delimiters


def test_any_punctuation_delimits():
    """The delimiters are those of the header, whatever they are."""
    message = read(b"MSH#*+!%#ADM\rPID###8*b%c+9!S!d\r")
    assert message.separators == Separators("#", "*", "+", "!", "%")
    assert [message.text(p) for p in ("PID-3", "PID-3.2.2", "PID-3[2]")] == ["8", "c", "9*d"]


def test_the_truncation_character_is_the_fifth():
    """MSH-2 of v2.7 declares a truncation character, and the P escape gives it."""
    message = read(b"MSH|^~\\&#|ADM\rPID|a\\P\\b#\r")
    assert message.separators.truncation == "#"
    assert message.text("PID-1") == "a#b#"


@pytest.mark.parametrize("sent", ["^", "^~", "^~\\"])
def test_delimiters_left_out_have_their_usual_characters(sent):
    """The first one to three encoding characters may stand alone; the others have their usual values."""
    message = read(f"MSH|{sent}|ADM\rPID|||a^b&c~d\\T\\\r".encode())
    assert message.separators == Separators()
    assert [message.text(p) for p in ("MSH-2", "PID-3.2.2", "PID-3[2]")] == [sent, "c", "d&"]


@pytest.mark.parametrize(
    "header",
    [
        "MSH",
        "MSH|",
        "MSH||",
        "MSH||||",
        "MSH|^~^&|",
        "MSH|^~\\\\&|",
        "MSH|&|",
        "MSHA^~\\&A",
        "MSH|^a\\&|",
        "MSH ^~\\&",
        "MSH|^~\\& |",
        "MSH|^~\\&#!|",
        'MSH|^~\\"|',
        'MSH"^~\\&"',
        "MSH|é~\\&|",
        "MSHé^~\\&é",
        "MSH\r|^~\\&|",
    ],
)
def test_a_header_without_usable_delimiters_is_refused(header):
    """Delimiters missing, doubled, alphanumeric, blank, not ASCII, or the null's quotation mark: HeaderInvalid, AR."""
    with pytest.raises(HeaderInvalid) as caught:
        read(header.encode())
    assert (caught.value.path, caught.value.acknowledgment) == ("MSH-2", AckCode.AR)


@pytest.mark.parametrize(
    "raw", [b"", b"\r\n", b"MS", b"PID|1", b"<MSH>", b"\x0bMSH|^~\\&|", b"\xff\xfeM\0S\0H\0", b"xMSH|^"]
)
def test_what_starts_otherwise_is_not_hl7(raw):
    """A frame that does not start with MSH, FHS or BHS raises NotHl7, AR."""
    with pytest.raises(NotHl7) as caught:
        read(raw)
    assert caught.value.acknowledgment is AckCode.AR


# Character sets


@pytest.mark.parametrize(
    ("label", "sent", "codec"),
    [
        ("UNICODE UTF-8", "É œ €", "utf-8"),
        ("UTF-8", "É œ €", "utf-8"),
        ("utf8", "É œ €", "utf-8"),
        ("UTF-8~ISO IR87", "É œ €", "utf-8"),
        ("8859/1", "Élise", "iso8859-1"),
        ("ISO-8859-1", "Élise", "iso8859-1"),
        ("8859/15", "Élise œ €", "iso8859-15"),
        ("CP1252", "Élise œ € ’", "cp1252"),
        ("Windows-1252", "Élise œ € ’", "cp1252"),
    ],
)
def test_the_label_decides_the_character_set(label, sent, codec):
    """MSH-18 in any obvious spelling, first repetition, names the codec; nothing is guessed or flagged."""
    message = read(labelled(label, sent.encode(codec)))
    assert (message.text("PID-5"), message.charset.codec, message.charset.guessed) == (sent, codec, False)
    assert message.charset.label == label.split("~")[0]
    assert message.flags == ()


@pytest.mark.parametrize("label", ["", "ASCII", '""', "~ISO IR87"])
def test_an_unlabelled_frame_is_guessed_and_flagged(label):
    """High bytes under no label, or under ASCII, are UTF-8 where they can be, else Windows-1252; flagged either way."""
    as_utf8 = read(labelled(label, "Élise œ".encode()))
    assert (as_utf8.text("PID-5"), as_utf8.charset.codec, as_utf8.charset.guessed) == ("Élise œ", "utf-8", True)
    as_western = read(labelled(label, "Élise œ".encode("cp1252")))
    assert (as_western.text("PID-5"), as_western.charset.codec, as_western.charset.guessed) == (
        "Élise œ",
        "cp1252",
        True,
    )
    assert [f.path for f in as_utf8.flags] == [f.path for f in as_western.flags] == ["MSH-18"]


def test_plain_ascii_needs_no_label():
    """A frame of ASCII bytes without MSH-18 is no guess."""
    message = read(frame("PID|1"))
    assert (message.charset.label, message.charset.codec, message.charset.guessed) == ("", "ascii", False)
    assert message.flags == ()


def test_windows_characters_under_8859_1_are_read_as_windows_means_them():
    """Bytes 0x80-0x9F are no text in 8859/1; they are read as Windows-1252 and flagged."""
    message = read(labelled("8859/1", "l’œil é".encode("cp1252")))
    assert (message.text("PID-5"), message.charset.codec, message.charset.guessed) == ("l’œil é", "cp1252", True)
    assert [f.path for f in message.flags] == ["MSH-18"]


@pytest.mark.parametrize("label", ["", "8859/1", "CP1252"])
def test_bytes_that_windows_lacks_are_kept(label):
    """The five bytes that Windows-1252 does not define become ISO's control characters, flagged, never U+FFFD."""
    message = read(labelled(label, b"\xe9\x81\x8d\x8f\x90\x9d"))
    assert message.text("PID-5") == "é\x81\x8d\x8f\x90\x9d"
    assert (message.charset.codec, message.charset.guessed) == ("iso8859-1", True)
    assert message.flags[-1].rule == "bytes that Windows-1252 does not define; read as 8859/1"


def test_a_western_label_on_utf_8_bytes_is_obeyed_and_flagged():
    """A western label is obeyed even over bytes that fit UTF-8, so that a setting decides, not chance; a flag tells."""
    message = read(labelled("8859/15", "Élise".encode("iso8859-15")))
    assert message.flags == ()
    for label in ("8859/1", "8859/15", "CP1252"):
        message = read(labelled(label, "é".encode()))
        assert message.text("PID-5") == "Ã©"
        assert [f.path for f in message.flags] == ["MSH-18"]


def test_windows_characters_under_8859_15_are_kept_and_flagged():
    """8859/15 has a euro of its own, so bytes 0x80-0x9F under it are nobody's guess: kept as control characters."""
    message = read(labelled("8859/15", "œ €".encode("cp1252")))
    assert (message.text("PID-5"), message.charset.codec) == ("\x9c \x80", "iso8859-15")
    assert [f.path for f in message.flags] == ["MSH-18"]


def test_undecodable_utf_8_is_refused_where_it_is_the_label():
    """Bytes that are not of the labelled UTF-8 raise CharsetUndecodable at MSH-18, AR, without showing them."""
    with pytest.raises(CharsetUndecodable) as caught:
        read(labelled("UNICODE UTF-8", b"caf\xe9"))
    assert (caught.value.path, caught.value.acknowledgment) == ("MSH-18", AckCode.AR)
    assert "caf" not in str(caught.value)


def test_the_sources_setting_overrides_the_label():
    """A source's character set wins over MSH-18, and is no guess."""
    message = read(labelled("UNICODE UTF-8", b"caf\xe9"), charset="8859/1")
    assert (message.text("PID-5"), message.charset.label, message.charset.codec) == (
        "café",
        "UNICODE UTF-8",
        "iso8859-1",
    )
    assert not message.charset.guessed
    with pytest.raises(CharsetUndecodable):
        read(labelled("8859/1", b"caf\xe9"), charset="UTF-8")


@pytest.mark.parametrize("label", ["8859/2", "UNICODE UTF-16", "BIG-5", "?", "ISO IR87"])
def test_other_character_sets_are_refused(label):
    """A label that is not read here raises CharsetUndecodable, even over ASCII bytes: nobody knows what they mean."""
    with pytest.raises(CharsetUndecodable):
        read(labelled(label, b"x"))
    with pytest.raises(CharsetUndecodable):
        codec_of(label)


def test_a_byte_order_mark_outweighs_a_western_label():
    """A UTF-8 mark before UTF-8 bytes decides against a western label, flagged; but never against the override."""
    raw = b"\xef\xbb\xbf" + labelled("8859/1", "é".encode())
    message = read(raw)
    assert (message.text("PID-5"), message.charset.codec, message.charset.guessed) == ("é", "utf-8", True)
    assert read(raw, charset="8859/1").text("PID-5") == "Ã©"


def test_the_label_of_a_batch_is_its_first_messages():
    """FHS and BHS have no character set field, so the first MSH names it."""
    raw = b"FHS|^~\\&|A\rBHS|^~\\&|B\r" + labelled("8859/1", b"caf\xe9")
    message = read(raw)
    assert (message.text("PID-5"), message.charset.label, message.flags) == ("café", "8859/1", ())


# Escapes


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        (r"a\F\b\S\c\T\d\R\e\E\f", "a|b^c&d~e\\f"),
        (r"\X0D\\X0A\x\X41e9\y", "\r\nxAéy"),
        (r"\XC3A9\ \XE9\ \X81\ ", "é é \x81 "),
        (r"a\.br\b\.BR\c\.ce\d", "a\nb\nc\nd"),
        (r"a\.sp\b\.sp3\c\.sp+2\d\.sk4\e", "a\nb\n\n\nc\n\nd    e"),
        (r"\.in+4\\.ti-2\\.fi\a\.nf\b", "ab"),
        (r"\H\important\N\ end", "important end"),
        (r"\C2842\a\M242842\b", r"\C2842\a\M242842\b"),
        (r"\Z12\a\Q\b\X1\c\X\d\XGG\e\P\f", r"\Z12\a\Q\b\X1\c\X\d\XGG\e\P\f"),
        (r"\Zlocal\F\ ", r"\Zlocal\F\ "),
        ("C:\\temp\\new file\\", "C:\\temp\\new file\\"),
        (r"50 \ of \ 60\F\.", r"50 \ of \ 60|."),
        ("\\", "\\"),
        (r"\\", r"\\"),
        (r"\.sp9999\x\.sp99999\y", "\n" * 9 + r"x\.sp99999\y"),
    ],
)
def test_escapes_mean_what_the_standard_says(sent, meant):
    """Known escapes give their meaning; unknown, local and unfinished ones stay as they are."""
    assert unescape(sent) == meant
    assert read(frame(f"OBX|1|FT|||{sent}")).text("OBX-5") == meant


def test_an_escape_means_the_same_however_often_it_is_met():
    """What an escape means is remembered for its delimiters alone, and never for others."""
    sent = r"\F\ \E\ \X41\ \Zx\ \F\ \E\ \X41\ \Zx\ "
    assert unescape(sent) == unescape(sent) == "| \\ A \\Zx\\ " * 2
    assert unescape(sent, Separators(field="#")) == "# \\ A \\Zx\\ " * 2
    for n in range(3_000):
        assert unescape(f"\\X{n:04X}\\x") == unescape(f"\\X{n:04X}\\") + "x"


def test_an_escaped_delimiter_divides_nothing():
    """Fields are split before escapes are read, and the field as sent keeps them."""
    segment = read(frame(r"OBX|a\S\b^c\T\d&e")).segments[1]
    assert (segment.text(1), segment.text(1, 2), segment.text(1, 2, 2)) == ("a^b", "c&d", "e")
    assert segment.whole(1) == r"a\S\b^c\T\d&e"


def test_what_is_escaped_can_be_sent():
    """Escaped text holds no delimiter and no line end, and reads back as it was."""
    text = 'l\'|^~\\& # "x"\r\n\\F\\ é'
    assert escape(text) == r"""l'\F\\S\\R\\E\\T\ # "x"\X0D\\X0A\\E\F\E\ é"""
    assert unescape(escape(text)) == text


def test_the_nulls_characters_as_text_are_no_null():
    """Two quotation marks that are meant as text are escaped, lest they delete something."""
    message = read(frame(f"OBX|{escape(chr(34) * 2)}"))
    assert message.text("OBX-1") == '""'
    assert not message.segments[1].is_null(1)


# Limits


@pytest.mark.parametrize(
    ("limits", "raw", "path"),
    [
        (Limits(bytes_=100), frame("PID|" + "x" * 100), ""),
        (Limits(segments=3), frame("PID", "PV1", "PV2"), ""),
        (Limits(segments=3), frame("", "", ""), ""),
        (Limits(fields=20), frame("PID" + "|" * 21), "PID"),
        (Limits(repetitions=5), frame("PID||" + "~" * 5), "PID-2"),
        (Limits(components=5), frame("PID||" + "^" * 5), "PID-2"),
        (Limits(components=5), frame("PID||a^b&&&&&"), "PID-2"),
        (Limits(components=5), frame("PID||a", "PID||a^^^^^^"), "PID[2]-2"),
        (Limits(escapes=4), frame("OBX|\\F\\", "OBX|\\F\\"), ""),
    ],
)
def test_what_is_larger_than_the_limits_is_refused(limits, raw, path):
    """Bytes, lines, fields, repetitions and components beyond the limits raise LimitExceeded, AR."""
    with pytest.raises(LimitExceeded) as caught:
        read(raw, limits=limits)
    assert (caught.value.path, caught.value.acknowledgment) == (path, AckCode.AR)


@pytest.mark.parametrize(
    ("limits", "raw"),
    [
        (Limits(bytes_=len(frame())), frame()),
        (Limits(segments=3), frame("PID", "PV1")),
        (Limits(segments=3), frame("PID", "PV1").removesuffix(b"\r")),
        (Limits(fields=20), frame("PID" + "|" * 20)),
        (Limits(repetitions=5), frame("PID|~~~~|~~~~")),
        (Limits(components=5), frame("PID|^^^^|^^^^|&&&&")),
        (Limits(escapes=5), frame("OBX|\\F\\", "OBX|\\F\\")),
    ],
)
def test_what_just_fits_the_limits_is_read(limits, raw):
    """The limits themselves are allowed."""
    assert bytes(read(raw, limits=limits)) == raw
