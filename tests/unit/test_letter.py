"""Letters: what stands in them and in the envelope's window, by the site's templates; what is wrong is refused."""

import re
import shutil
import zlib
from base64 import a85decode
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from facts import ANNE

from adapters.letter_pdf import drawable, render, typeset
from gateway.convening import Contact as Line
from gateway.convocation import (
    Content,
    Convocation,
    ConvocationKind,
    Convocations,
    ConvocationState,
    Notice,
    Outcome,
    Step,
)
from gateway.errors import ConfigurationError
from gateway.facts import Address, Contact, IdentityStatus, Representative
from gateway.identity import Person
from gateway.letter import FIELDS, filled
from gateway.postal import Correspondent
from gateway.reach import Addressee, Reach
from mappings.letters import Sender, date_written, day_written, time_written, written
from mappings.site import DEMO, load_site

SITE = load_site(DEMO)
START = datetime(2026, 4, 1, 7, 5, tzinfo=UTC)
HOME = Address(("14 venelle des Goélands",), "29200", "Brest", "FRA")
ANNE_AT_HOME = Correspondent(Person("p", (), ANNE, IdentityStatus.VALIDEE, confirmed=True), Contact(HOME))


def convocation(number: int, notice: Notice, start: datetime = START, *, to=Addressee.PATIENT) -> Convocation:
    content = Content(start, "4010", "Salle 2", "Dr Marc ROUX", "ECHO-ABDO", "Échographie abdominale", "Ordonnance")
    steps = (Step(ConvocationState.TO_PREPARE, START, "s"),)
    return Convocation(number, notice, content, Reach(addressee=to), steps, number - 1)


def letter_of(*each: Convocation, patient=ANNE_AT_HOME, secretariat: str = "radiology"):
    known = Convocations("0d9c5b55-1", "i", ConvocationKind.EXAMINATION, Outcome.GENERATE, Reach(), each, 1, START)
    told = {"source": "", "unit": "4010", "code": "ECHO-ABDO"}
    label = SITE.secretariats[secretariat].label
    sender = Sender(SITE.convening, SITE.label, secretariat, label, SITE.time_zone)
    rule = SITE.convening.rule_for((ConvocationKind.EXAMINATION,), told)
    return written(sender, rule, known, each[-1], patient, date(2026, 3, 2)).letter


def test_a_letter_says_when_where_what_to_bring_and_how_to_prepare():
    """And whom to call, with a reference."""
    letter = letter_of(convocation(1, Notice.INVITATION))
    text = "\n".join(letter.paragraphs).replace("\N{NO-BREAK SPACE}", " ")
    for said in (
        "mercredi 1er avril 2026 à 9 h 05",
        "Échographie abdominale",
        "Dr Marc ROUX",
        "Imagerie, bâtiment B",
        "à jeun depuis six heures",
        "Ordonnance",
        "- votre carte Vitale",
        "01 99 00 40 10",
        "0D9C5B55-1",
    ):
        assert said in text
    assert (letter.banner, letter.signature) == ("", ("Secrétariat de radiologie", "CHU démo"))


def test_a_correction_names_what_it_annuls():
    """« Annule et remplace », the former day and the new one."""
    letter = letter_of(
        convocation(1, Notice.INVITATION), convocation(2, Notice.CORRECTION, START.replace(day=4, minute=0))
    )
    text = "\n".join(letter.paragraphs).replace("\N{NO-BREAK SPACE}", " ")
    assert "annule et remplace" in letter.banner
    assert "Le rendez-vous du mercredi 1er avril 2026 à 9 h 05 est modifié" in text
    assert "samedi 4 avril 2026 à 9 h" in text


def test_a_paragraph_of_which_a_field_is_empty_is_left_out():
    """No letter says « Praticien : » and nothing behind it."""
    assert filled("Praticien : {praticien}", {"praticien": ""}) == ""
    assert filled("Le {date}.", {"date": "1er avril"}) == "Le 1er avril."
    blank = convocation(1, Notice.INVITATION)
    letter = letter_of(replace(blank, content=replace(blank.content, practitioner="", notes="")))
    assert not any(p.startswith(("Praticien", "Consignes")) for p in letter.paragraphs)


