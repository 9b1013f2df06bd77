"""Every case of the catalogue of faults and attacks on the sandbox has a test that names it."""

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CASES = {
    "E": (1, 2, 3, 4, 5, 6, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18),  # getting out, and privilege
    "N": (1, 2, 3, 4, 5, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17),  # the network
    "K": (1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14),  # credentials
    "T": (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17),  # tools
    "O": (1, 3, 4, 5, 6, 7, 9),  # what comes out
    "B": (10,),  # mounts
}
NAMED = re.compile(r"\b[A-Z]\d{1,2}\b")
COMMENT = re.compile(r"#(.*)$|\"\"\"(.*?)\"\"\"|id=\"([^\"]*)\"", re.MULTILINE)


@pytest.fixture(scope="module")
def named() -> set[str]:
    """Return what comments, docstrings and ids of test files name."""
    texts = (path.read_text(encoding="utf-8") for path in HERE.rglob("test_*.py") if path != Path(__file__))
    return {name for text in texts for match in COMMENT.finditer(text) for name in NAMED.findall(match[0])}


@pytest.mark.parametrize("case", [f"{kind}{number}" for kind, numbers in CASES.items() for number in numbers])
def test_a_case_of_the_catalogue_has_a_test_that_names_it(case: str, named: set[str]) -> None:
    assert case in named
