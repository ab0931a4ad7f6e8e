"""Objects in a bucket, over the real protocol and TLS, on a server that refuses what not every store understands."""

import os
import shutil
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import obstore
import pytest

from loopline.adapters.objectstore.address import read_address
from loopline.adapters.objectstore.client import connect
from loopline.adapters.objectstore.probe import probe
from loopline.adapters.objectstore.store import ObstoreObjects
from loopline.errors import InvalidRecord, NotFound, Unavailable
from loopline.testing.factories import digest
from loopline.testing.object_store import ObjectStoreContract

pytest.importorskip("moto", reason="the S3 server moto is not installed")
pytest.importorskip("trustme", reason="trustme, which makes certificates, is not installed")
pytestmark = pytest.mark.service
SERVER = Path(__file__).with_name("s3_server.py")
BIG = bytes(range(256)) * 80_000
"""20 MB."""


class Server:
    """The server in its own process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        command = [sys.executable, SERVER, folder, "loop", "flaky", "denied"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        self.host = f"127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": f"https://{self.host}",
            "AWS_CA_BUNDLE": str(self.folder / "ca.pem"),
            "AWS_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "NO_PROXY": "127.0.0.1",
        }

    @property
    def requests(self) -> list[str]:
        return (self.folder / "requests").read_text().splitlines()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("s3"))
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def _environment(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)


PREFIXES = count()


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[str], ObstoreObjects]:
    """Opens a store with a cache of its own, as another machine would."""
    caches = count()
    return lambda url: ObstoreObjects(url, cache=tmp_path / f"cache{next(caches)}")


class TestS3(ObjectStoreContract):
    @pytest.fixture(autouse=True)
    def _server(self, server: Server, opened: Callable[[str], ObstoreObjects]) -> None:
        self.server, self.opened = server, opened

    def make(self) -> ObstoreObjects:
        self.url = f"s3://loop/contract/{next(PREFIXES)}"
        return self.opened(self.url)

    def beside(self, _: ObstoreObjects) -> ObstoreObjects:
        return self.opened(self.url)

    def follow(self, link: str) -> bytes:
        trusted = ssl.create_default_context(cafile=self.server.folder / "ca.pem")
        with urllib.request.urlopen(link, context=trusted) as answer:
            return answer.read()

    def test_a_link_is_good_for_its_object_only(self) -> None:
        store = self.make()
        link = store.link(store.put(b"one"), seconds=60)
        other = store.put(b"other")
        assert link.startswith(f"https://{self.server.host}/loop/contract/")
        assert "X-Amz-Expires=60&" in link
        assert other not in link
        with pytest.raises(InvalidRecord) as error:
            store.link(other, seconds=604_801)
        assert str(error.value) == f"link to object {other}: 604801 s, expected at most 604800"


def test_a_big_object_goes_in_parts_and_comes_back_whole(server: Server, opened: Callable[..., ObstoreObjects]) -> None:
    store = opened("s3://loop/big")
    name = store.put(BIG)
    assert opened("s3://loop/big").get(name) == BIG
    assert Path(opened("s3://loop/big").path(name)).read_bytes() == BIG
    parts = [line for line in server.requests if line.startswith(f"PUT /loop/big/{name[:2]}/{name}?partNumber=")]
    assert len(parts) == 3
    assert all(line.endswith("UNSIGNED-PAYLOAD") for line in parts)


def test_an_object_lies_where_a_folder_of_objects_would_have_it(opened: Callable[[str], ObstoreObjects]) -> None:
    name = opened("s3://loop/layout").put(b"model")
    client = connect(read_address("s3://loop"), environment=os.environ)
    assert bytes(obstore.get(client, f"layout/{name[:2]}/{name}").bytes()) == b"model"


def test_an_object_that_was_changed_in_the_bucket_is_found_out(opened: Callable[[str], ObstoreObjects]) -> None:
    store = opened("s3://loop/changed")
    name = store.put(b"weights")
    client = connect(read_address("s3://loop/changed"), environment=os.environ)
    obstore.put(client, f"{name[:2]}/{name}", b"weightz")
    for read in (store.get, store.path):
        with pytest.raises(Unavailable) as error:
            read(name)
        expected = f"object {name}: what is stored no longer matches its digest; restore it from a copy"
        assert str(error.value) == expected
    assert store.put(b"weights") == name
    assert store.get(name) == b"weights"
    assert Path(store.path(name)).read_bytes() == b"weights"


def test_a_copy_is_fetched_once_and_again_when_it_was_damaged(
    server: Server, opened: Callable[[str], ObstoreObjects]
) -> None:
    store = opened("s3://loop/copies")
    name = store.put(b"weights")
    asked = [f"GET /loop/copies/{name[:2]}/{name}? UNSIGNED-PAYLOAD"]
    place = Path(store.path(name))
    assert store.path(name) == str(place)
    assert [line for line in server.requests if line in asked] == asked
    place.write_bytes(b"weightz")
    assert Path(store.path(name)).read_bytes() == b"weights"
    assert [line for line in server.requests if line in asked] == asked * 2


WRITER = """
import sys
from pathlib import Path
from loopline.adapters.objectstore.store import ObstoreObjects
store = ObstoreObjects("s3://loop/writers", cache=Path(sys.argv[2]))
for number in range(20):
    print(store.put(f"{sys.argv[1]} {number}".encode() * 1_000), store.put(f"shared {number}".encode() * 1_000))
