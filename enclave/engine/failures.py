"""What both engines say when something fails: in one wording, without a library's message that may quote a value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from enclave.errors import BadInput, EnclaveError, StorageFailed

if TYPE_CHECKING:
    import narwhals as nw

Native = TypeVar("Native")


def native_of(frame: nw.LazyFrame[Any], kind: type[Native]) -> Native:
    """The engine's own object in ``frame``; :class:`BadInput` when it is another engine's."""
    native = frame.to_native()
    if not isinstance(native, kind):
        raise BadInput("this lazy frame belongs to another engine")
    return native


def statement_fails(about: str) -> BadInput:
    """The error of a statement that does not hold; ``about`` speaks of the statement alone."""
    return BadInput(f"the query does not hold: {about}")


def run_fails(engine: str, error: Exception, full: Sequence[str] = ("No space left",)) -> EnclaveError:
    """The error of a query that failed on data: a full disk when a text of ``full`` stands in it; else its class."""
    if any(text in str(error) for text in full):
        return StorageFailed(
            "the disk is full while an engine was sorting or joining; nothing was changed",
            next_step="free space at the workspace's scratch folder and run the same command again",
        )
    return BadInput(f"the {engine} engine could not run a query ({type(error).__name__})")
