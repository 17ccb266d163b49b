"""Keyed hashing side by side, in one run: ``python benchmarks/keyed_hash.py [ROWS ...]`` (default 1, 3 and 10 million).

Per size: a loop of ``hmac.digest``; vectorised AES-CMAC; a Parquet copy (BSN and three payload columns, streamed)
without hashing, and with every BSN checked and hashed. CPU seconds are the median of three runs, wall seconds the best.
Each copy runs in a process of its own, so that its peak memory is its own. A figure that misses its target makes the
exit code 1. With Debian's ``softhsm2`` installed, the
same hash by a key that does not leave a token is measured too.
"""

from __future__ import annotations

import hmac
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.measuring import exit_code, options, peak_mebibytes, positive, say, verdict
from enclave.allocator import keep_freed_memory
from enclave.frames import streamed
from enclave.identifiers import check
from pseudonymise.custody import CMAC
from pseudonymise.keyed_hash import HashKey, hash_values
from pseudonymise.token import Token

KEY = bytes(range(32))
SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"
BATCH_ROWS, GROUP_ROWS = 64 * 1024, 128 * 1024
REPEATS = 3
LOOP_ROWS = 500_000
WALL_TARGET, CPU_TARGET, LOOP_TARGET, MEMORY_TARGET = 1.2, 1.5, 50, 1024


def bsn_texts(start: int, rows: int) -> pa.Array:
    """Different numbers of nine digits that pass the eleven-test: eight digits and the ninth that fits, if one does."""
    prefixes = 10_000_000 + (np.arange(2 * start, 2 * (start + rows)) * 7_919) % 80_000_000
    digits = prefixes[:, None] // 10 ** np.arange(7, -1, -1) % 10
    last = digits @ np.arange(9, 1, -1) % 11
    nine = np.concatenate([digits, last[:, None]], axis=1)[last < 10][:rows].astype(np.uint8) + 48
    return pa.array(nine.view("S9").ravel()).cast(pa.string())


def write_input(path: Path, rows: int) -> None:
    """The file that is copied: ``bsn`` and three columns that cost what such columns cost."""
    rng = np.random.default_rng(1)
    schema = pa.schema([("bsn", pa.string()), ("amount", pa.float64()), ("day", pa.string()), ("count", pa.int64())])
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for start in range(0, rows, GROUP_ROWS):
            size = min(GROUP_ROWS, rows - start)
            days = pa.array([f"2016{m:02d}{d:02d}" for m in range(1, 13) for d in range(1, 29)])
            columns = [
                bsn_texts(start, size),
                pa.array(rng.integers(0, 10**7, size) / 100),
                days.take(pa.array(rng.integers(0, len(days), size))),
                pa.array(rng.integers(0, 50, size)),
            ]
            writer.write_table(pa.table(columns, schema=schema))


def copy(source: Path, target: Path, *, hashing: bool) -> None:
    """Stream ``source`` to ``target``, the BSN as it is or checked and hashed."""
    with streamed(source) as file:
        schema = file.schema_arrow
        if hashing:
            schema = schema.set(0, pa.field("bsn_hash", pa.binary(16)))
        encoded = [name for name in schema.names if name != "bsn_hash"]
        with pq.ParquetWriter(target, schema, compression="zstd", use_dictionary=encoded) as writer:
            for batch in file.iter_batches(batch_size=GROUP_ROWS, use_threads=False):
                columns = batch.columns
                if hashing:
                    columns[0] = hash_values(check("bsn", columns[0]).canonical, KEY, CMAC)
                writer.write_batch(pa.record_batch(columns, schema=schema), row_group_size=GROUP_ROWS)


def measured(work: Callable[[], object]) -> tuple[float, float]:
    """CPU seconds (median of :data:`REPEATS` runs) and wall seconds (the best: others may use the machine too)."""
    runs = []
    for _ in range(REPEATS):
        cpu, wall = time.process_time(), time.perf_counter()
        work()
        runs.append((time.process_time() - cpu, time.perf_counter() - wall))
    return statistics.median(cpu for cpu, _ in runs), min(wall for _, wall in runs)


def vectorised(values: pa.Array) -> None:
    """CMAC of all values, in batches as the stream has them."""
    for start in range(0, len(values), BATCH_ROWS):
        hash_values(values.slice(start, BATCH_ROWS), KEY, CMAC)


def one_copy(arguments: list[str]) -> None:
    """In a process of its own: copy, and print CPU, wall and peak memory (MiB)."""
    keep_freed_memory()
    how, source, target = arguments
    cpu, wall = time.process_time(), time.perf_counter()
    copy(Path(source), Path(target), hashing=how == "hashed")
    say(f"{time.process_time() - cpu} {time.perf_counter() - wall} {peak_mebibytes()}")


