"""On what grounds, and how long, the ledger keeps who is in which released cell."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from enclave.errors import BadInput, Fault
from enclave.yaml_files import NotYaml, read_fields


class Charter(BaseModel):
    """``configs/ledger.yaml``; ``years_kept`` counts from the end of the year of release."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    legal_basis: Annotated[str, Field(min_length=10, max_length=1000)]
    years_kept: Annotated[int, Field(ge=1, le=100)]

    def kept_until(self, released: datetime) -> date:
        """The last day of the retention period."""
        return date(released.year + self.years_kept, 12, 31)


def load_charter(path: Path) -> Charter:
    """Read ``configs/ledger.yaml``.

    Raises:
        BadInput: missing, unreadable, or a value that does not hold; nothing is released without it.
    """
    try:
        return Charter(**read_fields(path.read_bytes()))
    except FileNotFoundError:
        raise BadInput("the ledger has no legal basis and retention", where=path.name) from None
    except NotYaml as error:
        raise BadInput(f"the ledger's settings do not hold: {error}", where=path.name) from None
    except ValidationError as error:
        faults = [Fault(path.name, "ledger", e["msg"], column=".".join(map(str, e["loc"]))) for e in error.errors()]
        raise BadInput("the ledger's settings do not hold", where=path.name, faults=faults) from None
