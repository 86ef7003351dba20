"""Patients and their identifiers."""

from typing import Final

PATIENT_TYPES: Final = frozenset({"", "PI", "PT", "MR"})
"""Table 0203: types of CX-5 that number a patient in a domain; PAM.FR has PI, other senders MR, PT or none."""

OTHER_TYPES: Final = frozenset(
    {
        *(
            "AN",
            "ANC",
            "ANON",
            "ANT",
            "BA",
            "BC",
            "BCFN",
            "BR",
            "DL",
            "EI",
            "EN",
            "FI",
            "GI",
            "HC",
            "JHN",
            "LN",
            "MA",
            "MC",
        ),
        *(
            "MCD",
            "MCR",
            "NDA",
            "NDP",
            "NH",
            "NI",
            "NIIP",
            "NNFRA",
            "NP",
            "PE",
            "PEN",
            "PN",
            "PPN",
            "PRC",
            "RI",
            "RRI",
            "SL",
        ),
        *("SN", "SR", "SS", "TAX", "U", "UPIN", "VN", "VS", "WC", "XV", "XX"),
    }
)
"""Table 0203: types of CX-5 that number something else than a patient of a hospital, or identify by another's rules."""

PATIENT_ATTRIBUTES: Final = frozenset(
    {
        *("DOUB", "DESA", "DPOT", "DOUA", "COLP", "COLV", "FILI", "CACH", "ANOM", "IDVER", "RECD", "IDRA", "USUR"),
        *("HOMD", "HOMA", "INVA", "FICT", "DOUT"),
    }
)
"""Table 0445-FR (PAM.FR 2.11, PID-32) without the statuses VIDE, PROV and VALI."""

OBTAINED_BY: Final = frozenset({"SM", "CV", "INSI", "CB", "RFID"})
"""ZFD-5 (PAM.FR 2.11): how the traits of an identity were obtained."""

PROOFS: Final = frozenset({"AN", "CC", "CE", "CM", "CN", "CS", "LE", "PA", "PC", "TC", "AV", "DC", "AC", "IE"})
"""ZFD-7 (PAM.FR 2.11): documents that an identity is established by."""

PROVISIONAL_ATTRIBUTES: Final = frozenset({"DOUT", "FICT"})
"""Attributes that only a provisional identity has (RNIV 1, EXI SI 09)."""
