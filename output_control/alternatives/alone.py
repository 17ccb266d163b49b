"""The comparison for a table that stands alone (`zicht protect`): no gate, no records' keys, no policy's list."""

from __future__ import annotations

from collections.abc import Sequence

from output_control.alone.instance import Instance
from output_control.alternatives.allowed import AllowedProtection, CellKey, Coarser, Rounding, SmallCountRounding
from output_control.alternatives.cell_keys import KEY_BYTES, record_keys
from output_control.alternatives.comparison import Compared, Subject, compare
from output_control.protection import Options
from output_control.tables.rules import MinimumFrequency, PrimaryResult, Rule

DEFAULT_LEAST = 10


def compared_ways(
    instance: Instance, sensitive: PrimaryResult, options: Options, rules: Sequence[Rule]
) -> tuple[Compared, ...]:
    """All ways, measured with draws from each cell's place under a key of zeros: nothing here is to be published."""
    least = next((rule.n for rule in rules if isinstance(rule, MinimumFrequency)), DEFAULT_LEAST)
    keys = record_keys(instance.table.keys(), bytes(KEY_BYTES))
    return compare(
        Subject(instance.table, sensitive, options, least, keys), _ways(least, counts=instance.table.integral)
    )


def _ways(least: int, *, counts: bool) -> tuple[AllowedProtection, ...]:
    coarser = Coarser(method="coarser")
    if not counts:
        return (coarser,)
    noise = CellKey(method="cell_key", largest=5, variance=3.0, withheld=2)
    small = SmallCountRounding(method="small_count_rounding", bases=(max(least, 2),))
    return (coarser, Rounding(method="rounding", bases=(3, 5, 10)), small, noise)
