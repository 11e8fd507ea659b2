"""W11: from nothing to the first prediction of W5's model, in a fresh process: `cold_start.py PEER [ONNX FILE]`.

Prints the greatest memory that the process had, in KiB, and what it ran."""
import sys

sys.path.pop(0)  # torch.py and jax.py beside this file are not what is to be imported
PEER = sys.argv[1]

if PEER == "torch":
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
    session = onnxruntime.InferenceSession(sys.argv[2], providers=["CPUExecutionProvider"])
    answer = int(session.run(None, {"input": np.random.randn(1, 784).astype("f")})[0].argmax())
    version = onnxruntime.__version__
else:
    raise SystemExit(f"no cold start of `{PEER}`")

peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(peak, PEER, version, flush=True)
