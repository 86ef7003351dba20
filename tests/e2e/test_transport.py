"""Other ways in than MLLP in clear, through the real process: TLS with a certificate renewed by SIGHUP."""

import asyncio
import signal
import time

import trustme
from gateways import gateway_in

from adapters.mllp.client import Client
from adapters.mllp.tls import TlsFiles, sender_context

HELLO = (
    b"MSH|^~\\&|ADM|SITE|GATEWAY|CHU|20260302081500||ADT^A01^ADT_A01|%s|T|2.5\rEVN||20260302081500\r"
    b"PID|||9000000001^^^CHU^PI||ESSAYEUR^Capucine||19610704|F\rPV1||I|3201||||||||||||||||V-1\r"
)


def until(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_mllps_alone_is_served_and_sighup_renews_its_certificate(tmp_path):
    """The service listens on TLS only, and takes a renewed certificate while a connection lives on."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    certificate = tmp_path / "gateway.pem"
    ca.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(certificate)
    settings = {
        "GATEWAY_MLLP_PLAIN": "false",
        "GATEWAY_MLLPS_PORT": "0",
        "GATEWAY_MLLPS_CERTIFICATE": str(certificate),
    }
    with gateway_in(tmp_path, **settings) as gateway:
        assert gateway.ready["mllp"] is None
        host, _, port = gateway.ready["mllps"].rpartition(":")
        context = sender_context(TlsFiles(authorities=tmp_path / "ca.pem"))

        async def talk():
            async with Client(host, int(port), ssl=context) as client:
                assert b"|AA|" in await client.send(HELLO % b"1", 20)
                certificate.unlink()
                ca.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(certificate)
                gateway.process.send_signal(signal.SIGHUP)
                await asyncio.to_thread(until, lambda: '"mllps.certificate-renewed"' in gateway.log)
                assert b"|AA|" in await client.send(HELLO % b"2", 20)

        asyncio.run(talk())
        assert gateway.terminate() == 0
