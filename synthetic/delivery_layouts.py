"""File formats and columns of all deliveries, and who delivers what."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

MUNICIPAL_PERIOD = "2016"
LAND_REGISTRY_PERIOD = "1996-2015"
NATIONAL_SUPPLIERS = {
    "land_registry": "kadaster",
    "vehicle_register": "rdw",
    "trade_register": "kvk",
    "suspicious_transactions": "fiu",
    "anbi_list": "belastingdienst",
}
MUNICIPAL_SCHEMAS = ("hemp_clearances", "debt_assistance", "property_tax", "social_assistance", "permits")
"""The full programme: fifteen municipalities deliver five files each, five national suppliers one each."""
CORE_MUNICIPAL_SCHEMAS, CORE_NATIONAL_SCHEMAS = MUNICIPAL_SCHEMAS[:3], ("land_registry",)
SUPPLYING_MUNICIPALITIES = 15
IDENTIFIER_COLUMNS = {
    **dict.fromkeys(("dossier", "deed", "case", "permit", "transaction"), "own_number"),
    **dict.fromkeys(("iban", "party_iban", "counter_iban"), "iban"),
    **dict.fromkeys(("applicant_foreign", "party_foreign"), "foreign"),
    "licence_plate": "licence_plate",
    "phone": "phone",
    "email": "email",
}
"""Columns of identifiers that no register of the country holds, with their kind."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A delivery's file format and the Arrow types of its columns, in order."""

    extension: str
    schema: pa.Schema
    period: str
    encoding: str = "cp1252"


def layout(extension: str, period: str, text: str, *, encoding: str = "cp1252", **others: pa.DataType) -> Layout:
    """A layout whose columns are texts but for ``others``."""
    fields = [(name, others.get(name, pa.string())) for name in text.split()]
    return Layout(extension, pa.schema(fields), period, encoding)


LAYOUTS = {
    "hemp_clearances": layout(
        "csv",
        MUNICIPAL_PERIOD,
        "dossier clearance_date bag_id postcode house_number addition occupant_bsn occupant_name occupant_birth_date "
        "plants damage_eur remark",
    ),
    "debt_assistance": layout(
        "xlsx",
        MUNICIPAL_PERIOD,
        "bsn surname prefix first_names birth_date sex postcode house_number addition start_date end_date "
        "debt_eur creditors",
        birth_date=pa.date32(),
        start_date=pa.date32(),
        end_date=pa.date32(),
        debt_eur=pa.float64(),
        creditors=pa.int64(),
    ),
    "property_tax": layout(
        "sav",
        MUNICIPAL_PERIOD,
        "bag_id postcode house_number addition owner_bsn owner_rsin owner_kvk owner_name owner_postcode "
        "owner_house_number owner_kind use_code woz_value valuation_year",
        owner_kind=pa.int64(),
        use_code=pa.int64(),
        woz_value=pa.int64(),
        valuation_year=pa.int64(),
    ),
    "land_registry": layout(
        "csv",
        LAND_REGISTRY_PERIOD,
        "deed bag_id deed_date deed_sequence deed_type price_eur buyer_bsn buyer_rsin buyer_kvk buyer_name "
        "buyer_birth_date share",
    ),
    "social_assistance": layout(
        "csv",
        MUNICIPAL_PERIOD,
        "case bsn surname birth_date partner_bsn iban phone email postcode house_number addition start_date end_date "
        "norm amount_eur",
    ),
    "permits": layout(
        "csv",
        MUNICIPAL_PERIOD,
        "permit kvk establishment applicant_bsn applicant_foreign applicant_name bag_id kind granted_on decision",
        encoding="utf-8",
    ),
    "vehicle_register": layout(
        "csv",
        MUNICIPAL_PERIOD,
        "licence_plate holder_bsn holder_rsin holder_birth_date vehicle_kind fuel first_admission catalogue_price",
    ),
    "trade_register": layout(
        "csv", MUNICIPAL_PERIOD, "establishment kvk rsin trade_name legal_form branch start_date end_date"
    ),
    "suspicious_transactions": layout(
        "csv",
        MUNICIPAL_PERIOD,
        "transaction dossier party_bsn party_rsin party_foreign party_iban counter_iban transaction_date kind "
        "amount_eur",
        encoding="utf-8",
    ),
    "anbi_list": layout("xlsx", MUNICIPAL_PERIOD, "rsin name since until", since=pa.date32(), until=pa.date32()),
}
