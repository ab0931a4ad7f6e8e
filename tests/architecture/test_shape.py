"""The shape of the house, as ``docs/decisions/0001-layers.md`` draws it. Each test names what strays."""

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from loopline.loop import STAGES

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "loopline"
NAMES = tuple(stage.name for stage in STAGES)
ROOMS = {*NAMES, "records", "ports", "orchestrate", "adapters", "apps", "testing"}
NOT_CORE = {"adapters", "apps", "testing"}
BANNED = {"utils", "util", "helpers", "helper", "common", "base", "misc", "manager", "managers", "handler", "handlers"}
BANNED |= {"processor", "processors"}
PURE_LIBRARIES = {"loopline", "numpy", "scipy", "blake3", "msgspec"}
IMPURE = {"os", "sys", "time", "socket", "sqlite3", "subprocess", "threading", "asyncio", "random", "pathlib", "io"}
ALSO_PURE = {
    "select": {"faiss"},
    "dataset": {"pyarrow", "io"},  # a version is a Parquet object, encoded in memory
    "capture": {"threading", "re2"},  # the writer's thread; patterns that take linear time whatever they meet
}
DATA = {"columns", "sheet", "strategy"}
"""Modules of the ports that hold no port: the arrays and functions that travel between log, select and strategies."""
FILE_LINES, STAGE_LINES, STATEMENTS, METHODS = 400, 80, 30, 5
ROOM_LINES, CORE_LINES = 1_800, 12_000
KINDS_OF_CLASS = {"Protocol", "Struct", "NamedTuple", "Enum", "IntEnum", "StrEnum", "Generic", "TypedDict"}
"""Bases that say what kind of class it is, and inherit no behaviour of ours."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def tracked() -> tuple[Path, ...]:
    """Every file that is, or is about to be, committed."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return tuple(path for line in listed.stdout.splitlines() if (path := ROOT / line).is_file())


def python_files(folder: Path) -> tuple[Path, ...]:
    return tuple(sorted(folder.rglob("*.py")))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def at(path: Path, node: ast.stmt | None = None) -> str:
    return f"{path.relative_to(ROOT)}{f':{node.lineno}' if node else ''}"


def classes(path: Path) -> Iterator[ast.ClassDef]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, ast.ClassDef))


def base_names(node: ast.ClassDef) -> list[str]:
    plain = (base.value if isinstance(base, ast.Subscript) else base for base in node.bases)
    return [base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "?") for base in plain]


def imported(path: Path) -> Iterator[tuple[ast.stmt, str]]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node, node.module or ""


def statements(function: Function) -> int:
    """Statements inside, docstring and nested functions' own counts excepted."""
    return sum(_weight(node) for node in function.body) - (ast.get_docstring(function) is not None)


def _weight(node: ast.AST) -> int:
    inner = 0 if isinstance(node, Function | ast.ClassDef) else sum(map(_weight, ast.iter_child_nodes(node)))
    return isinstance(node, ast.stmt) + inner


def test_no_file_is_too_long():
    long = [f"{at(path)}: {lines(path)}" for path in tracked() if path.suffix == ".py" and lines(path) > FILE_LINES]
    assert not long


def lines_of_code(path: Path) -> int:
    """Lines that hold neither a docstring nor a comment alone, and are not blank."""
    told: set[int] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            told |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    found = enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
    return sum(bool(line.strip()) and line.strip()[0] != "#" and number not in told for number, line in found)


def test_the_core_can_be_read_room_by_room():
    core = [path for path in python_files(SOURCE) if path.relative_to(SOURCE).parts[0] not in NOT_CORE]
    rooms = Counter[str]()
    for path in core:
        rooms[path.relative_to(SOURCE).parts[0]] += lines_of_code(path)
    assert not [room for room, total in rooms.items() if total > ROOM_LINES]
    assert rooms.total() < CORE_LINES
    assert sum(map(lines, core)) < 2 * CORE_LINES


def test_no_function_is_too_long():
    long = [
        f"{at(path, node)} {node.name}: {statements(node)}"
        for path in python_files(SOURCE)
        for node in ast.walk(tree(path))
        if isinstance(node, Function) and statements(node) > STATEMENTS
    ]
    assert not long


def test_every_module_is_named_for_its_concept():
    parts = (
        (path, part) for path in python_files(ROOT / "src") for part in path.relative_to(ROOT).with_suffix("").parts
    )
    assert not [at(path) for path, part in parts if part in BANNED]


