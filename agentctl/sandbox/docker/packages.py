"""Which packages two images have in other versions."""

import contextlib
import json
from pathlib import Path

from agentctl.errors import SandboxError
from agentctl.sandbox.docker.asking import ask_image
from agentctl.sandbox.docker.containers import owner_of
from agentctl.sandbox.docker.daemon import connect, explained
from agentctl.sandbox.docker.image import image_id

_PROGRAM = r"""
import glob, json, re
found = {"pip": {}, "Debian": {}}
for pattern in ("/usr/lib/python3*/*-packages", "/usr/local/lib/python3*/*-packages", "/opt/*/lib/python3*/*-packages"):
    for path in glob.glob(pattern + "/*.dist-info") + glob.glob(pattern + "/*.egg-info"):
        match = re.fullmatch(r"([^/]+?)-([^-/]+)(?:-py[\d.]+)?\.(?:dist|egg)-info", path.rsplit("/", 1)[1])
        if match:
            found["pip"][match[1].replace("_", "-").lower()] = match[2]
try:
    with open("/var/lib/dpkg/status", encoding="utf-8", errors="replace") as status:
        for entry in status.read().split("\n\n"):
            fields = dict(re.findall(r"^(Package|Version|Status): (.*)$", entry, re.M))
            if "installed" in fields.get("Status", ""):
                found["Debian"][fields["Package"]] = fields["Version"]
except OSError:
    pass
print(json.dumps(found, separators=(",", ":")))
"""


def packages_of(builds: Path, image: str) -> dict[str, dict[str, str]] | None:
    """Return the versions of an image's packages, by kind and name; None where it is gone or does not say.

    ``builds`` tells whose the container is in which it is asked.
    """
    try:
        with contextlib.closing(connect()) as client, explained():
            if image_id(client, image) is None:
                return None
            answer = json.loads(ask_image(client, image, _PROGRAM, {}, owner_of(builds)))
    except (SandboxError, ValueError):
        return None
    return {str(kind): {str(name): str(version) for name, version in each.items()} for kind, each in answer.items()}
