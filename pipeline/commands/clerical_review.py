"""``zicht clerical-review``: look at pairs matched by likeness, and say whether they are right."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from enclave.errors import BadInput, NotAllowed
from enclave.files import read_small
from pipeline.commands.custodian import desk_in
from pipeline.commands.options import DEFAULT_WORKSPACE, PassphraseOption, WorkspaceOption

if TYPE_CHECKING:
    from linkage.clerical_review import Verdict

_ANSWERS = {"y": "yes", "n": "no", "u": "unsure", "j": "yes"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("clerical-review")(clerical_review)


def clerical_review(
    data_set: Annotated[str, typer.Argument(help="Data set of the project file.")],
    key: Annotated[str, typer.Argument(help="Its key of persons, entities or addresses that is matched by likeness.")],
    judge: Annotated[
        bool, typer.Option("--judge", help="Ask for a verdict on each pair that has none; stop at any time with q.")
    ] = False,
    verdicts: Annotated[
        Path | None,
        typer.Option(help="Take up verdicts from a file: 'sample NAME', then lines '12 yes', '13 no', '14 unsure'."),
    ] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Show a sample of pairs matched by likeness, to be judged: what was delivered beside what the register says.

    Of an entity with several names or addresses in the register all are shown, the matched one first. On a terminal
    only, since it shows names. Verdicts are kept in the key zone; zicht link reports the precision that follows.

    Example: zicht clerical-review clearances occupant --judge --passphrase-file custodian.pass
    """
    from linkage.clerical_review import parse_verdicts, sample_name
    from pipeline import clerical_desk

    if verdicts is None and not (sys.stdout.isatty() and (sys.stdin.isatty() or not judge)):
        raise NotAllowed("names of persons are shown on a terminal only, never in a file or a pipe")
    desk = desk_in(workspace, passphrase_file, as_json=False)
    sample = clerical_desk.review_sample(desk, data_set, key)
    pairs = dict(enumerate(sample.to_pylist(), 1))
    if verdicts is None and not judge:
        typer.echo(f"sample {sample_name(sample)}")
        for number, pair in pairs.items():
            chance = f"probability {pair['probability']}, weight {pair['weight']}, {pair['pass']}"
            typer.echo("\n".join([f"\npair {number}, {pair['stratum']}: {chance}", *_sides(pair)]))
        return
    before = clerical_desk.verdicts(desk, data_set, key, sample)
    given: dict[int, Verdict] = {}
    if verdicts is not None:
        given = parse_verdicts(_text(verdicts), sample_name(sample), len(pairs))
    else:
        _ask({number: pair for number, pair in pairs.items() if number not in before}, given)
    judged = clerical_desk.judge(desk, data_set, key, sample, given) if given else len(before)
    typer.echo(f"{len(given)} verdicts taken up, {judged} of {len(pairs)} pairs judged\nNext: zicht link")


def _ask(pairs: Mapping[int, Mapping[str, Any]], given: dict[int, Verdict]) -> None:
    """Fill ``given``, until all are judged or the clerk stops. Weights are not shown: they would sway."""
    from linkage.clerical_review import Verdict

    for number, pair in pairs.items():
        typer.echo("\n".join([f"\npair {number}", *_sides(pair)]))
        answer = ""
        while answer not in (*_ANSWERS, "q"):
            try:
                answer = input("the same? y(es), n(o), u(nsure), q(uit): ").strip().lower()[:1]
            except (EOFError, KeyboardInterrupt):
                answer = "q"  # what was said so far is kept
        if answer == "q":
            return
        given[number] = Verdict(_ANSWERS[answer])


def _sides(pair: Mapping[str, Any]) -> Iterator[str]:
    """Both records, a line per field, what differs marked."""
    from linkage.unit_register import BESIDE

    for field in (name.removeprefix("delivered_") for name in pair if name.startswith("delivered_")):
        sides = [str(pair[f"{side}_{field}"] or "") for side in ("delivered", "register")]
        same = sides[0] in sides[1].split(BESIDE)
        yield f"  {field:<10} {sides[0]:<30} {sides[1]:<30} {'' if same else '≠'}"


def _text(file: Path) -> str:
    try:
        return read_small(file).decode()
    except (OSError, UnicodeDecodeError):
        raise BadInput("the file of verdicts does not read as text", where=file.name) from None
