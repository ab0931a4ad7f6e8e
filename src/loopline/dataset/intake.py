"""Rows that the user brings: checked, made canonical, each input once."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from blake3 import blake3

from loopline.dataset.conflicts import TIED
from loopline.dataset.table import IMPORTED, LabelledSample
from loopline.errors import InvalidRecord
from loopline.records.dataset import Conflict, LabelledRow, Provenance
from loopline.records.ids import Digest
from loopline.records.signature import Signature


class Intake(NamedTuple):
    """What is kept of the rows that came in."""

    samples: tuple[LabelledSample, ...]
    """By content, each content once."""
    repeated: int
    """Rows left out because an equal input with the same label is kept."""
    outvoted: int
    """Rows left out because most rows with this input carry another label."""
    undecided: int
    """Rows left out because their input carries several labels equally often: nobody can say which is right."""
    conflicts: tuple[Conflict, ...] = ()
    """Every label that does not stand, by content."""
    near: int = 0
    """Rows left out because their input nearly is one of the anchor's."""


def taken_in(rows: Sequence[LabelledRow], *, signature: Signature, what: str) -> Intake:
    """The rows, each input once: its most frequent label wins, and an input whose labels tie is left out.

    ``what`` names the rows in errors: ``base row r7: label 'bad', expected one of ...``. Raises InvalidRecord for
    a row that does not fit the signature, and for an id that two rows have. Of equal rows the first keeps its id.
    """
    twice, times = max(Counter(row.id for row in rows).items(), key=lambda pair: pair[1], default=("", 0))
    if times > 1:
        raise InvalidRecord(f"{what} row {twice}", found=f"{times} rows with this id", expected="one")
    groups: dict[bytes, list[LabelledRow]] = {}
    for row in rows:
        groups.setdefault(canonical(row, signature=signature, what=what), []).append(row)
    kept: list[LabelledSample] = []
    conflicts: list[Conflict] = []
    repeated = outvoted = undecided = 0
    for inputs, group in groups.items():
        ranked = Counter(row.label for row in group).most_common()
        content = Digest(blake3(inputs).hexdigest())
        conflicts += _conflicts(content, group, ranked)
        if len(ranked) > 1 and ranked[0][1] == ranked[1][1]:
            undecided += len(group)
            continue
        label, votes = ranked[0]
        repeated += votes - 1
        outvoted += len(group) - votes
        first = next(row.id for row in group if row.label == label)
        kept.append(LabelledSample(content, inputs, label, first, 0, IMPORTED))
    return Intake(tuple(sorted(kept)), repeated, outvoted, undecided, tuple(conflicts))


def _conflicts(content: Digest, group: Sequence[LabelledRow], ranked: Sequence[tuple[str, int]]) -> list[Conflict]:
    """One for each label of this input that does not stand; ``ranked``: labels with their votes, most first."""
    is_tied = len(ranked) > 1 and ranked[0][1] == ranked[1][1]
    now = "" if is_tied else ranked[0][0]
    reason = TIED if is_tied else f"{ranked[0][1]:,} of {len(group):,} rows say so"
    sample = next(row.id for row in group if is_tied or row.label == now)
    return [
        Conflict(
            content=content, sample=sample, before=label, now=now, cycle_before=0, cycle=0, method=IMPORTED,
            reason=reason,
        )
        for label, _ in ranked
        if label != now
    ]  # fmt: skip


def provenance_of(intake: Intake, rows: Sequence[LabelledRow], *, file: str) -> Provenance:
    """Where the rows came from, and what became of each; the same for the same rows in any order."""
    hashed = blake3()
    for row in sorted(rows, key=lambda row: row.id):
        hashed.update(msgspec.json.encode((row.id, row.inputs, row.label)))
    return Provenance(
        file=file.rpartition("/")[2], digest=Digest(hashed.hexdigest()), read=len(rows), kept=len(intake.samples),
        repeated=intake.repeated, outvoted=intake.outvoted, undecided=intake.undecided, near=intake.near,
    )  # fmt: skip


def canonical(row: LabelledRow, *, signature: Signature, what: str) -> bytes:
    """The row's inputs in the bytes that a model would see; raises InvalidRecord, naming it, when it does not fit."""
    if row.label not in signature.labels:
        allowed = f"one of {', '.join(signature.labels)}"
        raise InvalidRecord(f"{what} row {row.id}", found=f"label {row.label!r}", expected=allowed)
    try:
        return signature.encode(signature.decode(row.inputs))
    except InvalidRecord as error:
        raise InvalidRecord(f"{what} row {row.id}", found=error.found, expected=error.expected) from error


def sentence(intake: Intake, *, rows: int, anchor: int) -> str:
    """``3 of 9 rows imported: 4 repeated, 2 with contradicting labels left out; the anchor holds 1,000``."""
    contradicting = intake.outvoted + intake.undecided
    left = [f"{intake.repeated:,} repeated"] if intake.repeated else []
    left += [f"{contradicting:,} with contradicting labels"] if contradicting else []
    text = f"{len(intake.samples):,} of {rows:,} rows imported" + (f": {', '.join(left)} left out" if left else "")
    return text + (f"; the anchor holds {anchor:,}" if anchor else "")
