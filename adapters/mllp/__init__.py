"""HL7 minimal lower layer protocol over TCP (HL7 v2.5.1 appendix C; Transport Specification: MLLP release 1)."""
