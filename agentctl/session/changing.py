"""A frozen value with some members changed, for folds that do it for each of a hundred thousand events.

``dataclasses.replace`` looks at every field each time and runs the constructor; this copies slots.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from operator import attrgetter
from typing import Any, TypeAlias, TypeVar

Value = TypeVar("Value")

_Setter: TypeAlias = Callable[[object, object], None]
_Shape: TypeAlias = tuple[Callable[[object], tuple[object, ...]], tuple[_Setter, ...], Mapping[str, _Setter]]

_SHAPES: dict[type, _Shape] = {}


def changed(value: Value, **members: object) -> Value:
    """Return a copy of a frozen dataclass with slots, in which ``members`` are others.

    As ``dataclasses.replace`` for one whose constructor does nothing but keep what it is given.
    """
    values_of, setters, by_name = _SHAPES.get(type(value)) or _shape(type(value))
    copy: Value = object.__new__(type(value))
    for put, member in zip(setters, values_of(value), strict=True):
        put(copy, member)
    for name, member in members.items():
        by_name[name](copy, member)
    return copy


def _shape(kind: Any) -> _Shape:
    names = [field.name for field in fields(kind)]
    by_name = {name: getattr(kind, name).__set__ for name in names}
    _SHAPES[kind] = shape = (attrgetter(*names), tuple(by_name.values()), by_name)
    return shape
