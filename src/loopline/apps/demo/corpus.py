"""Sentences that real people rated: fetched once, checked, unpacked into a cache.

Source: the archive of vaderSentiment 3.3.2 (MIT). C.J. Hutto and E. Gilbert, "VADER: A Parsimonious Rule-based Model
for Sentiment Analysis of Social Media Text", ICWSM 2014.
"""

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

from loopline.apps.demo.whole import write_whole
from loopline.apps.demo.world import Sample
from loopline.errors import InvalidRecord, Unavailable

REQUIREMENT = "vaderSentiment==3.3.2"
ARCHIVE = "vaderSentiment-3.3.2.tar.gz"
SHA256 = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"
INNER = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
SETS = ("movieReviewSnippets", "tweets", "amazonReviewSnippets")
MEMBERS = tuple(f"{name}_{part}.txt" for name in SETS for part in ("GroundTruth", "anonDataRatings"))
MEMBER_BYTES = 4 << 20
"""More than any member holds; a larger one is not what we asked for."""
LABELS = ("negative", "neutral", "positive")


def cache_folder() -> Path:
    """Where fetched sentences stay, by the XDG convention."""
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root) / "loopline" / "hutto-2014"


def fetch(cache: Path) -> Path:
    """The folder with the rated sentences, fetched by pip unless it is there. Raises Unavailable."""
    if all((cache / name).is_file() for name in MEMBERS):
        return cache
    with TemporaryDirectory(prefix="loopline-corpus-") as folder:
        archive = _download(Path(folder))
        found = hashlib.sha256(archive).hexdigest()
        if found != SHA256:
            raise Unavailable("corpus", reason=f"{ARCHIVE} has sha256 {found}, expected {SHA256}")
    _keep(unpack(archive), cache)
    return cache


def unpack(archive: bytes, *, inner: str = INNER, members: tuple[str, ...] = MEMBERS) -> dict[str, bytes]:
    """The wanted members by name; no path of the archive is ever used as a path here.

    Raises InvalidRecord for a member that is absent, is no plain file, or is larger than 4 MB.
    """
    nested = _member(archive, inner, limit=2 * MEMBER_BYTES)
    folder = Path(inner).name.removesuffix(".tar.gz")
    return {name: _member(nested, f"{folder}/{name}", limit=MEMBER_BYTES) for name in members}


def read_samples(folder: Path, name: str) -> tuple[Sample, ...]:
    """One sample a sentence, in the order of the file; a sentence that comes twice is kept once.

    The class is taken from the mean of the ratings themselves: for 199 tweets another mean stands beside the text.
    """
    ratings: dict[str, list[float]] = {}
    for line in _lines(folder / f"{name}_anonDataRatings.txt"):
        number, _, _, listed = line.split("\t")
        ratings[number] = json.loads(listed)
    samples: dict[str, Sample] = {}
    for line in _lines(folder / f"{name}_GroundTruth.txt"):
        number, _, text = line.split("\t")
        given = ratings[number]
        sample = Sample(
            id=f"{name}-{number}",
            row=text,
            label=label_of(sum(given) / len(given)),
            ratings=tuple(map(label_of, given)),
        )
        samples.setdefault(text, sample)
    return tuple(samples.values())


def label_of(rating: float) -> str:
    """The class of a rating, or of a mean of ratings, between -4 and 4.

    >>> [label_of(rating) for rating in (-0.5, -0.4, 0.5)]
    ['negative', 'neutral', 'positive']
    """
    return LABELS[0] if rating <= -0.5 else LABELS[2] if rating >= 0.5 else LABELS[1]


def _download(folder: Path) -> bytes:
    """The source archive, by pip. Source archives only: the wheel does not hold the ratings."""
    order = [sys.executable, "-m", "pip", "download", REQUIREMENT, "--no-deps", "--no-binary", ":all:"]
    try:
        run = subprocess.run(  # noqa: S603  our own interpreter, fixed arguments
            [*order, "--quiet", "--dest", str(folder)], capture_output=True, text=True, timeout=180, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable("corpus", reason="pip did not fetch it within 180 seconds") from error
    if run.returncode or not (folder / ARCHIVE).is_file():
        last = (run.stderr.strip().splitlines() or [f"pip left no {ARCHIVE}"])[-1]
        raise Unavailable("corpus", reason=f"pip cannot fetch {REQUIREMENT}: {last}")
    return (folder / ARCHIVE).read_bytes()


def _member(archive: bytes, name: str, *, limit: int) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        try:
            entry = tar.getmember(name)
        except KeyError as error:
            raise InvalidRecord("corpus", found=f"no member {name}", expected="it in the archive") from error
        content = tar.extractfile(entry) if entry.isfile() else None
        if content is None or entry.size > limit:
            found = f"{name} is {entry.size} bytes of type {entry.type!r}"
            raise InvalidRecord("corpus", found=found, expected=f"a plain file of at most {limit} bytes")
        return content.read(limit)


def _keep(contents: dict[str, bytes], cache: Path) -> None:
    for name, content in contents.items():
        write_whole(cache / name, content)


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8-sig").splitlines()
