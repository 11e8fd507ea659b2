"""PyTorch's side of the comparison: `torch.py WORKLOAD VARIANT THREADS`; see blocks.py.

Variants: "" (eager), "fused" (the fused optimizer), "channels-last" (and the fused optimizer), "compile" (and the fused
optimizer), "out" (kernels write into memory that is there). A variant that changes nothing for a workload refuses it."""
import os
import sys

sys.path.append(sys.path.pop(0))  # this file must not be what `import torch` finds
WORKLOAD, VARIANT, THREADS = sys.argv[1:]

import torch

torch.set_num_threads(int(THREADS))
if VARIANT == "compile" and os.environ.get("ATEN_CPU_CAPABILITY") == "avx2":
    import torch._inductor.config
    torch._inductor.config.cpp.simdlen = 256
torch.manual_seed(0)

import torch_inference
import torch_kernels
import torch_training
from blocks import answer

kinds = {"W9": torch_inference, "W10": torch_kernels}
step = kinds.get(WORKLOAD.split("_")[0], torch_training).step(WORKLOAD, VARIANT)
answer([f"torch {torch.__version__}"], step)
