"""What an agent's file says under ``local``: limits, what its tools may do, and when it is stuck."""

import re
import warnings
from collections.abc import Mapping
from decimal import Decimal
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Annotated, Any, Self, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from agentctl.definitions.fields import Definition, Duration, Items, NullMeans, Shape, spelled_out, wrong
from agentctl.definitions.web import WEB_TOOLS

MOST_RULES = 256

TOOL_TEXTS = MappingProxyType(
    {
        "bash": ("command",),
        "read": ("file_path",),
        "write": ("file_path", "content"),
        "edit": ("file_path", "old_string", "new_string"),
        "glob": ("pattern", "path"),
        "grep": ("pattern", "path"),
    }
)
"""The tools that permission rules hold for, and the arguments of each that are texts."""

PATHS = frozenset({"file_path", "path"})
"""The arguments that name a file or a folder."""


# --- limits ---

_DOLLARS = r"(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{1,6})?"


def parse_dollars(text: str) -> Decimal:
    """Read an amount of US dollars such as ``2.00``. Raises ValueError for anything else, and for nothing."""
    if re.fullmatch(_DOLLARS, text) is None:
        raise ValueError('must be an amount of US dollars such as "2.00"')
    if not (amount := Decimal(text)):
        raise ValueError("must be more than nothing")
    return amount


def _one_spelling(text: str) -> str:
    """Write 2, 2.0 and 2.000 as 2.00: they say the same, and definitions are named by what they say."""
    parse_dollars(text)
    whole, _, parts = text.partition(".")
    return f"{whole}.{parts.rstrip('0'):0<2}"


Dollars: TypeAlias = Annotated[
    str,
    AfterValidator(_one_spelling),
    WithJsonSchema({"type": "string", "pattern": f"^(?:{_DOLLARS})$"}),
]
"""An amount of US dollars, as text: a number would lose its last digits."""


class Limits(Definition):
    """When a session stops by itself."""

    max_cost: Dollars | None = Field(None, description='Most US dollars at list prices, in quotes: "2.00"')
    max_turns: int | None = Field(
        None, ge=1, le=1_000_000, description="Most requests to the model for one message of a person"
    )
    timeout: Duration | None = Field(None, description="Longest time of a run: seconds, or such as 90s, 30m, 1h30m")
    max_active: Duration | None = Field(None, description="Longest time at work, all runs of the session together")
    max_output_tokens: int | None = Field(
        None, ge=1, le=1_000_000_000, description="Most tokens that the model may write, thinking included"
    )
    max_tool_calls: int | None = Field(None, ge=1, le=1_000_000, description="Most calls of tools")


# --- permissions ---

_CANNOT_ALLOW = (
    "has no place in an allow rule: a pattern that fits `ls` fits `ls; id` too, so only a whole text is allowed; "
    "patterns can ask and deny"
)


class TextMatch(Definition):
    """Which text is meant: a whole one, or every text in which a regular expression is found."""

    text: str | None = Field(None, min_length=1, max_length=100_000, description="The whole text, to the letter")
    matches: str | None = Field(
        None, min_length=1, max_length=1_000, description="A regular expression (Python) found anywhere in the text"
    )

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if (self.text is None) == (self.matches is None):
            raise wrong("must have either text or matches")
        if self.matches is not None:
            _check_expression(self.matches)
        return self


