"""The frames that the gate re-derived: is each what the request says it is, and does it lie within its population?"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from enclave.engine import Engine
from enclave.errors import Refused
from enclave.frames import Frame
from enclave.requests import Request, TableRequest
from enclave.zones import Derived, Linked
from output_control.banded import banded
from output_control.tables.table import IntArray
from output_control.tables.unit_keys import faults_of_copies, faults_of_units

_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


class Sources:
    """Derived frames, linked data sets and code lists as tables of one engine, each attached once.

    ``known_as``: the project's integers -> numbers by which every project knows the units (the ledger's); without a
    ledger the integers themselves.
    """

    def __init__(
        self,
        engine: Engine,
        derived: Mapping[str, Frame[Derived]],
        linked: Mapping[str, Frame[Linked]],
        known_as: Callable[[IntArray], IntArray] | None = None,
    ) -> None:
        self.engine = engine
        self.known_as = known_as or _as_they_are
        self._derived, self._linked = derived, linked
        self._attached: set[str] = set()

    def derivation(self, name: str) -> Frame[Derived] | None:
        """The derived frame of that name."""
        return self._derived.get(name)

    def population(self, name: str) -> Frame[Linked] | None:
        """The linked data set of that name."""
        return self._linked.get(name)

    def keys_of_linked(self) -> dict[str, tuple[str, ...]]:
        """Linked data set -> its columns of unit keys."""
        return {name: frame.manifest.column_names("key") for name, frame in sorted(self._linked.items())}

    def type_of_linked(self, name: str, column: str) -> pa.DataType | None:
        """The Arrow type of a linked data set's column, if there is one."""
        schema = schema_of(self._linked[name])
        return schema.field(column).type if column in schema.names else None

    def schema(self, derivation: str) -> pa.Schema:
        """The Arrow schema of a derived frame that is there."""
        return schema_of(self._derived[derivation])

    def derived_table(self, name: str) -> str:
        """The engine's name for a derived frame."""
        return self.attach(f"derived_{name}", self._derived[name].path)

    def population_table(self, name: str) -> str:
        """The engine's name for a linked data set."""
        return self.attach(f"population_{name}", self._linked[name].path)

    def attach(self, name: str, path: Path) -> str:
        """Attach a Parquet file, each name once."""
        if name not in self._attached:
            self.engine.attach(name, path)
            self._attached.add(name)
        return name

    def load(self, name: str, rows: pa.Table) -> str:
        """Make computed rows a table (code lists)."""
        self.engine.load(name, rows.to_reader())
        return name

    def collect(self, template: str, *, order_by: Sequence[str] = (), **names: str | Sequence[str]) -> pa.Table:
        """The result of a query; ``{word}`` in the template stands for a quoted identifier, or several with commas."""
        return self.engine.collect(self.sql(template, **names), order_by)

    def number(self, template: str, **names: str | Sequence[str]) -> int:
        """The one whole number that a query gives."""
        return int(self.collect(template, **names).column(0)[0].as_py() or 0)

    def sql(self, template: str, **names: str | Sequence[str]) -> str:
        """The template with its identifiers quoted for the engine's dialect; anything but an identifier is refused."""
        return template.format(**{word: self._quoted(name) for word, name in names.items()})

    def _quoted(self, name: str | Sequence[str]) -> str:
        if not isinstance(name, str):
            return ", ".join(self._quoted(each) for each in name)
        if not _IDENTIFIER.fullmatch(name):
            raise Refused("a name in the request is no column or table name")
        return self.engine.dialect.quote(name)


def _as_they_are(integers: IntArray) -> IntArray:
    return integers


def schema_of(frame: Frame[Derived] | Frame[Linked]) -> pa.Schema:
    """The Arrow schema of a frame's file."""
    return pq.read_schema(frame.path)


def faults_of_frame(request: Request, sources: Sources) -> list[str]:
    """Everything that is wrong with the frame of ``request``; counts and column names only."""
    frame = sources.derivation(request.derivation)
    population = sources.population(request.population.dataset)
    faults = [] if frame else [f"there is no derived frame {request.derivation}"]
    faults += [] if population else [f"there is no linked data set {request.population.dataset}"]
    if frame is None or population is None:
        return faults
    faults = _missing_columns(request, schema_of(frame))
    if request.population.key not in schema_of(population).names:
        faults.append(f"data set {request.population.dataset} has no column {request.population.key}")
    if faults:
        return faults
    units = units_of(request)
    wrong = [name for name in units if not pa.types.is_integer(schema_of(frame).field(name).type)]
    if wrong:
        return [f"column {name} holds no unit keys: these are whole numbers of the project" for name in wrong]
    faults = _wrong_rows(request, sources) or _outside_population(request, sources, schema_of(frame), population)
    member = member_column(request, schema_of(frame))
    foreign = [fault for unit in units for fault in faults_of_units(request, sources, member, unit)]
    return faults or foreign + faults_of_copies(request, sources, member) + _not_whole(request, sources, member)


