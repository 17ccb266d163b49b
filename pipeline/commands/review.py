"""``zicht review``: what checkers see and decide; ``zicht key`` and ``zicht roster``: who they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from enclave.signatures import SigningKey
from enclave.zones import Zone
from pipeline.commands.options import DEFAULT_WORKSPACE, JsonOption, PassphraseOption, WorkspaceOption, opened
from pipeline.office import ROSTER, Office, read_passphrase, utc_now

if TYPE_CHECKING:
    from output_control.review import Desk

review_app = typer.Typer(help="See and decide on release requests.", no_args_is_help=True)
key_app = typer.Typer(help="Personal signing keys.", no_args_is_help=True)
roster_app = typer.Typer(help="The signed list of who may do what.", no_args_is_help=True)

RequestArgument = Annotated[str, typer.Argument(help="The request's id (zicht review list).")]


def _checked_id(text: str) -> str:
    from output_control.review.roster import check_person_id

    check_person_id(text)
    return text


PersonOption = Annotated[str, typer.Option("--as", callback=_checked_id, help="Your id in the roster.")]
KeyOption = Annotated[Path, typer.Option("--key", help="Your own signing key (.pem).")]
RemarkOption = Annotated[str, typer.Option(help="Why; the author and the auditors read it.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(review_app, name="review")
    app.add_typer(key_app, name="key")
    app.add_typer(roster_app, name="roster")


@review_app.command("list")
def list_all(workspace: WorkspaceOption = DEFAULT_WORKSPACE, as_json: JsonOption = False) -> None:
    """All requests and where each one stands.

    Example: zicht review list
    """
    from output_control import review
    from output_control.review.request_file import list_requests

    office = opened(workspace)
    desk = desk_of(office)
    states = {name: review.state(name, desk=desk) for name in list_requests(office.workspace.path(Zone.REVIEW))}
    if as_json:
        typer.echo(json.dumps({name: state.value for name, state in states.items()}))
        return
    for name, state in states.items():
        typer.echo(f"{name}  {state.value:18} {state.description()}")
    if not states:
        typer.echo("no requests yet\nNext: zicht request ANALYSIS --context … --controls …")


@review_app.command("show")
def show(request: RequestArgument, workspace: WorkspaceOption = DEFAULT_WORKSPACE) -> None:
    """What a checker must see: texts, evidence, and per cell why it is hidden and what an attacker can still work out.

    Example: zicht review show 3f9c…
    """
    from output_control import review
    from pipeline.review_page import review_text

    office = opened(workspace)
    typer.echo(review_text(review.show(request, desk=desk_of(office))))


@review_app.command("approve")
def approve(
    request: RequestArgument,
    person: PersonOption,
    key: KeyOption,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Sign the digest of request, outputs, evidence and policy. Two persons, neither the author, must do so.

    Example: zicht review approve 3f9c… --as c-dirk --key ~/keys/c-dirk.pem
    """
    from output_control import review

    office = opened(workspace)
    signing = SigningKey.load(key, read_passphrase(f"the key of {person}", passphrase_file))
    state = review.approve(request, person=person, key=signing, desk=desk_of(office), now=utc_now())
    typer.echo(f"{request}: {state.value}\nNext: {_next(state.value, request)}")


def _objection(name: str) -> Callable[..., None]:
    def command(
        request: RequestArgument,
        person: PersonOption,
        key: KeyOption,
        remark: RemarkOption,
        workspace: WorkspaceOption = DEFAULT_WORKSPACE,
        passphrase_file: PassphraseOption = None,
    ) -> None:
        from output_control import review

        office = opened(workspace)
        signing = SigningKey.load(key, read_passphrase(f"the key of {person}", passphrase_file))
        decide = getattr(review, name)
        state = decide(request, remark, person=person, key=signing, desk=desk_of(office), now=utc_now())
        typer.echo(f"{request}: {state.value}\nNext: {_next(state.value, request)}")

    return command


_EXAMPLE = "\n\nExample: zicht review {} 3f9c… --as {} --key {}.pem --remark 'Name the reference year'"
for _name, _person, _help in (
    ("request-changes", "c-dirk", "Block the request and say what to change."),
    ("reject", "c-dirk", "Block the request for good and say why."),
    ("withdraw", "r-anna", "Take your own request back and say why."),
):
    _text = _help + _EXAMPLE.format(_name, _person, _person)
    review_app.command(_name, help=_text)(_objection(_name.replace("-", "_")))


@key_app.command("new")
def new_key(
    person: Annotated[str, typer.Argument(callback=_checked_id, help="Your id, as it will stand in the roster.")],
    out: Annotated[Path, typer.Option(help="A folder of your own.")],
    passphrase_file: PassphraseOption = None,
) -> None:
    """Make your own signing key; hand the .pub file to the office for its roster.

    Example: zicht key new c-dirk --out ~/zicht-key
    """
    from enclave.entropy import SecureEntropy
    from pipeline.office_setup import new_personal_key

    public = new_personal_key(out, read_passphrase("your new key", passphrase_file), SecureEntropy(), person=person)
    typer.echo(f"made {public.with_suffix('.pem').name}\nNext: give {public} to the office")


@roster_app.command("sign")
def sign(
    people: Annotated[Path, typer.Argument(help="YAML list: id, role, public_key, valid_from, valid_until, projects.")],
    serial: Annotated[int, typer.Option(min=1, help="One more than the present roster's.")],
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Sign the roster with the office's root key.

    Example: zicht roster sign people.yaml --serial 2
    """
    from pipeline.office_setup import publish_roster, read_people

    office = opened(workspace)
    root = read_passphrase("the root key", passphrase_file)
    target = publish_roster(office, read_people(people), root=root, serial=serial, now=utc_now())
    typer.echo(f"signed {target.name}\nNext: zicht status")


def desk_of(office: Office) -> Desk:
    """The review desk of an installation: its roster, verified, and its journal."""
    from output_control.review import Desk
    from output_control.review.roster import open_roster

    return Desk(office.workspace, open_roster(office.workspace.root / ROSTER, office.root_public), office.journal)


def _next(state: str, request: str) -> str:
    return {
        "approved by one": f"a second checker: zicht review show {request}",
        "changes requested": "the author: change it, zicht run, check, and request anew; say what changed",
        "approved": f"the release service: zicht release {request}",
    }.get(state, "zicht review list")
