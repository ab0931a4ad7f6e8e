"""Whether an object store works, found out by using it."""

import os

from loopline.errors import LooplineError, NotFound, Unavailable
from loopline.ports.object_store import ObjectStore
from loopline.records.ids import Digest


def probe(store: ObjectStore) -> str:
    """What is wrong, in words with a remedy; empty when a small object was stored, read back and deleted."""
    content = b"loopline doctor " + os.urandom(16)
    try:
        name = store.put(content)
        try:
            found = store.get(name)
        finally:
            store.delete(name)
    except NotFound:
        return "an object is not found right after it was stored; check that nothing else cleans the store up"
    except Unavailable as error:
        return f"{error.reason}; {error.remedy}"
    except LooplineError as error:
        return str(error)
    if found != content:
        return "an object came back changed; check what stands between here and the store"
    return _still_there(store, name)


def _still_there(store: ObjectStore, name: Digest) -> str:
    try:
        store.get(name)
    except NotFound:
        return ""
    except Unavailable as error:
        return f"{error.reason}; {error.remedy}"
    return "an object that was deleted is still there; check the store's rights and its versions"
