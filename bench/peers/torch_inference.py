"""W9 in PyTorch: the models in evaluation mode, and a prediction; `model_and_input` is also what onnxruntime.py exports."""
import torch
import torch.nn.functional as F
from torch import nn

from torch_training import mlp


class BertLayer(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.out = (nn.Linear(width, width) for _ in range(4))
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-12), nn.LayerNorm(width, eps=1e-12)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        batch, steps, width = x.shape
        split = lambda t: t.view(batch, steps, self.heads, width // self.heads).transpose(1, 2)
        attended = F.scaled_dot_product_attention(split(self.q(x)), split(self.k(x)), split(self.v(x)))
        x = self.norm1(x + self.out(attended.transpose(1, 2).reshape(batch, steps, width)))
        return self.norm2(x + self.down(F.gelu(self.up(x))))


class Bert(nn.Module):
    def __init__(self, layers=12, width=768, heads=12, vocabulary=30522, positions=512):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocabulary, width), nn.Embedding(positions, width)
        self.types, self.norm = nn.Embedding(2, width), nn.LayerNorm(width, eps=1e-12)
        self.layers = nn.Sequential(*[BertLayer(width, heads) for _ in range(layers)])

    def forward(self, x):
        return self.layers(self.norm(self.tokens(x) + self.positions.weight[:x.shape[1]] + self.types.weight[0]))


def model_and_input(workload):
    """`W9_NAME_bBATCH`"""
    name, batch = workload.removeprefix("W9_").rsplit("_b", 1)
    if name == "mlp_seed4":
        return mlp(784, 128, 10).eval(), torch.randn(int(batch), 784)
    if name == "bert_base_s128":
        return Bert().eval(), torch.randint(0, 30522, (int(batch), 128))
    import torchvision
    return getattr(torchvision.models, name)().eval(), torch.randn(int(batch), 3, 224, 224)


def step(workload, variant):
    model, x = model_and_input(workload)
    if variant == "channels-last":
        if x.dim() != 4:
            raise SystemExit("only images have channels")
        model, x = model.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    elif variant == "compile":
        model = torch.compile(model)
    elif variant:
        raise SystemExit(f"inference knows no variant `{variant}`")

    def step():
        with torch.inference_mode():
            model(x)
    return step
