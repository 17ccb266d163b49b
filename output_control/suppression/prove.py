"""Is a set of hidden cells enough? Witnesses if so; if not, which targets stay open."""

from __future__ import annotations

from collections.abc import Sequence

from output_control.suppression.boxed import certify_by_boxes
from output_control.suppression.flow import certify, prove_alone
from output_control.suppression.islands import can_move
from output_control.suppression.problem import Target
from output_control.suppression.search import Search
from output_control.suppression.singletons import open_against_contributors
from output_control.suppression.warm_start import is_system, stuck
from output_control.tables.table import BoolArray


def check(search: Search, hidden: BoolArray, known: Sequence[Search]) -> tuple[Search, list[Target]]:
    """A search of its own over ``hidden`` with all witnesses there are, and the targets that cannot be proven.

    Witnesses of ``known`` searches that stay within ``hidden`` still hold. Demands against sole contributors are looked
    at when all primaries are proven.
    """
    own = search.over([target.fresh() for target in search.problem.targets if not target.against], hidden)
    for other in known:
        own.proof.adopt(other.proof, hidden)
    lost = prove_all(own, own.problem.targets)
    return own, lost or open_against_contributors(own)


def prove_many(search: Search, targets: Sequence[Target]) -> list[Target]:
    """Prove what boxes and moves of many together prove; returns what stays open, provable or not."""
    certify_by_boxes(search, targets)
    certify(search, rounds=4, targets=targets)
    return [target for target in targets if not target.met]


def prove_all(search: Search, targets: Sequence[Target]) -> list[Target]:
    """Prove ``targets`` from hidden cells only; returns those that fail."""
    return prove_each(search, prove_many(search, targets))


def prove_each(search: Search, left: Sequence[Target]) -> list[Target]:
    """Look at each of the open targets by itself; returns those that hidden cells do not prove."""
    movable = can_move(search)
    lost = [target for target in left if not movable[target.cell]]
    if is_system(search):
        lost += stuck(search, [target for target in left if movable[target.cell] and target.plain])
    known = {id(target) for target in lost}
    return [target for target in left if id(target) in known or not (target.met or prove_alone(search, target))]
