"""Names that people read: of segments and fields, by HL7 v2 version.

Field names come from hl7apy's copy of the standard's tables; it holds no names of segments, so these stand here (the
titles of their sections in the standard, 2.1 to 2.8.2). A version's tables are loaded when first asked for, in some
tenths of a second; answers are cached.
"""

import re
from functools import lru_cache
from typing import Final

from hl7apy import SUPPORTED_LIBRARIES, load_library

SEGMENT_NAMES: Final[dict[str, str]] = {
    "ABS": "Abstract",
    "ACC": "Accident",
    "ADD": "Addendum",
    "ADJ": "Adjustment",
    "AFF": "Professional Affiliation",
    "AIG": "Appointment Information - General Resource",
    "AIL": "Appointment Information - Location Resource",
    "AIP": "Appointment Information - Personnel Resource",
    "AIS": "Appointment Information - Service",
    "AL1": "Patient Allergy Information",
    "APR": "Appointment Preferences",
    "ARQ": "Appointment Request",
    "ARV": "Access Restriction",
    "AUT": "Authorization Information",
    "BHS": "Batch Header",
    "BLC": "Blood Code",
    "BLG": "Billing",
    "BPO": "Blood Product Order",
    "BPX": "Blood Product Dispense Status",
    "BTS": "Batch Trailer",
    "BTX": "Blood Product Transfusion/Disposition",
    "BUI": "Blood Unit Information",
    "CDM": "Charge Description Master",
    "CDO": "Cumulative Dosage",
    "CER": "Certificate Detail",
    "CM0": "Clinical Study Master",
    "CM1": "Clinical Study Phase Master",
    "CM2": "Clinical Study Schedule Master",
    "CNS": "Clear Notification",
    "CON": "Consent",
    "CSP": "Clinical Study Phase",
    "CSR": "Clinical Study Registration",
    "CSS": "Clinical Study Data Schedule",
    "CTD": "Contact Data",
    "CTI": "Clinical Trial Identification",
    "DB1": "Disability",
    "DG1": "Diagnosis",
    "DMI": "DRG Master File Information",
    "DON": "Donation",
    "DPS": "Diagnosis and Procedure Code",
    "DRG": "Diagnosis Related Group",
    "DSC": "Continuation Pointer",
    "DSP": "Display Data",
    "ECD": "Equipment Command",
    "ECR": "Equipment Command Response",
    "EDU": "Educational Detail",
    "EQL": "Embedded Query Language",
    "EQP": "Equipment/Log Service",
    "EQU": "Equipment Detail",
    "ERQ": "Event Replay Query",
    "ERR": "Error",
    "EVN": "Event Type",
    "FAC": "Facility",
    "FHS": "File Header",
    "FT1": "Financial Transaction",
    "FTS": "File Trailer",
    "GOL": "Goal Detail",
    "GP1": "Grouping/Reimbursement - Visit",
    "GP2": "Grouping/Reimbursement - Procedure Line Item",
    "GT1": "Guarantor",
    "IAM": "Patient Adverse Reaction Information",
    "IAR": "Allergy Reaction",
    "IIM": "Inventory Item Master",
    "ILT": "Material Lot",
    "IN1": "Insurance",
    "IN2": "Insurance Additional Information",
    "IN3": "Insurance Additional Information, Certification",
    "INV": "Inventory Detail",
    "IPC": "Imaging Procedure Control",
    "IPR": "Invoice Processing Results",
    "ISD": "Interaction Status Detail",
    "ITM": "Material Item",
    "IVC": "Invoice",
    "IVT": "Material Location",
    "LAN": "Language Detail",
    "LCC": "Location Charge Code",
    "LCH": "Location Characteristic",
    "LDP": "Location Department",
    "LOC": "Location Identification",
    "LRL": "Location Relationship",
    "MCP": "Master File Coverage",
    "MFA": "Master File Acknowledgment",
    "MFE": "Master File Entry",
    "MFI": "Master File Identification",
    "MRG": "Merge Patient Information",
    "MSA": "Message Acknowledgment",
    "MSH": "Message Header",
    "NCK": "System Clock",
    "NDS": "Notification Detail",
    "NK1": "Next of Kin / Associated Parties",
    "NPU": "Bed Status Update",
    "NSC": "Application Status Change",
    "NST": "Application Control Level Statistics",
    "NTE": "Notes and Comments",
    "OBR": "Observation Request",
    "OBX": "Observation/Result",
    "ODS": "Dietary Orders, Supplements, and Preferences",
    "ODT": "Diet Tray Instructions",
    "OM1": "General Segment",
    "OM2": "Numeric Observation",
    "OM3": "Categorical Service/Test/Observation",
    "OM4": "Observations that Require Specimens",
    "OM5": "Observation Batteries (Sets)",
    "OM6": "Observations that are Calculated from Other Observations",
    "OM7": "Additional Basic Attributes",
    "OMC": "Supporting Clinical Information",
    "ORC": "Common Order",
    "ORG": "Practitioner Organization Unit",
    "ORO": "Order Other",
    "OVR": "Override",
    "PAC": "Shipment Package",
    "PCE": "Patient Charge Cost Center Exceptions",
    "PCR": "Possible Causal Relationship",
    "PD1": "Patient Additional Demographic",
    "PDA": "Patient Death and Autopsy",
    "PDC": "Product Detail Country",
    "PEO": "Product Experience Observation",
    "PES": "Product Experience Sender",
    "PID": "Patient Identification",
    "PKG": "Item Packaging",
    "PM1": "Payer Master File",
    "PMT": "Payment Information",
    "PR1": "Procedures",
    "PRA": "Practitioner Detail",
    "PRB": "Problem Details",
    "PRC": "Pricing",
    "PRD": "Provider Data",
    "PRT": "Participation Information",
    "PSG": "Product/Service Group",
    "PSH": "Product Summary Header",
    "PSL": "Product/Service Line Item",
    "PSS": "Product/Service Section",
    "PTH": "Pathway",
    "PV1": "Patient Visit",
    "PV2": "Patient Visit - Additional Information",
    "PYE": "Payee Information",
    "QAK": "Query Acknowledgment",
    "QID": "Query Identification",
    "QPD": "Query Parameter Definition",
    "QRD": "Query Definition",
    "QRF": "Query Filter",
    "QRI": "Query Response Instance",
    "RCP": "Response Control Parameter",
    "RDF": "Table Row Definition",
    "RDT": "Table Row Data",
    "REL": "Clinical Relationship",
    "RF1": "Referral Information",
    "RFI": "Request for Information",
    "RGS": "Resource Group",
    "RMI": "Risk Management Incident",
    "ROL": "Role",
    "RQ1": "Requisition Detail-1",
    "RQD": "Requisition Detail",
    "RX1": "Pharmacy Order",
    "RXA": "Pharmacy/Treatment Administration",
    "RXC": "Pharmacy/Treatment Component Order",
    "RXD": "Pharmacy/Treatment Dispense",
    "RXE": "Pharmacy/Treatment Encoded Order",
    "RXG": "Pharmacy/Treatment Give",
    "RXO": "Pharmacy/Treatment Order",
    "RXR": "Pharmacy/Treatment Route",
    "RXV": "Pharmacy/Treatment Infusion",
    "SAC": "Specimen Container Detail",
    "SCD": "Anti-Microbial Cycle Data",
    "SCH": "Scheduling Activity Information",
    "SCP": "Sterilizer Configuration",
    "SDD": "Sterilization Device Data",
    "SFT": "Software",
    "SGH": "Segment Group Header",
    "SGT": "Segment Group Trailer",
    "SHP": "Shipment",
    "SID": "Substance Identifier",
    "SLT": "Sterilization Lot",
    "SPM": "Specimen",
    "SPR": "Stored Procedure Request Definition",
    "STF": "Staff Identification",
    "STZ": "Sterilization Parameter",
    "TCC": "Test Code Configuration",
    "TCD": "Test Code Detail",
    "TQ1": "Timing/Quantity",
    "TQ2": "Timing/Quantity Relationship",
    "TXA": "Transcription Document Header",
    "UAC": "User Authentication Credential",
    "UB1": "UB82 Data",
    "UB2": "Uniform Billing Data",
    "URD": "Results/Update Definition",
    "URS": "Unsolicited Selection",
    "VAR": "Variance",
    "VND": "Purchasing Vendor",
    "VTQ": "Virtual Table Query Request",
}
"""Names of the standard's segments; they did not change between versions beyond their wording."""

