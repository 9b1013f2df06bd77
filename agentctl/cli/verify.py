"""``agentctl verify``: is the record intact, and is it complete? Two answers."""

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated

import typer

from agentctl.canonical import JsonObject
from agentctl.cli.looking import stdout_look
from agentctl.cli.options import SESSION_HELP, Output, OutputOption
from agentctl.cli.output import print_json, reporting, standard_output, write_out
from agentctl.cli.quick import QuickCommand
from agentctl.errors import BusyError, NotFoundError, StoreError, UsageError
from agentctl.paths import Home, home
from agentctl.render.lines import Line, paint_all
from agentctl.render.look import Look
from agentctl.render.numbers import many
from agentctl.render.verification import answer_line, aspect_lines, aspects_body, gaps_counted, page, told_lines
from agentctl.session.completeness import Aspect, Completeness
from agentctl.store.anchors import Anchor, read_anchor, write_anchor
from agentctl.store.database import reading
from agentctl.store.integrity import Integrity, examine
from agentctl.store.keys import VARIABLE, VerifyKey, find_verify_key, make_verify_key
from agentctl.store.leases import is_running
from agentctl.store.mending import mend as mend_computed
from agentctl.store.sessions import find_session_id

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)

_WITHOUT_KEY = (
    "without a key this shows accidents and naive edits, not a rewriting of everything: "
    "whoever can write the store can make a new record that fits (agentctl verify --make-key)"
)
_NO_ANCHOR = "nothing outside the database says where the record ends, so a tail that was cut off would not show"
_ONLY_COMPUTED = (
    "every event is as it was written, and what was computed from them is not: "
    "agentctl verify --mend SESSION makes it anew"
)
_SEALS = {
    "valid": "sealed with the key: whoever rewrote it had the key",
    "wrong": "the seal was not made with this key, or not for this record",
    "absent": "there is no seal, so this cannot be told from a record that was rewritten; "
    "where you know it to be right: agentctl verify --seal SESSION",
}


