"""MLLP over TLS: who is heard, under which name, and a certificate renewed while we serve."""

import asyncio
import datetime as dt
import json
import ssl
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import trustme
from click.testing import CliRunner
from structlog.testing import capture_logs

from adapters.cli import main
from adapters.mllp.client import Client, PeerUnavailable
from adapters.mllp.listener import Limits, Listener
from adapters.mllp.tls import Renewal, TlsFiles, days_left, listener_context, sender_context
from adapters.mllps import certificate
from adapters.settings import Settings
from gateway.errors import ConfigurationError

HERE = "127.0.0.1"


class Authority:
    """A certificate authority, and the files of what it issued."""

    def __init__(self, folder):
        self.folder = folder
        self.ca = trustme.CA(organization_name=folder.name)
        self.file = folder / "ca.pem"
        self.ca.cert_pem.write_to_path(self.file)

    def issue(self, name, **options):
        """Write a certificate for loopback, with its key, to a file of this name, whole from one moment to the next."""
        issued = self.ca.issue_cert(HERE, common_name=name, **options)
        path, whole = self.folder / f"{name}.pem", self.folder / f"{name}.partial"
        whole.unlink(missing_ok=True)
        issued.private_key_and_cert_chain_pem.write_to_path(whole)
        return whole.replace(path)


@pytest.fixture
def hospital(tmp_path):
    (tmp_path / "hospital").mkdir()
    return Authority(tmp_path / "hospital")


@pytest.fixture
def stranger(tmp_path):
    (tmp_path / "stranger").mkdir()
    return Authority(tmp_path / "stranger")


class Heard:
    """A handler that remembers who sent."""

    def __init__(self):
        self.subjects = []

    async def __call__(self, payload, peer):
        self.subjects.append(peer.subject)
        return b"ACK " + payload


@asynccontextmanager
async def listening(files, handler=None, **limits):
    renewal = Renewal(files)
    listener = Listener(handler or Heard(), lambda _limit, _peer: b"NAK", Limits(**limits))
    await listener.start(HERE, 0, renewal.current)
    try:
        yield listener, renewal
    finally:
        await listener.stop(1.0)


def sender(listener, hospital, name=None):
    shown = hospital.issue(name) if name else None
    return Client(*listener.address, ssl=sender_context(TlsFiles(shown, authorities=hospital.file)))


async def refusal(listener, context):
    """Give the log's line on a handshake that fails."""
    with capture_logs() as logs:
        async with Client(*listener.address, ssl=context) as client:
            with pytest.raises(PeerUnavailable):
                await client.send(b"1", 5)
    return [entry for entry in logs if entry["event"] == "mllps.unheard"]


async def test_the_handler_is_told_whom_the_client_certificate_names(hospital):
    """The subject is the certificate's, in the words of RFC 4514."""
    heard = Heard()
    files = TlsFiles(hospital.issue("gateway"), authorities=hospital.file)
    async with listening(files, heard) as (listener, _), sender(listener, hospital, "lis") as client:
        assert await client.send(b"1", 5) == b"ACK 1"
    assert len(heard.subjects) == 1
    assert "CN=lis" in heard.subjects[0].split(",")


async def test_an_optional_certificate_may_be_missing_but_not_wrong(hospital, stranger):
    """Without one there is no subject; one of another authority is refused."""
    heard = Heard()
    files = TlsFiles(hospital.issue("gateway"), authorities=hospital.file, required=False)
    async with listening(files, heard) as (listener, _):
        async with sender(listener, hospital) as client:
            assert await client.send(b"1", 5) == b"ACK 1"
        wrong = sender_context(TlsFiles(stranger.issue("lis"), authorities=hospital.file))
        lines = await refusal(listener, wrong)
    assert heard.subjects == [None]
    assert [line["reason"] for line in lines] == ["CERTIFICATE_VERIFY_FAILED"]


async def test_who_shows_no_required_certificate_or_an_ended_one_is_not_heard(hospital):
    """The log tells why, and nothing reaches the handler."""
    heard = Heard()
    files = TlsFiles(hospital.issue("gateway"), authorities=hospital.file)
    yesterday = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    async with listening(files, heard) as (listener, _):
        none = await refusal(listener, sender_context(TlsFiles(authorities=hospital.file)))
        listener.unheard.__init__()
        old = TlsFiles(hospital.issue("lis", not_after=yesterday), authorities=hospital.file)
        ended = await refusal(listener, sender_context(old))
    assert [line["reason"] for line in (*none, *ended)] == [
        "PEER_DID_NOT_RETURN_A_CERTIFICATE",
        "CERTIFICATE_VERIFY_FAILED",
    ]
    assert heard.subjects == []


