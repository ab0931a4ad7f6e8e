"""A bucket's address, its client, what is wrong with it in words, and the probe."""

import pickle
from datetime import timedelta
from pathlib import Path

import obstore
import pytest

from loopline.adapters.memory.objects import MemoryObjects
from loopline.adapters.objectstore.address import Address, is_remote, read_address
from loopline.adapters.objectstore.client import connect, s3_config
from loopline.adapters.objectstore.probe import probe
from loopline.adapters.objectstore.store import ObstoreObjects
from loopline.adapters.objectstore.trouble import explain
from loopline.errors import InvalidRecord, NotFound, Unavailable
from loopline.records.ids import Digest

S3 = Address("s3", "models", "loop")
KEYS = {"OSS_ACCESS_KEY_ID": "own", "OSS_ACCESS_KEY_SECRET": "secret"}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("s3://models", Address("s3", "models", "")),
        ("gs://models/", Address("gs", "models", "")),
        ("az://box/a/b/", Address("az", "box", "a/b")),
        ("oss://models/a%20b", Address("oss", "models", "a b")),
    ],
)
def test_an_address_is_read(url: str, expected: Address) -> None:
    assert is_remote(url)
    assert read_address(url) == expected


def test_an_address_is_shown_as_it_was_given() -> None:
    assert [str(read_address(url)) for url in ("s3://models", "s3://models/a/")] == ["s3://models", "s3://models/a"]


@pytest.mark.parametrize("url", ["http://models", "models", "S4://models", "/folder"])
def test_what_is_neither_bucket_nor_folder_is_refused(url: str) -> None:
    with pytest.raises(InvalidRecord) as error:
        is_remote(url)
    expected = "s3://BUCKET/PREFIX, gs://, az://, oss:// or file:///FOLDER"
    assert str(error.value) == f"OBJECT_STORE: {url!r}, expected {expected}"


def test_a_password_in_an_address_of_another_kind_is_not_repeated() -> None:
    with pytest.raises(InvalidRecord, match=r"^OBJECT_STORE: 'minio://\*\*\*@host/models', expected s3://BUCKET"):
        is_remote("minio://key:secret@host/models")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("s3://", "s3://"),
        ("s3:///loop", "s3:///loop"),
        ("file:///folder", "file:///folder"),
        ("s3://key:secret@models", "s3://***@models"),
        ("s3://models?region=x", "s3://models?region=x"),
    ],
)
def test_an_address_without_a_bucket_or_with_credentials_is_refused(url: str, shown: str) -> None:
    with pytest.raises(InvalidRecord) as error:
        read_address(url)
    expected = "SCHEME://BUCKET or SCHEME://BUCKET/PREFIX; credentials and options come from the environment"
    assert str(error.value) == f"OBJECT_STORE: {shown!r}, expected {expected}"


@pytest.mark.parametrize(
    "environment",
    [
        {"OSS_REGION": "cn-hangzhou"},
        {"OSS_REGION": "oss-cn-hangzhou"},
        {"OSS_ENDPOINT": "oss-cn-hangzhou.aliyuncs.com"},
    ],
)
def test_oss_is_s3_with_the_bucket_in_the_name_of_the_host(environment: dict[str, str]) -> None:
    client = connect(Address("oss", "models", "loop"), environment=environment | KEYS)
    link = obstore.sign(client, "GET", "ab/abcd", timedelta(seconds=60))
    assert link.startswith("https://models.oss-cn-hangzhou.aliyuncs.com/loop/ab/abcd?")
    assert "X-Amz-Credential=own%2F" in link
    assert "%2Fcn-hangzhou%2Fs3%2F" in link


def test_oss_takes_an_endpoint_of_its_own() -> None:
    environment = {"OSS_ENDPOINT": "https://oss.example/", "OSS_REGION": "cn-x"}
    config = s3_config(Address("oss", "models", ""), environment=environment)
    assert config["endpoint"] == "https://models.oss.example"
    assert (config["region"], config["unsigned_payload"], config["disable_bulk_delete"]) == ("cn-x", True, True)


def test_credentials_do_not_travel_with_a_store_that_is_sent_to_a_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def signed_by(store: ObstoreObjects) -> str:
        return obstore.sign(store._client, "GET", "ab/abcd", timedelta(seconds=60))

    for name, value in (KEYS | {"OSS_REGION": "cn-x", "OSS_ACCESS_KEY_SECRET": "never-to-be-sent"}).items():
        monkeypatch.setenv(name, value)
    here = ObstoreObjects("oss://models/loop", cache=tmp_path)
    sent = pickle.dumps(here)
    assert b"never-to-be-sent" not in sent
    monkeypatch.setenv("OSS_ACCESS_KEY_ID", "theirs")
    there = signed_by(pickle.loads(sent))
    assert there.startswith("https://models.oss-cn-x.aliyuncs.com/loop/ab/abcd?")
    assert "theirs" in there
    assert "theirs" not in signed_by(here)


