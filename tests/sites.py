"""A site for tests: two sources, one alias, one secretariat beside the default."""

from dataclasses import replace
from typing import Any

from gateway.site import Access, Environment, Secretariat, Site, Source, SourceRole

IPP = "1.2.250.1.999.1"
"""OID of the site's patient identifiers; ``CHU`` is its namespace."""

ADMISSIONS = Source("admissions", SourceRole.ADMISSIONS, "Bureau des entrées", applications=("GAM",), authority=IPP)
DEPARTMENT = Source("department", SourceRole.DEPARTMENT, "Services", authority="1.2.250.1.999.2")

_DEMO = Site(
    id="demo",
    label="CHU de démonstration",
    environment=Environment.TEST,
    facility="CHU",
    time_zone="Europe/Paris",
    authorities={"CHU": IPP, IPP: IPP},
    sources=(ADMISSIONS, DEPARTMENT),
    secretariats={
        "accueil": Secretariat("accueil", "Accueil"),
        "cardiologie": Secretariat("cardiologie", "Cardiologie", frozenset({"3010"})),
        "identite": Secretariat("identite", "Cellule d’identitovigilance"),
    },
    default_secretariat="accueil",
    identity_desk="identite",
    rules=(),
    access=Access(),
)


def demo_site(**changes: Any) -> Site:
    """Give the site, with these fields changed."""
    return replace(_DEMO, **changes)


def frame(*segments: str, msh: str = "") -> bytes:
    """Give a frame: the segments as sent, behind ``msh`` where they start with none."""
    return "".join(f"{segment}\r" for segment in ((msh, *segments) if msh else segments)).encode()


def header(kind: str, *, application: str = "GAM", control_id: str = "M1", version: str = "2.5", rest: str = "") -> str:
    """Give an MSH with this MSH-9; ``rest`` is what follows MSH-12."""
    return f"MSH|^~\\&|{application}|CHU|SECRETARIAT|CHU|20260310101500||{kind}|{control_id}|P|{version}{rest}"


PID = "PID|||4711^^^CHU^PI||DURAND^ANNE^ANNE MARIE^^^^L||19580321|F||||||||||||||||||||||||PROV"
"""A synthetic patient of admissions."""
