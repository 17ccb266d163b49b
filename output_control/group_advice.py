"""Group disclosure put into words: which group a cell tells of, for checkers; what would mend it, for the researcher.

That nearly everyone of a group is in one category is the very thing that is hidden, so a researcher is told of no group
and no category: only of the dimension, and of the coarser tables in which no group lies in one category. The share and
the minimum frequency are public, so nothing confidential is told either.
"""

from __future__ import annotations

import numpy as np

from output_control.tables.evidence import Evidence
from output_control.tables.rules import Groups
from output_control.tables.table import CellTable

RECORDS = "records"


def advise_on_groups(evidence: Evidence, groups: Groups) -> list[str]:
    """Lines for the researcher: over which dimensions the rule hides cells, and what would leave no such group."""
    lines = []
    for position in np.unique(groups.sensitive).tolist():
        said = (
            f"group disclosure over {evidence.shown[position].column} hides cells: no category of it but a neutral one "
        )
        lines.append(
            "; ".join([said + "may hold nearly all of a group", *coarser_groups(evidence, _over(groups, position))])
        )
    return lines


def coarser_groups(evidence: Evidence, groups: Groups) -> list[str]:
    """Per dimension the finest level down to which the table has none of ``groups``; without it, where none has."""
    mends = []
    for position, shown in enumerate(evidence.shown):
        depth = int(
            shown.dimension.depth[evidence.table.codes[groups.cell, position]].min(initial=shown.dimension.levels)
        )
        if depth > 1:
            mends.append(f"{shown.column} down to {shown.levels[depth - 1]}")
        elif depth == 1 and len(evidence.shown) > 1:
            mends.append(f"without {shown.column}")
    return [f"no such group is left in the table {' or '.join(mends)}"] if mends else []


def told_of(table: CellTable, groups: Groups) -> list[str]:
    """Per cell of ``table``, for checkers: how many of which group are in which category; empty where not ``group``."""
    found: list[list[str]] = [[] for _ in range(len(table))]
    for at, cell in enumerate(groups.cell.tolist()):
        position = int(groups.sensitive[at])
        dims = [*zip(table.dims, table.labels(cell), strict=True)]
        group = " and ".join(f"{dim.name} {code}" for dim, code in (*dims[:position], *dims[position + 1 :]))
        category = " ".join((dims[position][0].name, dims[position][1]))
        counts = f"{groups.inside[at]:.0f} of {groups.whole[at]:.0f} ({groups.counted[at]})"
        found[cell].append(f"{counts} of {group or 'all'} are in {category}")
    return ["; ".join(dict.fromkeys(each)) for each in found]


def _over(groups: Groups, position: int) -> Groups:
    here = groups.sensitive == position
    return Groups(
        groups.cell[here], groups.total[here], groups.sensitive[here], groups.inside[here], groups.whole[here],
        groups.counted[here],
    )  # fmt: skip
