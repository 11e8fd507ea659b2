"""Hadal's server beside FastAPI with onnxruntime, on one model: `serve.py HADAL [--seconds N] [--rounds N] …`.

Needs PyTorch, onnxruntime, FastAPI, `uvicorn[standard]` and wrk. HADAL is the built program: it trains a model on drawn digits,
whose weights are exported as ONNX for the peer. Both servers run at once and are asked in turns, one image of 28 × 28 a
request, as JSON and as raw floats. A ratio is Hadal's requests in a turn over the peer's in the same turn.
"""
import argparse
import json
import os
import re
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = sys.path.pop(0)  # `onnxruntime.py` lies here, and must not be what is imported


def app():
    """The peer, run by uvicorn: what a user of both libraries writes first."""
    import numpy as np
    import onnxruntime
    from fastapi import FastAPI, Request, Response
    from pydantic import BaseModel

    session = onnxruntime.InferenceSession(os.environ["PEER_MODEL"], providers=["CPUExecutionProvider"])
    api = FastAPI()

    class Images(BaseModel):
        data: list[list[float]]

    def run(x):
        return session.run(None, {"input": x.reshape(-1, 1, 28, 28)})[0]

    @api.post("/json")
    async def as_json(images: Images):
        return {"probabilities": run(np.asarray(images.data, np.float32)).tolist()}

    @api.post("/raw")
    async def raw(request: Request):
        return Response(run(np.frombuffer(await request.body(), np.float32)).tobytes(), media_type="application/octet-stream")

    return api


def export(model_file, architecture, onnx_file):
    """The trained weights in PyTorch's form of the same architecture, with a softmax, as ONNX."""
    import numpy as np
    import torch
    from torch import nn

    data = open(model_file, "rb").read()
    (length,) = struct.unpack("<Q", data[:8])
    header, rest = json.loads(data[8 : 8 + length]), data[8 + length :]
    header.pop("__metadata__")
    kinds = {"F32": np.float32, "I64": np.int64}
    tensor = lambda about: torch.tensor(np.frombuffer(rest[slice(*about["data_offsets"])], kinds[about["dtype"]]).reshape(about["shape"]))
    block = lambda i, o: [nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU(), nn.MaxPool2d(2)]
    layers = {
        "mlp": lambda: [nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)],
        "cnn": lambda: [*block(1, 16), *block(16, 32), nn.Flatten(), nn.Dropout(), nn.Linear(1568, 10)],
    }[architecture]()
    model = nn.Sequential(*layers)
    model.load_state_dict({name: tensor(about) for name, about in header.items()})
    model = nn.Sequential(model.eval(), nn.Softmax(1))
    example, names = torch.zeros(1, 1, 28, 28), dict(input_names=["input"], output_names=["output"])
    axes = {"input": {0: "batch"}, "output": {0: "batch"}}
    torch.onnx.export(model, (example,), onnx_file, dynamo=False, opset_version=17, dynamic_axes=axes, **names)


def post(url, body, headers):
    with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as answer:
        return answer.read(), answer.headers


def load(url, body, headers, arguments, folder):
    """Requests per second, and the milliseconds that 50 and 99 % of them took at most."""
    open(f"{folder}/body", "wb").write(body)
    lua = f"""
        wrk.method = "POST"
        wrk.body = io.open("{folder}/body", "rb"):read("*a")
        {"".join(f'wrk.headers["{name}"] = "{value}";' for name, value in headers.items())}
        done = function(summary, latency)
            local e = summary.errors
            print(string.format("RESULT %d %d %d %d %d", summary.requests, summary.duration, latency:percentile(50),
                latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
        end
    """
    open(f"{folder}/load.lua", "w").write(lua)
    command = ["wrk", "-t1", f"-c{arguments.connections}", f"-d{arguments.seconds}s", "-s", f"{folder}/load.lua", url]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    requests, duration, half, most, errors = map(int, re.search(r"RESULT (.*)", said)[1].split())
    if errors:
        raise SystemExit(f"{url}: {errors} errors\n{said}")
    return requests / duration * 1e6, half / 1000, most / 1000


