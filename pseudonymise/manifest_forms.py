"""What each field of a manifest must hold, told to who wrote something else."""

from __future__ import annotations

_GENERATED = "what zicht delivery manifest writes there"
FORMS = {
    "supplier": "GM and four figures, or the agreed name (letters, figures, - and _)",
    "schema": "the name of a schema: zicht delivery schemas",
    "period": "a year (2016), or two with a hyphen (1996-2015)",
    "legal_basis": "the law and article, at most 300 characters",
    "purpose": "what it may be used for, at most 1000 characters",
    "retention_date": "a date that exists, written yyyy-mm-dd",
    "contact": "a department, at most 300 characters",
    "name": "a file name of letters without accents, figures, dots, - and _ (no blanks, at most 100)",
    "replaces": "the name of the earlier delivery, as on its receipt",
}
IN_DUTCH = {
    _GENERATED: "wat zicht delivery manifest erin schrijft",
    FORMS["supplier"]: "GM en vier cijfers, of de afgesproken naam (letters, cijfers, - en _)",
    FORMS["schema"]: "de naam van een schema: zicht delivery schemas",
    FORMS["period"]: "een jaar (2016), of twee met een streepje (1996-2015)",
    FORMS["legal_basis"]: "de wet en het artikel, hoogstens 300 tekens",
    FORMS["purpose"]: "waarvoor het gebruikt mag worden, hoogstens 1000 tekens",
    FORMS["retention_date"]: "een bestaande datum, geschreven als jjjj-mm-dd",
    FORMS["contact"]: "een afdeling, hoogstens 300 tekens",
    FORMS["name"]: "een bestandsnaam van letters zonder accent, cijfers, punten, - en _ (geen spaties, hoogstens 100)",
    FORMS["replaces"]: "de naam van de eerdere levering, zoals op het ontvangstbewijs",
}


def form_of(field: str) -> str:
    """What the field must hold, in English; of one that nobody fills in by hand that Zicht writes it."""
    return FORMS.get(field, _GENERATED)
