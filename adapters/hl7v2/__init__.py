"""HL7 v2 through hl7apy: names of segments and fields for people."""
