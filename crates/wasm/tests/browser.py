"""Hadal in a real browser: `browser.py WASM NATIVE HADAL [MODEL…]`, where WASM is the built `hadal_wasm.wasm`, NATIVE the built
example `native`, and HADAL the `hadal` program.

Needs `pip install playwright` and a Chromium, the one on the PATH or playwright's own. Trains a small CNN, exports it to ONNX,
and runs both (and the MODELs) in the browser and natively: every bit of every output must be equal. Then uses the page: draws
a one, gives a file that is no model. Prints the size of the module and the milliseconds of a prediction on either side."""
import functools
import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading

from playwright.sync_api import sync_playwright

WASM, NATIVE, HADAL, *MODELS = sys.argv[1:]
WEB = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "web")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync"]

# The inputs that examples/native.rs makes, and the bits of the outputs.
PREDICT = """async ([file, runs]) => {
    const { load } = await import("./hadal.js");
    const begun = performance.now();
    const hadal = await load(fetch("hadal_wasm.wasm"));
    const started = performance.now() - begun;
    const model = hadal.model(await (await fetch(file)).arrayBuffer());
    const arrays = { float32: Float32Array, uint8: Uint8Array, int64: BigInt64Array, int32: Int32Array };
    const inputs = model.inputs.map(({ dtype, shape: sizes }) => {
        const shape = sizes.map(size => Math.max(size, 1) * (size === 0 ? 0 : 1));
        const data = new arrays[dtype](shape.reduce((a, b) => a * b, 1));
        const number = i => ((i * 7919) % 1013) / 1013;
        if (dtype === "float32") data.forEach((_, i) => { data[i] = number(i); });
        if (dtype === "uint8") data.forEach((_, i) => { data[i] = Math.trunc(number(i) * 255); });
        return { dtype, shape, data };
    });
    const first = performance.now();
    const outputs = model.run(...inputs);
    const firstTook = performance.now() - first;
    const begin = performance.now();
    for (let i = 0; i < runs; i++) model.run(...inputs);
    const milliseconds = (performance.now() - begin) / runs;
    const bits = outputs.map(({ data }) =>
        [...new Uint8Array(data.buffer)].map(byte => byte.toString(16).padStart(2, "0")).join("")).join("");
    let refused = "";
    try { model.run({ dtype: "float32", shape: [1, 2], data: new Float32Array(2) }); } catch (error) { refused = error.message; }
    const again = model.run(...inputs)[0].data.length;
    model.free();
    return { bits, milliseconds, started, firstTook, refused, again };
}"""


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def draw_a_one(page):
    box = page.locator("#draw").bounding_box()
    page.mouse.move(box["x"] + 0.52 * box["width"], box["y"] + 0.15 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.85 * box["height"], steps=8)
    page.mouse.up()


def main():
    with tempfile.TemporaryDirectory() as folder:
        run = functools.partial(subprocess.run, check=True, capture_output=True, text=True)
        run([HADAL, "train", "digits", "--epochs", "1", "--out", f"{folder}/digits"])
        shutil.copy(f"{folder}/digits/model.safetensors", f"{folder}/digits.safetensors")
        run([HADAL, "export", f"{folder}/digits.safetensors", "-o", f"{folder}/digits.onnx"])
        names = ["digits.safetensors", "digits.onnx"]
        for model in MODELS:
            shutil.copy(model, folder)
            names.append(os.path.basename(model))
        for name in ("hadal.js", "index.html"):
            shutil.copy(os.path.join(WEB, name), folder)
        shutil.copy(WASM, f"{folder}/hadal_wasm.wasm")
        print(f"module: {os.path.getsize(WASM) / 1e6:.2f} MB")
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/index.html"
        with sync_playwright() as playwright:
            path = shutil.which("chromium") or shutil.which("google-chrome")
            browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
            page = browser.new_page()
            said = []
            page.on("console", lambda message: said.append(message.text))
            page.on("pageerror", lambda error: said.append(str(error)))
            page.goto(url)
            page.wait_for_selector("body[data-ready=yes]", timeout=60_000)
            for name in names:
                native = json.loads(run([NATIVE, f"{folder}/{name}", "20"]).stdout)
                found = page.evaluate(PREDICT, [name, 20])
                assert found["bits"] == native["bits"], f"{name}: the browser's bits differ from the native ones"
                assert len(native["bits"]) >= 8 and found["again"] > 0
                assert "got" in found["refused"], found["refused"]
                print(f"{name}: equal bits; first prediction {found['firstTook']:.1f} ms, then {found['milliseconds']:.2f} ms; "
                      f"natively, one thread, {native['milliseconds']:.2f} ms; module started in {found['started']:.0f} ms")

            page.set_input_files("#model", f"{folder}/digits.safetensors")
            page.wait_for_function("document.getElementById('about').textContent !== ''")
            draw_a_one(page)
            page.wait_for_selector("#answer .row")
            assert page.locator("#answer .row span").first.inner_text() == "1", page.locator("#answer").inner_text()
            page.set_input_files("#model", {"name": "a.onnx", "mimeType": "", "buffer": b"this is no model"})
            page.wait_for_selector("#answer .error")
            assert "is no ONNX model" in page.locator("#answer").inner_text()
            assert said == [], said
            print(f"ok: the page works in Chromium {browser.version}")
            browser.close()
        server.shutdown()


main()
