"""The least that a durable agent loop can cost: Anthropic's SDK, a shell, four synced commits for each step.

Not a program to use: no container, no persistent shell, no checks. It is what is left when
everything that makes agentctl a tool is taken away. Its argument is the database to make.
"""

import json
import sqlite3
import subprocess
import sys
from typing import Any

from anthropic import Anthropic

TOOL = {
    "name": "bash",
    "description": "Run a command.",
    "input_schema": {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]},
}


def main(path: str) -> None:
    client = Anthropic(max_retries=0)
    log = sqlite3.connect(path, isolation_level=None)
    log.execute("PRAGMA journal_mode = WAL")
    log.execute("PRAGMA synchronous = FULL")
    log.execute("CREATE TABLE events (body TEXT)")
    messages: list[Any] = [{"role": "user", "content": "Take the steps you are told to take."}]
    while True:
        commit(log, {"type": "request", "number": len(messages)})
        answer = ask(client, messages)
        commit(log, answer)
        messages.append({"role": "assistant", "content": answer["content"]})
        calls = [block for block in answer["content"] if block["type"] == "tool_use"]
        if not calls:
            return
        commit(log, {"type": "calls", "ids": [call["id"] for call in calls]})
        results = [result_of(call) for call in calls]
        commit(log, {"type": "results", "results": results})
        messages.append({"role": "user", "content": results})


def commit(log: sqlite3.Connection, event: dict[str, Any]) -> None:
    log.execute("INSERT INTO events VALUES (?)", (json.dumps(event),))


def ask(client: Anthropic, messages: list[Any]) -> dict[str, Any]:
    settings: Any = {"model": "claude-opus-5-5", "max_tokens": 4096, "tools": [TOOL]}
    message = client.messages.create(messages=messages, **settings)
    return dict(message.model_dump(mode="json", exclude_none=True))


def result_of(call: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run(
        ["bash", "-c", call["input"]["command"]],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return {"type": "tool_result", "tool_use_id": call["id"], "content": done.stdout}


if __name__ == "__main__":
    main(sys.argv[1])
