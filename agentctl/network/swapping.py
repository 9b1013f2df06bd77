"""Secrets in the place of their placeholders: in the fields of a request, and in its body."""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote_plus

from agentctl.network.messages import Head
from agentctl.vault.opened import Swap


def in_header(head: Head, swaps: Sequence[Swap]) -> tuple[Head, list[str]]:
    """Return a request's head with its secrets, and the names of those that were put in.

    Basic authorization is looked into. The address itself is left alone: servers write it into their logs.
    """
    used: list[str] = []
    fields = list(head.fields)
    for swap in swaps:
        if swap.in_header:
            swapped = [(name, _in_value(name, value, swap)) for name, value in fields]
            if swapped != fields:
                used.append(swap.name)
            fields = swapped
    return replace(head, fields=tuple(fields)), used


def in_body(head: Head, swaps: Sequence[Swap]) -> Mapping[bytes, tuple[str, bytes]]:
    """Return what is to be replaced in a request's body: each placeholder, with a name and the secret.

    In JSON and in forms the secret is written as it must be there. A body that is packed is left alone.
    """
    if head.words("content-encoding") - {"identity"}:
        return {}
    kind = "".join(head.all("content-type")).partition(";")[0].strip().lower()
    return {
        swap.placeholder.encode("ascii"): (swap.name, _written(swap.secret, kind).encode("utf-8"))
        for swap in swaps
        if swap.in_body
    }


def _in_value(name: str, value: str, swap: Swap) -> str:
    scheme, _, rest = value.partition(" ")
    if name.lower() == "authorization" and scheme.lower() == "basic":
        return f"{scheme} {_in_base64(rest.strip(), swap)}"
    return value.replace(swap.placeholder, swap.secret)


def _in_base64(text: str, swap: Swap) -> str:
    try:
        plain = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return text
    swapped = plain.replace(swap.placeholder.encode("ascii"), swap.secret.encode("utf-8"))
    return text if swapped == plain else base64.b64encode(swapped).decode("ascii")


def _written(secret: str, kind: str) -> str:
    if kind == "application/json" or kind.endswith("+json"):
        return json.dumps(secret)[1:-1]
    if kind == "application/x-www-form-urlencoded":
        return quote_plus(secret)
    return secret
