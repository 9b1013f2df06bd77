"""What an agent's file may say, what it means, and what is wrong with it otherwise."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from agentctl.canonical import JsonObject
from agentctl.definitions.agent import Agent, AgentToolset, ToolConfig, ToolName
from agentctl.definitions.load import load_agent
from agentctl.errors import DefinitionError
from tests.definitions.bodies import AGENTS, COORDINATOR, FULL_AGENT, SMALL_AGENT
from tests.definitions.kit import problems, written


def agent(**fields: Any) -> Agent:
    return Agent.model_validate({**SMALL_AGENT, **fields})


def problem(folder: Path, **fields: Any) -> str:
    """The one problem of an agent with these fields, without its place."""
    path = written(folder, "agent.json", json.dumps({**SMALL_AGENT, **fields}))
    [found] = problems(path)
    return found.split(": ", 1)[1]


def toolset(*configs: JsonObject, **default: Any) -> AgentToolset:
    body = {"type": "agent_toolset_20260401", "default_config": default or None, "configs": list(configs)}
    return AgentToolset.model_validate(body)


@pytest.mark.parametrize("body", AGENTS, ids=lambda body: body["name"])
def test_a_body_of_the_hosted_api_loads_unchanged(body: JsonObject, tmp_path: Path) -> None:
    before = copy.deepcopy(body)
    for name in ("agent.json", "agent.yaml"):
        assert load_agent(written(tmp_path, name, json.dumps(body))).name == body["name"]
    assert body == before


def test_an_agent_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        agent().name = "other"  # type: ignore[misc]


# --- model ---


def test_a_model_is_a_string_or_an_object() -> None:
    assert agent(model="claude-opus-5-5") == agent(model={"id": "claude-opus-5-5"})
    assert agent(model={"id": "m", "effort": "low"}) == agent(model={"id": "m", "effort": {"type": "low"}})
    assert agent(model={"id": "m", "speed": None}).model.speed == "standard"


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("", "model: must be a model's id"),
        ("claude opus", "model: must be a model's id"),
        ("x" * 257, "model: must be a model's id"),
        (None, "model: must be text, or keys and values"),
        ({"effort": "low"}, "model.id: is missing"),
        (
            {"id": "m", "effort": "hihg"},
            'model.effort: must be one of low, medium, high, xhigh, max, not "hihg"; did you',
        ),
        ({"id": "m", "effort": {"type": "top"}}, "model.effort: must be one of low, medium"),
        ({"id": "m", "effort": {"level": "high"}}, "model.effort: must be one of low, medium"),
        ({"id": "m", "speed": "slow"}, 'model.speed: must be one of standard, fast, not "slow"'),
        ({"id": "m", "temperature": 1}, "model.temperature: is not a known key"),
    ],
)
def test_a_model_that_is_not_one_is_refused(model: object, said: str, tmp_path: Path) -> None:
    assert said in problem(tmp_path, model=model)


# --- limits of length ---


@pytest.mark.parametrize(("field", "longest"), [("name", 256), ("system", 100_000), ("description", 2_048)])
def test_texts_have_a_longest_length(field: str, longest: int, tmp_path: Path) -> None:
    assert getattr(agent(**{field: "x" * longest}), field) == "x" * longest
    said = f"{field}: is longer than {longest:,} characters"
    assert problem(tmp_path, **{field: "x" * (longest + 1)}) == said


def test_a_name_is_not_empty(tmp_path: Path) -> None:
    assert problem(tmp_path, name="") == "name: must not be empty"


def test_system_and_description_may_be_null() -> None:
    assert agent(system=None, description=None) == agent()


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({f"k{n}": "" for n in range(17)}, "metadata: has more than 16, the most that are allowed"),
        ({"k" * 65: ""}, "is longer than 64 characters"),
        ({"": ""}, 'metadata[""]: must not be empty'),
        ({"k": "v" * 513}, "metadata.k: is longer than 512 characters"),
        ({"k": 1}, "metadata.k: must be text, not 1"),
        ([], "metadata: must be keys and values, not a list"),
    ],
)
def test_metadata_is_16_pairs_of_text(metadata: object, said: str, tmp_path: Path) -> None:
    assert agent(metadata={f"{n:064}": "v" * 512 for n in range(16)})
    assert agent(metadata=None).metadata == {}
    assert said in problem(tmp_path, metadata=metadata)


@pytest.mark.parametrize("field", ["tools", "mcp_servers", "skills"])
def test_null_is_an_empty_list(field: str) -> None:
    assert agent(**{field: None}) == agent()


# --- the built-in tools ---


@pytest.mark.parametrize(
    ("tools", "name", "holds"),
    [
        (toolset(), "bash", ToolConfig(True, "always_allow")),
        (toolset(), "web_fetch", ToolConfig(False, "always_allow")),
        (toolset(enabled=True), "web_search", ToolConfig(False, "always_allow")),
        (toolset({"name": "web_search"}), "web_search", ToolConfig(False, "always_allow")),
        (toolset({"name": "web_fetch", "max_content_tokens": 9}), "web_fetch", ToolConfig(False, "always_allow")),
        (toolset({"name": "web_fetch", "enabled": True}), "web_fetch", ToolConfig(True, "always_allow")),
        (toolset({"name": "web_fetch", "enabled": True}, enabled=False), "web_fetch", ToolConfig(True, "always_allow")),
        (toolset(enabled=False), "bash", ToolConfig(False, "always_allow")),
        (toolset({"name": "read", "enabled": True}, enabled=False), "read", ToolConfig(True, "always_allow")),
        (toolset({"name": "read", "enabled": True}, enabled=False), "grep", ToolConfig(False, "always_allow")),
        (toolset({"name": "bash", "enabled": False}), "bash", ToolConfig(False, "always_allow")),
        (toolset({"name": "bash", "enabled": None}), "bash", ToolConfig(True, "always_allow")),
        (toolset(permission_policy={"type": "always_ask"}), "edit", ToolConfig(True, "always_ask")),
        (
            toolset({"name": "edit", "permission_policy": {"type": "auto"}}, permission_policy={"type": "always_ask"}),
            "edit",
            ToolConfig(True, "auto"),
        ),
        (
            toolset({"name": "edit", "enabled": True}, permission_policy={"type": "always_ask"}),
            "edit",
            ToolConfig(True, "always_ask"),
        ),
    ],
)
def test_a_tools_own_entry_goes_before_the_default(tools: AgentToolset, name: ToolName, holds: ToolConfig) -> None:
    assert tools.resolved(name) == holds


def test_an_agent_without_the_toolset_has_none() -> None:
    assert agent().toolset is None
    assert agent(tools=[{"type": "agent_toolset_20260401"}]).toolset == toolset()


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (
            {"name": "bsah"},
            'name: must be one of bash, read, write, edit, glob, grep, web_fetch, web_search, not "bsah"',
        ),
        ({"enabled": True}, "configs[0].name: is missing"),
        ({"name": "bash", "type": "read"}, "configs[0].type: must be bash, like the name"),
        ({"name": "bash", "enabled": "yes"}, 'configs[0].enabled: must be true or false, not "yes"'),
        ({"name": "bash", "enabled": 1}, "configs[0].enabled: must be true or false, not 1"),
        ({"name": "bash", "permission_policy": "always_ask"}, "permission_policy: must be keys and values"),
        ({"name": "bash", "permission_policy": {"type": "ask"}}, "must be one of always_allow, always_ask, auto"),
        ({"name": "bash", "permission_policy": {}}, "permission_policy.type: is missing"),
        ({"name": "bash", "max_content_tokens": 1}, "max_content_tokens: is a setting of web_fetch, not of bash"),
        ({"name": "web_search", "url_sources": {}}, "url_sources: is a setting of web_fetch, not of web_search"),
        (
            {"name": "web_fetch", "user_location": {"type": "approximate"}},
            "user_location: is a setting of web_search, not of web_fetch",
        ),
        ({"name": "web_fetch", "max_content_tokens": 0}, "max_content_tokens: must be greater than 0"),
        ({"name": "web_fetch", "allowed_domains": []}, "allowed_domains: must have at least 1 entry"),
        ({"name": "web_fetch", "allowed_domains": ["a.com"] * 65}, "allowed_domains: has more than 64"),
        ({"name": "web_fetch", "allowed_domains": ["a.com", "A.com"]}, "allowed_domains[1]: is listed twice"),
        (
            {"name": "web_fetch", "allowed_domains": ["a.com"], "blocked_domains": ["b.com"]},
            "blocked_domains: has no place beside allowed_domains",
        ),
        ({"name": "web_fetch", "allowed_domains": ["a.com/docs"]}, "allowed_domains[0]: must not have a path"),
        ({"name": "web_search", "user_location": {"type": "exact"}}, "user_location.type: must be approximate"),
        (
            {"name": "web_search", "user_location": {"type": "approximate", "country": "de"}},
            "country: must be two capital letters",
        ),
        (
            {
                "name": "web_fetch",
                "url_sources": dict.fromkeys(("user_input", "client_tool_results", "server_tool_results"), "none"),
            },
            "url_sources: leaves no source at all",
        ),
        ({"name": "web_fetch", "url_sources": {"user_input": "some"}}, "must be one of all, none, only, except"),
        (
            {"name": "web_fetch", "url_sources": {"user_input": {"type": "only"}}},
            "user_input.tools: must have at least one entry with type only",
        ),
        (
            {
                "name": "web_fetch",
                "url_sources": {"user_input": {"type": "only", "tools": [{"type": "tool_reference", "name": "x"}]}},
            },
            "user_input: must be all or none",
        ),
        (
            {
                "name": "web_fetch",
                "url_sources": {
                    "server_tool_results": {"type": "only", "tools": [{"type": "tool_reference", "name": "bash"}]}
                },
            },
            "server_tool_results.tools[0].name: must be web_search or web_fetch",
        ),
        (
            {
                "name": "web_fetch",
                "url_sources": {
                    "client_tool_results": {"type": "except", "tools": [{"type": "tool_reference", "name": "x"}]}
                },
            },
            "client_tool_results.tools[0].name: is not a custom tool of this agent",
        ),
        (
            {
                "name": "web_fetch",
                "url_sources": {
                    "client_tool_results": {"type": "all", "tools": [{"type": "tool_reference", "name": "x"}]}
                },
            },
            "client_tool_results.tools: has no place beside type all",
        ),
    ],
)
def test_an_entry_that_is_not_right_is_refused(entry: JsonObject, said: str, tmp_path: Path) -> None:
    assert said in problem(tmp_path, tools=[{"type": "agent_toolset_20260401", "configs": [entry]}])


@pytest.mark.parametrize(
    "domain",
    [
        *("", "https://a.com", "a.com:80", "*.a.com", "1.2.3.4", "a.0x7f", "[::1]", "com", "localhost", "a.localhost"),
        *("a.local", "a.internal", "a.localdomain", "a.invalid", "bücher.de", "a b.com", "-a.com", "a..com", "a.com."),
        *("a.com/\n", "x" * 64 + ".com", ".".join(["abcdefg"] * 32) + ".com"),
    ],
)
def test_domains_are_public_host_names(domain: str, tmp_path: Path) -> None:
    entry = {"name": "web_search", "blocked_domains": [domain]}
    assert "blocked_domains[0]: " in problem(tmp_path, tools=[{"type": "agent_toolset_20260401", "configs": [entry]}])


@pytest.mark.parametrize("kind", ["agent_toolset_20260401", "mcp_toolset"])
def test_no_tool_is_configured_twice(kind: str, tmp_path: Path) -> None:
    tools = [{"type": kind, "configs": [{"name": "bash"}, {"name": "read"}, {"name": "bash"}]}]
    servers = []
    if kind == "mcp_toolset":
        tools[0]["mcp_server_name"] = "s"
        servers = [{"type": "url", "name": "s", "url": "https://s.example"}]
    assert problem(tmp_path, tools=tools, mcp_servers=servers) == "tools[0].configs[2].name: is there twice"


# --- other tools ---


def custom(name: str = "lookup", **schema: Any) -> JsonObject:
    return {"type": "custom", "name": name, "description": "d", "input_schema": {"type": "object", **schema}}


@pytest.mark.parametrize(
    ("tool", "said"),
    [
        (custom("a b"), "tools[0].name: must be 1 to 128 letters, digits, underscores and hyphens"),
        (custom("é"), "tools[0].name: must be 1 to 128"),
        (custom(""), "tools[0].name: must be 1 to 128"),
        (custom("x" * 129), "tools[0].name: must be 1 to 128"),
        (custom("web_fetch"), "tools[0].name: is the name of a built-in tool"),
        (custom("mcp__x"), "tools[0].name: must not begin with mcp__ or ant__"),
        (custom("ant__x"), "tools[0].name: must not begin with mcp__ or ant__"),
        ({**custom(), "description": ""}, "tools[0].description: must not be empty"),
        ({**custom(), "input_schema": {}}, "tools[0].input_schema.type: must be object"),
        (custom(type="string"), "tools[0].input_schema.type: must be object"),
        (custom(oneOf=[]), "tools[0].input_schema.oneOf: has no place at the top"),
        (custom(anyOf=[]), "tools[0].input_schema.anyOf: has no place at the top"),
        (custom(allOf=[]), "tools[0].input_schema.allOf: has no place at the top"),
        (custom(properties=[]), "tools[0].input_schema.properties: must be keys and values"),
        (custom(properties={"p" * 65: {}}), "is a name of more than 64 characters"),
        (
            custom(properties={"a": {"items": [{"$ref": "#/x"}]}}),
            'tools[0].input_schema.properties.a.items[0]["$ref"]: has no place in an input schema',
        ),
        ({**custom(), "permission_policy": {}}, "tools[0].permission_policy: is not a known key"),
        ({"type": "custom"}, None),
        ({"type": "agent_toolset"}, "tools[0].type: must be one of agent_toolset_20260401, mcp_toolset, custom"),
        ({"name": "bash"}, "tools[0].type: is missing: must be one of agent_toolset_20260401, mcp_toolset, custom"),
        ("bash", 'tools[0]: must be keys and values, not "bash"'),
    ],
)
def test_a_tool_that_is_not_right_is_refused(tool: object, said: str | None, tmp_path: Path) -> None:
    if said is None:
        path = written(tmp_path, "a.json", json.dumps({**SMALL_AGENT, "tools": [tool]}))
        assert [one.rsplit(" ", 3)[1] for one in problems(path)] == [
            f"tools[0].{key}:" for key in ("name", "description", "input_schema")
        ]
    else:
        assert said in problem(tmp_path, tools=[tool])


def test_a_schema_may_have_a_property_called_ref_and_unions_below_the_top() -> None:
    assert agent(tools=[custom(properties={"$ref": {"anyOf": [{"type": "string"}]}}), custom("other", properties=None)])


@pytest.mark.parametrize(
    ("tools", "said"),
    [
        ([custom(), custom()], "tools[1].name: is there twice"),
        ([{"type": "agent_toolset_20260401"}] * 2, "tools[1].type: is there twice"),
        ([custom(f"t{n}") for n in range(257)], "tools: has more than 256, the most that are allowed"),
        (
            [custom(f"t{n}") for n in range(251)] + [{"type": "agent_toolset_20260401"}],
            "tools: are more than 256 tools",
        ),
    ],
)
def test_tools_are_there_once_and_256_at_most(tools: list[JsonObject], said: str, tmp_path: Path) -> None:
    assert said in problem(tmp_path, tools=tools)


def test_256_tools_are_fine() -> None:
    assert agent(tools=[*(custom(f"t{n}") for n in range(250)), {"type": "agent_toolset_20260401"}])


# --- MCP servers ---


def server(name: str = "s", url: str = "https://s.example/mcp") -> JsonObject:
    return {"type": "url", "name": name, "url": url}


def uses(name: str = "s") -> JsonObject:
    return {"type": "mcp_toolset", "mcp_server_name": name}


@pytest.mark.parametrize(
    ("servers", "tools", "said"),
    [
        ([server()], [], "mcp_servers[0].name: is not used: no mcp_toolset in tools names it"),
        ([], [uses()], "tools[0].mcp_server_name: is not among mcp_servers"),
        ([server()], [uses(), uses()], "tools[1].mcp_server_name: already has an mcp_toolset"),
        ([server(), server()], [uses()], "mcp_servers[1].name: is there twice"),
        ([server(url="ftp://x")], [uses()], "mcp_servers[0].url: must be an address that begins with https://"),
        ([server(url="https://x y")], [uses()], "mcp_servers[0].url: must be an address"),
        ([server(url="https://" + "x" * 2041)], [uses()], "mcp_servers[0].url: is longer than 2,048 characters"),
        ([server("n" * 256)], [uses()], "mcp_servers[0].name: is longer than 255 characters"),
        ([{**server(), "type": "stdio"}], [uses()], 'mcp_servers[0].type: must be url, not "stdio"'),
        ([{**server(), "authorization_token": "x"}], [uses()], "authorization_token: is not a known key"),
    ],
)
def test_servers_and_toolsets_belong_together(
    servers: list[JsonObject], tools: list[JsonObject], said: str, tmp_path: Path
) -> None:
    assert said in problem(tmp_path, mcp_servers=servers, tools=tools)


def test_20_servers_are_fine_and_21_are_not(tmp_path: Path) -> None:
    names = [f"s{n}" for n in range(21)]
    assert agent(mcp_servers=[server(name) for name in names[:20]], tools=[uses(name) for name in names[:20]])
    said = problem(tmp_path, mcp_servers=[server(name) for name in names], tools=[uses(name) for name in names])
    assert said == "mcp_servers: has more than 20, the most that are allowed"


# --- what is loaded and not run yet ---


def test_the_short_forms_of_ant_apply_are_references() -> None:
    skills = agent(skills=["../skills/summary", "https://github.com/o/r/tree/main/skill"]).skills
    assert [(skill.type, skill.skill_id, skill.version) for skill in skills] == [
        ("custom", "../skills/summary", "latest"),
        ("custom", "https://github.com/o/r/tree/main/skill", "latest"),
    ]
    multiagent = Agent.model_validate(COORDINATOR).multiagent
    assert multiagent is not None
    assert [entry.type for entry in multiagent.agents] == ["agent", "self", "advisor"]  # type: ignore[union-attr]


def of_2026(**members: Any) -> JsonObject:
    return {"type": "multiagent_20261001", **members}


@pytest.mark.parametrize(
    ("multiagent", "said"),
    [
        ({"type": "team"}, "multiagent.type: must be one of coordinator, multiagent_20261001"),
        ({"type": "coordinator", "agents": []}, "multiagent.agents: must have at least 1 entry"),
        ({"type": "coordinator", "agents": ["a"] * 2}, "multiagent.agents[1]: is there twice"),
        ({"type": "coordinator", "agents": [f"a{n}" for n in range(21)]}, "multiagent.agents: has more than 20"),
        ({"type": "coordinator", "agents": [{"type": "self"}] * 2}, "multiagent.agents[1]: is there twice"),
        ({"type": "coordinator", "agents": [{"type": "agent"}]}, "multiagent.agents[0].id: is missing"),
        ({"type": "coordinator", "agents": [{"type": "advisor"}]}, "multiagent.agents[0].model: is missing"),
        (
            {"type": "coordinator", "agents": [{"type": "self", "id": "x"}]},
            "multiagent.agents[0].id: has no place beside type self",
        ),
        (of_2026(subagents=True), "multiagent.subagents: must be keys and values, not true"),
        (
            of_2026(subagents={"type": "enabled", "inline_agents": {"type": "disabled"}}),
            "multiagent.subagents.predefined_agents: must name an agent where inline_agents is disabled",
        ),
        (
            of_2026(workflows={"type": "disabled", "predefined_agents": ["a"]}),
            "multiagent.workflows.predefined_agents: has no place beside type disabled",
        ),
        (
            of_2026(workflows={"type": "enabled", "predefined_agents": [{"type": "advisor", "model": "m"}]}),
            "multiagent.workflows.predefined_agents[0].type: must be agent or self",
        ),
        (of_2026(advisor={"type": "enabled"}), "multiagent.advisor.model: is missing"),
        (of_2026(advisor={"type": "disabled", "model": "m"}), "advisor.model: has no place beside type disabled"),
    ],
)
def test_a_multiagent_that_is_not_right_is_refused(multiagent: JsonObject, said: str, tmp_path: Path) -> None:
    assert said in problem(tmp_path, multiagent=multiagent)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"execution_identity": {"type": "aws_role"}}, "execution_identity.role_arn: is missing"),
        (
            {"execution_identity": {"type": "service_account", "role_arn": "x"}},
            "execution_identity.role_arn: has no place beside type service_account",
        ),
        ({"skills": [{"type": "custom"}]}, "skills[0].skill_id: is missing"),
        ({"skills": "xlsx"}, 'skills: must be a list, not "xlsx"'),
        ({"skills": [f"s{n}" for n in range(21)]}, "skills: has more than 20"),
        ({"id": "agent_01"}, "id: is what the API answers, not part of a definition: leave it out"),
        ({"version": 1}, "version: is what the API answers"),
        ({"type": "environment"}, 'type: must be agent, not "environment"'),
    ],
)
def test_other_fields_are_checked_too(fields: JsonObject, said: str, tmp_path: Path) -> None:
    path = written(tmp_path, "agent.json", json.dumps({**SMALL_AGENT, **fields}))
    with pytest.raises(DefinitionError) as caught:
        load_agent(path)
    assert said in str(caught.value)


def test_every_field_of_an_agent_is_in_the_full_body() -> None:
    assert set(FULL_AGENT) == set(Agent.model_fields)
