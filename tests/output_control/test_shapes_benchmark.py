"""The made-up tables of `benchmarks.shapes` are what they say, and small ones are protected with proof."""

from pathlib import Path

import pytest

from benchmarks.shapes import Shape, families, write
from output_control.alone.protect import protect

SMALL = (
    Shape("sparse-4-way", ((2, 4), (3,), (2,), (2,)), {"type": "freq", "n": 3}, 2.0),
    Shape("deep-counts", ((2, 4, 9), (3, 6)), {"type": "freq", "n": 10}, 12.0),
    Shape("large-values", ((6,), (5,)), {"type": "nk", "n": [1, 2], "k": [50, 85]}, 8.0, size=1e8),
)
LARGER = Shape("larger-4-way", ((2, 4), (3,), (3,), (2,)), {"type": "freq", "n": 3}, 2.0)


def test_every_shape_is_near_the_size_in_its_name() -> None:
    for shape in families():
        asked = 1000 * float(shape.name.rsplit("-", 1)[1].removesuffix("k"))
        assert 0.7 * asked <= shape.cells <= 1.3 * asked, shape.name


def test_a_shape_is_written_alike_each_time(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    write(SMALL[2], tmp_path / "a")
    write(SMALL[2], tmp_path / "b")
    assert (tmp_path / "a" / "micro.csv").read_bytes() == (tmp_path / "b" / "micro.csv").read_bytes()


@pytest.mark.parametrize("shape", [*SMALL, pytest.param(LARGER, marks=pytest.mark.sweep)], ids=lambda shape: shape.name)
def test_small_shapes_are_safe_with_a_proven_bound(shape: Shape, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write(shape, tmp_path / "in")
    report = protect(tmp_path / "in", tmp_path / "out")
    audit = report.audit
    assert 0 < report.primary == audit.checked and not (audit.exact or audit.below_level or audit.singleton_exact)
    assert report.gap is not None and report.gap < 0.1
