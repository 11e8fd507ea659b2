"""W11: from nothing to the first prediction, in a fresh process: `cold_start.py PEER [FILE]`. Without a file, or with one of
W5's model for onnxruntime, the model is W5's; PyTorch reads safetensors files of W5's model and of ResNet-18.

Prints the greatest memory that the process had, in KiB, and what it ran."""
import sys

sys.path.pop(0)  # torch.py and jax.py beside this file are not what is to be imported
PEER = sys.argv[1]

if PEER == "torch" and len(sys.argv) > 2:
    import json
    import mmap
    import struct
    import torch
    from torch import nn
    if not sys.argv[2].endswith(".safetensors"):
        raise SystemExit("PyTorch does not run ONNX files")
    file = open(sys.argv[2], "rb")
    length, = struct.unpack("<Q", file.read(8))
    header = json.loads(file.read(length))
    data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    types = {"F32": torch.float32, "I64": torch.int64}

    def tensor(entry):
        begin, end = entry["data_offsets"]
        count = (end - begin) // types[entry["dtype"]].itemsize
        flat = torch.frombuffer(data, dtype=types[entry["dtype"]], count=count, offset=8 + length + begin)
        return flat.reshape(entry["shape"])

    state = {name: tensor(entry) for name, entry in header.items() if name != "__metadata__"}
    with torch.device("meta"):
        if "fc.weight" in state:
            from torchvision.models import resnet18
            model, shape = resnet18(), (1, 3, 224, 224)
        else:
            model = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
            shape = (1, 1, 28, 28)
    model.load_state_dict(state, assign=True)
    with torch.inference_mode():
        answer = int(model.eval()(torch.ones(shape)).argmax())
    version = torch.__version__
elif len(sys.argv) > 2 and PEER != "onnxruntime":
    raise SystemExit(f"{PEER} reads no model files here")
elif PEER == "torch":
    import torch
    from torch import nn
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)).eval()
    with torch.inference_mode():
        answer = int(model(torch.randn(1, 784)).argmax())
    version = torch.__version__
elif PEER == "jax":
    import jax
    import numpy as np
    keys = jax.random.split(jax.random.key(0), 2)
    weights = jax.random.normal(keys[0], (784, 128)), jax.random.normal(keys[1], (128, 10))
    model = jax.jit(lambda w, x: jax.nn.relu(x @ w[0]) @ w[1])
    answer = int(model(weights, np.random.randn(1, 784).astype("f")).argmax())
    version = jax.__version__
elif PEER == "keras":
    import os
    os.environ["KERAS_BACKEND"], os.environ["TF_CPP_MIN_LOG_LEVEL"] = "tensorflow", "3"
    import keras
    import numpy as np
    layers = [keras.layers.Input((784,)), keras.layers.Dense(128, activation="relu"), keras.layers.Dense(10)]
    answer = int(keras.Sequential(layers).predict(np.random.randn(1, 784).astype("f"), verbose=0).argmax())
    version = keras.__version__
elif PEER == "onnxruntime":
    import numpy as np
    import onnxruntime
    if not sys.argv[2].endswith(".onnx"):
        raise SystemExit("onnxruntime runs ONNX files")
    session = onnxruntime.InferenceSession(sys.argv[2], providers=["CPUExecutionProvider"])
    given = session.get_inputs()[0]
    shape = [size if isinstance(size, int) else 1 for size in given.shape]
    answer = int(session.run(None, {given.name: np.random.randn(*shape).astype("f")})[0].argmax())
    version = onnxruntime.__version__
else:
    raise SystemExit(f"no cold start of `{PEER}`")

peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(peak, PEER, version, flush=True)
