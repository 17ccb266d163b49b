"""What hidden cells of one table add up to, judged by the rules of the policy as if it were one cell."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np
from scipy import sparse

from output_control.policy import Policy
from output_control.sensitive import sensitive_sums
from output_control.tables.derived import Sources
from output_control.tables.evidence import Evidence, evidence_of_sums
from output_control.tables.relations import equations
from output_control.tables.table import BoolArray, CellTable, Dimension, FloatArray
from output_control.tables.tabulation import Amounts, Contributions, amounts_of, contributions
from output_control.unions.known import in_finest
from output_control.unions.merged import merged
from output_control.unions.sums import Sums


def judge_of(evidence: Evidence, sources: Sources, policy: Policy) -> Judged | None:
    """Who judges sums of the cells of ``evidence``; None where the policy asks nothing of them."""
    if policy.public.tables.unions.value == "all":
        return Judged(evidence, sources, policy)
    adding = any(each.summed or bool((each.records != each.table.n_contributors).any()) for each in evidence.kinds)
    return Judged(evidence, sources, policy) if adding else None


class Judged:
    """The cells of ``evidence`` with the contributions in them, which are read when they are needed."""

    def __init__(self, evidence: Evidence, sources: Sources, policy: Policy) -> None:
        self._evidence, self._sources, self._policy = evidence, sources, policy

    def __call__(self, unions: sparse.csr_array) -> Sums | None:
        """Those of ``unions`` (unions × cells) that are sensitive; None where there are none."""
        if not unions.shape[0]:
            return None
        unions = sparse.csr_array(unions[np.flatnonzero(self._could_be(unions))])
        if not unions.shape[0]:
            return None
        found = self.evidence_of(in_finest(unions, self._relations))
        primary = sensitive_sums(found, self._policy)
        hit = np.flatnonzero(primary.mask)
        return Sums(sparse.csr_array(unions[hit]), found.table.only(hit), primary.only(hit)) if len(hit) else None

    def evidence_of(self, unions: sparse.csr_array) -> Evidence:
        """Of each union, given by its finest cells, what the gate knows of a cell."""
        keys = self._evidence.table.keys()
        first, *others = (
            evidence_of_sums(kind, merged(held, amounts, unions, keys), amounts)
            for kind, (held, amounts) in zip(self._evidence.kinds, self.contributions, strict=True)
        )
        return replace(first, also=tuple(others))

    @cached_property
    def contributions(self) -> list[tuple[Contributions, Amounts]]:
        """By each kind of unit."""
        evidence, sources = self._evidence, self._sources
        amounts = amounts_of(evidence.request, sources, self._policy.public.tables.weights.value)
        return [
            (contributions(evidence.request, evidence.shown, sources, amounts, kind.unit), amounts)
            for kind in evidence.kinds
        ]

    @cached_property
    def _relations(self) -> sparse.csr_array:
        return equations(self._evidence.table)

    def _could_be(self, unions: sparse.csr_array) -> BoolArray:
        """Those that are sensitive if their cells have as many units in common, and the largest ones, as they can."""
        kinds = self._evidence.kinds
        # what is left of a unit without the least measure may be less in the sum than in its cells together
        if self._evidence.request.weight or any(bool(kind.signed.any()) or kind.beyond is not None for kind in kinds):
            return np.ones(unions.shape[0], dtype=np.bool_)
        first, *others = (_at_worst(kind, unions) for kind in self._evidence.kinds)
        return sensitive_sums(replace(first, also=tuple(others)), self._policy).mask


def _at_worst(evidence: Evidence, unions: sparse.csr_array) -> Evidence:
    """Unions of no more units than the cell of most units has, whose largest are the largest of each cell together."""
    table = evidence.table
    most = unions.copy()
    most.data = table.n_contributors[unions.indices].astype(np.float64)
    units: FloatArray = most.max(axis=1).toarray().reshape(-1)
    names = tuple(str(at) for at in range(unions.shape[0]))
    flat = CellTable(
        dims=(Dimension(name="sum", root="", children={"": names}),),
        codes=np.arange(1, len(names) + 1, dtype=np.int32)[:, None],
        freq=units,
        value=unions @ table.value,
        n_contributors=units.astype(np.int64),
        top=unions @ table.top,
        sole_contributor=np.full(len(names), -1, dtype=np.int64),
        integral=table.integral,
    )
    most.data = evidence.filled[unions.indices].astype(np.float64)
    return replace(
        evidence,
        table=flat,
        records=(unions @ evidence.records).astype(np.int64),
        size=unions @ evidence.size,
        signed=np.zeros(len(names), dtype=np.bool_),
        filled=most.max(axis=1).toarray().reshape(-1).astype(np.int64),
        beyond=None,
        also=(),
    )
