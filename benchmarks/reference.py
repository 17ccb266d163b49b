"""``zicht protect`` beside its peers: ``python -m benchmarks.reference [REFERENCE]``.

For every folder of REFERENCE (default ``../shared/reference``) and both demands (``--singletons off`` against the best
peer pattern that is safe, ``on`` against the best that leaves no primary to a sole contributor) by method auto:
secondary cells, value hidden, gap and CPU seconds, beside the peer's. The last line says whether any was above its
peer.
"""

from __future__ import annotations

import csv
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from output_control.audit import audit
from output_control.instance import Instance, read_instance
from output_control.protection import Options
from output_control.suppression import suppress

ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer's pattern: what it hides and what it took."""

    name: str
    secondary: int
    value: float
    cpu: float


def say(line: str) -> None:
    """One line of the report."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


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


def compare(instance: Instance, folder: str, peer: Peer | None, *, singletons: bool) -> bool:
    """One line; whether the pattern is safe and not above the peer's."""
    sensitive, options = instance.sensitive(instance.rules), Options(singletons=singletons)
    start = time.process_time()
    pattern = suppress(instance.table, sensitive, options=options)
    safe = audit(instance.table, sensitive, pattern, options).safe
    seconds = time.process_time() - start
    count = int(pattern.secondary.sum())
    beside = f"{peer.name:10s} {peer.secondary:5d} {peer.value:18,.1f} {peer.cpu:6.1f} s" if peer else "no safe peer"
    within = peer is None or (count <= peer.secondary and pattern.cost <= peer.value * (1 + ROUNDING))
    gap = "optimal" if pattern.optimal else f"gap {pattern.gap:.1%}" if pattern.gap is not None else "no bound"
    verdict = "" if safe and within else "  UNSAFE" if not safe else "  ABOVE THE PEER"
    demand = "on" if singletons else "off"
    say(f"{folder:28s} {demand:3s} {count:5d} {pattern.cost:18,.1f}  {gap:9s} {seconds:6.1f} s | {beside}{verdict}")
    return safe and within


def main(arguments: list[str]) -> None:
    """Compare all folders."""
    reference = Path(arguments[0]) if arguments else Path(__file__).resolve().parents[2] / "shared" / "reference"
    good = True
    for singletons in (False, True):
        peers = best_peers(reference / "results.csv", singletons=singletons)
        for folder in sorted(path for path in reference.iterdir() if (path / "desc.json").is_file()):
            good &= compare(read_instance(folder), folder.name, peers.get(folder.name), singletons=singletons)
    say("every pattern is safe and hides no more than the best safe peer" if good else "NOT all are as they must be")
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main(sys.argv[1:])
