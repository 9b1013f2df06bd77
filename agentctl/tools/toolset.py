"""An agent's tools, by name: what the model is offered, and what becomes of a call."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

from agentctl.canonical import JsonObject
from agentctl.definitions.agent import TOOL_NAMES, Agent, AgentToolset, CustomTool, snapshot
from agentctl.policy.permissions import Decision, Rules, decide
from agentctl.tools.arguments import problems
from agentctl.tools.builtin import DEFINITIONS

Permission: TypeAlias = Literal["allow", "ask", "deny"]


@dataclass(frozen=True, slots=True)
class OfferedTool:
    """One tool: its definition for the model, and the policy for calls of it (None for a custom tool)."""

    definition: JsonObject
    policy: str | None

    @property
    def custom(self) -> bool:
        """Whether whoever runs the session answers its calls."""
        return self.policy is None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a call.

    ``evaluation`` is the API's record of which policy decided. ``refusal`` is the error that the
    model gets when nothing is to be run; it is there exactly when no policy was asked.
    """

    permission: Permission
    evaluation: JsonObject | None = None
    refusal: str | None = None
    custom: bool = False


@dataclass(frozen=True, slots=True)
class Toolset:
    """The tools of one agent, and the rules for calling them."""

    offered: Mapping[str, OfferedTool]
    rules: Rules = Rules()

    @property
    def definitions(self) -> Sequence[JsonObject]:
        """The definitions as the Messages API takes them, always in the same order."""
        return [tool.definition for tool in self.offered.values()]

    @property
    def uses_sandbox(self) -> bool:
        """Whether any of the tools runs in the sandbox."""
        return any(not tool.custom for tool in self.offered.values())

    def judge(self, name: str, arguments: JsonObject) -> Verdict:
        """Say what becomes of a call; nothing is run."""
        tool = self.offered.get(name)
        if tool is None:
            return Verdict("deny", refusal=f"There is no tool {name!r}. The tools are: {', '.join(self.offered)}.")
        if set(arguments) == {"INVALID_JSON"}:
            return Verdict("deny", refusal=_INVALID_JSON)
        wrong = problems(tool.definition["input_schema"], arguments)
        if wrong:
            return Verdict("deny", refusal=f"The call was not run: {'; '.join(wrong)}.")
        if tool.policy is None:
            return Verdict("allow", custom=True)
        return _decided(decide(self.rules, tool.policy, name, arguments), tool.policy, name)


_INVALID_JSON = (
    "The call was not run: its input was not whole, valid JSON, perhaps because the answer was cut. "
    "Make the call again, with a smaller input."
)


def toolset_of(agent: Agent, workspace: str) -> Toolset:
    """Return the tools of an agent, in the order in which its definition names their sets.

    ``workspace`` is the path, inside the sandbox, that rules on relative paths start from.
    """
    offered: dict[str, OfferedTool] = {}
    for entry in agent.tools:
        if isinstance(entry, AgentToolset):
            offered |= _builtin(entry)
        elif isinstance(entry, CustomTool):
            offered[entry.name] = OfferedTool(_custom_definition(entry), None)
    rules = Rules.from_json(snapshot(agent.local.permissions), workspace)
    return Toolset(MappingProxyType(offered), rules)


def _builtin(entry: AgentToolset) -> dict[str, OfferedTool]:
    configs = {name: entry.resolved(name) for name in TOOL_NAMES if name in DEFINITIONS}
    return {name: OfferedTool(DEFINITIONS[name], config.policy) for name, config in configs.items() if config.enabled}


def _custom_definition(tool: CustomTool) -> JsonObject:
    return {"name": tool.name, "description": tool.description, "input_schema": dict(tool.input_schema)}


def _decided(decision: Decision, policy: str, name: str) -> Verdict:
    if decision.rule is None:
        return Verdict(decision.permission, _evaluation(policy))
    # The API knows policies only, so a rule is recorded as the policy that says the same.
    if decision.permission == "deny":
        return Verdict("deny", refusal=f"Permission to use {name} has been denied by a rule ({decision.rule}).")
    return Verdict(decision.permission, {"type": f"always_{decision.permission}", "local_rule": decision.rule})


def _evaluation(policy: str) -> JsonObject:
    if policy == "auto":
        # The hosted service judges such a call itself and asks a person where it cannot tell. There
        # is no judge here, so it never can.
        return {"type": policy, "evaluated_permission": {"type": "ask", "reason_code": "indeterminate"}}
    return {"type": policy}
