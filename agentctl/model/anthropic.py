"""The Claude API, through Anthropic's SDK; with ``model.sdk`` the only module that knows it.

The SDK is used for what it knows best: credentials (all its sources work, because none is named
here), the connection, proxies, tracing. Three of its habits are not wanted: it retries by itself
(the harness does, and records each attempt), it follows redirects (they would take the whole
conversation elsewhere), and it turns events into objects (which forget the order of fields, and the
next request has to repeat them all; they are taken as plain JSON instead, which is also faster).
"""

import json
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any, NoReturn, cast

import httpx2
from pydantic import RootModel

from agentctl.canonical import JsonObject
from agentctl.errors import AgentctlError, CredentialsError, ModelError
from agentctl.ids import Clock, SystemClock
from agentctl.model.base import ModelRequest, ModelResponse, ShowPreview
from agentctl.model.connection import (
    Connections,
    causes_of,
    host_of,
    no_address,
    unreachable,
    unreadable,
)
from agentctl.model.failure import NO_KEY_HINT, broken_off, refused, without_secrets
from agentctl.model.logs import redact_logs
from agentctl.model.sdk import (
    Anthropic,
    AnthropicError,
    APIConnectionError,
    APIResponse,
    APIStatusError,
    DefaultHttpxClient,
    Stream,
)
from agentctl.model.stream import MessageStream
from agentctl.model.watchdog import Watchdog

_REQUIRED = ("model", "max_tokens", "messages")
_CONNECT_SECONDS = 5.0
_DRAIN_SECONDS = 1.0

# What the SDK and the libraries under it raise while a stream is opened and read (ValueError: bad
# JSON, bad UTF-8, a header or a body that cannot be written).
_FAILURES = (
    AnthropicError,
    httpx2.HTTPError,
    httpx2.InvalidURL,
    httpx2.StreamError,
    RecursionError,
    ValueError,
)


class _Ready(RootModel[Any]):
    """A part of a request that is plain data already.

    Of everything else the SDK makes a copy first, object by object, in which it looks for what is not plain. For
    a long conversation that takes longer than all the rest of a request; of a model of pydantic's it takes the dump.
    """

    def model_dump(self, **_: Any) -> Any:
        """Return the part itself: nobody changes it."""
        return self.root


