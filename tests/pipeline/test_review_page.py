"""What a checker reads at the command line of a hidden cell."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow.csv as pa_csv

from output_control.review.states import State
from output_control.review.view import OutputView, View
from pipeline.review_page import SHOWN_CELLS, WIDTH, review_text
from tests.output_control.gate_world import World, table_request
from tests.output_control.test_gate_refusals import of_groups


def shown(annex: bytes) -> str:
    """The page of a request of one table."""
    cells = pa_csv.read_csv(io.BytesIO(annex))
    output = OutputView("homes", "Homes", "table", cells, {}, cells, {}, None)
    return review_text(View("r", State.SUBMITTED, "p", "demo", 1, "a", "t", "c", "c", (output,), {}, {}, "f", (), {}))


def test_the_group_that_a_cell_tells_of_is_read_in_full_and_once(tmp_path: Path) -> None:
    out = World(tmp_path).add("homes", of_groups(185, 15)).check(table_request("region", "flag"))
    annex = out.checker_annex["annex/demo/homes.cells.csv"]
    text = shown(annex)
    assert text.count("group disclosure: 185 of 200 (owner) of region G1a2 are in flag yes") == 1
    assert max(map(len, text.splitlines())) <= WIDTH + 3
    # a long list is cut, with a note
    many = annex + b"".join(
        annex.splitlines(keepends=True)[-1].replace(b"published", b"primary").rstrip(b"\n").rsplit(b",", 1)[0]
        + f',"group {i}"\n'.encode()
        for i in range(SHOWN_CELLS + 5)
    )
    assert "6 more; all stand in the request's annex/ folder" in shown(many).split("group disclosure:")[-1]
