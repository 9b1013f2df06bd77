"""What ``--help`` shows of a command: how it is called, in words that are not Python's, and examples that hold."""

import re
import shlex
from importlib import import_module

import pytest
import typer

from agentctl.cli.help import EXAMPLES
from agentctl.cli.main import COMMANDS, module_of
from tests.cli.program import agentctl


@pytest.mark.parametrize(
    ("words", "usage"),
    [
        ("run", "[OPTIONS] AGENT [MESSAGE]"),
        ("approve", "[OPTIONS] SESSION [TOOL_USE_ID]..."),
        ("diff", "[OPTIONS] A B [C]..."),
        ("outputs", "[OPTIONS] SESSION [PATH]..."),
        ("validate", "[OPTIONS] FILE..."),
        ("schema", "[OPTIONS] KIND"),
        ("env rm", "[OPTIONS] [NAME|TAG|FILE]..."),
        ("vault add", "[OPTIONS] NAME VARIABLE [-]"),
    ],
)
def test_arguments_have_their_names_and_no_types(words: str, usage: str) -> None:
    help_text = agentctl(*words.split(), "--help", COLUMNS="80").out
    assert help_text.splitlines()[0].endswith(f" {words} {usage}")
    assert not re.search(r"<(str|path|int|list)", help_text)


def test_what_is_a_word_of_a_few_says_which() -> None:
    assert "KIND <agent|environment|" in agentctl("schema", "--help").out


def test_a_list_of_commands_says_all_of_what_each_does() -> None:
    told = " ".join(agentctl("vault", "--help", COLUMNS="80").out.split())
    assert "its secret is asked for, or read from standard input." in told


@pytest.mark.parametrize(("name", "line"), [(name, line) for name, lines in EXAMPLES.items() for line in lines])
def test_examples_name_options_that_there_are(name: str, line: str) -> None:
    program, command, *words = shlex.split(re.split(r" [|>] ", line)[0])
    assert (program, command) == ("agentctl", name)
    assert name in COMMANDS
    parameters = typer.main.get_command(import_module(module_of(name)).app).params
    known = {option for parameter in parameters for option in parameter.opts}
    assert {word for word in words if word.startswith("--") or word in ("-d", "-e", "-f", "-m", "-o")} <= known


def test_examples_stand_below_the_options_as_they_are_typed() -> None:
    told = agentctl("diff", "--help", COLUMNS="40").out
    assert "\n  Examples:\n    agentctl diff @~1 @\n" in told
    assert "\n    agentctl diff =good @ --layer trajectory,files --all\n" in told
