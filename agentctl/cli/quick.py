"""Commands whose values are read without pydantic, which takes longer to load than these commands to run.

Typer 0.29 builds a pydantic adapter for every value of every command, whatever its type. Here the
few kinds of value that the looking commands take are read by hand; everything else is Typer's.
"""

from collections.abc import Callable
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, get_args, get_origin

import typer
from typer.core import TyperCommand

_MOST_WHOLE = 2**63 - 1
"""The largest whole number that SQLite takes."""


class QuickCommand(TyperCommand):
    """A command whose parameters are strings, numbers, paths, enumerations, flags, or lists of these."""

    def get_params(self, ctx: Any) -> Any:
        """Return the parameters, ``--help`` among them."""
        return read_quickly(super().get_params(ctx))


def read_quickly(parameters: list[Any]) -> list[Any]:
    """Have the values of these parameters read without pydantic. Raises TypeError for a kind that cannot be."""
    for parameter in parameters:
        parameter.get_runtime_param = partial(_Reader, parameter.type_descriptor)
    return parameters


class _Reader:
    """Turns what stands on the command line into a value, as Typer's own adapters do."""

    def __init__(self, described: Any) -> None:
        annotation = described.annotation
        is_list = get_origin(annotation) is list
        self._kind: type[Any] = get_args(annotation)[0] if is_list else annotation
        self._is_list = is_list
        self._least, self._most = described.parameter_info.min, described.parameter_info.max
        if self._kind not in (str, int, float, bool, Path) and not issubclass(self._kind, Enum):
            raise TypeError(f"a quick command cannot take {annotation}")

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the value of a parameter; raises BadParameter."""
        try:
            if self._is_list:
                return [self._one(item) for item in value or ()]
            return None if value is None else _in_utf8(self._one(value))
        except ValueError as error:
            raise typer.BadParameter(str(error), ctx=ctx, param=param) from None

    def _one(self, text: Any) -> Any:
        if isinstance(text, self._kind):
            return text
        if issubclass(self._kind, Enum):
            return _member(self._kind, text)
        if self._kind in (int, float):
            return self._within(_number(self._kind, text))
        return self._kind(text)

    def _within(self, number: float) -> float:
        if self._least is not None and not number >= self._least:
            raise ValueError(f"{number} is less than {self._least}.")
        most = _MOST_WHOLE if self._most is None and self._kind is int else self._most
        if most is not None and not number <= most:
            raise ValueError(f"{number} is more than {most}.")
        return number


def _in_utf8(value: Any) -> Any:
    """Refuse a text with other bytes in it; in lists they may be names of files, and paths are no texts."""
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError(f"{value!a} is not written in UTF-8.") from None
    return value


def _number(kind: Callable[[str], float], text: str) -> float:
    try:
        return kind(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a number.") from None


def _member(kind: type[Enum], text: str) -> Enum:
    try:
        return kind(text)
    except ValueError:
        raise ValueError(f"{text!r} is not one of {', '.join(repr(item.value) for item in kind)}.") from None
