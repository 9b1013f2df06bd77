"""Where agentctl keeps things; the one reader of HOME and AGENTCTL_HOME."""

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs


@dataclass(frozen=True, slots=True)
class Home:
    """The folder of one store: ``$AGENTCTL_HOME``, or the user's data directory for agentctl."""

    root: Path

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.root / "agentctl.db"

    @property
    def blobs(self) -> Path:
        """Large payloads, each once, named by their SHA-256."""
        return self.root / "blobs"

    @property
    def anchors(self) -> Path:
        """The head of each session's hash chain, kept outside the database."""
        return self.root / "anchors"

    @property
    def leases(self) -> Path:
        """One lock file for each session, held by the process that runs it."""
        return self.root / "leases"

    @property
    def prices(self) -> Path:
        """The prices of this user's own, if there are any."""
        return self.root / "prices.yaml"

    @property
    def builds(self) -> Path:
        """Logs of image builds."""
        return self.root / "builds"

    @property
    def sandboxes(self) -> Path:
        """Working directories of sandboxes that live on the host's own file system."""
        return self.root / "sandboxes"

    @property
    def logs(self) -> Path:
        """What runs in the background print, one file each."""
        return self.root / "logs"

    @property
    def vaults(self) -> Path:
        """Vaults, one encrypted file each, and the file that locks them for writing."""
        return self.root / "vaults"

    @property
    def vault_key(self) -> Path:
        """The key to the vaults, where it is kept in a file."""
        return self.root / "vault.key"

    @property
    def verify_key(self) -> Path:
        """The key that the heads of sessions are sealed with, where it is kept in a file."""
        return self.root / "verify.key"

    @property
    def search(self) -> Path:
        """What searching and counting have read of the record; can be made again at any time."""
        return self.root / "search.db"

    @property
    def reports(self) -> Path:
        """Reports of bugs, one file each."""
        return self.root / "reports"


def home() -> Home:
    """Find the store of this user. Nothing is made."""
    chosen = os.environ.get("AGENTCTL_HOME")
    if chosen:
        return Home(Path(chosen).expanduser().absolute())
    return Home(Path(platformdirs.user_data_dir("agentctl", appauthor=False)))