def until_ready(url):
    while True:
        try:
            return urllib.request.urlopen(url).read()
        except OSError:
            time.sleep(0.05)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("hadal")
    parser.add_argument("--model", default="mlp", choices=["mlp", "cnn"])
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--workers", type=int, default=2, help="processes of uvicorn")
    arguments = parser.parse_args()
    if not shutil.which("wrk"):
        raise SystemExit("wrk is not there: install it (Debian: apt install wrk)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        train = [arguments.hadal, "train", "digits", "--model", arguments.model, "--epochs", "1", "--out", f"{folder}/digits"]
        subprocess.run(train, check=True, capture_output=True)
        export(f"{folder}/digits/model.safetensors", arguments.model, f"{folder}/digits.onnx")
        serve = [arguments.hadal, "serve", f"{folder}/digits", "--port", "0", "--no-access-log"]
        uvicorn = [sys.executable, "-m", "uvicorn", "--factory", "serve:app", "--app-dir", HERE, "--port", str(port)]
        uvicorn += ["--log-level", "error", "--workers", str(arguments.workers)]
        hadal = subprocess.Popen(serve, stdout=subprocess.PIPE, text=True)
        peer = subprocess.Popen(uvicorn, env={**os.environ, "PEER_MODEL": f"{folder}/digits.onnx"}, cwd=folder)
        try:
            compare(arguments, re.search(r"(http://\S+);", hadal.stdout.readline())[1], f"http://127.0.0.1:{port}", folder)
        finally:
            hadal.terminate()
            peer.terminate()
            hadal.wait()
            peer.wait()


def compare(arguments, hadal, peer, folder):
    import numpy as np

    until_ready(f"{hadal}/v2/health/ready")
    until_ready(f"{peer}/openapi.json")
    x = np.random.default_rng(0).standard_normal((1, 784)).astype(np.float32)
    tensor = {"name": "input", "shape": [1, 1, 28, 28], "datatype": "FP32"}
    as_json = json.dumps({"inputs": [{**tensor, "data": x[0].tolist()}], "outputs": [{"name": "probabilities"}]}).encode()
    binary = {"binary_data": True}
    head = json.dumps({"inputs": [{**tensor, "parameters": {"binary_data_size": x.nbytes}}], "outputs": [{"name": "probabilities", "parameters": binary}]}).encode()
    plain, raw = {"Content-Type": "application/json"}, {"Content-Type": "application/octet-stream"}
    infer = f"{hadal}/v2/models/digits/infer"
    cases = {
        "JSON": ((infer, as_json, plain), (f"{peer}/json", json.dumps({"data": x.tolist()}).encode(), plain)),
        "raw": ((infer, head + x.tobytes(), {**raw, "Inference-Header-Content-Length": str(len(head))}), (f"{peer}/raw", x.tobytes(), raw)),
    }
    ours = json.loads(post(*cases["JSON"][0])[0])["outputs"][0]["data"]
    theirs = json.loads(post(*cases["JSON"][1])[0])["probabilities"][0]
    body, headers = post(*cases["raw"][0])
    in_binary = np.frombuffer(body[int(headers["Inference-Header-Content-Length"]) :], np.float32)
    assert np.array_equal(in_binary, np.float32(ours)), "JSON and binary differ"
    assert np.allclose(ours, theirs, atol=1e-5), "the two servers answer differently"
    print(f"{arguments.model}, {arguments.connections} connections, {arguments.rounds} rounds of {arguments.seconds} s, {arguments.workers} workers of uvicorn")
    for case, (of_hadal, of_peer) in cases.items():
        for request in (of_hadal, of_peer):
            load(*request, argparse.Namespace(**{**vars(arguments), "seconds": 1}), folder)
        rounds = [(load(*of_hadal, arguments, folder), load(*of_peer, arguments, folder)) for _ in range(arguments.rounds)]
        middle = lambda who: [statistics.median(turn[who][i] for turn in rounds) for i in range(3)]
        ratios = sorted(turn[0][0] / turn[1][0] for turn in rounds)
        for name, figures in (("hadal", middle(0)), ("FastAPI + onnxruntime", middle(1))):
            print(f"{case:5} {name:22} {figures[0]:9.0f} requests/s, p50 {figures[1]:6.2f} ms, p99 {figures[2]:6.2f} ms")
        print(f"{case:5} ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")


if __name__ == "__main__":
    main()
