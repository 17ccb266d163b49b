"""The ``zicht`` command: its parts are registered here, its errors end here."""

from __future__ import annotations

import os
import sys
import traceback

import typer

from enclave.allocator import keep_freed_memory
from enclave.errors import EnclaveError, NotReady
from pipeline.commands import (
    clerical_review,
    country,
    custodian,
    custody,
    delivery,
    demo,
    docs,
    encoding,
    gate,
    journal,
    ledger,
    plausibility,
    protect,
    receipt,
    release,
    research,
    review,
    scan,
    status,
    supplier,
)

FAULT_IN_ZICHT = 70

app = typer.Typer(
    name="zicht",
    help="Receive, pseudonymise, link, analyse; let nothing out that could single someone out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
PARTS = (
    *(country, delivery, receipt, encoding, custodian, clerical_review, custody, supplier, plausibility),
    *(research, review, release, ledger, gate, journal, status, protect, scan, demo, docs),
)
for part in PARTS:
    part.register(app)


def _missing(error: ModuleNotFoundError) -> NotReady:
    """What a supplier reads who starts a command of the enclave: the light installation has not its parts."""
    return NotReady(
        f"this command needs {(error.name or 'a part').partition('.')[0]}, which is not installed",
        next_step="it belongs to the enclave: install zicht[enclave]; suppliers need zicht delivery and zicht receipt",
    )


def _told(error: EnclaveError) -> str:
    """The error, in Dutch for who asks for it: suppliers read what stops their commands."""
    if os.environ.get("ZICHT_LANGUAGE") != "nl":
        return str(error)
    from pseudonymise.clerk_report import Language, error_text

    return error_text(error, Language.NL)


def main() -> None:
    """Run the command line; an :class:`EnclaveError` is shown without a traceback and sets the exit code."""
    keep_freed_memory()
    try:
        app()
    except EnclaveError as error:
        sys.stderr.write(f"zicht: {_told(error)}\n")
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        sys.stderr.write(f"zicht: {_missing(error)}\n")
        sys.exit(NotReady.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("zicht: stopped; run the same command to go on\n")
        sys.exit(130)
    except Exception as error:
        # A traceback or a library's message can hold a value of a record: only class and place are shown.
        place = traceback.extract_tb(error.__traceback__)[-1]
        name = os.path.basename(place.filename)  # noqa: PTH119 - no path object is wanted of a frame's file name
        sys.stderr.write(f"zicht: fault in Zicht itself: {type(error).__name__} at {name}:{place.lineno}\n")
        if os.environ.get("ZICHT_DEBUG") == "1":
            traceback.print_exc()
        else:
            sys.stderr.write("Next: report it; ZICHT_DEBUG=1 shows the details, on synthetic data only\n")
        sys.exit(FAULT_IN_ZICHT)
