"""The header of a CDA R2 document (HL7 CDA R2 §4.2; CI-SIS « Structuration minimale des documents de santé »).

A document comes from outside and may be megabytes long: it is read in pieces, up to its body and no further, with no
entity, no DTD, no network, and bounded in size, depth and number of elements (promise P9).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from lxml import etree

from gateway.errors import DataTypeInvalid, LimitExceeded

LONGEST_HEADER: Final = 1024 * 1024
"""Bytes of a document that are read at most; the header of a real one has some ten thousand."""

DEEPEST: Final = 64
"""Elements within each other; a header has some ten."""

MOST_ELEMENTS: Final = 20_000
"""Elements of a header."""

_V3: Final = "{urn:hl7-org:v3}"
_BODY: Final = _V3 + "component"
_REPLACES: Final = "RPLC"
_BELOW_ROOT: Final = 2

Instance = tuple[str, str]
"""An II: root (an OID) and extension, which may be empty."""


@dataclass(frozen=True, slots=True)
class CdaHeader:
    """What a document says of itself. An empty text is "not said".

    Attributes:
        id: ClinicalDocument/id.
        replaces: the document in whose place it is (relatedDocument, RPLC); None if none.
        code: type of the document, LOINC.
        label: the same, for people.
        title: title.
        confidentiality: confidentialityCode (N, R, V).
        patient_ids: recordTarget/patientRole/id.
        birth_date: birthTime, as sent (HL7 TS).
        author: first author, as shown to people.

    """

    id: Instance | None
    replaces: Instance | None = None
    code: str = ""
    label: str = ""
    title: str = ""
    confidentiality: str = ""
    patient_ids: tuple[Instance, ...] = ()
    birth_date: str = ""
    author: str = ""


def header_of(pieces: Iterable[bytes], *, path: str = "") -> CdaHeader | None:
    """Give the header of the document that these pieces make; None if it is XML of another kind.

    Args:
        pieces: the document's bytes, in order; no more of them is asked for than the header takes.
        path: where the document stands, for errors.

    Raises:
        DataTypeInvalid: it is no well-formed XML, or has a document type declaration.
        LimitExceeded: the header is larger or deeper than what is read.

    """
    try:
        root = _up_to_body(pieces, path)
    except etree.XMLSyntaxError:
        raise DataTypeInvalid("well-formed XML", path=path) from None
    return _header(root) if root is not None and root.tag == f"{_V3}ClinicalDocument" else None


def _up_to_body(pieces: Iterable[bytes], path: str) -> etree._Element | None:
    """Give the root with everything before its component; None if there is no element at all."""
    parser = etree.XMLPullParser(
        events=("start", "end"),
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        recover=False,
        remove_comments=True,
        remove_pis=True,
    )
    root, depth, seen, read = None, 0, 0, 0
    for piece in pieces:
        read += len(piece)
        parser.feed(piece)
        for event, element in parser.read_events():
            if event == "end":
                depth -= 1
                continue
            depth, seen = depth + 1, seen + 1
            if root is None:
                root = element
                if element.getroottree().docinfo.doctype:
                    raise DataTypeInvalid("a document without a document type declaration", path=path)
            if depth == _BELOW_ROOT and element.tag == _BODY:
                return root
            if depth > DEEPEST or seen > MOST_ELEMENTS:
                raise LimitExceeded(f"at most {MOST_ELEMENTS} elements, {DEEPEST} deep, in a header", path=path)
        if read > LONGEST_HEADER:
            raise LimitExceeded(f"at most {LONGEST_HEADER} bytes before the body of a document", path=path)
    parser.close()
    return root


def _header(root: etree._Element) -> CdaHeader:
    role = _child(root, "recordTarget", "patientRole")
    code = _child(root, "code")
    return CdaHeader(
        id=_instance(_child(root, "id")),
        replaces=_replaced(root),
        code=_attribute(code, "code"),
        label=_attribute(code, "displayName"),
        title=_text(_child(root, "title")),
        confidentiality=_attribute(_child(root, "confidentialityCode"), "code"),
        patient_ids=tuple(found for each in _children(role, "id") if (found := _instance(each))),
        birth_date=_attribute(_child(role, "patient", "birthTime"), "value"),
        author=_author(_child(root, "author", "assignedAuthor")),
    )


def _child(element: etree._Element | None, *names: str) -> etree._Element | None:
    return None if element is None else element.find("/".join(_V3 + name for name in names))


def _children(element: etree._Element | None, name: str) -> list[etree._Element]:
    return [] if element is None else element.findall(_V3 + name)


def _attribute(element: etree._Element | None, name: str) -> str:
    return "" if element is None else (element.get(name) or "").strip()


def _text(element: etree._Element | None) -> str:
    return "" if element is None else " ".join("".join(element.itertext()).split())


def _instance(element: etree._Element | None) -> Instance | None:
    root = _attribute(element, "root")
    return (root, _attribute(element, "extension")) if root else None


def _replaced(root: etree._Element) -> Instance | None:
    for related in _children(root, "relatedDocument"):
        if _attribute(related, "typeCode") == _REPLACES:
            return _instance(_child(related, "parentDocument", "id"))
    return None


def _author(author: etree._Element | None) -> str:
    """A person by prefix, given and family names; a device by its software's name."""
    name = _child(author, "assignedPerson", "name")
    parts = (_text(each) for part in ("prefix", "given", "family") for each in _children(name, part))
    shown = " ".join(part for part in parts if part)
    return shown or _text(name) or _text(_child(author, "assignedAuthoringDevice", "softwareName"))
