"""Who an HTTP request acts for: a Bearer token that the client signed with its own key (RFC 7519, RFC 6750)."""

import math
from datetime import datetime
from pathlib import Path
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from gateway.errors import AccessRefused
from gateway.principal import Principal
from gateway.site import Access
from mappings.toml_file import refuse

ALGORITHMS = ("EdDSA", "ES256", "RS256")
"""Signatures by a private key; ``none`` and HMAC, for which a public key would be the secret, are never taken."""
MAX_AUTHORIZATION = 8192
"""Characters of the Authorization header."""
LEEWAY = 30.0
"""Seconds by which the client's clock may differ."""


class Unauthenticated(AccessRefused):
    """The request does not say, by a valid token, for whom it acts."""

    http_status = 401
    issue_type = "login"


def require_keys(access: Access, file: Path) -> None:
    """Every client's key can verify a token of its own.

    Raises:
        ConfigurationError: one cannot; names the line of the site's access.toml.

    """
    for client, key in access.client_keys.items():
        if not _verifies(key):
            rule = "public_key: the PEM of a public key is expected: Ed25519, ECDSA on P-256, or RSA"
            refuse(file, ("clients", client, "public_key"), rule)


def _verifies(key: str) -> bool:
    try:
        public = load_pem_public_key(key.encode())
    except (ValueError, UnsupportedAlgorithm):
        return False
    if isinstance(public, EllipticCurvePublicKey):
        return isinstance(public.curve, SECP256R1)
    return isinstance(public, Ed25519PublicKey | RSAPublicKey)


def authenticate(authorization: str | None, access: Access, now: datetime, *, audience: str) -> Principal:
    """Give the principal for whom the request acts.

    Args:
        authorization: the Authorization header; None if there is none.
        access: who may act on this site.
        now: aware instant.
        audience: the site's id, which the token's ``aud`` must name.

    Raises:
        Unauthenticated: no token where one is needed, or one that is malformed, unsigned, of an unknown client, for
            another audience, or out of its time.

    """
    if authorization is None:
        if access.anonymous is None:
            raise Unauthenticated("a Bearer token is needed")
        return access.anonymous
    token = _token(authorization)
    client = _issuer(token)
    principal, key = access.clients.get(client), access.client_keys.get(client)
    if principal is None or key is None:
        raise Unauthenticated("the token's client is unknown here")
    _require_in_time(_verified(token, key, client, audience), now.timestamp())
    return principal


def _token(authorization: str) -> str:
    if len(authorization) > MAX_AUTHORIZATION:
        raise Unauthenticated(f"the Authorization header has at most {MAX_AUTHORIZATION} characters")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated("the Bearer scheme is expected")
    return token.strip()


def _issuer(token: str) -> str:
    """Give the client that the token claims: only to look up the key that then proves it."""
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise Unauthenticated("the token cannot be read") from None
    issuer = claims.get("iss")
    return issuer if isinstance(issuer, str) else ""


def _verified(token: str, key: str, client: str, audience: str) -> dict[str, Any]:
    """Give the claims once signature, issuer and audience hold; times are held against our own clock after."""
    own_clock = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
    options: Any = {"require": ["exp", "iss", "aud"], **own_clock}
    try:
        claims: dict[str, Any] = jwt.decode(
            token, key, algorithms=list(ALGORITHMS), audience=audience, issuer=client, options=options
        )
    except (jwt.PyJWTError, ValueError, TypeError):
        raise Unauthenticated("the token does not hold: signature, client or audience") from None
    return claims


def _require_in_time(claims: dict[str, Any], now: float) -> None:
    expires, begins = _time(claims["exp"]), _time(claims.get("nbf", 0))
    if expires + LEEWAY <= now:
        raise Unauthenticated("the token has expired")
    if begins - LEEWAY > now:
        raise Unauthenticated("the token is not valid yet")


def _time(claim: object) -> float:
    """Give a NumericDate: NaN compares to nothing and infinity never ends, so neither is one."""
    if isinstance(claim, bool) or not isinstance(claim, int | float) or not math.isfinite(claim):
        raise Unauthenticated("a time claim is not a number of seconds")
    return float(claim)
