"""One function a command: calls the stage, and returns the entry that commits what it made, its lineage, its event."""

from collections import Counter
from functools import partial
from typing import NamedTuple, assert_never

from msgspec import structs

from loopline.annotate import stage as annotate
from loopline.dataset import stage as dataset
from loopline.evaluate import stage as evaluate
from loopline.monitor import stage as monitor
from loopline.orchestrate import comparing, findings, known, recalling, selecting, wall
from loopline.orchestrate.installation import Installation
from loopline.records import command as c
from loopline.records.cycle import Cycle, Phase
from loopline.records.dataset import Anchor
from loopline.records.keys import entity_of
from loopline.records.lineage import Raise, Stored
from loopline.records.model import RunSpec
from loopline.records.reserve import Membership, ReserveAccess, Seal
from loopline.records.segment import Pin
from loopline.records.signal import Measurement, Signal
from loopline.records.task import Standing, Stratum, Task
from loopline.rollout import stage as rollout
from loopline.train import stage as train

ENDS = {
    "promoted": "rollout.promoted",
    "rolled_back": "rollout.rolled_back",
    "inconclusive": "rollout.rolled_back",  # undecided: the traffic goes back all the same
}
"""The event of a rollout that is over, by its state."""


STRATA: tuple[Stratum, ...] = ("chosen", "audit", "reserve", "relabel", "gold")
"""In the order in which they are told of."""


class Made(NamedTuple):
    """What an act made: the records, what they were made from, and the event that tells of it."""

    event: str
    """Its type, ``cycle.selected``; empty: an act that nobody needs to hear of."""
    text: str
    records: tuple[Stored, ...] = ()
    used: tuple[str, ...] = ()
    tasks: tuple[Task, ...] = ()
    raises: tuple[Raise, ...] = ()
    also: tuple[str, ...] = ()
    """Entities that were made but are no stored record: ``tasks:cycle-3``."""
    seal: Seal | None = None
    """Comes with an anchor."""
    members: Membership | None = None
    """Comes with a dataset version."""


def act(house: Installation, command: c.Command, *, seen: c.Situation) -> Made | None:  # noqa: C901, PLR0911, PLR0912  one case a command
    """Carry the command out up to, but without, its commit; None when there is nothing to do yet.

    ``seen``: the situation in which the command became due.
    """
    match command:
        case c.ImportBase():
            return _import(house)
        case c.Measure():
            return _measure(house, command)
        case c.SetCadence():
            return Made("cadence.changed", command.reason, (command.cadence,))
        case c.OpenCycle():
            return _open(house, command, seen)
        case c.Select():
            return _select(house, command)
        case c.Publish():
            return _publish(house, command)
        case c.Review():
            return _review(house, command)
        case c.Aggregate():
            return _aggregate(house, command)
        case c.CutDataset():
            return _cut(house, command)
        case c.StartTraining():
            return _train(house, command)
        case c.CollectModel():
            return _collect(house, command)
        case c.Judge():
            return _judge(house, command)
        case c.Advance():
            return _advance(house, command, seen)
        case c.CloseCycle():
            return _close(house, command, seen)
        case _:
            assert_never(command)


def _reached(cycle: Cycle, phase: Phase) -> Cycle:
    return structs.replace(cycle, phase=phase)


def _import(house: Installation) -> Made:
    version, anchor = dataset.import_base(
        house.base(), anchor=house.anchor(), settings=house.settings, objects=house.objects, now=house.clock.now()
    )
    if anchor is None:
        return Made("dataset.cut", version.reason, (version,))
    contents = dataset.anchor_contents(anchor, objects=house.objects)
    seal = Seal(loop=house.settings.name, contents=tuple(sorted(contents)))
    return Made("dataset.cut", version.reason, (version, anchor), seal=seal)


