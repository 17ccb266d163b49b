"""``zicht country``: the synthetic country."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline.commands.options import JsonOption, teller


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("country")(country)


def country(
    out: Annotated[Path, typer.Argument(help="Folder to make; replaced if it holds an earlier country.")],
    persons: Annotated[int, typer.Option(min=1000, help="How many persons live there.")] = 50_000,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 1,
    dirty: Annotated[bool, typer.Option("--dirty", help="With the defects that real deliveries have.")] = False,
    programme: Annotated[
        Literal["core", "full"],
        typer.Option(help="core: what the demonstration needs; full: 15 municipalities × 5 files and 5 national ones."),
    ] = "core",
    as_json: JsonOption = False,
) -> None:
    """Make a synthetic country: registers, deliveries, planted truths.

    Example: zicht country build/country --persons 50000 --seed 1
    """
    from synthetic.country import make_country

    told = teller(as_json=as_json)
    with told.bar("country") as tick:
        summary = make_country(out, persons=persons, seed=seed, dirty=dirty, programme=programme, progress=tick)
    told.say("country made", persons=summary.persons, municipalities=summary.municipalities)
    typer.echo(f"Next: zicht init --data {out}")
