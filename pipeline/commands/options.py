"""Options that several commands share, and how a command opens its installation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from enclave.errors import BadInput
from enclave.files import read_small
from pipeline.office import Office, open_office
from pipeline.progress import Teller, style_for

WorkspaceOption = Annotated[
    Path, typer.Option("--workspace", "-w", envvar="ZICHT_WORKSPACE", help="The installation's folder.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
PassphraseOption = Annotated[
    Path | None, typer.Option("--passphrase-file", help="File (mode 0600) that holds the passphrase; else asked.")
]
AgainOption = Annotated[bool, typer.Option("--again", help="Run even what is up to date.")]
DEFAULT_WORKSPACE = Path("build/run")


def opened(workspace: Path) -> Office:
    """The installation in ``workspace``."""
    return open_office(workspace)


def teller(*, as_json: bool) -> Teller:
    """How this command tells its progress."""
    return Teller(style_for(as_json=as_json))


def read_text_option(text: str, file: Path | None) -> str:
    """A text given inline or in a file; the file wins.

    Raises:
        BadInput: the file does not read as UTF-8 text, or is too large for one that people write.
    """
    if file is None:
        return text
    try:
        return read_small(file).decode()
    except (OSError, UnicodeDecodeError):
        raise BadInput("the file does not read as text", where=file.name, next_step="save it as UTF-8") from None
