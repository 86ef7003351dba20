"""A morning at the hospital, as data: who sends what, how it is answered, how it ends, and what it leads to."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, time, timedelta
from typing import Any

from adapters.demo import expectations, messages, resources
from adapters.demo.expectations import Expectations
from adapters.demo.messages import LATIN_1, Line, Stay
from adapters.demo.patients import (
    BERANGEVAL,
    BERANGEVAL_ACCENTED,
    BRANDELORE,
    DUBROSQUIN,
    FAURIBAUD,
    FAURIBAUD_AGAIN,
    GRANSAIGNE,
    GRANSAIGNE_OF_THE_LABORATORY,
    KERVALENN,
    LASCOUDRE,
    MERLANCHON,
    MERLANCHON_CORRECTED,
    OSTERMANDE,
    PELLETERAN,
    TAVERNAUD,
    TAVERNAUD_OTHERWISE,
    VILLARQUET,
)
from adapters.demo.steps import Booking, Day, Step
from gateway.reception import State

CARDIOLOGY, INTENSIVE, CONSULTATIONS = "2110", "2111", "2112"
SURGERY, AMBULATORY = "2310", "2311"
EMERGENCY = "3010"
ULTRASOUND, SCANNER = "4010", "4011"
NOBODY = "9999"
"""A unit that no secretariat of the site serves."""

BLOOD_COUNT = "58410-2^Numération formule sanguine^LN"
ELECTROLYTES = "24326-1^Ionogramme^LN"
TROPONIN = "67151-1^Troponine T^LN"
LIVER = "24325-3^Bilan hépatique^LN"
ECG = "11524-6^Électrocardiogramme^LN"
IMAGING_REPORT = "18748-4^CR d'imagerie médicale^LN"
DISCHARGE_LETTER = "11490-0^Lettre de liaison à la sortie^LN"

HAEMOGLOBIN = Line("718-7^Hémoglobine^LN", "11.2", "g/dL", "12-16", "L")
HAEMOGLOBIN_CORRECTED = replace(HAEMOGLOBIN, value="9.1")
POTASSIUM_CRITICAL = Line("2823-3^Potassium^LN", "7.1", "mmol/L", "3.5-5.1", "HH")
POTASSIUM_LOW = Line("2823-3^Potassium^LN", "2.2", "mmol/L", "3.5-5.1", "LL")
SODIUM = Line("2951-2^Sodium^LN", "139", "mmol/L", "136-145")
TROPONIN_T = Line("6598-7^Troponine T^LN", "8", "ng/L", "0-14")
TRANSAMINASES = Line("1742-6^ALAT^LN", "31", "U/L", "0-45")
RATE = Line("8867-4^Fréquence cardiaque^LN", "88", "/min", "60-100")

CARDIO = "CS-CARDIO^Consultation de cardiologie"
NOON, AFTER_THE_MORNING = time(12, 30), 900
"""When what comes after the morning begins, and from which number its messages count."""

ECHO = "ECHO-ABDO^Échographie abdominale"
ANAESTHESIA = "CS-ANEST^Consultation d’anesthésie"

STAY_KERVALENN = Stay("NDA260011", CARDIOLOGY, "C12^1")
VISIT_DUBROSQUIN = Stay("NDA260029", EMERGENCY, "BOX4", "E")
STAY_DUBROSQUIN = replace(VISIT_DUBROSQUIN, unit=INTENSIVE, bed="SI3^1", patient_class="I")
STAY_DUBROSQUIN_SURGERY = replace(STAY_DUBROSQUIN, unit=SURGERY, bed="V07^2")
STAY_LASCOUDRE = Stay("NDA260037", SURGERY)
STAY_OSTERMANDE = Stay("NDA260045", AMBULATORY)
VISIT_BRANDELORE = Stay("NDA260052", EMERGENCY, "BOX1", "E")
STAY_TAVERNAUD = Stay("NDA260060", CARDIOLOGY, "C14^2")
STAY_ELSEWHERE = Stay("NDA260099", CARDIOLOGY)
STAY_VILLARQUET = Stay("NDA260078", CARDIOLOGY, "C15^1")
STAY_GRANSAIGNE = Stay("NDA260086", SURGERY, "V02^1")


@dataclass(frozen=True, slots=True)
class Scenario:
    """A morning.

    Attributes:
        today: its date.
        steps: what is sent, in order.
        expected: what it must lead to.

    """

    today: date
    steps: tuple[Step, ...]
    expected: Expectations


def morning(today: date) -> Scenario:
    """Give the morning of a date; its appointments are in the weeks after it."""
    day = Day(today)
    chapters = (
        _identities,
        _arrivals,
        _agendas,
        _results,
        _moves,
        _imaging,
        _doubts,
        _changes,
        _strangers,
        _departures,
    )
    steps = tuple(step for chapter in chapters for step in chapter(day))
    return Scenario(today, steps, expectations.EXPECTED)


MOVED_LATER = "RDV-4103"
"""Number of the appointment that is moved once its letter has been sent."""


def move(today: date) -> Step:
    """Give the move of an appointment of which the patient holds the letter, after the morning."""
    day = Day(today, NOON, AFTER_THE_MORNING)
    moved = replace(_rdv_4103(day), start=day.on(31, 9, 30))
    return day.agenda("S13", KERVALENN, moved, "Rendez-vous déplacé, la convocation est partie (SIU)")


def _identities(day: Day) -> Iterator[Step]:
    yield day.identity("A28", KERVALENN, "Le bureau des entrées crée une patiente, identité qualifiée")
    yield day.identity("A28", DUBROSQUIN, "Création d’un deuxième patient, INS vérifié")
    yield day.identity("A28", MERLANCHON, "Création d’une patiente, identité encore provisoire")
    yield day.identity("A28", FAURIBAUD, "Création d’un patient sans pièce d’identité")
    yield day.identity("A28", OSTERMANDE, "Création d’une patiente suivie en consultation")
    yield day.identity("A28", VILLARQUET, "Création d’un patient suivi en consultation")
    yield day.identity("A28", TAVERNAUD, "Création d’une patiente attendue en cardiologie")
    yield day.identity("A28", GRANSAIGNE, "Création d’une patiente, identité qualifiée")
    yield day.identity("A28", BERANGEVAL, "Création d’une patiente, nom saisi sans accents")


def _arrivals(day: Day) -> Iterator[Step]:
    expected = day.on(21, 7)
    own = messages.segment("ZCH", {1: "1", 2: "CHAMBRE PARTICULIERE", 3: "O"})
    yield day.movement("A01", KERVALENN, STAY_KERVALENN, "Admission en cardiologie")
    yield day.movement("A04", DUBROSQUIN, VISIT_DUBROSQUIN, "Passage aux urgences")
    yield day.movement(
        "A05",
        LASCOUDRE,
        STAY_LASCOUDRE,
        "Pré-admission en chirurgie, avec un segment Z maison",
        expected=expected,
        own=(own,),
    )
    yield day.movement("A05", OSTERMANDE, STAY_OSTERMANDE, "Pré-admission en ambulatoire", expected=expected)
    yield day.movement("A01", GRANSAIGNE, STAY_GRANSAIGNE, "Admission en chirurgie viscérale")


def _agendas(day: Day) -> Iterator[Step]:
    yield day.agenda("S12", OSTERMANDE, _rdv_4101(day), "Rendez-vous de cardiologie pris (SIU)")
    yield day.agenda("S12", OSTERMANDE, _rdv_4102(day), "Échographie prise (SIU)")
    yield day.agenda("S12", KERVALENN, _rdv_4103(day), "Consultation de suivi prise (SIU)")
    yield day.declared("POST", VILLARQUET, _rdv_9001(day), "Rendez-vous de cardiologie pris (FHIR)")
    booked = day.declared("POST", GRANSAIGNE, _rdv_9002(day), "Scanner pris (FHIR)")
    yield booked
    yield booked.again("L’agenda n’a pas vu la réponse et répète sa requête")
    yield day.declared("PUT", BERANGEVAL, _rdv_9003(day), "Rendez-vous déclaré, urgent (FHIR)", priority=3).ends(
        "201", State.PROCESSED
    )


def _rdv_4101(day: Day) -> Booking:
    return Booking("RDV-4101", day.on(10, 9), CONSULTATIONS, CARDIO)


def _rdv_4102(day: Day) -> Booking:
    return Booking("RDV-4102", day.on(14, 10, 30), ULTRASOUND, ECHO)


def _rdv_4103(day: Day) -> Booking:
    return Booking("RDV-4103", day.on(30, 14), CONSULTATIONS, CARDIO)


def _rdv_4104(day: Day) -> Booking:
    return Booking("RDV-4104", day.on(16, 11), AMBULATORY, ANAESTHESIA)


def _rdv_4105(day: Day) -> Booking:
    return Booking("RDV-4105", day.on(1, 8), ULTRASOUND, ECHO)


def _rdv_9001(day: Day) -> Booking:
    return Booking("RDV-9001", day.on(12, 15), CONSULTATIONS, "Consultation de cardiologie")


def _rdv_9002(day: Day) -> Booking:
    return Booking("RDV-9002", day.on(20, 16), SCANNER, "Scanner abdominal")


def _rdv_9003(day: Day) -> Booking:
    return Booking("RDV-9003", day.on(5, 9, 30), SCANNER, "Scanner thoracique")


def _results(day: Day) -> Iterator[Step]:
    where: dict[str, Any] = {"unit": CARDIOLOGY, "stay": STAY_KERVALENN}
    yield day.result(KERVALENN, "BIO-501", BLOOD_COUNT, [HAEMOGLOBIN], "Numération provisoire", status="P", **where)
    critical = day.result(
        KERVALENN, "BIO-502", ELECTROLYTES, [SODIUM, POTASSIUM_CRITICAL], "Potassium critique : passe devant", **where
    )
    yield critical
    yield critical.again("Le laboratoire envoie le même message deux fois")
    yield critical.again("… et une fois encore : toujours une seule tâche")
    yield day.result(KERVALENN, "BIO-501", BLOOD_COUNT, [HAEMOGLOBIN], "Numération définitive", **where)
    yield day.result(
        KERVALENN, "BIO-501", BLOOD_COUNT, [HAEMOGLOBIN_CORRECTED], "Numération corrigée", status="C", **where
    )
    yield day.result(DUBROSQUIN, "BIO-503", TROPONIN, [TROPONIN_T], "Troponine en urgence", urgency="A", unit=EMERGENCY)
    yield day.result(OSTERMANDE, "BIO-504", LIVER, [TRANSAMINASES], "Bilan hépatique", unit=AMBULATORY)
    yield day.result(
        OSTERMANDE,
        "BIO-504",
        LIVER,
        [TRANSAMINASES],
        "Bilan retiré : tube d’un autre patient",
        unit=AMBULATORY,
        status="D",
    )
    yield day.result(
        LASCOUDRE,
        "BIO-505",
        LIVER,
        [TRANSAMINASES],
        "Bilan dirigé vers la chirurgie (PRT)",
        unit=NOBODY,
        copy_to=SURGERY,
    )


def _moves(day: Day) -> Iterator[Step]:
    yield day.movement("A06", DUBROSQUIN, STAY_DUBROSQUIN, "Hospitalisé : quitte les urgences pour la cardiologie")
    yield day.movement("A02", DUBROSQUIN, STAY_DUBROSQUIN_SURGERY, "Muté en chirurgie viscérale")
    yield day.result(
        DUBROSQUIN,
        "BIO-506",
        ELECTROLYTES,
        [POTASSIUM_LOW],
        "Potassium critique : demandeur et lieu du patient avertis",
        unit=INTENSIVE,
        stay=STAY_DUBROSQUIN_SURGERY,
    )


def _imaging(day: Day) -> Iterator[Step]:
    yield day.document(
        "T02", DUBROSQUIN, "CRI-7001", IMAGING_REPORT, VISIT_DUBROSQUIN, "Compte rendu de scanner des urgences (PDF)"
    )
    yield day.document("T02", KERVALENN, "CRI-7002", IMAGING_REPORT, STAY_KERVALENN, "Compte rendu d’échographie (PDF)")
    yield day.document(
        "T10",
        KERVALENN,
        "CRI-7003",
        IMAGING_REPORT,
        STAY_KERVALENN,
        "… remplacé par une nouvelle version",
        replaces="CRI-7002",
    )
    yield day.document("T02", TAVERNAUD, "CRI-7004", IMAGING_REPORT, STAY_TAVERNAUD, "Compte rendu classé par erreur")
    yield day.document("T04", TAVERNAUD, "CRI-7004", IMAGING_REPORT, STAY_TAVERNAUD, "… et supprimé")
    yield day.document(
        "T10", KERVALENN, "CRI-7005", IMAGING_REPORT, STAY_KERVALENN, "Remplacement sans dire de quoi : refusé"
    ).ends("AE", State.QUARANTINED)
    yield day.document(
        "T02",
        KERVALENN,
        "CRH-301",
        DISCHARGE_LETTER,
        STAY_KERVALENN,
        "Lettre de liaison de cardiologie (PDF)",
        source="cardiology-app",
    )


def _doubts(day: Day) -> Iterator[Step]:
    yield day.result(
        BRANDELORE,
        "BIO-507",
        TROPONIN,
        [TROPONIN_T],
        "Résultat d’un patient inconnu : livré, question posée",
        unit=EMERGENCY,
    )
    yield day.identity("A28", BRANDELORE, "Le bureau des entrées le crée : identité confirmée")
    yield day.movement("A01", BRANDELORE, VISIT_BRANDELORE, "… puis l’admet aux urgences")
    yield day.movement("A01", TAVERNAUD, STAY_TAVERNAUD, "Admission en cardiologie")
    yield day.result(
        TAVERNAUD_OTHERWISE,
        "ECG-81",
        ECG,
        [RATE],
        "ECG du service, autre année de naissance : collision ?",
        source="cardiology-app",
        unit=CARDIOLOGY,
    )
    yield day.result(
        GRANSAIGNE_OF_THE_LABORATORY,
        "BIO-508",
        LIVER,
        [TRANSAMINASES],
        "Numéro du laboratoire et INS : dossiers rapprochés",
        unit=SURGERY,
    )
    yield day.result(
        BERANGEVAL_ACCENTED,
        "BIO-509",
        LIVER,
        [TRANSAMINASES],
        "Message ISO-8859-1, nom accentué : même personne",
        charset=LATIN_1,
        unit=SURGERY,
    )
    yield day.identity("A28", FAURIBAUD_AGAIN, "Un deuxième dossier est créé par erreur")
    yield day.result(
        FAURIBAUD_AGAIN, "BIO-510", LIVER, [TRANSAMINASES], "Résultat sur le deuxième dossier", unit=SURGERY
    )
    yield day.merge(FAURIBAUD, FAURIBAUD_AGAIN.ipp, "Fusion des deux dossiers : la tâche suit")
    yield day.result(
        FAURIBAUD_AGAIN,
        "BIO-511",
        BLOOD_COUNT,
        [HAEMOGLOBIN],
        "Résultat tardif sur l’IPP retiré : retrouvé",
        unit=SURGERY,
    )
    yield day.merge(
        VILLARQUET,
        OSTERMANDE.ipp,
        "Un service demande une fusion : question, rien n’est fusionné",
        source="cardiology-app",
    )


def _changes(day: Day) -> Iterator[Step]:
    yield day.identity("A31", MERLANCHON_CORRECTED, "Date de naissance corrigée, identité qualifiée")
    moved = replace(_rdv_4101(day), start=day.on(11, 16))
    yield day.agenda("S13", OSTERMANDE, moved, "Rendez-vous déplacé : la convocation suit (SIU)")
    yield day.agenda("S15", OSTERMANDE, _rdv_4102(day), "Échographie annulée (SIU)", status="Cancelled")
    yield day.agenda(
        "S14", KERVALENN, _rdv_4103(day), "Consigne ajoutée (SIU)", note="Venir avec l’ordonnance en cours"
    )
    yield day.declared("PUT", VILLARQUET, replace(_rdv_9001(day), start=day.on(13, 9)), "Rendez-vous déplacé (FHIR)")
    yield day.declared("PUT", GRANSAIGNE, _rdv_9002(day), "Scanner annulé (FHIR)", status="cancelled")
    later = replace(_rdv_4104(day), start=day.on(17, 8))
    yield day.agenda("S13", MERLANCHON_CORRECTED, later, "Report reçu avant la prise du rendez-vous : gardé")
    yield day.agenda(
        "S12",
        MERLANCHON_CORRECTED,
        _rdv_4104(day),
        "La prise du rendez-vous arrive : le report s’applique",
        earlier=timedelta(minutes=10),
    )
    yield day.agenda("S12", TAVERNAUD, _rdv_4105(day), "Échographie prise pour demain (SIU)")
    yield day.agenda("S26", TAVERNAUD, _rdv_4105(day), "… la patiente ne viendra pas", status="Noshow")
    yield day.agenda("S14", BERANGEVAL, _rdv_4103(day), "Rendez-vous d’une autre patiente : faute de classement").ends(
        "AA", State.QUARANTINED
    )


def _strangers(day: Day) -> Iterator[Step]:
    quarantined = State.QUARANTINED
    yield day.result(VILLARQUET, "BIO-512", LIVER, [TRANSAMINASES], "Unité que personne ne dessert", unit=NOBODY)
    yield day.result(
        PELLETERAN,
        "OFF-1",
        LIVER,
        [TRANSAMINASES],
        "Nouvel émetteur, HL7 2.3.1, ses propres numéros",
        source="other",
        version="2.3.1",
    )
    yield day.frame(
        "other", messages.billing(day.envelope("other"), VILLARQUET), "Facturation (DFT) : hors sujet"
    ).ends("AA", State.IGNORED)
    yield Step("", "MLLP", b"%!PS-Adobe-3.0 rapport", "Une imprimante s’est trompée de port", "AR", quarantined)
    yield day.movement("A99", KERVALENN, STAY_KERVALENN, "Événement inconnu").ends("AR", quarantined)
    broken = day.agenda("S12", VILLARQUET, replace(_rdv_4105(day), number="RDV-4106"), "Heure illisible : refusé")
    unreadable = broken.payload.replace(messages.stamp(_rdv_4105(day).start).encode(), b"demain matin")
    yield replace(broken, payload=unreadable).ends("AE", quarantined)
    wrong = resources.appointment(VILLARQUET, "RDV-9004", day.on(9, 9), SCANNER, "Scanner")
    yield day.request("POST", {**wrong, "start": 20260309}, "FHIR : une date qui est un nombre").ends(
        "422", quarantined
    )
    nobody = {**wrong, "participant": wrong["participant"][1:]}
    yield day.request("POST", nobody, "FHIR : un rendez-vous sans patient").ends("422", quarantined)
    yield day.request(
        "POST", {"resourceType": "Patient"}, "FHIR : une ressource qui n’est pas offerte", target="/fhir/Patient"
    ).ends("404", quarantined)


def _departures(day: Day) -> Iterator[Step]:
    yield day.movement("A38", LASCOUDRE, STAY_LASCOUDRE, "Pré-admission annulée", cancels="A05")
    yield day.movement("A01", VILLARQUET, STAY_VILLARQUET, "Admission saisie sur le mauvais patient")
    yield day.movement("A11", VILLARQUET, STAY_VILLARQUET, "… annulée", cancels="A01")
    yield day.movement("A03", DUBROSQUIN, STAY_DUBROSQUIN_SURGERY, "Sortie saisie trop tôt")
    yield day.movement(
        "A13", DUBROSQUIN, STAY_DUBROSQUIN_SURGERY, "… annulée : le patient est toujours là", cancels="A03"
    )
    yield day.frame(
        "admissions",
        messages.transfer_of_stay(day.envelope("admissions"), TAVERNAUD, STAY_ELSEWHERE, VILLARQUET.ipp),
        "Séjour inconnu à déplacer d’un dossier à l’autre : à une personne",
    ).ends("AA", State.QUARANTINED)
    yield day.movement("A03", KERVALENN, STAY_KERVALENN, "Sortie de cardiologie")
