"""A file becomes an Agent or an Environment, or an error that says what is wrong and where.

Files are those of ``agentctl.definitions.reading``. Whatever bytes a file holds, the only error is
DefinitionError, whose ``problems`` are all that were found; a file that is not there is a
NotFoundError.
"""

from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

from pydantic import ValidationError

from agentctl.definitions.agent import Agent
from agentctl.definitions.document import Document, Node
from agentctl.definitions.environment import Environment
from agentctl.definitions.problems import in_words
from agentctl.definitions.reading import read_definition, read_yaml

__all__ = ["Document", "load_agent", "load_any", "load_environment", "read_yaml"]

Kind: TypeAlias = Literal["agent", "environment"]
_Loaded = TypeVar("_Loaded", Agent, Environment)


def load_agent(path: Path) -> Agent:
    """Read an agent. What a Markdown file holds below its front matter is the system prompt."""
    document, prose = read_definition(path)
    return _validated(Agent, _with_prose(document, "system", prose))


def load_environment(path: Path) -> Environment:
    """Read an environment. What a Markdown file holds below its front matter is the description."""
    document, prose = read_definition(path)
    return _validated(Environment, _with_prose(document, "description", prose))


def load_any(path: Path) -> Agent | Environment:
    """Read an agent or an environment, whichever the file is: what it says counts more than its name."""
    document, prose = read_definition(path)
    if _kind(document, path) == "environment":
        return _validated(Environment, _with_prose(document, "description", prose))
    return _validated(Agent, _with_prose(document, "system", prose))


def _kind(document: Document, path: Path) -> Kind:
    if (stated := document.find(("type",))) is not None and stated.content in ("agent", "environment"):
        return "environment" if stated.content == "environment" else "agent"
    if document.find(("config",)) is not None:
        return "environment"
    if document.find(("model",)) is not None:
        return "agent"
    named = path.absolute().parent.name == "environments" or path.name.startswith("environment")
    return "environment" if named else "agent"


def _with_prose(document: Document, key: str, prose: Node | None) -> Document:
    members = document.root.content
    if prose is None or not isinstance(members, dict):
        return document
    if key in members:
        raise document.problem((key,), "is written here, and again below the front matter", on_key=True)
    return replace(document, root=replace(document.root, content={**members, key: prose}))


def _validated(model: type[_Loaded], document: Document) -> _Loaded:
    try:
        return model.model_validate(document.value)
    except ValidationError as error:
        raise in_words(error, model, document) from None