async def test_nothing_older_than_tls_1_2_is_spoken_and_only_ciphers_with_forward_secrecy(hospital):
    """An old protocol or cipher ends in a failed handshake."""
    context = listener_context(TlsFiles(hospital.issue("gateway")))
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert all("ECDHE" in c["name"] or c["protocol"] == "TLSv1.3" for c in context.get_ciphers())
    async with listening(TlsFiles(hospital.issue("gateway"))) as (listener, _):
        weak = sender_context(TlsFiles(authorities=hospital.file))
        weak.maximum_version = ssl.TLSVersion.TLSv1_2
        weak.set_ciphers("AES128-GCM-SHA256")
        assert [line["reason"] for line in await refusal(listener, weak)] == ["NO_SHARED_CIPHER"]


async def test_failed_handshakes_of_one_address_are_told_once_a_minute(hospital):
    """A scanner does not fill the log, and leaves neither connected nor closed lines."""
    async with listening(TlsFiles(hospital.issue("gateway"))) as (listener, _):
        with capture_logs() as logs:
            for _ in range(20):
                reader, writer = await asyncio.open_connection(*listener.address)
                writer.write(b"GET / HTTP/1.1\r\n\r\n")
                assert await reader.read() is not None
                writer.close()
            async with asyncio.timeout(5):
                while listener.connections_open:  # noqa: ASYNC110 - seen from outside
                    await asyncio.sleep(0.01)
    assert [entry["event"] for entry in logs if entry["event"] != "library.log"] == ["mllps.unheard"]
    assert logs[0]["reason"] == "HTTP_REQUEST"


async def test_slow_handshakes_end_in_time_and_hold_nobody(hospital):
    """They count among the connections, so that there are never more than the limit; others are served meanwhile."""
    files = TlsFiles(hospital.issue("gateway"))
    async with listening(files, handshake_seconds=0.5, connections=9) as (listener, _):
        stuck = [await asyncio.open_connection(*listener.address) for _ in range(8)]
        async with sender(listener, hospital) as client:
            assert await client.send(b"1", 5) == b"ACK 1"
            assert listener.connections_open == 9
            async with asyncio.timeout(5):
                assert [await reader.read() for reader, _ in stuck] == [b""] * 8
            assert await client.send(b"2", 5) == b"ACK 2"
        for _, writer in stuck:
            writer.close()


async def test_stopping_does_not_wait_for_handshakes(hospital):
    """A peer in the middle of one is hung up on."""
    async with listening(TlsFiles(hospital.issue("gateway"))) as (listener, _):
        reader, writer = await asyncio.open_connection(*listener.address)
        while not listener.connections_open:  # noqa: ASYNC110 - seen from outside
            await asyncio.sleep(0.01)
        async with asyncio.timeout(5):
            await listener.stop(1.0)
            assert await reader.read() == b""
        writer.close()


async def test_plain_and_tls_share_one_listener(hospital):
    """Connections are numbered and counted together."""
    files = TlsFiles(hospital.issue("gateway"))
    async with listening(files) as (listener, _):
        plain = await listener.start(HERE, 0)
        async with sender(listener, hospital) as secure, Client(*plain) as clear:
            assert [await c.send(b"1", 5) for c in (secure, clear)] == [b"ACK 1"] * 2
            assert listener.connections_open == 2


# The client


async def test_a_refusal_by_tls_is_told_to_the_sender_with_its_reason(hospital, stranger):
    """Whose certificate is not accepted, and by whom, is clear from the error."""
    files = TlsFiles(hospital.issue("gateway"), authorities=hospital.file)
    async with listening(files) as (listener, _):
        said = []
        for context, name in (
            (sender_context(TlsFiles(authorities=stranger.file)), None),
            (sender_context(TlsFiles(hospital.issue("lis"), authorities=hospital.file)), "other.example"),
            (sender_context(TlsFiles(authorities=hospital.file)), None),
        ):
            async with Client(*listener.address, ssl=context, server_hostname=name) as client:
                with pytest.raises(PeerUnavailable) as refused:
                    await client.send(b"1", 5)
                said.append(refused.value.rule)
    assert said[0].startswith("the receiver's certificate is not accepted: ")
    assert "other.example" in said[1]
    assert said[2].startswith("the receiver closed the connection")


async def test_gateway_send_shows_its_certificate(hospital, tmp_path):
    """The options name the files; exit codes are those of sending in clear."""
    heard = Heard()
    message = tmp_path / "message.hl7"
    message.write_bytes(b"MSH|^~\\&|A|B|C|D|20260302||ADT^A01|1|P|2.5\r")

    async def accept(payload, peer):
        await heard(payload, peer)
        return b"MSH|^~\\&|C|D|A|B|20260302||ACK|2|P|2.5\rMSA|AA|1\r"

    files = TlsFiles(hospital.issue("gateway"), authorities=hospital.file)
    async with listening(files, accept) as (listener, _):
        to = ["send", str(message), "--json", "--to", "{}:{}".format(*listener.address)]
        trusting = [*to, "--tls-ca", str(hospital.file)]
        shown = [*trusting, "--tls-cert", str(hospital.issue("lis"))]
        with capture_logs():  # the commands' standard output is theirs alone
            done = [await asyncio.to_thread(CliRunner().invoke, main, given) for given in (shown, trusting, to)]
    assert [result.exit_code for result in done] == [0, 3, 3]
    assert json.loads(done[0].stdout)[0]["code"] == "AA"
    assert [subject.split(",")[0] for subject in heard.subjects] == ["CN=lis"]


