"""Errors: what, where, what next; an exit code per class; all faults at once."""

from __future__ import annotations

import inspect

import pytest

from enclave import errors
from enclave.errors import BadInput, EnclaveError, Fault, Tampered

CLASSES = [
    value
    for value in vars(errors).values()
    if inspect.isclass(value) and issubclass(value, EnclaveError) and value is not EnclaveError
]


def test_every_class_has_an_exit_code_of_its_own_that_is_not_success() -> None:
    codes = [kind.exit_code for kind in CLASSES]
    assert len(set(codes)) == len(codes) >= 10
    assert min(codes) > 1


def test_the_exit_codes_that_other_programs_rely_on() -> None:
    """formats.md: 2 bad input, 3 cannot be protected."""
    assert (errors.BadInput.exit_code, errors.CannotProtect.exit_code) == (2, 3)


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_says_where_what_and_what_next(kind: type[EnclaveError]) -> None:
    assert str(kind("it is so", where="file.csv", next_step="do this")) == "file.csv: it is so\nNext: do this"
    assert str(kind("it is so")) == "it is so"


def test_all_faults_are_shown_with_their_place() -> None:
    error = BadInput(
        "two faults",
        where="a.csv",
        faults=[
            Fault("a.csv", "format", "is no date", column="born", rows=(2, 9), count=5),
            Fault("a.csv", "missing", "is missing", column="bsn"),
            Fault("a.csv", "length", "has another length", rows=(3,)),
        ],
    )
    assert str(error).splitlines() == [
        "a.csv: two faults",
        "  - a.csv, column born, row 2, 9 and 3 more: is no date",
        "  - a.csv, column bsn: is missing",
        "  - a.csv, row 3: has another length",
    ]
    assert len(error.faults) == 3


def test_faults_may_come_from_a_generator() -> None:
    assert len(BadInput("x", faults=(Fault("f", "c", "m") for _ in range(3))).faults) == 3


def test_errors_are_caught_as_one_family() -> None:
    with pytest.raises(EnclaveError):
        raise Tampered("x")
