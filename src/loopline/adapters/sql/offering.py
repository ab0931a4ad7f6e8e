"""Which tasks are open to whom, asked of the indexes of open tasks: what is done is never walked past.

In SQL as text, since the databases use these indexes only for the very words that the indexes were made with.
"""
# ruff: noqa: S608  every part of every query is a constant of this file or of ``tables``

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import product
from typing import NamedTuple

from sqlalchemy import Connection, RowMapping, Text, TextClause, bindparam, text

from loopline.adapters.sql.tables import ALIKE, GOLD, OPEN, UNCLOSED
from loopline.records.ids import LoopName
from loopline.records.task import STEP, Claim

COLUMNS = "task.id, task.loop, task.content, task.priority, task.cluster_name, task.wanted, task.body"
FIT = "skill || '' IN :skills AND language || '' IN :languages"
"""Spelled so that no database takes it for a way into ``task_open``."""
PLACES = {
    "open": f"""loop = :loop AND skill = :skill AND language = :language AND {OPEN}
AND full_us <= :now_us AND stratum IN :strata""",
    "alike": f"""loop = :loop AND cluster_name = :wished AND {ALIKE}
AND full_us <= :now_us AND stratum IN :strata AND {FIT}""",
    "gold": f"loop = :loop AND {GOLD} AND {FIT}",
    "freed": f"""{UNCLOSED} AND stratum IN :strata AND id IN (
SELECT annotation.task FROM annotation WHERE annotation.loop = :loop AND annotation.annotator IN :out
AND annotation.cycle >= (SELECT min(cycle) FROM task WHERE loop = :loop AND {UNCLOSED}) UNION
SELECT lease.task FROM lease WHERE lease.loop = :loop AND lease.annotator IN :out AND lease.until_us > :now_us)
AND {FIT}""",
    "lapsed": "id IN :tasks AND NOT closed",
}
PLACES["freed alike"] = f"cluster_name = :wished AND {PLACES['freed']}"
"""Where tasks are looked for. ``freed``: paused people answered or hold them."""
LOST = """ - (SELECT count(*) FROM annotation WHERE annotation.task = task.id AND annotation.annotator IN :out
AND annotation.withdrawn_us IS NULL)"""
WANTS_MORE = """(stratum = 'gold' OR answers{lost} + (SELECT count(*) FROM lease WHERE lease.task = task.id
AND lease.until_us > :now_us AND lease.annotator NOT IN :away) < wanted)"""
UNSEEN = """NOT EXISTS (SELECT 1 FROM lease WHERE lease.loop = :loop AND lease.annotator = :annotator
AND lease.content = task.content AND (lease.task <> task.id OR lease.until_us > :now_us))
AND NOT EXISTS (SELECT 1 FROM annotation WHERE annotation.task = task.id
AND annotation.annotator = :annotator AND annotation.withdrawn_us IS NULL)
AND NOT EXISTS (SELECT 1 FROM skip WHERE skip.task = task.id AND skip.annotator = :annotator)"""
"""Not held, not asked about under another task with the same content, not answered, not skipped."""
LISTS = ("strata", "skills", "languages", "chosen", "out", "away", "tasks")
HELD = text(f"""SELECT {COLUMNS}, task.stratum, task.closed, lease.until_us FROM lease
JOIN task ON task.id = lease.task WHERE lease.loop = :loop AND lease.annotator = :annotator
AND lease.until_us > :now_us""")
CLUSTER = text("SELECT cluster_name FROM task WHERE loop = :loop AND id = :like")


class Asker(NamedTuple):
    """Who asks when, and who is paused."""

    loop: LoopName
    annotator: str
    now_us: int
    out: Sequence[str]

    @property
    def terms(self) -> dict[str, object]:
        """The values that every question needs."""
        away = [*self.out, self.annotator]
        return {"loop": self.loop, "annotator": self.annotator, "now_us": self.now_us, "out": self.out, "away": away}


def held(connection: Connection, asker: Asker) -> Sequence[RowMapping]:
    """The annotator's live leases with their tasks, of whatever kind."""
    return connection.execute(HELD, asker.terms).mappings().all()


