"""What every launcher must do."""

import time
from typing import Literal

import pytest

from loopline.errors import Conflict, NotFound
from loopline.ports.launcher import Launcher
from loopline.records.ids import RunId
from loopline.records.model import RunSpec, RunState

Act = Literal["succeed", "fail", "hang"]


class LauncherContract:
    """Subclass it, give it a launcher and runs that behave as told, and run it with pytest."""

    def make(self) -> Launcher:
        """A launcher; called again within a test, one that sees the same runs."""
        raise NotImplementedError

    def spec(self, id: str, act: Act) -> RunSpec:  # noqa: A002  the record's field
        """A run that succeeds with the metric ``rows``, fails with the word ``spilled``, or never ends."""
        raise NotImplementedError

    def settled(self, launcher: Launcher, run: RunId) -> RunState:
        """The run's state once it no longer runs."""
        for _ in range(1_200):
            state = launcher.poll(run)
            if state.phase != "running":
                return state
            time.sleep(0.05)
        raise AssertionError(f"{run} still runs")

    def test_a_run_succeeds_and_leaves_model_checks_and_metrics(self) -> None:
        """What it made can be read, and what it measured."""
        launcher, spec = self.make(), self.spec("s/run/1/1", "succeed")
        launcher.submit(spec)
        state = self.settled(launcher, spec.id)
        assert (state.phase, state.reason) == ("succeeded", "")
        result, package = launcher.result(spec.id), launcher.package(spec.id)
        assert result.metrics["rows"] > 0
        assert package.model
        assert package.checks

    def test_a_run_that_was_ever_started_is_not_started_again(self) -> None:
        """Submitting is idempotent by run id, from any launcher."""
        launcher, spec = self.make(), self.spec("s/run/1/1", "fail")
        launcher.submit(spec)
        first = self.settled(launcher, spec.id)
        self.make().submit(spec)
        assert self.settled(launcher, spec.id) == first

    def test_a_failed_run_says_why_and_has_no_result(self) -> None:
        """The reason names what happened, and asking for more is a conflict."""
        launcher, spec = self.make(), self.spec("s/run/1/1", "fail")
        launcher.submit(spec)
        state = self.settled(launcher, spec.id)
        assert state.phase == "failed"
        assert "spilled" in state.reason
        with pytest.raises(Conflict, match=r"^run s/run/1/1: failed: .*spilled.*, expected succeeded$"):
            launcher.result(spec.id)
        with pytest.raises(Conflict):
            launcher.package(spec.id)

    def test_a_running_run_has_no_result_and_another_launcher_adopts_it(self) -> None:
        """Who submitted it does not matter."""
        launcher, spec = self.make(), self.spec("s/run/1/1", "hang")
        launcher.submit(spec)
        assert self.make().poll(spec.id).phase == "running"
        with pytest.raises(Conflict, match=r"^run s/run/1/1: running, expected succeeded$"):
            launcher.result(spec.id)
        self.make().cancel(spec.id)

    def test_a_cancelled_run_has_failed_for_everyone(self) -> None:
        """The reason is ``cancelled``."""
        launcher, spec = self.make(), self.spec("s/run/1/1", "hang")
        launcher.submit(spec)
        launcher.cancel(spec.id)
        for other in (launcher, self.make()):
            state = other.poll(spec.id)
            assert (state.phase, state.reason) == ("failed", "cancelled")

    def test_cancelling_a_finished_run_leaves_it_as_it_is(self) -> None:
        """A result is not taken away."""
        launcher, spec = self.make(), self.spec("s/run/1/1", "succeed")
        launcher.submit(spec)
        before = self.settled(launcher, spec.id)
        launcher.cancel(spec.id)
        assert launcher.poll(spec.id) == before

    def test_an_unknown_run_is_not_found_and_the_known_are_named(self) -> None:
        """Every question about it says so."""
        launcher, spec = self.make(), self.spec("s/run/1/1", "fail")
        with pytest.raises(NotFound, match=r"^no run 's/run/9/9'$"):
            launcher.poll(RunId("s/run/9/9"))
        launcher.submit(spec)
        self.settled(launcher, spec.id)
        for ask in (launcher.poll, launcher.result, launcher.package, launcher.cancel):
            with pytest.raises(NotFound, match=r"^no run 's/run/9/9'; known: s/run/1/1$"):
                ask(RunId("s/run/9/9"))

    def test_runs_do_not_share_anything(self) -> None:
        """One fails, the other does not notice."""
        launcher, one, other = self.make(), self.spec("s/run/1/1", "succeed"), self.spec("s/run/1/2", "fail")
        launcher.submit(one)
        launcher.submit(other)
        assert self.settled(launcher, one.id).phase == "succeeded"
        assert self.settled(launcher, other.id).phase == "failed"
