"""Other ways in than MLLP in clear, through the real process: TLS with a certificate renewed by SIGHUP, and files."""

import asyncio
import random
import re
import signal
import time

import httpx
import trustme
from gateways import Gateway, gateway_in, write_site

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
        told = httpx.get(f"{gateway.http}/metrics").text
        assert float(re.search(r"^gateway_mllps_certificate_days (\S+)$", told, re.MULTILINE)[1]) > 0
        assert "gateway_mllps_certificate_refused 0.0" in told
        until(lambda: gateway.json("status")["serving"][0]["certificate"])  # told with the next beat
        shown = gateway.json("status")["serving"][0]["certificate"]
        assert (shown["state"], shown["days"] > 30) == ("good", True)
        assert re.search(r"^certificate \S+ days left \(MLLPS\)$", gateway.run("status").stdout, re.MULTILINE)
        assert gateway.terminate() == 0


def test_files_end_once_however_often_the_service_is_killed(tmp_path):
    """Killed at random moments and started again: each file is in done, each message processed once, each answered."""
    folder, site = tmp_path / "in", write_site(tmp_path / "site")
    folder.mkdir()
    sources = site / "sources.toml"
    named = f'id = "admissions"\nfolder = "{folder}"\n'
    sources.write_text(sources.read_text("utf-8").replace('id = "admissions"\n', named, 1), "utf-8")
    moments = random.Random(20260302)
    gateway, files = Gateway(tmp_path, site=site), 0
    try:
        for kill in (True, True, False):
            for _ in range(12):
                partial = tmp_path / "partial"
                partial.write_bytes(b"".join(HELLO % b"%d-%d" % (files, n) for n in range(3)))
                partial.rename(folder / f"{files}.hl7")
                files += 1
            gateway.start()
            if kill:
                done = len(list((folder / "done").iterdir()))
                until(lambda done=done: len(list((folder / "done").iterdir())) > done)
                time.sleep(moments.uniform(0, 0.3))
                gateway.kill()
        until(lambda: len(list((folder / "done").iterdir())) == files, 60)
        summary = gateway.settled()
        assert (summary["received"] - summary["duplicate"], summary["quarantined"]) == (3 * files, 0)
        assert {path.name for path in (folder / "done").iterdir()} == {f"{n}.hl7" for n in range(files)}
        assert not list((folder / "error").iterdir())
        for n in range(files):
            answer = (folder / f"{n}.hl7.ack").read_bytes()
            assert [b"MSA|AA|%d-%d" % (n, k) in answer for k in range(3)] == [True] * 3
        assert not [path for path in folder.iterdir() if path.is_file() and path.suffix != ".ack"]
        assert '"hl7' not in gateway.log
    finally:
        gateway.kill()
