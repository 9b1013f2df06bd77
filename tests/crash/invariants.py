"""What must hold of a store and of each session in it, whatever was killed in between."""

import itertools
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agentctl.events.codec import decode, encode
from agentctl.paths import Home
from agentctl.session.files import File, FilesRecord
from agentctl.store.anchors import read_anchor
from agentctl.store.blobs import Blobs
from agentctl.store.database import reading
from agentctl.store.events import read_events

Json = dict[str, Any]


def check_database(home: Home) -> None:
    """The database is sound, in SQLite's own words."""
    with reading(home) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def stored_events(home: Home, session_id: str) -> list[Json]:
    """The events as they are stored: in a row, each hash fitting, none missing that the index or the anchor has."""
    with reading(home) as connection:
        anchor = read_anchor(home, session_id)
        records = list(read_events(connection, Blobs(home.blobs), session_id, anchor=anchor))
    assert [record.seq for record in records] == list(range(1, len(records) + 1))
    return [encode(record.event) for record in records]


def check_events(events: Sequence[Json]) -> None:
    """Every call has one result and was begun once at most, every request an end, every message was taken up."""
    calls = [event["id"] for event in events if event["type"] == "agent.tool_use"]
    results = [event["tool_use_id"] for event in events if event["type"] == "agent.tool_result"]
    assert Counter(calls) == Counter(results)
    assert len(set(calls)) == len(calls)
    begun = [call for event in events if event["type"] == "local.tool_started" for call in event["tool_use_ids"]]
    assert len(begun) == len(set(begun))
    starts = [event["id"] for event in events if event["type"] == "span.model_request_start"]
    ends = [event["model_request_start_id"] for event in events if event["type"] == "span.model_request_end"]
    assert starts == ends
    sent = [event["id"] for event in events if event["type"] == "user.message"]
    taken = [name for event in events if event["type"] == "local.input_processed" for name in event["event_ids"]]
    assert sent == taken


def check_files(home: Home, events: Sequence[Json]) -> dict[str, File]:
    """What a call did to files is recorded once, with its result, and its contents are there; returns the last tree."""
    changes = [event for event in events if event["type"] == "local.files_changed"]
    told = [event["tool_use_id"] for event in changes if "tool_use_id" in event]
    assert len(set(told)) == len(told)
    for before, event in itertools.pairwise(events):
        if event["type"] == "local.files_changed" and "tool_use_id" in event:
            assert (before["type"], before["tool_use_id"]) == ("local.tool_facts", event["tool_use_id"])
    record, blobs = FilesRecord(), Blobs(home.blobs)
    for event in events:
        record.add(decode(event))
    tree = record.tree(blobs)
    for file in tree.values():
        if file.digest is not None:
            assert len(blobs.read(file.digest)) == file.size
    return tree


def check_acknowledged(printed: str, events: Sequence[Json]) -> None:
    """What a process printed with ``-o jsonl`` it had stored: all of it, in that order."""
    lines = [json.loads(line) for line in printed.splitlines() if line.endswith("}")]
    names = [line["id"] for line in lines if line["type"] != "result"]
    kept = [event["id"] for event in events]
    assert [name for name in kept if name in set(names)] == names


def check_deeds(counted: Path, words: Sequence[str]) -> None:
    """No call did its deed twice: each appended its own word to a file."""
    done = Counter(counted.read_text().split() if counted.exists() else ())
    assert all(number == 1 for number in done.values()), done
    assert set(done) <= set(words)