class AnthropicModel:
    """The Messages API. Answers one request at a time; threads that ask at once need one each.

    A request is given up after ``deadline_seconds``, after ``silence_seconds`` without an event
    (pings and half events do not count), and after ``most_bytes``. The deadline is long because
    answers are: 64,000 tokens take twenty minutes and more. Raises CredentialsError when no
    credentials are found where the SDK looks for them, ModelError for an address that is none.
    """

    def __init__(
        self,
        *,
        deadline_seconds: float = 3600.0,
        silence_seconds: float = 300.0,
        most_bytes: int = 256 * 1024 * 1024,
        clock: Clock | None = None,
    ) -> None:
        self._deadline_seconds = deadline_seconds
        self._silence_seconds = silence_seconds
        self._most_bytes = most_bytes
        self._clock = clock or SystemClock()
        self._ends = 0.0
        self._has_begun = False
        self._connections = Connections()
        self._watchdog = Watchdog(self._connections.hang_up)
        timeout = httpx2.Timeout(silence_seconds, connect=_CONNECT_SECONDS)
        self._client = _client(timeout, self._connections)

    def respond(self, request: ModelRequest, show: ShowPreview) -> ModelResponse:
        """Answer one request, showing pieces as they come.

        Raises ModelError. Makes exactly one attempt.
        """
        self._connections.pick_up()
        self._ends = self._clock.monotonic() + self._deadline_seconds
        self._has_begun = False
        answer = MessageStream(show)
        with self._watchdog.watching(self._deadline_seconds, self._silence_seconds):
            response = self._send(request)
            # What the caller does with a piece may fail as well; that is not the server's failure
            # and must not be explained as one, so reading and showing are kept apart.
            with closing(self._events(response)) as events:
                for event in events:
                    self._watchdog.heard()
                    answer.add(event)
                    self._has_begun = answer.has_begun
                    if answer.is_whole:
                        self._drain(events)
        if self._connections.is_hung_up and not answer.is_whole:
            raise self._too_late()
        return answer.response(response.request_id)

    def cancel(self) -> None:
        """End the request that is being made, if one is. From any thread."""
        self._connections.hang_up()

    def close(self) -> None:
        """Close the connections; may be called twice."""
        self._watchdog.close()
        self._client.close()

    def _send(self, request: ModelRequest) -> APIResponse[Any]:
        try:
            return self._create(request.body, request.betas)
        except UnicodeEncodeError as error:
            if error.encoding != "utf-8":
                self._explain(error, None)
        except _FAILURES as error:
            self._explain(error, None)
        # A surrogate without its partner, from a tool's output perhaps: JSON in UTF-8 has no
        # place for it. What is sent instead depends on the request alone, as it has to.
        text = json.dumps(request.body, ensure_ascii=False).encode("utf-8", "replace")
        with self._explained(None):
            return self._create(json.loads(text), request.betas)

    def _create(self, body: JsonObject, betas: tuple[str, ...]) -> APIResponse[Any]:
        more = {key: _Ready(value) for key, value in body.items() if key not in _REQUIRED}
        return self._client.messages.with_raw_response.create(
            model=body["model"],
            max_tokens=body["max_tokens"],
            messages=cast("Any", _Ready(body["messages"])),
            stream=True,
            extra_body=more,
            extra_headers={"anthropic-beta": ",".join(betas)} if betas else None,
        )

    def _events(self, response: APIResponse[Any]) -> Generator[object]:
        with self._explained(response.request_id), response.parse(to=Stream[object]) as events:
            _check_kind(response)
            for event in events:
                if response.http_response.num_bytes_downloaded > self._most_bytes:
                    raise ModelError("the model's answer does not end", kind="protocol_error")
                yield event

    def _drain(self, events: Iterator[object]) -> None:
        """Read on to the end, so that the connection can be used again; nothing else needs it."""
        with self._watchdog.watching(_DRAIN_SECONDS), suppress(AgentctlError):
            for _ in events:
                pass

    @contextmanager
    def _explained(self, request_id: str | None) -> Iterator[None]:
        try:
            yield
        except _FAILURES as error:
            self._explain(error, request_id)

    def _explain(self, error: Exception, request_id: str | None) -> NoReturn:
        """Raise what the harness is told instead of ``error``."""
        failure = self._too_late() if self._connections.is_hung_up else self._failure(error)
        failure.request_id = failure.request_id or request_id
        # The library's own words on a header that cannot be sent quote it, and so the key.
        raise failure from (None if isinstance(failure, CredentialsError) else error)

    def _failure(self, error: Exception) -> ModelError:
        if isinstance(error, APIStatusError):
            body = _without(self._client.api_key or self._client.auth_token, error.body)
            if error.response.is_success:
                return broken_off(body, error.request_id, begun=self._has_begun)
            return refused(error.status_code, body, error.response.headers, self._clock.now())
        host = host_of(self._client.base_url)
        if isinstance(error, APIConnectionError) and error.__cause__ is not None:
            return unreachable(error.__cause__, host)
        if isinstance(error, AnthropicError):
            return _no_credentials(error)
        return unreadable(error, host)

    def _too_late(self) -> ModelError:
        words = f"fell silent for {self._silence_seconds:g} seconds"
        if self._clock.monotonic() >= self._ends:
            words = f"did not finish its answer within {self._deadline_seconds:g} seconds"
        return ModelError(f"the model {words}", kind="timeout_error", retryable=True)


def _client(timeout: httpx2.Timeout, connections: Connections) -> Anthropic:
    redact_logs()
    try:
        client = Anthropic(
            max_retries=0,
            timeout=timeout,
            # Proxies and certificate authorities named in the environment are obeyed, as by every
            # other program this person runs: the environment is theirs. Nothing in a workspace
            # or a definition ever gets into it.
            http_client=DefaultHttpxClient(follow_redirects=False, event_hooks={"request": [connections]}),
        )
    except AnthropicError as error:
        raise _no_credentials(error) from error
    except (httpx2.InvalidURL, ValueError) as error:
        raise no_address() from error
    if client.credentials is None and not _has_credentials(client.default_headers):
        client.close()
        raise CredentialsError("no key for the model's API was found", hint=NO_KEY_HINT)
    return client


def _has_credentials(headers: Any) -> bool:
    return any(name.lower() in ("authorization", "x-api-key") for name in headers)


def _no_credentials(error: AnthropicError) -> ModelError:
    text = without_secrets(str(error))
    if any(isinstance(cause, httpx2.TransportError) for cause in causes_of(error)):
        return ModelError(
            f"no access token could be fetched: {text}", kind="connection_error", retryable=True, unbilled=True
        )
    return CredentialsError(f"the credentials for the model's API cannot be used: {text}", hint=NO_KEY_HINT)


def _check_kind(response: APIResponse[Any]) -> None:
    kind = response.headers.get("content-type", "nothing named").split(";")[0]
    if kind != "text/event-stream":
        raise ModelError(
            f"what answers at {host_of(response.url)} is not the model's API: it sent {kind}",
            kind="protocol_error",
            request_id=response.request_id,
            hint="is ANTHROPIC_BASE_URL right, and does no portal ask you to log in?",
            unbilled=True,
        )


def _without(secret: str | None, body: object) -> object:
    """Return a body in which the key, should the server repeat it, is masked."""
    if not secret:
        return body
    return json.loads(json.dumps(body).replace(json.dumps(secret)[1:-1], "[key]"))
