"""Long records without long runs: the one step of a real session, repeated as often as is wanted.

The session that comes out was killed right after its last call had its result: taking it up again
folds all of it and asks the model for the answer that ends it.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from agentctl.canonical import JsonObject
from agentctl.events.base import Event
from agentctl.events.codec import decode, encode
from agentctl.ids import SystemClock, new_id
from agentctl.launch.parts import open_log
from agentctl.paths import Home

_BATCH = 500


def repeat(home: Path, session: str, name: str, events: int, first: int = 1) -> int:
    """Record a session of about so many events, made of the only step of another; return the number of its steps.

    ``first`` is the number that the first step says.
    """
    with open_log(Home(home)) as log:
        bodies = [encode(record.event) for record in log.read(session)]
        began = _first(bodies, "span.model_request_start")
        ended = _first(bodies, "span.model_request_start", behind=began)
        head, step = bodies[:began], [body for body in bodies[began:ended] if body["type"] != "local.sandbox_started"]
        head[0] = {**head[0], "session_id": name}
        steps = round((events - len(head)) / len(step))
        log.append(name, [decode(body) for body in head])
        batch: list[Event] = []
        for number in range(1, steps + 1):
            batch += _copied(step, number + first - 1)
            if len(batch) >= _BATCH or number == steps:
                log.append(name, batch)
                batch = []
    return steps


def _first(bodies: list[JsonObject], kind: str, behind: int = -1) -> int:
    return next(place for place, body in enumerate(bodies) if place > behind and body["type"] == kind)


def _copied(step: list[JsonObject], number: int) -> Iterator[Event]:
    """Give the events of a step new ids, and what they say the number of their step."""
    text = json.dumps(step)
    for body in step:
        text = text.replace(body["id"], new_id("sevt_", SystemClock()))
    text = text.replace(f"{1:024}", f"{number:024}").replace("step 1 done", f"step {number} done")
    return map(decode, json.loads(text))
