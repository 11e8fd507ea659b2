"""Triton's client against `hadal serve`: `round_trips.py HADAL`, where HADAL is the built program.

Needs `pip install "tritonclient[http]" prometheus_client`. Trains a small model on drawn digits, serves it, and compares what
comes back as JSON and as binary data with each other bit for bit, and with NumPy's result from the weights in the file.
"""
import json
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tritonclient.http as http
from prometheus_client.parser import text_string_to_metric_families
from tritonclient.utils import InferenceServerException

HADAL = sys.argv[1]


def weights(path):
    """The tensors of a safetensors file of f32."""
    data = open(path, "rb").read()
    (length,) = struct.unpack("<Q", data[:8])
    header, rest = json.loads(data[8 : 8 + length]), data[8 + length :]
    header.pop("__metadata__")
    cut = lambda about: np.frombuffer(rest[slice(*about["data_offsets"])], np.float32).reshape(about["shape"])
    return {name: cut(about) for name, about in header.items()}


def mlp(state, x):
    """Logits in float64."""
    x = x.reshape(len(x), -1).astype(np.float64)
    hidden = np.maximum(x @ state["1.weight"].T + state["1.bias"], 0)
    return hidden @ state["3.weight"].T + state["3.bias"]


def png(pixels):
    """A grey PNG."""
    height, width = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def infer(client, x, binary_in=True, binary_out=True, classes=0, name="digits", **more):
    """The outputs `logits` and `probabilities`, or the classes of the latter."""
    kind = {np.float32: "FP32", np.uint8: "UINT8", np.object_: "BYTES"}[x.dtype.type]
    tensor = http.InferInput("input", list(x.shape), kind)
    tensor.set_data_from_numpy(x, binary_data=binary_in)
    wanted = [http.InferRequestedOutput("logits", binary_data=binary_out)]
    wanted.append(http.InferRequestedOutput("probabilities", binary_data=binary_out, class_count=classes))
    answer = client.infer(name, [tensor], outputs=wanted, request_id="seven", **more)
    assert answer.get_response()["id"] == "seven"
    return answer.as_numpy("logits"), answer.as_numpy("probabilities")


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def refused(call, words):
    try:
        call()
    except InferenceServerException as error:
        assert words in str(error), error
        return
    raise AssertionError("it should have been refused")


def check(address, folder):
    client = http.InferenceServerClient(address, concurrency=4)
    assert client.is_server_live()
    while not client.is_server_ready():
        time.sleep(0.01)
    assert client.is_model_ready("digits")
    assert not client.is_model_ready("other")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    metadata = client.get_model_metadata("digits")
    assert metadata["inputs"][0]["shape"] == [-1, 1, 28, 28], metadata
    assert client.get_model_config("digits")["max_batch_size"] == 32
    assert client.get_model_repository_index()[0]["state"] == "READY"

    x = np.random.default_rng(0).standard_normal((5, 1, 28, 28), np.float32)
    logits, probabilities = infer(client, x)
    expected = mlp(weights(f"{folder}/digits/model.safetensors"), x)
    error = np.abs(logits - expected).max()
    assert error < 1e-4, error
    assert np.allclose(probabilities, np.exp(logits) / np.exp(logits).sum(1, keepdims=True), atol=1e-6)
    for binary_in in [True, False]:
        for binary_out in [True, False]:
            a, b = infer(client, x, binary_in, binary_out)
            assert same(a, logits) and same(b, probabilities), (binary_in, binary_out)
    # Other tensors by default: without a list of outputs, all of them.
    tensor = http.InferInput("input", [5, 1, 28, 28], "FP32")
    tensor.set_data_from_numpy(x)
    assert same(client.infer("digits", [tensor]).as_numpy("logits"), logits)
    # One sample at a time, from several threads, and asynchronously.
    with ThreadPoolExecutor(4) as pool:
        one = lambda i: infer(http.InferenceServerClient(address), x[i : i + 1])[0]
        assert same(np.concatenate(list(pool.map(one, range(5)))), logits)
    waiting = [client.async_infer("digits", [tensor]) for _ in range(8)]
    assert all(same(answer.get_result().as_numpy("logits"), logits) for answer in waiting)
    # Classes as text.
    _, classes = infer(client, x, classes=3)
    assert classes.shape == (5, 3)
    value, index, label = classes[0, 0].decode().split(":")
    assert int(index) == probabilities[0].argmax() and label == index and abs(float(value) - probabilities[0].max()) < 1e-6
    # Pixels and files: the same preparation.
    pixels = np.random.default_rng(1).integers(0, 256, (2, 1, 28, 28), np.uint8)
    files = np.array([png(image[0]) for image in pixels], np.object_)
    assert same(infer(client, pixels)[0], infer(client, files)[0])
    # The same model as ONNX: labels and preprocessing came along.
    for ours, exported in zip(infer(client, files), infer(client, files, name="exported")):
        assert np.abs(ours - exported).max() < 1e-5
    _, of_exported = infer(client, x, classes=3, name="exported")
    named = lambda classes: [entry.decode().split(":")[1:] for entry in classes.flat]
    assert named(of_exported) == named(classes)
    # Mistakes.
    refused(lambda: infer(client, x[:, 0]), "FP32 of shape [-1, 1, 28, 28]")
    refused(lambda: infer(client, x, name="digit"), "did you mean")
    # The repository.
    client.load_model("digits")
    assert same(infer(client, x)[0], logits)
    client.unload_model("digits")
    assert not client.is_model_ready("digits")
    refused(lambda: infer(client, x), "is not loaded")
    client.load_model("digits")
    assert same(infer(client, x)[0], logits)
    # The counters.
    text = urllib.request.urlopen(f"http://{address}/metrics").read().decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    answered = [s.value for s in families["hadal_requests"].samples if s.labels == {"model": "digits", "code": "200"}]
    assert answered[0] > 20, answered
    return error


def main():
    with tempfile.TemporaryDirectory() as folder:
        train = [HADAL, "train", "digits", "--model", "mlp", "--epochs", "1", "--limit", "2000", "--out", f"{folder}/digits"]
        subprocess.run(train, check=True, capture_output=True)
        export = [HADAL, "export", f"{folder}/digits/model.safetensors", "-o", f"{folder}/exported.onnx", "--dynamic-batch"]
        subprocess.run(export, check=True, capture_output=True)
        models = [f"{folder}/digits", f"{folder}/exported.onnx"]
        command = [HADAL, "serve", *models, "--port", "0", "--no-access-log"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            address = re.search(r"http://(\S+);", server.stdout.readline())[1]
            error = check(address, folder)
            server.send_signal(signal.SIGTERM)
            _, said = server.communicate(timeout=10)
            assert (server.returncode, said) == (0, ""), (server.returncode, said)
        finally:
            server.kill()
    print(f"ok: JSON and binary give the same bits, within {error:.1e} of NumPy in float64")


main()
