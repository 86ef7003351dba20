"""What the README tells a newcomer to do is done here, word by word."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from gateways import gateway_in

REPOSITORY = Path(__file__).parents[2]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def shell_lines(heading: str) -> list[str]:
    """The commands of the README's shell blocks under a heading, without their comments."""
    section = README.split(f"## {heading}\n")[1].split("\n## ")[0]
    blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    return [re.sub(r"\s{2,}#.*", "", line).strip() for block in blocks for line in block.splitlines()]


@pytest.fixture
def first_message(tmp_path):
    """The file that the README's printf makes."""
    (line,) = [line for line in shell_lines("Ten minutes to your own first routed message") if "printf" in line]
    subprocess.run(["sh", "-c", line], cwd=tmp_path, check=True)
    return tmp_path / "first.hl7"


def test_the_ten_minute_path_leads_where_it_says(tmp_path, first_message):
    """A copy of the demonstration's site with unit 4711 routes the message to cardiology, and asks who she is."""
    site = tmp_path / "mysite"
    shutil.copytree(REPOSITORY / "mappings" / "sites" / "chu_demo", site)
    file = site / "secretariats.toml"
    text = file.read_text(encoding="utf-8")
    before, after = text.split('id = "cardiology"')
    file.write_text(before + 'id = "cardiology"' + after.replace("units = [", 'units = ["4711", ', 1), encoding="utf-8")
    with gateway_in(tmp_path, site=site) as gateway:
        assert gateway.run("config", "check", site).stdout.endswith("good\n")
        assert "cardiology" in gateway.run("explain", first_message).stdout
        gateway.run("send", first_message, "--to", "{}:{}".format(*gateway.mllp))
        gateway.settled()
        (item,) = gateway.json("worklist", "list", "cardiology")
        (question,) = gateway.json("worklist", "list", "bureau-des-entrees")
        assert (item["title"], question["kind"]) == ("admission.arrived", "identity")
        assert "Patient présent" in gateway.run("worklist", "list", "cardiology").stdout
        assert "ADT^A01" in gateway.run("messages", "show", "1").stdout
        assert gateway.json("audit", "search", "--patient", "9000000001")
        gateway.run("audit", "verify")


def test_every_command_of_the_path_is_tried_here():
    """A command that the path gains later must be tried in this file too."""
    here = Path(__file__).read_text(encoding="utf-8")
    for line in shell_lines("Ten minutes to your own first routed message"):
        if line.startswith("gateway ") and line != "gateway serve":
            words = [w for w in line.split()[1:] if re.fullmatch(r"[a-z]+", w)][:2]
            assert f'"{words[0]}"' in here, line


def test_the_kombu_script_receives_what_is_published(tmp_path, rabbitmq, first_message):
    """The README's consumer, as it stands, prints the item that the README's message makes."""
    (script,) = re.findall(r"<!-- kombu -->\n```python\n(.*?)```", README, re.DOTALL)
    with gateway_in(tmp_path, site=REPOSITORY / "mappings/sites/chu_demo", broker_url=rabbitmq.url) as gateway:
        gateway.run("send", first_message, "--to", "{}:{}".format(*gateway.mllp))
        gateway.settled()
        done = subprocess.run(
            [sys.executable, "-c", script, rabbitmq.url, "bureau-des-entrees"],
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=60,
            check=True,
        )
    assert "Identité à confirmer" in done.stdout