def _measure(house: Installation, command: c.Measure) -> Made | None:
    loop = house.settings.name
    raised = tuple(s for s in house.ledger.all(Signal, loop) if s.state == "raised")
    measured = monitor.measure(
        house.log,
        version=command.version,
        previous=house.ledger.all(Measurement, loop),
        raised=raised,
        since=known.live_since(house, command.version),
        until=command.until,
        settings=house.settings,
        now=house.clock.now(),
    )
    if not measured.signals:
        return Made("", "", (*measured.measurements,)) if measured.measurements else None
    event = "signal.raised" if any(s.state == "raised" for s in measured.signals) else "signal.cleared"
    text = "; ".join(signal.reason for signal in measured.signals)
    return Made(event, text, (*measured.measurements, *measured.signals), (f"model:{command.version}",))


def _open(house: Installation, command: c.OpenCycle, seen: c.Situation) -> Made | None:
    signals = (s for s in house.ledger.all(Signal, house.settings.name) if s.state == "raised")
    cycle, text = command.cycle, command.reason
    if cycle.phase == "open" and seen.cadence is not None:
        cap = known.cap(house, cycle, interval=seen.cadence.interval_seconds, asked=seen.asked)
        if not cap.budget:
            return None
        text = f"{text}; {cap.reason}"
        cycle = structs.replace(cycle, budget=cap.budget, reason=text)
    used = [entity_of(s) for s in signals]
    if cycle.phase == "open" and (choice := comparing.strategy_in_use(house)).is_fallback:
        text = f"{text}; {choice.reason}"
        cycle = structs.replace(cycle, reason=text)
        used += [f"comparison:{name}" for name in choice.evidence]
    return Made("cycle.opened", text, (cycle,), tuple(used))


def _select(house: Installation, command: c.Select) -> Made:
    choice = comparing.strategy_in_use(house)
    asked = structs.replace(house.settings.select, strategy=choice.strategy)
    selection = selecting.select_for(house, command.cycle, model=command.model, choice=asked)
    evidence = (f"comparison:{name}" for name in choice.evidence)
    used = (entity_of(command.cycle), f"model:{command.model}", *evidence)
    if not selection.candidates:
        why = f"nothing to ask about: {selection.reason}"
        return _inconclusive(house, command.cycle, why, used=used, records=(selection,))
    # Before the selection is committed: what it was made from must outlive it, for as long as it can be replayed.
    stretch = Pin(holder=entity_of(selection), after=command.cycle.after, until=command.cycle.until)
    house.manifest.pin(stretch, loop=house.settings.name)
    # The first use of a sample stands: what a state from before roles had selected is not the anchor's to claim.
    anchored = known.anchored(house) - house.roles.selected(house.settings.name)
    seal = Seal(loop=house.settings.name, contents=tuple(sorted(anchored)))
    return Made("cycle.selected", selection.reason, (selection, _reached(command.cycle, "selected")), used, seal=seal)


def _inconclusive(
    house: Installation, cycle: Cycle, why: str, *, used: tuple[str, ...], records: tuple[Stored, ...] = ()
) -> Made:
    """The end of a cycle that came to nothing, with what it made so far."""
    now = house.clock.now()
    closed = structs.replace(cycle, phase="closed", closed_at=now, outcome="inconclusive", outcome_reason=why)
    return Made("cycle.closed", why, (*records, closed), used)


def _publish(house: Installation, command: c.Publish) -> Made:
    selection = selecting.selection_of(house, command.cycle.number)
    there = house.book.answers(house.settings.name, cycle=command.cycle.number).tasks
    tasks = annotate.publish(
        selection,
        ground=recalling.ground(house, command.cycle, model=selection.model),
        pool=house.log,
        reserve=house.log,
        gold=findings.gold(house),
        known=known.answered(house, before=command.cycle.number)
        | known.selected(house, before=command.cycle.number + 1),
        again=recalling.carried(house, command.cycle),
        there=there,
    )
    counts = Counter(task.stratum for task in (*there, *tasks))
    named = (f"{counts[one]} {one}" for one in STRATA if counts[one])
    text = ", ".join(named) + " tasks published"
    made = (structs.replace(_reached(command.cycle, "published"), published_at=house.clock.now()),)
    batch = f"tasks:cycle-{command.cycle.number}"
    return Made("batch.published", text, made, (entity_of(selection),), tasks=tasks, also=(batch,))


