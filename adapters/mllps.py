"""The certificate that the MLLPS listener shows: named by the settings, renewed while it serves."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from adapters.mllp.tls import Renewal, TlsFiles
from adapters.settings import Settings
from gateway.errors import ConfigurationError

RENEWAL_SECONDS = 10.0
"""Between two looks whether the certificate's files have changed."""


def certificate(settings: Settings) -> Renewal | None:
    """Give the certificate that the settings name; None where the operator named none.

    Raises:
        ConfigurationError: a file is missing or wrong, or nothing is left to listen on.

    """
    if not settings.mllps_certificate:
        if not settings.mllp_plain:
            raise ConfigurationError("a certificate is expected: MLLP is off", path="GATEWAY_MLLPS_CERTIFICATE")
        return None
    return Renewal(
        TlsFiles(
            Path(settings.mllps_certificate),
            Path(settings.mllps_key) if settings.mllps_key else None,
            Path(settings.mllps_client_ca) if settings.mllps_client_ca else None,
            required=settings.mllps_client_certificate == "required",
        )
    )


@asynccontextmanager
async def renewing(renewal: Renewal | None, ended: Callable[["asyncio.Task[None]"], None]) -> AsyncIterator[None]:
    """A renewed certificate is taken: at SIGHUP, and once its files are seen to have changed.

    Args:
        renewal: the certificate; None: there is nothing to do.
        ended: told when looking for changes has ended.

    """
    if renewal is None:
        yield
        return
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, renewal.reload)
    looking = asyncio.create_task(_look(renewal), name="certificate")
    looking.add_done_callback(ended)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
        looking.cancel()


async def _look(renewal: Renewal) -> None:
    while True:
        await asyncio.sleep(RENEWAL_SECONDS)
        renewal.look()
