"""Which predictions enter the log when not all of them should."""

from blake3 import blake3


def is_sampled(request: str, *, share: float) -> bool:
    """Whether the answers to the request with this id are kept; the same id gets the same answer everywhere.

    u = BLAKE3(id) read as a number in [0, 1); kept exactly when u < share. A version's own copy ``p~v2`` and the rows
    ``p/0``, ``p/1`` go where ``p`` goes.

    >>> is_sampled("p1", share=1.0), is_sampled("p1", share=0.0)
    (True, False)
    """
    return (int.from_bytes(blake3(request.encode("utf-8", "surrogatepass")).digest(8), "big") >> 11) / (1 << 53) < share
