"""The last look at every file that leaves, at the gate, at release, and again by whoever verifies a bundle.

The gate makes all these files itself, so nothing should ever be found. It is looked for nevertheless: in titles, labels
and codes that a researcher chose, in what a fault of Zicht might let through, and in what someone put into a bundle.
What is found is named by file, column and kind, never by value.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from enclave.identifier_density import DensityCheck
from output_control.leaving.said_in_json import read_json
from output_control.leaving.svg import read_svg
from output_control.leaving.text import faults_of_each, hides_characters, long_numbers

METADATA = ".csv-metadata.json"
_PLACES = {".csv": "outputs/", METADATA: "outputs/", ".svg": "outputs/", ".json": "evidence/"}
_STATUS = {"OBS_STATUS": ("A", "E", "Q"), "CONF_STATUS": ("F", "C")}
_NUMBER = r"^-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?$"
FORMULA = r"^\s*[=+\-@|%\t\r]"  # spreadsheets run such a field (OWASP, CSV injection)
_KEY = r"^[0-9]{6,}$"
FEWEST_KEYS = 30


def faults_of_leaving(files: Mapping[str, bytes]) -> list[str]:
    """What is wrong with files below ``outputs/`` and ``evidence/``, and with texts in the JSON files beside them."""
    found = [(name, fault) for name in sorted(files) for fault in _faults_of_file(name, files)]
    unread = [(name, fault) for name, fault in found if isinstance(fault, _Unread)]
    told = faults_of_each([fault.texts for _, fault in unread]) if unread else []
    clauses = [(name, fault) for name, fault in found if isinstance(fault, str)]
    for (name, fault), faults in zip(unread, told, strict=True):
        clauses += [(name, fault.where + clause) for clause in faults]
    return list(dict.fromkeys(f"{name}: {clause}" for name, clause in sorted(clauses, key=itemgetter(0))))


@dataclass(frozen=True, slots=True)
class _Unread:
    """Texts of a file in which identifiers are still to be looked for, together with all others."""

    texts: pa.Array
    where: str = ""


def _faults_of_file(name: str, files: Mapping[str, bytes]) -> Iterator[str | _Unread]:
    suffix = next((suffix for suffix in _PLACES if name.endswith(suffix) and suffix != ".json"), "")
    suffix = suffix or (".json" if name.endswith(".json") else "")
    fixed = "/" not in name
    if not fixed and (not suffix or not name.startswith(_PLACES[suffix])):
        yield "files of this type may not leave from here; tables, metadata, evidence and drawn figures may"
        return
    if fixed and suffix != ".json":
        return  # journal head and signature: their content is compared byte for byte elsewhere
    text = _text(files[name])
    if text is None:
        yield "holds bytes or characters that are not shown: not plain text"
    elif suffix == ".csv":
        yield from _faults_of_csv(name, files)
    elif suffix == ".svg":
        words: list[str] = []
        yield from read_svg(text, words, drawn_from=f"{name.rpartition('.')[0]}.csv" in files)
        yield _Unread(pa.array(words, pa.string()))
    else:
        yield from _faults_of_json(text, len(files) if fixed else 0)


def _text(content: bytes) -> str | None:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if hides_characters(text.replace("\n", " ")) else text


def _faults_of_json(text: str, described: int) -> Iterator[str | _Unread]:
    said = read_json(text, described=described)
    yield from said.faults
    yield _Unread(pa.array(said.texts, pa.string()))


def _faults_of_csv(name: str, files: Mapping[str, bytes]) -> Iterator[str | _Unread]:
    described = _description(files.get(f"{name.removesuffix('.csv')}{METADATA}"))
    if described is None:
        yield "has no metadata beside it that describes its columns"
        return
    kinds, keys = described
    try:
        header = files[name].split(b"\n", 1)[0].decode().replace('"', "").split(",")
        types = {column: pa.string() for column in header}
        options = pa_csv.ConvertOptions(column_types=types, strings_can_be_null=False)
        table = pa_csv.read_csv(io.BytesIO(files[name]), convert_options=options)
    except pa.ArrowInvalid:
        yield "is not readable as a table of as many fields in every row"
        return
    if table.column_names != list(kinds):
        yield "has other columns than its metadata describes"
        return
    yield from _faults_of_status(table)
    yield from _faults_of_listing(table, keys, _keys_of_records(name, files))
    for column, kind in kinds.items():
        values = table.column(column).combine_chunks()
        if kind == "string":
            distinct = pc.unique(values)
            yield from (f"column {column} {fault}" for fault in _faults_of_codes(distinct))
            yield _Unread(distinct, f"column {column} ")
        else:
            yield from (f"column {column} {fault}" for fault in _faults_of_numbers(values))


def _description(content: bytes | None) -> tuple[dict[str, str], list[str]] | None:
    """Datatype by column, and the primary key, as the CSVW metadata say."""
    try:
        schema = json.loads(content or b"")["tableSchema"]
        return {column["name"]: column["datatype"] for column in schema["columns"]}, schema["primaryKey"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _keys_of_records(name: str, files: Mapping[str, bytes]) -> set[str]:
    """Columns that single out records or units, as the evidence names them."""
    stem = name.removeprefix("outputs/").removesuffix(".csv")
    try:
        said = json.loads(files[f"evidence/{stem}.json"])
        return {said["protected_unit"], said["population"]["key"], *said["record"][:1]}
    except (ValueError, KeyError, TypeError, RecursionError):
        return set()


def _faults_of_status(table: pa.Table) -> Iterator[str]:
    for column, codes in _STATUS.items():
        if column not in table.column_names:
            yield f"has no column {column}: it is no checked table"
        elif not pc.all(pc.is_in(table.column(column), pa.array(codes))).as_py():
            yield f"column {column} holds codes that the gate does not give"


def _faults_of_listing(table: pa.Table, keys: Sequence[str], of_records: set[str]) -> Iterator[str]:
    """Rows of a listing single out records: by a key column, or by a column of long, all different numbers."""
    for column in sorted(of_records & set(table.column_names)):
        yield f"column {column} is the key of records or units: records are not listed"
    if not set(keys) <= set(table.column_names) or not keys:
        yield "has no key in its metadata"
    elif table.group_by(list(keys)).aggregate([]).num_rows < table.num_rows:
        yield "has two rows of one key"
    for column in keys:
        values = pc.unique(table.column(column)) if column in table.column_names else pa.array([], pa.string())
        if len(values) >= FEWEST_KEYS and pc.all(pc.match_substring_regex(values, _KEY)).as_py():
            yield f"column {column} holds nothing but long numbers, as keys of records are"


def _faults_of_codes(distinct: pa.Array) -> Iterator[str]:
    plain = pc.match_substring_regex(distinct, _NUMBER)
    if pc.any(pc.and_not(pc.match_substring_regex(distinct, FORMULA), plain)).as_py():
        yield "holds text that a spreadsheet would run as a formula"
    if long_numbers(distinct):
        yield "holds a number of eight figures or more, as identifiers are"


def _faults_of_numbers(values: pa.Array) -> Iterator[str]:
    given = values.filter(pc.not_equal(values, ""))
    if not pc.all(pc.match_substring_regex(given, _NUMBER), min_count=0).as_py():
        yield "holds something else than numbers"
        return
    check = DensityCheck()
    check.add(pc.cast(given, pa.float64()))
    if check.leaks():
        yield "passes the eleven-test of BSN and RSIN far more often than chance explains"


def file_types() -> str:
    """The types that may leave, for documentation."""
    return ", ".join(re.sub(r"^\.", "", suffix) for suffix in _PLACES)
