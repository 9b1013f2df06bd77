"""Whether the members of an event are what its type says, and what is inside of the shape that it must have.

Who folds a record takes what is there, for speed. This is for who asks: what comes from elsewhere, before it is
stored, and a record that somebody may have changed.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import fields
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from agentctl.canonical import JsonObject
from agentctl.errors import StoreError, UsageError
from agentctl.events.agent import AgentMessage, AgentToolResult
from agentctl.events.base import Event, UnknownEvent
from agentctl.events.codec import type_of
from agentctl.events.content import message_of
from agentctl.events.local import (
    LocalCompactionResponse,
    LocalFilesChanged,
    LocalFilesUploaded,
    LocalForked,
    LocalModelResponse,
    LocalOutputs,
    LocalSandboxStarted,
    LocalSessionCreated,
)
from agentctl.events.session import SessionError, SessionStatusIdle
from agentctl.events.user import SystemMessage, UserCustomToolResult, UserMessage
from agentctl.session.contents import is_digest
from agentctl.session.files import Change
from agentctl.session.packages import packages_digest

_SESSION_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_ACCEPTED: dict[str, list[tuple[str, Callable[[Any], bool]]]] = {}
KINDS = ("file", "folder", "link")


def is_session_id(name: object) -> bool:
    """Say whether a session can have this id."""
    return isinstance(name, str) and _SESSION_ID.fullmatch(name) is not None


def check_members(event: Event) -> None:
    """Raise UsageError for an event that is not what its type says; one of an unknown type says nothing."""
    if isinstance(event, UnknownEvent):
        return
    for member, accepts in _accepted(type(event)):
        if not accepts(getattr(event, member)):
            raise UsageError(f"{event.type}: {member} is not of the type that it must have")
    _check_inside(event)


def _accepted(kind: type[Event]) -> list[tuple[str, Callable[[Any], bool]]]:
    if kind.type not in _ACCEPTED:
        hints = get_type_hints(kind)
        _ACCEPTED[kind.type] = [
            (item.name, _acceptor(hints[item.name])) for item in fields(kind) if item.name != "extra"
        ]
    return _ACCEPTED[kind.type]


def _acceptor(hint: Any) -> Callable[[Any], bool]:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        inner = [_acceptor(argument) for argument in arguments]
        return lambda value: any(accepts(value) for accepts in inner)
    if origin is Literal:
        return lambda value: isinstance(value, str) and value in arguments
    if origin is list:
        accepts = _acceptor(arguments[0])
        return lambda value: isinstance(value, list) and all(map(accepts, value))
    if origin is dict:
        return lambda value: isinstance(value, dict)
    if hint is float:
        return lambda value: isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return lambda value: isinstance(value, int) and not isinstance(value, bool)
    return lambda value: value is None if hint is NoneType else isinstance(value, hint)


# --- what is inside ---


def _check_inside(event: Event) -> None:
    try:
        _inside(event)
    except (UsageError, StoreError) as error:
        raise UsageError(f"{type_of(event)}: {error.message}") from None


def _inside(event: Event) -> None:
    match event:
        case LocalSessionCreated() | LocalForked():
            _require(is_session_id(event.session_id), "session_id cannot be one")
            _require(isinstance((event.sandbox or {}).get("kind", ""), str), "sandbox is of no kind")
        case UserMessage() | SystemMessage() | AgentMessage():
            _check_blocks(event.content)
        case AgentToolResult() | UserCustomToolResult():
            _check_blocks(event.content or [])
        case LocalModelResponse():
            _check_message(event.raw)
            _require(all(_has_texts(call, "id", "event_id") for call in event.tool_uses), "tool_uses are odd")
        case LocalCompactionResponse():
            _check_message(event.raw)
        case SessionStatusIdle():
            _require(isinstance(event.stop_reason.get("type"), str), "stop_reason has no type")
            _check_texts(event.stop_reason.get("event_ids") or [])
        case SessionError():
            _require(_has_texts(event.error, "type"), "error has no type")
        case LocalFilesUploaded():
            _require(is_digest(event.manifest), "manifest is no SHA-256")
        case LocalSandboxStarted():
            digest = packages_digest(event.facts)
            _require(digest is None or is_digest(digest), "the name of the packages is no SHA-256")
        case LocalFilesChanged():
            for body in event.changes:
                _check_change(body)
        case LocalOutputs():
            for body in event.files:
                check_file_members(body, "path")
                _require(isinstance(body.get("size"), int), "a file has no size")


def _check_message(raw: str) -> None:
    try:
        message = message_of(raw)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"raw is no JSON ({error})") from None
    _require(isinstance(message, dict), "raw is no object")
    _check_blocks(message.get("content", []))
    _require(isinstance(message.get("usage") or {}, dict), "usage is odd")


def _check_blocks(content: Any) -> None:
    _require(isinstance(content, list), "content is no list")
    for block in content:
        _require(isinstance(block, dict) and isinstance(block.get("type"), str), "a block has no type")
        if block["type"] == "text":
            _require(isinstance(block.get("text"), str), "a block of text has none")


def _check_change(body: JsonObject) -> None:
    check_file_members(body, "path", "kind")
    _require(body["kind"] in KINDS, "a file is of no kind")
    Change.from_json(body)


def check_file_members(body: JsonObject, *needed: str) -> None:
    """Check what is said of a file, which has the ``needed`` texts. Raises UsageError."""
    _require(_has_texts(body, *needed), "a file has no path")
    _require("sha256" not in body or is_digest(body["sha256"]), "the name of contents is no SHA-256")
    for name, kinds in (("mode", int), ("size", int), ("mtime", int | float)):
        number = body.get(name, 0)
        _require(isinstance(number, kinds) and abs(number) < 1 << 63, f"{name} is no number")
    for name in ("target", "cut", "skipped"):
        _require(body.get(name) is None or isinstance(body[name], str), f"{name} is no text")


def _check_texts(values: Iterable[Any]) -> None:
    _require(isinstance(values, list) and all(isinstance(value, str) for value in values), "a list is not of texts")


def _has_texts(body: Any, *names: str) -> bool:
    return isinstance(body, dict) and all(isinstance(body.get(name), str) for name in names)


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise UsageError(what)
