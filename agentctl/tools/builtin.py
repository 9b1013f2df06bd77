"""The six tools of ``agent_toolset_20260401`` that run in the sandbox.

Names and inputs are those of the Managed Agents API. The texts are ours: they tell the model what
this sandbox does, which is what a description is for.
"""

from types import MappingProxyType

from agentctl.canonical import JsonObject

_BASH = """\
Run a command in a persistent bash shell inside the sandbox.
The working directory, variables, functions and background jobs are kept from call to call. Standard input is \
/dev/null, so interactive programs do not work. Standard output and standard error come back together; an exit code \
other than 0 is told in the last line. A command that runs for longer than timeout_ms (120,000 unless given, 600,000 \
at most) is ended together with everything it started. Start servers and other long jobs in the background with their \
output in a file. Set restart to true to get a fresh shell."""

_READ = """\
Read a file. Text comes back as it is, without line numbers. Files over 256 KiB need a view_range of line numbers \
[first, last], counted from 1, both included; a last of -1 means the end of the file. PNG, JPEG, GIF and WebP images \
and PDF documents come back as something you can look at. Relative paths start at the workspace."""

_WRITE = """\
Write a file, replacing it if it exists and making the folders it needs. The change is all or nothing."""

_EDIT = """\
Replace old_string by new_string in a file. old_string must be found exactly once, to the letter and space, unless \
replace_all is true."""

_GLOB = """\
List files whose paths match a glob pattern such as **/*.py, the most recently changed first, 200 at most."""

_GREP = """\
Search files for a regular expression. Gives path, line number and line for each match. path is a file or a folder; \
left out, it is the workspace."""


def _tool(name: str, description: str, required: tuple[str, ...], **properties: JsonObject) -> JsonObject:
    return {
        "name": name,
        "description": description,
        "input_schema": {
            "type": "object",
            "properties": properties,
            "required": list(required),
            "additionalProperties": False,
        },
    }


_PATH: JsonObject = {"type": "string", "description": "Path of the file."}

DEFINITIONS = MappingProxyType(
    {
        "bash": _tool(
            "bash",
            _BASH,
            (),
            command={"type": "string", "description": "The command to run; needed unless restart is true."},
            restart={"type": "boolean", "description": "Start a fresh shell."},
            timeout_ms={"type": "integer", "minimum": 1, "description": "Time limit in milliseconds."},
        ),
        "read": _tool(
            "read",
            _READ,
            ("file_path",),
            file_path=_PATH,
            view_range={
                "type": "array",
                "items": {"type": "integer"},
                "minItems": 2,
                "maxItems": 2,
                "description": "First and last line, counted from 1; -1 as the last means the end.",
            },
        ),
        "write": _tool(
            "write",
            _WRITE,
            ("file_path", "content"),
            file_path=_PATH,
            content={"type": "string", "description": "The whole new content."},
        ),
        "edit": _tool(
            "edit",
            _EDIT,
            ("file_path", "old_string", "new_string"),
            file_path=_PATH,
            old_string={"type": "string", "description": "The text to replace."},
            new_string={"type": "string", "description": "The text to put in its place."},
            replace_all={"type": "boolean", "description": "Replace every occurrence."},
        ),
        "glob": _tool(
            "glob",
            _GLOB,
            ("pattern",),
            pattern={"type": "string", "description": "The glob pattern, relative to path."},
            path={"type": "string", "description": "The folder to look in; the workspace unless given."},
        ),
        "grep": _tool(
            "grep",
            _GREP,
            ("pattern",),
            pattern={"type": "string", "description": "The regular expression."},
            path={"type": "string", "description": "A file or folder; the workspace unless given."},
        ),
    }
)
"""Definitions as the Messages API takes them, by name; their order is the order in which they are sent."""

READ_ONLY = frozenset({"read", "glob", "grep"})
"""Tools that change nothing, so that a lost call of one may be made again."""
