"""The client of a bucket, made from its address and the environment.

Credentials, region and endpoint come from each cloud's usual variables, which obstore reads: ``AWS_ACCESS_KEY_ID``,
``AWS_SECRET_ACCESS_KEY``, ``AWS_REGION``, ``AWS_ENDPOINT_URL``; ``GOOGLE_APPLICATION_CREDENTIALS``;
``AZURE_STORAGE_ACCOUNT_NAME``, ``AZURE_STORAGE_ACCOUNT_KEY``. Read here: ``AWS_CA_BUNDLE`` or ``SSL_CERT_FILE``, for
certificates to trust beside the system's; for ``oss://``, ``OSS_ENDPOINT`` or ``OSS_REGION``, and the pair
``OSS_ACCESS_KEY_ID``, ``OSS_ACCESS_KEY_SECRET``.
"""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, S3Store

from loopline.adapters.objectstore.address import Address
from loopline.errors import InvalidRecord

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Config

Client = S3Store | GCSStore | AzureStore

RETRY: "RetryConfig" = {"max_retries": 4, "retry_timeout": timedelta(seconds=60)}
"""Of 5xx answers, broken connections and, for reads, timeouts; the first after a tenth of a second, doubling."""


def connect(address: Address, *, environment: Mapping[str, str]) -> Client:
    """A client; nothing is sent yet. Raises InvalidRecord for an environment that makes none."""
    options = _options(environment, is_plain=_endpoint(environment).startswith("http://"))
    bucket, prefix = address.bucket, address.prefix or None
    try:
        match address.scheme:
            case "gs":
                return GCSStore(bucket, prefix=prefix, client_options=options, retry_config=RETRY)
            case "az":
                return AzureStore(bucket, prefix=prefix, client_options=options, retry_config=RETRY)
            case _:
                config = s3_config(address, environment=environment)
                return S3Store(bucket, prefix=prefix, config=config, client_options=options, retry_config=RETRY)
    except (BaseError, ValueError) as error:
        found = str(error).partition("\n")[0]
        raise InvalidRecord(f"object store {address}", found=found, expected="settings that make a client") from error


def s3_config(address: Address, *, environment: Mapping[str, str]) -> "S3Config":
    """How S3 and what speaks its protocol are talked to.

    Over TLS the payload goes unsigned: TLS keeps it whole, BLAKE3 proves it, and hashing it once more would cost more
    than sending it. One object a deletion: not every store knows the other way.
    """
    config: S3Config = {"unsigned_payload": True, "disable_bulk_delete": True}
    if address.scheme == "s3":
        config["unsigned_payload"] = not _endpoint(environment).startswith("http://")
        return config
    region = environment.get("OSS_REGION", "").removeprefix("oss-")
    endpoint = environment.get("OSS_ENDPOINT") or (f"oss-{region}.aliyuncs.com" if region else "")
    if not endpoint:
        found, expected = "no endpoint", "OSS_ENDPOINT or OSS_REGION in the environment"
        raise InvalidRecord(f"object store {address}", found=found, expected=expected)
    host = endpoint.rpartition("://")[2].strip("/")  # OSS takes the bucket in the host's name, and only over TLS here
    config |= {"endpoint": f"https://{address.bucket}.{host}", "virtual_hosted_style_request": True}
    config["region"] = region or host.partition(".")[0].removeprefix("oss-")
    if "OSS_ACCESS_KEY_ID" in environment:
        config["access_key_id"] = environment["OSS_ACCESS_KEY_ID"]
        config["secret_access_key"] = environment.get("OSS_ACCESS_KEY_SECRET", "")
    return config


def _endpoint(environment: Mapping[str, str]) -> str:
    names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
    return next((environment[name] for name in names if environment.get(name)), "")


def _options(environment: Mapping[str, str], *, is_plain: bool) -> "ClientConfig":
    options: ClientConfig = {
        "allow_http": is_plain,
        "connect_timeout": timedelta(seconds=5),
        "read_timeout": timedelta(seconds=30),
        "timeout": timedelta(minutes=5),  # of a whole request: a big object over a slow line
    }
    name = next((name for name in ("AWS_CA_BUNDLE", "SSL_CERT_FILE") if environment.get(name)), "")
    if name:
        try:
            options["root_certificate"] = Path(environment[name]).read_bytes()
        except OSError as error:
            found = f"{environment[name]!r} cannot be read ({error.strerror})"
            raise InvalidRecord(name, found=found, expected="a file of PEM certificates") from error
    return options
