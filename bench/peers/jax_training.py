"""W1 to W8 in JAX: parameters are nested lists and dictionaries, a model is a function of them and its input."""
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from blocks import batches


def uniform(bound, *shape):
    return np.random.uniform(-bound, bound, shape).astype("f")


def dense(inputs, outputs):
    return {"w": uniform(inputs ** -0.5, inputs, outputs), "b": np.zeros(outputs, "f")}


def affine(p, x):
    return x @ p["w"] + p["b"]


def mlp(params, x, relu=True):
    for i, p in enumerate(params):
        x = affine(p, jax.nn.relu(x) if relu and i else x)
    return x


# Convolutions.

def conv(size, inputs, outputs, bias=True):
    p = {"w": uniform((size * size * inputs) ** -0.5, size, size, inputs, outputs)}
    return p | {"b": np.zeros(outputs, "f")} if bias else p


def convolve(p, x, padding, stride=1):
    y = lax.conv_general_dilated(x, p["w"], (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return y + p["b"] if "b" in p else y


def pool(x, size=2, padding="VALID"):
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, size, size, 1), (1, 2, 2, 1), padding)


def cnn_seed0(params, x):
    for p in params[:2]:
        x = pool(jax.nn.relu(convolve(p, x, "SAME")))
    return mlp(params[2:], x.reshape(len(x), -1))


def cnn_keras(params, x):
    for p in params[:2]:
        x = pool(jax.nn.relu(convolve(p, x, "VALID")))
    x = jax.nn.relu(convolve(params[2], x, "VALID"))
    return mlp(params[3:], x.reshape(len(x), -1))


def around(n):
    return [(n, n), (n, n)]


def convolution_and_norm(size, inputs, outputs):
    return {"conv": conv(size, inputs, outputs, bias=False), "scale": np.ones(outputs, "f"), "shift": np.zeros(outputs, "f")}


