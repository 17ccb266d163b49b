"""Hiding what many open targets need: boxes, regions or batches first, and at the end each target by itself."""

from __future__ import annotations

from output_control.suppression.batches import batch_round
from output_control.suppression.boxed import certify_by_boxes, serve_by_boxes
from output_control.suppression.flow import certify, serve
from output_control.suppression.inner import certify_inside
from output_control.suppression.problem import Target
from output_control.suppression.regions import serve_by_region
from output_control.suppression.search import Search
from output_control.suppression.warm_start import is_open_system

REWARDS = (1.0, 4.0, 16.0, 64.0)
BOXED_FROM = 20_000
BY_REGION_FROM = 1_500


def cover(search: Search) -> list[Target]:
    """Hide cells until every target is proven; returns the targets for which nothing helps."""
    certify_inside(search, search.problem.targets)
    certify_by_boxes(search, search.problem.targets)
    certify(search)
    problem, unseen = search.problem, all(target.size <= 1 for target in search.problem.targets)
    # where more than "not exact" is asked, moves of other forms are much cheaper than boxes
    by_region = not unseen and problem.integral and problem.boxes is not None and problem.size > BY_REGION_FROM
    if by_region:
        # what is hidden proves much by moves that leave a region, so hiding more waits until all were looked at
        serve_by_region(search, free=True)
        serve_by_region(search)
    elif unseen or problem.size > BOXED_FROM:
        serve_by_boxes(search)
    # in a system the one model is cheaper, and sees further, than more batches; after regions little is left
    for reward in () if by_region else REWARDS[:1] if is_open_system(search) else REWARDS:
        batch_round(search, reward)
        certify(search, rounds=2)
    return [target for target in search.proof.open_targets() if not serve(search, target)]
