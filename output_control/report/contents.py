"""What a report holds, before it becomes a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from output_control.alternatives.comparison import Compared
from output_control.alternatives.loss import Loss
from output_control.tables.rules import Groups
from output_control.tables.table import BoolArray, CellTable, FloatArray

Language = Literal["nl", "en"]
Texts = Mapping[Language, str]


@dataclass(frozen=True, slots=True)
class EarlierFinding:
    """What the request has to do with one earlier release."""

    release: str
    finding: Texts


@dataclass(frozen=True, slots=True)
class DimensionLabels:
    """The name of a dimension, and per code its label, in both languages; ``codes`` are shown beside labels."""

    title: Texts
    labels: tuple[Texts, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """One table as it is protected.

    Arrays are per non-empty cell of ``table``: ``published`` the figure that leaves (ignored where ``hidden``),
    ``reason`` the rules that make a cell ``sensitive``, ``lower`` and ``upper`` the attacker's interval (NaN where it
    was not computed, infinite where nothing bounds it). ``intervals_exact``: so wide, and not only at least so wide;
    ``intervals_whole``: against everything that was published, not only against each two tables.
    ``altered``: what was done to the figures ("" when cells are hidden instead). ``least_units`` is the public minimum
    frequency (0: the rules are the owner's own). ``groups``: of which group a cell tells too much, for checkers.
    """

    title: str
    facts: tuple[tuple[Texts, str], ...]
    table: CellTable
    dims: tuple[DimensionLabels, ...]
    published: FloatArray
    hidden: BoolArray
    sensitive: BoolArray
    reason: npt.NDArray[np.str_]
    lower: FloatArray
    upper: FloatArray
    intervals_exact: bool
    loss: Loss
    altered: str = ""
    least_units: int = 0
    intervals_whole: bool = True
    comparison: tuple[Compared, ...] = ()
    earlier: tuple[EarlierFinding, ...] = ()
    cells_file: str = ""
    groups: Groups = field(default_factory=Groups.none)
