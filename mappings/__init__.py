"""What a message says: HL7 v2 and FHIR into facts, and a site's own data. Pure functions."""
