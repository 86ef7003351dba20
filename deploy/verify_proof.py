#!/usr/bin/env python3
"""Vérifie, sans la passerelle, la preuve qu'un événement figure dans son journal d'audit.

    python3 verify_proof.py preuve.json cle-publique.pem

La preuve vient de `gateway audit prove`, la clé de `gateway audit key public`, remise par une autre voie. Il ne faut
que Python et le paquet `cryptography`. Code de sortie : 0 prouvé, 1 non prouvé, 2 appel ou fichier incorrect.
"""

import hashlib
import json
import sys
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key


def canonical(value):
    """La forme canonique (RFC 8785) des valeurs du journal : textes, entiers, booléens, listes, objets."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def signed(public, kind, value, signature):
    """La clé publique a-t-elle signé cette valeur ?"""
    message = f"secretariat-gateway audit {kind} 1\n".encode() + canonical(value)
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def trusted_keys(trusted, statements):
    """Les clés auxquelles mène la clé remise : chacune est signée par la précédente, ou la nomme."""
    own = [s for s in statements if signed(s["key"]["public"], "key", s["key"], s["proof"])]
    named = {s["key"]["key"]: s for s in own if s["key"]["key"] == key_id(s["key"]["public"])}
    found = {key_id(trusted): trusted}
    for _ in named:
        for key, each in named.items():
            before = found.get(each["key"]["previous"])
            if before and signed(before, "key", each["key"], each["endorsement"]):
                found[key] = each["key"]["public"]
            elif key in found and each["key"]["previous"] in named:
                found[each["key"]["previous"]] = named[each["key"]["previous"]]["key"]["public"]
    told = [statement["key"] for key, statement in named.items() if key in found]
    return found, {t["previous"]: datetime.fromisoformat(t["valid_from"]) + timedelta(days=1) for t in told}


def key_id(public):
    """L'identifiant d'une clé publique."""
    return hashlib.sha256(bytes.fromhex(public)).hexdigest()[:32]


def root(leaf, place, size, path):
    """La racine de Merkle à laquelle le chemin mène (RFC 9162, 2.1.3.2)."""
    last, top = size - 1, hashlib.sha256(b"\x00" + leaf).digest()
    for neighbour in map(bytes.fromhex, path):
        if last == 0:
            return ""
        left = place & 1 or place == last
        top = hashlib.sha256(b"\x01" + (neighbour + top if left else top + neighbour)).digest()
        while left and not place & 1 and place:
            place, last = place >> 1, last >> 1
        place, last = place >> 1, last >> 1
    return top.hex() if last == 0 else ""


def flaw(proof, trusted):
    """Ce qui manque à la preuve ; rien si elle vaut."""
    told = proof["checkpoint"]
    keys, ends = trusted_keys(trusted, proof["keys"])
    late = told["key"] in ends and datetime.fromisoformat(told["at"]) > ends[told["key"]]
    if told["key"] not in keys or late or not signed(keys[told["key"]], "checkpoint", told, proof["signature"]):
        return "le point de contrôle n'est pas signé par la clé remise"
    event = hashlib.sha256(canonical(proof["event"])).hexdigest()
    leaf = hashlib.sha256((proof["previous"] + event).encode()).digest()
    place = proof["sequence"] - told["first"]
    if not 0 <= place < told["count"] or root(leaf, place, told["count"], proof["path"]) != told["root"]:
        return "l'événement n'est pas sous ce point de contrôle"
    return ""


if __name__ == "__main__":
    try:
        proof, pem = json.loads(Path(sys.argv[1]).read_bytes()), Path(sys.argv[2]).read_bytes()
        reason = flaw(proof, load_pem_public_key(pem).public_bytes_raw().hex())
    except (IndexError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        sys.exit(print(f"preuve et clé publique attendues ({type(error).__name__})", file=sys.stderr) or 2)
    told = proof["checkpoint"]
    verdict = f"NON PROUVÉ : {reason}" if reason else f"PROUVÉ : signé le {told['at']}, journal {told['log']}"
    print(json.dumps(proof["event"], ensure_ascii=False, indent=2, sort_keys=True), verdict, sep="\n")
    sys.exit(1 if reason else 0)