def test_the_rooms_are_those_on_the_page():
    folders = {path.name for path in SOURCE.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert folders == ROOMS


@pytest.mark.parametrize("stage", NAMES)
def test_a_stage_has_one_recipe_that_fits_a_screen(stage):
    recipe = SOURCE / stage / "stage.py"
    assert recipe.is_file()
    assert lines(recipe) <= STAGE_LINES


@pytest.mark.parametrize("stage", NAMES)
def test_the_siblings_of_a_recipe_are_pure(stage):
    allowed = set(sys.stdlib_module_names) - IMPURE | PURE_LIBRARIES | ALSO_PURE.get(stage, set())
    shapes = "|".join(rf"ports\.{name}" for name in DATA)
    inside = re.compile(rf"loopline\.(records|errors|{stage}|{shapes})\b")
    for path in python_files(SOURCE / stage):
        if path.name == "stage.py":
            continue
        strays = [
            f"{at(path, node)} imports {name}"
            for node, name in imported(path)
            if name.split(".")[0] not in allowed or (name.startswith("loopline") and not inside.match(name))
        ]
        assert not strays


@pytest.mark.parametrize("path", python_files(SOURCE / "ports"), ids=lambda path: path.stem)
def test_a_port_is_a_few_methods_and_knows_no_adapter(path):
    for node in classes(path):
        methods = [each.name for each in node.body if isinstance(each, Function)]
        assert len(methods) <= METHODS, at(path, node)
        assert set(base_names(node)) <= {"Protocol", "NamedTuple"}, at(path, node)
    assert not [name for _, name in imported(path) if name.startswith("loopline.adapters")]


@pytest.mark.parametrize("name", sorted(DATA))
def test_what_pure_files_may_name_of_the_ports_is_data(name):
    path = SOURCE / "ports" / f"{name}.py"
    assert {base for node in classes(path) for base in base_names(node)} == {"NamedTuple"}
    assert not [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, Function)]


@pytest.mark.parametrize("port", [p.stem for p in python_files(SOURCE / "ports") if p.stem not in {"__init__", *DATA}])
def test_every_port_has_a_public_contract_suite_that_is_run(port):
    suite = SOURCE / "testing" / f"{port}.py"
    assert suite.is_file()
    assert [node.name for node in classes(suite) if node.name.endswith("Contract")]
    runs = [
        path for path in python_files(ROOT / "tests" / "contracts") if f"loopline.testing.{port}" in path.read_text()
    ]
    assert runs


def test_records_are_frozen_structs():
    for path in python_files(SOURCE / "records"):
        for node in classes(path):
            marks = {word.arg: getattr(word.value, "value", None) for word in node.keywords}
            assert base_names(node) == ["Struct"], at(path, node)
            assert marks.get("frozen") is True, at(path, node)
            assert marks.get("kw_only") is True, at(path, node)


def test_no_class_tree_is_deeper_than_one():
    parents = {
        node.name: set(base_names(node)) - KINDS_OF_CLASS
        for path in python_files(SOURCE)
        for node in classes(path)
        if path.name != "errors.py" and "Protocol" not in base_names(node)
    }
    deep = [name for name, bases in parents.items() if any(parents.get(base) for base in bases)]
    assert not deep


def test_nothing_is_left_for_another_day():
    mark = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
    assert not list(findings(mark, suffixes={".py", ".ts", ".md", ".toml", ".css", ".html", ".jinja", ""}))


def test_no_address_of_a_registry_and_no_path_of_a_machine_is_committed():
    hosts = r"(pypi\.org|pythonhosted|npmjs\.(org|com)|registry\.[a-z]+\.[a-z]+|index-url|find-links)"
    mark = re.compile(hosts + "|/wo" + r"rk/|/ro" + r"ot/|/ho" + r"me/\w")
    assert not list(findings(mark, suffixes={".py", ".ts", ".md", ".toml", ".txt", ".json", ".html", ".jinja", ""}))


def findings(mark: re.Pattern[str], *, suffixes: Iterable[str]) -> Iterator[str]:
    for path in tracked():
        if path.suffix in suffixes and path != Path(__file__):
            for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
                if mark.search(line):
                    yield f"{at(path)}:{number}: {line.strip()[:80]}"


def test_every_pin_is_a_name_and_a_version():
    for pin in (ROOT / "constraints.txt").read_text().splitlines():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", pin), pin


def test_every_requirement_is_pinned():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(each for extra in project["optional-dependencies"].values() for each in extra),
    ]
    pins = {canonical(line.partition("==")[0]) for line in (ROOT / "constraints.txt").read_text().splitlines()}
    assert not {canonical(re.split(r"[<>=\[; ]", each)[0]) for each in wanted} - pins


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_imports_run_one_way():
    linter = Path(sys.executable).parent / "lint-imports"
    run = subprocess.run([linter, "--no-cache"], check=False, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
