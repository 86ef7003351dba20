"""HL7 v2, as French hospitals send it, into facts."""

from mappings.hl7v2.acknowledgment import acknowledge
from mappings.hl7v2.examination import Examination, examine
from mappings.hl7v2.subject import subjects
from mappings.hl7v2.translation import translate

__all__ = ["Examination", "acknowledge", "examine", "subjects", "translate"]
