"""What stops a supplier's command, in Dutch; see :mod:`pseudonymise.dutch`."""

from __future__ import annotations

ERRORS = {
    # handing in and the outbox
    "a link or special file stands where a copy goes or comes from": (
        "er staat een koppeling of bijzonder bestand waar een kopie heen gaat of vandaan komt"
    ),
    "find out who put it there, and remove it": "zoek uit wie het daar zette, en haal het weg",
    "there is no such file": "dit bestand is er niet",
    "only what is sealed is handed in": "alleen wat verzegeld is, wordt ingeleverd",
    "seal it: zicht delivery seal": "verzegel het: zicht delivery seal",
    "no such delivery was sealed from this folder": "vanuit deze map is zo'n levering niet verzegeld",
    "take the delivery's name from its receipt; if the folder is lost, call the custodian": (
        "neem de naam van de levering over van het ontvangstbewijs; is de map weg, bel dan de beheerder van de sleutels"
    ),
    # sealing
    "this is no age recipient": "dit is geen ontvanger van age",
    "use the text that starts with age1": "gebruik de tekst die met age1 begint",
    "the file is not the one that the manifest describes": (
        "dit is niet het bestand dat het begeleidende formulier beschrijft"
    ),
    "check the file again and make a new manifest: zicht delivery check": (
        "controleer het bestand opnieuw en maak een nieuw formulier: zicht delivery check"
    ),
    "a .{} file may hold at most {} MiB": "een .{}-bestand mag hoogstens {} MiB groot zijn",
    "deliver it in parts, or as CSV": "lever het in delen, of als CSV",
    "there is no such sealed delivery": "deze verzegelde levering is er niet",
    "the head of the sealed delivery is too large": "de kop van de verzegelde levering is te groot",
    "the head of the sealed delivery is not readable": "de kop van de verzegelde levering is niet leesbaar",
    "the seal holds no delivery of Zicht": "wat verzegeld is, is geen levering van Zicht",
    "seal the file with zicht delivery seal": "verzegel het bestand met zicht delivery seal",
    "the sealed delivery is cut off or was altered: its seal does not hold": (
        "de verzegelde levering is afgekapt of veranderd: de verzegeling klopt niet"
    ),
    "ask the supplier to hand it in again": "vraag de leverancier om het opnieuw in te leveren",
    "the sealed delivery holds more or fewer bytes than its head says": (
        "de verzegelde levering bevat meer of minder bytes dan de kop zegt"
    ),
    "the delivery is sealed to another key, or its first bytes were changed": (
        "de levering is voor een andere sleutel verzegeld, of het begin ervan is veranderd"
    ),
    "ask the supplier to seal it again, to this project's present recipient": (
        "vraag de leverancier om het opnieuw te verzegelen, voor de huidige ontvanger van dit project"
    ),
    # the manifest
    "the manifest does not hold": "het begeleidende formulier klopt niet",
    "the manifest does not hold: {}": "het begeleidende formulier klopt niet: {}",
    "the manifest is not a list of fields and values": (
        "het begeleidende formulier is geen lijst van velden en waarden"
    ),
    "the delivery has no token": "de levering heeft geen kenmerk",
    "there is no such manifest": "dit begeleidende formulier is er niet",
    "the file does not pass the check": "het bestand komt niet door de controle",
    "two files of one delivery have the same schema": "twee bestanden van één levering zijn van dezelfde soort",
    "deliver them one by one": "lever ze een voor een",
    "{} files and {} schemas were named": "er zijn {} bestanden en {} schema's genoemd",
    "give --schema once for each file, in the same order": "geef --schema één keer per bestand, in dezelfde volgorde",
    "name the folder with the schemas: --schemas": "noem de map met de schema's: --schemas",
    "zicht delivery schemas; there are {}": "zicht delivery schemas; er zijn {}",
    "the schema does not hold": "het schema klopt niet",
    "the schema does not hold: {}": "het schema klopt niet: {}",
    "the schema's name differs from its file's": "het schema heet anders dan zijn bestand",
    "a schema refers to what is not there": "een schema verwijst naar wat er niet is",
    "refers to columns that schema {} does not have": "verwijst naar kolommen die schema {} niet heeft",
    "a period is a year (2016) or two years with a hyphen (1996-2015)": (
        "een periode is een jaar (2016) of twee jaren met een streepje (1996-2015)"
    ),
    "the list cannot be written there": "de lijst kan daar niet geschreven worden",
    "the manifest cannot be written there": "het formulier kan daar niet geschreven worden",
    "the empty file cannot be written there": "het lege bestand kan daar niet geschreven worden",
    "name a new file in a folder that exists": "noem een nieuw bestand in een map die er is",
    "give the recipient, or the file that holds it": "geef de ontvanger, of het bestand waarin die staat",
    "the period is not known: --period 2016, or --period 1996-2015": (
        "de periode is niet bekend: --period 2016, of --period 1996-2015"
    ),
    "the file exists, or has another ending than a form of this schema": (
        "het bestand is er al, of heeft een andere uitgang dan bij deze soort hoort"
    ),
    "name a new file that ends in {}": "noem een nieuw bestand dat eindigt op {}",
    # withdrawing
    "this is no notice of withdrawal for this office": "dit is geen intrekking voor deze instelling",
    "the supplier makes one with: zicht delivery withdraw": "de leverancier maakt die met: zicht delivery withdraw",
    "this delivery was withdrawn": "deze levering is ingetrokken",
    "seal the corrected file anew, with a new manifest": (
        "verzegel het verbeterde bestand opnieuw, met een nieuw formulier"
    ),
    "no such delivery was accepted": "zo'n levering is niet aangenomen",
    "take its name from the receipt": "neem de naam over van het ontvangstbewijs",
    "this does not come from who sealed the delivery: the secret is another one": (
        "dit komt niet van wie de levering verzegelde: het geheim is een ander"
    ),
    "send the notice from the folder in which the delivery was sealed, or call the custodian": (
        "stuur de intrekking vanuit de map waarin de levering verzegeld is, of bel de beheerder van de sleutels"
    ),
    # refusals
    "correct these fields of the manifest": "verbeter deze velden van het begeleidende formulier",
    "the enclave would not receive a delivery with this manifest": (
        "een levering met dit begeleidende formulier zou niet worden aangenomen"
    ),
    "another delivery has this name": "een andere levering heeft deze naam",
    "seal the file anew, with a new manifest": "verzegel het bestand opnieuw, met een nieuw formulier",
    "what was received before has other bytes than were journalled": (
        "wat eerder is ontvangen, heeft andere bytes dan in het logboek staan"
    ),
    "find out who changed it; then remove that file and receive the delivery again": (
        "zoek uit wie het veranderde; haal dat bestand dan weg en ontvang de levering opnieuw"
    ),
    "another delivery of this supplier, schema and period was accepted before": (
        "er is al een andere levering van deze leverancier, soort en periode aangenomen"
    ),
    "a delivery that stands is not replaced silently: withdraw it first, or seal with --replaces": (
        "wat aangenomen is, wordt niet stilzwijgend vervangen: trek het eerst in, of verzegel met --replaces"
    ),
    "the delivery is not what its manifest says, or not what the project expects": (
        "de levering is niet wat het begeleidende formulier zegt, of niet wat het project verwacht"
    ),
    "correct the manifest or the file, seal them again and hand them in": (
        "verbeter het formulier of het bestand, verzegel ze opnieuw en lever ze in"
    ),
    "the manifest contradicts the file": "het begeleidende formulier en het bestand spreken elkaar tegen",
    "find out which of the two is right, seal again and hand in": (
        "zoek uit wat van beide klopt, verzegel opnieuw en lever in"
    ),
    "there is no such file, or this user may not read it": "dit bestand is er niet, of u mag het niet lezen",
    "the refusal is about another sealed file than this one": "de weigering gaat over een ander verzegeld bestand",
    "name what was handed in (….zicht or ….withdrawal), not the file that was sealed in it": (
        "noem wat ingeleverd is (….zicht of ….withdrawal), niet het bestand dat erin verzegeld is"
    ),
    # who sealed it
    "it does not come from this supplier, as far as the office knows: {}": (
        "voor zover het bureau weet, komt dit niet van deze leverancier: {}"
    ),
    "seal it in the folder whose key the office confirmed; after a new key (zicht delivery key), call the custodian": (
        "verzegel het in de map waarvan het bureau de sleutel kent; bel na een nieuwe sleutel (zicht delivery key) de "
        "beheerder van de sleutels"
    ),
    "the project receives what is signed alone, and the office knows no key of this supplier": (
        "het project neemt alleen aan wat ondertekend is, en het bureau kent van deze leverancier geen sleutel"
    ),
    "send the office your public key (zicht delivery key), and have it confirmed": (
        "stuur het bureau uw openbare sleutel (zicht delivery key), en laat haar bevestigen"
    ),
    "the key of this supplier was revoked": "de sleutel van deze leverancier is ingetrokken",
    "make a new one (zicht delivery key --new), send it, and have the custodian confirm it": (
        "maak een nieuwe (zicht delivery key --new), stuur die, en laat de beheerder van de sleutels haar bevestigen"
    ),
    "the office knows no key of this supplier": "het bureau kent geen sleutel van deze leverancier",
    "the list of suppliers' keys is not the last one that the journal knows": (
        "de lijst van sleutels van leveranciers is niet de laatste die het logboek kent"
    ),
    "{}put the list back from the backup": "{}zet de lijst terug uit de reservekopie",
    # encoding at the source
    "the linkage schema asks for it": "het koppelschema vraagt erom",
    "the table lacks what is to be encoded": "in de tabel ontbreekt wat gecodeerd moet worden",
    "values don't fit the linkage schema; nothing was encoded": (
        "er zijn waarden die niet bij het koppelschema passen; er is niets gecodeerd"
    ),
    "mend them, or ask the linkage authority for a schema that says how no value is written": (
        "verbeter ze, of vraag de koppelinstantie om een schema dat zegt hoe een lege waarde geschreven wordt"
    ),
    "--column takes FIELD=COLUMN": "--column vraagt VELD=KOLOM",
    "FIELD is one of {}": "VELD is een van {}",
    "it is encoded, and must not travel beside its filter": "dit wordt gecodeerd en mag niet naast zijn filter reizen",
    "columns would be handed over in plain beside the filters": (
        "er zouden kolommen leesbaar naast de filters worden ingeleverd"
    ),
    "it is not in the file": "staat niet in het bestand",
    "the file lacks columns": "in het bestand ontbreken kolommen",
    "the file cannot be read as CSV": "het bestand is niet als CSV te lezen",
    "--separator, --encoding": "--separator, --encoding: het scheidingsteken en de tekencodering",
    "the first row is no header: it has more than {} cells, or one that never ends": (
        "de eerste rij is geen kop: ze heeft meer dan {} cellen, of een cel die niet eindigt"
    ),
    "it is not said what the filters were made under": "er staat niet bij waarmee de filters gemaakt zijn",
    "this is no label of filters": "dit is geen etiket van filters",
    "zicht encoding file makes it; for filters of other software, zicht encoding label": (
        "zicht encoding file maakt het; voor filters van andere programma's zicht encoding label"
    ),
    "a linkage schema has version, clkConfig and features": "een koppelschema heeft version, clkConfig en features",
    "see configs/linkage/": "zie configs/linkage/",
    "the linkage schema does not hold": "het koppelschema klopt niet",
    "the linkage schema is not readable as JSON": "het koppelschema is niet als JSON te lezen",
    "there is no such linkage schema": "dit koppelschema is er niet",
    "a secret is one line of at least {} characters: a shorter one can be guessed": (
        "een geheim is één regel van minstens {} tekens: een korter geheim is te raden"
    ),
    "ask the linkage authority for the secret": "vraag de koppelinstantie om het geheim",
    "chmod 600 {}": "geef alleen uzelf toegang: chmod 600 {}",
    "name another, or remove it yourself": "kies een andere naam, of haal het zelf weg",
    "others can read the secret": "anderen kunnen het geheim lezen",
    "there is a file of this name": "er is al een bestand met deze naam",
    "is no date of the schema's form": "is geen datum zoals het koppelschema die schrijft",
    "is not in the schema's list": "staat niet in de lijst van het koppelschema",
    "is no whole number": "is geen geheel getal",
    "is no number": "is geen getal",
    "lies outside the schema's range": "ligt buiten de grenzen van het koppelschema",
    "does not match the schema's pattern": "past niet op het patroon van het koppelschema",
    "is shorter or longer than the schema allows": "is korter of langer dan het koppelschema toestaat",
    "is not in {} case": "staat niet in de letters die het koppelschema vraagt ({})",
    "holds other characters than ASCII": "bevat andere tekens dan ASCII",
    "the schema's distance needs a higher precision": "de afstand in het koppelschema vraagt om meer cijfers",
    # the register's filters
    "the key register has no filters under this linkage schema and secret": (
        "het sleutelregister heeft geen filters bij dit koppelschema en geheim"
    ),
    "the key register was encoded by another linkage schema, secret or length than the project says": (
        "het sleutelregister is gecodeerd met een ander koppelschema, geheim of andere lengte dan het project zegt"
    ),
    "compare zicht encoding label with the project file; then zicht encoding register": (
        "vergelijk zicht encoding label met het projectbestand; daarna zicht encoding register"
    ),
    "the linkage authority runs: zicht encoding register": "de koppelinstantie draait: zicht encoding register",
    "{} is no file of the register's filters": "{} is geen bestand met filters van het register",
    "{} holds other persons than were encoded": "{} bevat andere personen dan er gecodeerd zijn",
    "encode it again": "codeer het opnieuw",
    "there is no key register {}": "het sleutelregister {} is er niet",
    "see key_register in office.yaml": "zie key_register in office.yaml",
}
