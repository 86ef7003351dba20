"""What the hospital means: facts, identity, routing, work items, audit. No I/O, no driver."""
