"""An installation: its workspace, its settings file, and how passphrases reach a process.

``office.yaml`` in the workspace says where configuration and registers lie, relative to the workspace, so that two
checkouts at different paths hold the same bytes.
"""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from enclave.classifications import Classification, load_classification
from enclave.entropy import Entropy, SecureEntropy, SeededEntropy
from enclave.errors import BadInput, KeyUnavailable, NotReady, Tampered
from enclave.files import write_text
from enclave.journal import Journal
from enclave.project import Project, load_project
from enclave.signatures import PublicKey, load_public
from enclave.yaml_files import NotYaml, read_fields
from enclave.zones import Workspace, Zone
from pseudonymise.unlocking import Given

SETTINGS = "office.yaml"
ROOT_PUBLIC = "release.pub"
ROSTER = "roster.json"
CHECK_REFUSED = "check refused"
"""What the journal calls a check that the gate refused."""
EngineName = Literal["duckdb", "spark"]


class Settings(BaseModel):
    """``office.yaml``; paths are relative to the workspace."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    project: str
    configs: str
    registers: str
    key_register: str
    data_roots: tuple[str, ...] = ()
    engine: EngineName = "duckdb"
    threads: int = Field(default=2, ge=1, le=256)
    memory_gib: float = Field(default=4.0, gt=0)
    demo_seed: int | None = None


@dataclass(frozen=True, slots=True)
class Office:
    """One installation, opened."""

    workspace: Workspace
    settings: Settings
    project: Project

    @property
    def configs(self) -> Path:
        """The folder of policies, schemas, classifications and projects."""
        return self._path(self.settings.configs)

    @property
    def registers(self) -> Path:
        """The statistical office's register files."""
        return self._path(self.settings.registers)

    @property
    def key_register(self) -> Path:
        """The office's identified key register; read by the custodian only."""
        return self._path(self.settings.key_register)

    @property
    def key_folder(self) -> Path:
        """Where the project's key tables lie."""
        return self.workspace.path(Zone.KEY) / self.project.name

    @property
    def journal(self) -> Journal:
        """The journal of this workspace."""
        return Journal(self.workspace.journal)

    @property
    def root_public(self) -> PublicKey:
        """The office's root public key, which signs the roster and the release key."""
        return load_public(self.public_key(ROOT_PUBLIC))

    def public_key(self, name: str) -> Path:
        """The file of a public key, readable for everyone.

        Raises:
            Tampered: the folder or the file is a link.
            NotReady: none was published: in a workspace of an earlier version, the custodian's next command does it.
        """
        file = self.workspace.public_keys / name
        if self.workspace.public_keys.is_symlink() or file.is_symlink():
            raise Tampered(
                "public keys are no links", where=f"{file.parent.name}/{name}", next_step="tell the custodian"
            )
        if not file.is_file():
            raise NotReady(
                "the public keys have not been published",
                where=f"{file.parent.name}/{name}",
                next_step="zicht init makes them; where keys are already, the custodian runs zicht receive",
            )
        return file

    @property
    def entropy(self) -> Entropy:
        """The system's generator; in the demo the seed."""
        seed = self.settings.demo_seed
        return SecureEntropy() if seed is None else SeededEntropy(seed)

    def classifications(self) -> Mapping[str, Classification]:
        """All classifications of the configuration, by name."""
        files = sorted((self.configs / "classifications").glob("*.yaml"))
        return {file.stem: self._classification(file) for file in files}

    def classification(self, name: str) -> Classification | None:
        """One of them, whatever is wrong with others; None where there is none of that name."""
        file = self.configs / "classifications" / f"{name}.yaml"
        return self._classification(file) if file.is_file() else None

    def classification_files(self) -> dict[str, Path]:
        """The files that :meth:`classifications` reads, for fingerprints."""
        files = sorted((self.configs / "classifications").glob("*.yaml"))
        listed = {file.name: file for file in files}
        for root in self.settings.data_roots:
            listed |= {
                f"data/{path.name}": path for path in sorted((self._path(root) / "classifications").glob("*.csv"))
            }
        return listed

    def _classification(self, file: Path) -> Classification:
        return load_classification(file, [self._path(root) for root in self.settings.data_roots])

    def _path(self, relative: str) -> Path:
        return (self.workspace.root / relative).resolve()


