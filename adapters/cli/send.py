"""`gateway send`."""

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from itertools import groupby
from pathlib import Path
from typing import Any

import click

from adapters.cli.output import json_option, print_json, printable
from adapters.mllp.client import Client, PeerUnavailable
from adapters.mllp.tls import TlsFiles, sender_context
from gateway import er7
from gateway.errors import POSITIVE, GatewayError
from mappings.hl7v2.batch import is_batch, read_file, split
from mappings.hl7v2.header import peek
from mappings.hl7v2.mode import ORIGINAL, Mode, Wanted, mode_of

WINDOW = 16
"""Messages sent ahead of their answers."""

HIGHEST_PORT = 65_535
_PORT = re.compile("[1-9][0-9]{0,4}")


PEM = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--to", "address", required=True, metavar="HOST:PORT", help="The MLLP listener.")
@click.option("--tls", is_flag=True, help="Send by TLS, to a receiver whose certificate the system trusts.")
@click.option("--tls-ca", type=PEM, help="By TLS; PEM file of the authorities that the receiver's must come from.")
@click.option("--tls-cert", type=PEM, help="By TLS; PEM file of our certificate.")
@click.option("--tls-key", type=PEM, help="PEM file of its private key, if it is not in the certificate's file.")
@click.option("--tls-name", metavar="NAME", help="Name that the receiver's certificate bears, if it is not HOST.")
@click.option("--timeout", default=30.0, show_default=True, type=click.FloatRange(min=0.1), help="Seconds an answer.")
@json_option
@click.pass_context
def send(
    ctx: click.Context,
    files: Sequence[Path],
    address: str,
    tls_ca: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_name: str | None,
    timeout: float,
    *,
    tls: bool,
    as_json: bool,
) -> None:
    """Send HL7 v2 messages by MLLP and print each acknowledgment.

    A file that holds several messages (each begins with MSH at the beginning of a line) is sent as several frames;
    its bytes are not changed otherwise. A batch (FHS, BHS) is sent as one, and its answers are told one by one. Each
    acknowledgment that a message asks for (MSH-15, MSH-16) is waited for; where it asks for none, none is missed.
    Exit 0: all acknowledged positively; 1: some were refused; 3: some got no answer that they asked for.

    \b
    Examples:
      gateway send admission.hl7 --to 127.0.0.1:2575
      gateway send results/*.hl7 --to 127.0.0.1:2575 --json
      gateway send admission.hl7 --to gateway.chu.example:2576 --tls-ca ca.pem --tls-cert lis.pem --tls-key lis.key
    """
    host, _, port = address.rpartition(":")
    if not host or not _PORT.fullmatch(port) or int(port) > HIGHEST_PORT:
        raise click.BadParameter("HOST:PORT is expected", ctx, param_hint="--to")
    if tls_key and not tls_cert:
        raise click.BadParameter("a certificate (--tls-cert) is expected with it", ctx, param_hint="--tls-key")
    by_tls = tls or tls_ca or tls_cert or tls_name
    context = sender_context(TlsFiles(tls_cert, tls_key, tls_ca)) if by_tls else None
    client = Client(host.strip("[]"), int(port), ssl=context, server_hostname=tls_name)
    answers = asyncio.run(_send(files, client, timeout, quiet=as_json))
    refused = sum(not POSITIVE.issuperset({a["code"], a.get("application")} - {None}) for a in answers)
    unanswered = sum(a["code"] is None and a["error"] is not None for a in answers)
    if as_json:
        print_json(answers)
    else:
        click.echo(f"{len(answers)} sent, {refused} refused, {unanswered} without answer", err=True)
    ctx.exit(3 if unanswered else 1 if refused else 0)


async def _send(files: Sequence[Path], connection: Client, timeout: float, *, quiet: bool) -> list[dict[str, Any]]:  # noqa: ASYNC109 - handed on
    parts = [(file, n, part) for file in files for n, part in enumerate(split(file.read_bytes()), start=1)]
    answers: list[dict[str, Any]] = []
    async with connection as client, aclosing(_told(client, [p for *_, p in parts], timeout)) as arriving:
        places = iter(parts)
        async for told in arriving:
            file, n, _ = next(places)
            for each in told:
                answers.append({"file": str(file), "message": n, **each})
                if not quiet:
                    click.echo(_line(answers[-1]))
    return answers


