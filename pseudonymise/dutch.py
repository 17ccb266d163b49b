"""What faults and notes say, in Dutch. The English sentence is the key; ``{}`` stands for a name or a number.

A test takes every such sentence from the code and finds it here: a new message without its Dutch one fails it.
"""

from __future__ import annotations

import re
from functools import cache

from pseudonymise.dutch_errors import ERRORS
from pseudonymise.manifest_forms import IN_DUTCH as MANIFEST_FORMS
from pseudonymise.written import DATES, IDENTIFIERS

_SENTENCES = {
    # the file as a whole
    "the file holds no rows": "het bestand bevat geen rijen",
    "the file is cut off: its last row has too few cells and no end": (
        "het bestand is afgekapt: de laatste rij heeft te weinig cellen en geen einde"
    ),
    "the file is cut off: a quote in the last row is never closed": (
        "het bestand is afgekapt: een aanhalingsteken in de laatste rij wordt niet gesloten"
    ),
    "a quote is opened and not closed within {} MiB": "een aanhalingsteken wordt niet gesloten binnen {} MiB",
    "from this row on more than {} lines are blank, and then rows follow": (
        "vanaf deze rij zijn meer dan {} regels leeg, en daarna volgen nog rijen"
    ),
    "from this row on the quotes do not pair; a quote within a value must be doubled": (
        "vanaf deze rij kloppen de aanhalingstekens niet; een aanhalingsteken binnen een waarde moet dubbel staan"
    ),
    "the file is damaged: it opens, but what it holds does not fit together": (
        "het bestand is beschadigd: het gaat open, maar de inhoud hangt niet samen"
    ),
    "it is no whole SPSS file (cut off, damaged, or another format)": (
        "dit is geen heel SPSS-bestand (afgekapt, beschadigd, of een ander soort bestand)"
    ),
    "it is no whole XLSX workbook (cut off, protected by a password, or another format)": (
        "dit is geen heel Excel-bestand (afgekapt, met een wachtwoord beveiligd, of een ander soort bestand)"
    ),
    "the file is in the wrong encoding: found {}, the schema asks for {}: {}": (
        "het bestand heeft de verkeerde tekencodering: gevonden {}, gevraagd {}: {}"
    ),
    "this is {}, not a text file: let its name end in .{}": (
        "dit is {}, geen tekstbestand: laat de naam eindigen op .{}"
    ),
    "this is {}, not a text file: save it as .{}, without a password": (
        "dit is {}, geen tekstbestand: sla het op als .{}, zonder wachtwoord"
    ),
    "these are the columns of {}, not of {}: check it with --schema {}": (
        "dit zijn de kolommen van {}, niet van {}: kijk het na met --schema {}"
    ),
    "holds formulas without their results, which would be read as empty: save the workbook in Excel first": (
        "bevat formules zonder uitkomst, die als leeg gelezen zouden worden: sla de werkmap eerst in Excel op"
    ),
    "the file is in the wrong encoding: found {}, the schema asks for {}": (
        "het bestand heeft de verkeerde tekencodering: gevonden {}, gevraagd {}"
    ),
    "values are separated by {}, not by {}": "de waarden zijn gescheiden door {}, niet door {}",
    "the column names stand in row {} of the sheet, under a merged or double header": (
        "de kolomnamen staan in rij {} van het werkblad, onder een samengevoegde of dubbele kop"
    ),
    "it holds too many parts": "het bevat te veel onderdelen",
    "a part of it is too large when unfolded": "een onderdeel ervan is uitgepakt te groot",
    "a part of it unfolds to more than {} times its size": (
        "een onderdeel ervan wordt uitgepakt meer dan {} keer zo groot"
    ),
    "a cell holds more than 1 MiB": "een cel bevat meer dan 1 MiB",
    "a row holds more than {} MiB": "een rij bevat meer dan {} MiB",
    "a part of it holds too many elements": "een onderdeel ervan heeft te veel elementen",
    "a part of it holds too much beside its rows or texts": (
        "een onderdeel ervan bevat te veel naast de rijen of teksten"
    ),
    "it has rows beyond number {}, the last that a sheet can have": (
        "het heeft rijen na nummer {}, de laatste die een werkblad kan hebben"
    ),
    "it has more than {} different texts": "het heeft meer dan {} verschillende teksten",
    "a part of it declares a document type, which no spreadsheet program writes": (
        "een onderdeel ervan heeft een documenttype, wat geen rekenbladprogramma schrijft"
    ),
    "a sheet of it is said to be something else": "van een werkblad ervan staat er dat het iets anders is",
    "the file has more than {} columns": "het bestand heeft meer dan {} kolommen",
    "it has more than {} value labels": "het heeft meer dan {} labels van waarden",
    "what it says of its columns is more than {} MiB": "wat het over zijn kolommen zegt is meer dan {} MiB",
    "it holds formulas without their results, which would be read as empty": (
        "het bevat formules zonder uitkomst, die als leeg gelezen zouden worden"
    ),
    "more than one of its sheets is filled: one is read, and what the others hold would be lost": (
        "er is meer dan één werkblad gevuld: er wordt er één gelezen, en de rest zou verloren gaan"
    ),
    "a row has more than {} columns": "een rij heeft meer dan {} kolommen",
    "the first row has more than {} cells": "de eerste rij heeft meer dan {} cellen",
    "the first row is not the header that the schema asks for": "de eerste rij is niet de gevraagde kop",
    "column number {} has no name": "kolom {} heeft geen naam",
    "column number {} is not in the schema{}": "kolom {} hoort niet bij dit soort bestand{}",
    "; did you mean {}?": "; bedoelde u {}?",
    "; remove it, or ask for a new version of the schema": (
        "; haal haar weg, of vraag om een nieuwe versie van het schema"
    ),
    "the column is missing": "de kolom ontbreekt",
    "the column stands in the file twice": "de kolom staat twee keer in het bestand",
    "{} of {} dates lie outside {}-{}: a file of another period?": (
        "{} van {} datums liggen buiten {}-{}: een bestand over een andere periode?"
    ),
    "{} of {} rows are bad; the schema tolerates {}": "{} van {} rijen zijn fout; hoogstens {} mag dat zijn",
    "this file refers to a file {}: deliver them together": "dit bestand verwijst naar een bestand {}: lever ze samen",
    "another file of this delivery is rejected, and so all of it": (
        "een ander bestand van deze levering is geweigerd, en daarmee de hele levering"
    ),
    # rows
    "no value, where one is required": "geen waarde, waar er een moet staan",
    "not of the form that this identifier has (digits, letters, length)": (
        "heeft niet de vorm van dit soort nummer (cijfers, letters, lengte)"
    ),
    "fails the identifier's own check (a typing error?)": "dit nummer kan niet bestaan (een tikfout?)",
    "zeros only": "alleen nullen",
    "a word or number that says that the identifier is not known: leave the cell empty instead": (
        "een woord of nummer dat onbekend betekent: laat de cel dan leeg"
    ),
    "a number of examples or tests, which is nobody's": "een voorbeeld- of testnummer, dat van niemand is",
    "not a number as the schema writes numbers": "geen getal zoals getallen hier geschreven worden",
    "not a date of the calendar as the schema writes dates": (
        "geen bestaande datum, of anders geschreven dan datums hier geschreven worden"
    ),
    "not one of the codes of the schema": "niet een van de toegestane codes",
    "outside the range of the schema": "te groot of te klein",
    "not of the form that the schema asks for": "heeft niet de gevraagde vorm",
    "longer than the schema allows": "te lang",
    # rows, with what the schema says of the column
    "not a date of the calendar, written {}": "geen bestaande datum, geschreven als {}",
    "not a whole number, written in figures": "geen geheel getal, in cijfers",
    "not a number, written in figures with a decimal comma": "geen getal, in cijfers met een decimale komma",
    "not a number, written in figures with a decimal point": "geen getal, in cijfers met een decimale punt",
    "not one of the codes {}": "niet een van de codes {}",
    "not one of the codes that this column may hold: zicht delivery schemas {}": (
        "niet een van de codes die in deze kolom mogen: zicht delivery schemas {}"
    ),
    "outside the range, {} to {}": "ligt buiten {} t/m {}",
    "less than {}, the least that it may be": "minder dan {}, het minste dat mag",
    "more than {}, the most that it may be": "meer dan {}, het meeste dat mag",
    "not of the form of this identifier ({})": "heeft niet de vorm van dit soort nummer ({})",
    "not a house number: 1 to 99999, perhaps with its addition": (
        "geen huisnummer: 1 t/m 99999, eventueel met toevoeging"
    ),
    "not of the form that the schema asks for: see the example, zicht delivery schemas {}": (
        "heeft niet de gevraagde vorm: zie het voorbeeld, zicht delivery schemas {}"
    ),
    "longer than {} characters (a letter with an accent counts as two)": (
        "langer dan {} tekens (een letter met een accent telt als twee)"
    ),
    "lies outside {}-{}, the years that this delivery may hold": (
        "ligt buiten {}-{}, de jaren waarover deze levering mag gaan"
    ),
    "none of these columns is filled": "geen van deze kolommen is gevuld",
    "the first date lies after the second": "de eerste datum ligt na de tweede",
    "lies outside the period of the delivery": "ligt buiten de periode van de levering",
    "the same record stood earlier in the file": "dezelfde rij stond al eerder in het bestand",
    "refers to a record that the other file does not hold, or that was set aside there": (
        "verwijst naar een rij die in het andere bestand niet staat, of daar apart is gezet"
    ),
    "the row has too few or too many cells": "de rij heeft te weinig of te veel cellen",
    "a quote within a value is not doubled, or a line break not quoted": (
        "een aanhalingsteken binnen een waarde staat niet dubbel, of een regeleinde niet tussen aanhalingstekens"
    ),
    "an empty row between filled ones": "een lege rij tussen gevulde",
    "a sound row of a delivery that is rejected as a whole": (
        "een goede rij van een levering die als geheel is geweigerd"
    ),
    # notes
    "the file starts with a byte order mark and was read as UTF-8": (
        "het bestand begint met een byte order mark en is als UTF-8 gelezen"
    ),
    "numbers are stored as text; they were read as numbers": (
        "getallen staan er als tekst in; ze zijn als getal gelezen"
    ),
    "identifiers or codes are stored as numbers; leading zeros may have been lost": (
        "nummers of codes staan er als getal in; voorloopnullen kunnen weg zijn"
    ),
    "numbers of more than 15 digits: a sheet makes the others 0; give the column the format Text and fill it in anew": (
        "getallen van meer dan 15 cijfers: Excel maakt van de andere een 0; geef de kolom de opmaak Tekst en vul haar "
        "opnieuw"
    ),
    "there is a line break within the value; it was kept": "binnen de waarde staat een regeleinde; het is gebleven",
    "numbers with thousands separators, or dates without leading zeros, were read as such": (
        "getallen met punten voor duizendtallen, of datums zonder voorloopnul, zijn als zodanig gelezen"
    ),
    "values declared missing in SPSS were read as empty": (
        "waarden die in SPSS als ontbrekend gelden, zijn als leeg gelezen"
    ),
    "identifiers were brought into their standard form (leading zero, spaces, capitals)": (
        "nummers zijn in hun gewone vorm gebracht (voorloopnul, spaties, hoofdletters)"
    ),
    "letters with accents are damaged (an encoding mix-up before delivery)": (
        "letters met accenten zijn beschadigd (een verwisselde tekencodering, vóór de levering)"
    ),
    "texts hold an identifier, a name or an address; they will be left empty": (
        "in teksten staat een nummer, naam of adres; die worden leeggemaakt"
    ),
    # identifiers in what would stay
    "holds a number of 8 or 9 digits that passes the eleven-test of BSN and RSIN": (
        "bevat een nummer van 8 of 9 cijfers dat voldoet aan de elfproef van BSN en RSIN"
    ),
    "holds a BAG number": "bevat een BAG-nummer",
    "holds a KvK or establishment number": "bevat een KvK- of vestigingsnummer",
    "holds an e-mail address": "bevat een e-mailadres",
    "holds a bank account number": "bevat een bankrekeningnummer",
    "holds a phone number": "bevat een telefoonnummer",
    "holds a postcode with a house number": "bevat een postcode met huisnummer",
    "holds a street with a house number": "bevat een straat met huisnummer",
    "holds a licence plate": "bevat een kenteken",
    "holds a foreign person's number, or that of a passport or other document": (
        "bevat een buitenlands persoonsnummer, of het nummer van een paspoort of ander document"
    ),
    "holds a name that stands in the delivery's own name columns": (
        "bevat een naam die in de naamkolommen van deze levering staat"
    ),
    "holds a number, postcode or street of the same record": ("bevat een nummer, postcode of straat uit dezelfde rij"),
    "repeats an identifier of the same record": "herhaalt een nummer uit dezelfde rij",
    "passes an identifier's check (such as the eleven-test) far more often than chance explains": (
        "voldoet veel vaker aan een nummercontrole (zoals de elfproef) dan door toeval kan"
    ),
    # the manifest
    "the field is missing": "het veld ontbreekt",
    "there is no such field in a manifest": "dit veld bestaat niet in een begeleidend formulier",
    "of several files each needs a schema of its own, with its version": (
        "van meer bestanden heeft elk een eigen schema met versie nodig"
    ),
    "filters of persons are delivered by themselves": "filters van personen worden apart geleverd",
    "the field does not hold what it must hold ({})": "het veld bevat niet wat erin moet staan ({})",
    "the field must hold {}": "in dit veld hoort {}",
    "a delivery without a legal basis is not received": "een levering zonder grondslag wordt niet aangenomen",
    "a delivery without a purpose is not received": "een levering zonder doel wordt niet aangenomen",
    "there is nobody to send questions to": "er staat niet bij wie vragen terecht kunnen",
    "holds a long number or characters that are not shown: it is read by many, in the journal": (
        "bevat een lang nummer of onzichtbare tekens: dit veld wordt door velen gelezen"
    ),
    "the file's name holds a long number: names of files travel unprotected": (
        "de bestandsnaam bevat een lang nummer: bestandsnamen zijn voor iedereen leesbaar"
    ),
    "the retention date lies within the period of the data": (
        "de bewaartermijn eindigt binnen de periode van de gegevens"
    ),
    "the retention date lies after the project's own": "de bewaartermijn eindigt na die van het project",
    "the retention date has passed": "de bewaartermijn is voorbij",
    "there is no such schema": "dit schema bestaat niet",
    "the schema in use is version {}": "het schema dat geldt is versie {}",
    "the schema asks for a {} file": "gevraagd is een bestand {}",
    "filters of persons, and only they, come with what they were made under": (
        "filters van personen, en alleen die, gaan samen met waaronder zij zijn gemaakt"
    ),
    "project {} does not say how filters of this schema are made": (
        "project {} zegt niet hoe filters van dit schema worden gemaakt"
    ),
    "the filters have another length than the project and the schema say": (
        "de filters hebben een andere lengte dan het project en het schema zeggen"
    ),
    "the filters were made by another linkage schema than the project's": (
        "de filters zijn gemaakt volgens een ander koppelschema dan dat van het project"
    ),
    "the filters were made with another secret than the project's": (
        "de filters zijn gemaakt met een ander geheim dan dat van het project"
    ),
    "project {} expects no such delivery from this supplier and period": (
        "project {} verwacht deze levering niet van deze leverancier en over deze periode"
    ),
    "the file is not the one whose digest the manifest gives": "het bestand is niet dat van het begeleidende formulier",
    "the delivery has no token: it was sealed by an earlier version of Zicht": (
        "de levering heeft geen kenmerk: zij is verzegeld met een oudere versie van Zicht"
    ),
    "the manifest says {} rows, the file holds {}": "volgens het begeleidende formulier {} rijen, in het bestand {}",
    **ERRORS,
}
_WORDS = {
    "a semicolon": "een puntkomma",
    "a comma": "een komma",
    "a tab": "een tab",
    "a vertical bar": "een staande streep",
    "UTF-8 with byte order mark": "UTF-8 met byte order mark",
    "cp1252 (Western European)": "cp1252 (West-Europees)",
    "no text: it holds zero bytes": "geen tekst: het bevat nullen",
    "in Excel save it as CSV UTF-8, in an editor as UTF-8 with BOM": (
        "sla het in Excel op als CSV UTF-8, in een tekstprogramma als UTF-8 met BOM"
    ),
    "in an editor save it as UTF-8": "sla het in een tekstprogramma op als UTF-8",
    "in Excel save it as CSV (not CSV UTF-8), in an editor as ANSI": (
        "sla het in Excel op als CSV (niet CSV UTF-8), in een tekstprogramma als ANSI"
    ),
    "an Excel file": "een Excel-bestand",
    "an old Excel file, or one with a password": "een oud Excel-bestand, of een met een wachtwoord",
    "an SPSS file": "een SPSS-bestand",
    "neither UTF-8 nor cp1252": "geen UTF-8 en geen cp1252",
    **{english: in_dutch for in_dutch, english in IDENTIFIERS.values()},
    **DATES,
    **MANIFEST_FORMS,
    "it is not signed": "het is niet ondertekend",
    "it is signed by another key": "het is met een andere sleutel ondertekend",
    "the signature is not over this, or not for this office": (
        "de handtekening gaat hier niet over, of is niet voor dit bureau"
    ),
}

_NUMBER = re.compile(r"-?[0-9]{1,3}(?:,[0-9]{3})*(?:\.[0-9]+)?")
_MARKS = str.maketrans(",.", ".,")


def dutch(text: str) -> str:
    """The Dutch sentence for an English one; the English itself where there is none."""
    if text in _SENTENCES:
        return _SENTENCES[text]
    for pattern, translated in _patterns():
        if found := pattern.fullmatch(text):
            return translated.format(*(_filled(part) for part in found.groups()))
    return text


def _filled(part: str) -> str:
    """A placeholder's content: a name or number stays, a word or clause of ours is translated."""
    if part in _WORDS:
        return _WORDS[part]
    if part.startswith(";"):  # a clause may hold an "or" of its own
        return dutch(part)
    if " or " in part:
        return " of ".join(_filled(choice) for choice in part.split(" or "))
    if _NUMBER.fullmatch(part):
        return part.translate(_MARKS)
    return part.replace(".", ",") if part.endswith("%") else part


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple(
        (re.compile("(.*)".join(map(re.escape, english.split("{}")))), translated)
        for english, translated in _SENTENCES.items()
        if "{}" in english
    )
