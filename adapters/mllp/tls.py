"""TLS for MLLP, on either side: what is offered, whom we trust, and a certificate that is renewed while we serve.

TLS 1.2 with forward secrecy and authenticated encryption, or TLS 1.3 (RFC 9325). Sessions are not resumed: MLLP
connections live long, and each new one is then checked against the authorities and the certificate of today.
"""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog
from cryptography import x509

from gateway.errors import ConfigurationError

log = structlog.get_logger()

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Those of TLS 1.2; all of TLS 1.3's are good."""

DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files of one side.

    Attributes:
        certificate: our certificate, and those between it and its authority; None: we show none (senders only).
        key: its private key, not encrypted; None: it stands in the certificate's file.
        authorities: certificates of the authorities that the other side's must come from; None: for a listener, no
            client certificate is asked for; for a sender, those that the system trusts.
        required: whether a listener refuses a client without a certificate; otherwise only a wrong one is refused.

    """

    certificate: Path | None = None
    key: Path | None = None
    authorities: Path | None = None
    required: bool = True


def listener_context(files: TlsFiles) -> ssl.SSLContext:
    """Give what a TLS listener shows and asks for.

    Raises:
        ConfigurationError: a file is missing or wrong; says which.

    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.num_tickets = 0
    if files.authorities:
        context.verify_mode = ssl.CERT_REQUIRED if files.required else ssl.CERT_OPTIONAL
    return _filled(context, files)


def sender_context(files: TlsFiles) -> ssl.SSLContext:
    """Give what a TLS sender shows and whom it trusts; the receiver's name is checked.

    Raises:
        ConfigurationError: a file is missing or wrong; says which.

    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if files.authorities is None:
        context.load_default_certs()
    return _filled(context, files)


def _filled(context: ssl.SSLContext, files: TlsFiles) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    if files.authorities:
        try:
            context.load_verify_locations(files.authorities)
        except OSError as error:
            raise _refused("certificates of authorities (PEM)", files.authorities, error) from None
    if files.certificate:
        try:
            context.load_cert_chain(files.certificate, files.key, password="")  # never asked for at a terminal
        except OSError as error:
            expected = "a certificate (PEM) and its private key, not encrypted,"
            raise _refused(expected, files.key or files.certificate, error) from None
    return context


def _refused(expected: str, file: Path, error: OSError) -> ConfigurationError:
    why = (error.reason if isinstance(error, ssl.SSLError) else error.strerror) or "it cannot be read"
    return ConfigurationError(f"{expected} is expected: {why}", path=str(file))


def expiry(certificate: Path) -> datetime:
    """Give when the first certificate of a PEM file ends.

    Raises:
        ConfigurationError: it holds none.

    """
    try:
        return x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
    except (OSError, ValueError):
        raise ConfigurationError("a certificate (PEM) is expected", path=str(certificate)) from None


def days_left(end: datetime, now: datetime) -> float:
    """Give how many days a certificate has left, to a tenth; negative once it has ended."""
    return round((end - now).total_seconds() / DAY_SECONDS, 1)


def subject_of(certificate: bytes | None) -> str | None:
    """Give whom a certificate (DER) names, as RFC 4514 writes it (``CN=lis,O=CHU``); None without one or in doubt."""
    if not certificate:
        return None
    try:
        return x509.load_der_x509_certificate(certificate).subject.rfc4514_string() or None
    except ValueError:
        return None


class Renewal:
    """A listener's TLS files, read again once they have changed; what is wrong is told, and the last good ones stay.

    Connections that stand are not touched: only handshakes to come see the new files.

    Attributes:
        context: the last good files.
        refused: whether the files as they are now cannot be used.
        ends: when the certificate in use ends.

    Raises:
        ConfigurationError: the files are wrong to begin with.

    """

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._seen = self._stamp()
        self.refused = False
        self.context, self.ends = self._read()

    def current(self) -> ssl.SSLContext:
        """Give the last good files."""
        return self.context

    def days_left(self) -> float:
        """Give how many days the certificate in use has left."""
        return days_left(self.ends, datetime.now(UTC))

    def look(self) -> None:
        """Read the files again if they have changed since they were read last."""
        if self._stamp() != self._seen:
            self.reload()

    def reload(self) -> None:
        """Read the files again."""
        self._seen = self._stamp()
        try:
            self.context, self.ends = self._read()
        except ConfigurationError as error:
            self.refused = True
            log.error("mllps.certificate-refused", file=error.path, rule=error.rule, days_left=self.days_left())
            return
        self.refused = False
        log.info("mllps.certificate-renewed", days_left=self.days_left())

    def _read(self) -> tuple[ssl.SSLContext, datetime]:
        if self._files.certificate is None:
            raise ConfigurationError("a certificate is expected", path="certificate")
        ends = expiry(self._files.certificate)
        if ends <= datetime.now(UTC):
            raise ConfigurationError("a certificate that has not ended is expected", path=str(self._files.certificate))
        return listener_context(self._files), ends

    def _stamp(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_stamp(file) for file in (self._files.certificate, self._files.key, self._files.authorities))


def _stamp(file: Path | None) -> tuple[int, int, int] | None:
    try:
        found = file.stat() if file else None
    except OSError:
        return None
    return (found.st_ino, found.st_mtime_ns, found.st_size) if found else None


Tls = Callable[[], ssl.SSLContext]
"""Gives what the next handshake shows and asks for."""
