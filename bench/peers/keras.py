"""Keras 3's side of the comparison, on TensorFlow: `keras.py WORKLOAD "" THREADS`; see blocks.py. A step is
`train_on_batch`; images are NHWC, TensorFlow's layout here. Variant "xla" compiles the step."""
import os
import sys

sys.path.append(sys.path.pop(0))  # this file must not be what `import keras` finds
WORKLOAD, VARIANT, THREADS = sys.argv[1:]
os.environ["KERAS_BACKEND"], os.environ["TF_CPP_MIN_LOG_LEVEL"] = "tensorflow", "3"

import numpy as np
import tensorflow as tf

tf.config.threading.set_intra_op_parallelism_threads(int(THREADS))
tf.config.threading.set_inter_op_parallelism_threads(int(THREADS))

import keras
from keras import layers as L

from blocks import answer, batches

if VARIANT not in ("", "xla"):
    raise SystemExit(f"keras knows no variant `{VARIANT}`")


def mlp(*sizes, relu=True):
    hidden = [L.Dense(size, activation="relu" if relu else None) for size in sizes[1:-1]]
    return keras.Sequential([L.Input((sizes[0],)), *hidden, L.Dense(sizes[-1])])


def conv(filters, padding="valid"):
    return L.Conv2D(filters, 3, padding=padding, activation="relu")


def cnn_seed0():
    return keras.Sequential([L.Input((32, 32, 3)), conv(16, "same"), L.MaxPool2D(), conv(32, "same"), L.MaxPool2D(),
                             L.Flatten(), L.Dense(10)])


def cnn_keras():
    return keras.Sequential([L.Input((32, 32, 3)), conv(32), L.MaxPool2D(), conv(64), L.MaxPool2D(), conv(64), L.Flatten(),
                             L.Dense(64, activation="relu"), L.Dense(10)])


def recurrent(layer):
    layers = [layer(256, return_sequences=True), layer(256, return_sequences=True)]
    return keras.Sequential([L.Input((64,)), L.Embedding(96, 128), *layers, L.Dense(96)])


class Positions(L.Layer):
    def build(self, shape):
        self.table = self.add_weight(shape=shape[1:], initializer="normal")

    def call(self, x):
        return x + self.table


def gpt(vocabulary=4096, width=256, blocks=4, heads=8, context=128):
    norm = lambda: L.LayerNormalization(epsilon=1e-5)
    gelu = lambda x: keras.activations.gelu(x, approximate=True)
    tokens = L.Input((context,), dtype="int32")
    x = Positions()(L.Embedding(vocabulary, width)(tokens))
    for _ in range(blocks):
        y = norm()(x)
        x = x + L.MultiHeadAttention(heads, width // heads)(y, y, use_causal_mask=True)
        x = x + L.Dense(width)(L.Dense(4 * width, activation=gelu)(norm()(x)))
    return keras.Model(tokens, L.Dense(vocabulary, use_bias=False)(norm()(x)))


def resnet18():
    def normalized(x, filters, size, stride):
        x = L.ZeroPadding2D(size // 2)(x) if size > 1 else x
        return L.BatchNormalization(momentum=0.9, epsilon=1e-5)(L.Conv2D(filters, size, stride, use_bias=False)(x))
    image = L.Input((32, 32, 3))
    x = L.MaxPool2D(3, 2, padding="same")(L.ReLU()(normalized(image, 64, 7, 2)))
    for filters, stride in [(64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)]:
        y = normalized(L.ReLU()(normalized(x, filters, 3, stride)), filters, 3, 1)
        x = L.ReLU()(y + (x if stride == 1 else normalized(x, filters, 1, stride)))
    return keras.Model(image, L.Dense(10)(L.GlobalAveragePooling2D()(x)))


O = keras.optimizers
IMAGE = (32, 32, 3)
# name: model, optimizer, batches, batch size, shape of a sample (of tokens: and the vocabulary)
WORKLOADS = {
    "W1_mlp_seed1": (lambda: mlp(784, 128, 64, 10, relu=False), O.SGD(0.01, momentum=0.9), 100, 64, (784,)),
    "W2_cnn_seed0": (cnn_seed0, O.SGD(0.001, momentum=0.9), 20, 100, IMAGE),
    "W3_dense_keras": (lambda: mlp(784, 32, 10), O.Adam(1e-3), 200, 32, (784,)),
    "W4_cnn_keras": (cnn_keras, O.Adam(1e-3), 50, 32, IMAGE),
    "W5_mlp_seed4": (lambda: mlp(784, 128, 10), O.Adam(1e-3), 200, 32, (784,)),
    "W6_lstm_lm": (lambda: recurrent(L.LSTM), O.Adam(1e-3), 10, 32, ((64,), 96)),
    "W6_gru_lm": (lambda: recurrent(L.GRU), O.Adam(1e-3), 10, 32, ((64,), 96)),
    "W7_gpt_small": (gpt, O.AdamW(3e-4), 10, 16, ((128,), 4096)),
    "W8_resnet18_cifar": (resnet18, O.SGD(0.01, momentum=0.9), 10, 64, IMAGE),
}


def main():
    if WORKLOAD not in WORKLOADS:
        raise SystemExit(f"keras does not do {WORKLOAD}")
    make, optimizer, count, batch, sample = WORKLOADS[WORKLOAD]
    model, n = make(), count * batch
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=optimizer, loss=loss, jit_compile=VARIANT == "xla")
    if isinstance(sample[0], tuple):
        shape, vocabulary = (n, *sample[0]), sample[1]
        x, y = (np.random.randint(0, vocabulary, shape) for _ in range(2))
    else:
        x, y = np.random.standard_normal((n, *sample)).astype("f"), np.random.randint(0, 10, n)
    data = batches(batch, x, y)
    answer([f"keras {keras.__version__}", f"tensorflow {tf.__version__}"], lambda: model.train_on_batch(*next(data)))


main()
