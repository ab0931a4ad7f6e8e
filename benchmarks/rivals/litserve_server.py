"""LitServe at its fastest: one worker, ZeroMQ between it and the web server, no access log; batching when asked for."""

import sys

import joblib
import litserve as ls
import numpy as np


class Classifier(ls.LitAPI):
    def setup(self, device):  # noqa: ARG002  called by name
        self.model = joblib.load("model.joblib")

    def decode_request(self, request):
        return np.asarray(request["input"])

    def predict(self, rows):
        return self.model.predict_proba(rows)

    def encode_response(self, output):
        return {"output": output.tolist()}


class BatchedClassifier(Classifier):
    def batch(self, inputs):
        self.sizes = [len(rows) for rows in inputs]
        return np.concatenate(inputs)

    def unbatch(self, output):
        return np.split(output, np.cumsum(self.sizes)[:-1])


if __name__ == "__main__":
    port, variant = int(sys.argv[1]), sys.argv[2]
    is_batched = "batched" in variant
    api = BatchedClassifier(max_batch_size=32, batch_timeout=0.001) if is_batched else Classifier()
    server = ls.LitServer(
        api,
        accelerator="cpu",
        workers_per_device=1,
        fast_queue="zmq" in variant,
        disable_openapi_url=True,
        timeout=False,
    )
    quiet = {"generate_client_file": False, "log_level": "warning", "access_log": False}
    server.run(host="127.0.0.1", port=port, num_api_servers=1, **quiet)
