"""Only a token that the client's own private key signed, for this site and in time, names a principal."""

import base64
import json
from datetime import UTC, datetime

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from adapters.web.tokens import MAX_AUTHORIZATION, Unauthenticated, authenticate, require_keys
from gateway.errors import ConfigurationError
from gateway.principal import Principal, PrincipalKind
from gateway.site import Access

NOW = datetime(2031, 1, 1, tzinfo=UTC)
AGENDA = Principal("agenda", PrincipalKind.MACHINE)
ANYONE = Principal("anyone", PrincipalKind.MACHINE)
KEYS = {
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "RS256": rsa.generate_private_key(65537, 2048),
}


def public(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def access(algorithm="EdDSA", anonymous=None):
    return Access(
        clients={"agenda": AGENDA, "keyless": AGENDA},
        client_keys={"agenda": public(KEYS[algorithm])},
        anonymous=anonymous,
    )


def bearer(algorithm="EdDSA", key=None, **claims):
    given = {"iss": "agenda", "aud": "chu", "exp": NOW.timestamp() + 60} | claims
    given = {name: value for name, value in given.items() if value is not None}
    return "Bearer " + jwt.encode(given, key or KEYS[algorithm], algorithm=algorithm)


@pytest.mark.parametrize("algorithm", list(KEYS))
def test_signed_token_names_its_client(algorithm):
    """Each of the three signatures is taken, with the key of the client that the token names."""
    assert authenticate(bearer(algorithm), access(algorithm), NOW, audience="chu") is AGENDA


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": None},
        {"aud": None},
        {"iss": None},
        {"aud": "other"},
        {"iss": "stranger"},
        {"iss": "keyless"},
        {"iss": "agenda ", "sub": "agenda"},
        {"exp": NOW.timestamp() - 31},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"exp": "4000000000"},
        {"exp": True},
        {"nbf": NOW.timestamp() + 31},
    ],
)
def test_claims_must_hold(claims):
    """A claim that is missing, foreign, out of time or no number is refused, an anonymous principal or not."""
    with pytest.raises(Unauthenticated):
        authenticate(bearer(**claims), access(anonymous=ANYONE), NOW, audience="chu")


def unsigned():
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"Bearer {part({'alg': 'none'})}.{part({'iss': 'agenda', 'aud': 'chu', 'exp': NOW.timestamp() + 60})}."


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer x",
        "Bearer a.b.c",
        "Basic YTpi",
        "Bearer " + "x" * MAX_AUTHORIZATION,
        unsigned(),
        bearer(key=ed25519.Ed25519PrivateKey.generate()),
        bearer("ES256"),
        "Bearer " + jwt.encode({"iss": "agenda", "aud": "chu", "exp": 4e9}, "x" * 64, algorithm="HS256"),
    ],
)
def test_unproved_token_is_refused(header):
    """No signature, another key, another algorithm or no token at all: never a principal, not even anonymous."""
    with pytest.raises(Unauthenticated) as caught:
        authenticate(header, access(anonymous=ANYONE), NOW, audience="chu")
    assert caught.value.http_status == 401


def test_no_header_is_anonymous_only_where_allowed():
    """A request without a token acts for the site's anonymous principal, if it has one."""
    assert authenticate(None, access(anonymous=ANYONE), NOW, audience="chu") is ANYONE
    with pytest.raises(Unauthenticated):
        authenticate(None, access(), NOW, audience="chu")


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_key_that_verifies_is_taken(algorithm, tmp_path):
    """Each kind of key that signs tokens passes the check of the configuration."""
    require_keys(access(algorithm), tmp_path / "access.toml")


@pytest.mark.parametrize("key", ["-----BEGIN PUBLIC KEY----- ...", "ssh-ed25519 AAAA", "MIIB"])
def test_a_key_that_verifies_nothing_is_refused_at_its_line(key, tmp_path):
    """A client whose key cannot be read would be refused at every request, and nobody would know why."""
    file = tmp_path / "access.toml"
    file.write_text(f'[clients.agenda]\nrights = ["send"]\npublic_key = "{key}"\n', encoding="utf-8")
    with pytest.raises(ConfigurationError) as refused:
        require_keys(Access(client_keys={"agenda": key}), file)
    assert refused.value.line == 3
