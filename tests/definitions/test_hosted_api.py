"""The models take what the SDK of the hosted API says that its create calls take."""

from typing import Any, Required, get_args, get_origin

import pytest
from anthropic.types import beta
from typing_extensions import get_type_hints

from agentctl.definitions import agent, environment, fields, multiagent, toolset, web

HEADERS = {"betas", "workspace_id"}

PAIRS: list[tuple[Any, type[fields.Definition], set[str]]] = [
    # what the SDK sends, what takes it here, what only exists here
    (beta.agent_create_params.AgentCreateParams, agent.Agent, {"type", "local"}),
    (beta.BetaManagedAgentsModelConfigParams, agent.ModelConfig, set()),
    (beta.BetaManagedAgentsURLMCPServerParams, agent.McpServer, set()),
    (beta.BetaManagedAgentsCustomSkillParams, agent.Skill, set()),
    (beta.BetaManagedAgentsAnthropicSkillParams, agent.Skill, set()),
    (beta.BetaManagedAgentsAgentToolset20260401Params, toolset.AgentToolset, set()),
    (beta.BetaManagedAgentsAgentToolsetDefaultConfigParams, toolset.DefaultConfig, set()),
    (beta.BetaManagedAgentsMCPToolsetParams, toolset.McpToolset, set()),
    (beta.BetaManagedAgentsMCPToolConfigParams, toolset.McpToolEntry, set()),
    (beta.BetaManagedAgentsMCPToolsetDefaultConfigParams, toolset.DefaultConfig, set()),
    (beta.BetaManagedAgentsCustomToolParams, toolset.CustomTool, set()),
    (beta.BetaManagedAgentsUserLocationParam, web.UserLocation, set()),
    (beta.BetaManagedAgentsWebFetchURLSourcesParams, web.UrlSources, set()),
    (beta.BetaManagedAgentsWebFetchURLSourceOnlyParam, web.UrlSource, set()),
    (beta.BetaManagedAgentsWebFetchURLSourceToolReferenceParam, web.ToolReference, set()),
    (beta.BetaManagedAgentsMultiagentCoordinatorParams, multiagent.Coordinator, set()),
    (beta.BetaManagedAgentsMultiagent20261001Params, multiagent.Multiagent20261001, set()),
    (beta.BetaManagedAgentsMultiagentSubagentsEnabledParams, multiagent.Helpers, set()),
    (beta.BetaManagedAgentsMultiagentWorkflowsEnabledParams, multiagent.Helpers, set()),
    (beta.BetaManagedAgentsMultiagentAdvisorEnabledParams, multiagent.Advisor, set()),
    (beta.environment_create_params.EnvironmentCreateParams, environment.Environment, {"type"}),
    (
        beta.BetaCloudConfigParams,
        environment.EnvironmentConfig,
        {"image", "setup", "env", "resources", "user", "mounts", "ca_bundle"},
    ),
    (beta.BetaPackagesParams, environment.Packages, set()),
    (beta.BetaLimitedNetworkParams, environment.Networking, {"allow_http", "private_hosts"}),
]


@pytest.mark.parametrize(("sent", "model", "ours"), PAIRS, ids=[pair[0].__name__ for pair in PAIRS])
def test_every_field_that_is_sent_is_taken_and_nothing_else(
    sent: Any, model: type[fields.Definition], ours: set[str]
) -> None:
    theirs = set(sent.__annotations__) - HEADERS
    assert set(model.model_fields) == theirs | ours
    hints = get_type_hints(sent, include_extras=True)
    required = {name for name, hint in hints.items() if get_origin(hint) is Required}
    assert {name for name, field in model.model_fields.items() if field.is_required()} <= required | {"type"}


def test_the_entries_of_the_toolset_are_those_of_every_tool() -> None:
    entries = get_args(beta.BetaManagedAgentsAgentToolConfigParams)
    assert {name for entry in entries for name in entry.__annotations__} == set(toolset.ToolEntry.model_fields)
    names = {literal for entry in entries for literal in literals(get_type_hints(entry)["name"])}
    assert names == set(toolset.TOOL_NAMES)


def test_settings_belong_to_the_tools_that_the_api_gives_them_to() -> None:
    entries = {
        next(iter(literals(get_type_hints(entry)["name"]))): set(entry.__annotations__)
        for entry in get_args(beta.BetaManagedAgentsAgentToolConfigParams)
    }
    for setting, tools in toolset._SETTINGS.items():
        assert {name for name, keys in entries.items() if setting in keys} == set(tools)


def test_effort_and_speed_have_the_levels_of_the_api() -> None:
    hints = get_type_hints(beta.BetaManagedAgentsModelConfigParams)
    assert literals(hints["effort"]) == set(get_args(agent.Effort))
    assert literals(hints["speed"]) == {"standard", "fast"}


def test_policies_are_those_of_the_api() -> None:
    hint = get_type_hints(beta.BetaManagedAgentsBashToolConfigParams)["permission_policy"]
    words = {word for one in classes(hint) for word in literals(get_type_hints(one)["type"])}
    assert words == set(get_args(toolset.Policy))


def literals(hint: Any) -> set[str]:
    """Every string that a type lets through by itself."""
    found = {argument for argument in get_args(hint) if isinstance(argument, str)}
    return found.union(*(literals(argument) for argument in get_args(hint) if not isinstance(argument, str)))


def classes(hint: Any) -> set[type]:
    """Every class inside a union."""
    if isinstance(hint, type) and not get_args(hint):
        return {hint} - {type(None)}
    return set().union(*(classes(argument) for argument in get_args(hint)))