def _review(house: Installation, command: c.Review) -> Made | None:
    standings = house.ledger.all(Standing, house.settings.name)
    reviewed = annotate.review(
        command.cycle,
        book=house.book,
        question=house.question,
        standings=standings,
        settings=house.settings,
        now=house.clock.now(),
        met=partial(recalling.met, house, before=command.cycle.number),
        settled=findings.rulings(house, cycle=command.cycle.number).settled,
        decided=findings.decided_gold(house),
    )
    held = set(standings)  # what a lead did about somebody while this was reckoned stands: they are weighed next time
    others = {s.annotator for s in house.ledger.all(Standing, house.settings.name) if s not in held}
    moved = tuple(s for s in reviewed.standings if s.annotator not in others)
    if not moved and not reviewed.raises:
        return None
    paused = [s for s in moved if s.state == "paused"]
    text = "; ".join(f"{s.annotator} {s.reason}" for s in paused)
    return Made("annotator.paused" if paused else "", text, moved, raises=reviewed.raises)


def _aggregate(house: Installation, command: c.Aggregate) -> Made:
    stored = known.batches(house)
    batch = annotate.aggregate(
        command.cycle,
        book=house.book,
        question=house.question,
        settings=house.settings,
        rulings=findings.rulings(house, cycle=command.cycle.number),
        late=findings.late(house, cycle=command.cycle.number, stored=stored),
        sealed=house.roles.reserved(house.settings.name)
        | {one.content for each in stored for one in each.labels if one.stratum == "reserve"},
    )
    people = {f"annotator:{name}" for label in batch.labels for name in label.annotators}
    decided = (entity_of(one) for one in findings.decisions(house) if one.cycle <= command.cycle.number)
    used = (f"tasks:cycle-{command.cycle.number}", *sorted(people), *sorted(decided))
    if not batch.labels:
        return _inconclusive(house, command.cycle, f"there is nothing to learn: {batch.reason}", used=used)
    return Made("batch.labelled", batch.reason, (batch, _reached(command.cycle, "labelled")), used)


def _cut(house: Installation, command: c.CutDataset) -> Made:
    parent = known.parent(house, command.cycle)
    selection = selecting.selection_of(house, command.cycle.number)
    batches = known.unlearned(house, parent, cycle=command.cycle)
    made = dataset.cut(
        command.cycle,
        parent=parent,
        batch=structs.replace(batches[-1], labels=tuple(label for batch in batches for label in batch.labels)),
        selection=selection,
        anchor=wall.barred(house, parent, batches=batches),
        unlearnable=findings.unlearnable(house),
        objects=house.objects,
        settings=house.settings,
        now=house.clock.now(),
    )
    sources: tuple[Stored, ...] = (parent, *batches, selection)
    used = tuple(map(entity_of, sources))
    members = Membership(loop=house.settings.name, version=command.cycle.number, added=made.added, removed=made.removed)
    records = (made.version, _reached(command.cycle, "cut"))
    return Made("dataset.cut", made.version.reason, records, used, members=members)


def _train(house: Installation, command: c.StartTraining) -> Made:
    version = known.dataset_of(house, command.cycle)
    spec = train.plan(
        command.cycle,
        dataset=version,
        objects=house.objects,
        settings=house.settings,
        attempt=command.attempt,
        compare_after=comparing.labels_after(house, command.cycle) if house.settings.select.compare else -1,
    )
    house.launcher.submit(spec)
    text = f"run {spec.id} trains on {version.name} ({version.rows:,} rows)"
    return Made("training.started", text, (spec, _reached(command.cycle, "training")), (entity_of(version),))


