"""Who acts: every service function takes a Principal, and no parameter names the actor."""

from dataclasses import dataclass, field
from enum import StrEnum

from gateway.errors import AccessRefused


class Right(StrEnum):
    """What a principal may do; each act of the operator's view is a right of its own."""

    SEND = "send"
    """Send messages and appointments into the gateway."""
    MESSAGES_READ = "messages:read"
    """List messages and show them with values masked."""
    MESSAGES_REVEAL = "messages:reveal"
    """Show a stored message with its values, with a reason."""
    MESSAGES_REPLAY = "messages:replay"
    """Process stored messages again, one or many, with a reason."""
    MESSAGES_HOLD = "messages:hold"
    """Keep a message out of the pipeline or of bulk replay, with a reason."""
    MESSAGES_RELEASE = "messages:release"
    """Let a held message go on, with a reason."""
    MESSAGES_EDIT = "messages:edit"
    """Process edited bytes in place of a stored message, with a reason."""
    MESSAGES_DISCARD = "messages:discard"
    """End a message without effect, with a reason."""
    MESSAGES_ASSIGN = "messages:assign"
    """Say who looks after an error or a held message, with a reason."""
    MESSAGES_RESOLVE = "messages:resolve"
    """Say that an error needs nothing more, with a reason."""
    WORKLIST_READ = "worklist:read"
    """Read the worklists of the principal's own secretariats."""
    WORKLIST_READ_ALL = "worklist:read-all"
    """Read every secretariat's worklist."""
    WORKLIST_BREAK_GLASS = "worklist:break-glass"
    """Show all of an item that one may not see otherwise, with a reason (bris de glace)."""
    WORKLIST_CLAIM = "worklist:claim"
    """Claim items."""
    WORKLIST_RELEASE = "worklist:release"
    """Give back the items that one has claimed."""
    WORKLIST_REASSIGN = "worklist:reassign"
    """Give an item to somebody else, whoever holds it, with a reason."""
    WORKLIST_DONE = "worklist:done"
    """Be done with items."""
    WORKLIST_ACKNOWLEDGE = "worklist:acknowledge"
    """Acknowledge that results were received."""
    WORKLIST_ACKNOWLEDGE_CLINICALLY = "worklist:acknowledge-clinically"
    """Acknowledge results clinically; a physician only."""
    WORKLIST_HOLD = "worklist:hold"
    """Put items on hold until a time, with a reason."""
    WORKLIST_COMMENT = "worklist:comment"
    """Comment items."""
    WORKLIST_FORWARD = "worklist:forward"
    """Forward items to another secretariat, with a note."""
    WORKLIST_REOPEN = "worklist:reopen"
    """Open again what was done, with a reason."""
    WORKLIST_UNDO = "worklist:undo"
    """Undo one's own last act on an item."""
    WORKLIST_ADD = "worklist:add"
    """Make items by hand: calls, visits, notes to a physician."""
    CONVOCATION_READ = "convocation:read"
    """List and show the convocations of one's own secretariats, and see their letters."""
    CONVOCATION_PRINT = "convocation:print"
    """Print letters, once and again."""
    CONVOCATION_SENT = "convocation:sent"
    """Say that a patient was told, by post or otherwise."""
    CONVOCATION_CONFIRM = "convocation:confirm"
    """Say that a patient has confirmed."""
    CONVOCATION_RETURN = "convocation:return"
    """Say that a letter came back."""
    CONVOCATION_NO_SHOW = "convocation:no-show"
    """Say that a patient did not come."""
    APPOINTMENT_READ = "appointment:read"
    """Read appointments by the FHIR interface."""
    PATIENT_CROSS_REFERENCE = "patient:cross-reference"
    """Ask by the FHIR interface which numbers are one patient's (PIXm)."""
    PATIENT_READ = "patient:read"
    """Search and read patients by the FHIR interface (PDQm)."""
    PATIENT_MATCH = "patient:match"
    """Ask by the FHIR interface who is like a patient that one describes ($match)."""
    PATIENT_READ_HIDDEN = "patient:read-hidden"
    """Find patients whom the house keeps hidden too, by an act that one has the right to."""
    DEAD_LETTERS_READ = "dead-letters:read"
    """List dead letters and show them with their bodies masked."""
    DEAD_LETTERS_REVEAL = "dead-letters:reveal"
    """Show dead letters with their bodies, with a reason."""
    DEAD_LETTERS_RETURN = "dead-letters:return"
    """Return dead letters to their secretariat's queue, with a reason."""
    DEAD_LETTERS_DISCARD = "dead-letters:discard"
    """Discard dead letters, with a reason."""
    IDENTITY_READ = "identity:read"
    """List identity questions, show and compare identities with values masked."""
    IDENTITY_REVEAL = "identity:reveal"
    """Show and compare identities with their values, with a reason."""
    IDENTITY_LINK = "identity:link"
    """Decide that two identities are one person, with a reason."""
    IDENTITY_NOT_SAME = "identity:not-same"
    """Decide that two identities are not one person, with a reason."""
    IDENTITY_UNLINK = "identity:unlink"
    """Give an identity a person of its own, with a reason."""
    IDENTITY_REQUEST_MERGE = "identity:request-merge"
    """Request a merge from admissions, with a reason."""
    IDENTITY_REQUEST_FLAG = "identity:request-flag"
    """Request from admissions that an identity be marked as homonyme or douteuse, with a reason."""
    IDENTITY_FREEZE = "identity:freeze"
    """Freeze an identity that may be two people's, with a reason."""
    IDENTITY_LIFT = "identity:lift"
    """Lift a freeze, with a reason."""
    IDENTITY_ASK = "identity:ask"
    """Ask a secretariat for what it knows of an identity, with a reason."""
    IDENTITY_APPROVE = "identity:approve"
    """Approve what somebody else proposed."""
    IDENTITY_UNDO = "identity:undo"
    """Undo a decision on identities, with a reason."""
    IDENTITY_MODEL = "identity:model"
    """Train the patient matcher on the stored identities, and say which model decides, with a reason."""
    AUDIT_READ = "audit:read"
    """Search the audit trail."""
    AUDIT_REPORT = "audit:report"
    """Make reports of the audit trail, breaches and anomalies, and write what a search found to a file."""
    AUDIT_DISCLOSE = "audit:disclose"
    """Write for a patient who saw their data: by day and profession."""
    AUDIT_VERIFY = "audit:verify"
    """Verify the audit chain, and see its public keys."""
    AUDIT_EXPORT = "audit:export"
    """Export the audit trail, and prove that an event is in it."""
    AUDIT_KEY = "audit:key"
    """Make and replace the key that signs the audit trail's checkpoints."""
    OPERATE = "operate"
    """Start, migrate and configure the gateway."""


