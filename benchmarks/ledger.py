"""The release ledger's check of a new table against many different earlier releases: time, memory, growth.

    python -m benchmarks.ledger [--persons 1000000] [--sizes 25,50,100] [--folder FOLDER]

Earlier releases are of about 5,000 cells each over eight sets of variables (two of them hierarchies), of projects that
differ in year, population (all, a random 30–70 %, a subgroup) or classification (borders moved); no two are the same.
Each is made by the gate, checked against all before; what the gate refuses is counted and left out (100 releases take
about half an hour of one processor). Then each of four new tables of about 5,000 cells is checked against the first
so many of them, each time in a process of its own; a check may end in a refusal, whose time counts as well.
Reported: seconds of the check (wall clock and processor), peak memory of the process; cells, hidden cells and links.
A ``--folder`` keeps the releases, so that what was made before is not made again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import numpy as np

from benchmarks.ledger_releases import ASKED, MINIMUM, SETS, People, a_year_before, population, project, tabulated
from benchmarks.measuring import peak_mebibytes, say
from enclave.entropy import SeededEntropy
from enclave.errors import Refused
from output_control.ledger.history import History
from output_control.ledger.joint import protect_together
from output_control.ledger.keys import KEYS_FILE, LedgerKeys
from output_control.ledger.released import ReleasedTable, pack
from output_control.ledger.remember import ProjectIds
from output_control.ledger.store import About, Entry, Ledger
from output_control.protection import Options

OPTIONS = Options(method="flow", occupied=True)
THIS_YEAR = 2025


class Kept(Ledger):
    """A ledger that holds what it has read in memory, while the next releases are made."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger.folder, ledger.keys)
        self.held: dict[str, tuple[ReleasedTable, ...]] = {}

    def tables(self, entry: Entry) -> tuple[ReleasedTable, ...]:
        """As they were written."""
        if entry.release not in self.held:
            self.held[entry.release] = super().tables(entry)
        return self.held[entry.release]


def release_all(ledger: Ledger, people: People, releases: int) -> None:
    """Fill the ledger up to ``releases``."""
    ledger, number = Kept(ledger), 0
    done = {entry.release for entry in ledger.entries()}
    while len(done) < releases:
        about = project(number // len(SETS), people, THIS_YEAR)
        name = f"{about.name}-{number % len(SETS)}"
        seen = Path(ledger.folder.parent / f"{name}.refused")
        if name not in done and not seen.exists():
            of = people if about.year == THIS_YEAR else a_year_before(people, about.year)
            asked = tabulated(name, SETS[number % len(SETS)], of, about)
            used = time.process_time()
            try:
                history = History(ledger, ledger.entries(), ProjectIds())
                made = protect_together([asked], history, OPTIONS, MINIMUM)
                hidden, small = int(made.released[0].hidden.sum()), int(asked.primary.mask.sum())
                remember(ledger, made.released[0])
                done.add(name)
                outcome = f"{len(asked.table)} cells, {small} primary, {hidden} hidden"
            except Refused as error:
                seen.write_text(error.what)
                outcome = "refused"
            used = time.process_time() - used
            say(f"  {len(done):4} {name} {about.kind} {about.year}: {outcome}, {used:.1f} s of processor")
        number += 1
    refused = len(list(ledger.folder.parent.glob("*.refused")))
    say(f"{len(done)} releases were made, {refused} requests refused")


def remember(ledger: Ledger, table: ReleasedTable) -> None:
    """One release of one table."""
    about = About(
        project="benchmark", request=table.name, release=table.name, identity=table.name, kinds=("person",),
        legal_basis="none: synthetic", kept_until=date(2036, 12, 31),
    )  # fmt: skip
    ledger.append(about, pack([table]))


def measure(people: People, ledger: Ledger, asked_for: str, entries: int) -> dict[str, float]:
    """Check the new table against the first ``entries`` releases."""
    variables, number = ASKED[asked_for]
    asked = tabulated("asked", variables, people, project(number, people, THIS_YEAR))
    history = History(ledger, ledger.entries()[:entries], ProjectIds())
    started, used = time.perf_counter(), time.process_time()
    try:
        done = protect_together([asked], history, OPTIONS, MINIMUM)
    except Refused:
        done = None
    found = {
        "wall": time.perf_counter() - started,
        "used": time.process_time() - used,
        "peak": peak_mebibytes() / 1024,
        "cells": len(asked.table),
        "primary": int(asked.primary.mask.sum()),
    }
    if done is None:
        return found
    links = sum(sum(each.relations.values()) for each in done.compared)
    return found | {"hidden": int(done.released[0].hidden.sum()), "beside": len(done.compared), "links": links}


def in_its_own_process(folder: Path, persons: int, asked_for: str, entries: int) -> dict[str, float]:
    """`measure`, so that the peak is that of this check alone."""
    command = [sys.executable, "-m", "benchmarks.ledger", "--folder", str(folder), "--persons", str(persons)]
    done = subprocess.run([*command, "--only", asked_for, str(entries)], check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def opened(folder: Path) -> Ledger:
    """The ledger in ``folder``, made if there is none."""
    gate = folder / "gate"
    gate.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (gate / KEYS_FILE).exists():
        return Ledger(folder / "ledger", LedgerKeys.open(gate))
    return Ledger(folder / "ledger", LedgerKeys.create(gate, SeededEntropy(1))).create()


def report(folder: Path, persons: int, sizes: list[int]) -> None:
    """Print one line per size, and the growth."""
    ledger = opened(folder)
    release_all(ledger, population(persons, np.random.default_rng(11)), max(sizes))
    say(f"{sum(path.stat().st_size for path in ledger.folder.iterdir()) / 2**20:.0f} MiB of ledger")
    for asked_for, (variables, _) in ASKED.items():
        say(f"asked: {' × '.join(variables)} ({asked_for})")
        seconds = [told(size, in_its_own_process(folder, persons, asked_for, size)) for size in sizes]
        say(f"growth with the number of releases: exponent {np.polyfit(np.log(sizes), np.log(seconds), 1)[0]:.2f}")


def told(size: int, found: dict[str, float]) -> float:
    """Print one check; returns its seconds of processor."""
    outcome = "refused"
    if "hidden" in found:
        outcome = f"{found['hidden']} hidden, {found['beside']} with records in common, {found['links']} links"
    say(
        f"{size:4} releases: {found['used']:.1f} s of processor, {found['wall']:.1f} s, peak {found['peak']:.2f} GiB; "
        f"{found['cells']} cells, {found['primary']} primary: {outcome}"
    )
    return found["used"]


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--persons", type=int, default=1_000_000)
    parser.add_argument("--sizes", default="25,50,100", help="numbers of earlier releases")
    parser.add_argument("--folder", type=Path, help="where releases are kept (default: nowhere)")
    parser.add_argument("--only", nargs=2, help="which new table, and how many of the kept releases; prints JSON")
    given = parser.parse_args()
    if given.only is not None:
        people = population(given.persons, np.random.default_rng(11))
        say(json.dumps(measure(people, opened(given.folder), given.only[0], int(given.only[1]))))
        return
    with tempfile.TemporaryDirectory() as place:
        report(given.folder or Path(place), given.persons, [int(size) for size in given.sizes.split(",")])


if __name__ == "__main__":
    main()