async def _told(
    client: Client,
    payloads: Sequence[bytes],
    timeout: float,  # noqa: ASYNC109 - handed on
) -> AsyncGenerator[list[dict[str, Any]], None]:
    """Give what each payload's sender is told; those that are answered once each go ahead of their answers."""
    for once, run in groupby(payloads, lambda payload: _answered_once(_mode(payload))):
        if once:
            async with aclosing(_answers(client, list(run), timeout)) as arriving:
                async for answer in arriving:
                    yield [_silence(answer)] if isinstance(answer, str) else read_answers(answer)
            continue
        for payload in run:
            try:
                yield [await _converse(client, payload, timeout)]
            except PeerUnavailable as error:
                yield [_silence(error.rule)]


def _mode(payload: bytes) -> Mode:
    header = peek(payload)
    return mode_of(header) if header else ORIGINAL


def _answered_once(mode: Mode) -> bool:
    return not mode.enhanced or (mode.accept is Wanted.ALWAYS and mode.application is Wanted.NEVER)


async def _converse(client: Client, payload: bytes, timeout: float) -> dict[str, Any]:  # noqa: ASYNC109 - handed on
    """Give what is told in enhanced mode: an accept acknowledgment, an application acknowledgment, both or nothing."""
    mode = _mode(payload)

    def enough(answers: Sequence[bytes]) -> bool:
        codes = [read_answer(answer)["code"] for answer in answers]
        return not POSITIVE.issuperset(codes) or len(codes) > (mode.accept is Wanted.ALWAYS)

    applies = mode.application is not Wanted.NEVER
    answers = [read_answer(a) for a in await client.converse(payload, timeout, enough if applies else None)]
    if not answers:
        return _silence("no answer in time" if Wanted.ALWAYS in {mode.accept, mode.application} else "")
    return {**answers[0], "application": answers[1]["code"]} if answers[1:] else answers[0]


def _silence(why: str) -> dict[str, Any]:
    """What is told of a message without an acknowledgment: why, where one was asked for."""
    return {"code": None, "control_id": None, "error": why or None}


async def _answers(client: Client, payloads: Sequence[bytes], timeout: float) -> AsyncGenerator[bytes | str, None]:  # noqa: ASYNC109 - handed on
    """Give each payload's answer, or why none came; after a failure the rest goes on by a new connection."""
    done = 0
    while done < len(payloads):
        try:
            async with aclosing(client.send_all(payloads[done:], WINDOW, timeout)) as arriving:
                async for answer in arriving:
                    done += 1
                    yield answer
        except PeerUnavailable as error:
            done += 1
            yield error.rule


def read_answers(answer: bytes) -> list[dict[str, Any]]:
    """Give what the acknowledgment of a message says, or each of those in the acknowledgment of a batch."""
    if not is_batch(answer):
        return [read_answer(answer)]
    try:
        return [read_answer(each) for each in read_file(answer).messages] or [_silence("")]
    except GatewayError as error:
        return [{"code": "?", "control_id": None, "error": str(error)}]


def read_answer(answer: bytes) -> dict[str, Any]:
    """Give what an acknowledgment says."""
    try:
        message = er7.read(answer)
    except GatewayError as error:
        return {"code": "?", "control_id": None, "error": str(error)}
    said = " ".join(t for t in (message.text("ERR-2"), message.text("ERR-3"), message.text("ERR-8")) if t)
    said = said or message.text("MSA-3")  # before 2.5 ERR has no text
    return {"code": message.text("MSA-1"), "control_id": message.text("MSA-2"), "error": said or None}


def _line(answer: dict[str, Any]) -> str:
    code = " ".join(filter(None, (answer["code"], answer.get("application")))) or "--"
    told = f"{code}  {answer['file']}#{answer['message']}  {answer['control_id'] or ''}  {answer['error'] or ''}"
    return printable(told.rstrip())
