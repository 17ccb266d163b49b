"""τ-ARGUS beside `zicht protect`, live: its input from a reference folder, its run, and our audit of its pattern.

It gets what we protect: the hierarchies and, per cell that is not empty, count, value, whether it is primary, and the
levels. Codes are numbers of equal width, since it pads others. Formats: τ-ARGUS manual 4.1, chapter 4 (tabular data,
batch); the order of commands is that of pytauargus's README.
"""

from __future__ import annotations

import resource
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from output_control.alone.instance import Instance, read_instance
from output_control.audit import audit
from output_control.protection import Options, Pattern, Witnesses, demand
from output_control.tables.rules import PrimaryResult
from output_control.tables.table import BoolArray, CellTable, Dimension, FloatArray, cell_keys

PEER = Path(__file__).parent / "peers" / "tau_argus.py"
REQUIREMENTS = PEER.with_suffix(".txt")
INPUT, PATTERN, BATCH = "table.tab", "pattern.tab", "run.arb"
WAITING = 10
"""How many times the CPU seconds that it is granted it may take by the clock, on a busy machine."""
LOOKED_AT = 100
"""Of how many primaries at most it is looked at what sole contributors know: seconds each without witnesses."""


@dataclass(frozen=True, slots=True)
class Method:
    """How τ-ARGUS is asked.

    Without ``from_zero`` as `results.csv` was made: its own bounds, and of counts the levels of its rule FREQ(n,10),
    a tenth of the count in whole numbers. With it an attacker knows no more than ours does, and the tenth stays one.
    """

    name: str
    command: str
    from_zero: bool = False


METHODS = (
    Method("targ_opt", "OPT(1,60)"),
    Method("targ_mod", "MOD(1,60,1,1,1)"),
    Method("targ_gh", "GH(1,0,0,1)"),
    Method("targ_opt_zero", "OPT(1,60)", from_zero=True),
)


@dataclass(frozen=True, slots=True)
class Live:
    """What a method gave: why nothing, or the secondaries, their value, and what our audit says of the pattern.

    ``exposed`` is None where sole contributors were not looked at.
    """

    method: str
    cpu: float
    fault: str | None = None
    secondary: int = 0
    value: float = 0.0
    failed: int = 0
    exact: int = 0
    exposed: int | None = None

    def safe(self, *, singletons: bool) -> bool:
        """Whether our audit found every primary safe (with ``singletons``: from sole contributors too)."""
        return self.fault is None and not self.failed and (not singletons or self.exposed == 0)


