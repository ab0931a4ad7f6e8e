"""What stops a rollout: failures in a row, and evidence that the challenger fails more often than the incumbent."""

from typing import NamedTuple

from loopline.records.command import ArmTally
from loopline.rollout.e_process import Failures, log_bar, log_evidence

IN_A_ROW = 5
"""Failures in a row that end a rollout at once.

A cut, not a test: a version that fails 1 % of the time trips it once in 10 thousand million answers, one that fails
30 % of the time once in some 600.
"""


class Standing(NamedTuple):
    """Both arms since the phase began, and the evidence that they hold."""

    control: Failures
    trial: Failures
    in_a_row: int
    """Failures of the trial in a row, up to now."""
    log_e: float
    bar: float
    """What ``log_e`` must reach."""

    def evidence(self, phase: str) -> dict[str, float]:
        """The counts and the evidence, as a Rollout stores them."""
        return {
            "incumbent_answers": float(self.control.answers),
            "incumbent_failures": float(self.control.failed),
            f"{phase}_answers": float(self.trial.answers),
            f"{phase}_failures": float(self.trial.failed),
            "log_e": self.log_e,
            "log_bar": self.bar,
        }


def standing(*, control: ArmTally, trial: ArmTally, before: dict[str, float], phase: str, alpha: float) -> Standing:
    """Both arms now: what came in since the last step, added to what the phase had seen ``before`` it.

    ``before``: the stored evidence of the same phase, or empty. ``alpha``: what this phase may spend.

    >>> idle = ArmTally(answers=90, failures=0, last_failures=0)
    >>> standing(control=idle, trial=idle, before={"canary_answers": 10.0}, phase="canary", alpha=0.05).trial
    Failures(answers=100, failed=0)
    """
    both = Failures(
        control.answers + int(before.get("incumbent_answers", 0)),
        control.failures + int(before.get("incumbent_failures", 0)),
    )
    tried = Failures(
        trial.answers + int(before.get(f"{phase}_answers", 0)), trial.failures + int(before.get(f"{phase}_failures", 0))
    )
    return Standing(both, tried, trial.last_failures, log_evidence(both, tried), log_bar(alpha))


def breach(now: Standing) -> str:
    """Why the rollout must end, in words; empty while nothing speaks against it.

    >>> breach(Standing(Failures(90, 0), Failures(10, 5), in_a_row=5, log_e=1.0, bar=3.7))
    '5 failures in a row (5 of 10 answers failed, against 0 of 90)'
    """
    shown = f"{now.trial.failed:,} of {now.trial.answers:,}"
    against = f"{now.control.failed:,} of {now.control.answers:,}"
    if now.in_a_row >= IN_A_ROW:
        return f"{now.in_a_row} failures in a row ({shown} answers failed, against {against})"
    if now.log_e >= now.bar:
        return (
            f"it fails more often: {shown} answers against {against}, log evidence {now.log_e:.1f} passed {now.bar:.1f}"
        )
    return ""
