"""The floor: one raw ASGI function on uvicorn, msgspec and ONNX Runtime, that checks nothing and remembers nothing."""

import sys
from typing import Any

import msgspec
import numpy as np
import onnxruntime as ort
import uvicorn


class Tensor(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    data: list[float]


class Asked(msgspec.Struct):
    inputs: list[Tensor]


class Said(msgspec.Struct):
    name: str
    shape: tuple[int, ...]
    datatype: str
    data: list[float]


class Answer(msgspec.Struct):
    model_name: str
    outputs: list[Said]


options = ort.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = ort.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
takes, gives = session.get_inputs()[0].name, [session.get_outputs()[-1].name]
asked, answered = msgspec.json.Decoder(Asked), msgspec.json.Encoder()


async def app(_: Any, receive: Any, send: Any) -> None:
    parts = []
    more = True
    while more:
        event = await receive()
        parts.append(event.get("body", b""))
        more = event.get("more_body", False)
    tensor = asked.decode(b"".join(parts)).inputs[0]
    rows = np.array(tensor.data, np.float32).reshape(tensor.shape)
    found = session.run(gives, {takes: rows})[0]
    said = Said(name="probabilities", shape=found.shape, datatype="FP32", data=found.ravel().tolist())
    body = answered.encode(Answer(model_name="bench", outputs=[said]))
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", access_log=False, lifespan="off")
