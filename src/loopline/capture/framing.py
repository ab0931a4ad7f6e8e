"""Exchanges <-> frame: the bytes that cross from the process that answers to the one that records."""

from collections.abc import Iterable

import msgspec

from loopline.records.exchange import Exchange, Turn

_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = msgspec.msgpack.Decoder(Exchange | Turn).decode


def framed(exchange: Exchange | Turn) -> bytes:
    """The exchange in MessagePack; empty when it holds a text that no encoding can hold.

    Of what a failing model said about itself, letters that are none (lone surrogates) become question marks.
    """
    try:
        return _ENCODE(exchange)
    except UnicodeEncodeError:
        pass
    told = {name: getattr(exchange, name).encode(errors="replace").decode() for name in ("failure", "reason")}
    try:
        return _ENCODE(msgspec.structs.replace(exchange, **told))
    except UnicodeEncodeError:
        return b""


def exchanges_in(frame: bytes) -> tuple[Exchange | None, ...]:
    """The exchanges in the frame; a single None when it holds none, for it was damaged."""
    try:
        found = _DECODE(frame)
        return found.exchanges() if isinstance(found, Turn) else (found,)
    except (msgspec.DecodeError, ValueError, RecursionError, ArithmeticError):
        return (None,)


def all_in(frames: Iterable[bytes]) -> list[Exchange | None]:
    """The exchanges of all frames, in order."""
    return [one for frame in frames for one in exchanges_in(frame)]
