"""A network as classes of degree: how many members have about how many ties. Never an edge, never a position."""

from __future__ import annotations

import numpy as np

from enclave.errors import Refused
from enclave.requests import NetworkRequest
from output_control.distributions.binning import Counted, first_of, last_of, merge_classes, merged_from
from output_control.distributions.written import Grounded, contents, counts, given, shares
from output_control.dossier import Contents
from output_control.models.model_frame import read_model_frame
from output_control.policy import Policy
from output_control.report.grounds import Basis, held, merged_classes
from output_control.statistics.rounding import to_base
from output_control.tables.derived import Sources


def network(request: NetworkRequest, sources: Sources, policy: Policy) -> Contents:
    """Members by class of degree (1, 2-3, 4-7, 8-15 …), classes merged until each holds enough units.

    Raises:
        Refused: something is wrong with the frame, too few units, or one class with nearly everyone.
    """
    frame = read_model_frame(request, sources)
    n, group_share = policy.public.tables.minimum_frequency.value, policy.public.tables.group_share.value
    degree = np.bincount(frame.record)
    power = np.floor(np.log2(degree)).astype(np.int64)[frame.record]
    classes = int(power.max()) + 1
    every = np.ones(frame.records, dtype=np.bool_)
    merged = merge_classes(power, classes, frame.unit, [Counted(every)], n)
    if len(merged) == 0 or merged[-1] == 0:
        raise Refused("fewer than two classes of degree hold enough units: the network is too small or too even")
    inside = merged[power]
    rows = [inside == each for each in range(int(merged[-1]) + 1)]
    units = [frame.units_where(each) for each in rows]
    if max(units) > group_share * frame.units:
        raise Refused("one class of degree holds nearly all units")
    members = [len(np.unique(frame.record[each])) for each in rows]
    base = policy.public.models.count_base.value
    rounded = np.array([to_base(each, base) for each in members], dtype=np.float64)
    upto = (2.0 ** (last_of(merged) + 1) - 1).tolist()
    columns = [
        given("ties_from", "Banden vanaf", "Ties from", (2.0 ** first_of(merged)).tolist()),
        given("ties_to", "Banden tot en met", "Ties to", [*upto[:-1], None]),
        counts("members", "Leden", "Members", members, policy),
        counts("units", "Eenheden", "Units", units, policy),
        shares("share", "Aandeel", "Share", rounded / rounded.sum(), policy),
    ]
    annex = {"members_of_classes": members, "units_of_classes": units, "largest_degree": int(degree.max())}
    checks = ["units per class of degree", "the highest class is open", "no edges, no positions"]
    together, rule = merged_from(merged), "tables.minimum_frequency"
    low, high = (2.0 ** first_of(merged)).tolist(), [*upto[:-1], None]
    rows_shown = tuple(zip(low, high, together.tolist(), members, units, strict=True))
    grounds = Grounded(
        [
            held(policy, "class_units", rule, min(units), unmet=int((together > 1).sum()), done="merged"),
            held(policy, "class_share", "tables.group_share", max(units) / frame.units),
            held(policy, "open"),
        ],
        (Basis("classes", ("ties_from", "ties_to", "merged", "members", "units"), rows_shown),),
        merged_classes(low, together, "class_units", noun="ties_from"),
    )
    return contents(request, frame, policy, columns, key=["ties_from"], checks=checks, annex=annex, grounds=grounds)
