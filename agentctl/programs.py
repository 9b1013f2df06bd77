"""Programs of this machine, found where the person's PATH says and never in the folder one happens to be in."""

import os
import shutil
from pathlib import Path


def find_program(name: str) -> str | None:
    """Return the absolute path of a program. Returns None where no absolute folder of PATH has it."""
    return shutil.which(name, path=os.pathsep.join(absolute_path()))


def absolute_path() -> list[str]:
    """Return the folders of PATH that are absolute: others would be folders of wherever one works."""
    return [folder for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if Path(folder).is_absolute()]
