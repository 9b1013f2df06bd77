"""Our own events, for what the API has none; never sent over the API."""

from typing import ClassVar

from agentctl.canonical import JsonObject
from agentctl.events.base import Event, event


@event
class LocalSessionCreated(Event):
    """The first event of every session: everything that the session depends on, frozen.

    ``agent`` and ``environment`` are the definitions as they were (``*_hash`` their names by
    content); ``request`` is what every request to the model begins with (model, system prompt,
    tools, …), kept so that a later version of agentctl sends the very same; ``sandbox`` says what
    was chosen and from which image; ``uploads`` what was copied in. ``vaults`` names the vaults whose
    credentials the sandbox may use; ``prices`` holds the price rows that were not agentctl's own.
    ``rerun_of`` is there where the session does again what another one did: its ``session_id``, the number
    (``at``) and the hash (``head``) of the last event of it that was known, and what was ``live``.
    ``imported`` is there where another program has recorded the session: ``format`` is whose transcript it
    is, ``name`` that of its file, ``sha256`` its bytes; such a session cannot be gone on with.
    """

    type: ClassVar[str] = "local.session_created"

    session_id: str
    agentctl_version: str
    agent: JsonObject
    agent_hash: str
    environment: JsonObject
    environment_hash: str
    model: str
    request: JsonObject
    sandbox: JsonObject
    uploads: list[JsonObject]
    limits: JsonObject
    title: str | None = None
    metadata: JsonObject | None = None
    vaults: list[str] | None = None
    prices: JsonObject | None = None
    rerun_of: JsonObject | None = None
    imported: JsonObject | None = None


@event
class LocalImported(Event):
    """What a transcript of another program holds beside what other events say: ``body``, from its line ``line``."""

    type: ClassVar[str] = "local.imported"

    line: int
    body: JsonObject


@event
class LocalForked(Event):
    """The first event that is a fork's own; those before it are its parent's.

    ``parent`` is the id of that session, ``at`` the number of the last event that both have,
    ``at_hash`` its hash. What is not None differs from the parent from here on, each in the form of
    ``local.session_created``; so is ``rerun_of``, of a fork that does again what another one did. ``not_restored``
    says what of the parent's sandbox is not there again, each ``{"kind", "line"}``, of files with their ``paths``.
    """

    type: ClassVar[str] = "local.forked"

    session_id: str
    agentctl_version: str
    parent: str
    at: int
    at_hash: str
    title: str | None = None
    agent: JsonObject | None = None
    agent_hash: str | None = None
    environment: JsonObject | None = None
    environment_hash: str | None = None
    model: str | None = None
    request: JsonObject | None = None
    sandbox: JsonObject | None = None
    limits: JsonObject | None = None
    vaults: list[str] | None = None
    prices: JsonObject | None = None
    rerun_of: JsonObject | None = None
    not_restored: list[JsonObject] | None = None


@event
class LocalInputProcessed(Event):
    """These queued events of a person have been taken up."""

    type: ClassVar[str] = "local.input_processed"

    event_ids: list[str]


@event
class LocalSandboxStarted(Event):
    """A sandbox runs; ``facts`` say which, from what image, and how long it took to start."""

    type: ClassVar[str] = "local.sandbox_started"

    facts: JsonObject


@event
class LocalSandboxLost(Event):
    """The sandbox failed or could not be started: ``reason`` says how."""

    type: ClassVar[str] = "local.sandbox_lost"

    reason: str


@event
class LocalModelResponse(Event):
    """A whole message of the model, verbatim, before the public events that are made from it.

    ``raw`` is the message's JSON text, every block and key in the order received. ``tool_uses``
    names, for each ``tool_use`` block in order, its id in the message and the id of its event.
    """

    type: ClassVar[str] = "local.model_response"

    model_request_start_id: str
    model: str
    raw: str
    tool_uses: list[JsonObject]
    request_id: str | None = None


@event
class LocalCompactionResponse(Event):
    """What the model answered when it was asked for a summary, verbatim, as in ``local.model_response``.

    The summary holds from the ``agent.thread_context_compacted`` that follows; without one, there was none.
    """

    type: ClassVar[str] = "local.compaction_response"

    model_request_start_id: str
    model: str
    raw: str
    request_id: str | None = None


@event
class LocalCompactionFailed(Event):
    """The conversation could not be summarised, and stays as it is: ``line`` says why."""

    type: ClassVar[str] = "local.compaction_failed"

    line: str


@event
class LocalContextFull(Event):
    """The conversation no longer fits into the model's context window, and has to be summarised."""

    type: ClassVar[str] = "local.context_full"

    line: str


@event
class LocalNudged(Event):
    """The model stopped short (``reason`` is its stop reason) and is asked to go on: ``text`` is what it reads."""

    type: ClassVar[str] = "local.nudged"

    reason: str
    text: str


