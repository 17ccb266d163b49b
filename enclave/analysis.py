"""What an analysis module looks like: two functions and three constants, nothing that reaches outside.

``analyses/<name>/v<N>.py`` defines ``TITLE``, ``INPUTS`` (data set names), ``PARAMETERS`` (defaults), ``derive`` and
``requests``. ``derive`` is lazy narwhals code, so the same lines run on DuckDB and on Spark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from enclave.requests import OutputRequest

if TYPE_CHECKING:
    import narwhals as nw

Parameters: TypeAlias = Mapping[str, int | float | str | bool]


class Analysis(Protocol):
    """A versioned analysis module."""

    TITLE: str
    INPUTS: Sequence[str]
    PARAMETERS: Parameters

    def derive(
        self, inputs: Mapping[str, nw.LazyFrame[Any]], parameters: Parameters
    ) -> Mapping[str, nw.LazyFrame[Any]]:
        """Derived frames by name: a record key, a unit key, and columns from declared code lists or measures."""
        ...

    def requests(self, parameters: Parameters) -> Sequence[OutputRequest]:
        """The outputs that this analysis asks for."""
        ...
