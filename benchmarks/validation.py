"""Validation of a large CSV delivery beside parsing it: ``python -m benchmarks.validation [ROWS] [REPEATS]``
(5,000,000 and 3).

Thirty columns of every kind, one row in a hundred with a defect. *Parsing* is pyarrow's CSV reader alone, streaming,
one thread, all columns as text. *Validating* is all that the enclave does between opening a seal and writing frames:
find the encoding, find the records, parse, check every cell and row, look for duplicates. The median of CPU seconds,
measured in turn, each in a process of its own, so that peak memory is its own. Exits with 1 above three times the
parsing.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from benchmarks.keyed_hash import bsn_texts
from benchmarks.measuring import peak_mebibytes, say
from pseudonymise.formats import read_batches
from pseudonymise.formats.batch import PlainFile
from pseudonymise.schemas import DeliverySchema
from pseudonymise.validation import Validator
from synthetic.invented_contacts import emails, ibans, licence_plates, phones

BLOCK_ROWS = 100_000
TARGET = 3.0
_CODES = {"a": "eerste", "b": "tweede", "c": "derde"}


def _columns() -> list[dict[str, Any]]:
    identifiers = {
        "case": ("own_number", "hash"),
        "bsn": ("bsn", "hash"),
        "partner_bsn": ("bsn", "hash"),
        "kvk": ("kvk", "hash"),
        "bag_id": ("bag", "hash"),
        "iban": ("iban", "hash"),
        "plate": ("licence_plate", "hash"),
        "phone": ("phone", "drop"),
        "email": ("email", "drop"),
        "surname": ("name", "drop"),
        "first_names": ("name", "drop"),
        "birth_date": ("birth_date", "coarsen:year"),
        "postcode": ("postcode", "drop"),
        "house_number": ("house_number", "drop"),
        "addition": ("addition", "drop"),
    }
    found: list[dict[str, Any]] = [
        {"name": name, "type": "identifier", "kind": kind, "treatment": treatment}
        for name, (kind, treatment) in identifiers.items()
    ]
    found += [{"name": f"date_{n}", "type": "date", "treatment": "keep"} for n in range(3)]
    found += [{"name": f"code_{n}", "type": "code", "codes": _CODES, "treatment": "keep"} for n in range(4)]
    found += [
        {"name": f"count_{n}", "type": "integer", "minimum": 0, "maximum": 10**6, "treatment": "keep"} for n in range(3)
    ]
    found += [
        {"name": f"amount_{n}", "type": "decimal", "minimum": 0, "maximum": 10**7, "treatment": "keep"}
        for n in range(4)
    ]
    found.append({"name": "remark", "type": "text", "treatment": "text-scan"})
    optional = {"partner_bsn", "kvk", "phone", "email", "addition", "date_1", "amount_3", "remark"}
    meaning = {"meaning_nl": "voorbeeld", "meaning_en": "example", "example": "x"}
    return [{**column, **meaning, "nullable": column["name"] in optional} for column in found]


SCHEMA = DeliverySchema.model_validate(
    {
        "name": "thirty_columns",
        "version": 1,
        "title_nl": "dertig kolommen",
        "title_en": "thirty columns",
        "format": "csv",
        "encodings": ["cp1252"],
        "keys": ["case"],
        "tolerance": 0.2,
        "test_ranges": "taken",
        "columns": _columns(),
        "rules": {
            "unique": [["case"]],
            "in_order": [["date_0", "date_1"]],
            "any_of": [["bsn", "kvk"]],
            "period": {"column": "date_2", "years_before": 30},
        },
    }
)


def write_file(path: Path, rows: int) -> None:
    """The delivery: cp1252, semicolons, decimal commas; one row in a hundred has a BSN that fails the eleven-test."""
    rng = np.random.default_rng(1)
    names = pa.array(["Verzonnen", "Bedacht", "Noël", "Voorbeeld", "de Jong", "Özgür"])
    words = pa.array(["", "geen bijzonderheden", "kelder; stroom afgetapt", "zie bijlage"])
    codes = pa.array(list(_CODES))
    with path.open("wb") as handle:
        for start in range(0, rows, BLOCK_ROWS):
            size = min(BLOCK_ROWS, rows - start)
            number = np.arange(start, start + size)

            def some(values: pa.Array, size: int = size) -> pa.Array:
                return values.take(pa.array(rng.integers(0, len(values), size)))

            def day(first: int, size: int = size) -> pa.Array:
                days = rng.integers(1, 29, size), rng.integers(1, 13, size), rng.integers(first, first + 10, size)
                parts = [np.char.zfill(part.astype(str), 2) for part in days]
                return pa.array(
                    np.char.add(np.char.add(parts[0], "-"), np.char.add(np.char.add(parts[1], "-"), parts[2]))
                )

            def money(size: int = size) -> pa.Array:
                return pa.array(np.char.replace((rng.integers(0, 10**8, size) / 100).astype("U12"), ".", ","))

            bsn = bsn_texts(start, size).to_numpy(zero_copy_only=False).astype("U9")
            bsn[::100] = "123456789"
            columns: dict[str, Any] = {
                "case": np.char.add("SYN-", number.astype(str)),
                "bsn": bsn,
                "partner_bsn": np.where(number % 3 == 0, bsn_texts(start, size).to_numpy(zero_copy_only=False), ""),
                "kvk": np.char.add("09", np.char.zfill((number % 10**6).astype(str), 6)),
                "bag_id": np.char.add("900101", np.char.zfill((number + 1).astype(str), 10)),
                "iban": ibans(number).astype(str),
                "plate": licence_plates(number).astype(str),
                "phone": phones(number).astype(str),
                "email": emails(number).astype(str),
                "surname": some(names),
                "first_names": some(names),
                "birth_date": day(1970),
                "postcode": np.char.add((1000 + number % 9000).astype(str), "AB"),
                "house_number": (number % 200 + 1).astype(str),
                "addition": np.where(number % 5 == 0, "A", ""),
                **{f"date_{n}": day(1980 + 10 * n) for n in range(3)},
                **{f"code_{n}": some(codes) for n in range(4)},
                **{f"count_{n}": rng.integers(0, 1000, size).astype(str) for n in range(3)},
                **{f"amount_{n}": money() for n in range(4)},
                "remark": some(words),
            }
            table = pa.table({name: pa.array(columns[name]) for name in SCHEMA.names})
            options = pacsv.WriteOptions(include_header=start == 0, delimiter=";", eol="\r\n")
            sink = pa.BufferOutputStream()
            pacsv.write_csv(table, sink, options)
            handle.write(sink.getvalue().to_pybytes().decode().encode("cp1252"))


def parse(path: Path) -> int:
    """pyarrow's reader alone."""
    options = pacsv.ReadOptions(use_threads=False, encoding="cp1252", block_size=4 << 20)
    types = pacsv.ConvertOptions(column_types=dict.fromkeys(SCHEMA.names, pa.string()))
    parsing = pacsv.ParseOptions(delimiter=";", newlines_in_values=True)
    with pacsv.open_csv(path, read_options=options, parse_options=parsing, convert_options=types) as reader:
        return sum(batch.num_rows for batch in reader)


