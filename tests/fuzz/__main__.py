"""Coverage-guided fuzzing of one parser: ``python -m tests.fuzz csv --seconds 60`` (``--keep FOLDER`` for the corpus).

Atheris (libFuzzer) follows which branches of our own modules an input reaches and mutates what reached new ones. The
exit code is not 0 when an input crashes the parser, takes longer than 20 s or more than 2 GiB, or when an error tells a
value; the input is then written to the folder of ``--keep``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["enclave", "pseudonymise", "linkage", "output_control", "pipeline"]):
    from tests.fuzz.command_targets import ALL_TARGETS
    from tests.fuzz.targets import attempt

LARGEST = 1 << 16


def main() -> None:
    """Run one target for a while."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=ALL_TARGETS)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        kept = options.keep or Path(folder)
        kept.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(ALL_TARGETS[options.target].seeds()):
            (kept / f"seed-{number}").write_bytes(seed)
        limits = [f"-max_total_time={options.seconds}", f"-max_len={LARGEST}", "-timeout=20", "-rss_limit_mb=2048"]
        limits += ["-seed=1", f"-artifact_prefix={kept}/", "-print_final_stats=1"]
        atheris.Setup([sys.argv[0], *limits, str(kept)], lambda content: attempt(ALL_TARGETS[options.target], content))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