def version(python: str) -> str | None:
    """Of pytauargus in the interpreter, or None when it has none."""
    try:
        done = subprocess.run([_interpreter(python), str(PEER)], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _interpreter(python: str) -> str:
    """Its whole path, not resolved: an environment is known by the link."""
    return str(Path.cwd() / (shutil.which(python) or python))


def live(python: str, folder: Path, method: Method, seconds: int) -> Live:
    """Run one method on one reference folder within ``seconds`` of CPU, and audit what it gives."""
    instance = read_instance(folder)
    sensitive = instance.sensitive(instance.rules)
    with tempfile.TemporaryDirectory() as scratch:
        write_batch(Path(scratch), instance.table, sensitive, method)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        fault = _run(python, Path(scratch), method, seconds)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        if fault:
            return Live(method.name, cpu, fault)
        hidden, marked = read_pattern(Path(scratch) / PATTERN, instance.table)
    if not np.array_equal(marked, sensitive.mask):
        return Live(method.name, cpu, "it took other cells for primary than it was told")
    return _audited(instance, sensitive, hidden, method.name, cpu)


def _run(python: str, folder: Path, method: Method, seconds: int) -> str | None:
    """Why there is no answer, if there is none; where it runs it leaves logs."""
    command = [_interpreter(python), str(PEER), str(folder / BATCH), str(seconds), *["zero"] * method.from_zero]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=WAITING * seconds
        )
    except subprocess.TimeoutExpired:
        return f"no answer in {WAITING * seconds} s by the clock"
    if done.returncode == -signal.SIGXCPU:
        return f"no answer in {seconds} CPU s"
    if done.returncode < 0:
        return f"ended by {signal.Signals(-done.returncode).name}"
    if done.returncode:
        return (done.stdout.strip() or done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
    return None if (folder / PATTERN).is_file() else "it wrote no table"


def write_batch(folder: Path, table: CellTable, primary: PrimaryResult, method: Method) -> None:
    """The table, its description, its hierarchies and the commands."""
    described = ['<SEPARATOR> ";"', '<SAFE> "S"', '<UNSAFE> "U"']
    for position, dim in enumerate(table.dims):
        described += [f"d{position}", "  <RECODABLE>", '  <TOTCODE> "T"']
        lines = _hierarchy(dim)
        if any(line.startswith("@") for line in lines):
            name = f"d{position}.hrc"
            _write(folder / name, lines)
            described += ["  <HIERARCHICAL>", f'  <HIERCODELIST> "{name}"', '  <HIERLEADSTRING> "@"']
    decimals = 0 if table.integral and not method.from_zero else 6
    described += ["value", "  <NUMERIC>", f"  <DECIMALS> {decimals}", "units", "  <FREQUENCY>", "status", "  <STATUS>"]
    described += ["low", "  <NUMERIC> <LOWERPL>", "up", "  <NUMERIC> <UPPERPL>"]
    _write(folder / "table.rda", described)
    names = "".join(f'"d{position}"' for position in range(len(table.dims)))
    commands = [f'<OPENTABLEDATA> "{INPUT}"', '<OPENMETADATA> "table.rda"', f'<SPECIFYTABLE> {names}|"value"||']
    commands += ["<SAFETYRULE>", "<READTABLE> 0", f"<SUPPRESS> {method.command}"]
    _write(folder / BATCH, [*commands, f'<WRITETABLE> (1,5,SO+,"{PATTERN}")'])
    down, up = _levels(table, primary, method)
    columns = [pa.array(_codes(dim)[table.codes[:, position]]) for position, dim in enumerate(table.dims)]
    columns += [pa.array(table.value), pa.array(table.freq.astype(np.int64))]
    columns += [pa.array(np.where(primary.mask, "U", "S")), pa.array(down), pa.array(up)]
    rows = pa.table(columns, names=[str(place) for place in range(len(columns))])
    plain = pa_csv.WriteOptions(include_header=False, delimiter=";", quoting_style="none")
    pa_csv.write_csv(rows, folder / INPUT, plain)


def _levels(table: CellTable, primary: PrimaryResult, method: Method) -> tuple[FloatArray, FloatArray]:
    """Down and up per cell; `demand` asks of a count only that it is not known, which τ-ARGUS cannot be told."""
    if not table.integral:
        asked = demand(table, primary, Options())
        return asked.down, asked.up
    tenth = np.where(primary.mask, table.value / 10, 0.0)
    tenth = tenth if method.from_zero else np.ceil(tenth)
    return tenth, tenth


def _codes(dim: Dimension) -> np.ndarray[tuple[int], np.dtype[np.str_]]:
    """What stands for each code: its number, and T for the root."""
    numbers = np.char.zfill(np.arange(len(dim.codes)).astype(np.str_), len(str(len(dim.codes))))
    numbers[0] = "T"
    return numbers


def _hierarchy(dim: Dimension) -> list[str]:
    """Each code below its parent, with an @ per level; the codes of a dimension stand so already."""
    below = zip(_codes(dim)[1:].tolist(), dim.depth[1:].tolist(), strict=True)
    return ["@" * (depth - 1) + code for code, depth in below]


def _write(path: Path, lines: list[str]) -> None:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_pattern(path: Path, table: CellTable) -> tuple[BoolArray, BoolArray]:
    """Which cells τ-ARGUS hides, and which of them it takes for primary; per cell of ``table``.

    Its lines: a code per dimension, value, count, cost, status (U, M for secondary, S, E for empty), two levels.
    """
    parse = pa_csv.ParseOptions(delimiter=";")
    first = pa_csv.read_csv(path, pa_csv.ReadOptions(autogenerate_column_names=True), parse).column_names
    text = pa_csv.ConvertOptions(column_types=dict.fromkeys(first, pa.string()))
    rows = pa_csv.read_csv(path, pa_csv.ReadOptions(autogenerate_column_names=True), parse, text)
    codes = np.stack(
        [np.char.replace(rows[place].to_numpy().astype(np.str_), "T", "0") for place in range(len(table.dims))], axis=1
    )
    keys, status = cell_keys(codes.astype(np.int32), table.shape), rows[-3].to_numpy().astype(np.str_)
    order = np.argsort(keys)
    place = order[np.minimum(np.searchsorted(keys[order], table.keys()), len(order) - 1)]
    found = np.where(keys[place] == table.keys(), status[place], "")
    return np.isin(found, ("U", "M")), found == "U"


def _audited(instance: Instance, sensitive: PrimaryResult, hidden: BoolArray, method: str, cpu: float) -> Live:
    table, secondary = instance.table, hidden & ~sensitive.mask
    value, number = float(table.value[secondary].sum()), int(sensitive.mask.sum())
    pattern = Pattern(hidden, secondary, Witnesses.none(len(table)), value, method, optimal=False, gap=None)
    look = table.integral or number <= LOOKED_AT
    checked = audit(table, sensitive, pattern, Options(singletons=look, coalition=instance.coalition))
    failed = max(checked.below_level, number - checked.checked)
    exposed = checked.singleton_exact if look else None
    return Live(method, cpu, None, int(secondary.sum()), value, failed, checked.exact, exposed)
