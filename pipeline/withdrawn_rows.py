"""Rows that runs took or derived from a delivery that was withdrawn: removed by whoever may, and named until they are
gone.

Derived rows lie under the key of a data set that is handed out again once it is linked without the delivery, and what a
killed run left in scratch is plain: until both are gone, nothing is linked, and the withdrawal is not complete. Under
separate users they are the researchers', whose next ``zicht run`` removes them.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from enclave.engine.scratch import held, owner_of, sweep
from enclave.errors import NotReady
from enclave.files import TEMPORARY_MARK, storage_errors
from enclave.locks import flush
from enclave.zones import Zone
from pipeline.lineage import may_use, withdrawn_since_linked
from pipeline.office import Office


def remove_withdrawn_rows(office: Office) -> tuple[str, ...]:
    """Remove what was derived from linked data that hold a withdrawn delivery, as far as this user may.

    Returns the folders in which rows are left, or that this user may not look into, with their owners. A run that is
    under way then does not end: what it read was withdrawn.
    """
    gone, workspace = withdrawn_since_linked(office.journal), office.workspace
    if not gone:
        return ()
    sweep(workspace.scratch)
    left = [f"{workspace.scratch.name}/{name} of user {owner}" for name, owner in held(workspace.scratch).items()]
    results = workspace.path(Zone.RESULTS) / office.project.name
    for folder in _folders(results):
        label = folder.name[1:].rpartition(TEMPORARY_MARK)[0] if TEMPORARY_MARK in folder.name else folder.name
        held_it = folder == results or any(may_use(office.project, f"{label}-", delivery) for delivery in gone)
        if held_it and not _emptied(folder):
            left.append(f"{folder.relative_to(workspace.root).as_posix()} of user {owner_of(folder)}")
    return tuple(left)


def refuse_withdrawn_rows(office: Office) -> None:
    """Raise NotReady, naming the folders and their owners, as long as such rows are left."""
    left = remove_withdrawn_rows(office)
    if left:
        raise NotReady(
            "the withdrawal is not complete: the delivery is not used any more, but rows of it or derived from it "
            "are left, or cannot be looked for, in folders of runs\n" + "\n".join(f"  - {each}" for each in left),
            next_step="each of these users ends the run if it lives, and then: zicht run, which removes them; after "
            "that, the custodian: zicht pseudonymise; zicht link",
        )


def _folders(results: Path) -> list[Path]:
    """The folders of runs; of a zone that does not let itself be listed, the zone's own."""
    try:
        return sorted(path for path in results.iterdir() if path.is_dir() and not path.is_symlink())
    except FileNotFoundError:
        return []
    except PermissionError:
        return [results]


def _emptied(folder: Path) -> bool:
    """Whether no rows are left in a run's folder; what a killed run left half-written goes whole."""
    try:
        if TEMPORARY_MARK in folder.name:
            shutil.rmtree(folder)
            return True
        for rows in [path for path in folder.iterdir() if path.suffix == ".parquet"]:
            rows.unlink(missing_ok=True)
    except FileNotFoundError:
        return True
    except PermissionError:
        return False
    with storage_errors("the results"):
        flush(folder)
    with suppress(PermissionError):  # the custodian sees that nothing is left
        folder.chmod(folder.stat().st_mode | 0o055)
    return True
