"""What a program in the sandbox reads where its connection was not made; whoever reads it can act on it."""

from agentctl.visible import visible_line

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"

_PHRASES = {400: "Bad Request", 403: "Forbidden", 502: "Bad Gateway", 503: "Service Unavailable"}
_MOST_PHRASE = 200

ACCESS_DENIED = 49
UNRECOGNIZED_NAME = 112


def error_answer(status: int, asked: str, reason: str) -> bytes:
    """Write an answer of HTTP; the reason stands in its first line too, which is all that many programs show."""
    host, reason = visible_line(asked) or "the request", visible_line(reason)
    body = f"agentctl: {host} was not reached: {reason}\n".encode()
    phrase = f"{_PHRASES[status]} (agentctl: {host}: {reason})"[:_MOST_PHRASE].encode("ascii", "replace").decode()
    head = [
        f"HTTP/1.1 {status} {phrase}",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    return "\r\n".join([*head, "", ""]).encode() + body


def alert(description: int) -> bytes:
    """Write a fatal alert of TLS (RFC 8446, 6), for a client that has a tunnel already."""
    return bytes([21, 3, 3, 0, 2, 2, description])
