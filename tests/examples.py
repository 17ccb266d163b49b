"""Property-based tests of two sizes: a few cases in the everyday run, many in the sweep."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, Signature, signature
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Test = Callable[..., None]


def examples(everyday: int, long: int, **drawn: st.SearchStrategy[Any]) -> Callable[[Test], Test]:
    """The test twice over: a few cases every day, and many in the sweep; what is not drawn is a fixture."""

    def twice(test: Test) -> Test:
        fixtures = [each for name, each in signature(test).parameters.items() if name not in drawn]

        @pytest.mark.parametrize("cases", [everyday, pytest.param(long, marks=pytest.mark.sweep)])
        def run(cases: int, **asked: Any) -> None:
            settled = settings(max_examples=cases, deadline=None, suppress_health_check=list(HealthCheck))
            settled(given(**drawn)(test))(**asked)

        run.__doc__, run.__name__ = test.__doc__, test.__name__
        cases = Parameter("cases", Parameter.POSITIONAL_OR_KEYWORD)
        run.__signature__ = Signature([cases, *fixtures])  # type: ignore[attr-defined]  # what pytest looks at
        return run

    return twice
