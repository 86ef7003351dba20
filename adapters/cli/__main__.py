"""`python -m adapters.cli` is `gateway`."""

from adapters.cli import main

main(prog_name="gateway")
