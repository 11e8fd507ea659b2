"""JAX's side of the comparison: `jax.py WORKLOAD "" THREADS`; see blocks.py. One jitted step with donated state, optax's
optimizers. Batches are slices of host arrays, as PyTorch slices its tensors; images are NHWC, JAX's faster layout here."""
import os
import sys

sys.path.append(sys.path.pop(0))  # this file must not be what `import jax` finds
WORKLOAD, VARIANT, THREADS = sys.argv[1:]
os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[: int(THREADS)]))
if THREADS == "1":
    os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import jax

if VARIANT:
    raise SystemExit(f"jax knows no variant `{VARIANT}`")

import jax_training
from blocks import answer

step, finish = jax_training.step(WORKLOAD)
answer([f"jax {jax.__version__}"], step, finish)
