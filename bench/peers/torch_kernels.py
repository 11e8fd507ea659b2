"""W10 in PyTorch: single operations, whose sizes are in the workload's name."""
import re

import torch
import torch.nn.functional as F


def step(workload, variant):
    kind, sizes = re.fullmatch(r"W10_(sgemm|conv2d_fwd_bwd|conv2d_fwd|elementwise)_(.*)", workload).groups()
    if kind == "elementwise":
        return elementwise(sizes, variant)
    if kind == "sgemm":
        if variant not in ("", "out"):
            raise SystemExit(f"sgemm knows no variant `{variant}`")
        m, k, n = map(int, sizes.split("x"))
        a, b, c = torch.randn(m, k), torch.randn(k, n), torch.empty(m, n)
        return (lambda: torch.mm(a, b, out=c)) if variant else (lambda: torch.mm(a, b))
    if variant not in ("", "channels-last"):
        raise SystemExit(f"convolutions know no variant `{variant}`")
    n, c, h, k = map(int, re.fullmatch(r"N(\d+)_C(\d+)_(\d+)x\d+_K(\d+)", sizes).groups())
    layout = torch.channels_last if variant else torch.contiguous_format
    x = torch.randn(n, c, h, h).to(memory_format=layout)
    w = torch.randn(k, c, 3, 3).to(memory_format=layout)
    if kind == "conv2d_fwd":
        return lambda: F.conv2d(x, w, padding=1)
    x.requires_grad_(), w.requires_grad_()
    g = torch.randn(n, k, h, h).to(memory_format=layout)
    return lambda: torch.autograd.grad(F.conv2d(x, w, padding=1), (x, w), g)


def elementwise(name, variant):
    operation, size = name.rsplit("_", 1)
    x = torch.randn(1 << 24) if size == "16M" else torch.randn(*map(int, size.split("x")))
    if variant == "out":
        y = torch.empty_like(x)
        into = {"softmax": lambda: torch.softmax(x, -1, out=y), "add": lambda: torch.add(x, 1.0, out=y)}
        if operation not in into:
            raise SystemExit(f"{operation} does not write into memory that is there")
        return into[operation]
    if variant:
        raise SystemExit(f"elementwise operations know no variant `{variant}`")
    weight, bias = torch.randn(x.shape[-1]), torch.randn(x.shape[-1])
    return {
        "softmax": lambda: torch.softmax(x, -1),
        "layernorm": lambda: F.layer_norm(x, x.shape[-1:], weight, bias),
        "gelu_erf": lambda: F.gelu(x),
        "gelu_tanh": lambda: F.gelu(x, approximate="tanh"),
        "relu": lambda: torch.relu(x),
        "add": lambda: torch.add(x, 1.0),
    }[operation]