def test_oss_without_an_endpoint_says_what_to_set() -> None:
    with pytest.raises(InvalidRecord) as error:
        s3_config(Address("oss", "models", ""), environment={})
    expected = "OSS_ENDPOINT or OSS_REGION in the environment"
    assert str(error.value) == f"object store oss://models: no endpoint, expected {expected}"


@pytest.mark.parametrize(("endpoint", "is_unsigned"), [("https://s3.example", True), ("http://s3.example", False)])
def test_a_payload_is_left_unsigned_only_under_tls(endpoint: str, is_unsigned: bool) -> None:
    assert s3_config(S3, environment={"AWS_ENDPOINT_URL": endpoint})["unsigned_payload"] is is_unsigned


def test_certificates_that_cannot_be_read_are_named() -> None:
    with pytest.raises(InvalidRecord) as error:
        connect(S3, environment={"AWS_CA_BUNDLE": "/nowhere.pem"})
    found = "'/nowhere.pem' cannot be read (No such file or directory)"
    assert str(error.value) == f"AWS_CA_BUNDLE: {found}, expected a file of PEM certificates"


def test_certificates_that_are_none_are_told(tmp_path) -> None:
    (tmp_path / "ca.pem").write_bytes(b"garbage")
    with pytest.raises(InvalidRecord) as error:
        connect(S3, environment={"SSL_CERT_FILE": str(tmp_path / "ca.pem")})
    assert str(error.value).startswith("object store s3://models/loop: No certificates found")
    assert str(error.value).endswith(", expected settings that make a client")


def test_azure_without_an_account_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    with pytest.raises(InvalidRecord) as error:
        connect(Address("az", "box", ""), environment={})
    found = "Generic MicrosoftAzure error: Account must be specified"
    assert str(error.value) == f"object store az://box: {found}, expected settings that make a client"


@pytest.mark.parametrize(
    ("address", "said", "expected"),
    [
        (
            Address("az", "box", ""),
            "404 Not Found: <Error><Code>ContainerNotFound</Code><Message>gone</Message></Error>",
            "the bucket 'box' does not exist; create it or mend OBJECT_STORE",
        ),
        (
            Address("gs", "models", ""),
            '404 Not Found: {"message": "The specified bucket does not exist."}',
            "the bucket 'models' does not exist; create it or mend OBJECT_STORE",
        ),
        (
            S3,
            "Error performing PUT http://169.254.169.254/latest/api/token in 1s - status code: 403 Forbidden: nobody",
            "no credentials are given, and no machine role gives any; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ),
        (
            S3,
            'Error performing PUT https://s3.example/models/a in 2s - HTTP error\n\nDebug source:\n "dns error",',
            "the host s3.example is not known; check the endpoint and the network",
        ),
        (
            S3,
            "Error performing PUT https://s3.example/models/a in 30s - HTTP error\n\nDebug source:\n kind: Timeout,",
            "s3.example does not answer in time; check the endpoint and the network",
        ),
        (
            S3,
            "Error performing PUT https://s3.example/models/a in 1s - status code: 404 Not Found: <html>",
            "s3.example knows no bucket 'models'; check OBJECT_STORE and the endpoint",
        ),
        (
            S3,
            "Received redirect without LOCATION, this normally indicates an incorrectly configured region",
            "the bucket 'models' lies elsewhere; check AWS_REGION and AWS_ENDPOINT_URL",
        ),
        (
            S3,
            "PUT https://s3.example/InvalidCertificate - 500 Internal: <a>out of\n order</a>\n\nDebug source: x",
            "PUT - 500 Internal: out of order; nothing was lost, try again",
        ),
    ],
)
def test_each_trouble_has_its_words(address: Address, said: str, expected: str) -> None:
    told = explain(OSError(said), address=address, verb="write to")
    assert str(told) == f"object store {address}: {expected}"


class Forgetful(MemoryObjects):
    def get(self, digest: Digest) -> bytes:
        raise NotFound("object", digest)


class Garbling(MemoryObjects):
    def get(self, digest: Digest) -> bytes:
        return super().get(digest)[::-1]


class Clinging(MemoryObjects):
    def delete(self, digest: Digest) -> None:
        pass


class Full(MemoryObjects):
    def put(self, content: bytes) -> Digest:
        raise Unavailable("object store", reason="no space", remedy="make some")


@pytest.mark.parametrize(
    ("store", "expected"),
    [
        (MemoryObjects(), ""),
        (Full(), "no space; make some"),
        (Forgetful(), "an object is not found right after it was stored; check that nothing else cleans the store up"),
        (Garbling(), "an object came back changed; check what stands between here and the store"),
        (Clinging(), "an object that was deleted is still there; check the store's rights and its versions"),
    ],
    ids=lambda each: type(each).__name__,
)
def test_the_probe_tells_what_is_wrong(store: MemoryObjects, expected: str) -> None:
    assert probe(store) == expected
