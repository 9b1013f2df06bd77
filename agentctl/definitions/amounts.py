"""Sizes and durations as people write them, in definitions and on the command line."""

import re
from decimal import Decimal

SIZE = r"([0-9]{1,19}(?:\.[0-9]{1,6})?) ?([kmgtKMGT]?)(?:[iI]?[bB])?"
DURATION = r"(?=.)(?:([0-9]{1,9})d)?(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9}(?:\.[0-9]{1,6})?)s)?"


def parse_size(text: str) -> int:
    """Read a size such as ``2g``, ``512m`` or ``1073741824`` in bytes; 1k is 1,024. Raises ValueError."""
    match = re.fullmatch(SIZE, text)
    if match is None:
        raise ValueError("must be a size such as 512m or 2g")
    return int(Decimal(match[1]) * 1024 ** " kmgt".index(match[2].lower() or " "))


def parse_duration(text: str) -> float:
    """Read a duration such as ``90s``, ``30m``, ``1h30m`` or ``2d`` in seconds. Raises ValueError."""
    match = re.fullmatch(DURATION, text)
    if match is None:
        raise ValueError("must be a duration such as 90s, 30m or 1h30m")
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
