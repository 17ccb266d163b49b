"""SoftHSM (Debian's ``softhsm2``): tokens in a folder of the test, by the interface that real ones have."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pseudonymise.unlocking import TokenLock

MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so")
PIN = b"4321-pin"
TOKENS = 24


def module() -> str:
    """The library, or the test is skipped with the reason."""
    found = next((path for path in MODULES if Path(path).exists()), None)
    if found is None or shutil.which("softhsm2-util") is None:
        pytest.skip("needs Debian's softhsm2")
    return found


def make_tokens(folder: Path, count: int = TOKENS) -> None:
    """Tokens ``t0``, ``t1``, … in ``folder``; this process and its children find them there."""
    command = shutil.which("softhsm2-util") or module()
    (folder / "tokens").mkdir(parents=True)
    configuration = folder / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    for number in range(count):
        subprocess.run(
            [command, "--init-token", "--free", "--label", f"t{number}", "--so-pin", "so-pin-0", "--pin", PIN],
            check=True,
            capture_output=True,
        )


@pytest.fixture(scope="session")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Iterator[TokenLock]]:
    """Unused tokens, one after another: the library reads its configuration once per process."""
    before = os.environ.get("SOFTHSM2_CONF")
    make_tokens(tmp_path_factory.mktemp("softhsm"))
    yield (TokenLock(module(), f"t{number}", PIN) for number in range(TOKENS))
    if before is None:
        del os.environ["SOFTHSM2_CONF"]
    else:
        os.environ["SOFTHSM2_CONF"] = before


@pytest.fixture
def token_lock(tokens: Iterator[TokenLock]) -> TokenLock:
    """A token that no test has used."""
    return next(tokens)