# Renewal


def shown(client):
    """Give the serial number of the certificate that a client's receiver showed."""
    return client._link._transport.get_extra_info("peercert")["serialNumber"]


async def test_a_renewed_certificate_is_shown_to_new_connections_and_old_ones_live_on(hospital):
    files = TlsFiles(hospital.issue("gateway"))
    async with listening(files) as (listener, renewal), sender(listener, hospital) as old:
        await old.send(b"1", 5)
        hospital.issue("gateway")
        renewal.look()
        async with sender(listener, hospital) as new:
            await new.send(b"2", 5)
            assert shown(new) != shown(old)
        assert await old.send(b"3", 5) == b"ACK 3"


async def test_renewed_authorities_count_for_new_connections(hospital, stranger):
    """Who is no longer trusted is not heard again, by no resumed session either."""
    trusted = hospital.folder / "trusted.pem"
    trusted.write_bytes(hospital.file.read_bytes())
    files = TlsFiles(hospital.issue("gateway"), authorities=trusted)
    context = sender_context(TlsFiles(hospital.issue("lis"), authorities=hospital.file))
    async with listening(files) as (listener, renewal):
        async with Client(*listener.address, ssl=context) as client:
            await client.send(b"1", 5)
        trusted.write_bytes(stranger.file.read_bytes())
        renewal.look()
        assert [line["reason"] for line in await refusal(listener, context)] == ["CERTIFICATE_VERIFY_FAILED"]


@pytest.mark.parametrize("broken", ["garbage", "gone", "other key", "ended"])
async def test_a_broken_renewal_is_told_once_and_the_old_certificate_serves_on(hospital, broken):
    files = TlsFiles(hospital.issue("gateway"))
    async with listening(files) as (listener, renewal):
        now = dt.datetime.now(dt.UTC)
        match broken:
            case "garbage":
                files.certificate.write_text("no certificate")
            case "gone":
                files.certificate.unlink()
            case "other key":
                ours, other = (hospital.ca.issue_cert(HERE) for _ in range(2))
                ours.private_key_pem.write_to_path(files.certificate)
                other.cert_chain_pems[0].write_to_path(files.certificate, append=True)
            case "ended":
                hospital.issue("gateway", not_after=now - dt.timedelta(days=1))
        with capture_logs() as logs:
            renewal.look()
            renewal.look()
        assert [(line["event"], line["log_level"]) for line in logs] == [("mllps.certificate-refused", "error")]
        assert renewal.refused
        async with sender(listener, hospital) as client:
            assert await client.send(b"1", 5) == b"ACK 1"
        hospital.issue("gateway")
        renewal.look()
        assert not renewal.refused


def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_its_password(hospital):
    """A service has no terminal to ask at."""
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415 - this test's alone
        BestAvailableEncryption,
        Encoding,
        PrivateFormat,
        load_pem_private_key,
    )

    ours = hospital.issue("gateway")
    key = load_pem_private_key(ours.read_bytes(), None)
    locked = hospital.folder / "locked.pem"
    locked.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")))
    with pytest.raises(ConfigurationError) as refused:
        Renewal(TlsFiles(ours, locked))
    assert refused.value.path == str(locked)


def test_a_missing_file_is_named(hospital, tmp_path):
    files = TlsFiles(hospital.issue("gateway"), authorities=tmp_path / "none.pem")
    for wrong in (files, replace(files, certificate=tmp_path / "none.pem")):
        with pytest.raises(ConfigurationError) as refused:
            Renewal(wrong)
        assert refused.value.path == str(tmp_path / "none.pem")


def test_days_left_are_negative_once_a_certificate_has_ended():
    now = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
    assert days_left(now + dt.timedelta(days=30, hours=12), now) == 30.5
    assert days_left(now - dt.timedelta(days=1), now) == -1.0


def test_the_settings_say_what_is_listened_on(hospital):
    """No certificate, no MLLPS; and something must be left to listen on."""
    assert certificate(Settings()) is None
    with pytest.raises(ConfigurationError) as refused:
        certificate(Settings(mllp_plain=False))
    assert refused.value.path == "GATEWAY_MLLPS_CERTIFICATE"
    renewal = certificate(Settings(mllp_plain=False, mllps_certificate=str(hospital.issue("gateway"))))
    assert renewal is not None
    assert renewal.days_left() > 1
