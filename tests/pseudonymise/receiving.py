"""What tests of receiving share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.pseudonymise.small_town import (
    Enclave,
    Row,
)


def changed(rows: list[Row], place: int, **values: Any) -> list[Row]:
    return [{**row, **values} if number == place else row for number, row in enumerate(rows)]


def refused(enclave: Enclave, sealed: Path, error: type[Exception]) -> Exception:
    before = enclave.bytes_of_zones()
    with pytest.raises(error) as caught:
        enclave.receive(sealed)
    assert enclave.bytes_of_zones() == before
    assert enclave.actions()[-1] == "delivery-refused"
    return caught.value
