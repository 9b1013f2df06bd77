"""Numbers as people read them."""

import re
from datetime import datetime
from decimal import Decimal, InvalidOperation

_NOTHING = re.compile(r"\.0(?=s)| 00?[smh]$")
_SIZES = ("kB", "MB", "GB", "TB")


def money(dollars: Decimal | None) -> str:
    """Write an amount in US dollars: ``$0.0423``, ``$1.20``; one that is not known is ``no price``."""
    if dollars is None:
        return "no price"
    if dollars == 0:
        return "$0"
    return f"${dollars:.2f}" if dollars >= 1 else f"${dollars:.4f}"


def amount(text: object) -> Decimal | None:
    """Read an amount of money as the record has it. Returns None for what is none."""
    try:
        return None if text is None else Decimal(str(text))
    except InvalidOperation:
        return None


def whole(value: object) -> int:
    """Read a number of things as the record has it; 0 for what is none."""
    return value if isinstance(value, int) and value >= 0 else 0


def count(number: int) -> str:
    """Write a large number in few characters: ``950``, ``12.3k``, ``1.2M``."""
    if number < 1000:
        return str(number)
    if number < 999_950:
        return f"{number / 1000:.1f}k"
    return f"{number / 1_000_000:.1f}M"


def many(number: int, noun: str) -> str:
    """Write a number with its noun: ``1 call``, ``2 calls``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """Write a time span: ``0.3s``, ``42s``, ``1m 12s``, ``2h 05m``, ``3d 4h``."""
    seconds = max(0.0, seconds)
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02}s"
    if whole < 86_400:
        return f"{whole // 3600}h {whole % 3600 // 60:02}m"
    return f"{whole // 86_400}d {whole % 86_400 // 3600}h"


def span(seconds: float) -> str:
    """Write a time span that somebody chose, without what is nothing of it: ``5s``, ``30m``, ``2h``, ``1h 30m``."""
    return _NOTHING.sub("", duration(seconds))


def size(number: int) -> str:
    """Write a number of bytes: ``0 B``, ``2.1 kB``, ``34 MB``."""
    if number < 1000:
        return f"{number} B"
    place = 0
    value = number / 1000
    while value >= 999.5 and place < len(_SIZES) - 1:
        value, place = value / 1000, place + 1
    return f"{value:.1f} {_SIZES[place]}" if value < 9.95 else f"{value:.0f} {_SIZES[place]}"


def age(then: datetime | None, now: datetime) -> str:
    """Write how long ago a moment was, in its largest unit: ``now``, ``3m``, ``2h``, ``5d``."""
    if then is None:
        return "?"
    seconds = (now - then).total_seconds()
    for unit, length in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        if seconds >= length:
            return f"{int(seconds // length)}{unit}"
    return "now"
