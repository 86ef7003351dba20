"""HL7 v2 as files: a folder for each source, watched."""
