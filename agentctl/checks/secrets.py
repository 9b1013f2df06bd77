"""A check that no secret is in a record: none that is known here, and nothing that looks like a well-known key."""

import json
import re
from collections.abc import Iterator

from agentctl.checks.base import PASS, Verdict
from agentctl.events.codec import encode
from agentctl.redaction import Redactor
from agentctl.session.log import Record
from agentctl.shapes import shapes_in

_MARK = re.compile(r"\[redacted:([^\]]+)\]")


class NoSecrets:
    """Looks at every text of every event; says what kind of secret it found, and never which."""

    name = "no_secrets"

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._found: Verdict | None = None

    def add(self, record: Record) -> None:
        """Take one more event."""
        if self._found is not None:
            return
        for text in _texts(encode(record.event)):
            if (name := self._secret_in(text)) is not None:
                self._found = Verdict("fail", f"{name} is in it", record.seq)
                return

    def verdict(self) -> Verdict:
        """Say whether there is one."""
        return self._found or PASS

    def _secret_in(self, text: str) -> str | None:
        marked = self._redactor.text(text)
        if marked is not text:
            names = [name for name in _MARK.findall(marked) if f"[redacted:{name}]" not in text]
            return f"the secret {names[0] if names else '(known here)'}"
        found = shapes_in(text)
        return f"what looks like {found[0]}" if found else None


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for name, inner in value.items():
                yield from _texts(name)
                yield from _texts(inner)
        case list():
            for inner in value:
                yield from _texts(inner)
        case _:
            yield json.dumps(value)
