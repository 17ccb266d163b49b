"""``zicht protect``: output control on a table alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline.commands.options import JsonOption


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("protect")(protect)


def protect(
    instance: Annotated[Path, typer.Argument(help="Folder with desc.json and micro.csv and/or cells.csv.")],
    out: Annotated[Path, typer.Option(help="Folder for pattern.csv, table.csv and report.json.")],
    policy: Annotated[Path | None, typer.Option(help="Policy file; what of it holds here is printed.")] = None,
    count_protection: Annotated[
        str | None, typer.Option(help="exact, width:W or range; without it exact, or what the policy says.")
    ] = None,
    singletons: Annotated[Literal["on", "off"], typer.Option(help="Protect against a sole contributor.")] = "on",
    method: Annotated[
        Literal["auto", "optimal", "flow", "gauss", "bounded"], typer.Option(help="How to suppress.")
    ] = "auto",
    budget: Annotated[int | None, typer.Option(help="How many LPs at most; never seconds.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads; the result is the same.")] = 1,
    html: Annotated[bool, typer.Option("--html", help="Also a page with the pattern and intervals.")] = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="Also what rounding, noise and a coarser table cost.")
    ] = False,
    empty: Annotated[
        Literal["unknown", "shown"] | None,
        typer.Option(
            help="Whether readers see which cells are empty: then no hidden count is 0. "
            "Without it unknown, or shown under a policy."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Suppress a table so that no attacker can narrow a sensitive cell, and audit the result.

    Example: zicht protect ../shared/reference/b05_ssb_z3_freq3d --out /tmp/b05
    """
    from output_control.alone.protect import protect as protect_instance

    report = protect_instance(
        instance,
        out,
        policy=policy,
        count_protection=count_protection,
        singletons=singletons == "on",
        method=method,
        budget=budget,
        threads=threads,
        html=html,
        compare=compare,
        empty_shown=None if empty is None else empty == "shown",
    )
    for note in report.notes:
        typer.echo(f"Note: {note}", err=True)
    if as_json:
        typer.echo(json.dumps(report.document(), sort_keys=True))
        return
    typer.echo(
        f"{report.cells} cells: {report.primary} primary, {report.secondary} secondary suppressions; audited safe"
    )
    if compare:
        from pipeline.review_page import comparison_text

        typer.echo(comparison_text((out / "comparison.json").read_bytes()))
    typer.echo(f"Next: read {out}/table.csv; keep pattern.csv and report.json to yourself")
