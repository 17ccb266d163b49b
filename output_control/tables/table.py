"""A table with every hierarchy of every dimension: the cells of the cross product that are not empty, as columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from enclave.errors import BadInput

IntArray = npt.NDArray[np.int64]
CodeArray = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

NO_CONTRIBUTOR = -1


@dataclass(frozen=True, slots=True)
class Dimension:
    """One classification as a tree from ``root`` down.

    ``children`` maps a parent to its children in the order of the classification; a code without children is a leaf.
    Raises `BadInput` unless the codes form one tree below ``root``.
    """

    name: str
    root: str
    children: Mapping[str, tuple[str, ...]]
    codes: tuple[str, ...] = field(init=False, compare=False)
    parent: CodeArray = field(init=False, compare=False, repr=False)
    depth: CodeArray = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        codes, parent, depth = _walk(self)
        object.__setattr__(self, "codes", codes)
        object.__setattr__(self, "parent", parent)
        object.__setattr__(self, "depth", depth)

    @property
    def leaves(self) -> tuple[str, ...]:
        """The codes without children, depth first."""
        return tuple(code for code in self.codes if not self.children.get(code))

    @property
    def levels(self) -> int:
        """How many levels the deepest branch has, the root included."""
        return int(self.depth.max()) + 1

    @property
    def index(self) -> dict[str, int]:
        """Position of each code in `codes`."""
        return {code: position for position, code in enumerate(self.codes)}


def _walk(dimension: Dimension) -> tuple[tuple[str, ...], CodeArray, CodeArray]:
    """Codes depth first with the position of each parent (root: -1) and the depth below the root."""
    codes: list[str] = []
    parents: list[int] = []
    depths: list[int] = []
    seen: set[str] = set()
    stack = [(dimension.root, -1, 0)]
    while stack:
        code, parent, depth = stack.pop()
        if code in seen:
            raise BadInput(
                f"dimension {dimension.name!r} is not a tree: code {code!r} is reached twice",
                next_step="give every code exactly one parent",
            )
        seen.add(code)
        codes.append(code)
        parents.append(parent)
        depths.append(depth)
        here = len(codes) - 1
        stack.extend((child, here, depth + 1) for child in reversed(dimension.children.get(code, ())))
    lost = sorted(set(dimension.children) - seen)
    if lost:
        raise BadInput(
            f"dimension {dimension.name!r}: {len(lost)} parent(s) cannot be reached from the root: "
            + ", ".join(lost[:5]),
            next_step="connect them to the root or remove them",
        )
    return tuple(codes), np.array(parents, dtype=np.int32), np.array(depths, dtype=np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class CellTable:
    """Every non-empty cell (units or value above 0), marginals included, one array position per cell.

    ``codes`` (cells × dims) indexes `Dimension.codes`; ``freq`` counts protected units, ``value`` is the figure that is
    published; ``top`` (cells × 3) holds the largest contributions by unit in falling order; ``sole_contributor`` is
    the id of the only contributor or -1; ``integral`` says that values are counts, so an attacker thinks in integers.
    ``two_contributors`` (cells × 2, rising) holds the ids of both contributors where there are exactly two, else -1;
    None where nobody knows them. ``contributors`` (cells × 3) holds whose contributions ``top`` are, -1 where there are
    fewer or where they do not bound the value from below (others are negative); None where that is not known.
    ``size``, where values are below 0: the sum of the units' absolute totals, by more than which no cell is taken to
    fall; None where nothing is below 0.
    """

    dims: tuple[Dimension, ...]
    codes: CodeArray
    freq: FloatArray
    value: FloatArray
    n_contributors: IntArray
    top: FloatArray
    sole_contributor: IntArray
    integral: bool
    two_contributors: IntArray | None = field(default=None, kw_only=True)
    contributors: IntArray | None = field(default=None, kw_only=True)
    size: FloatArray | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if len(self.codes) and len(np.unique(self.keys())) != len(self.codes):
            raise BadInput("a cell occurs more than once in the table", next_step="aggregate the cells first")
        if bool((np.abs(self.value) > self.sizes * (1 + 1e-9)).any()):
            raise BadInput(
                f"{int((self.value < 0).sum())} cell(s) have a negative value",
                next_step="say what its contributions add up to without their sign, or turn the measure's sign",
            )

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of codes per dimension, totals included."""
        return tuple(len(dim.codes) for dim in self.dims)

    def keys(self) -> IntArray:
        """One integer per cell: its position in the full cross product, row-major."""
        return cell_keys(self.codes, self.shape)

    @property
    def sizes(self) -> FloatArray:
        """`size`, or the values where nothing is below 0."""
        return np.maximum(self.value, 0) if self.size is None else self.size

    @property
    def couples(self) -> IntArray:
        """`two_contributors`, -1 where nobody knows them."""
        nobody = np.full((len(self), 2), NO_CONTRIBUTOR, dtype=np.int64)
        return nobody if self.two_contributors is None else self.two_contributors

    @property
    def holders(self) -> IntArray:
        """`contributors`, -1 where that is not known."""
        nobody = np.full(self.top.shape, NO_CONTRIBUTOR, dtype=np.int64)
        return nobody if self.contributors is None else self.contributors

    def only(self, cells: IntArray) -> CellTable:
        """Some of the cells."""
        return replace(
            self,
            codes=self.codes[cells],
            freq=self.freq[cells],
            value=self.value[cells],
            n_contributors=self.n_contributors[cells],
            top=self.top[cells],
            sole_contributor=self.sole_contributor[cells],
            two_contributors=None if self.two_contributors is None else self.two_contributors[cells],
            contributors=None if self.contributors is None else self.contributors[cells],
            size=None if self.size is None else self.size[cells],
        )

    def labels(self, cell: int) -> tuple[str, ...]:
        """The codes of one cell, one per dimension."""
        return tuple(dim.codes[code] for dim, code in zip(self.dims, self.codes[cell], strict=True))


def cell_keys(codes: npt.NDArray[np.integer], shape: Iterable[int]) -> IntArray:
    """Row-major position of each row of ``codes`` in the cross product of ``shape``."""
    keys = np.zeros(len(codes), dtype=np.int64)
    for position, size in enumerate(shape):
        keys = keys * size + codes[:, position]
    return keys
