"""What a person looks for, as SQLite's full-text search asks for it.

Words, "phrases", -without and begin* are all there is; whatever else a person writes is text to be found.
"""

import re
import unicodedata

from agentctl.errors import UsageError

_MOST_TERMS = 64
_TERM = re.compile(r'(?P<no>-(?=[^\s-]))?(?:"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+))(?P<star>\*)?')
_WITHOUT_SPACES = re.compile("[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]")
_OWN = dict.fromkeys((*range(4), 0x1F), " ")

BEGIN, END, BETWEEN = "\x01", "\x02", "\x1f"
"""The marks around what was found, and what parts the characters of scripts that put no spaces between words."""


def indexed(text: str) -> str:
    """Return text as it is indexed: without our own marks, and with each character apart where words are not."""
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode("utf-8")
        return _WITHOUT_SPACES.sub(rf"{BETWEEN}\g<0>{BETWEEN}", text.translate(_OWN))
    return text.translate(_OWN)


def matching(text: str) -> str:
    """Return the expression for what a person wrote. Raises UsageError where there is nothing to look for."""
    wanted: list[str] = []
    unwanted: list[str] = []
    for term in _TERM.finditer(text):
        said = term["word"] if term["phrase"] is None else term["phrase"]
        begins = bool(term["star"]) or (term["phrase"] is None and said.endswith("*"))
        if _has_words(said):
            (unwanted if term["no"] else wanted).append(_quoted(said) + (" *" if begins else ""))
    if not wanted:
        raise UsageError(
            "there is nothing to look for", hint='words are letters and digits: agentctl search "disk full" -warning'
        )
    if len(wanted) + len(unwanted) > _MOST_TERMS:
        raise UsageError(f"more than {_MOST_TERMS} words are looked for", hint='text as it stands is a "phrase"')
    found = f"({' AND '.join(wanted)})"
    return f"{found} NOT ({' OR '.join(unwanted)})" if unwanted else found


def _quoted(said: str) -> str:
    return '"' + indexed(said).replace('"', '""') + '"'


def _has_words(text: str) -> bool:
    """Say whether anything of a text is indexed: letters, digits and what is for private use."""
    return any(unicodedata.category(each)[0] in "LN" or unicodedata.category(each) == "Co" for each in text)
