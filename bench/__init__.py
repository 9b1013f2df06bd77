"""The benchmark of agentctl: what is measured and how is in README.md beside this file."""
