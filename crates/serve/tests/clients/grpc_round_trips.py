"""Triton's client over gRPC against `hadal serve`, beside the one over HTTP: `grpc_round_trips.py HADAL`.

HADAL is the program, built with `--features grpc`. Needs `pip install "tritonclient[all]"`. Trains a small model on drawn digits,
serves it, and compares what comes back over both bit for bit, as bytes and as typed contents.
"""
import re
import signal
import subprocess
import sys
import tempfile
import time

import grpc as library
import numpy as np
import tritonclient.grpc as grpc
import tritonclient.http as http
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

HADAL = sys.argv[1]


def infer(kind, client, x, name="digits", classes=0):
    """The outputs `logits` and `probabilities`, or the classes of the latter, through either client."""
    tensor = kind.InferInput("input", list(x.shape), {np.float32: "FP32", np.uint8: "UINT8"}[x.dtype.type])
    tensor.set_data_from_numpy(x)
    wanted = [kind.InferRequestedOutput("logits"), kind.InferRequestedOutput("probabilities", class_count=classes)]
    answer = client.infer(name, [tensor], outputs=wanted, request_id="seven")
    return answer.as_numpy("logits"), answer.as_numpy("probabilities")


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and (a == b).all()


def refused(call, code, words):
    try:
        call()
    except InferenceServerException as error:
        assert code in str(error.status()) and words in str(error), error
        return
    raise AssertionError("it should have been refused")


def check(http_address, grpc_address):
    client, other = grpc.InferenceServerClient(grpc_address), http.InferenceServerClient(http_address)
    assert client.is_server_live()
    while not client.is_server_ready():
        time.sleep(0.01)
    assert client.is_model_ready("digits") and client.is_model_ready("digits", "1")
    assert not client.is_model_ready("other")
    assert client.get_server_metadata().name == "hadal"
    metadata = client.get_model_metadata("digits", as_json=True)
    assert metadata["inputs"][0]["shape"] == ["-1", "1", "28", "28"], metadata
    assert client.get_model_repository_index().models[0].state == "READY"

    x = np.random.default_rng(0).standard_normal((5, 1, 28, 28), np.float32)
    pixels = np.random.default_rng(1).integers(0, 256, (2, 1, 28, 28), np.uint8)
    for sent in [x, pixels]:
        for classes in [0, 3]:
            ours, theirs = infer(grpc, client, sent, classes=classes), infer(http, other, sent, classes=classes)
            assert all(same(a, b) for a, b in zip(ours, theirs)), (sent.dtype, classes)
    logits = infer(grpc, client, x)[0]
    # Typed contents, with the generated stub itself.
    request = service_pb2.ModelInferRequest(model_name="digits", id="seven")
    tensor = request.inputs.add(name="input", datatype="FP32", shape=x.shape)
    tensor.contents.fp32_contents.extend(x.reshape(-1).tolist())
    with library.insecure_channel(grpc_address) as channel:
        answer = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(request)
    assert answer.id == "seven" and [output.name for output in answer.outputs] == ["probabilities", "logits"]
    assert same(np.array(answer.outputs[1].contents.fp32_contents, np.float32).reshape(5, 10), logits)
    # Many at once, on one connection.
    waiting = []
    tensor = grpc.InferInput("input", [1, 1, 28, 28], "FP32")
    for i in range(40):
        tensor.set_data_from_numpy(x[i % 5 : i % 5 + 1])
        client.async_infer("digits", [tensor], lambda result, error, i=i: waiting.append((i, result, error)))
    while len(waiting) < 40:
        time.sleep(0.01)
    assert all(error is None and same(result.as_numpy("logits")[0], logits[i % 5]) for i, result, error in waiting)
    # Mistakes, and the repository.
    refused(lambda: infer(grpc, client, x[:, 0]), "INVALID_ARGUMENT", "FP32 of shape [-1, 1, 28, 28]")
    refused(lambda: infer(grpc, client, x, name="digit"), "NOT_FOUND", "did you mean")
    client.unload_model("digits")
    assert not client.is_model_ready("digits")
    refused(lambda: infer(grpc, client, x), "NOT_FOUND", "is not loaded")
    client.load_model("digits")
    assert same(infer(grpc, client, x)[0], logits)


def main():
    with tempfile.TemporaryDirectory() as folder:
        train = [HADAL, "train", "digits", "--model", "cnn", "--epochs", "1", "--limit", "1000", "--out", f"{folder}/digits"]
        subprocess.run(train, check=True, capture_output=True)
        command = [HADAL, "serve", f"{folder}/digits", "--port", "0", "--grpc-port", "0", "--no-access-log"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            addresses = re.search(r"http://(\S+) and grpc://(\S+);", server.stdout.readline())
            check(addresses[1], addresses[2])
            server.send_signal(signal.SIGTERM)
            _, said = server.communicate(timeout=10)
            assert (server.returncode, said) == (0, ""), (server.returncode, said)
        finally:
            server.kill()
    print("ok: gRPC gives the bits of HTTP")


main()