def _check_expression(expression: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # what Python warns of is going to mean something else
        try:
            re.compile(expression)
        except (re.error, Warning, RecursionError, OverflowError) as error:
            raise wrong(f"is not a regular expression: {error}", "matches") from None


def _checked_path(glob: str) -> str:
    steps = glob.split("/")
    if ".." in steps:
        raise wrong("has .. in it: write where that leads, from / on")
    if glob.startswith("~"):
        raise wrong("begins with ~, which nothing expands: paths start at the workspace, or with /")
    if glob.endswith("/"):
        raise wrong("ends in /: with ** behind it, it is everything in that folder")
    if any("**" in step and step != "**" for step in steps):
        raise wrong("has ** beside other characters: ** stands alone between slashes")
    return glob


_Text: TypeAlias = Annotated[
    TextMatch,
    BeforeValidator(
        lambda value: spelled_out(value, text=None),
        json_schema_input_type=Annotated[str, Field(min_length=1, max_length=100_000)] | TextMatch,
    ),
]
_ToolNames: TypeAlias = Annotated[
    str, Shape("[A-Za-z0-9_*?-]{1,128}", "must be a tool's name, or a pattern of names with * or ?")
]
_Path: TypeAlias = Annotated[str, Field(min_length=1, max_length=4_096), AfterValidator(_checked_path)]


class RuleInput(Definition):
    """Which arguments of a call are meant; those that are not written may be anything."""

    command: _Text | None = Field(None, description="bash: the command")
    file_path: _Path | None = Field(
        None, description="read, write, edit: a path; * and ? within a name, ** for any folders"
    )
    path: _Path | None = Field(None, description="glob, grep: where they look; the workspace unless a call says it")
    pattern: _Text | None = Field(None, description="glob, grep: what they look for")
    content: _Text | None = Field(None, description="write: the new content")
    old_string: _Text | None = Field(None, description="edit: what is replaced")
    new_string: _Text | None = Field(None, description="edit: what replaces it")

    @model_validator(mode="before")
    @classmethod
    def _leaves_nothing_blank(cls, value: Any) -> Any:
        # Null means the default elsewhere. Here that would make a rule wider than it looks.
        for name, given in value.items() if isinstance(value, dict) else ():
            if given is None and name in cls.model_fields:
                raise wrong("is blank: say which, or leave the key out", name)
        return value

    @property
    def written(self) -> dict[str, TextMatch | str]:
        """The arguments that are written, by name."""
        return {name: value for name in type(self).model_fields if (value := getattr(self, name)) is not None}


class PermissionRule(Definition):
    """Calls of a tool, or of several: all of them, or those whose arguments fit."""

    tool: _ToolNames = Field(description="A tool that runs in the sandbox, or a pattern of names with * and ?")
    input: RuleInput = Field({}, validate_default=True, description="Which arguments; any unless written")

    @model_validator(mode="after")
    def _can_hold(self) -> Self:
        tools = [tool for tool in TOOL_TEXTS if fnmatchcase(tool, self.tool)]
        if not tools:
            raise wrong(_why_no_tool(self.tool), "tool")
        wanted = self.input.written
        if not any(wanted.keys() <= set(TOOL_TEXTS[tool]) for tool in tools):
            taken = {name for tool in tools for name in TOOL_TEXTS[tool]}
            name = next((name for name in wanted if name not in taken), next(iter(wanted)))
            raise wrong(f"is no argument of {self.tool}{_beside(name, taken, wanted)}", "input", name)
        return self


def _why_no_tool(tool: str) -> str:
    if any(fnmatchcase(name, tool) for name in WEB_TOOLS):
        return "runs outside the sandbox, where no rule reaches: leave it off in the toolset"
    return f"fits none of the tools that rules hold for: {', '.join(TOOL_TEXTS)}"


def _beside(name: str, taken: set[str], wanted: Mapping[str, object]) -> str:
    return f" beside {', '.join(each for each in wanted if each != name)}" if name in taken else ""


_Rules: TypeAlias = Items[
    Annotated[
        PermissionRule,
        BeforeValidator(
            lambda value: spelled_out(value, tool=None),
            json_schema_input_type=_ToolNames | PermissionRule,
        ),
    ]
]


class Permissions(Definition):
    """Which calls run by themselves: deny goes before ask, ask before allow, and all before the tool's policy."""

    deny: _Rules = Field((), max_length=MOST_RULES, description="Calls that are never made")
    ask: _Rules = Field((), max_length=MOST_RULES, description="Calls that a person decides")
    allow: _Rules = Field((), max_length=MOST_RULES, description="Calls that run, also where the tool's policy asks")

    @model_validator(mode="after")
    def _allows_whole_texts_only(self) -> Self:
        for number, rule in enumerate(self.allow):
            for name, value in rule.input.written.items():
                if isinstance(value, TextMatch) and value.matches is not None:
                    raise wrong(_CANNOT_ALLOW, "allow", number, "input", name, "matches")
        return self


# --- stuck ---


class Stuck(Definition):
    """When the agent goes in circles: how often in a row each thing may be seen, the last time included."""

    enabled: bool = Field(True, description="Whether anybody looks")
    same_result: int = Field(4, ge=2, le=10_000, description="The same calls with the same results")
    same_error: int = Field(3, ge=2, le=10_000, description="The same calls with the same errors")
    alternating: int = Field(6, ge=4, le=10_000, description="Two calls in turn, each with its same result")
    waiting: int = Field(30, ge=2, le=10_000, description="Any of these, where the calls wait for something")
    no_action: int = Field(3, ge=2, le=10_000, description="Answers without any call, while nothing new is said")
    context_window: int = Field(3, ge=2, le=10_000, description="Conversations shortened with hardly an answer between")


# --- context ---


class ClearToolResults(Definition):
    """What the model no longer reads of old calls; the record keeps it, and the API does it."""

    keep: int = Field(3, ge=0, le=10_000, description="How many of the last results stay")
    at: float = Field(0.5, ge=0.05, le=1.0, description="From which share of the context window on")


class Context(Definition):
    """What is done before the model's context window is full."""

    compact: bool = Field(True, description="Whether the conversation is summarised")
    compact_at: float = Field(0.8, ge=0.05, le=1.0, description="From which share of the context window on")
    window: int | None = Field(
        None, ge=1_000, le=100_000_000, description="The context window in tokens; the model's own unless written"
    )
    clear_tool_results: ClearToolResults | None = Field(
        None, description="Leave old results of tools out of what the model reads"
    )


# --- all of it ---


class LocalAgent(Definition):
    """What the hosted API has no field for."""

    limits: Annotated[Limits, NullMeans({})] = Field(
        {}, validate_default=True, description="When a session stops by itself"
    )
    permissions: Annotated[Permissions, NullMeans({})] = Field(
        {}, validate_default=True, description="Which calls run, which ask, which are refused"
    )
    stuck: Annotated[Stuck, NullMeans({})] = Field(
        {}, validate_default=True, description="When the agent goes in circles"
    )
    context: Annotated[Context, NullMeans({})] = Field(
        {}, validate_default=True, description="When the conversation is shortened"
    )
    keep: Duration = Field(2_592_000.0, description="How long the state of a session's container is kept at rest")