LEGAL = Representative("DURAND", "Marc", Contact(Address(("3 place du Marché",), "63200", "Riom")))


@pytest.mark.parametrize(
    ("to", "patient", "window"),
    [
        (Addressee.PATIENT, ANNE_AT_HOME, ("Madame ANNE DURAND", "14 venelle des Goélands", "29200 BREST")),
        (
            Addressee.GUARDIANS,
            ANNE_AT_HOME,
            ("Aux représentants légaux de", "ANNE DURAND", "14 venelle des Goélands", "29200 BREST"),
        ),
        (
            Addressee.REPRESENTATIVE,
            replace(ANNE_AT_HOME, representatives=(LEGAL,)),
            ("Marc DURAND", "3 place du Marché", "63200 RIOM"),
        ),
        (
            Addressee.REPRESENTATIVE,
            replace(ANNE_AT_HOME, representatives=(Representative("DURAND", "Marc"),)),
            ("Marc DURAND", "14 venelle des Goélands", "29200 BREST"),
        ),
    ],
    ids=["patient", "a minor's guardians", "the declared representative", "a representative without an address"],
)
def test_the_window_names_the_addressee(to, patient, window):
    """Six lines at most, the town in capitals, a country only abroad."""
    assert letter_of(convocation(1, Notice.INVITATION, to=to), patient=patient).recipient == window
    abroad = replace(ANNE_AT_HOME, contact=Contact(replace(HOME, country="Belgique")))
    assert abroad.window(Addressee.PATIENT)[-1] == "BELGIQUE"


def test_the_envelope_names_no_service():
    """What shows through is the addressee alone; above it stands the establishment, whichever secretariat writes."""
    for secretariat in SITE.secretariats:
        letter = letter_of(convocation(1, Notice.INVITATION), secretariat=secretariat)
        shown = " ".join((*letter.sender, *letter.recipient)).casefold()
        for name in ("radiologie", "cardiologie", "échographie", SITE.secretariats[secretariat].label.casefold()):
            assert name not in shown


def test_days_and_times_are_written_as_the_french_write_them():
    """« 1er », no minutes on the hour, and spaces that no line ends at."""
    assert day_written(date(2026, 4, 1)) == "mercredi 1er\N{NO-BREAK SPACE}avril 2026"
    assert date_written(date(2026, 8, 15)) == "15\N{NO-BREAK SPACE}août 2026"
    assert time_written(datetime(2026, 4, 1, 14, tzinfo=UTC)) == "14\N{NO-BREAK SPACE}h"
    assert typeset("« Oui » : non ; quoi ?") == "« Oui » : non ; quoi ?".replace(" : ", "\xa0: ").replace(
        " ; ", "\xa0; "
    ).replace("« ", "«\xa0").replace(" »", "\xa0»").replace(" ?", "\xa0?")


def streams(pdf: bytes) -> bytes:
    """What the pages of a PDF draw."""
    found = re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL)
    drawn = []
    for each in found:
        try:
            drawn.append(zlib.decompress(a85decode(each.strip().removesuffix(b"~>"))))
        except (ValueError, zlib.error):
            continue
    return b"\n".join(drawn)


def test_the_same_letters_are_the_same_bytes_and_their_properties_name_nobody():
    """Whenever they are made; each letter begins a page, the fonts are in the file."""
    letters = [letter_of(convocation(1, Notice.INVITATION)), letter_of(convocation(1, Notice.CANCELLATION))]
    pdf = render(letters)
    assert pdf == render(letters)
    assert pdf.count(b"/Type /Page\n") == 2
    assert b"FontFile2" in pdf
    assert b"DURAND" not in pdf
    assert b"/Lang (fr-FR)" in pdf


def test_the_address_stands_in_the_window_of_a_dl_envelope():
    """A4 folded in three: the window is 20 mm from the right edge, 50 mm from the top, 100 by 45 mm at most."""
    drawn = streams(render([letter_of(convocation(1, Notice.INVITATION))]))
    places = [(float(x), float(y)) for x, y in re.findall(rb"1 0 0 1 ([\d.]+) ([\d.]+) Tm", drawn)]
    millimetres = [(x / 72 * 25.4, 297 - y / 72 * 25.4) for x, y in places]
    window = [(x, y) for x, y in millimetres if abs(x - 112) < 1 and y < 95]
    assert len(window) == 3
    assert all(50 < y < 90 for _, y in window)
    assert not [1 for x, y in millimetres if 95 < y < 103]  # nothing of the text above the fold, or on it


