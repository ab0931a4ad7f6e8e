"""Ready questions, and what every column means: what a person needs to ask their own."""

from typing import NamedTuple

from loopline.adapters.duckdb.views import COUNTS, MAIN, OUTCOMES
from loopline.errors import NotFound


class Question(NamedTuple):
    """A question in words and in SQL."""

    name: str
    title: str
    sql: str


class Column(NamedTuple):
    """A column of a view, and what it means."""

    name: str
    kind: str
    meaning: str


QUESTIONS: tuple[Question, ...] = (
    Question(
        "uncertain",
        "Where is the model least sure?",
        """SELECT time, id, model, label, margin, entropy, input
FROM predictions
WHERE failure = '' AND arm IN ('incumbent', 'canary')
ORDER BY margin, time DESC
LIMIT 100""",
    ),
    Question(
        "volume",
        "How many predictions an hour?",
        """SELECT
  date_trunc('hour', time) AS hour,
  count(*) FILTER (WHERE arm = 'incumbent') AS incumbent,
  count(*) FILTER (WHERE arm = 'canary') AS canary,
  count(*) FILTER (WHERE arm = 'shadow') AS shadow
FROM predictions
GROUP BY hour
ORDER BY hour""",
    ),
    Question(
        "versions",
        "How do the versions compare?",
        """SELECT
  model,
  count(*) AS predictions,
  avg(margin) FILTER (WHERE failure = '') AS mean_margin,
  avg(entropy) FILTER (WHERE failure = '') AS mean_entropy,
  count(*) FILTER (WHERE failure <> '') AS failures,
  max(time) AS latest
FROM predictions
GROUP BY model
ORDER BY latest DESC""",
    ),
    Question(
        "latency",
        "How long do answers take?",
        """SELECT
  date_trunc('hour', time) AS hour,
  quantile_cont(latency_us, 0.5) / 1000 AS p50_ms,
  quantile_cont(latency_us, 0.95) / 1000 AS p95_ms,
  quantile_cont(latency_us, 0.99) / 1000 AS p99_ms,
  count(*) AS predictions
FROM predictions
WHERE arm <> 'shadow'
GROUP BY hour
ORDER BY hour""",
    ),
    Question(
        "failures",
        "What went wrong?",
        """SELECT failure, model, arm, count(*) AS predictions, min(time) AS first, max(time) AS latest
FROM predictions
WHERE failure <> ''
GROUP BY failure, model, arm
ORDER BY latest DESC
LIMIT 100""",
    ),
    Question(
        "labels",
        "What is answered, and was it right?",
        """WITH truth AS (
  SELECT prediction, arg_max(label, position) AS label FROM outcomes GROUP BY prediction
)
SELECT
  p.label,
  count(*) AS predictions,
  avg(p.margin) AS mean_margin,
  count(t.label) AS outcomes,
  count(*) FILTER (WHERE t.label = p.label) AS right_ones
FROM predictions AS p LEFT JOIN truth AS t ON t.prediction = p.id
WHERE p.failure = '' AND p.arm <> 'shadow'
GROUP BY p.label
ORDER BY predictions DESC""",
    ),
)

SCHEMA: dict[str, tuple[Column, ...]] = {
    MAIN: (
        Column("position", "number", "place in the log, from 1, in order of arrival"),
        Column("id", "text", "ours or the caller's; the shadow answer to p is p~v2"),
        Column("time", "time", "UTC, when the answer was ready"),
        Column("model", "text", "the version that answered"),
        Column("arm", "text", "incumbent, canary, shadow or direct"),
        Column("label", "text", "the most likely class; empty when the model failed"),
        Column("margin", "number", "gap between the two most likely classes, 0 to 1"),
        Column("entropy", "number", "of the distribution, in nats"),
        Column("top", "number", "probability of the most likely class"),
        Column("probabilities", "list", "one a class, in the order of the labels"),
        Column("latency_us", "number", "microseconds inside the model"),
        Column("failure", "text", "why there is no answer; empty when there is"),
        Column("input", "text", "the row, spelled out; none for images and long rows"),
        Column("content", "text", "BLAKE3 of the row: equal rows share it"),
        Column("group_key", "text", "what goes to the reserve as a whole or not at all"),
        Column("segment", "text", "the part of the traffic that the request named, such as a channel"),
        Column("inputs", "bytes", "the row exactly as the model saw it"),
        Column("sampled", "number", "probability with which the log kept it"),
        Column("reason", "text", "why this arm answered; empty for the incumbent"),
        Column("trace", "text", "the caller's W3C trace id"),
        Column("members", "list", "distributions of the model's members, one after another"),
        Column("embedding", "list", "the model's own, float32"),
        Column("payload", "text", "digest of the object that holds a long row"),
        Column("redacted", "true or false", "whether a rule changed the row before it was kept"),
        Column("artifact", "text", "digest of the model's file"),
        Column("signature", "text", "digest of the contract it was asked under"),
        Column("loop", "text", "the loop's name"),
        Column("at_us", "number", "microseconds since 1970 UTC: quicker to filter by than time"),
    ),
    OUTCOMES: (
        Column("prediction", "text", "the id it is about"),
        Column("label", "text", "the class that turned out true"),
        Column("time", "time", "UTC, when it was observed"),
        Column("source", "text", "who says so"),
        Column("id", "text", "the reporter's own id"),
        Column("position", "number", "order of arrival: of two about one prediction the later holds"),
    ),
    COUNTS: (
        Column("day", "date", "UTC"),
        Column("model", "text", "the version that answered"),
        Column("rows", "number", "sealed rows: they judge models, and no view shows them"),
    ),
}
"""View -> its columns."""


def question(name: str) -> Question:
    """The ready question of this name. Raises NotFound."""
    for one in QUESTIONS:
        if one.name == name:
            return one
    raise NotFound("question", name, known=tuple(one.name for one in QUESTIONS))
