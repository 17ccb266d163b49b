"""``zicht demo``: the main job end to end; what ``make run`` calls."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline.commands.options import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption, teller


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    persons: Annotated[int, typer.Option(min=1000, help="Persons in the synthetic country.")] = 50_000,
    seed: Annotated[int, typer.Option(help="Same seed, same release.")] = 1,
    dirty: Annotated[bool, typer.Option("--dirty", help="Deliveries with defects.")] = False,
    engine: Annotated[Literal["duckdb", "spark"], typer.Option(help="Engine of the large steps.")] = "duckdb",
    threads: Annotated[int, typer.Option(min=1, help="Threads; the release is the same.")] = 2,
    country: Annotated[
        Path | None,
        typer.Option(help="Folder of the country, made when absent; country/ beside the workspace by default."),
    ] = None,
    only: Annotated[str, typer.Option(help="One analysis; all of the project when absent.")] = "",
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Run the whole job on a synthetic country, ending in verified releases. For demonstration only.

    Example: zicht demo --persons 50000 --seed 1
    """
    from pipeline.demo import Demo

    lines = Demo(
        workspace=workspace,
        country=country or workspace.parent / "country",
        persons=persons,
        seed=seed,
        dirty=dirty,
        engine=engine,
        threads=threads,
        teller=teller(as_json=as_json),
        only=only,
    ).run()
    typer.echo("\n".join(lines))
