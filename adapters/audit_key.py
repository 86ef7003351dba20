"""The key that signs checkpoints: an Ed25519 private key in a file that only the gateway's account reads."""

import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.checkpoint import CHECKPOINT_PREFIX, KEY_PREFIX, Checkpoint, KeyStatement, Signed, checkpoint_form, key_id
from gateway.errors import ConfigurationError

SETTING = "GATEWAY_AUDIT_KEY"
_OTHERS = 0o077
_RAW = (serialization.Encoding.Raw, serialization.PublicFormat.Raw)


class Signer:
    """Signs checkpoints.

    Args:
        private: the key.

    """

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = private.public_key().public_bytes(*_RAW)
        self.key = key_id(self.public)

    def signed(self, checkpoint: Checkpoint) -> Signed:
        """Give a checkpoint with its signature."""
        return Signed(checkpoint, self._sign(CHECKPOINT_PREFIX + checkpoint_form(checkpoint)))

    def statement(self, log: str, valid_from: datetime, before: "Signer | None" = None) -> KeyStatement:
        """Give what the log tells of this key, signed by itself and by the one before it."""
        plain = KeyStatement(self.key, self.public.hex(), log, before.key if before else "", valid_from)
        endorsement = before._sign(KEY_PREFIX + plain.form) if before else ""  # noqa: SLF001 - its own kind
        proof = self._sign(KEY_PREFIX + plain.form)
        return KeyStatement(plain.key, plain.public, log, plain.previous, valid_from, proof, endorsement)

    def signature(self, pdf: bytes) -> bytes:
        """Give the 64 bytes of the signature over a PDF, which begins otherwise than all else that this key signs.

        Raises:
            ValueError: it is no PDF.

        """
        if not pdf.startswith(b"%PDF-"):
            raise ValueError("a PDF is expected")
        return self._private.sign(pdf)

    def _sign(self, data: bytes) -> str:
        return self._private.sign(data).hex()

    def write(self, file: Path) -> None:
        """Put the private key into a new file, of mode 0600, on disk when this returns.

        Raises:
            ConfigurationError: there is such a file, or it cannot be written.

        """
        pem = self._private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        try:
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as opened:
                opened.write(pem)
                opened.flush()
                os.fsync(handle)
        except OSError as error:
            rule = f"a file that is not there yet, in a writable folder, is expected: {error.strerror}"
            raise ConfigurationError(rule, path=SETTING) from None


def new_signer() -> Signer:
    """Give a new key, which no file holds yet."""
    return Signer(Ed25519PrivateKey.generate())


def read_signer(file: Path) -> Signer:
    """Give the key of a file.

    Raises:
        ConfigurationError: it cannot be read, others may read it too, or it is no Ed25519 private key.

    """
    try:
        if file.stat().st_mode & _OTHERS:
            raise ConfigurationError("a file that nobody else may read (mode 0600) is expected", path=SETTING)
        private = serialization.load_pem_private_key(file.read_bytes(), password=None)
    except OSError as error:
        raise ConfigurationError(f"a readable file is expected: {error.strerror}", path=SETTING) from None
    except (ValueError, TypeError):
        private = None
    if not isinstance(private, Ed25519PrivateKey):
        raise ConfigurationError("an Ed25519 private key in PEM form, not encrypted, is expected", path=SETTING)
    return Signer(private)


def public_pem(public: bytes) -> bytes:
    """Give a raw public key as a PEM file's content."""
    key = Ed25519PublicKey.from_public_bytes(public)
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def read_public(file: Path) -> str:
    """Give the hex of the raw public key that a PEM file holds.

    Raises:
        ConfigurationError: it cannot be read, or holds no Ed25519 public key.

    """
    public = None
    try:
        with suppress(ValueError):
            public = serialization.load_pem_public_key(file.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"a readable file is expected: {error.strerror}", path="--key") from None
    if not isinstance(public, Ed25519PublicKey):
        raise ConfigurationError("an Ed25519 public key in PEM form is expected", path="--key")
    return public.public_bytes(*_RAW).hex()


def verify(public: bytes, data: bytes, signature: bytes) -> bool:
    """Whether a raw public key has signed these bytes so."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True
