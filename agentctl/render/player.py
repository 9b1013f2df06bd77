"""A player of records: what is on the screen, and what each key makes of it. Nothing is read or drawn here."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from agentctl.render.moments import ANY, Kind

SLOWEST, FASTEST = 0.01, 1000.0
_FASTER = 2.0
_ROWS_OF_A_PAGE = 10

KEYS = (
    ("space", "play, pause"),
    ("→ . ←", "one event forward, back"),
    ("e E", "next, previous error"),
    ("a A", "next, previous approval"),
    ("f F", "next, previous file change"),
    ("c C", "next, previous cost jump"),
    ("] [", "next, previous of all these"),
    ("/", "search; n N next, previous"),
    ("g G", "start, end"),
    ("+ -", "faster, slower"),
    ("↑ ↓", "scroll; PgUp PgDn"),
    ("enter", "all of it, or its beginning"),
    ("q", "quit"),
)
"""The keys and what they do, as the help shows them."""

_KINDS = {"e": Kind.ERROR, "a": Kind.APPROVAL, "f": Kind.FILES, "c": Kind.COST}

Waits: TypeAlias = Callable[[int], tuple[int, float] | None]
"""Says of an event which one is played next, and after how many seconds at speed 1; None at the end."""


@dataclass(frozen=True, slots=True)
class Seek:
    """The way to another event: one of certain ``kinds``, one that holds ``text``, the next one, or ``target`` itself.

    ``origin`` is where it began, ``forward`` the direction.
    """

    origin: int
    forward: bool = True
    kinds: Kind = ANY
    text: str = ""
    target: int | None = None
    is_step: bool = False

    @property
    def what(self) -> str:
        """What is sought, as a person reads it."""
        if self.target is not None:
            return f"#{self.target}"
        if self.text:
            return f"“{self.text}”"
        return "event" if self.is_step else self.kinds.noun


@dataclass(frozen=True, slots=True)
class PlayerState:
    """What the player shows and does; every method returns the state after something has happened.

    ``at`` is the number of the event that was played last, ``last`` that of the end. ``waited`` are seconds
    of the record, at speed 1, that went by since. ``scroll`` counts the rows below the screen. ``seeking``
    is a way that somebody has to go: they answer with ``found``. ``is_full`` leaves no line out.
    """

    last: int
    at: int = 1
    is_playing: bool = True
    speed: float = 1.0
    waited: float = 0.0
    scroll: int = 0
    is_full: bool = False
    mode: Literal["look", "search", "help"] = "look"
    typed: str = ""
    query: str = ""
    seeking: Seek | None = None
    message: str = ""
    is_over: bool = False

    def begun(self, place: int) -> "PlayerState":
        """Return the state that has to go to an event first."""
        return replace(self, seeking=Seek(self.at, target=place))

    def key(self, key: str) -> "PlayerState":
        """Return the state after a key: a character, or the name of one (``left``, ``enter``, ``pageup``, …)."""
        now = replace(self, message="", seeking=None)
        if self.mode == "search":
            return _typing(now, key)
        if self.mode == "help":
            return _helping(now, key)
        return _looking(now, key)

    def passed(self, seconds: float, waits: Waits) -> "PlayerState":
        """Return the state after ``seconds`` of a person's time."""
        if not self.is_playing:
            return self
        at, waited = self.at, self.waited + seconds * self.speed
        while (following := waits(at)) is not None and waited >= following[1]:
            at, waited = following[0], waited - following[1]
        if following is None:
            return replace(self, at=at, waited=0.0)
        return replace(self, at=at, waited=waited)

    def ended(self) -> "PlayerState":
        """Return the state where there is nothing more to play."""
        return replace(self, is_playing=False, waited=0.0)

    def found(self, place: int | None) -> "PlayerState":
        """Return the state after what was sought has been found at an event, or not at all."""
        seek = self.seeking
        now = replace(self, seeking=None)
        if seek is None:
            return now
        if place is not None:
            return _moved(now, place)
        if seek.target is not None:
            return replace(now, message="none of the events that are asked for is here")
        if seek.is_step:
            return replace(now, message="this is the end" if seek.forward else "this is the beginning")
        return replace(now, message=f"no {seek.what} {'after' if seek.forward else 'before'} this")

    def abandoned(self) -> "PlayerState":
        """Return the state after the way to somewhere was broken off."""
        return replace(self, seeking=None, message="not looked for any further")


def _looking(state: PlayerState, key: str) -> PlayerState:
    match key:
        case "q" | "Q":
            return replace(state, is_over=True)
        case " ":
            return replace(state, is_playing=not state.is_playing, scroll=0)
        case "right" | "." | "l":
            return _seek(state, is_step=True)
        case "left" | "," | "h":
            return _seek(state, is_step=True, forward=False)
        case "]" | "[":
            return _seek(state, kinds=ANY, forward=key == "]")
        case "n" | "N":
            return _search(state, forward=key == "n")
        case "g" | "home":
            return _seek(state, target=1)
        case "G" | "end":
            return _seek(state, target=state.last)
        case "+" | "=" | "-" | "_":
            return _faster(state, _FASTER if key in "+=" else 1 / _FASTER)
        case "/":
            return replace(state, mode="search", typed="", is_playing=False)
        case "?":
            return replace(state, mode="help", is_playing=False, scroll=0)
        case "enter":
            return replace(state, is_full=not state.is_full, scroll=0)
        case _ if key.lower() in _KINDS:
            return _seek(state, kinds=_KINDS[key.lower()], forward=key.islower())
        case _:
            return _scrolled(state, key)


def _typing(state: PlayerState, key: str) -> PlayerState:
    match key:
        case "enter":
            now = replace(state, mode="look", query=state.typed or state.query)
            return _search(now, forward=True)
        case "escape":
            return replace(state, mode="look")
        case "backspace":
            return replace(state, typed=state.typed[:-1]) if state.typed else replace(state, mode="look")
        case _:
            return replace(state, typed=state.typed + key) if len(key) == 1 else state


def _helping(state: PlayerState, key: str) -> PlayerState:
    if key in ("up", "down", "pageup", "pagedown"):
        # The help is read from its top, the record from its end.
        down = {"up": -1, "down": 1, "pageup": -_ROWS_OF_A_PAGE, "pagedown": _ROWS_OF_A_PAGE}[key]
        return replace(state, scroll=min(len(KEYS), max(0, state.scroll + down)))
    return replace(state, mode="look", scroll=0)


def _scrolled(state: PlayerState, key: str) -> PlayerState:
    rows = {"up": 1, "k": 1, "down": -1, "j": -1, "pageup": _ROWS_OF_A_PAGE, "pagedown": -_ROWS_OF_A_PAGE}.get(key)
    return state if rows is None else replace(state, scroll=max(0, state.scroll + rows), is_playing=False)


def _faster(state: PlayerState, factor: float) -> PlayerState:
    return replace(state, speed=min(FASTEST, max(SLOWEST, state.speed * factor)))


def _search(state: PlayerState, *, forward: bool) -> PlayerState:
    if not state.query:
        return replace(state, message="nothing was searched for yet: /")
    return _seek(state, text=state.query, forward=forward)


def _seek(
    state: PlayerState,
    *,
    forward: bool = True,
    kinds: Kind = ANY,
    text: str = "",
    target: int | None = None,
    is_step: bool = False,
) -> PlayerState:
    seek = Seek(state.at, forward, kinds, text, target, is_step)
    return replace(state, seeking=seek, is_playing=False)


def _moved(state: PlayerState, place: int) -> PlayerState:
    return replace(state, at=place, waited=0.0, scroll=0)
