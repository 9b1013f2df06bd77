"""Packages whose ``__init__`` waits until it is needed, for one that loads thousands of modules.

Most of such an ``__init__`` gathers names from the modules beside it. A package that is deferred has all its
modules and the names that they give it, each loaded when it is asked for, and so the very objects that it has
otherwise; whatever else is asked of it has its ``__init__`` run, as if it had just been imported. A package whose
``__init__`` could be seen to do more than gather is imported as usual.
"""

import ast
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import find_spec
from types import ModuleType
from typing import Any, TypeAlias

_Gathered: TypeAlias = dict[str, tuple[str, str]]
"""Names, each with the module it comes from and its name there; no name for the module itself."""

_LOCK = threading.RLock()


@contextmanager
def deferred(top: str, within: Sequence[str]) -> Iterator[None]:
    """Defer the package ``top``, whatever it does, and those packages ``within`` it that only gather names.

    It holds for what this block imports. ``within`` are full names; what is below them is meant too. Nothing
    happens where ``top`` is loaded already.
    """
    if top in sys.modules:
        yield
        return
    finder = _Finder(top, within)
    # New lists: another thread that imports goes through the one that it has found, and must not miss a place of it.
    sys.meta_path = [finder, *sys.meta_path]
    try:
        yield
    finally:
        sys.meta_path = [each for each in sys.meta_path if each is not finder]


def forget(top: str) -> None:
    """Have a package and all below it imported anew when they are next asked for."""
    for name in [name for name in sys.modules if name == top or name.startswith(f"{top}.")]:
        del sys.modules[name]


def gathered(source: str) -> _Gathered | None:
    """Return what an ``__init__`` gathers from the modules beside it; None where it may do more than that.

    It may also make names of its own, of which nothing is said here.
    """
    names: _Gathered = {}
    own: set[str] = set()
    for statement in ast.parse(source).body:
        match statement:
            case ast.ImportFrom(level=1, names=aliases) if all(alias.name != "*" for alias in aliases):
                names |= _from(statement.module, aliases)
            case ast.ImportFrom(level=0, names=aliases) | ast.Import(names=aliases):
                own |= {alias.asname or alias.name for alias in aliases}
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                own.add(name)
            case ast.Expr(value=ast.Constant()):
                pass
            case _:
                return None
    # A name that is a module's too would mean one or the other, by what was imported first.
    modules = {module.lstrip(".").partition(".")[0] for module, name in names.values() if name}
    return None if names.keys() & (own | modules) else names


def _from(module: str | None, aliases: Sequence[ast.alias]) -> _Gathered:
    if module is None:
        return {alias.asname or alias.name: (f".{alias.name}", "") for alias in aliases}
    return {alias.asname or alias.name: (f".{module}", alias.name) for alias in aliases}


class _Deferred(ModuleType):
    """A package that has not been run."""

    def __getattr__(self, name: str) -> Any:
        loader = self.__loader__
        if isinstance(loader, _Loader):
            # No lock here: the import of a module has one, and whoever holds that may come to wait for ours.
            if name in loader.names:
                return _fetched(self, name, *loader.names[name])
            if loader.waits and not name.startswith("__") and find_spec(f"{self.__name__}.{name}"):
                return import_module(f"{self.__name__}.{name}")
            loader.run(self)
        if name in vars(self):
            return vars(self)[name]
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")

    def __dir__(self) -> list[str]:
        if isinstance(self.__loader__, _Loader):
            self.__loader__.run(self)
        return list(super().__dir__())


def _fetched(package: ModuleType, name: str, module: str, there: str) -> Any:
    found = import_module(module, package.__name__)
    value = getattr(found, there) if there else found
    setattr(package, name, value)
    return value


class _Loader(SourceFileLoader):
    """Makes a package without running it, which ``waits`` from when it is made until it is run."""

    def __init__(self, name: str, path: str, names: _Gathered) -> None:
        super().__init__(name, path)
        self.names = names
        self.waits = False

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the package as it is before it is run."""
        return _Deferred(spec.name)

    def exec_module(self, module: ModuleType) -> None:  # noqa: ARG002 - it stays as it is
        """Leave it as it is."""
        self.waits = True

    def run(self, module: ModuleType) -> None:
        """Run it after all, or wait for the thread that does; what fails is run again by whoever asks next."""
        with _LOCK:
            if not self.waits:
                return
            self.waits = False
            try:
                super().exec_module(module)
            except BaseException:
                self.waits = True
                raise


class _Finder:
    """Finds the packages that can be deferred; leaves all else to the finders behind it."""

    def __init__(self, top: str, within: Sequence[str]) -> None:
        self._top = top
        self._within = tuple(within)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how a package is made and not run; None for what is imported as usual."""
        if fullname != self._top and not f"{fullname}.".startswith(tuple(f"{name}." for name in self._within)):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or not spec.submodule_search_locations or type(spec.loader) is not SourceFileLoader:
            return None
        source = spec.loader.get_source(fullname) or ""
        names: _Gathered | None = {} if fullname == self._top else gathered(source)
        if names is None:
            return None
        spec.loader = _Loader(fullname, spec.loader.path, names)
        return spec
