"""What keys of well-known services begin with, and that nothing else begins with."""

import re
from collections.abc import Mapping

_SHAPES: Mapping[str, str] = {
    "an Anthropic key": r"\bsk-ant-[A-Za-z0-9_-]{16,}",
    "an OpenAI key": r"\bsk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{16,}",
    "a GitHub token": r"\b(?:gh[opsur]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,})",
    "a GitLab token": r"\bglpat-[A-Za-z0-9_-]{16,}",
    "an AWS key": r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    "a Google key": r"\bAIza[A-Za-z0-9_-]{35}",
    "a Slack token": r"\bxox[abeoprs]-[A-Za-z0-9-]{16,}",
    "a Stripe key": r"\b[rs]k_live_[A-Za-z0-9]{16,}",
    "an npm token": r"\bnpm_[A-Za-z0-9]{30,}",
    "a PyPI token": r"\bpypi-[A-Za-z0-9_-]{30,}",
    "a private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----",
}

# Sought first: a text that has none of these has none of the shapes either.
_HINTS = re.compile("sk-|gh[opsur]_|github_pat_|glpat-|AKIA|ASIA|AIza|xox|_live_|npm_|pypi-|-----BEGIN ")


def shapes_in(text: str) -> list[str]:
    """Name the kinds of keys that a text holds something like, such as ``a GitHub token``."""
    if _HINTS.search(text) is None:
        return []
    return [name for name, pattern in _SHAPES.items() if re.search(pattern, text)]
