"""Everything that can go wrong, as one tree.

    GatewayError
    ├── SenderError            the sender is wrong: AE / AR with an ERR segment, 4xx with OperationOutcome
    │   ├── NotHl7, HeaderInvalid, CharsetUndecodable, LimitExceeded
    │   ├── UnsupportedMessageType, UnsupportedEvent, UnsupportedProcessingId, UnsupportedVersion
    │   ├── SourceUndeclared, ReceiverUnknown
    │   ├── SegmentMissing, FieldMissing, DataTypeInvalid, ValueUnknown, DocumentIncoherent
    │   ├── DocumentObjection      told to the sender of a document that is taken all the same
    │   │   ├── VersionIncorrect, AuthorNotAllowed, PatientUnknown
    │   │   └── InsMissing, InsDiffers, InsIncomplete
    │   ├── ResourceInvalid, ResourceUnsupported, ResourceNotFound, ResourcePurged
    │   ├── DomainUnknown, TargetUnknown, SearchTooBroad
    │   └── PreconditionFailed, StateConflict, AccessRefused
    ├── TroubleError           we are in trouble: AE and 503; the worker and the relay back off and retry
    │   └── StorageUnavailable, DurabilityUnverified, StoreInUse, BrokerUnavailable, IntakePaused
    ├── UndecidedError         nobody can decide: a person must look (quarantine)
    │   └── MessageIncoherent, PersonNeeded, ProductionGuard, ProcessingFailed
    └── ConfigurationError     the operator's file is wrong: refused with path, line and what was expected

A text holds a path, a rule and lengths, never a field's value (promise P6).
"""

from enum import StrEnum
from typing import ClassVar, Final


class AckCode(StrEnum):
    """Acknowledgment codes of HL7 table 0008: original mode's and application, then accept (commit)."""

    AA = "AA"
    AE = "AE"
    AR = "AR"
    CA = "CA"
    CE = "CE"
    CR = "CR"


POSITIVE: Final = frozenset({AckCode.AA, AckCode.CA})
"""The codes that promise: the bytes are on disk (promise P1)."""


class GatewayError(Exception):
    """An error with a path and a rule, and the answer it deserves.

    Attributes:
        path: where in the message or file, in terser form (``PID-3[1].4``) or FHIRPath; empty for the whole.
        rule: what was expected there, in words that hold no value from the message.
        acknowledgment: HL7 table 0008 code to answer.
        condition: HL7 table 0357 message error condition code for ERR-3.
        application: the application's own code for ERR-5; empty if there is none.
        http_status: HTTP status to answer.
        issue_type: FHIR R4 issue-type code for an OperationOutcome.

    """

    acknowledgment: ClassVar[AckCode] = AckCode.AE
    condition: ClassVar[int] = 207
    application: ClassVar[str] = ""
    http_status: ClassVar[int] = 500
    issue_type: ClassVar[str] = "exception"

    def __init__(self, rule: str, *, path: str = "") -> None:
        super().__init__(f"{path}: {rule}" if path else rule)
        self.rule = rule
        self.path = path

    @property
    def name(self) -> str:
        """The class's name: the stable code that logs, outcomes and answers carry."""
        return type(self).__name__


class SenderError(GatewayError):
    """The sender is wrong and should correct before it sends again."""

    http_status = 400
    issue_type = "invalid"


class NotHl7(SenderError):
    """The frame does not start with an MSH (or FHS / BHS) segment."""

    acknowledgment = AckCode.AR
    condition = 100


class HeaderInvalid(SenderError):
    """The MSH segment cannot be read: delimiters missing, doubled or of no use."""

    acknowledgment = AckCode.AR
    condition = 102


class CharsetUndecodable(SenderError):
    """The bytes are not of the character set that MSH-18 (or the source's setting) names."""

    acknowledgment = AckCode.AR
    condition = 102


class LimitExceeded(SenderError):
    """Too large: frame, field count or depth beyond the configured bound (promise P9)."""

    acknowledgment = AckCode.AR
    condition = 102
    http_status = 413
    issue_type = "too-long"


class UnsupportedMessageType(SenderError):
    """MSH-9.1 is no message type that this gateway takes."""

    acknowledgment = AckCode.AR
    condition = 200
    http_status = 422
    issue_type = "not-supported"


class UnsupportedEvent(SenderError):
    """MSH-9.2 is no trigger event that this gateway takes for that message type."""

    acknowledgment = AckCode.AR
    condition = 201
    http_status = 422
    issue_type = "not-supported"


class UnsupportedProcessingId(SenderError):
    """MSH-11 is none of P, T, D."""

    acknowledgment = AckCode.AR
    condition = 202


class UnsupportedVersion(SenderError):
    """MSH-12 is no HL7 v2 version that this gateway reads."""

    acknowledgment = AckCode.AR
    condition = 203


class SourceUndeclared(SenderError):
    """No source of the site's data matches the sender."""

    acknowledgment = AckCode.AR
    condition = 207
    http_status = 403
    issue_type = "forbidden"


class ReceiverUnknown(SenderError):
    """MSH-5 or MSH-6 names another receiver than the source may send to: a table of the site (0361, 0362)."""

    acknowledgment = AckCode.AR
    condition = 103
    http_status = 422
    issue_type = "code-invalid"


class SegmentMissing(SenderError):
    """A segment that the message cannot do without is absent, or out of order."""

    condition = 100
    issue_type = "required"


class FieldMissing(SenderError):
    """A field that the message cannot do without is absent."""

    condition = 101
    http_status = 422
    issue_type = "required"


class DataTypeInvalid(SenderError):
    """A field is not of its data type."""

    condition = 102
    http_status = 422
    issue_type = "value"