def test_a_long_letter_goes_on_on_the_next_page():
    """With its reference and the page at the foot of each."""
    letter = letter_of(convocation(1, Notice.INVITATION))
    assert render([replace(letter, paragraphs=("mot " * 3_000,))]).count(b"/Type /Page\n") > 1


# -- what is wrong in a site's folder ----------------------------------------------------------------------------------


@pytest.fixture
def site(tmp_path):
    return shutil.copytree(DEMO, tmp_path / "site")


@pytest.mark.parametrize(
    ("file", "old", "new", "line", "said"),
    [
        ("letters/consultation.toml", "{praticien}", "{medecin}", "Praticien : {medecin}", "{medecin} is no field"),
        ("letters/consultation.toml", '"{service}"', '"{chef}"', 'signature = ["{chef}"', "{chef} is no field"),
        ("letters/consultation.toml", 'subject = "C', 'subjekt = "C', "subjekt", "no key of this name"),
        ("convocations.toml", 'letter = "examination"', 'letter = "examen"', 'letter = "examen"', "letters"),
        ("convocations.toml", 'completion = "bureau', 'completion = "x', "completion", "secretariats.toml"),
        ("convocations.toml", "[contacts.radiology]", "[contacts.nobody]", "[contacts.nobody]", "nobody"),
        ("convocations.toml", "lead_days = 3", "lead_days = -3", "lead_days = -3", "lead_days"),
    ],
)
def test_what_is_wrong_is_refused_with_path_and_line(site, file, old, new, line, said):
    """A field that there is not, a letter or a secretariat that there is not, a number of days that is none."""
    path = site / file
    text = path.read_text().replace(old, new, 1)
    path.write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        load_site(site)
    assert said in str(refused.value)
    where, _, number = refused.value.path.rpartition(":")
    assert where == str(path)
    assert line in text.splitlines()[int(number) - 1]


def test_a_letter_for_what_no_rule_matches_is_needed(site):
    """Else a consultation that no rule foresees could not be written to."""
    (site / "letters/consultation.toml").rename(site / "letters/other.toml")
    rules = site / "convocations.toml"
    rules.write_text(rules.read_text().replace('letter = "consultation"', 'letter = "other"'))
    with pytest.raises(ConfigurationError, match="consultation"):
        load_site(site)


def test_a_site_without_the_file_convenes_nobody(site):
    """It goes on as before."""
    (site / "convocations.toml").unlink()
    assert load_site(site).convening is None


def test_every_field_is_filled():
    """A template may name every field: in a correction none is unknown to what fills it."""
    known = letter_of(convocation(1, Notice.INVITATION), convocation(2, Notice.CORRECTION))
    assert known.footer == "examination 2026-03"
    sender = Sender(replace(SITE.convening, contacts={"radiology": Line("1", "2", "3")}), "e", "radiology", "s", "UTC")
    each = (convocation(1, Notice.INVITATION), convocation(2, Notice.CORRECTION))
    all_ = Convocations("0d9c5b55-1", "i", ConvocationKind.EXAMINATION, Outcome.GENERATE, Reach(), each, 1, START)
    rule = SITE.convening.kinds[0]
    writing = written(sender, rule, all_, each[1], ANNE_AT_HOME, date(2026, 3, 2))
    assert {name for name in FIELDS if not writing.fields.get(name)} == set()


def test_a_name_with_a_sign_that_the_font_lacks_is_written_as_near_as_can_be():
    """No letter of a name is dropped in silence; a line never becomes two."""
    assert drawable("Cœur Ÿ, Ștefan Kőszegi, 李") == "Cœur Ÿ, Stefan Koszegi, ?"
    broken = replace(ANNE_AT_HOME, contact=Contact(replace(HOME, lines=("14 rue\nHaute",))))
    assert broken.window(Addressee.PATIENT)[1] == "14 rue Haute"
