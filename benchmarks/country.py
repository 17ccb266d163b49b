"""Made-up national tables: area by age band by offence class, skewed as registered offences are; nothing is real.

Buurten differ in size and risk by lognormal factors, ages and classes have uneven profiles that differ by area, and few
people are registered many times. Sizes: the Netherlands of 12 provinces, 342 municipalities, 3,400 wijken and 14,500
buurten, or a share of it with the same branching.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from output_control.tables.aggregate import aggregate
from output_control.tables.table import CellTable, CodeArray, Dimension, IntArray

AGES = (0.03, 0.14, 0.22, 0.22, 0.16, 0.12, 0.08, 0.03)
OFFENCES = (0.42, 0.22, 0.14, 0.11, 0.08, 0.03)
NATION = (12, 342, 3400, 14500)
LEVELS = ("PV", "GM", "WK", "BU")


@dataclass(frozen=True, slots=True, eq=False)
class Offences:
    """How many registrations each leaf has; ``leaves`` (leaves × 3) index the dims' codes."""

    dims: tuple[Dimension, Dimension, Dimension]
    leaves: CodeArray
    count: IntArray

    def table(self) -> CellTable:
        """The count table, every registration a unit of its own."""
        freq = self.count.astype(np.float64)
        return aggregate(self.dims, self.leaves, freq, freq, None, integral=True)


def areas(sizes: tuple[int, ...]) -> Dimension:
    """A tree of areas with so many codes per level, children spread evenly."""
    children: dict[str, tuple[str, ...]] = {}
    above: tuple[str, ...] = ("NL",)
    for level, size in zip(LEVELS[-len(sizes) :], sizes, strict=True):
        codes = tuple(f"{level}{number:05d}" for number in range(size))
        cut = np.linspace(0, size, len(above) + 1).round().astype(int)
        children |= {code: codes[low:high] for code, low, high in zip(above, cut[:-1], cut[1:], strict=True)}
        above = codes
    return Dimension("area", "NL", children)


def flat(name: str, size: int) -> Dimension:
    """A total and ``size`` categories."""
    return Dimension(name, f"{name}-all", {f"{name}-all": tuple(f"{name[0]}{number}" for number in range(size))})


def offences(sizes: tuple[int, ...], records: int, seed: int = 1) -> Offences:
    """``records`` registrations over all leaves, by Poisson draws."""
    rng = np.random.Generator(np.random.Philox(key=seed))
    dims = (areas(sizes), flat("age", len(AGES)), flat("offence", len(OFFENCES)))
    share = _shares(rng, sizes[-1])
    count = rng.poisson(share * records)
    return _leaves(dims, count)


def _shares(rng: np.random.Generator, buurten: int) -> npt.NDArray[np.float64]:
    """The expected share of each leaf: buurt × age × offence."""
    size = rng.lognormal(0, 1.0, buurten) * rng.lognormal(0, 0.5, buurten)
    by_age = np.array(AGES) * rng.lognormal(0, 0.3, (buurten, len(AGES)))
    by_offence = np.array(OFFENCES) * rng.lognormal(0, 0.4, (buurten, len(OFFENCES)))
    together = rng.lognormal(0, 0.3, (len(AGES), len(OFFENCES)))
    share = size[:, None, None] * by_age[:, :, None] * by_offence[:, None, :] * together
    return np.asarray(share / share.sum(), dtype=np.float64)


def _leaves(dims: tuple[Dimension, Dimension, Dimension], count: IntArray) -> Offences:
    place = np.flatnonzero(count.reshape(-1))
    inner = np.column_stack(np.unravel_index(place, count.shape))
    codes = np.empty(inner.shape, dtype=np.int32)
    for position, dim in enumerate(dims):
        index = dim.index
        leaf = np.array([index[code] for code in dim.leaves])
        codes[:, position] = leaf[inner[:, position]]
    return Offences(dims, codes, count.reshape(-1)[place].astype(np.int64))
