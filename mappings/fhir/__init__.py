"""FHIR R4 into facts, and facts into FHIR R4."""
