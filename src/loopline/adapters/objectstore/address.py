"""Where a bucket is, read from ``OBJECT_STORE``. Imports no client, so that asking is free."""

import re
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from loopline.errors import InvalidRecord

SCHEMES = ("s3", "gs", "az", "oss")


class Address(NamedTuple):
    """A place in a bucket."""

    scheme: str
    bucket: str
    prefix: str
    """Before every name; no slash at either end."""

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}" + (f"/{self.prefix}" if self.prefix else "")


def is_remote(url: str) -> bool:
    """Whether objects under this URL lie in a bucket, and not in a folder: ``""`` and ``file:///folder`` do not.

    Raises InvalidRecord for a URL that is neither.

    >>> is_remote("s3://models/loopline"), is_remote("file:///data"), is_remote("")
    (True, False, False)
    """
    if url and urlsplit(url).scheme not in (*SCHEMES, "file"):
        expected = "s3://BUCKET/PREFIX, gs://, az://, oss:// or file:///FOLDER"
        raise InvalidRecord("OBJECT_STORE", found=_shown(url), expected=expected)
    return urlsplit(url).scheme in SCHEMES


def read_address(url: str) -> Address:
    """The place that the URL names. Raises InvalidRecord for one that names no bucket.

    >>> read_address("s3://models/loopline/")
    Address(scheme='s3', bucket='models', prefix='loopline')
    """
    parts = urlsplit(url)
    if not is_remote(url) or not parts.netloc or "@" in parts.netloc or parts.query:
        expected = "SCHEME://BUCKET or SCHEME://BUCKET/PREFIX"
        remedy = "credentials and options come from the environment"
        raise InvalidRecord("OBJECT_STORE", found=_shown(url), expected=expected, remedy=remedy)
    return Address(parts.scheme, parts.netloc, unquote(parts.path).strip("/"))


def _shown(url: str) -> str:
    """The URL without what may be a password."""
    return repr(re.sub(r"(?<=//).*(?=@)", "***", url))
