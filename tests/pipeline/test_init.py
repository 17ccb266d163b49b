"""The options of ``zicht init``: three passphrases named alike, and those of other commands under the same names."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from enclave.errors import Tampered
from enclave.signatures import SigningKey
from pipeline.main import app
from pipeline.office import open_office, utc_now
from pipeline.progress import Style, Teller
from pipeline.research import ResearchDesk
from pseudonymise.custody import Custody
from tests.conftest import CHECKOUT


@pytest.mark.parametrize("custodian", ["--custodian-passphrase-file", "--passphrase-file"])
def test_each_passphrase_opens_what_its_option_names(tmp_path: Path, custodian: str) -> None:
    options = []
    for name, option in {
        "custodian": custodian,
        "root": "--root-passphrase-file",
        "service": "--service-passphrase-file",
    }.items():
        (tmp_path / name).write_text(f"{name}\n")
        (tmp_path / name).chmod(0o600)
        options += [option, str(tmp_path / name)]
    (tmp_path / "data").mkdir()
    places = ["--data", tmp_path / "data", "--configs", CHECKOUT / "configs", "--workspace", tmp_path / "run"]
    done = CliRunner().invoke(app, ["init", *map(str, places), *options, "--threads", "1"])
    assert done.exit_code == 0, done.exception
    Custody.open(tmp_path / "run/keys", b"custodian")
    SigningKey.load(tmp_path / "run/keys/release.pem", b"root")
    SigningKey.load(tmp_path / "run/gate/signing.pem", b"service")
    assert yaml.safe_load((tmp_path / "run/office.yaml").read_text())["threads"] == 1
    desk = ResearchDesk(open_office(tmp_path / "run"), Teller(Style.PLAIN), actor="gate")
    desk.gate_files().check(utc_now())
    (tmp_path / "run/gate/noise.key").write_bytes(bytes(32))  # before the first check
    with pytest.raises(Tampered, match=r"noise\.key was changed"):
        desk.policy()
