"""docs/store.md against what is printed."""

import json
import re
from typing import Any

from tests.cli.program import ROOT
from tests.cli.test_output_docs import members

PAGE = (ROOT / "docs" / "store.md").read_text(encoding="utf-8")
OBJECTS = {body["schema"]: body for body in map(json.loads, re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))}


def described(printed: dict[str, Any]) -> None:
    """The page has every member of the object, and no other."""
    assert members(OBJECTS[printed["schema"]]) == members(printed)