def normalized(p, x, size, stride, statistics):
    y = convolve(p["conv"], x, around(size // 2), stride)
    mean = y.mean((0, 1, 2))
    variance = jnp.square(y - mean).mean((0, 1, 2))
    statistics.append((mean, variance))
    return (y - mean) * lax.rsqrt(variance + 1e-5) * p["scale"] + p["shift"]


BLOCKS = [(64, 64, 1), (64, 64, 1), (64, 128, 2), (128, 128, 1), (128, 256, 2), (256, 256, 1), (256, 512, 2), (512, 512, 1)]


def resnet18_parameters():
    def block(inputs, outputs, stride):
        p = {"first": convolution_and_norm(3, inputs, outputs), "second": convolution_and_norm(3, outputs, outputs)}
        return p | ({} if stride == 1 else {"shortcut": convolution_and_norm(1, inputs, outputs)})
    return {"stem": convolution_and_norm(7, 3, 64), "blocks": [block(*sizes) for sizes in BLOCKS], "head": dense(512, 10)}


def resnet18(params, x):
    """The logits, and the statistics of each batch normalization, which a step returns as well."""
    statistics = []
    x = pool(jax.nn.relu(normalized(params["stem"], x, 7, 2, statistics)), 3, [(0, 0), (1, 1), (1, 1), (0, 0)])
    for p, (_, _, stride) in zip(params["blocks"], BLOCKS):
        y = jax.nn.relu(normalized(p["first"], x, 3, stride, statistics))
        y = normalized(p["second"], y, 3, 1, statistics)
        x = jax.nn.relu(y + (normalized(p["shortcut"], x, 1, stride, statistics) if "shortcut" in p else x))
    return affine(params["head"], x.mean((1, 2))), statistics


# Sequences.

def recurrent_parameters(gates):
    def layer(inputs, hidden):
        bound = hidden ** -0.5
        return {"input": {"w": uniform(bound, inputs, gates * hidden), "b": np.zeros(gates * hidden, "f")},
                "hidden": {"w": uniform(bound, hidden, gates * hidden), "b": np.zeros(gates * hidden, "f")}}
    embedding = np.random.standard_normal((96, 128)).astype("f")
    return {"embedding": embedding, "layers": [layer(128, 256), layer(256, 256)], "head": dense(256, 96)}


def lstm_cell(p, state, given):
    h, c = state
    i, f, g, o = jnp.split(given + affine(p, h), 4, -1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    h = jax.nn.sigmoid(o) * jnp.tanh(c)
    return (h, c), h


def gru_cell(p, state, given):
    (h,) = state
    (r, z, n), (hr, hz, hn) = jnp.split(given, 3, -1), jnp.split(affine(p, h), 3, -1)
    z = jax.nn.sigmoid(z + hz)
    h = (1 - z) * jnp.tanh(n + jax.nn.sigmoid(r + hr) * hn) + z * h
    return (h,), h


def recurrent(cell, states, params, x):
    x = params["embedding"][x].transpose(1, 0, 2)
    for p in params["layers"]:
        start = (jnp.zeros((x.shape[1], 256)),) * states
        x = lax.scan(partial(cell, p["hidden"]), start, affine(p["input"], x))[1]  # all steps' inputs in one product
    return affine(params["head"], x.transpose(1, 0, 2))


def gpt_parameters(vocabulary=4096, width=256, blocks=4, context=128):
    norm = lambda: {"scale": np.ones(width, "f"), "shift": np.zeros(width, "f")}
    block = lambda: {"norm1": norm(), "norm2": norm(), "qkv": dense(width, 3 * width), "out": dense(width, width),
                     "up": dense(width, 4 * width), "down": dense(4 * width, width)}
    table = lambda rows: np.random.standard_normal((rows, width)).astype("f")
    return {"tokens": table(vocabulary), "positions": table(context), "blocks": [block() for _ in range(blocks)],
            "norm": norm(), "head": dense(width, vocabulary)["w"]}


def layer_norm(p, x):
    mean = x.mean(-1, keepdims=True)
    variance = jnp.square(x - mean).mean(-1, keepdims=True)
    return (x - mean) * lax.rsqrt(variance + 1e-5) * p["scale"] + p["shift"]


def gpt(params, x, heads=8):
    batch, steps = x.shape
    h = params["tokens"][x] + params["positions"]
    for p in params["blocks"]:
        qkv = jnp.split(affine(p["qkv"], layer_norm(p["norm1"], h)), 3, -1)
        attended = jax.nn.dot_product_attention(*(t.reshape(batch, steps, heads, -1) for t in qkv), is_causal=True)
        h = h + affine(p["out"], attended.reshape(h.shape))
        h = h + affine(p["down"], jax.nn.gelu(affine(p["up"], layer_norm(p["norm2"], h)), approximate=True))
    return layer_norm(params["norm"], h) @ params["head"]


SGD, ADAM, IMAGE = partial(optax.sgd, momentum=0.9), optax.adam(1e-3), (32, 32, 3)
# name: parameters, model, optimizer, batches, batch size, shape of a sample (of tokens: and the vocabulary)
WORKLOADS = {
    "W1_mlp_seed1": (lambda: [dense(784, 128), dense(128, 64), dense(64, 10)], partial(mlp, relu=False), SGD(0.01), 100, 64, (784,)),
    "W2_cnn_seed0": (lambda: [conv(3, 3, 16), conv(3, 16, 32), dense(2048, 10)], cnn_seed0, SGD(0.001), 20, 100, IMAGE),
    "W3_dense_keras": (lambda: [dense(784, 32), dense(32, 10)], mlp, ADAM, 200, 32, (784,)),
    "W4_cnn_keras": (lambda: [conv(3, 3, 32), conv(3, 32, 64), conv(3, 64, 64), dense(1024, 64), dense(64, 10)], cnn_keras,
                     ADAM, 50, 32, IMAGE),
    "W5_mlp_seed4": (lambda: [dense(784, 128), dense(128, 10)], mlp, ADAM, 200, 32, (784,)),
    "W6_lstm_lm": (partial(recurrent_parameters, 4), partial(recurrent, lstm_cell, 2), ADAM, 10, 32, ((64,), 96)),
    "W6_gru_lm": (partial(recurrent_parameters, 3), partial(recurrent, gru_cell, 1), ADAM, 10, 32, ((64,), 96)),
    "W7_gpt_small": (gpt_parameters, gpt, optax.adamw(3e-4), 10, 16, ((128,), 4096)),
    "W8_resnet18_cifar": (resnet18_parameters, resnet18, SGD(0.01), 10, 64, IMAGE),
}


def step(workload):
    if workload not in WORKLOADS:
        raise SystemExit(f"jax does not do {workload}")
    make, model, optimizer, count, batch, sample = WORKLOADS[workload]
    params, n = make(), count * batch
    if isinstance(sample[0], tuple):
        shape, vocabulary = (n, *sample[0]), sample[1]
        x, y = (np.random.randint(0, vocabulary, shape, dtype=np.int32) for _ in range(2))
    else:
        x, y = np.random.standard_normal((n, *sample)).astype("f"), np.random.randint(0, 10, n, dtype=np.int32)
    state, data = optimizer.init(params), batches(batch, x, y)

    @partial(jax.jit, donate_argnums=(0, 1))
    def train(params, state, x, y):
        def loss(params):
            result = model(params, x)
            logits, statistics = result if isinstance(result, tuple) else (result, ())
            return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean(), statistics
        value, gradient = jax.value_and_grad(loss, has_aux=True)(params)
        updates, state = optimizer.update(gradient, state, params)
        return optax.apply_updates(params, updates), state, value

    now = [params, state, None]

    def step():
        now[:] = train(*now[:2], *next(data))
    return step, lambda: jax.block_until_ready(now)
