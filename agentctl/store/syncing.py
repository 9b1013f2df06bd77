"""Making what was written durable: a file, a folder, or all of a file system at once."""

import ctypes
import os
from pathlib import Path


def sync(place: Path) -> None:
    """Wait until a file, or the names in a folder, would survive a power cut. Raises OSError."""
    descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file_system(folder: Path) -> None:
    """Do the same for everything on the file system that a folder is on; one wait for thousands of files.

    Raises OSError.
    """
    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if syncfs is None:  # not Linux
        os.sync()
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if syncfs(descriptor):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(descriptor)
