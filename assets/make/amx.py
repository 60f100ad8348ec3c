"""Matrix products in bfloat16 on AMX tiles, for pretrain.py --amx (see amx.c)."""
import ctypes
import os
import subprocess

import torch


def load(folder):
    """Compile amx.c into the folder, once, and ask for the tiles."""
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "amx.c")
    built = os.path.join(folder, "amx.so")
    if not os.path.exists(built) or os.path.getmtime(built) < os.path.getmtime(source):
        subprocess.run(["cc", "-O3", "-march=native", "-shared", "-fPIC", source, "-o", f"{built}.{os.getpid()}"], check=True)
        os.replace(f"{built}.{os.getpid()}", built)
    lib = ctypes.CDLL(built)
    lib.amx_gemm.argtypes = [ctypes.c_int] * 2 + [ctypes.c_long] * 3 + [ctypes.c_void_p] * 3
    if lib.amx_begin():
        raise SystemExit("this processor or kernel has no AMX tiles: leave --amx out")
    return lib


def product(lib, a, b, ta=False, tb=False):
    a, b = a.contiguous(), b.contiguous()
    k, m = a.shape if ta else a.shape[::-1]
    n = b.shape[0] if tb else b.shape[1]
    c = torch.empty(m, n)
    lib.amx_gemm(ta, tb, m, n, k, a.data_ptr(), b.data_ptr(), c.data_ptr())
    return c


def install(lib, model):
    """Replace the forward of every weight product of a GPT-2 by one whose three products run on the tiles."""

    class Product(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, w, flip):
            ctx.save_for_backward(x, w)
            ctx.flip = flip
            return product(lib, x, w, tb=flip)

        @staticmethod
        def backward(ctx, d):
            x, w = ctx.saved_tensors
            dx = product(lib, d, w, tb=not ctx.flip)
            dw = product(lib, d, x, ta=True) if ctx.flip else product(lib, x, d, ta=True)
            return dx, dw, None

    def forward(module, flip):
        plain = module.forward

        def run(x):
            rows = x.numel() // x.shape[-1]
            if rows % 32:
                return plain(x)
            y = Product.apply(x.reshape(rows, -1), module.weight, flip).view(*x.shape[:-1], -1)
            return y if module.bias is None else y + module.bias
        return run

    for module in model.modules():
        kind = type(module).__name__
        if kind in ("Conv1D", "Linear"):
            module.forward = forward(module, kind == "Linear")