def in_own_process(how: str, source: Path) -> list[float]:
    """CPU seconds, wall seconds and peak MiB of one way to copy."""
    command = [sys.executable, __file__, "--copy", how, str(source), str(source.with_name(how))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [float(number) for number in done.stdout.split()]


def in_turn(source: Path) -> list[tuple[float, float, float]]:
    """Both copies one after the other, several times, so that what else the machine does hits both alike."""
    runs = [[in_own_process(how, source) for how in ("plain", "hashed")] for _ in range(REPEATS)]
    both = [list(zip(*(run[at] for run in runs), strict=True)) for at in (0, 1)]
    return [(statistics.median(cpu), min(wall), max(peak)) for cpu, wall, peak in both]


def compare_hashes(rows: int) -> None:
    """The loop against the whole column, per value."""
    values = pa.concat_arrays([bsn_texts(start, min(GROUP_ROWS, rows - start)) for start in range(0, rows, GROUP_ROWS)])
    texts = [text.encode() for text in values.slice(0, LOOP_ROWS).to_pylist()]
    loop_cpu = measured(lambda: [hmac.digest(KEY, text, "sha256")[:16] for text in texts])[0] / len(texts)
    cmac_cpu = measured(lambda: vectorised(values))[0] / rows
    say(f"  hmac.digest loop  {1e-6 / loop_cpu:8.2f} M rows per CPU-second ({len(texts):,} rows)")
    say(f"  AES-CMAC          {1e-6 / cmac_cpu:8.2f} M rows per CPU-second")
    say(f"  ratio             {loop_cpu / cmac_cpu:8.1f}   {verdict(loop_cpu / cmac_cpu, LOOP_TARGET, least=True)}")


def compare_token(rows: int) -> None:
    """CMAC through PKCS#11: the protocol's share of the cost; a real device adds its own."""
    command = shutil.which("softhsm2-util")
    if command is None or not Path(SOFTHSM).exists():
        say("  no softhsm2: the token was not measured")
        return
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "tokens").mkdir()
        Path(folder, "conf").write_text(f"directories.tokendir = {folder}/tokens\nlog.level = ERROR\n")
        os.environ["SOFTHSM2_CONF"] = f"{folder}/conf"
        made = [command, "--init-token", "--free", "--label", "bench", "--so-pin", "bench-so", "--pin", "bench"]
        subprocess.run(made, check=True, capture_output=True)
        token = Token.open(SOFTHSM, "bench", b"bench")  # a process loads the module, and its configuration, once
        token.make_cipher("key")
        key = HashKey(CMAC, token.cipher("key"), None)
        values = bsn_texts(0, min(rows, 1_000_000))
        cpu, wall = measured(
            lambda: [key.hash(values.slice(start, BATCH_ROWS)) for start in range(0, len(values), BATCH_ROWS)]
        )
        token.close()
    speed, seen = 1e-6 * len(values) / cpu, 1e-6 * len(values) / wall
    say(f"  in a token        {speed:8.2f} M rows per CPU-second ({seen:.1f} per wall second)")


def compare(rows: int, folder: Path) -> None:
    """All measurements at one size."""
    source = folder / "in.parquet"
    write_input(source, rows)
    say(f"{rows:,} rows")
    compare_hashes(rows)
    subprocess.run([sys.executable, __file__, "--token", str(rows)], check=True)
    plain, hashed = in_turn(source)
    for name, (cpu, wall, peak) in (("copy", plain), ("copy and hash", hashed)):
        say(f"  {name:<16}  {cpu:8.2f} CPU s  {wall:6.2f} wall s  {peak:6.0f} MiB peak")
    say(f"  wall ratio        {hashed[1] / plain[1]:8.2f}   {verdict(hashed[1] / plain[1], WALL_TARGET)}")
    say(f"  CPU ratio         {hashed[0] / plain[0]:8.2f}   {verdict(hashed[0] / plain[0], CPU_TARGET)}")
    say(f"  peak memory       {hashed[2]:8.0f}   {verdict(hashed[2], MEMORY_TARGET)}")


def main(arguments: list[str]) -> int:
    """Run for the sizes given, or the three usual ones."""
    parser = options(__doc__)
    parser.add_argument("rows", type=positive, nargs="*", default=[1_000_000, 3_000_000, 10_000_000])
    parser.add_argument("--copy", nargs=3, metavar=("HOW", "SOURCE", "TARGET"), help="one copy alone: plain or hashed")
    parser.add_argument("--token", type=positive, metavar="ROWS", help="the token alone")
    chosen = parser.parse_args(arguments)
    if chosen.copy:
        one_copy(chosen.copy)
    elif chosen.token:
        compare_token(chosen.token)
    else:
        pa.set_cpu_count(1)
        for rows in chosen.rows:
            with tempfile.TemporaryDirectory() as folder:
                compare(rows, Path(folder))
    return exit_code()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
