"""Delivery schemas: what a supplier's file must hold, and what happens to every column of it.

A schema is a YAML file in ``configs/schemas/``. Every column says its treatment; there is no default, so that nothing
travels on because somebody forgot to think about it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from enclave.encoding_label import FEWEST_BITS, MOST_BITS
from enclave.errors import BadInput, Fault
from enclave.files import read_small
from enclave.requests import ColumnName, Slug
from enclave.yaml_files import NotYaml, read_fields
from pseudonymise.coarsening import RULES

ColumnType = Literal["integer", "decimal", "date", "code", "text", "identifier"]
IdentifierKind = Literal[
    "bsn",
    "rsin",
    "kvk",
    "establishment",
    "bag",
    "postcode",
    "street",
    "house_number",
    "addition",
    "address",
    "name",
    "birth_date",
    "own_number",
    "licence_plate",
    "iban",
    "phone",
    "email",
    "foreign",
    "clk",
]
CHECKED_KINDS = frozenset(
    {"bsn", "rsin", "kvk", "establishment", "bag", "postcode", "address", "own_number"}
    | {"licence_plate", "iban", "phone", "email", "foreign"}
)
_DIRECT_KINDS = frozenset({"street", "house_number", "addition", "name", "birth_date", "own_number"})
FILTERS = "clk"
"""Bloom filters of persons, made at the source: see :mod:`enclave.filters`."""
FileFormat = Literal["csv", "xlsx", "sav", "json"]
_TREATMENT = r"^(hash|drop|keep|text-scan|text-drop-on-leak|coarsen:[a-z0-9_]+)$"
_KEPT = ("keep", "text-scan", "text-drop-on-leak")
_PERIOD = re.compile(r"^(\d{4})(?:-(\d{4}))?$")
MAX_CELL = 1 << 20


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ColumnSpec(_File):
    """One column.

    ``required``: the column must stand in the file; ``nullable``: a cell may be empty. ``codes``: allowed values of a
    ``code`` column with their meaning. ``minimum``/``maximum`` are inclusive, numbers only. ``pattern`` is a regular
    expression that the whole value must match. ``bits``: length of the filters of a ``clk`` column. ``treatment``:
    ``hash`` (keyed hash), ``drop``, ``keep``, ``coarsen:<rule>`` (a coarser value, rule known to ``pseudonymise``),
    ``text-scan`` (kept when the scan for identifiers finds nothing), ``text-drop-on-leak`` (texts in which it finds
    something are blanked).
    """

    name: ColumnName
    meaning_nl: str = Field(min_length=3)
    meaning_en: str = Field(min_length=3)
    type: ColumnType
    kind: IdentifierKind | None = None
    required: bool = True
    nullable: bool = False
    codes: dict[str, str] = {}
    minimum: float | None = None
    maximum: float | None = None
    pattern: str = ""
    bits: int | None = Field(default=None, ge=FEWEST_BITS, le=MOST_BITS, multiple_of=8)
    max_length: int = Field(default=4000, ge=1, le=MAX_CELL)
    example: str
    treatment: Annotated[str, Field(pattern=_TREATMENT)]

    @model_validator(mode="after")
    def _holds_together(self) -> ColumnSpec:
        problems = [message for wrong, message in self._problems() if wrong]
        if problems:
            raise ValueError(f"column {self.name}: " + "; ".join(problems))
        return self

    def _problems(self) -> Iterable[tuple[bool, str]]:
        numeric = self.type in ("integer", "decimal")
        yield (self.type == "identifier") != (self.kind is not None), "identifier columns, and only they, have a kind"
        yield (self.type == "code") != bool(self.codes), "code columns, and only they, list their codes"
        yield not numeric and (self.minimum, self.maximum) != (None, None), "only numbers have a range"
        yield (self.kind == FILTERS) != (self.bits is not None), "columns of filters, and only they, have bits"
        yield self.kind == FILTERS and self.treatment != "drop", "filters are dropped once they are matched"
        yield self.treatment == "hash" and self.kind not in CHECKED_KINDS, "only checked identifiers can be hashed"
        direct = self.kind in _DIRECT_KINDS or self.kind == "postcode"
        yield direct and self.treatment in _KEPT, "a direct identifier is dropped, hashed or coarsened"
        yield self.kind in CHECKED_KINDS and self.treatment in _KEPT, "an identifier is never kept"
        yield self.type == "text" and self.treatment == "keep", "free text is scanned or dropped, never just kept"
        rule = RULES.get(self.treatment.removeprefix("coarsen:")) if self.treatment.startswith("coarsen:") else None
        yield self.treatment.startswith("coarsen:") and rule is None, "there is no such coarsening rule"
        yield (
            rule is not None and self.kind not in rule.kinds and self.type not in rule.kinds,
            ("the coarsening rule is for another kind of column"),
        )
        try:
            re.compile(self.pattern)
            pc.match_substring_regex(pa.nulls(1, pa.string()), self.pattern)
        except (re.error, pa.ArrowInvalid):
            yield True, "the pattern is no regular expression (RE2, without look-ahead or references)"


class PeriodCheck(_File):
    """Dates (or years) of ``column`` must lie in the delivery's period, widened by ``years_before`` its start.

    A row outside is quarantined; when more than ``max_share_outside`` of the filled rows lie outside, the whole file
    is of another period and rejected.
    """

    column: ColumnName
    years_before: int = Field(default=0, ge=0, le=200)
    max_share_outside: float = Field(default=0.5, ge=0, le=1)


class Rules(_File):
    """Checks between columns of one row, and over the file.

    ``any_of``: of each group of columns at least one is filled. ``in_order``: of each pair of date columns the first is
    not after the second, when both are filled. ``required_if``: when ``column`` has ``code``, ``then`` is filled.
    ``unique``: each group of columns has no two equal rows; the first counts, later ones are quarantined.
    ``refers``: what must be known to another file of the same delivery.
    ``against_register``: what the office's own register can say of the records; findings are for the custodian alone.
    """

    any_of: tuple[tuple[ColumnName, ...], ...] = ()
    in_order: tuple[tuple[ColumnName, ColumnName], ...] = ()
    required_if: tuple[RequiredIf, ...] = ()
    refers: tuple[Reference, ...] = ()
    unique: tuple[tuple[ColumnName, ...], ...] = ()
    period: PeriodCheck | None = None
    against_register: tuple[RegisterCheck, ...] = ()


class RegisterCheck(_File):
    """Records whose ``identifier`` (kind bsn or bag) is compared with the office's identified register.

    The other columns, of those that are named, say of the person what the register says too.
    """

    identifier: ColumnName
    birth_date: ColumnName | Literal[""] = ""
    surname: ColumnName | Literal[""] = ""
    full_name: ColumnName | Literal[""] = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that are named."""
        return tuple(filter(None, (self.identifier, self.birth_date, self.surname, self.full_name)))


