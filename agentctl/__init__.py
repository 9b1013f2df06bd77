"""agentctl: Claude Managed Agents in one command on your own machine, with a record that you can trust."""

__version__ = "0.1.0"
