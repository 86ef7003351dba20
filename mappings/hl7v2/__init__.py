"""HL7 v2, as French hospitals send it, into facts."""
