"""``zicht protect`` beside its peers: ``python -m benchmarks.reference [REFERENCE] [--argus PYTHON [--seconds S]]``.

For every folder of REFERENCE (default ``../shared/reference``) and both demands (``--singletons off`` against the best
peer pattern that is safe, ``on`` against the best that leaves no primary to a sole contributor) by method auto:
secondary cells, value hidden, gap and CPU seconds of the whole command (reading, tabulating, the audit and writing
included), beside the peer's. Exit code 1, and a last line that says so, when a pattern is unsafe, above its peer, or,
of folders other than `MAY_STAY_OPEN`, not proven optimal.

With ``--argus PYTHON``, an interpreter with `peers/tau_argus.txt`, τ-ARGUS runs on every folder in the same go: what
each of its methods gives and takes (CPU seconds of its process, or why it gives nothing), what our audit says of the
pattern, and whether that is what `results.csv` says; and our patterns must not be above its safe ones either.
"""

from __future__ import annotations

import csv
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.live_argus import METHODS, REQUIREMENTS, Live, live, version
from benchmarks.measuring import options, positive, say
from enclave.errors import CannotProtect
from output_control.alone.protect import protect

ROUNDING = 1e-6
MAY_STAY_OPEN = ("b06",)


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer's pattern: what it hides and what it took."""

    name: str
    secondary: int
    value: float
    cpu: float


def best_peers(results: Path, *, singletons: bool) -> dict[str, Peer]:
    """Per folder the safe pattern that hides the least value; with ``singletons`` only those that expose none."""
    best: dict[str, Peer] = {}
    with results.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if (
                row["safe"] != "True"
                or not row["secondary"]
                or (singletons and row["singleton_exact"] not in {"", "0"})
            ):
                continue
            peer = Peer(row["peer"], int(row["secondary"]), float(row["secondary_value"]), float(row["cpu_s"]))
            here = best.get(row["instance"], peer)
            best[row["instance"]] = min(here, peer, key=lambda one: (one.value, one.secondary, one.cpu))
    return best


def compare(folder: Path, peer: Peer | None, found: Sequence[Live] = (), *, singletons: bool) -> bool:
    """One line; whether `zicht protect` found a pattern that its audit passed, optimal and not above the peers'.

    ``found``: what a peer gave in this run, beside ``peer``, the best that is stored.
    """
    demand = f"{folder.name:28s} {'on' if singletons else 'off':3s}"
    beside = f"{peer.name:10s} {peer.secondary:5d} {peer.value:18,.1f} {peer.cpu:6.1f} s" if peer else "no safe peer"
    start = time.process_time()
    try:
        with tempfile.TemporaryDirectory() as out:
            report = protect(folder, Path(out), singletons=singletons)
    except CannotProtect as error:
        say(f"{demand} NOT PROTECTED: {error.what} | {beside}")
        return False
    seconds = time.process_time() - start
    audit = report.audit
    safe = audit.checked == report.primary and not (audit.exact or audit.below_level or audit.singleton_exact)
    now = [Peer(one.method, one.secondary, one.value, one.cpu) for one in found if one.safe(singletons=singletons)]
    within = all(
        report.secondary <= other.secondary and report.cost <= other.value * (1 + ROUNDING)
        for other in (peer, _least(now))
        if other is not None
    )
    gap = "optimal" if report.optimal else f"gap {report.gap:.1%}" if report.gap is not None else "no bound"
    proven = report.optimal or folder.name.startswith(MAY_STAY_OPEN)
    verdict = "  UNSAFE" if not safe else "  ABOVE THE PEER" if not within else "" if proven else "  NOT OPTIMAL"
    say(f"{demand} {report.secondary:5d} {report.cost:18,.1f}  {gap:9s} {seconds:6.1f} s | {beside}{verdict}")
    return safe and within and proven


def _least(peers: Sequence[Peer]) -> Peer | None:
    return min(peers, key=lambda one: (one.value, one.secondary, one.cpu), default=None)


def stored(results: Path) -> dict[tuple[str, str], dict[str, str]]:
    """The lines of `results.csv` by folder and peer."""
    with results.open(encoding="utf-8", newline="") as file:
        return {(row["instance"], row["peer"]): row for row in csv.DictReader(file)}


def show(found: Live, row: dict[str, str] | None) -> bool | None:
    """One line of a live peer beside what is stored of it; whether they agree, or None when nothing is stored."""
    audited = "unsafe: " * bool(found.failed) + f"{found.exact} exact, {found.failed} below level"
    audited += "" if found.exposed == 0 else f", {'?' if found.exposed is None else found.exposed} exposed"
    figures = f"{found.secondary:5d} {found.value:18,.1f}"
    said = f"{figures} {found.cpu:16.1f} s  {audited}" if found.fault is None else f"{found.cpu:.1f} s: {found.fault}"
    line = f"  live {found.method:26s} {said} | "
    if row is None:
        say(line + "not stored")
        return None
    if not row["secondary"]:
        then, agree = row.get("outcome", "no answer"), found.fault is not None
    else:
        then = f"{row['secondary']:>5s} {float(row['secondary_value']):18,.1f} {float(row['cpu_s']):6.1f} s"
        then += "" if row["safe"] == "True" else " unsafe"
        apart = abs(found.value - float(row["secondary_value"]))
        agree = (
            found.secondary == int(row["secondary"])
            and apart <= ROUNDING * float(row["secondary_value"])
            and found.safe(singletons=False) == (row["safe"] == "True")
        )
    say(f"{line}stored {then}: {'agrees' if agree else 'DIFFERS'}")
    return agree


def main(arguments: list[str]) -> None:
    """Compare all folders."""
    parser = options(__doc__)
    parser.add_argument(
        "reference", type=Path, nargs="?", default=Path(__file__).resolve().parents[2] / "shared/reference"
    )
    parser.add_argument("--argus", metavar="PYTHON", help="an interpreter with pytauargus: run it too")
    parser.add_argument("--seconds", type=positive, default=60, help="of CPU that it may take per folder and method")
    chosen = parser.parse_args(arguments)
    if chosen.argus:
        there = version(chosen.argus)
        if there is None:
            parser.error(f"that interpreter has no pytauargus that runs: install {REQUIREMENTS.name} in it")
        say(f"live: pytauargus {there}, {chosen.seconds} CPU s per folder and method")
    results, good, agreed = chosen.reference / "results.csv", True, []
    known, found = stored(results), dict[str, list[Live]]()
    for singletons in (False, True):
        peers = best_peers(results, singletons=singletons)
        for folder in sorted(path for path in chosen.reference.iterdir() if (path / "desc.json").is_file()):
            if chosen.argus and not singletons:
                found[folder.name] = [live(chosen.argus, folder, method, chosen.seconds) for method in METHODS]
            good &= compare(folder, peers.get(folder.name), found.get(folder.name, ()), singletons=singletons)
            if not singletons:
                agreed += [show(one, known.get((folder.name, one.method))) for one in found.get(folder.name, ())]
    if chosen.argus:
        say(f"{agreed.count(True)} of {len(agreed) - agreed.count(None)} live runs agree with what is stored")
    say("every pattern is safe and hides no more than the best safe peer" if good else "NOT all are as they must be")
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main(sys.argv[1:])