def _collect(house: Installation, command: c.CollectModel) -> Made:
    spec = [s for s in house.ledger.all(RunSpec, house.settings.name) if s.cycle == command.cycle.number][-1]
    version = known.dataset_of(house, command.cycle)
    challenger = train.collect(
        spec,
        launcher=house.launcher,
        objects=house.objects,
        engine=house.engine,
        name=command.name,
        dataset=version,
        now=house.clock.now(),
    )
    text = f"{challenger.name} was trained on {version.name} and gives the recorded probabilities again"
    used = (entity_of(spec), entity_of(version))
    return Made("training.finished", text, (challenger, _reached(command.cycle, "trained")), used)


def _judge(house: Installation, command: c.Judge) -> Made:
    challenger, incumbent = known.model(house, command.challenger), known.model(house, command.incumbent)
    trained_on, leakage = wall.leakage(house, known.dataset_of(house, command.cycle))
    anchors = house.ledger.all(Anchor, house.settings.name)
    fixed = dataset.anchor_rows(anchors[-1], objects=house.objects) if anchors else ()
    fresh = findings.judging(house)
    verdict = evaluate.judge(
        command.cycle,
        challenger=challenger,
        incumbent=incumbent,
        decision=command.decision,
        anchor=fixed,
        fresh=fresh,
        trained_on=trained_on,
        leakage=leakage,
        engine=house.engine,
        objects=house.objects,
        settings=house.settings,
    )
    sources: tuple[Stored, ...] = (challenger, incumbent, *anchors, *known.batches(house))
    event = {"pass": "evaluation.passed", "fail": "evaluation.failed"}.get(verdict.outcome, "evaluation.inconclusive")
    comparison = comparing.compared(house, command.cycle)
    judges = [batch for batch in known.batches(house) if any(one.stratum == "reserve" for one in batch.labels)]
    access = ReserveAccess(
        id=command.cycle.id,
        loop=house.settings.name,
        at=house.clock.now(),
        actor=house.actor,
        purpose=f"the gate of cycle {command.cycle.number}",
        rows=len(fixed) + len(fresh),
        versions=(challenger.name, incumbent.name),
        batches=(*map(entity_of, judges), *map(entity_of, anchors[-1:])),
    )
    made = (verdict, access, *((comparison,) if comparison else ()), _reached(command.cycle, "judged"))
    return Made(event, verdict.reason, made, tuple(entity_of(r) for r in sources))


def _advance(house: Installation, command: c.Advance, seen: c.Situation) -> Made | None:
    step = rollout.advance(
        command.cycle,
        challenger=command.challenger,
        split=seen.split,
        rollout=seen.rollout,
        live=seen.live,
        settings=house.settings,
        now=house.clock.now(),
    )
    if step is None:
        return None
    placed = step.rollout if seen.rollout else structs.replace(step.rollout, since_position=house.log.end())
    used = (f"model:{command.challenger}",) + ((f"verdict:{command.cycle.id}",) if seen.verdict else ())
    made = (placed, _reached(command.cycle, "rolling"), step.split)
    return Made(ENDS.get(placed.state, "rollout.advanced"), placed.reason, made, used)


def _close(house: Installation, command: c.CloseCycle, seen: c.Situation) -> Made:
    """A cycle that ends while its challenger is on trial takes the challenger's traffic back with it."""
    now = house.clock.now()
    closed = structs.replace(command.cycle, closed_at=now)
    text = f"cycle {closed.number} {closed.outcome}: {command.reason}"
    if seen.split is None or seen.rollout is None or seen.rollout.state not in ("shadow", "canary"):
        return Made("cycle.closed", text, (closed,))
    reason = f"{seen.rollout.incumbent} answers everything: the cycle ended while {seen.rollout.state} was under way"
    step = rollout.withdrawn(seen.rollout, split=seen.split, reason=reason, now=now)
    return Made("cycle.closed", text, (closed, step.rollout, step.split), (f"model:{seen.rollout.challenger}",))
