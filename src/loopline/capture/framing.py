"""Exchanges <-> frame: the bytes that cross from the process that answers to the one that records."""

from collections.abc import Iterable, Sequence

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


def read(frame: bytes) -> Exchange | Turn | None:
    """What is in the frame; None when it was damaged."""
    try:
        found: Exchange | Turn = _DECODE(frame)
        return found
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None


def exchanges_in(frame: bytes) -> tuple[Exchange | None, ...]:
    """The exchanges in the frame, one by one; a single None when it was damaged, or does not add up."""
    found = read(frame)
    try:
        return found.exchanges() if isinstance(found, Turn) else (found,)
    except (ValueError, ArithmeticError):
        return (None,)


def one_by_one(frames: Iterable[bytes], *, without: Sequence[Exchange | None] = ()) -> list[Exchange | None]:
    """The exchanges of all frames, in order, some of them left out."""
    return [one for frame in frames for one in exchanges_in(frame) if one not in without]