def units_of(request: Request) -> tuple[str, ...]:
    """The columns of protected units: a cell must pass for each."""
    also = request.also_units if isinstance(request, TableRequest) else ()
    return tuple(dict.fromkeys((request.unit, *also)))


def member_column(request: Request, schema: pa.Schema) -> str:
    """The column that says which member of the population a row is about; the key keeps its name where it is there."""
    return request.population.key if request.population.key in schema.names else request.record


def _missing_columns(request: Request, schema: pa.Schema) -> list[str]:
    return [
        f"the derived frame {request.derivation} has no column {name}"
        for name in request.columns()
        if name not in schema.names
    ]


def _wrong_rows(request: Request, sources: Sources) -> list[str]:
    table = sources.derived_table(request.derivation)
    key = [request.record, *([request.period] if request.period else [])]
    rows = sources.number("SELECT COUNT(*) FROM {table}", table=table)
    if not rows:
        return [f"the derived frame {request.derivation} is empty"]
    faults = []
    for name in dict.fromkeys([*key, *units_of(request)]):
        empty = sources.number("SELECT COUNT(*) FROM {table} WHERE {name} IS NULL", table=table, name=name)
        if empty:
            faults.append(f"{banded(empty)} rows of {request.derivation} have no value in key column {name}")
    for unit in units_of(request):
        negative = sources.number("SELECT COUNT(*) FROM {table} WHERE {unit} < 0", table=table, unit=unit)
        if negative:
            faults.append(f"{banded(negative)} rows of {request.derivation} have a unit key below 0 in {unit}")
    distinct = "SELECT COUNT(*) FROM (SELECT {key} FROM {table} GROUP BY {key}) AS d"
    repeated = rows - sources.number(distinct, table=table, key=key)
    if repeated:
        faults.append(
            f"{banded(repeated)} rows of {request.derivation} repeat a record; one row per {' and '.join(key)}"
        )
    return faults


def _not_whole(request: Request, sources: Sources, member: str) -> list[str]:
    """What is said to be the whole population, and is not; no count, for who is missing may be a secret."""
    dataset, key, period = request.population.dataset, request.population.key, request.period
    if not request.population.whole:
        return []
    if period is not None and sources.type_of_linked(dataset, period) is None:
        return [f"this is said to be all of {dataset}, which has no column {period}: leave out whole, or the period"]
    frame, within = sources.derived_table(request.derivation), sources.population_table(dataset)
    everyone = "SELECT DISTINCT {key} FROM {within} WHERE {only} IS NOT NULL"
    periods = [period] if period is not None else []
    names = {"key": [key, *periods], "within": within, "only": key}
    counted = sources.number("SELECT COUNT(*) FROM {table}", table=frame)
    of = sources.number(f"SELECT COUNT(*) FROM ({everyone}) AS d", **names)  # noqa: S608 - quoted names
    missing = sources.number(
        f"SELECT COUNT(*) FROM ({everyone} EXCEPT SELECT {{member}} FROM {{table}}) AS d",  # noqa: S608 - quoted names
        **names,
        member=[member, *periods],
        table=frame,
    )
    empty = "SELECT COUNT(*) FROM {table} WHERE {name} IS NULL"
    # as many rows as there are members, and every member among them: the same, each once
    whole = counted == of and not missing
    if whole and not any(sources.number(empty, table=frame, name=name) for name in request.columns()):
        return []
    return [
        f"this is said to be all of {dataset}, and of some {request.derivation} has no record, several, or a value "
        "missing: count each once, or leave out whole"
    ]


def _outside_population(request: Request, sources: Sources, schema: pa.Schema, population: Frame[Linked]) -> list[str]:
    """Rows whose population key is in no row of the population."""
    dataset, key = request.population.dataset, request.population.key
    column = member_column(request, schema)
    if schema.field(column).type != schema_of(population).field(key).type:
        return [f"column {column} is not of the type of {key} in data set {dataset}"]
    outside = sources.number(
        "SELECT COUNT(*) FROM {table} AS d LEFT JOIN (SELECT DISTINCT {key} AS k FROM {within}) AS p "
        "ON d.{column} = p.k WHERE p.k IS NULL",
        table=sources.derived_table(request.derivation),
        within=sources.population_table(dataset),
        key=key,
        column=column,
    )
    if not outside:
        return []
    return [
        f"{banded(outside)} rows of {request.derivation} lie outside the population {dataset}: "
        f"{column} is not among its {key}"
    ]
