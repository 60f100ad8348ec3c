"""Golden blocks of few bits: tests/golden/blocks.safetensors.

Random blocks of each kind with what `gguf` and bitsandbytes make of them, and rows with the blocks that these make of
the rows. Scales are of every sort: negative, subnormal in 16 bits, zero of either sign.

    pip install gguf bitsandbytes
    python tests/golden/blocks.py
"""

from pathlib import Path

import bitsandbytes.functional as bnb
import numpy as np
import torch
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, dequantize, quantize
from safetensors.numpy import save_file

OUT = Path(__file__).parent / "blocks.safetensors"
SCALES = np.array([0.0123, -0.5, 3e-7, -0.0, 0.0, 1.5], dtype=np.float16)  # 3e-7 is subnormal
# Where the scales of 16 bits lie.
PLACES = {"Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}


def random_blocks(rng, name, places):
    kind = GGMLQuantizationType[name]
    blocks = rng.integers(0, 256, (len(SCALES), GGML_QUANT_SIZES[kind][1]), dtype=np.uint8)
    for i, place in enumerate(places):
        blocks[:, place:place + 2] = np.roll(SCALES, 2 * i)[:, None].view(np.uint8)
    return blocks, dequantize(blocks, kind)


def rows(rng):
    """Rows of 64: normal, wide, one large number, equal numbers, zeros, ties of every rounding, tiny ones."""
    normal = rng.standard_normal((4, 64)).astype(np.float32) * np.array([[1], [1e-3], [300], [0.04]], dtype=np.float32)
    outlier = rng.standard_normal(64).astype(np.float32) * 0.02
    outlier[17] = -4.0
    ties = np.tile(np.arange(-16, 16, dtype=np.float32) / 2, 2)
    ties[[0, 32]] = 127.0
    steps = np.tile(np.arange(0, 16, 0.5, dtype=np.float32)[::-1], 2)
    tiny = rng.standard_normal(64).astype(np.float32) * np.float32(2e-7)
    return np.stack([*normal, outlier, np.full(64, 0.7, np.float32), np.zeros(64, np.float32), ties, steps, tiny])


def nf4_blocks(packed, absmax):
    """Our block: the largest in f32, then the bytes."""
    largest = absmax.numpy().astype("<f4").view(np.uint8).reshape(-1, 4)
    return np.concatenate([largest, packed.numpy().reshape(-1, 32)], axis=1)


def main():
    rng = np.random.default_rng(16)
    out = {}
    for name, places in PLACES.items():
        blocks, values = random_blocks(rng, name, places)
        out[f"unpack.{name}.blocks"], out[f"unpack.{name}.values"] = blocks, values

    packed = torch.from_numpy(rng.integers(0, 256, (5 * 32, 1), dtype=np.uint8))
    absmax = torch.tensor([0.3, 1.0, 1e-30, 0.0, 7e4])
    state = bnb.QuantState(absmax, shape=torch.Size([5, 64]), dtype=torch.float32, blocksize=64, quant_type="nf4",
                           code=bnb.get_4bit_type("nf4", device="cpu"))
    out["unpack.NF4.blocks"] = nf4_blocks(packed, absmax)
    out["unpack.NF4.values"] = bnb.dequantize_4bit(packed, state).numpy()

    out["pack.rows"] = rows(rng)
    for name in ["Q8_0", "Q4_0", "Q4_1"]:
        out[f"pack.{name}"] = quantize(out["pack.rows"], GGMLQuantizationType[name])
    packed, state = bnb.quantize_4bit(torch.from_numpy(out["pack.rows"]), blocksize=64, quant_type="nf4")
    out["pack.NF4"] = nf4_blocks(packed, state.absmax)
    save_file(out, OUT)
    print(OUT.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
