"""The project file: purpose, people, data sets and the columns each question may use, analyses, policy.

Everything that a run does follows from it; a column that no question declares does not reach the linked zone
(*doelbinding*, *dataminimalisatie*).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from enclave.encoding_label import FEWEST_BITS, MOST_BITS, EncodingLabel
from enclave.errors import BadInput, Fault, Refused
from enclave.requests import ColumnName, Slug
from enclave.yaml_files import NotYaml, read_fields

MUNICIPALITY = re.compile(r"^GM[0-9]{4}$")
UnitKind = Literal["person", "object", "entity", "household", "family", "holding", "owner"]
DERIVED_FROM: Mapping[UnitKind, tuple[UnitKind, ...]] = {
    "household": ("person", "owner"),
    "family": ("person", "owner"),
    "holding": ("entity", "owner"),
}
"""Units that are derived from their members, and the kinds of key that hold these."""
PersonField = Literal["surname", "first_names", "full_name", "birth_date", "sex", "postcode", "house_number"]
EntityField = Literal["name", "trade_name", "postcode", "house_number"]
ObjectField = Literal["street", "house_number", "addition", "postcode", "municipality"]
_FIELDS: Mapping[str, frozenset[str]] = {
    "person": frozenset(get_args(PersonField)),
    "entity": frozenset(get_args(EntityField)),
    "object": frozenset(get_args(ObjectField)),
}


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Probabilistic(_File):
    """How records without a usable identifier are matched to the key register: persons by name, birth date, sex and
    address, entities by name and address, objects by address.

    ``unit``: what a key of owners looks for, ``person`` or ``entity``; other keys look for units of their own kind.
    ``where``: only records whose columns hold these codes are looked for, such as owners that are no natural person.
    ``columns`` says which column of the delivery holds what (``full_name`` where surname and first names stand in one
    column; ``house_number`` may hold the addition too). A record is linked when the probability that the best register
    unit is its own is at least ``threshold``; from ``review`` up to it, records are drawn for clerical review.
    ``one_to_one``: no unit takes two records.
    """

    columns: dict[PersonField | EntityField | ObjectField, ColumnName]
    unit: Literal["person", "entity"] | None = None
    where: dict[ColumnName, str] = {}
    threshold: float = Field(default=0.99, ge=0.5, le=1)
    review: float = Field(default=0.5, ge=0.01, le=1)
    one_to_one: bool = False

    @model_validator(mode="after")
    def _holds_together(self) -> Probabilistic:
        if self.review > self.threshold:
            raise ValueError("review must not lie above threshold")
        return self

    def looks_for(self, kind: UnitKind) -> UnitKind:
        """The kind of unit that records of a key of this kind are matched to."""
        return (self.unit or "person") if kind == "owner" else kind

    def faults_for(self, key_kind: UnitKind) -> list[str]:
        """What keeps units of a key of this kind from being matched so."""
        given, kind = frozenset(self.columns), self.looks_for(key_kind)
        if self.unit not in (None, kind):
            return [f"a key of kind {kind} looks for units of that kind"]
        faults = [f"a unit of kind {kind} is not matched by {name}" for name in sorted(given - _FIELDS[kind])]
        if kind == "person":
            if len({"surname", "full_name"} & given) != 1 or "birth_date" not in given:
                faults.append("probabilistic linkage needs a birth date, and either a surname or a full name")
            if {"full_name", "first_names"} <= given:
                faults.append("a full name holds the first names already")
        if kind == "entity" and "name" not in given:
            faults.append("probabilistic linkage of entities needs their name")
        if kind == "object" and not ("house_number" in given and {"street", "postcode"} & given):
            faults.append("probabilistic linkage of addresses needs the house number, and the postcode or the street")
        return faults


class Encoded(_File):
    """How filters of persons (a delivery's column of kind ``clk``) are matched to those of the key register.

    A record is linked when Dice's coefficient with its best unit is at least ``threshold`` and no other candidate comes
    within ``margin`` of it. ``linkage_schema`` (SHA-256) and ``secret_check`` are those of the linkage authority
    (``zicht encoding label``): filters made otherwise are refused. ``one_to_one``: no unit takes two records.
    """

    linkage_schema: str = Field(pattern=r"^[0-9a-f]{64}$")
    secret_check: str = Field(pattern=r"^[0-9a-f]{16}$")
    bits: int = Field(default=1024, ge=FEWEST_BITS, le=MOST_BITS, multiple_of=8)
    threshold: float = Field(default=0.85, ge=0.6, le=1)
    margin: float = Field(default=0.03, ge=0, le=0.3)
    one_to_one: bool = True

    @property
    def label(self) -> EncodingLabel:
        """What filters must have been made under."""
        return EncodingLabel(linkage_schema=self.linkage_schema, secret_check=self.secret_check, bits=self.bits)


class Membership(_File):
    """Which household or family a person belongs to, or which holding an entity, from a register at a reference date.

    ``person`` or ``entity`` is the key of the members in the same data set (a key of owners may be either). ``unit``
    names the register's column of the unit's number, or the pair (kind letter, number); ``person_columns`` the pair of
    its person, ``entity_column`` the number of its entity. Where rows are spells, ``spell`` names the columns of their
    first and last day (yyyymmdd) and ``reference_date`` is the day that counts. ``members``: pairs of further persons
    whom a row names as of the same unit, such as parents.
    """

    person: ColumnName | Literal[""] = ""
    entity: ColumnName | Literal[""] = ""
    register_file: str = Field(alias="register")
    unit: tuple[str, ...] = Field(min_length=1, max_length=2)
    person_columns: tuple[str, str] = ("RINPERSOONS", "RINPERSOON")
    entity_column: str = "BEID"
    spell: tuple[str, str] | None = None
    reference_date: date | None = None
    members: tuple[tuple[str, str], ...] = ()

    @model_validator(mode="after")
    def _on_a_date(self) -> Membership:
        if (self.spell is None) != (self.reference_date is None):
            raise ValueError("spells need a reference date, and only spells do")
        if bool(self.person) == bool(self.entity):
            raise ValueError("a unit is derived from a key of persons or from one of entities, exactly one")
        if self.entity and (self.members or len(self.unit) != 1):
            raise ValueError("a holding has a number, and each of its entities a row of its own")
        return self

    @property
    def member(self) -> str:
        """The key of the members."""
        return self.person or self.entity

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns of the register that it reads."""
        of_member = (self.entity_column,) if self.entity else self.person_columns
        pairs = [*of_member, *(self.spell or ()), *(name for pair in self.members for name in pair)]
        return tuple(dict.fromkeys([*self.unit, *pairs]))


class Key(_File):
    """A unit key of a data set.

    ``source`` names the columns that hold it: for registers the pair (kind letter, number), for deliveries the
    identifier columns of the schema in order of preference. ``name`` is the column of random integers in the linked
    data set; ``<name>_status`` stands beside it. With ``probabilistic``, records of a delivery whose identifiers are
    all unusable are matched by what they say of the unit, and ``<name>_pass`` and ``<name>_weight`` stand beside too.
    A household or family may be ``derived`` from a key of persons instead of a ``source``, a holding (firms that belong
    together, *ondernemingengroep*) from a key of entities. With ``encoded``,
    ``source`` is one column of filters, and the weight is Dice's coefficient. ``nonlinkage_weights`` puts
    ``<name>_nonlinkage`` beside the linked records of a delivery: delivered over linked records of their class, for use
    as the weight of a table. It tells a record's class (supplier; sex and age band where delivered).
    """

    name: ColumnName
    kind: UnitKind
    source: tuple[str, ...] = ()
    derived: Membership | None = None
    probabilistic: Probabilistic | None = None
    encoded: Encoded | None = None
    nonlinkage_weights: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> Key:
        if self.encoded is not None and (self.probabilistic is not None or len(self.source) != 1):
            raise ValueError("a key of filters has one source column, and no other way to be matched")
        if bool(self.source) == (self.derived is not None):
            raise ValueError("a key has source columns or is derived, exactly one")
        if self.kind in DERIVED_FROM and self.is_matched:
            raise ValueError("households, families and holdings are not matched by likeness: derive them from members")
        if self.derived is not None and (self.kind not in DERIVED_FROM or self.nonlinkage_weights):
            raise ValueError("households, families and holdings are derived, without weights, and nothing else is")
        if self.derived is not None and bool(self.derived.entity) != (self.kind == "holding"):
            raise ValueError("a holding is derived from entities, households and families from persons")
        if self.kind == "family" and self.derived is None:
            raise ValueError("a family is derived from persons")
        if self.probabilistic is not None and (faults := self.probabilistic.faults_for(self.kind)):
            raise ValueError("; ".join(faults))
        return self

    @property
    def is_matched(self) -> bool:
        """Whether units are found for records by likeness, and not only by identifier."""
        return self.probabilistic is not None or self.encoded is not None

    @property
    def matched_kind(self) -> UnitKind:
        """The kind of unit that is found by likeness; an owner is looked for as a person or as an entity."""
        if self.probabilistic is not None:
            return self.probabilistic.looks_for(self.kind)
        return "person" if self.kind == "owner" else self.kind

    @property
    def hashed(self) -> tuple[str, ...]:
        """The source columns that are hashed identifiers."""
        return () if self.encoded is not None else self.source


class DataSet(_File):
    """A linked data set: from a register file or from all accepted deliveries of a schema."""

    register_file: str = Field(default="", alias="register")
    delivery: str = ""
    keys: tuple[Key, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _one_source(self) -> DataSet:
        if bool(self.register_file) == bool(self.delivery):
            raise ValueError("a data set comes from a register or from a delivery, exactly one")
        matched = [key for key in self.keys if key.is_matched]
        if matched and not self.delivery:
            raise ValueError("linkage by likeness or by filter is for keys of deliveries")
        if any(key.encoded is not None and key.kind not in ("person", "owner") for key in matched):
            raise ValueError("filters are of persons")
        kinds = {key.name: key.kind for key in self.keys}
        for key in self.keys:
            if key.derived is not None and kinds.get(key.derived.member) not in DERIVED_FROM[key.kind]:
                raise ValueError(
                    "a household or family is derived from a key of persons of the same data set, "
                    "a holding from one of entities"
                )
        if self.register_file and any(key.nonlinkage_weights for key in self.keys):
            raise ValueError("weights for non-linkage are for deliveries: a register's records are all linked")
        return self


class Question(_File):
    """A research question and the columns of each data set that it may use (keys come along)."""

    text: str
    uses: dict[Slug, tuple[ColumnName, ...]]


class AnalysisUse(_File):
    """A released version of an analysis, the question that it answers, and its parameters (printed with the result).

    ``protects`` is the unit that all its outputs protect, by the name of its key column: the office says whose
    privacy is at stake, not the researcher. Empty leaves the choice to the requests, for checkers to judge.
    """

    name: Slug
    version: int = Field(ge=1)
    question: str
    protects: ColumnName | Literal[""] = ""
    parameters: dict[str, int | float | str | bool] = {}


class Expected(_File):
    """A delivery that is owed: a schema for a period, by named suppliers or by every municipality, until ``due``."""

    schema_name: Slug = Field(alias="schema")
    period: str
    suppliers: tuple[str, ...] | Literal["municipalities"]
    due: date | None = None


@dataclass(frozen=True, slots=True, order=True)
class Owed:
    """One delivery that one supplier owes."""

    supplier: str
    schema_name: str
    period: str
    due: date | None = None


class Project(_File):
    """A project file, read and checked.

    ``municipalities``: those that take part; empty lets every municipality deliver, and then nobody is known to owe.
    ``identifier_hash``: how fixed-format identifiers are hashed; free-form ones always take HMAC. It holds for a
    version of the keys: another one comes into use when the keys are rotated. ``signed_deliveries``: whether a supplier
    whose signing key the office does not know may deliver (``when-known``), or nobody may (``required``); of a supplier
    whose key it knows, nothing is received that is not signed by it. ``refused_days``: how long a sealed delivery that
    was not accepted stays in the inbox, where it can be looked at again, before ``zicht expire`` destroys it.
    """

    name: Slug
    title: str
    legal_basis: str
    purpose: str = Field(min_length=20)
    start: date
    retention_date: date
    controller: str
    researchers: tuple[str, ...]
    policy: Slug
    sandbox: Literal["required", "accept-no-sandbox"] = "required"
    identifier_hash: Literal["aes-cmac", "hmac-sha256"] = "aes-cmac"
    signed_deliveries: Literal["when-known", "required"] = "when-known"
    refused_days: int = Field(default=30, ge=0, le=366)
    municipalities: tuple[Annotated[str, Field(pattern=MUNICIPALITY.pattern)], ...] = ()
    deliveries: tuple[Expected, ...]
    data: dict[Slug, DataSet]
    questions: dict[Annotated[str, Field(pattern=r"^[A-Z][0-9]+$")], Question]
    analyses: tuple[AnalysisUse, ...]

    def declared_columns(self, dataset: str) -> tuple[str, ...]:
        """Columns of ``dataset`` that at least one question declares, sorted."""
        return tuple(sorted({c for q in self.questions.values() for c in q.uses.get(dataset, ())}))

    def expects(self, supplier: str, schema_name: str, period: str) -> bool:
        """Whether this supplier may hand in this delivery."""
        return any(
            (expected.schema_name, expected.period) == (schema_name, period) and self._supplies(expected, supplier)
            for expected in self.deliveries
        )

    def knows(self, supplier: str) -> bool:
        """Whether this supplier may hand in anything."""
        return any(self._supplies(expected, supplier) for expected in self.deliveries)

    def _supplies(self, expected: Expected, supplier: str) -> bool:
        if expected.suppliers != "municipalities":
            return supplier in expected.suppliers
        return supplier in self.municipalities if self.municipalities else bool(MUNICIPALITY.match(supplier))

    def owed(self) -> tuple[Owed, ...]:
        """Every delivery that is owed by a supplier whose name is known, sorted."""
        return tuple(
            sorted(
                Owed(supplier, expected.schema_name, expected.period, expected.due)
                for expected in self.deliveries
                for supplier in (self.municipalities if expected.suppliers == "municipalities" else expected.suppliers)
            )
        )

    def analysis(self, name: str) -> AnalysisUse:
        """The use of analysis ``name``; :class:`Refused` when the project has none."""
        for use in self.analyses:
            if use.name == name:
                return use
        raise Refused(
            f"project {self.name} runs no analysis {name}",
            next_step="add it to the project file, with its question",
        )


def load_project(path: Path) -> Project:
    """Read a project file; all faults at once.

    Raises:
        BadInput: unreadable, a field is missing or wrong, or a question uses a data set that is not declared.
    """
    try:
        project = Project(**read_fields(path.read_bytes()))
    except FileNotFoundError:
        raise BadInput("there is no such project file", where=path.name, next_step="see configs/projects/") from None
    except NotYaml as error:
        raise BadInput(f"the project file does not hold: {error}", where=path.name) from None
    except ValidationError as error:
        faults = [
            Fault(path.name, "project", e["msg"], column=".".join(str(p) for p in e["loc"])) for e in error.errors()
        ]
        raise BadInput("the project file does not hold", where=path.name, faults=faults) from None
    except (OSError, ValueError):  # no file, not this user's, or a name that no file can have
        raise BadInput("the project file cannot be read", where=path.name, next_step="see configs/projects/") from None
    faults = [
        Fault(path.name, "project", f"question {name} uses data set {dataset}, which is not declared")
        for name, question in project.questions.items()
        for dataset in question.uses
        if dataset not in project.data
    ] + [
        Fault(
            path.name,
            "project",
            f"analysis {use.name} answers question {use.question}, which is not declared",
        )
        for use in project.analyses
        if use.question not in project.questions
    ]
    if faults:
        raise BadInput("the project file contradicts itself", where=path.name, faults=faults)
    return project
