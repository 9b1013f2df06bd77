"""What people do in a sandbox goes on, however sealed it is."""

from pathlib import Path

import pytest

from tests.cli.program import agentctl
from tests.sandbox.boxes import AGENT, BASE, KINDS, Box

WORK = """set -e
git init -q . && git -c user.name=a -c user.email=b@c commit -q --allow-empty -m x
mkdir thing tests && echo 'def two(): return 2' >thing/__init__.py
python3 -m venv --without-pip venv && cp -r thing venv/lib/python3*/site-packages/ && rm -r thing
cat >tests/test_thing.py <<'END'
import unittest, thing
class Test(unittest.TestCase):
    def test(self): self.assertEqual(thing.two(), 2)
END
venv/bin/python -m unittest discover -s tests 2>&1 | tail -1
python3 - <<'END'
import asyncio, http.server, multiprocessing, threading, urllib.request
from multiprocessing import shared_memory
class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_): pass
def square(number): return number * number
with multiprocessing.Pool(2) as pool: assert pool.map(square, range(4)) == [0, 1, 4, 9]
memory = shared_memory.SharedMemory(create=True, size=1 << 20); memory.close(); memory.unlink()
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
threading.Thread(target=server.serve_forever, daemon=True).start()
assert urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/").status == 200
async def child(): return await (await asyncio.create_subprocess_exec("true")).wait()
assert asyncio.run(child()) == 0
print("all of it")
END
"""


@pytest.mark.parametrize("kind", KINDS)
def test_ordinary_work_goes_on(tmp_path: Path, kind: str) -> None:
    """git, a virtual environment, a test suite, processes, threads, shared memory, servers on the loopback."""
    box = Box(kind, tmp_path)
    said = box.says(f"bash <<'WORK'\n{WORK}WORK")
    box.sandbox.close()
    assert said == "OK\nall of it"


@pytest.mark.docker
def test_python_packages_are_installed_and_c_is_compiled(tmp_path: Path) -> None:
    """Sanitizers trace their own processes, as debuggers do."""
    box = Box("docker", tmp_path, packages={"apt": ["gcc", "libc6-dev", "python3-venv"]}, ca_bundle="host")
    try:
        source = "int main(void){int *p = malloc(4); *p = 41; return *p + 1;}"
        box.tool("write", file_path="a.c", content=f"#include <stdlib.h>\n{source}\n")
        assert "[exit code 42]" in box.says("gcc -g a.c -o a && ./a")
        assert "LeakSanitizer: detected memory leaks" in box.says("gcc -g -fsanitize=address a.c -o b && ./b")
        box.says("mkdir -p p/thing && touch p/thing/__init__.py && python3 -m venv venv")
        box.tool("write", file_path="p/setup.py", content="import setuptools; setuptools.setup(name='thing')")
        said = box.says("venv/bin/pip install --no-index --no-build-isolation ./p 2>&1 | tail -1")
        assert said.startswith("Successfully installed thing")
    finally:
        box.sandbox.close()


DEB = """set -e
mkdir -p p/DEBIAN p/usr/share/probe
printf 'Package: probe\\nVersion: 1\\nArchitecture: all\\nMaintainer: x <x@x>\\nDescription: x\\n' >p/DEBIAN/control
cat >p/DEBIAN/postinst <<'END'
#!/bin/sh
set -e
adduser --system --group --quiet probe
install -d -o probe -g probe -m 2750 /var/lib/probe
END
chmod 755 p/DEBIAN/postinst
dpkg-deb -b p probe.deb >/dev/null
apt-get install -qq -y ./probe.deb >/dev/null
dpkg-query -W -f '${Status}\\n' probe; stat -c '%U %G %a' /var/lib/probe; git init -q . && git status -s | head -1
"""


@pytest.mark.docker
def test_root_installs_packages_with_few_capabilities(tmp_path: Path) -> None:
    box = Box("root", tmp_path)
    said = box.says(f"bash <<'DEB'\n{DEB}DEB")
    box.sandbox.close()
    assert "install ok installed\nprobe probe 2750" in said
    assert "dubious" not in said


@pytest.mark.docker
def test_a_session_whose_programs_are_root_says_so_on_screen(tmp_path: Path) -> None:
    (tmp_path / "agent.yaml").write_text(AGENT)
    (tmp_path / "environment.yaml").write_text(f"name: r\nconfig: {{type: docker, image: {BASE}, user: root}}\n")
    (tmp_path / "script.yaml").write_text("- tools: [{name: bash, input: {command: id}}]\n- text: Done.\n")
    script = f"script:{tmp_path / 'script.yaml'}"
    done = agentctl("run", tmp_path / "agent.yaml", "go", "-e", tmp_path / "environment.yaml", "--model", script)
    assert "root inside" in done.err
    assert "docker, root inside" in agentctl("show", "@").out