def read(path: Path) -> int:
    """The enclave's reader without validation."""
    return sum(batch.cells.num_rows + len(batch.broken) for batch in read_batches(PlainFile(path), SCHEMA))


def validate(path: Path) -> int:
    """The enclave's reader and validation."""
    validator = Validator(SCHEMA, "2016", salt=b"benchmark")
    for batch in read_batches(PlainFile(path), SCHEMA):
        validator.sort(batch)
    if validator.tally.quarantined != -(-validator.tally.received // 100):
        raise SystemExit(f"{validator.tally.quarantined} rows set aside: {dict(validator.tally.reasons)}")
    return validator.tally.received


_WAYS = {"parse": parse, "read": read, "validate": validate}


def one(how: str, path: Path) -> None:
    """In a process of its own: rows, CPU and wall seconds, peak memory."""
    pa.set_cpu_count(1)
    cpu, wall = time.process_time(), time.perf_counter()
    rows = _WAYS[how](path)
    say(f"{rows} {time.process_time() - cpu} {time.perf_counter() - wall} {peak_mebibytes()}")


def _in_its_own_process(how: str, path: Path, rows: int) -> tuple[float, ...]:
    """CPU and wall seconds, peak MiB."""
    command = [sys.executable, "-m", "benchmarks.validation", "--one", how, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found, *figures = map(float, done.stdout.split())
    if found != rows:
        raise SystemExit(f"{how} found {found:,.0f} rows")
    return tuple(figures)


def main(arguments: list[str]) -> int:
    """Measure at the number of rows given, or five million."""
    if arguments[:1] == ["--one"]:
        one(arguments[1], Path(arguments[2]))
        return 0
    rows, repeats = (*map(int, arguments), *(5_000_000, 3)[len(arguments) :])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "thirty_columns_2016.csv"
        write_file(path, rows)
        say(f"{rows:,} rows × {len(SCHEMA.columns)} columns, {path.stat().st_size / 2**20:,.0f} MiB, {repeats} times")
        measured: dict[str, list[tuple[float, ...]]] = {how: [] for how in _WAYS}
        for _ in range(repeats):
            for how in _WAYS:
                measured[how].append(_in_its_own_process(how, path, rows))
    parsing = statistics.median(cpu for cpu, _, _ in measured["parse"])
    for how, runs in measured.items():
        cpu, wall, peak = (statistics.median(figures) for figures in zip(*runs, strict=True))
        least, most = min(runs)[0], max(runs)[0]
        ratio = cpu / parsing
        spread = f"({least:.2f} to {most:.2f})"
        say(f"  {how:<9} {cpu:8.2f} s CPU {spread} {wall:8.1f} s wall {peak:6.0f} MiB peak {ratio:6.2f} × parsing")
    say(f"{'met' if ratio <= TARGET else 'MISSED'}: {ratio:.2f} (≤ {TARGET})")
    return 0 if ratio <= TARGET else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