_VERSIONS: Final = {tuple(map(int, version.split("."))): version for version in SUPPORTED_LIBRARIES}
_FRENCH_USE: Final = (2, 5)
_NEWEST: Final = max(_VERSIONS)
_SMALL_WORDS: Final = frozenset(
    {"a", "an", "and", "as", "at", "by", "for", "from", "in", "of", "on", "or", "the", "to", "with"}
)
_WORDS_TOO: Final = frozenset({"ADD", "CON", "FAC", "INV", "LOC", "ORG", "REL", "ROL", "SID", "VAR"})
_CAPITALS: Final = (SEGMENT_NAMES.keys() - _WORDS_TOO) | {"DEA", "DMV", "HL7", "ID", "NDC", "SSN", "UB", "UB92", "VIP"}


def segment_name(version: str, segment: str) -> str:  # noqa: ARG001 -- asked for as field_name is
    """The segment's name for people, e.g. "Patient Identification"; "" for a Z segment or one unknown to the standard.

    Args:
        version: MSH-12 as sent; the names do not depend on it.
        segment: segment name, in any case.

    """
    return SEGMENT_NAMES.get(segment.upper(), "")


@lru_cache(maxsize=16384)
def field_name(version: str, segment: str, field: int) -> str:
    """The field's name for people, e.g. "Patient Identifier List"; "" where the standard has none (Z segments too).

    Args:
        version: MSH-12 as sent (``2.5^FRA^2.11``). The newest known version that is not newer is used, 2.5 if there is
            none to read; a field that it lacks (PRT in 2.5) is named as the newest version does.
        segment: segment name, in any case.
        field: number of the field, from 1.

    """
    segment = segment.upper()
    if segment not in SEGMENT_NAMES:
        return ""
    candidates = dict.fromkeys((_nearest(version), _NEWEST, _FRENCH_USE))
    return next((name for known in candidates if (name := _in_version(known, f"{segment}_{field}"))), "")


def _nearest(version: str) -> tuple[int, ...]:
    """The newest known version that is not newer than the one sent."""
    sent = re.match(r"\s*(\d{1,2}(?:\.\d{1,2}){0,2})", version, re.ASCII)
    if sent is None:
        return _FRENCH_USE
    wanted = tuple(map(int, sent[1].split(".")))
    return max((known for known in _VERSIONS if known <= wanted), default=min(_VERSIONS))


def _in_version(version: tuple[int, ...], field: str) -> str:
    """The field's title in that version's tables; "" if they lack it."""
    definition = load_library(_VERSIONS[version]).FIELDS.get(field)
    return _title(definition[3]) if definition and definition[3] else ""


def _title(name: str) -> str:
    """``DATE_TIME_OF_MESSAGE`` as "Date/Time of Message"."""
    words = re.sub(r" {2,}", "", name).replace("DATE_TIME", "DATE/TIME").replace("_S_", "'S_").replace("_", " ").split()
    return " ".join(_word(word, first=number == 0) for number, word in enumerate(words))


def _word(word: str, *, first: bool) -> str:
    if word in _CAPITALS:
        return word
    if word.lower() in _SMALL_WORDS and not first:
        return word.lower()
    return "/".join(part.capitalize() for part in word.split("/"))
