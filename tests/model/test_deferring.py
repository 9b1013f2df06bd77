"""A package that is deferred gives what it gives otherwise, and loads what it is asked for."""

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from agentctl.model.deferring import gathered

ROOT = Path(__file__).parents[2]
SDK_NAMES = (
    "APIConnectionError",
    "APIResponse",
    "APIStatusError",
    "Anthropic",
    "AnthropicError",
    "DefaultHttpxClient",
    "Stream",
)


def python(code: str, *places: Path, **environment: str) -> str:
    """Run Python with folders to import from; return what it prints."""
    path = ":".join(map(str, (*places, ROOT)))
    run = subprocess.run(
        [sys.executable, "-c", dedent(code)],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": path, "PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **environment},
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package ``top``, which does more than gather, and ``top.sub``, which gathers from ``red`` and ``blue``."""
    sub = tmp_path / "top" / "sub"
    sub.mkdir(parents=True)
    (tmp_path / "top" / "__init__.py").write_text("from .sub import Red\nprint('top runs')\nBEYOND = 1\n")
    (sub / "__init__.py").write_text(
        '"""Colours."""\nfrom .red import Red as Red\nfrom .blue import (\n    Blue,\n)\nN = 3\n'
    )
    (sub / "red.py").write_text("print('red runs')\nclass Red: ...\n")
    (sub / "blue.py").write_text("print('blue runs')\nclass Blue: ...\n")
    return tmp_path


@pytest.mark.parametrize(
    ("code", "printed"),
    [
        ("from top.sub import Red", "red runs"),
        ("import top.sub.blue", "blue runs"),
        ("from top.sub import blue, Blue; assert blue.Blue is Blue", "blue runs"),
        ("from top.sub import N; print(N)", "red runs blue runs 3"),
        ("import top; print(top.BEYOND)", "red runs top runs 1"),
        ("import top; print(top.sub.Red.__module__)", "red runs top.sub.red"),
        ("import top.sub; print('Blue' in dir(top.sub))", "red runs blue runs True"),
        ("from top.sub import *; print(Red, N)", "red runs blue runs <class 'top.sub.red.Red'> 3"),
        ("import top.sub; print(hasattr(top.sub, 'green'), hasattr(top.sub, 'N'))", "red runs blue runs False True"),
    ],
)
def test_what_is_asked_for_is_loaded_and_no_more(package: Path, code: str, printed: str) -> None:
    said = python(
        f"""
        from agentctl.model.deferring import deferred
        with deferred("top", ["top.sub"]):
            import top.sub
        {code}
        """,
        package,
    )
    assert said.split() == printed.split()


def test_names_are_the_same_objects_whichever_way_they_came(package: Path) -> None:
    said = python(
        """
        from agentctl.model.deferring import deferred
        with deferred("top", ["top.sub"]):
            from top.sub import Red
        import top, top.sub.red
        assert top.BEYOND and top.Red is Red is top.sub.Red is top.sub.red.Red
        """,
        package,
    )
    assert said.split("\n") == ["red runs", "top runs"]


def test_nothing_is_deferred_of_what_is_loaded_already(package: Path) -> None:
    said = python(
        """
        import top
        from agentctl.model.deferring import deferred
        with deferred("top", ["top.sub"]):
            import top.sub
        """,
        package,
    )
    assert said.split("\n") == ["red runs", "blue runs", "top runs"]


def test_threads_that_load_parts_of_each_other_do_not_wait_for_each_other_for_ever(package: Path) -> None:
    (package / "top" / "sub" / "red.py").write_text(
        "import sys, time\nsys.begun.set()\ntime.sleep(0.3)\nfrom top.sub import Blue\nclass Red: ...\n"
    )
    said = python(
        """
        import sys, threading
        from agentctl.model.deferring import deferred
        sys.begun = threading.Event()
        with deferred("top", ["top.sub"]):
            import top.sub
        def load():
            import top.sub.red
        first = threading.Thread(target=load, daemon=True)
        first.start()
        sys.begun.wait()
        found = []
        second = threading.Thread(target=lambda: found.append(top.sub.Red), daemon=True)
        second.start()
        for thread in (first, second):
            thread.join(10)
        print(found == [sys.modules["top.sub.red"].Red])
        """,
        package,
    )
    assert said.split("\n") == ["blue runs", "True"]


def test_threads_that_need_what_a_package_makes_itself_run_it_once(package: Path) -> None:
    init = package / "top" / "sub" / "__init__.py"
    init.write_text(f"{init.read_text()}import time\ntime.sleep(0.2)\nLATE = 4\n")
    init.write_text(init.read_text().replace("time.sleep(0.2)", "PAUSE = time.sleep(0.2)"))
    said = python(
        """
        import threading
        from agentctl.model.deferring import deferred
        with deferred("top", ["top.sub"]):
            import top.sub
        found = []
        threads = [threading.Thread(target=lambda: found.append(top.sub.LATE)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(*found)
        """,
        package,
    )
    assert said.split("\n") == ["red runs", "blue runs", "4 4 4 4"]


def test_what_could_not_be_run_says_why_each_time(package: Path) -> None:
    (package / "top" / "sub" / "blue.py").write_text("raise ValueError('no blue')\n")
    said = python(
        """
        from agentctl.model.deferring import deferred
        with deferred("top", ["top.sub"]):
            import top.sub
        for _ in range(2):
            try:
                top.sub.N
            except ValueError as error:
                print(error)
        """,
        package,
    )
    assert said.split("\n") == ["red runs", "no blue", "no blue"]


@pytest.mark.parametrize(
    "source",
    [
        "from .red import *",
        "from .red import Red\nprint('more')",
        "from .red import Red\nRed = None",
        "from .red import Red\nif True:\n    pass",
        "from .red import Red\nfrom json import loads as Red",
        "from .red import red",
        "from .red import Red\nRed.shade = 1",
        "from ..red import Red",
        "import os as Red\nfrom .red import Red",
    ],
)
def test_an_init_that_may_do_more_than_gather_is_not_deferred(source: str) -> None:
    names = gathered(source)
    assert names is None or "Red" not in names


def test_names_are_gathered_from_modules_and_with_other_names() -> None:
    source = "from __future__ import annotations\nfrom .red import Red as Rot, Pink\nfrom . import blue\nX: int = 1\n"
    assert gathered(source) == {"Rot": (".red", "Red"), "Pink": (".red", "Pink"), "blue": (".blue", "")}


def test_the_sdk_gives_the_very_objects_that_it_gives_otherwise_and_loads_less() -> None:
    said = python(
        f"""
        import sys
        from agentctl.model import sdk
        few = len(sys.modules)
        import anthropic, anthropic.types, anthropic.resources.messages
        for name in {SDK_NAMES}:
            assert getattr(sdk, name) is getattr(anthropic, name), name
        assert sdk.Messages is anthropic.resources.messages.Messages
        print(few, len(sys.modules))
        """
    )
    few, all_of_it = map(int, said.split())
    assert few < 0.7 * all_of_it


def test_the_sdk_is_whole_for_whoever_uses_it_beside_us() -> None:
    code = """
        from types import ModuleType
        import anthropic
        from anthropic import *
        from anthropic.types import *
        for package in (anthropic, anthropic.types, anthropic.types.beta):
            print([n for n in dir(package) if n[0] != '_' and not isinstance(getattr(package, n), ModuleType)])
        print(NotFoundError, Message)
    """
    plain = python(code)
    assert python(f"import agentctl.model.sdk\n{dedent(code)}") == plain
    assert "NotFoundError" in plain


def test_an_sdk_of_another_make_is_imported_as_usual(tmp_path: Path) -> None:
    place = tmp_path / "anthropic"
    (place / "resources").mkdir(parents=True)
    lines = "\n".join(f"class {name}: ..." for name in SDK_NAMES)
    (place / "__init__.py").write_text(f"from . import types\nprint('runs')\n{lines}\n")
    (place / "types.py").write_text("")
    (place / "_client.py").write_text("class Anthropic: ...\n")
    (place / "resources" / "__init__.py").write_text("")
    (place / "resources" / "messages.py").write_text("class Messages: ...\n")
    said = python(
        """
        from agentctl.model import sdk
        import anthropic
        assert sdk.Anthropic is anthropic.Anthropic
        """,
        tmp_path,
    )
    assert said == "runs"


def test_the_sdk_sets_up_its_log_where_it_is_told_to() -> None:
    code = "import logging, agentctl.model.sdk; print(logging.getLogger('anthropic').level)"
    assert python(code, ANTHROPIC_LOG="debug") == "10"
