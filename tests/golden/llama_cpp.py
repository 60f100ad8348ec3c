"""Saved states of a sequence as llama.cpp reads them, of numbers that count up: tests/golden/llama_cpp.json.

The layout is that of ggml-org/llama.cpp: src/llama-context.cpp (state_seq_save_file) and src/llama-kv-cache.cpp (state_write),
as llama.cpp itself wrote it for a text (node-llama-cpp 3.21.1). Needs numpy alone.
"""

import json
import struct
from pathlib import Path

import numpy as np

SLOTS, LAYERS, HEADS, WIDTH = 3, 2, 2, 4


def keys_and_values():
    flat = np.arange(SLOTS * LAYERS * 2 * HEADS * WIDTH, dtype=np.float32) / 8 - 3
    by_slot = flat.reshape(SLOTS, LAYERS, 2, HEADS * WIDTH)
    return [(by_slot[:, layer, 0], by_slot[:, layer, 1]) for layer in range(LAYERS)]


def interleaved(keys):
    """As convert_hf_to_gguf.py's LlamaModel.permute does with the rows that make the keys."""
    halves = keys.reshape(SLOTS, HEADS, 2, WIDTH // 2)
    return halves.swapaxes(2, 3).reshape(SLOTS, HEADS * WIDTH)


def state(permuted, dtype, flash, version):
    pairs = keys_and_values()
    file = b"qsgg" + struct.pack("<II", version, SLOTS) + struct.pack(f"<{SLOTS}i", *[0] * SLOTS)
    file += struct.pack("<II", 1, SLOTS)
    for slot in range(SLOTS):
        file += struct.pack("<iIi", slot, 1, 0)
    file += struct.pack("<II", 0 if flash else 1, LAYERS)
    kind = {np.float32: 0, np.float16: 1}[dtype]
    size = np.dtype(dtype).itemsize
    for keys, _ in pairs:
        rows = interleaved(keys) if permuted else keys
        file += struct.pack("<iQ", kind, HEADS * WIDTH * size) + rows.astype(dtype).tobytes()
    for _, values in pairs:
        if flash:
            file += struct.pack("<iQ", kind, HEADS * WIDTH * size) + values.astype(dtype).tobytes()
        else:
            file += struct.pack("<iII", kind, size, HEADS * WIDTH) + values.T.astype(dtype).tobytes()
    return file.hex()


states = {
    "f16 flash permuted": state(True, np.float16, True, 3),
    "f16 flash plain": state(False, np.float16, True, 3),
    "f32 plain transposed": state(False, np.float32, False, 2),
    "f16 permuted transposed": state(True, np.float16, False, 3),
}
Path(__file__).with_suffix(".json").write_text(json.dumps(states, indent=1) + "\n")