@event
class LocalToolStarted(Event):
    """These calls are about to be sent to the sandbox: written before the deed."""

    type: ClassVar[str] = "local.tool_started"

    tool_use_ids: list[str]


@event
class LocalToolFacts(Event):
    """What is known about a call beside its result: duration, exit code, size, whether it was cut."""

    type: ClassVar[str] = "local.tool_facts"

    tool_use_id: str
    facts: JsonObject


@event
class LocalFilesUploaded(Event):
    """The files that a session begins with, as they were copied into its sandbox.

    ``manifest`` names a blob: one JSON object a line, each a file, folder or link in the form of
    ``session.files``. ``files`` counts its lines, ``bytes`` those of the contents, which are blobs too.
    ``skipped`` names what could not be copied.
    """

    type: ClassVar[str] = "local.files_uploaded"

    manifest: str
    files: int
    bytes: int
    skipped: list[str]


@event
class LocalFilesChanged(Event):
    """What a call did to the files of the workspace and of the outputs folder.

    Each of ``changes`` is in the form of ``session.files``. ``tool_use_id`` is the call, or None for
    changes that were found between two calls, made by something that still ran. ``cut`` says what is
    missing where there were more changes than are recorded.
    """

    type: ClassVar[str] = "local.files_changed"

    changes: list[JsonObject]
    tool_use_id: str | None = None
    cut: str | None = None


@event
class LocalCheckpoint(Event):
    """The state of the whole sandbox was kept when the session came to rest.

    ``image`` is the id of the image that holds it, ``size`` its bytes beyond the environment's image,
    ``keep_until`` (RFC 3339) when it may be removed.
    """

    type: ClassVar[str] = "local.checkpoint"

    image: str
    size: int
    keep_until: str


@event
class LocalCheckpointFailed(Event):
    """The state of the whole sandbox could not be kept when the session came to rest; ``reason`` says why.

    What a later sandbox has beside the recorded files is what was kept before, or what its image has.
    """

    type: ClassVar[str] = "local.checkpoint_failed"

    reason: str


@event
class LocalEgressStarted(Event):
    """A connection that the sandbox asked for is allowed, and about to be made: written before the deed.

    Its ``local.egress`` comes when it ends. Without one, the process ended first.
    """

    type: ClassVar[str] = "local.egress_started"

    host: str
    port: int
    scheme: str


@event
class LocalEgress(Event):
    """A verdict on a connection that the sandbox asked for, and what became of it.

    ``host`` is in its one spelling, or as it was asked for where it has none. ``reason`` says why it
    was refused or how it failed. ``scheme`` is ``https`` or ``http``, or ``tcp`` where something else
    than HTTP was spoken through the proxy. ``address`` is what was dialled; ``credentials`` names those
    that were put in. ``started_id`` is the ``local.egress_started`` of a connection that was allowed.
    ``times`` says how many equal refusals this one stands for, where there were very many.
    """

    type: ClassVar[str] = "local.egress"

    host: str
    port: int
    allowed: bool
    scheme: str
    duration_seconds: float
    bytes_sent: int
    bytes_received: int
    reason: str | None = None
    address: str | None = None
    credentials: list[str] | None = None
    started_id: str | None = None
    times: int | None = None


@event
class LocalOutputs(Event):
    """The files under the outputs folder as they were when the session came to rest.

    Each is ``{"path", "size", "mode", "sha256"}``, or ``{"path", "size", "skipped"}`` with the
    reason where it was not kept. ``cut`` says what is missing where there were more files than are listed.
    """

    type: ClassVar[str] = "local.outputs"

    files: list[JsonObject]
    cut: str | None = None


@event
class LocalLimitReached(Event):
    """A limit of the session ends the turn: ``limit`` is its name, with the numbers that met."""

    type: ClassVar[str] = "local.limit_reached"

    limit: str
    allowed: float
    used: float
    line: str | None = None


@event
class LocalLimitsChanged(Event):
    """From here on these limits hold, in place of all former ones."""

    type: ClassVar[str] = "local.limits_changed"

    limits: JsonObject


@event
class LocalStuckWarned(Event):
    """The agent goes in circles and is told so, once: ``advice`` is what the model reads.

    ``role`` says as whom: ``system`` where the model takes that, otherwise ``user``.
    """

    type: ClassVar[str] = "local.stuck_warned"

    reason: str
    line: str
    advice: str
    role: str


@event
class LocalStuck(Event):
    """The agent goes in circles although it was told so; the session comes to rest."""

    type: ClassVar[str] = "local.stuck"

    reason: str
    line: str


@event
class LocalInterrupted(Event):
    """The process that ran the session was told to stop; ``signal`` is its name."""

    type: ClassVar[str] = "local.interrupted"

    signal: str