class PrincipalKind(StrEnum):
    """A natural person, or a system."""

    PERSON = "person"
    MACHINE = "machine"


@dataclass(frozen=True, slots=True)
class Principal:
    """One person or machine, with what it may do (PGSSI-S: each action is attributed to one of them).

    Attributes:
        id: stable identifier: an account, a client or a source.
        kind: person or machine.
        profession: professional role, e.g. ``secretary``, ``physician``, ``operator``; empty for a machine.
        secretariats: the secretariats it works for.
        rights: what it may do.
        purpose: purpose of use of this act, e.g. ``TREAT`` or ``HOPERAT`` (HL7 v3 PurposeOfUse).
        address: network address that it calls from; empty: it is on this machine.
        reference: its own number of this call (X-Request-Id); empty: it has none.

    """

    id: str
    kind: PrincipalKind
    profession: str = ""
    secretariats: frozenset[str] = field(default_factory=frozenset)
    rights: frozenset[Right] = field(default_factory=frozenset)
    purpose: str = "HOPERAT"
    address: str = ""
    reference: str = ""

    def require(self, right: Right) -> None:
        """Return when the principal has the right; raise AccessRefused otherwise."""
        if right not in self.rights:
            raise AccessRefused(f"the right {right} is needed")

    @property
    def clinical(self) -> bool:
        """Whether this is a physician, who alone acknowledges clinically."""
        return self.profession == PHYSICIAN

    def may_work_for(self, secretariat: str) -> bool:
        """Whether this principal may act on that secretariat's items, given the right to the act."""
        return secretariat in self.secretariats or Right.WORKLIST_READ_ALL in self.rights

    def may_read_worklist(self, secretariat: str) -> bool:
        """Whether this principal may see that secretariat's items."""
        own = Right.WORKLIST_READ in self.rights and secretariat in self.secretariats
        return own or Right.WORKLIST_READ_ALL in self.rights


PHYSICIAN = "physician"
"""The profession under whose authority a secretary works."""

WORKER = Principal("gateway", PrincipalKind.MACHINE)
"""The gateway itself, when it processes what a source sent."""
