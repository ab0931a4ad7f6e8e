"""``loopline users`` and ``loopline audit``: who can sign in to this loop, and who did what."""

import json as json_text
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from loopline.apps.cli.options import LOOP, AsJson, LoopOption

app = typer.Typer(
    name="users", help="People who can sign in: add, list, change, disable, sign out.", no_args_is_help=True
)
Name = Annotated[str, typer.Argument(help="As the list shows it.", metavar="NAME")]
RoleOption = Annotated[
    list[str],
    typer.Option("--role", help="annotator, adjudicator, lead, engineer or viewer; again for more than one."),
]
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input instead of asking for it.")
]
Words = Annotated[list[str] | None, typer.Argument(help="None: none.")]


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What their answers will carry.")],
    *,
    role: RoleOption,
    password_stdin: FromStdin = False,
    by_proxy: Annotated[
        bool, typer.Option("--by-proxy", help="Without a password: the proxy that signs people in brings them.")
    ] = False,
    loop: LoopOption = LOOP,
    json: AsJson = False,
) -> None:
    """Add somebody who signs in with a name and a password."""
    password = "" if by_proxy else _password(is_piped=password_stdin)
    wanted = {"name": name, "roles": list(dict.fromkeys(role)), "password": password}
    _tell(_ask(loop, "POST", "/api/users", body=wanted), is_json=json)


@app.command("list")
def listed(*, loop: LoopOption = LOOP, json: AsJson = False) -> None:
    """List everybody who can sign in, disabled ones too."""
    found: Sequence[Mapping[str, Any]] = _ask(loop, "GET", "/api/users")
    if json:
        typer.echo(json_text.dumps(found, ensure_ascii=False))
        return
    for user in found:
        typer.echo(_line(user))
    if not found:
        typer.echo("no users yet; add one: loopline users add NAME --role lead")


@app.command()
def disable(name: Name, *, loop: LoopOption = LOOP, json: AsJson = False) -> None:
    """Keep somebody out, from now on, at every door within a second."""
    _change(loop, name, {"is_disabled": True}, is_json=json)


@app.command()
def enable(name: Name, *, loop: LoopOption = LOOP, json: AsJson = False) -> None:
    """Let somebody in again who was disabled."""
    _change(loop, name, {"is_disabled": False}, is_json=json)


@app.command()
def password(name: Name, *, password_stdin: FromStdin = False, loop: LoopOption = LOOP, json: AsJson = False) -> None:
    """Give somebody another password, which ends their sessions."""
    _change(loop, name, {"password": _password(is_piped=password_stdin)}, is_json=json)


@app.command()
def roles(
    name: Name,
    roles: Annotated[list[str], typer.Argument(help="annotator, adjudicator, lead, engineer, viewer.")],
    *,
    loop: LoopOption = LOOP,
    json: AsJson = False,
) -> None:
    """Give somebody these roles in place of theirs."""
    _change(loop, name, {"roles": roles}, is_json=json)


@app.command()
def skills(name: Name, skills: Words = None, *, loop: LoopOption = LOOP, json: AsJson = False) -> None:
    """Say what somebody can answer: tasks that ask for another skill do not come to them."""
    _change(loop, name, {"skills": skills or []}, is_json=json)


@app.command()
def languages(name: Name, languages: Words = None, *, loop: LoopOption = LOOP, json: AsJson = False) -> None:
    """Say what somebody reads: tasks in another language do not come to them."""
    _change(loop, name, {"languages": languages or []}, is_json=json)


@app.command()
def quota(
    name: Name,
    quota: Annotated[int, typer.Argument(min=0, help="Most answers in a UTC day; 0: any number.")],
    *,
    loop: LoopOption = LOOP,
    json: AsJson = False,
) -> None:
    """Say how much somebody may answer in a day."""
    _change(loop, name, {"quota": quota}, is_json=json)


@app.command("sign-out")
def sign_out(name: Name, *, loop: LoopOption = LOOP, json: AsJson = False) -> None:
    """End every session of somebody."""
    _change(loop, name, {"is_signed_out": True}, is_json=json)


def audit(
    *,
    actor: Annotated[str, typer.Option(help="Only the acts of this one: a name, a key's id, token, console.")] = "",
    newest: Annotated[int, typer.Option(min=1, max=1_000, help="How many.")] = 50,
    loop: LoopOption = LOOP,
    json: AsJson = False,
) -> None:
    """Tell who did what at the doors, newest first."""
    params = {"newest": str(newest), "actor": actor}
    found: Sequence[Mapping[str, Any]] = _ask(loop, "GET", "/api/audit", params=params)
    if json:
        typer.echo(json_text.dumps(found, ensure_ascii=False))
        return
    for act in found:
        typer.echo(_act(act))
    if not found:
        typer.echo("no acts yet")


def _line(user: Mapping[str, Any]) -> str:
    """One user.

    >>> ana = {"name": "ana", "roles": ["annotator"], "skills": ["law"], "languages": [], "quota": 300}
    >>> _line(ana | {"has_password": False, "disabled_at": None})
    'ana: annotator; skills law; at most 300 answers a day; signs in by the proxy'
    """
    from loopline.apps.cli.show import moment

    told = [f"{user['name']}: {', '.join(user['roles'])}"]
    told += [f"{kind} {', '.join(user[kind])}" for kind in ("skills", "languages") if user[kind]]
    if user["quota"]:
        told.append(f"at most {user['quota']:,} answers a day")
    if not user["has_password"]:
        told.append("signs in by the proxy")
    if user["disabled_at"]:
        told.append(f"disabled {moment(user['disabled_at'])}")
    return "; ".join(told)


def _act(act: Mapping[str, Any]) -> str:
    """One act.

    >>> told = {"at": "2026-01-05T09:00:00Z", "actor": "ana", "act": "PATCH /api/users/{name}", "subject": "ben"}
    >>> _act(told | {"outcome": "200", "address": "192.0.2.7"})
    '2026-01-05 09:00:00  ana  PATCH /api/users/{name}  ben  200  192.0.2.7'
    """
    from loopline.apps.cli.show import moment

    parts = (act["actor"] or "somebody", act["act"], act["subject"], act["outcome"], act["address"])
    return "  ".join([moment(act["at"]), *filter(None, parts)])


def _password(*, is_piped: bool) -> str:
    """From standard input, else asked for twice on the terminal, which does not show it."""
    if is_piped:
        return sys.stdin.readline().rstrip("\r\n")
    return str(typer.prompt("password", hide_input=True, confirmation_prompt=True, err=True))


def _change(loop: Path, name: str, change: Mapping[str, Any], *, is_json: bool) -> None:
    from urllib.parse import quote

    _tell(_ask(loop, "PATCH", f"/api/users/{quote(name, safe='')}", body=change), is_json=is_json)


def _tell(user: Mapping[str, Any], *, is_json: bool) -> None:
    typer.echo(json_text.dumps(user, ensure_ascii=False) if is_json else _line(user))


def _ask(loop: Path, method: str, path: str, *, body: Any = None, params: dict[str, str] | None = None) -> Any:
    from loopline.apps.cli.door import Request, ask
    from loopline.apps.config import load_settings
    from loopline.apps.wiring import FOLDER

    settings = load_settings(loop)
    return ask(settings, Request(method, path, params, body), root=Path(settings.folder) / FOLDER)
