"""What an analysis may see of the linked zone: the data sets that it names, and of these the declared columns.

Rights are not views: a column that the question does not declare is not in any file inside the sandbox.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from enclave.errors import Fault, Refused
from enclave.frames import Frame, open_frame, streamed, writing_frame
from enclave.zones import Linked

Declared = Mapping[str, Sequence[str]]


def open_inputs(names: Sequence[str], available: Mapping[str, Path]) -> dict[str, Frame[Linked]]:
    """The linked frames that an analysis names.

    Raises:
        Refused: names that the question does not make available; all at once.
        NotReady, Tampered, WrongZone: as :func:`enclave.frames.open_frame`.
    """
    missing = sorted(set(names) - set(available))
    if missing:
        raise Refused(
            f"the analysis asks for data sets that its question does not declare: {', '.join(missing)}",
            next_step="declare them under the question's `uses` in the project file, if the purpose covers them",
        )
    return {name: open_frame(available[name], Linked) for name in sorted(set(names))}


def reduce_inputs(frames: Mapping[str, Frame[Linked]], declared: Declared | None, folder: Path) -> dict[str, Path]:
    """Files that hold the keys, their statuses and the declared columns, nothing else.

    A frame that holds nothing else already is used as it is; of another a reduced copy is written to ``folder``.
    With ``declared`` None the caller warrants that the files are reduced.

    Raises:
        Refused: a declared column is not in the linked data; all at once.
    """
    if declared is None:
        return {name: frame.path for name, frame in frames.items()}
    faults = [
        Fault(name, "declared", "the linked data set has no such column", column=column)
        for name, frame in frames.items()
        for column in sorted(set(declared.get(name, ())) - set(_names(frame)))
    ]
    if faults:
        listed = "; ".join(str(fault) for fault in faults)
        raise Refused(f"a question declares columns that were not linked: {listed}", next_step="zicht link")
    return {name: _reduced(frame, declared.get(name, ()), folder / f"{name}.parquet") for name, frame in frames.items()}


def _names(frame: Frame[Linked]) -> tuple[str, ...]:
    return tuple(column.name for column in frame.manifest.columns)


def _reduced(frame: Frame[Linked], declared: Sequence[str], target: Path) -> Path:
    always = {*frame.manifest.column_names("key"), *frame.manifest.column_names("status")}
    kept = [name for name in _names(frame) if name in always or name in declared]
    if len(kept) == len(frame.manifest.columns):
        return frame.path
    columns = tuple(column for column in frame.manifest.columns if column.name in kept)
    manifest = frame.manifest.model_copy(update={"columns": columns})
    with streamed(frame.path) as source:
        schema = source.schema_arrow.remove_metadata()
        reduced = pa.schema([schema.field(name) for name in kept])
        with writing_frame(target, manifest, reduced, mode=0o400) as sink:
            for batch in source.iter_batches(columns=kept):
                sink.write(batch)
    return target
