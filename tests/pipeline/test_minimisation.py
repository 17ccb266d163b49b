"""Variables × questions before any data: what is asked for nothing, and what is declared in vain."""

from __future__ import annotations

import csv
import io
from typing import Any

from enclave.project import Project
from pipeline.minimisation import Need, as_csv, variables
from tests.pseudonymise.small_town import SCHEMAS, a_project


def project(uses: dict[str, list[str]]) -> Project:
    """Hemp clearances and a register; question D2 uses these columns, and one analysis answers it."""
    changed: dict[str, Any] = a_project().model_dump(by_alias=True)
    changed["deliveries"] = [
        {"schema": name, "period": "2016", "suppliers": "municipalities"} for name in ("hemp_clearances", "permits")
    ]
    changed["data"] = {
        "clearances": {
            "delivery": "hemp_clearances",
            "keys": [{"name": "dwelling", "kind": "object", "source": ["bag_id"]}],
        },
        "persons": {"register": "R", "keys": [{"name": "person", "kind": "person", "source": ["A", "B"]}]},
    }
    changed["questions"] = {"D2": {"text": "?", "uses": uses}, "V3": {"text": "?", "uses": {}}}
    changed["analyses"] = [{"name": "hemp", "version": 1, "question": "D2"}]
    return Project.model_validate(changed)


def needs(uses: dict[str, list[str]], named: set[str]) -> dict[str, Need]:
    found = variables(project(uses), SCHEMAS, {"hemp": named})
    return {f"{each.data_set}.{each.column}": each.need for each in found}


def test_each_variable_is_used_a_key_dropped_or_asked_for_nothing() -> None:
    found = needs({"clearances": ["plants", "damage_eur", "occupant_birth_date_year"], "persons": ["SEX"]}, {"plants"})
    assert found["clearances.bag_id"] is Need.KEY
    assert found["clearances.plants"] is Need.USED
    assert found["clearances.damage_eur"] is Need.UNNAMED
    assert found["clearances.occupant_birth_date_year"] is Need.UNNAMED
    assert found["clearances.occupant_name"] is Need.CHECKED
    assert found["clearances.remark"] is found["clearances.dossier"] is Need.UNDECLARED
    assert found["persons.SEX"] is Need.UNNAMED
    # permits are owed, and no data set comes from them
    assert {need for name, need in found.items() if name.startswith("(permits)")} == {Need.UNDECLARED}


def test_a_column_that_is_dropped_or_does_not_exist_is_declared_in_vain() -> None:
    found = needs({"clearances": ["occupant_name", "occupant_birth_date", "colour"]}, set())
    for column in ("occupant_birth_date", "colour"):
        assert found[f"clearances.{column}"] is Need.IMPOSSIBLE


def test_the_matrix_has_a_column_per_question() -> None:
    asked = project({"clearances": ["plants"]})
    rows = list(csv.DictReader(io.StringIO(as_csv(variables(asked, SCHEMAS, {"hemp": {"plants"}}), asked))))
    (plants,) = [row for row in rows if row["variable"] == "plants"]
    assert plants == {"data_set": "clearances", "variable": "plants", "D2": "x", "V3": "", "need": "used"}
