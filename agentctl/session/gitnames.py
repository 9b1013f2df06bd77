"""Names that git keeps for itself, which nothing that a session made may have outside its sandbox."""

import re

_IGNORED = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
_GITS_OWN = re.compile(r"(\.git|git~1)[. ]*(:.*)?", re.IGNORECASE | re.DOTALL)


def is_gits_own(path: str) -> bool:
    """Say whether a path leads into the folder of a repository, under any spelling that a file system may take.

    git itself refuses these (``verify_path`` in its ``read-cache.c``): the short name of Windows, endings that it
    drops, streams behind a colon, and the characters that the file system of macOS does not see.
    """
    return any(_GITS_OWN.fullmatch(_IGNORED.sub("", part)) for part in path.split("/"))
