"""Agents that many tests run."""

TESTER = "name: tester\nmodel: claude-opus-5-5\ntools: [{type: agent_toolset_20260401}]\n"

CAREFUL = """\
name: tester
model: claude-opus-5-5
system: You test.
tools:
  - type: agent_toolset_20260401
    configs: [{name: write, permission_policy: {type: always_ask}}]
"""
"""One who is asked before it writes with the tool for it."""
