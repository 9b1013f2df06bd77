"""Two runs of the same example, one with a package moved, as a person has them: the program, Docker, and no key."""

import io
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agents import TESTER
from tests.cli.program import agentctl
from tests.mutations.bench import FIRST_LINES
from tests.mutations.setting import package

IMAGE = "agentctl-test-mutations"


SCRIPT = """\
- tools: [{name: bash, input: {command: "printf 'a bb ccc' > row.txt"}}]
- tools: [{name: bash, input: {command: "%s importlib.metadata as m; print(m.version(\'tabler\'))\\""}}]
- tools: [{name: bash, input: {command: "%s tabler; print(tabler.widths(open(\'row.txt\').read()))\\""}}]
- text: Done.
""".replace("%s", 'python3 -B -c \\"import')

DOCKERFILE = """\
FROM agentctl-base:bookworm
COPY *.whl /tmp/
RUN python3 -m zipfile -e /tmp/*.whl /usr/lib/python3/dist-packages && rm /tmp/*.whl
"""


def wheel(version: str, more: str) -> tuple[str, bytes]:
    """Return a wheel as installers take it: its name, and what it holds."""
    info = f"tabler-{version}.dist-info"
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for path, (text, _) in package(version, more).items():
            archive.writestr(path.removeprefix("lib/"), text)
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", f"tabler.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return f"tabler-{version}-py3-none-any.whl", held.getvalue()


def build(folder: Path, version: str, more: str = "") -> None:
    """Make the image of that tag one that has this version."""
    context = folder / version
    context.mkdir()
    name, data = wheel(version, more)
    (context / name).write_bytes(data)
    (context / "Dockerfile").write_text(DOCKERFILE)
    subprocess.run(["docker", "build", "--quiet", "--tag", IMAGE, str(context)], check=True, capture_output=True)


@pytest.fixture
def project(tmp_path: Path, docker_answers: None) -> Iterator[Path]:
    (tmp_path / "agent.yaml").write_text(TESTER)
    (tmp_path / "script.yaml").write_text(SCRIPT)
    (tmp_path / "environment.yaml").write_text(f"name: boxed\nconfig: {{type: docker, image: '{IMAGE}'}}\n")
    yield tmp_path
    for session in ("@", "@~1", "@~2"):
        shown = agentctl("show", session, "-o", "json")
        if shown.code == 0:
            agentctl("env", "rm", shown.json["sandbox"]["image_tag"])
    subprocess.run(["docker", "rmi", "--force", IMAGE], check=False, capture_output=True)


def run(project: Path) -> str:
    done = agentctl(
        "run", project / "agent.yaml", "Set the table.", "-e", project / "environment.yaml",
        "--model", f"script:{project / 'script.yaml'}", "-o", "json", "-q",
    )  # fmt: skip
    assert done.code == 0, done.err
    return str(done.json["session_id"])


@pytest.mark.docker
def test_a_package_that_moved_is_named_in_the_first_lines_of_diff_and_of_which_moved(project: Path) -> None:
    build(project, "1.0.0")
    yesterday = run(project)
    same = agentctl("rerun", yesterday, "--which-moved", "-e", project / "environment.yaml", "-q")
    build(project, "1.1.0", "+ 1")
    today = run(project)

    found = agentctl("diff", yesterday, today)
    moved = agentctl("rerun", yesterday, "--which-moved", "-e", project / "environment.yaml", "-q")

    assert (same.code, same.out.splitlines()[0]) == (0, "neither moved: environment and model do what they did")
    assert (found.code, moved.code) == (1, 1)
    assert found.out.splitlines()[0] == "package moved: tabler 1.0.0 -> 1.1.0 (pip)"
    assert moved.out.splitlines()[0].startswith("environment moved: pip package tabler 1.0.0 -> 1.1.0 (#")
    assert "tabler 1.0.0 -> 1.1.0" in "\n".join(moved.out.splitlines()[:FIRST_LINES])
    body = agentctl("diff", yesterday, today, "--layer", "header", "-o", "json").json
    assert body["packages"]["a"] == body["packages"]["b"] > 50
    assert [each["what"] for each in body["layers"][0]["differences"][:2]] == [
        "package: tabler",
        "environment: image digest",
    ]
    assert agentctl("verify", today).code == 0
