"""HTTPS: `https.py HADAL`, where HADAL is the program built with `--features tls`. Needs the `openssl` command."""
import http.client
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

HADAL = sys.argv[1]


def main():
    with tempfile.TemporaryDirectory() as folder:
        at = lambda name: os.path.join(folder, name)
        train = [HADAL, "train", "digits", "--model", "mlp", "--limit", "64", "--epochs", "1", "--out", at("net")]
        subprocess.run(train, check=True, capture_output=True)
        make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
        make += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", at("key.pem"), "-out", at("cert.pem")]
        subprocess.run(make, check=True, capture_output=True)
        command = [HADAL, "serve", at("net"), "--port", "0", "--tls-cert", at("cert.pem"), "--tls-key", at("key.pem")]
        server = subprocess.Popen([*command, "--no-access-log"], stdout=subprocess.PIPE, text=True)
        try:
            port = re.search(r"https://127.0.0.1:(\d+);", server.stdout.readline())[1]
            trusting = ssl.create_default_context(cafile=at("cert.pem"))
            get = lambda path, context=trusting: urllib.request.urlopen(f"https://localhost:{port}{path}", context=context).read()
            while not json.loads(get("/v2/health/live"))["live"]:
                time.sleep(0.01)
            for path in ["/v2", "/", "/metrics", "/openapi.json"]:
                assert get(path)
            try:
                get("/v2", ssl.create_default_context())
                raise AssertionError("a certificate that nobody signed was trusted")
            except urllib.error.URLError as error:
                assert "CERTIFICATE_VERIFY_FAILED" in str(error), error
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/v2", timeout=5)
                raise AssertionError("HTTP was answered where HTTPS is spoken")
            except (OSError, http.client.HTTPException):
                pass
            server.send_signal(signal.SIGTERM)
            assert server.wait(timeout=10) == 0
        finally:
            server.kill()
    print("ok: HTTPS")


main()
