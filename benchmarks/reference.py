"""``zicht protect`` beside its peers: ``python -m benchmarks.reference [--width] [REFERENCE]``.

For every folder of REFERENCE (default ``../shared/reference``) and both demands (``--singletons off`` against the best
peer pattern that is safe, ``on`` against the best that leaves no primary to a sole contributor) by method auto:
secondary cells, value hidden, gap and CPU seconds of the whole command (reading, tabulating, the audit and writing
included), beside the peer's. Exit code 1, and a last line that says so, when a pattern is unsafe, above its peer, or,
of folders other than `MAY_STAY_OPEN`, not proven optimal.

With ``--width``: the gate's own demand (`GATE`) by the folders' own rules, the gate's method beside ``flow``:
secondary cells, value, gap and CPU seconds of the suppression with its audit, and the share of flow's value that the
gate's method leaves shown. Exit code 1 when a pattern is unsafe, or the gate's hides more than flow's.
"""

from __future__ import annotations

import csv
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.measuring import say
from enclave.errors import CannotProtect
from output_control.alone.instance import read_instance
from output_control.alone.protect import protect
from output_control.audit import audit
from output_control.protection import Method, Options, Width
from output_control.suppression import suppress

ROUNDING = 1e-6
GATE = Options(count_protection=Width(3), part_share=1.0, method="bounded", occupied=True)
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


def compare(folder: Path, peer: Peer | None, *, singletons: bool) -> bool:
    """One line; whether `zicht protect` found a pattern that its audit passed, optimal and not above the peer's."""
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
    within = peer is None or (report.secondary <= peer.secondary and report.cost <= peer.value * (1 + ROUNDING))
    gap = "optimal" if report.optimal else f"gap {report.gap:.1%}" if report.gap is not None else "no bound"
    proven = report.optimal or folder.name.startswith(MAY_STAY_OPEN)
    verdict = "  UNSAFE" if not safe else "  ABOVE THE PEER" if not within else "" if proven else "  NOT OPTIMAL"
    say(f"{demand} {report.secondary:5d} {report.cost:18,.1f}  {gap:9s} {seconds:6.1f} s | {beside}{verdict}")
    return safe and within and proven


def compare_methods(folder: Path) -> bool:
    """One line of the gate's own demand; whether both patterns are safe and the gate's hides no more."""
    instance = read_instance(folder)
    sensitive = instance.sensitive(instance.rules)
    asked = replace(GATE, keep=instance.keep, cost=instance.cost, coalition=instance.coalition)
    costs, told, safe = [], [], True
    methods: tuple[Method, ...] = (GATE.method, "flow")
    for method in methods:
        options, start = replace(asked, method=method), time.process_time()
        pattern = suppress(instance.table, sensitive, options=options)
        safe &= audit(instance.table, sensitive, pattern, options).safe
        gap = "optimal" if pattern.optimal else f"gap {pattern.gap:.1%}" if pattern.gap is not None else "no bound"
        costs.append(pattern.cost)
        seconds = time.process_time() - start
        told.append(f"{int(pattern.secondary.sum()):5d} {pattern.cost:18,.1f}  {gap:9s} {seconds:6.1f} s")
    less = 1 - costs[0] / costs[1] if costs[1] else 0.0
    within = costs[0] <= costs[1] * (1 + ROUNDING)
    verdict = "  UNSAFE" if not safe else "  ABOVE FLOW" if not within else ""
    say(f"{folder.name:28s} {told[0]} | flow {told[1]} | {less:5.1%} less{verdict}")
    return safe and within


def main(arguments: list[str]) -> None:
    """Compare all folders."""
    places = [each for each in arguments if each != "--width"]
    reference = Path(places[0]) if places else Path(__file__).resolve().parents[2] / "shared" / "reference"
    good = True
    if "--width" in arguments:
        for folder in sorted(path for path in reference.iterdir() if (path / "desc.json").is_file()):
            good &= compare_methods(folder)
        say("the gate's pattern is safe and hides no more than flow's" if good else "NOT all are as they must be")
        raise SystemExit(0 if good else 1)
    for singletons in (False, True):
        peers = best_peers(reference / "results.csv", singletons=singletons)
        for folder in sorted(path for path in reference.iterdir() if (path / "desc.json").is_file()):
            good &= compare(folder, peers.get(folder.name), singletons=singletons)
    say("every pattern is safe and hides no more than the best safe peer" if good else "NOT all are as they must be")
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main(sys.argv[1:])