def cluster_of(connection: Connection, like: str, *, loop: LoopName) -> str:
    """The cluster of this task; empty: it is in none, or there is no such task."""
    return str(connection.execute(CLUSTER, {"loop": loop, "like": like}).scalar() or "") if like else ""


def fresh(connection: Connection, claim: Claim, *, asker: Asker, wished: str, count: int) -> list[RowMapping]:
    """The first ``count`` tasks that are open to the annotator, one a content, ``wished`` for cluster first.

    Each source is read in the order of service, so that its first ``count`` are enough. The cluster is a source of its
    own: what it moves to the front may lie far behind.
    """
    if count <= 0:
        return []
    skills, languages = ("", *claim.skills), ("", *claim.languages)
    terms = asker.terms | {"strata": sorted(claim.strata), "skills": skills, "languages": languages, "wished": wished}
    found = [
        row
        for name, more in _places(claim, asker=asker, wished=wished)
        for row in _one_a_content(connection, name, terms | more, count=count)
    ]
    return one_a_content(in_order(found, wished=wished))[:count]


def lapsed(connection: Connection, tasks: Iterable[str], *, asker: Asker) -> Sequence[RowMapping]:
    """Those of the tasks that are open to the annotator."""
    names = sorted(tasks)
    query = wanting("lapsed", has_paused=bool(asker.out), is_further=False)
    return connection.execute(query, asker.terms | {"tasks": names, "count": len(names)}).mappings().all()


def in_order(rows: Iterable[RowMapping], *, wished: str) -> list[RowMapping]:
    """As they are served: by step of priority, then those of the wished cluster, then by priority and id."""

    def turn(row: RowMapping) -> tuple[int, bool, int, str]:
        is_unlike = not wished or row["cluster_name"] != wished
        return -(row["priority"] // STEP), is_unlike, -row["priority"], row["id"]

    return sorted(rows, key=turn)


def one_a_content(rows: Iterable[RowMapping]) -> list[RowMapping]:
    """The first of each content."""
    first: dict[str, RowMapping] = {}
    for row in rows:
        first.setdefault(row["content"], row)
    return list(first.values())


def _places(claim: Claim, *, asker: Asker, wished: str) -> list[tuple[str, dict[str, str]]]:
    """Where to look, and the values that it takes."""
    if claim.within:
        return [("alike", {}), *([("freed alike", {})] if asker.out else [])]
    if claim.strata == {"gold"}:
        return [("gold", {})]
    lanes = product(dict.fromkeys(("", *claim.skills)), dict.fromkeys(("", *claim.languages)))
    places = [("open", {"skill": skill, "language": language}) for skill, language in lanes]
    return [
        *([("alike", {})] if wished else []),
        *([("freed", {})] if asker.out else []),
        *([("gold", {})] if "gold" in claim.strata else []),
        *places,
    ]


def _one_a_content(connection: Connection, place: str, terms: dict[str, object], *, count: int) -> list[RowMapping]:
    """The first ``count`` tasks of this place with different contents."""
    chosen = list[RowMapping]()
    while (missing := count - len(chosen)) > 0:
        query = wanting(place, has_paused=bool(terms["out"]), is_further=bool(chosen))
        asked = terms | {"chosen": [row["content"] for row in chosen], "count": missing}
        rows = connection.execute(query, asked).mappings().all()
        chosen += one_a_content(rows)
        if len(rows) < missing:
            break
    return chosen


@cache
def wanting(place: str, *, has_paused: bool, is_further: bool) -> TextClause:
    """The question for open tasks of this place; a further one leaves out the contents that were found."""
    conditions = [PLACES[place], WANTS_MORE.format(lost=LOST if has_paused else ""), UNSEEN]
    conditions += ["task.content NOT IN :chosen"] if is_further else []
    where = "\nAND ".join(conditions)
    query = f"SELECT {COLUMNS} FROM task WHERE {where}\nORDER BY task.priority DESC, task.id LIMIT :count"
    lists = [bindparam(name, expanding=True, type_=Text) for name in LISTS if f" IN :{name}" in query]
    return text(query).bindparams(*lists)
