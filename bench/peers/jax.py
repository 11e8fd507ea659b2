"""JAX's side of the comparison: `jax.py WORKLOAD "" THREADS`; one jitted step with donated state, optax's optimizers.

Says `ready`, then answers each number of steps with the seconds they took. Batches are slices of host arrays, as
PyTorch slices its tensors; convolutions are NHWC, JAX's faster layout here."""
import os
import sys

sys.path.pop(0)  # this file must not be what `import jax` finds
WORKLOAD, _, THREADS = sys.argv[1:]
os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[: int(THREADS)]))
import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax


def dense(inputs, outputs):
    bound = inputs ** -0.5
    return {"w": np.random.uniform(-bound, bound, (inputs, outputs)).astype("f"), "b": np.zeros(outputs, "f")}


def conv(size, inputs, outputs):
    bound = (size * size * inputs) ** -0.5
    w = np.random.uniform(-bound, bound, (size, size, inputs, outputs)).astype("f")
    return {"w": w, "b": np.zeros(outputs, "f")}


def convolve(p, x, padding):
    return jax.lax.conv_general_dilated(x, p["w"], (1, 1), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")) + p["b"]


def pool(x):
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def mlp(params, x, relu=True):
    for i, p in enumerate(params):
        x = (jax.nn.relu(x) if relu and i else x) @ p["w"] + p["b"]
    return x


def cnn_seed0(params, x):
    for p in params[:2]:
        x = pool(jax.nn.relu(convolve(p, x, "SAME")))
    return mlp(params[2:], x.reshape(len(x), -1))


def cnn_keras(params, x):
    for p in params[:2]:
        x = pool(jax.nn.relu(convolve(p, x, "VALID")))
    x = jax.nn.relu(convolve(params[2], x, "VALID"))
    return mlp(params[3:], x.reshape(len(x), -1))


SGD, ADAM, IMAGE = optax.sgd, optax.adam, (32, 32, 3)
# name: parameters, model, optimizer, batches, batch size, shape of a sample
WORKLOADS = {
    "W1_mlp_seed1": ([dense(784, 128), dense(128, 64), dense(64, 10)], partial(mlp, relu=False),
                     SGD(0.01, momentum=0.9), 100, 64, (784,)),
    "W2_cnn_seed0": ([conv(3, 3, 16), conv(3, 16, 32), dense(2048, 10)], cnn_seed0,
                     SGD(0.001, momentum=0.9), 20, 100, IMAGE),
    "W3_dense_keras": ([dense(784, 32), dense(32, 10)], mlp, ADAM(1e-3), 200, 32, (784,)),
    "W4_cnn_keras": ([conv(3, 3, 32), conv(3, 32, 64), conv(3, 64, 64), dense(1024, 64), dense(64, 10)], cnn_keras,
                     ADAM(1e-3), 50, 32, IMAGE),
    "W5_mlp_seed4": ([dense(784, 128), dense(128, 10)], mlp, ADAM(1e-3), 200, 32, (784,)),
}


def main():
    params, model, optimizer, batches, batch, sample = WORKLOADS[WORKLOAD]
    x = np.random.standard_normal((batches * batch, *sample)).astype("f")
    y = np.random.randint(0, 10, batches * batch)
    state = optimizer.init(params)

    @partial(jax.jit, donate_argnums=(0, 1))
    def step(params, state, x, y):
        loss = lambda p: optax.softmax_cross_entropy_with_integer_labels(model(p, x), y).mean()
        value, gradient = jax.value_and_grad(loss)(params)
        updates, state = optimizer.update(gradient, state, params)
        return optax.apply_updates(params, updates), state, value

    count = 0
    print("ready", flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        for _ in range(int(line)):
            at = count % batches * batch
            count += 1
            params, state, loss = step(params, state, x[at:at + batch], y[at:at + batch])
        jax.block_until_ready(loss)
        print(time.perf_counter() - start, flush=True)


main()
