"""Failures of the model and of the sandbox, as the ``error`` of a ``session.error``."""

from datetime import datetime, timedelta

from agentctl.canonical import JsonObject
from agentctl.errors import AgentctlError, ModelError
from agentctl.ids import timestamp
from agentctl.policy.retry import Failure, worth_another_try


def model_error(error: ModelError, *, retrying: bool = False) -> JsonObject:
    """Write a failure of the model."""
    kinds = {
        "overloaded_error": "model_overloaded_error",
        "rate_limit_error": "model_rate_limited_error",
        "billing_error": "billing_error",
    }
    return _error(kinds.get(error.kind, "model_request_failed_error"), error, retrying=retrying) | {
        "local": {
            "type": error.type,
            "kind": error.kind,
            "exit_code": error.exit_code,
            "hint": error.hint,
            "request_id": error.request_id,
        }
    }


def final_model_error(error: ModelError, failure: Failure, now: datetime) -> JsonObject:
    """Write a failure that is not tried again, with the moment from which on it can be where the server named one."""
    body, seconds = model_error(error), worth_another_try(failure)
    if not seconds:
        return body
    at = now + timedelta(seconds=seconds)
    told = {"message": f"{error.message}; it asks to be left alone until {at:%Y-%m-%d %H:%M:%S} UTC"}
    local = {"resume_at": timestamp(at), "hint": "resume the session then"}
    return body | told | {"local": body["local"] | local}


def sandbox_error(error: AgentctlError) -> JsonObject:
    """Write a failure of the sandbox; the API has no type for it."""
    return _error("unknown_error", error) | {
        "local": {"type": error.type, "exit_code": error.exit_code, "hint": error.hint}
    }


def _error(kind: str, error: AgentctlError, *, retrying: bool = False) -> JsonObject:
    status = "retrying" if retrying else "exhausted"
    return {"type": kind, "message": error.message, "retry_status": {"type": status}}
