"""Which model matches which kind of unit by likeness."""

from __future__ import annotations

from collections.abc import Mapping

from enclave.project import UnitKind
from linkage.address_model import ADDRESSES
from linkage.entity_model import ENTITIES
from linkage.person_model import PERSONS
from linkage.unit_model import UnitModel

_MODELS: Mapping[UnitKind, UnitModel] = {
    "person": PERSONS,
    "entity": ENTITIES,
    "object": ADDRESSES,
}


def model_of(kind: UnitKind) -> UnitModel:
    """The model of a kind of unit that is found by likeness (:attr:`enclave.project.Key.matched_kind`)."""
    return _MODELS[kind]
