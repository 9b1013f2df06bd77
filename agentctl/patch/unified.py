"""The difference of two texts as hunks of a unified diff."""

from collections.abc import Iterator, Sequence

from agentctl.patch.regions import Region, regions

CONTEXT = 3
"""Lines around a change that are shown, and by which its place is found again."""

_NO_NEWLINE = b"\n\\ No newline at end of file\n"


def hunks(old: bytes, new: bytes) -> Iterator[bytes]:
    """Yield the lines of all hunks that turn ``old`` into ``new``, each with its line break."""
    before, after = _lines(old), _lines(new)
    for group in _groups(regions(before, after)):
        yield from _hunk(before, after, group)


def _lines(data: bytes) -> list[bytes]:
    """Split at line feeds, and nowhere else: a carriage return belongs to its line."""
    *lines, last = data.split(b"\n")
    whole = [line + b"\n" for line in lines]
    return [*whole, last] if last else whole


def _groups(found: Sequence[Region]) -> Iterator[list[Region]]:
    """Put those together whose surroundings meet."""
    group: list[Region] = []
    for region in found:
        if group and region.old_start - group[-1].old_end > 2 * CONTEXT:
            yield group
            group = []
        group.append(region)
    if group:
        yield group


def _hunk(old: Sequence[bytes], new: Sequence[bytes], group: Sequence[Region]) -> Iterator[bytes]:
    first, last = group[0], group[-1]
    lead = min(CONTEXT, first.old_start)
    trail = min(CONTEXT, len(old) - last.old_end)
    at = first.old_start - lead
    yield b"@@ -%b +%b @@\n" % (_span(at, last.old_end + trail), _span(first.new_start - lead, last.new_end + trail))
    for region in group:
        yield from _marked(b" ", old[at : region.old_start])
        yield from _marked(b"-", old[region.old_start : region.old_end])
        yield from _marked(b"+", new[region.new_start : region.new_end])
        at = region.old_end
    yield from _marked(b" ", old[at : at + trail])


def _span(start: int, end: int) -> bytes:
    """Write where lines stand; what is empty stands behind the line before it."""
    length = end - start
    place = start + 1 if length else start
    return b"%d" % place if length == 1 else b"%d,%d" % (place, length)


def _marked(mark: bytes, lines: Sequence[bytes]) -> Iterator[bytes]:
    for line in lines:
        yield mark + line if line.endswith(b"\n") else mark + line + _NO_NEWLINE
