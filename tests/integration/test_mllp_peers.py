"""Peers that hospitals use send to our listener and receive from our client, in clear and, where they can, by TLS."""

import asyncio
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import hl7
import hl7.mllp
import pytest
import trustme
from hl7apy.core import Message
from hl7apy.mllp import AbstractHandler, MLLPServer

from adapters.mllp.client import Client
from adapters.mllp.listener import Listener
from adapters.mllp.tls import Renewal, TlsFiles, sender_context

HERE = "127.0.0.1"
TEXT = (
    "MSH|^~\\&|LIS|CHU|GATEWAY|CHU|20260302081500||ORU^R01^ORU_R01|{0}|P|2.5|||||FRA|UNICODE UTF-8\r"
    "PID|1||9000000001^^^CHU^PI||ESSAYÉ^Zoé||19610704|F\r"
)
ACK = "MSH|^~\\&|GATEWAY|CHU|LIS|CHU|20260302081501||ACK^R01^ACK|A{0}|P|2.5\rMSA|AA|{0}\r"
NODE_CLIENT = "node-hl7-client@3.2.0"
"""MIT, no dependencies, kept since 2023; the last that runs on Node 20."""


@pytest.fixture
def authority(tmp_path):
    """An authority's file, and a certificate for loopback that comes from it."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    ca.issue_cert(HERE, "localhost").private_key_and_cert_chain_pem.write_to_path(tmp_path / "ours.pem")
    return tmp_path / "ca.pem", tmp_path / "ours.pem"


class Received(list):
    """What came to our listener; each is acknowledged under its own control ID."""

    async def __call__(self, payload, _peer):
        self.append(payload.decode())
        return ACK.format(payload.split(b"|")[9].decode()).encode()


@asynccontextmanager
async def listening(certificate=None):
    received = Received()
    listener = Listener(received, lambda _limit, _peer: b"NAK")
    renewal = Renewal(TlsFiles(certificate)) if certificate else None
    await listener.start(HERE, 0, renewal.current if renewal else None)
    try:
        yield listener.address, received
    finally:
        await listener.stop(1)


def run(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)
    assert done.returncode == 0, (done.stdout, done.stderr)
    return done.stdout


# Senders


async def test_python_hl7s_mllp_send(tmp_path):
    """Its command sends a file of framed messages one by one, and prints each answer."""
    file = tmp_path / "messages.mllp"
    texts = [TEXT.format(n) for n in range(3)]
    file.write_bytes(b"".join(b"\x0b" + text.encode() + b"\x1c\r" for text in texts))
    async with listening() as ((host, port), received):
        command = [sys.executable, "-c", "from hl7.client import mllp_send; mllp_send()", "--port", str(port)]
        told = await asyncio.to_thread(run, [*command, "--file", str(file), host])
    assert received == [text.rstrip("\r") for text in texts]  # it leaves out the last CR
    assert told.count("MSA|AA|") == 3


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_python_hl7s_asyncio_client(secure, authority):
    """Message after message on one connection; it takes our answers as messages."""
    ca, ours = authority
    context = ssl.create_default_context(cafile=ca) if secure else None
    async with listening(ours if secure else None) as ((host, port), received):
        reader, writer = await hl7.mllp.open_hl7_connection(host, port, encoding="utf-8", ssl=context)
        for n in range(3):
            writer.writemessage(hl7.parse(TEXT.format(n)))
            await writer.drain()
            answer = await asyncio.wait_for(reader.readmessage(), 10)
            assert (str(answer.segment("MSA")[1]), str(answer.segment("MSA")[2])) == ("AA", str(n))
        writer.close()
        await writer.wait_closed()
    assert received == [TEXT.format(n) for n in range(3)]


async def test_a_sender_that_builds_its_messages_with_hl7apy():
    """One connection a message, as its documentation shows."""
    message = Message("ADT_A01", version="2.5")
    message.msh.msh_9, message.msh.msh_10, message.msh.msh_11 = "ADT^A01^ADT_A01", "7", "P"
    message.pid.pid_5 = "ESSAYÉ^Zoé"

    def ask(address):
        with socket.create_connection(address, timeout=10) as wire:
            wire.sendall(message.to_mllp().encode())
            return wire.recv(65_536)

    async with listening() as (address, received):
        assert await asyncio.to_thread(ask, address) == b"\x0b" + ACK.format("7").encode() + b"\x1c\r"
    assert [text.rstrip("\r") for text in received] == [message.to_er7().rstrip("\r")]


@pytest.fixture(scope="session")
def node_modules(tmp_path_factory) -> Path:
    """A folder with the Node client, from npm or its cache; skipped without Node, a failure where CI requires it."""
    folder = tmp_path_factory.mktemp("node")
    absent = next((f"{program} is not installed" for program in ("node", "npm") if not shutil.which(program)), "")
    if not absent:
        install = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline", NODE_CLIENT]
        done = subprocess.run(install, cwd=folder, capture_output=True, timeout=120, check=False)
        absent = f"npm could not install {NODE_CLIENT}" if done.returncode else ""
    if absent:
        if os.environ.get("GATEWAY_REQUIRE_SERVICES") == "1":
            pytest.fail(f"GATEWAY_REQUIRE_SERVICES=1, but {absent}")
        pytest.skip(absent)
    return folder


_NODE = """
import { readFileSync } from "node:fs";
import { Client, Message } from "node-hl7-client";
const [host, port, ca, ...texts] = JSON.parse(process.argv[2]);
const tls = ca ? { ca: readFileSync(ca), host, servername: "localhost" } : undefined;
const client = new Client({ host, tls });
const answers = [];
const connection = client.createConnection({ port }, async (response) => {
  answers.push(response.getMessage().get("MSA.2").toString());
  if (answers.length === texts.length) {
    console.log(JSON.stringify(answers));
    await connection.close();
    process.exit(0);
  }
  await connection.sendMessage(new Message({ text: texts[answers.length] }));
});
await connection.sendMessage(new Message({ text: texts[0] }));
"""


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_nodes_hl7_client(secure, authority, node_modules):
    """It sends the next message when the last one is acknowledged."""
    ca, ours = authority
    (node_modules / "send.mjs").write_text(_NODE, encoding="utf-8")
    texts = [TEXT.format(n) for n in range(3)]
    async with listening(ours if secure else None) as ((host, port), received):
        given = json.dumps([host, port, str(ca) if secure else "", *texts])
        told = await asyncio.to_thread(run, ["node", "send.mjs", given], cwd=node_modules)
    assert json.loads(told.strip().splitlines()[-1]) == ["0", "1", "2"]
    assert [text.rstrip("\r") for text in received] == [text.rstrip("\r") for text in texts]


# Receivers


@contextmanager
def hl7apy_receiver():
    """Its server, which hangs up after each answer."""
    got = []

    class Acknowledge(AbstractHandler):
        def reply(self):
            got.append(self.incoming_message)
            answer = ACK.format(self.incoming_message.split("|")[9])
            return f"\x0b{answer}\x1c\r"

    server = MLLPServer(HERE, 0, {"ORU^R01^ORU_R01": (Acknowledge,)})
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield server.server_address, got
    finally:
        server.shutdown()
        server.server_close()


async def test_hl7apys_server_receives_from_our_client():
    """It hangs up after each answer, perhaps while the next message is on its way: that one is delivered again."""
    with hl7apy_receiver() as (address, got):
        async with Client(*address) as client:
            for n in range(3):
                answer = await client.deliver(TEXT.format(n).encode(), 10, first_pause=0.05)
                assert answer == ACK.format(n).encode()
    assert got == [TEXT.format(n) for n in range(3)]


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_python_hl7s_asyncio_server_receives_from_our_client(secure, authority):
    """Message after message on one connection, and several ahead of their answers."""
    ca, ours = authority
    got = []

    async def serve(reader, writer):
        try:
            while True:
                message = await reader.readmessage()
                got.append(str(message))
                writer.writemessage(message.create_ack())
                await writer.drain()
        except asyncio.IncompleteReadError:
            writer.close()

    context = None
    if secure:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(ours)
    server = await hl7.mllp.start_hl7_server(serve, HERE, 0, encoding="utf-8", ssl=context)
    async with server:
        trusting = sender_context(TlsFiles(authorities=ca)) if secure else None
        async with Client(*server.sockets[0].getsockname(), ssl=trusting) as client:
            answers = [await client.send(TEXT.format(0).encode(), 10)]
            answers += [a async for a in client.send_all([TEXT.format(n).encode() for n in (1, 2)], 2, 10)]
    assert [answer.split(b"MSA|AA|")[1].strip() for answer in answers] == [b"0", b"1", b"2"]
    assert got == [TEXT.format(n) for n in range(3)]
