"""What every outcome book must do. Subclass ``OutcomeBookContract`` in your tests and give it ``make``."""

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from msgspec import structs

from loopline.errors import Conflict
from loopline.ports.outcome_book import OutcomeBook
from loopline.records.ids import LoopName, PredictionId
from loopline.records.outcome import Outcome
from loopline.testing.scene import LOOP, NOW, later

OTHER = LoopName("other")


def outcome(name: str = "o1", prediction: str = "p1", *, label: str = "negative", source: str = "") -> Outcome:
    """A report about a prediction.

    >>> outcome("o7", "p7", label="positive").prediction
    'p7'
    """
    return Outcome(id=name, prediction=PredictionId(prediction), label=label, at=NOW, source=source)


class OutcomeBookContract:
    """The laws of ``ports.outcome_book.OutcomeBook``."""

    def make(self) -> OutcomeBook:
        """A new, empty book."""
        raise NotImplementedError

    def test_an_outcome_is_got_back_whole(self) -> None:
        """Every field, to the microsecond; the prediction need not be known."""
        book = self.make()
        whole = structs.replace(outcome("o1", "naïve — 中文", source="chargebacks"), at=later(0.000001))
        assert book.record([whole], loop=LOOP) == (1, 0)
        assert book.of([whole.prediction], loop=LOOP) == (whole,)
        assert book.after(0, loop=LOOP, most=9) == ((1, whole),)

    def test_a_retried_batch_changes_nothing(self) -> None:
        """Not even when the retry was given another time; the first stands."""
        book = self.make()
        batch = [outcome("o1"), outcome("o2", "p2")]
        assert book.record(batch, loop=LOOP) == (2, 0)
        again = [structs.replace(one, at=later(60)) for one in batch]
        assert book.record([*again, outcome("o3", "p3")], loop=LOOP) == (1, 2)
        assert [one for _, one in book.after(0, loop=LOOP, most=9)] == [*batch, outcome("o3", "p3")]

    def test_an_id_twice_in_a_batch_is_one_outcome(self) -> None:
        """The first of them, be they one object or equal."""
        book, same = self.make(), outcome("o1")
        assert book.record([same, same, outcome("o1")], loop=LOOP) == (1, 2)
        assert len(book.of([PredictionId("p1")], loop=LOOP)) == 1

    @pytest.mark.parametrize(
        "other",
        [outcome("o1", label="positive"), outcome("o1", "p2"), outcome("o1", source="support")],
        ids=["label", "prediction", "source"],
    )
    def test_an_id_stands_for_one_report(self, other: Outcome) -> None:
        """Another under it is refused, and with it its whole batch, whether the first came before or with it."""
        book = self.make()
        sentence = f"outcome o1: {other.label!r} of {other.prediction}, expected what this id stands for; "
        sentence += "it is 'negative' of p1; give a new report an id of its own"
        with pytest.raises(Conflict) as error:
            book.record([outcome("o0", "p0"), outcome("o1"), other], loop=LOOP)
        assert str(error.value) == sentence
        assert book.after(0, loop=LOOP, most=9) == ()
        book.record([outcome("o1")], loop=LOOP)
        with pytest.raises(Conflict) as error:
            book.record([outcome("o0", "p0"), other], loop=LOOP)
        assert str(error.value) == sentence
        assert book.after(0, loop=LOOP, most=9) == ((1, outcome("o1")),)

    def test_the_later_of_two_about_one_prediction_comes_last(self) -> None:
        """By arrival, whatever their times and ids say."""
        book = self.make()
        book.record([outcome("z", label="negative")], loop=LOOP)
        book.record([outcome("o", "p2"), structs.replace(outcome("a", label="positive"), at=later(-60))], loop=LOOP)
        assert [one.label for one in book.of([PredictionId("p1")], loop=LOOP)] == ["negative", "positive"]
        book.record([outcome("b", "p0")], loop=LOOP)
        asked = [PredictionId(name) for name in ("p0", "p1", "p2")]
        assert [one.id for one in book.of(asked, loop=LOOP)] == ["z", "o", "a", "b"]

    def test_a_reader_goes_on_where_it_was(self) -> None:
        """Positions begin at 1 and never change their outcome."""
        book = self.make()
        batch = [outcome(f"o{9 - n}", f"p{n}") for n in range(5)]
        book.record(batch[:3], loop=LOOP)
        assert book.after(0, loop=LOOP, most=2) == ((1, batch[0]), (2, batch[1]))
        book.record(batch[3:], loop=LOOP)
        assert book.after(2, loop=LOOP, most=9) == ((3, batch[2]), (4, batch[3]), (5, batch[4]))
        assert book.after(5, loop=LOOP, most=9) == ()
        assert book.after(0, loop=LOOP, most=0) == ()

    def test_loops_do_not_see_each_other(self) -> None:
        """The same ids, other outcomes, positions of their own."""
        book = self.make()
        book.record([outcome("o0", "p0"), outcome("o1")], loop=LOOP)
        assert book.record([outcome("o1", label="positive")], loop=OTHER) == (1, 0)
        assert book.after(0, loop=OTHER, most=9) == ((1, outcome("o1", label="positive")),)
        assert [one.label for one in book.of([PredictionId("p1")], loop=LOOP)] == ["negative"]

    def test_nothing_asked_is_nothing_answered(self) -> None:
        """Empty batches and unknown predictions."""
        book = self.make()
        assert book.record([], loop=LOOP) == (0, 0)
        assert book.of([], loop=LOOP) == ()
        assert book.of([PredictionId("p1")], loop=LOOP) == ()

    def test_a_batch_may_be_long(self) -> None:
        """Longer than the parameters that one statement of any database takes."""
        book = self.make()
        batch = [outcome(f"o{n:05}", f"p{n:05}") for n in range(70_000)]
        assert book.record(batch, loop=LOOP) == (70_000, 0)
        assert book.record(batch, loop=LOOP) == (0, 70_000)
        assert book.of([one.prediction for one in reversed(batch)], loop=LOOP) == tuple(batch)

    @hypothesis_settings(max_examples=25, suppress_health_check=[HealthCheck.differing_executors])
    @given(st.lists(st.lists(st.sampled_from("abcdef"), max_size=4), max_size=5))
    def test_every_outcome_has_one_position_however_often_it_is_sent(self, batches: list[list[str]]) -> None:
        """Positions are 1, 2, 3, ... in order of first arrival."""
        book, order = self.make(), list(dict.fromkeys(name for batch in batches for name in batch))
        counts = [book.record([outcome(name, f"p-{name}") for name in batch], loop=LOOP) for batch in batches]
        assert [(place, one.id) for place, one in book.after(0, loop=LOOP, most=99)] == list(enumerate(order, start=1))
        assert sum(count.stored for count in counts) == len(order)
        assert sum(count.repeated for count in counts) == sum(map(len, batches)) - len(order)
