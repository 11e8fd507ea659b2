"""W1 to W8 in PyTorch: the models, and a step of training."""
import torch
import torch.nn.functional as F
from torch import nn

from blocks import batches


def mlp(*sizes, relu=True):
    layers = []
    for i, (a, b) in enumerate(zip(sizes, sizes[1:])):
        layers += [nn.ReLU()] if relu and i else []
        layers.append(nn.Linear(a, b))
    return nn.Sequential(*layers)


def cnn_seed0():
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(2048, 10))


def cnn_keras():
    return nn.Sequential(
        nn.Conv2d(3, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(64, 64, 3), nn.ReLU(), nn.Flatten(),
        nn.Linear(1024, 64), nn.ReLU(), nn.Linear(64, 10))


def resnet18():
    import torchvision
    return torchvision.models.resnet18(num_classes=10)


class Recurrent(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.embedding, self.layers, self.head = nn.Embedding(96, 128), kind(128, 256, 2, batch_first=True), nn.Linear(256, 96)

    def forward(self, x):
        return self.head(self.layers(self.embedding(x))[0])


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.norm1, self.norm2 = heads, nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        split = lambda t: t.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        q, k, v = map(split, self.qkv(self.norm1(x)).chunk(3, dim=-1))
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(attended.transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


class Gpt(nn.Module):
    def __init__(self, vocabulary=4096, width=256, blocks=4, heads=8, context=128):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
        self.blocks = nn.Sequential(*[Block(width, heads) for _ in range(blocks)])
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, vocabulary, bias=False)

    def forward(self, x):
        return self.head(self.norm(self.blocks(self.tokens(x) + self.positions.weight[:x.shape[1]])))


SGD, ADAM, ADAMW = torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW
# name: model, optimizer, its settings, batches, batch size, shape of a sample (of tokens: and the vocabulary)
WORKLOADS = {
    "W1_mlp_seed1": (lambda: mlp(784, 128, 64, 10, relu=False), SGD, dict(lr=0.01, momentum=0.9), 100, 64, [784]),
    "W2_cnn_seed0": (cnn_seed0, SGD, dict(lr=0.001, momentum=0.9), 20, 100, [3, 32, 32]),
    "W3_dense_keras": (lambda: mlp(784, 32, 10), ADAM, dict(lr=1e-3), 200, 32, [784]),
    "W4_cnn_keras": (cnn_keras, ADAM, dict(lr=1e-3), 50, 32, [3, 32, 32]),
    "W5_mlp_seed4": (lambda: mlp(784, 128, 10), ADAM, dict(lr=1e-3), 200, 32, [784]),
    "W6_lstm_lm": (lambda: Recurrent(nn.LSTM), ADAM, dict(lr=1e-3), 10, 32, ([64], 96)),
    "W6_gru_lm": (lambda: Recurrent(nn.GRU), ADAM, dict(lr=1e-3), 10, 32, ([64], 96)),
    "W7_gpt_small": (Gpt, ADAMW, dict(lr=3e-4), 10, 16, ([128], 4096)),
    "W8_resnet18_cifar": (resnet18, SGD, dict(lr=0.01, momentum=0.9), 10, 64, [3, 32, 32]),
}


def step(workload, variant):
    make, optimizer, settings, count, batch, sample = WORKLOADS[workload]
    model, n = make().train(), count * batch
    if isinstance(sample, tuple):
        (length,), vocabulary = sample
        x, y = torch.randint(0, vocabulary, (n, length)), torch.randint(0, vocabulary, (n, length))
    else:
        x, y = torch.randn(n, *sample), torch.randint(0, 10, (n,))
    if variant == "channels-last":
        if x.dim() != 4:
            raise SystemExit("only images have channels")
        model, x = model.to(memory_format=torch.channels_last), x.contiguous(memory_format=torch.channels_last)
    elif variant not in ("", "fused", "compile"):
        raise SystemExit(f"training knows no variant `{variant}`")
    optimizer = optimizer(model.parameters(), fused=bool(variant), **settings)
    forward = torch.compile(model) if variant == "compile" else model
    data = batches(batch, x, y)

    def step():
        x, y = next(data)
        optimizer.zero_grad()
        F.cross_entropy(forward(x).flatten(0, -2), y.flatten()).backward()
        optimizer.step()
    return step
