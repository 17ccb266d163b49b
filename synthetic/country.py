"""The synthetic country: registers, key register, deliveries and planted truths, one municipality at a time."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from enclave.errors import BadInput
from enclave.files import TEMPORARY_MARK, replacing_folder
from synthetic.areas import region_rows
from synthetic.delivery_files import sha256_of
from synthetic.delivery_layouts import SUPPLYING_MUNICIPALITIES
from synthetic.delivery_writer import DeliveryWriter
from synthetic.identifiers import NumberSpace
from synthetic.key_register import KeyRegisterFiles
from synthetic.plan import divide
from synthetic.register_blocks import register_blocks
from synthetic.registers import REGISTERS, RegisterFiles
from synthetic.theme_blocks import theme_blocks
from synthetic.theme_registers import THEME_REGISTERS
from synthetic.theme_truths import ThemeTruthFiles
from synthetic.themes import make_themes
from synthetic.town import make_town
from synthetic.truths import TruthFiles

WATERMARK = "SYNTHETIC: invented by zicht country; no real person, dwelling or firm"
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class CountrySummary:
    """What was written: counts, files (relative paths), and rows per data file."""

    municipalities: int
    persons: int
    dwellings: int
    files: tuple[str, ...]
    rows: Mapping[str, int]


def make_country(
    out: Path,
    *,
    persons: int,
    seed: int,
    dirty: bool = False,
    programme: Literal["core", "full"] = "core",
    progress: Progress | None = None,
) -> CountrySummary:
    """Write a country of exactly ``persons`` persons to ``out``; the same arguments give the same bytes of every file.

    ``programme``: what is delivered: by every municipality three files and by the land registry one (``core``), or by
    fifteen municipalities five each and by five national suppliers one each (``full``: 80 deliveries).
    ``out`` is absent, empty, or an earlier country, which is replaced whole when the new one is finished.
    ``progress(what, done, total)`` is called after each municipality.

    Raises:
        BadInput: ``out`` holds something else, or ``persons`` is outside 200 … 20 million.
        StorageFailed: the disk is full or not writable; what was there is intact.
    """
    full = programme == "full"
    plan = divide(persons, least=SUPPLYING_MUNICIPALITIES if full else 2)
    _may_replace(out)
    _remove_leftovers(out)
    numbers = NumberSpace(seed=seed, persons=persons, others=sum(place.unregistered + place.entities for place in plan))
    dwellings = 0
    areas = [("NL", "", "NL", "Nederland (verzonnen)", "The Netherlands (invented)")]
    with replacing_folder(out) as folder:
        with (
            RegisterFiles(folder / "registers", {**REGISTERS, **THEME_REGISTERS}) as registers,
            KeyRegisterFiles(folder / "key_register") as keys,
            DeliveryWriter(folder / "deliveries", plan, seed=seed, dirty=dirty, full=full) as deliveries,
            TruthFiles(folder / "truth") as truth,
            ThemeTruthFiles(folder / "truth", len(plan)) as theme_truth,
        ):
            for done, place in enumerate(plan, start=1):
                town = make_town(seed, place, numbers)
                for name, block in register_blocks(town, len(plan)):
                    registers.append(name, block)
                themes = make_themes(town, len(plan))
                for name, block in theme_blocks(town, themes):
                    registers.append(name, block)
                keys.append(town)
                truth.append(town, deliveries.append(town))
                theme_truth.append(town, themes)
                areas += region_rows(place, town.areas)
                dwellings += town.objects.homes
                if progress is not None:
                    progress(f"municipality {place.code}", done, len(plan))
        if dirty:
            deliveries.write_ledger(folder / "truth" / "defects.parquet")
            deliveries.write_verdicts(folder / "truth" / "deliveries.parquet")
        _write_regions(folder / "classifications" / "region_2016.csv", areas)
        rows = {
            **{f"registers/{name}": count for name, count in registers.rows.items()},
            **{f"key_register/{name}": count for name, count in keys.rows.items()},
            **{f"deliveries/{name}": count for name, count in deliveries.rows.items()},
        }
        files = tuple(sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()))
        document = {
            "watermark": WATERMARK,
            "seed": seed,
            "persons": persons,
            "dirty": dirty,
            "reference_date": "2016-01-01",
            "municipalities": [place.code for place in plan],
            "dwellings": dwellings,
            "rows": rows,
            "sha256": {name: sha256_of(folder / name) for name in files},
        }
        text = json.dumps(document, indent=1, ensure_ascii=False)
        (folder / "country.json").write_text(text + "\n", encoding="utf-8")
    return CountrySummary(len(plan), persons, dwellings, (*files, "country.json"), rows)


def _may_replace(out: Path) -> None:
    if not out.exists():
        return
    if out.is_dir() and not any(out.iterdir()):
        return
    if not _is_country(out):
        raise BadInput(
            "the folder holds something that is not a synthetic country, so it is left alone",
            where=out.name,
            next_step="name a folder that does not exist yet, or empty this one yourself",
        )


def _remove_leftovers(out: Path) -> None:
    """What a killed run for the same place left half-written beside it."""
    for left in sorted(out.parent.glob(f".{out.name}{TEMPORARY_MARK}*")):
        shutil.rmtree(left, ignore_errors=True)


def _is_country(out: Path) -> bool:
    try:
        found = json.loads((out / "country.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.get("watermark") == WATERMARK


def _write_regions(path: Path, rows: list[tuple[str, str, str, str, str]]) -> None:
    import csv

    path.parent.mkdir(parents=True)
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(("code", "parent", "level", "label_nl", "label_en"))
        writer.writerows(rows)
