"""The servers that are compared: how each is started, asked, and understood."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rig import product
from rig.environments import environment
from rig.processes import Family, free_port

RIVALS = Path(__file__).parents[1] / "rivals"
Rows = NDArray[np.float64]


class Subject(NamedTuple):
    """One server in one setting. Its folder holds the model's files."""

    name: str
    variant: str
    start: Callable[[Path], Family]
    path: str
    ask: Callable[[Rows], str]
    """Rows -> the body of a request."""
    read: Callable[[Any], object]
    """The decoded answer -> probabilities, flat or in rows."""
    headers: Callable[[Path], dict[str, str]] = lambda _: {}


def tensor(output: str) -> Callable[[Rows], str]:
    """A request of the Open Inference Protocol for this one output."""

    def ask(rows: Rows) -> str:
        asked = {"name": "features", "shape": list(rows.shape), "datatype": "FP64", "data": rows.ravel().tolist()}
        return json.dumps({"inputs": [asked], "outputs": [{"name": output}]})

    return ask


def first_output(answer: Any) -> object:
    """The values of an Open Inference Protocol answer."""
    return answer["outputs"][0]["data"]


def subjects() -> list[Subject]:
    """All of them; those of one name are settings of one server, of which the better is taken."""
    oip: dict[str, Any] = {
        "path": product.INFER,
        "ask": tensor("probabilities"),
        "read": first_output,
        "headers": product.headers,
    }
    return [
        Subject("ours", "ONNX", ours("model.onnx"), **oip),
        Subject("ours_sklearn", "skops", ours("model.skops", more='convert = "never"\n'), **oip),
        Subject("ours_sklearn", "module:factory", ours("native:model"), **oip),
        Subject("floor", "raw ASGI", floor, "/", tensor("probabilities"), first_output),
        *(
            Subject(name, "parallel_workers=0", mlserver(name), product.INFER, tensor("predict_proba"), first_output)
            for name in ("mlserver", "mlserver_tuned")
        ),
        *(
            Subject("litserve", variant, litserve(variant), "/predict", named("input"), lambda answer: answer["output"])
            for variant in ("zmq", "queue", "zmq batched")
        ),
        *(
            Subject("bentoml", variant, bentoml(variant), "/predict", named("rows"), lambda answer: answer)
            for variant in ("async", "batched")
        ),
    ]  # fmt: skip


def named(field: str) -> Callable[[Rows], str]:
    """A request that is an object with the rows in one field."""
    return lambda rows: json.dumps({field: rows.tolist()})


def ours(model: str, *, more: str = "") -> Callable[[Path], Family]:
    """``loopline up`` with this model, everything else as it comes: capture is on."""

    def start(folder: Path) -> Family:
        shutil.copy(RIVALS / "native.py", folder)
        product.write_loop(folder, model=model, more=more)
        return product.start(folder)

    return start


def floor(folder: Path) -> Family:
    """The least that answers."""
    port = free_port()
    order = [sys.executable, str(RIVALS / "bare_uvicorn.py"), str(folder / "model.onnx"), str(port)]
    return listening(Family(order, folder=folder, environment={}, port=port))


def mlserver(settings: str) -> Callable[[Path], Family]:
    """MLServer with its scikit-learn runtime in the server's own process; this environment and its settings."""

    def start(folder: Path) -> Family:
        programs, port = environment(settings), free_port()
        for file in (RIVALS / "mlserver" / "model-settings.json", RIVALS / settings / "settings.json"):
            shutil.copy(file, folder)
        ports = {"MLSERVER_HTTP_PORT": port, "MLSERVER_GRPC_PORT": free_port(), "MLSERVER_METRICS_PORT": free_port()}
        order = [str(programs / "mlserver"), "start", str(folder)]
        variables = {name: str(number) for name, number in ports.items()}
        return listening(Family(order, folder=folder, environment=variables, port=port))

    return start


def litserve(variant: str) -> Callable[[Path], Family]:
    """LitServe with one worker and one web server process."""

    def start(folder: Path) -> Family:
        programs, port = environment("litserve"), free_port()
        order = [str(programs / "python"), str(RIVALS / "litserve_server.py"), str(port), variant]
        return listening(Family(order, folder=folder, environment={}, port=port))

    return start


def bentoml(variant: str) -> Callable[[Path], Family]:
    """BentoML with one worker."""

    def start(folder: Path) -> Family:
        programs, port = environment("bentoml"), free_port()
        shutil.copy(RIVALS / "bentoml_service.py", folder)
        variables = {
            "VARIANT": variant,
            "BENTOML_HOME": str(folder / "bentoml"),
            "BENTOML_DO_NOT_TRACK": "True",
            "PATH": f"{programs}:/usr/bin:/bin",
        }
        order = [str(programs / "bentoml"), "serve", "bentoml_service:Classifier", "--host", "127.0.0.1"]
        order += ["--port", str(port), "--working-dir", str(folder)]
        return listening(Family(order, folder=folder, environment=variables, port=port))

    return start


def listening(family: Family) -> Family:
    """The family once it listens."""
    try:
        family.wait_for_port()
    except BaseException:
        family.stop()
        raise
    return family
