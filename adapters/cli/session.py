"""What every command needs: the settings, the parts, who is calling."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from adapters.assembly import Assembly
from adapters.journal import configure_log
from adapters.operations import Operations
from adapters.settings import load_settings
from gateway.principal import Principal


@dataclass(frozen=True, slots=True)
class Session:
    """One command's gateway.

    Attributes:
        assembly: the parts.
        principal: the operating-system account, as the site's access.toml maps it.

    """

    assembly: Assembly
    principal: Principal

    @property
    def operations(self) -> Operations:
        """What the principal may ask."""
        return self.assembly.operations(self.principal)


@contextmanager
def session() -> Iterator[Session]:
    """Give the session of the environment's settings."""
    settings = load_settings()
    configure_log(settings.log_level)
    assembly = Assembly(settings)
    try:
        yield Session(assembly, assembly.account_principal())
    finally:
        assembly.close()