class ValueUnknown(SenderError):
    """A coded field holds a code that its table does not."""

    condition = 103
    http_status = 422
    issue_type = "code-invalid"


class DocumentIncoherent(SenderError):
    """The message, the document in it and what is asked for contradict each other (CI-SIS, CDA en HL7v2)."""

    application = "906"
    http_status = 422
    issue_type = "business-rule"


class DocumentObjection(SenderError):
    """What the sender of a document is told once it has taken effect (CI-SIS, CDA en HL7v2 2.1, codes d'erreur).

    Never raised: doubt does not delay a document, and who works on it sees the objection as a remark.
    """

    http_status = 422
    issue_type = "business-rule"


class VersionIncorrect(DocumentObjection):
    """The document to be replaced or withdrawn is not known, or is not the version that is in force."""

    application = "900"


class AuthorNotAllowed(DocumentObjection):
    """A document is replaced or withdrawn by who may not do so."""

    application = "901"


class PatientUnknown(DocumentObjection):
    """Nobody is known by the patient's identifiers."""

    application = "902"


class InsMissing(DocumentObjection):
    """The document comes without an INS, and none is known of its patient."""

    application = "903"


class InsDiffers(DocumentObjection):
    """The INS or the traits that came with it are not those known of the patient."""

    application = "904"


class InsIncomplete(DocumentObjection):
    """The INS comes without a trait that goes with it, or is itself cut short."""

    application = "905"


class ResourceInvalid(SenderError):
    """A FHIR resource breaks its definition."""

    http_status = 422
    issue_type = "structure"


class ResourceUnsupported(SenderError):
    """A FHIR resource type or interaction that this gateway does not offer."""

    http_status = 404
    issue_type = "not-supported"


class ResourceNotFound(SenderError):
    """No resource has this id."""

    http_status = 404
    issue_type = "not-found"


class ResourcePurged(SenderError):
    """What is asked for was kept for its retention time and is gone; its record stays."""

    http_status = 410
    issue_type = "deleted"


class DomainUnknown(SenderError):
    """An identifier is named in an identification domain that nobody here knows (IHE PIXm, ITI-83)."""

    issue_type = "code-invalid"


class TargetUnknown(SenderError):
    """Identifiers are asked for of a domain that nobody here knows (IHE PIXm, ITI-83)."""

    http_status = 403
    issue_type = "code-invalid"


class SearchTooBroad(SenderError):
    """A search for patients would find more of them than anybody may look through."""

    issue_type = "too-costly"


class PreconditionFailed(SenderError):
    """A conditional request met several resources (FHIR R4 http.html#cond-update)."""

    http_status = 412
    issue_type = "multiple-matches"


class StateConflict(SenderError):
    """The act is not possible in the state in which the thing is by now."""

    http_status = 409
    issue_type = "conflict"


class ReasonNeeded(StateConflict):
    """An act is not done without words that say why, or with more of them than are kept."""

    http_status = 422
    issue_type = "required"


class DecidedMeanwhile(StateConflict):
    """The act is not possible any more, and somebody has decided on these records before: who and when.

    Attributes:
        decision: number of the last decision on the records; 0: there is none.
        by: who decided, approved or undid it.
        at: when, ISO 8601; empty: there is none.

    """

    def __init__(self, rule: str, *, path: str = "", decision: int = 0, by: str = "", at: str = "") -> None:
        super().__init__(rule, path=path)
        self.decision = decision
        self.by = by
        self.at = at


class VersionOutdated(DecidedMeanwhile):
    """What the act was decided on is not as it was seen (RFC 9110, If-Match)."""

    http_status = 412


class AccessRefused(SenderError):
    """The principal is unknown, or lacks the right for this act."""

    acknowledgment = AckCode.AR
    http_status = 403
    issue_type = "forbidden"


class TroubleError(GatewayError):
    """We are in trouble: nothing was promised, try again later."""

    http_status = 503
    issue_type = "transient"


class StorageUnavailable(TroubleError):
    """The store did not confirm the commit."""


class DurabilityUnverified(TroubleError):
    """The store's settings do not keep what is committed (promise P1): the gateway does not start."""


class StoreInUse(TroubleError):
    """Another process serves this SQLite file: one process at a time."""


class BrokerUnavailable(TroubleError):
    """The broker did not confirm."""


class IntakePaused(TroubleError):
    """The backlog, the disk or the sender's rate is at its limit: nothing more is taken for now."""


class UndecidedError(GatewayError):
    """Nobody but a person can decide: the message goes to quarantine with this cause."""

    http_status = 422
    issue_type = "business-rule"


class MessageIncoherent(UndecidedError):
    """The message contradicts itself."""


class PersonNeeded(UndecidedError):
    """The event is understood, but no rule of ours may carry it out: stays moved or renumbered, several patients."""


class ProductionGuard(UndecidedError):
    """Test matter met production: MSH-11 T / D, or an INS of test or demonstration (OID .10 / .11)."""


class ProcessingFailed(UndecidedError):
    """Our own code failed on this message; the class of the fault is named, its text is not."""


class ConfigurationError(GatewayError):
    """A setting or site file is wrong.

    Attributes:
        path: the file, and the key in it.
        line: line in the file, from 1; None where there is none (environment).

    """

    def __init__(self, rule: str, *, path: str = "", line: int | None = None) -> None:
        super().__init__(rule, path=f"{path}:{line}" if line else path)
        self.line = line


def restored(name: str, rule: str, path: str) -> GatewayError:
    """Give the error whose class's name, rule and path were kept; of a class that is no more, ProcessingFailed."""
    classes: list[type[GatewayError]] = [GatewayError]
    for each in classes:
        if each.__name__ == name:
            return each(rule, path=path)
        classes += each.__subclasses__()
    return ProcessingFailed(rule, path=path)