class RequiredIf(_File):
    """``then`` must be filled in rows whose ``column`` is ``code``."""

    column: ColumnName
    code: str
    then: ColumnName


class Reference(_File):
    """The values of ``columns``, where all are filled, must stand in the columns ``to`` of a sound row of another file
    of the same delivery, the one of ``schema``. A row that refers to nothing is quarantined."""

    columns: tuple[ColumnName, ...] = Field(min_length=1)
    schema_name: Slug = Field(alias="schema")
    to: tuple[ColumnName, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _as_many(self) -> Reference:
        if len(self.columns) != len(self.to):
            raise ValueError("a reference names as many columns of the other file as of its own")
        return self


class DeliverySchema(_File):
    """A kind of delivery: file format, columns, rules, and how many bad rows are tolerated.

    ``format``: the usual form of the file; one of ``other_formats`` is taken as well, and known by the file's ending.
    ``encodings``: accepted text encodings of a CSV file, the expected one first (``cp1252``, ``utf-8``,
    ``utf-8-sig``). ``date_format``: ``dd-mm-yyyy`` (also d-m-yyyy), ``yyyy-mm-dd`` or ``yyyymmdd``. ``tolerance``: the
    largest share of bad rows, 0–1, with which the good rows still go on. ``keys``: the columns that tell records apart.
    ``test_ranges``: whether numbers from ranges that are reserved for tests are set aside (``refused``) or taken, as
    the invented country needs; well-known examples are never taken.
    """

    name: Slug
    version: int = Field(ge=1)
    title_nl: str
    title_en: str
    format: FileFormat
    other_formats: tuple[FileFormat, ...] = ()
    encodings: tuple[Literal["cp1252", "utf-8", "utf-8-sig"], ...] = ("cp1252",)
    separator: Literal[";", ",", "|", "\t"] = ";"
    decimal_mark: Literal[",", "."] = ","
    date_format: Literal["dd-mm-yyyy", "yyyy-mm-dd", "yyyymmdd"] = "dd-mm-yyyy"
    columns: tuple[ColumnSpec, ...] = Field(min_length=1, max_length=1000)
    keys: tuple[ColumnName, ...] = Field(min_length=1)
    rules: Rules = Rules()
    tolerance: float = Field(default=0.05, ge=0, le=1)
    test_ranges: Literal["refused", "taken"] = "refused"

    @model_validator(mode="after")
    def _names_agree(self) -> DeliverySchema:
        names = [column.name for column in self.columns]
        if len(set(names)) < len(names):
            raise ValueError("two columns have the same name")
        unknown = sorted(self._mentioned() - set(names))
        if unknown:
            raise ValueError(f"keys or rules name columns that are not declared: {', '.join(unknown)}")
        if any(self.column(rule.identifier).kind not in ("bsn", "bag") for rule in self.rules.against_register):
            raise ValueError("the register is asked by bsn or bag")
        filters = [column for column in self.columns if column.kind == FILTERS]
        if len(filters) > 1 or (self.format == "json" and len(self.columns) > len(filters)):
            raise ValueError("a delivery has one column of filters at most, and one in JSON no other column")
        return self

    @property
    def filters(self) -> ColumnSpec | None:
        """The column of filters, if there is one."""
        return next((column for column in self.columns if column.kind == FILTERS), None)

    def _mentioned(self) -> set[str]:
        rules = self.rules
        groups: list[Iterable[str]] = [self.keys, *rules.any_of, *rules.in_order, *rules.unique]
        groups += [(rule.column, rule.then) for rule in rules.required_if]
        groups += [rule.columns for rule in rules.refers]
        groups += [rule.columns for rule in rules.against_register]
        if rules.period:
            groups.append((rules.period.column,))
        return {name for group in groups for name in group}

    @property
    def formats(self) -> tuple[FileFormat, ...]:
        """All forms in which it is taken, the usual one first."""
        return tuple(dict.fromkeys((self.format, *self.other_formats)))

    def format_of(self, file: str) -> FileFormat:
        """The form of a file by the ending of its name; the usual one where that tells nothing."""
        ending = file.lower().rpartition(".")[2]
        return next((form for form in self.formats if form == ending), self.format)

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> ColumnSpec:
        """The column called ``name``; KeyError when there is none."""
        return {column.name: column for column in self.columns}[name]


Rules.model_rebuild()


def period_years(period: str) -> tuple[int, int]:
    """First and last year of a period ``2016`` or ``1996-2015``.

    Raises:
        BadInput: not of these forms, or the last year lies before the first.
    """
    found = _PERIOD.match(period)
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
    if first > last:
        raise BadInput("a period is a year (2016) or two years with a hyphen (1996-2015)", where="period")
    return first, last


def load_schema(path: Path) -> DeliverySchema:
    """Read one schema; all faults at once.

    Raises:
        BadInput: missing, no YAML, or fields that do not hold.
    """
    try:
        return _said(read_small(path))
    except FileNotFoundError:
        raise BadInput("there is no such schema", where=path.stem, next_step=_there_are(path.parent)) from None
    except NotYaml as error:
        raise BadInput(f"the schema does not hold: {error}", where=path.name) from None
    except ValidationError as error:
        faults = [Fault(path.name, "schema", e["msg"], column=".".join(map(str, e["loc"]))) for e in error.errors()]
        raise BadInput("the schema does not hold", where=path.name, faults=faults) from None


def _there_are(folder: Path) -> str:
    names = sorted(path.stem for path in folder.glob("*.yaml"))
    if not names:
        return "name the folder with the schemas: --schemas"
    return f"zicht delivery schemas; there are {', '.join(names)}"


@functools.lru_cache(maxsize=64)
def _said(content: bytes) -> DeliverySchema:
    """What a schema file of this content says: a command reads each many times."""
    return DeliverySchema(**read_fields(content))


def load_schemas(folder: Path) -> dict[str, DeliverySchema]:
    """All schemas of a folder by name.

    Raises:
        BadInput: one does not hold, or its name is not its file's.
    """
    schemas = {}
    for path in sorted(folder.glob("*.yaml")):
        schema = load_schema(path)
        if schema.name != path.stem:
            raise BadInput("the schema's name differs from its file's", where=path.name)
        schemas[schema.name] = schema
    _refuse_dangling(schemas)
    return schemas


def _refuse_dangling(schemas: Mapping[str, DeliverySchema]) -> None:
    faults = [
        Fault(f"{schema.name}.yaml", "schema", f"refers to columns that schema {rule.schema_name} does not have")
        for schema in schemas.values()
        for rule in schema.rules.refers
        if rule.schema_name not in schemas or not set(rule.to) <= set(schemas[rule.schema_name].names)
    ]
    if faults:
        raise BadInput("a schema refers to what is not there", faults=faults)
