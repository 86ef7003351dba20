"""Reasons that an operator gives, and the audit trail keeps: a blank one is none."""

import click


def _said(_context: click.Context, _option: click.Parameter, reason: str | None) -> str:
    if reason is not None and not reason.strip():
        raise click.BadParameter("a reason is expected")
    return reason or ""


reason_option = click.option(
    "--reason", required=True, callback=_said, help="Why; the audit trail keeps it. No patient's traits."
)

break_glass_option = click.option(
    "--break-glass", metavar="REASON", callback=_said, help="Show all of it, with the reason that the audit keeps."
)

decision_option = click.option(
    "--reason", required=True, callback=_said, help="Why; the decision keeps it. No patient's traits."
)

reveal_option = click.option(
    "--reveal", metavar="REASON", callback=_said, help="Show values, with the reason that the audit trail keeps."
)