@app.command(cls=QuickCommand)
def verify(
    session: Annotated[str | None, typer.Argument(metavar="SESSION", help=SESSION_HELP)] = None,
    make_key: Annotated[
        bool, typer.Option("--make-key", help=f"Make a key, kept beside the store; {VARIABLE} counts before it.")
    ] = False,
    seal: Annotated[
        bool, typer.Option("--seal", help="Seal a record with the key as it is now, if it is whole.")
    ] = False,
    mend: Annotated[
        bool, typer.Option("--mend", help="Make anew what is computed from the events, where it says otherwise.")
    ] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Say whether the record of a session is intact, and whether it is complete."""
    with reporting(output):
        if make_key:
            _make_key(home(), output)
        if session is None:
            if make_key:
                return
            raise UsageError("which session?", hint="agentctl verify SESSION")
        if mend:
            _mend(session)
        raise typer.Exit(_verify(session, output, seal=seal))


def _mend(session: str) -> None:
    store = home()
    key = find_verify_key(store)
    with _explained(store, session), reading(store) as connection:
        session_id = find_session_id(connection, session)
        integrity = examine(connection, store, session_id, key)
    mend_computed(store, session_id, integrity, key)


def _verify(session: str, output: Output, *, seal: bool) -> int:
    standard_output()
    store = home()
    key, complete = find_verify_key(store), Completeness()
    if seal and key is None:
        raise UsageError("there is no key to seal with", hint=f"agentctl verify --make-key, or set {VARIABLE}")
    with _explained(store, session), reading(store) as connection:
        session_id = find_session_id(connection, session)
        integrity = examine(connection, store, session_id, key, complete.add)
        if seal and key is not None:
            integrity = _sealed(store, session_id, integrity, key)
        aspects = complete.aspects(under_way=is_running(store, session_id))
    is_good = integrity.is_intact and all(aspect.is_complete for aspect in aspects)
    if output is Output.TEXT:
        look = stdout_look()
        write_out(paint_all(page(_intact(integrity, look), _complete(aspects, look)), look))
    else:
        print_json(_body(session_id, integrity, aspects))
    return 0 if is_good else 1


def _make_key(store: Home, output: Output) -> None:
    place = make_verify_key(store)
    if output is Output.TEXT:
        write_out(
            f"made {place}: whatever comes to rest from now on is sealed with it\n"
            f"  keep a copy where this user of this machine cannot write; who reads it can seal a forgery\n"
        )
    else:
        print_json({"type": "verify_key", "schema": "agentctl.verify_key/1", "file": str(place)})


@contextmanager
def _explained(store: Home, session: str) -> Iterator[None]:
    """Say of a session that is gone that it was there once, where something outside the database knows."""
    try:
        yield
    except NotFoundError:
        known = _anchor_of(store, session)
        if known is None:
            raise
        raise StoreError(
            f"session {session} is gone: it came to rest at event #{known.seq} once",
            hint="somebody has removed it, or another database was put in the place of the one that had it",
        ) from None


def _anchor_of(store: Home, session: str) -> Anchor | None:
    return read_anchor(store, session) if session.replace("_", "").replace("-", "").isalnum() else None


def _sealed(store: Home, session_id: str, found: Integrity, key: VerifyKey) -> Integrity:
    """Seal the end of a record that has nothing wrong. Raises StoreError for one that has."""
    if found.first is not None or found.seal == "wrong":
        raise StoreError(f"session {session_id} is not intact, and was not sealed", hint="agentctl verify says why")
    anchor = Anchor(found.events, found.head)
    write_anchor(store, session_id, anchor, key)
    with contextlib.suppress(StoreError, BusyError):  # show is slower without them, and no more
        mend_computed(store, session_id, replace(found, seal="valid"), key)
    found.anchor, found.seal = anchor, "valid"
    return found


def _intact(found: Integrity, look: Look) -> list[Line]:
    told = f"{many(found.events, 'event')}, {many(found.blobs, 'content')}"
    if found.first is not None:
        where = (
            "" if found.first.seq is None else f"event #{found.first.seq} is the first that is not as it was written: "
        )
        told = f"{where}{found.first.what}"
    lines = [answer_line("intact", told, look, good=found.is_intact)]
    return [*lines, *(line for text, style in _remarks(found) for line in told_lines(text, look, style))]


def _remarks(found: Integrity) -> list[tuple[str, str]]:
    seal = _SEALS.get(found.seal)
    said = [] if seal is None else [(seal, "good" if found.seal == "valid" else "bad")]
    if found.damages and found.can_be_mended:
        said.append((_ONLY_COMPUTED, "warning"))
    if found.anchor is None:
        said.append((_NO_ANCHOR, "warning"))
    elif found.anchor.seq < found.events:
        behind = found.events - found.anchor.seq
        said.append((f"{many(behind, 'event')} since it came to rest last, at #{found.anchor.seq}", "dim"))
    return said if found.has_key else [*said, (_WITHOUT_KEY, "dim")]


def _complete(aspects: list[Aspect], look: Look) -> list[Line]:
    good = all(aspect.is_complete for aspect in aspects)
    return [answer_line("complete", gaps_counted(aspects), look, good=good), *aspect_lines(aspects, look)]


def _body(session_id: str, found: Integrity, aspects: list[Aspect]) -> JsonObject:
    first = found.first
    return {
        "type": "verification",
        "schema": "agentctl.verify/1",
        "session_id": session_id,
        "intact": found.is_intact,
        "complete": all(aspect.is_complete for aspect in aspects),
        "events": found.events,
        "head": found.head,
        "contents": found.blobs,
        "first_damage": first and {"event": first.seq, "what": first.what},
        "damages": [{"event": damage.seq, "what": damage.what} for damage in found.damages],
        "anchor": found.anchor and {"event": found.anchor.seq, "hash": found.anchor.hash},
        "seal": found.seal,
        "proves": "rewriting" if found.seal == "valid" else "accidents and naive edits",
        "record": aspects_body(aspects),
    }
