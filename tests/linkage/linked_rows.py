"""What tests of linking share: files, numbers and planted rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from linkage.key_zone import read_batches
from linkage.units import generations
from tests.linkage.conftest import Site, read_delivery


def numbers(site: Site) -> dict[str, int]:
    """Unit -> project integer, from the key zone."""
    zone = site.zone
    tables = [
        pa.Table.from_batches(read_batches(zone.folder / name, ["unit", "integer"], zone.decryption))
        for name in generations(zone)
    ]
    joined = pa.concat_tables(tables)
    return dict(zip(joined["unit"].to_pylist(), joined["integer"].to_pylist(), strict=True))


def delivered(country: Path, pattern: str) -> pd.DataFrame:
    paths = sorted((country / "deliveries").glob(pattern))
    return pd.concat([read_delivery(path).to_pandas() for path in paths if path.suffix != ".yaml"])


def key_register(country: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(country / "key_register" / f"{name}.parquet")


def rows(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    return sorted(frame.astype(object).where(frame.notna(), None).itertuples(index=False, name=None), key=repr)