"""


def test_two_processes_write_the_same_and_different_objects_at_once(
    tmp_path: Path, opened: Callable[[str], ObstoreObjects]
) -> None:
    def write(name: str) -> list[str]:
        command = [sys.executable, "-c", WRITER, name, tmp_path / name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(write, ("one", "other"))
    assert (len(set(one)), len(set(other)), len({*one, *other})) == (40, 40, 60)
    store = opened("s3://loop/writers")
    assert all(digest(store.get(name)) == name for name in {*one, *other})


def test_a_transient_error_is_tried_again(server: Server, opened: Callable[[str], ObstoreObjects]) -> None:
    store = opened("s3://flaky/transient")
    name = store.put(b"weights")
    assert store.get(name) == b"weights"
    assert Path(store.path(name)).read_bytes() == b"weights"
    store.delete(name)
    puts = [line for line in server.requests if line.startswith("PUT /flaky/transient/")]
    assert len(puts) == 2


def said(ask: Callable[[], object]) -> str:
    with pytest.raises(Unavailable) as error:
        ask()
    return str(error.value)


def test_a_missing_bucket_is_named(opened: Callable[[str], ObstoreObjects]) -> None:
    store = opened("s3://nowhere/loop")
    wrong = "the bucket 'nowhere' does not exist; create it or mend OBJECT_STORE"
    absent = digest(b"absent")
    asks = (
        lambda: store.put(b"model"),
        lambda: store.put(BIG),
        lambda: store.get(absent),
        lambda: store.path(absent),
        lambda: store.delete(absent),
    )
    for ask in asks:
        assert said(ask) == f"object store s3://nowhere/loop: {wrong}"
    assert probe(store) == wrong


def test_a_server_that_answers_404_to_a_put_is_no_store(
    server: Server, opened: Callable[[str], ObstoreObjects]
) -> None:
    store = opened("s3://lost/loop")
    wrong = f"{server.host} knows no bucket 'lost' (NotHere); check OBJECT_STORE and the endpoint"
    assert said(lambda: store.put(b"model")) == f"object store s3://lost/loop: {wrong}"
    assert probe(store) == wrong


def test_rights_that_are_missing_are_told(opened: Callable[[str], ObstoreObjects]) -> None:
    store = opened("s3://denied/loop")
    remedy = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY and their rights"
    absent = digest(b"absent")
    asks = {
        "write to": lambda: store.put(b"model"),
        "read from": lambda: store.get(absent),
        "delete from": lambda: store.delete(absent),
    }
    for verb, ask in asks.items():
        wrong = f"may not {verb} the bucket 'denied' (AccessDenied); {remedy}"
        assert said(ask) == f"object store s3://denied/loop: {wrong}"
    assert probe(store) == f"may not write to the bucket 'denied' (AccessDenied); {remedy}"


def test_a_server_that_is_down_is_named_and_copies_stay_readable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: Callable[[str], ObstoreObjects]
) -> None:
    (tmp_path / "s3").mkdir()
    own = Server(tmp_path / "s3")
    for name, value in own.environment.items():
        monkeypatch.setenv(name, value)
    store = opened("s3://loop")
    kept = store.put(b"kept")
    place = store.path(kept)
    own.stop()
    wrong = f"{own.host} cannot be reached (ConnectionRefused); check the endpoint, and that it runs"
    assert said(lambda: store.put(b"model")) == f"object store s3://loop: {wrong}"
    assert said(lambda: store.get(kept)) == f"object store s3://loop: {wrong}"
    assert probe(store) == wrong
    assert store.path(kept) == place


def test_a_certificate_of_an_unknown_authority_is_told(
    server: Server, monkeypatch: pytest.MonkeyPatch, opened: Callable[[str], ObstoreObjects]
) -> None:
    monkeypatch.delenv("AWS_CA_BUNDLE")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    wrong = (
        f"the certificate of {server.host} is not trusted (UnknownIssuer); name its authority's file in AWS_CA_BUNDLE"
    )
    assert probe(opened("s3://loop")) == wrong
    monkeypatch.setenv("SSL_CERT_FILE", str(server.folder / "ca.pem"))
    assert probe(opened("s3://loop")) == ""


def test_a_certificate_for_another_host_is_told(
    server: Server, monkeypatch: pytest.MonkeyPatch, opened: Callable[[str], ObstoreObjects]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"https://localhost:{server.port}")
    found = probe(opened("s3://loop"))
    assert found.startswith(f"the certificate of localhost:{server.port} is for another host")
    assert found.endswith("; check the endpoint")


def test_a_working_store_has_nothing_wrong_and_keeps_nothing_of_the_probe(
    server: Server, opened: Callable[[str], ObstoreObjects]
) -> None:
    assert probe(opened("s3://loop/probed")) == ""
    client = connect(read_address("s3://loop/probed"), environment=os.environ)
    assert list(obstore.list(client)) == []
    verbs = [line.split()[0] for line in server.requests if "/loop/probed/" in line]
    assert verbs == ["PUT", "GET", "DELETE", "GET"]


def test_the_server_refuses_what_not_every_store_understands() -> None:
    client = connect(read_address("s3://loop/conditional"), environment=os.environ)
    with pytest.raises(obstore.exceptions.BaseError, match="501"):
        obstore.put(client, "once", b"model", mode="create")


def test_a_copy_that_vanished_with_its_folder_is_fetched_again(
    tmp_path: Path, opened: Callable[[str], ObstoreObjects]
) -> None:
    store = opened("s3://loop/vanished")
    name = store.put(b"weights")
    store.path(name)
    shutil.rmtree(tmp_path / "cache0")
    assert Path(store.path(name)).read_bytes() == b"weights"
    with pytest.raises(NotFound):
        store.path(digest(b"absent"))
