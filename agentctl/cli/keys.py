"""The keys of a terminal, from the bytes that it sends."""

import re

_NAMES = {
    "A": "up",
    "B": "down",
    "C": "right",
    "D": "left",
    "H": "home",
    "F": "end",
    "1~": "home",
    "7~": "home",
    "4~": "end",
    "8~": "end",
    "5~": "pageup",
    "6~": "pagedown",
}
_CONTROLS = {
    "\r": "enter",
    "\n": "enter",
    "\x7f": "backspace",
    "\x08": "backspace",
    "\x06": "pagedown",
    "\x02": "pageup",
}
_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O[@-~])")
_BEGUN = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|O)?\Z")


class Keys:
    """Takes what a terminal sends, in whatever pieces it comes, and tells the keys: characters and names.

    Sequences that are no key of ours tell nothing.
    """

    def __init__(self) -> None:
        self._bytes = b""
        self._text = ""

    @property
    def is_begun(self) -> bool:
        """Whether an escape was sent that may be the beginning of a longer sequence."""
        return bool(self._text)

    def take(self, data: bytes) -> list[str]:
        """Take some bytes; return the keys that they complete."""
        text = self._text + self._decoded(data)
        keys: list[str] = []
        place = 0
        while place < len(text):
            if sequence := _SEQUENCE.match(text, place):
                keys += _named(sequence[0])
                place = sequence.end()
            elif _BEGUN.match(text, place):
                break
            else:
                keys += _key(text[place])
                place += 1
        self._text = text[place:]
        return keys

    def end(self) -> list[str]:
        """Say that nothing followed for a while: what was begun is the escape key."""
        begun, self._text = self._text, ""
        return ["escape"] if begun else []

    def _decoded(self, data: bytes) -> str:
        whole = self._bytes + data
        cut = len(whole)
        for back in range(1, min(4, len(whole)) + 1):
            byte = whole[-back]
            if byte >= 0xC0:  # a character that may not be here whole
                cut = len(whole) - back if back < (2 if byte < 0xE0 else 3 if byte < 0xF0 else 4) else cut
                break
            if byte < 0x80:
                break
        self._bytes = whole[cut:]
        return whole[:cut].decode("utf-8", "replace")


def _named(sequence: str) -> list[str]:
    name = _NAMES.get(sequence[2:])
    return [name] if name else []


def _key(character: str) -> list[str]:
    if character in _CONTROLS:
        return [_CONTROLS[character]]
    if character == "\x1b":
        return ["escape"]
    return [character] if character.isprintable() else []
