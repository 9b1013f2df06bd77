"""What is said of an agent that is stuck: a word for it, a line for a person, and words for the model."""

from typing import Literal, TypeAlias

from agentctl.policy.rounds import Round
from agentctl.visible import visible_line

Reason: TypeAlias = Literal["same_result", "same_error", "alternating", "waiting", "no_action", "context_window"]

Found: TypeAlias = tuple[Reason, str, str]
"""The word, the line, and what the model is told."""

_OTHERWISE = (
    "It will not come out differently by itself. Look at what you know, and try something else; if there is nothing "
    "else to try, say what keeps you from going on. If you are waiting for something, wait longer in a single call. "
    "The session will be stopped if this goes on."
)


def names(of: Round) -> str:
    """Name the tools of a round: one, two, or one and others."""
    first, *others = map(visible_line, of.tools)
    if len(others) > 1:
        return f"{first} and other tools"
    return f"{first} and {others[0]}" if others else first


def same(reason: Reason, tools: str, came_out: str) -> Found:
    """The same call came out the same, a failure or not: ``came_out`` says how, and how often."""
    line = f"the same call of {tools} {came_out}"
    return reason, line, f"You are going in circles: {line}. {_OTHERWISE}"


def took_turns(one: str, other: str, times: int) -> Found:
    """Two calls took turns."""
    line = f"two calls, of {one} and of {other}, took turns {times} times, each with the result it had before"
    return "alternating", line, f"You are going in circles: {line}. {_OTHERWISE}"


def waited(tools: str, times: int) -> Found:
    """The same call waited, and nothing changed."""
    line = f"the same call of {tools} waited {times} times in a row, and nothing changed"
    advice = (
        f"You are waiting for something that does not come: {line}. Find out whether it is still going on at all. "
        "If it is, wait much longer in a single call; if not, say so. The session will be stopped if this goes on."
    )
    return "waiting", line, advice


def did_nothing(times: int) -> Found:
    """The model answered and called no tool."""
    line = f"the model answered {times} times in a row without doing anything"
    advice = (
        f"You have answered {times} times in a row without calling a tool. If there is something left to do, do it "
        "now with a tool; if not, give your final answer. The session will be stopped if this goes on."
    )
    return "no_action", line, advice


def ran_full(times: int) -> Found:
    """The conversation was shortened again and again."""
    line = f"the conversation filled the context window {times} times in a row with hardly an answer in between"
    advice = (
        f"Your context window has filled {times} times in a row, so that the conversation had to be shortened. Ask "
        "tools for less at a time: parts of files, the last lines of an output, narrower searches. The session will be "
        "stopped if this goes on."
    )
    return "context_window", line, advice
