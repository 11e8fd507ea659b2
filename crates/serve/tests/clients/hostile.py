"""Clients that mean harm, in numbers, against `hadal serve`: `hostile.py HADAL [--connections N] [--seconds N]`.

While good clients ask all the time, others open thousands of idle connections, stop half-way, leave, send garbage, and announce
what they do not send; the model is loaded again and again. Then the server is told to stop under load. Every good request must
be answered rightly, the log must show no panic, and memory must stay flat.
"""
import argparse
import http.client
import json
import random
import re
import resource
import signal
import socket
import subprocess
import tempfile
import threading
import time


def resident(pid):
    """MiB in memory now."""
    return int(open(f"/proc/{pid}/statm").read().split()[1]) * resource.getpagesize() / 2**20


class Good(threading.Thread):
    """Asks until the server is gone; counts answers, and requests that were sent but never answered."""

    def __init__(self, host, port, keep_alive, stopping):
        super().__init__()
        self.address, self.keep_alive, self.stopping = (host, port), keep_alive, stopping
        self.answered, self.lost, self.wrong = 0, [], []
        x = [0.5] * 784
        tensor = {"name": "input", "shape": [1, 1, 28, 28], "datatype": "FP32", "data": x}
        self.body = json.dumps({"inputs": [tensor], "outputs": [{"name": "logits"}]})
        self.expected = None

    def run(self):
        connection = None
        while True:
            if connection is None:
                try:
                    connection = http.client.HTTPConnection(*self.address, timeout=20)
                    connection.connect()
                except OSError:
                    if self.stopping.is_set():
                        return
                    connection = None
                    continue
            try:
                connection.request("POST", "/v2/models/digits/infer", self.body)
                answer = connection.getresponse()
                data = answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.lost.append(repr(error))
                connection = None
                continue
            if answer.status != 200:
                self.wrong.append((answer.status, data[:200]))
            else:
                logits = json.loads(data)["outputs"][0]["data"]
                self.expected = self.expected or logits
                if logits != self.expected:
                    self.wrong.append(logits)
            self.answered += 1
            if not self.keep_alive or answer.getheader("connection") == "close":
                connection.close()
                connection = None


def hostile(address, until, seed):
    """One misdeed after the other."""
    dice = random.Random(seed)
    head = b"POST /v2/models/digits/infer HTTP/1.1\r\nhost: localhost\r\n"
    binary = b'{"inputs":[{"name":"input","shape":[1,1,28,28],"datatype":"FP32","parameters":{"binary_data_size":18446744073709551615}}]}'
    huge = b'{"inputs":[{"name":"input","shape":[4294967296,1,28,28],"datatype":"FP32","data":[' + b"0," * 50000 + b"0]}]}"
    length = lambda body, more=b"": head + more + b"content-length: " + str(len(body)).encode() + b"\r\n\r\n" + body
    deeds = [
        lambda: dice.randbytes(dice.randrange(1, 5000)),
        lambda: head + b"content-length: 60000000\r\n\r\n" + b"x" * dice.randrange(100000),
        lambda: head + b"content-length: 99999999999\r\n\r\n",
        lambda: head + b"transfer-encoding: chunked\r\n\r\nfffffff\r\n" + b"0" * 50000,
        lambda: length(b"[" * 200000),
        lambda: length(huge),
        lambda: length(binary, b"inference-header-content-length: " + str(len(binary)).encode() + b"\r\n"),
        lambda: length(dice.randbytes(20000), b"inference-header-content-length: 0\r\n"),
        lambda: head[: dice.randrange(len(head))],
        lambda: head + b"x-long: " + b"x" * 300000,
    ]
    while not until.is_set():
        try:
            with socket.create_connection(address, timeout=2) as client:
                client.sendall(dice.choice(deeds)())
                if dice.random() < 0.5:
                    client.settimeout(0.05)
                    client.recv(1000)
        except OSError:
            pass


def idle(address, count):
    clients = []
    for _ in range(count):
        clients.append(socket.create_connection(address, timeout=20))
    return clients


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("hadal")
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=10)
    arguments = parser.parse_args()
    files = arguments.connections + 500
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, max(files, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
    with tempfile.TemporaryDirectory() as folder:
        train = [arguments.hadal, "train", "digits", "--model", "mlp", "--epochs", "1", "--limit", "2000", "--out", f"{folder}/digits"]
        subprocess.run(train, check=True, capture_output=True)
        log = open(f"{folder}/log", "w+")
        command = [arguments.hadal, "serve", f"{folder}/digits", "--port", "0", "--max-memory", "128MiB", "--body-timeout", "5s"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            host, port = re.search(r"http://([^:]+):(\d+);", server.stdout.readline()).groups()
            attack(arguments, server, log, (host, int(port)))
        finally:
            server.kill()


def attack(arguments, server, log, address):
    stopping, done = threading.Event(), threading.Event()
    good = [Good(*address, keep_alive, stopping) for keep_alive in (True, False) * 2]
    while True:
        connection = http.client.HTTPConnection(*address)
        connection.request("GET", "/v2/health/ready")
        if connection.getresponse().status == 200:
            break
    [thread.start() for thread in good]
    time.sleep(1)
    before = resident(server.pid)
    clients = idle(address, arguments.connections)
    with_idle = resident(server.pid)
    bad = [threading.Thread(target=hostile, args=(address, done, seed)) for seed in range(4)]
    [thread.start() for thread in bad]
    samples, loads = [], 0
    begun = time.time()
    while time.time() - begun < arguments.seconds:
        connection = http.client.HTTPConnection(*address, timeout=20)
        connection.request("POST", "/v2/repository/models/digits/load", "{}")
        assert connection.getresponse().status == 200
        loads += 1
        samples.append(resident(server.pid))
        time.sleep(0.05)
    done.set()
    [thread.join() for thread in bad]
    answered = sum(thread.answered for thread in good)
    # Stop while the good clients ask on.
    stopping.set()
    server.send_signal(signal.SIGTERM)
    status = server.wait(timeout=30)
    [thread.join(timeout=30) for thread in good]
    lost, wrong = (sum((getattr(thread, what) for thread in good), []) for what in ("lost", "wrong"))
    del clients
    log.seek(0)
    odd = [line for line in log if not line.startswith("{")]
    half = len(samples) // 2
    print(f"{answered} good answers, {loads} loads of the model; lost {len(lost)}, wrong {len(wrong)}, exit status {status}")
    print(f"memory: {before:.0f} MiB at first, {with_idle:.0f} with {arguments.connections} idle connections, then at most "
          f"{max(samples[:half]):.0f} in the first half and {max(samples[half:]):.0f} in the second")
    assert not lost and not wrong and status == 0 and not odd, (lost[:3], wrong[:3], odd[:3])
    assert max(samples[half:]) < 1.25 * max(samples[:half]), "memory grows"


main()
