"""What the paths below ``/v2``, and ``/v1/predict``, ask for."""

from typing import Final, NamedTuple

from loopline.errors import NotFound
from loopline.records.ids import VersionName

PATHS: Final = (
    "/v2",
    "/v2/health/live",
    "/v2/health/ready",
    "/v2/repository/index",
    "/v2/repository/models/{model}/load",
    "/v2/repository/models/{model}/unload",
    "/v2/models/stats",
    "/v2/models/{model}[/versions/{version}][/ready|/infer|/config|/stats]",
    "/v1/predict/{model}",
)
POSTED: Final = frozenset({"infer", "index", "load", "unload", "predict"})


class Target(NamedTuple):
    """What a path asks for."""

    act: str
    """``server``, ``live``, ``ready``, ``index``, ``load``, ``unload``, ``model``, ``model-ready``, ``config``,
    ``stats``, ``infer`` or ``predict``."""
    model: str = ""
    version: VersionName | None = None
    """None: whichever the traffic split names."""

    @property
    def method(self) -> str:
        """The HTTP method that goes with it."""
        return "POST" if self.act in POSTED else "GET"


def target_of(path: str) -> Target:
    """What the path asks for. Raises NotFound.

    >>> target_of("/v2/models/sentiment/versions/v2/infer")
    Target(act='infer', model='sentiment', version='v2')
    """
    match path.rstrip("/").split("/")[1:]:
        case ["v2"]:
            return Target("server")
        case ["v2", "health", "live" | "ready" as act]:
            return Target(act)
        case ["v2", "repository", "index"]:
            return Target("index")
        case ["v2", "repository", "models", model, "load" | "unload" as act]:
            return Target(act, model)
        case ["v2", "models", "stats"]:
            return Target("stats")
        case ["v2", "models", model, *rest]:
            return _model_target(model, rest, path=path)
        case ["v1", "predict", model]:
            return Target("predict", model)
        case _:
            raise NotFound("path", path, known=PATHS)


def _model_target(model: str, rest: list[str], *, path: str) -> Target:
    version = None
    if len(rest) >= 2 and rest[0] == "versions":
        version, rest = VersionName(rest[1]), rest[2:]
    match rest:
        case []:
            return Target("model", model, version)
        case ["ready"]:
            return Target("model-ready", model, version)
        case ["infer" | "config" | "stats" as act]:
            return Target(act, model, version)
        case _:
            raise NotFound("path", path, known=PATHS)