def settings_for(
    workspace: Path,
    data: Path,
    configs: Path,
    *,
    project: str,
    engine: EngineName = "duckdb",
    threads: int = 2,
    demo_seed: int | None = None,
) -> Settings:
    """Settings for ``data`` (registers, key register, classifications) and ``configs``, relative to the workspace.

    Raises:
        BadInput: a folder is missing.
    """
    for folder in (data, configs):
        if not folder.is_dir():
            raise BadInput("there is no such folder", where=folder.name)
    relative = os.path.relpath(data.resolve(), workspace.resolve())
    return Settings(
        project=project,
        configs=os.path.relpath(configs.resolve(), workspace.resolve()),
        registers=f"{relative}/registers",
        key_register=f"{relative}/key_register",
        data_roots=(relative,),
        engine=engine,
        threads=threads,
        demo_seed=demo_seed,
    )


def create_office(root: Path, settings: Settings) -> Office:
    """Make the zones and write ``office.yaml``; an existing one with other settings is refused.

    Raises:
        BadInput: the workspace belongs to an installation with other settings.
    """
    file = root / SETTINGS
    text = yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=True)
    if file.is_file() and file.read_text() != text:
        raise BadInput(
            "this workspace was made with other settings",
            where=str(SETTINGS),
            next_step="take another workspace, or remove this one when nothing in it is needed",
        )
    workspace = Workspace(root)
    workspace.create()
    if not file.is_file():
        write_text(file, text, mode=0o644)
    return open_office(root)


def open_office(root: Path) -> Office:
    """Open the installation in ``root``.

    Raises:
        NotReady: there is none.
        BadInput: its settings or its project file do not hold.
    """
    try:
        settings = Settings(**read_fields((root / SETTINGS).read_bytes()))
    except FileNotFoundError:
        raise NotReady(
            "there is no Zicht workspace here",
            where=root.name,
            next_step="zicht init --workspace DIR, or name an existing one with --workspace",
        ) from None
    except (ValidationError, NotYaml):
        raise BadInput("the settings do not hold", where=SETTINGS) from None
    configs = (root / settings.configs).resolve()
    return Office(Workspace(root), settings, load_project(configs / "projects" / f"{settings.project}.yaml"))


def read_passphrase(purpose: str, file: Path | None) -> bytes:
    """The passphrase from ``file``, from the file that ``ZICHT_PASSPHRASE_FILE`` names, or asked on the terminal.

    Never from the command line or the environment itself, where other processes could read it.

    Raises:
        KeyUnavailable: no file and no terminal, or the file may be read by others.
    """
    named = file or (Path(os.environ["ZICHT_PASSPHRASE_FILE"]) if "ZICHT_PASSPHRASE_FILE" in os.environ else None)
    if named is None:
        if not sys.stdin.isatty():
            raise KeyUnavailable(f"no passphrase for {purpose}", next_step="give --passphrase-file FILE (mode 0600)")
        return getpass.getpass(f"Passphrase for {purpose}: ").encode()
    try:
        if named.stat().st_mode & 0o077:
            raise KeyUnavailable("others may read the passphrase file", where=named.name, next_step="chmod 600 it")
        return named.read_bytes().rstrip(b"\n")
    except (FileNotFoundError, PermissionError):
        raise KeyUnavailable("the passphrase file cannot be read", where=named.name) from None


def read_given(key_zone: Path, file: Path | None) -> Given:
    """What opens the custodian's key store: a passphrase, a token's PIN, or the passphrases of several keepers.

    For several keepers ``file`` (or ``ZICHT_PASSPHRASE_FILE``) names several files, separated as in ``PATH``; without
    one, each keeper is asked in turn.

    Raises:
        KeyUnavailable: as :func:`read_passphrase`.
    """
    from pseudonymise.key_store import opened_by  # locks files as Windows does not, where suppliers work

    what, persons = opened_by(key_zone)
    purpose = f"the custodian's key store ({what})"
    if persons == 1:
        return read_passphrase(purpose, file)
    named = str(file) if file else os.environ.get("ZICHT_PASSPHRASE_FILE", "")
    files = [Path(part) for part in named.split(os.pathsep) if part]
    if files:
        return [read_passphrase(purpose, part) for part in files]
    return [read_passphrase(f"{purpose}, keeper {number}", None) for number in range(1, persons + 1)]


def utc_now() -> datetime:
    """The present moment."""
    return datetime.now(UTC)
