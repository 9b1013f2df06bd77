"""Whole bodies of both kinds that are valid, to be changed by tests; every field that exists is in one of them."""

from agentctl.canonical import JsonObject

SMALL_AGENT: JsonObject = {"name": "small", "model": "claude-opus-5-5"}

FULL_AGENT: JsonObject = {
    "type": "agent",
    "name": "full",
    "model": {"id": "claude-opus-5-5", "effort": {"type": "xhigh"}, "speed": "fast", "inference_geo": "us"},
    "system": "You help.\nAlways.",
    "description": "Does everything.",
    "tools": [
        {
            "type": "agent_toolset_20260401",
            "default_config": {"enabled": True, "permission_policy": {"type": "auto"}},
            "configs": [
                {"name": "bash", "type": "bash", "permission_policy": {"type": "always_ask"}},
                {"name": "read", "enabled": None},
                {"name": "edit", "enabled": False},
                {
                    "name": "web_fetch",
                    "enabled": True,
                    "allowed_domains": ["docs.example.com", "xn--bcher-kva.example"],
                    "max_content_tokens": 5000,
                    "url_sources": {
                        "user_input": "all",
                        "client_tool_results": {
                            "type": "only",
                            "tools": [{"type": "tool_reference", "name": "lookup"}],
                        },
                        "server_tool_results": {
                            "type": "except",
                            "tools": [{"type": "tool_reference", "name": "web_search"}],
                        },
                    },
                },
                {
                    "name": "web_search",
                    "blocked_domains": ["ads.example.com/path"],
                    "user_location": {
                        "type": "approximate",
                        "city": "Berlin",
                        "region": "Berlin",
                        "country": "DE",
                        "timezone": "Europe/Berlin",
                    },
                },
            ],
        },
        {
            "type": "mcp_toolset",
            "mcp_server_name": "tracker",
            "default_config": {"enabled": False},
            "configs": [{"name": "search", "enabled": True, "permission_policy": {"type": "always_allow"}}],
        },
        {
            "type": "custom",
            "name": "lookup",
            "description": "Looks something up.",
            "input_schema": {
                "type": "object",
                "properties": {"key": {"type": ["string", "null"], "default": None, "enum": ["a", None]}},
                "required": ["key"],
                "additionalProperties": False,
            },
        },
    ],
    "mcp_servers": [{"type": "url", "name": "tracker", "url": "https://tracker.example.com/mcp"}],
    "skills": [
        {"type": "anthropic", "skill_id": "xlsx"},
        {"type": "custom", "skill_id": "skill_01", "version": "3"},
        "../skills/summary",
    ],
    "multiagent": {
        "type": "multiagent_20261001",
        "subagents": {
            "type": "enabled",
            "inline_agents": {"type": "disabled"},
            "predefined_agents": ["agent_01", {"type": "agent", "id": "agent_02", "version": 2}, {"type": "self"}],
        },
        "workflows": {"type": "disabled"},
        "advisor": {"type": "enabled", "model": "claude-fable-5-2"},
    },
    "metadata": {"team": "data"},
    "execution_identity": {"type": "aws_role", "role_arn": "arn:aws:iam::123456789012:role/runner"},
    "local": {
        "limits": {
            "max_cost": "2.50",
            "max_turns": 50,
            "timeout": "1h30m",
            "max_active": 3600,
            "max_output_tokens": 400_000,
            "max_tool_calls": 200,
        },
        "permissions": {
            "deny": [{"tool": "*", "input": {"file_path": "secrets/**"}}, {"tool": "g*", "input": {"path": "/etc"}}],
            "ask": [
                "write",
                {"tool": "bash", "input": {"command": {"matches": r"\bcurl\b"}}},
                {"tool": "edit", "input": {"old_string": "a", "new_string": {"text": "b"}}},
            ],
            "allow": [
                {"tool": "bash", "input": {"command": "pytest -q"}},
                {"tool": "write", "input": {"file_path": "notes.md", "content": "none"}},
                {"tool": "grep", "input": {"pattern": "TODO", "path": "src"}},
            ],
        },
        "stuck": {
            "enabled": True,
            "same_result": 5,
            "same_error": 4,
            "alternating": 8,
            "waiting": 40,
            "no_action": 4,
            "context_window": 2,
        },
        "context": {
            "compact": True,
            "compact_at": 0.7,
            "window": 500_000,
            "clear_tool_results": {"keep": 5, "at": 0.4},
        },
        "keep": "7d",
    },
}

COORDINATOR: JsonObject = {
    **SMALL_AGENT,
    "multiagent": {
        "type": "coordinator",
        "agents": ["./reviewer.md", {"type": "self"}, {"type": "advisor", "model": "claude-fable-5-2"}],
    },
}

SMALL_ENVIRONMENT: JsonObject = {"name": "small", "config": {"type": "docker"}}

FULL_ENVIRONMENT: JsonObject = {
    "type": "environment",
    "name": "full",
    "description": "Everything.",
    "metadata": {"team": "data"},
    "scope": "organization",
    "config": {
        "type": "docker",
        "image": "registry.example.com:5000/team/python-data:3.12_1@sha256:" + "0a" * 32,
        "packages": {
            "type": "packages",
            "apt": ["ripgrep"],
            "cargo": ["hyperfine@1.18.0"],
            "gem": ["rails:7.1.0"],
            "go": ["golang.org/x/tools/cmd/goimports@latest"],
            "npm": ["@types/node@22"],
            "pip": ["sqlalchemy==2.0.30", "pandas >= 3, < 4"],
        },
        "networking": {
            "type": "limited",
            "allowed_hosts": ["data.example.com", "*.example.com", "localhost"],
            "allow_mcp_servers": True,
            "allow_package_managers": True,
            "allow_http": True,
            "private_hosts": ["db.example.internal:5432", "127.0.0.1:8080"],
        },
        "setup": "useradd analyst\n",
        "env": {"TZ": "UTC", "_x1": ""},
        "resources": {"memory": "2g", "cpus": 1.5, "pids": 256, "disk": 10737418240},
        "user": "root",
        "mounts": [{"source": "~/data", "target": "/data"}],
        "ca_bundle": "host",
    },
}

CLOUD: JsonObject = {
    "name": "hosted",
    "config": {"type": "cloud", "packages": {"pip": ["pandas"], "npm": None}, "networking": {"type": "unrestricted"}},
}

SELF_HOSTED: JsonObject = {"name": "theirs", "config": {"type": "self_hosted"}}

BUBBLEWRAP: JsonObject = {"name": "here", "config": {"type": "bubblewrap", "networking": None}}

AGENTS = [SMALL_AGENT, FULL_AGENT, COORDINATOR]
ENVIRONMENTS = [SMALL_ENVIRONMENT, FULL_ENVIRONMENT, CLOUD, SELF_HOSTED, BUBBLEWRAP, {"name": "nothing"}]
