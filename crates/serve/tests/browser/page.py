"""The page at `/` in a real browser: `page.py HADAL [PICTURE]`, where HADAL is the built program.

Needs `pip install playwright` and a Chromium, the one on the PATH or playwright's own. Draws a one with the mouse, gives a file
by the button and by dropping it, asks for a token, and looks for errors on the console. PICTURE receives a screenshot.
"""
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import urllib.request
import zlib

from playwright.sync_api import sync_playwright

HADAL = sys.argv[1]


def png(rows):
    """A grey PNG of rows of bytes."""
    data = b"".join(b"\0" + bytes(row) for row in rows)
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    head = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def classes(page):
    """Labels and percentages that the page shows."""
    page.wait_for_selector("#answer .row")
    names = page.locator("#answer .row span").all_inner_texts()
    numbers = [float(text.removesuffix(" %")) for text in page.locator("#answer .row b").all_inner_texts()]
    return names, numbers


def draw(page, points):
    box = page.locator("#draw").bounding_box()
    place = lambda x, y: (box["x"] + x * box["width"], box["y"] + y * box["height"])
    page.mouse.move(*place(*points[0]))
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*place(*point), steps=8)
    page.mouse.up()


def check(page, url, file):
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(url)
    # The token is asked for where the server says 401.
    page.wait_for_selector("#ask", state="visible")
    assert "token" in page.locator("#answer").inner_text()
    page.fill("#token", "secret")
    page.locator("#token").dispatch_event("change")
    page.wait_for_selector("#model option", state="attached")
    assert page.locator("#model option").all_inner_texts() == ["digits", "exported"]
    said.clear()  # the browser reports the 401

    draw(page, [(0.52, 0.15), (0.5, 0.85)])
    names, numbers = classes(page)
    assert names[0] == "1" and sorted(names) == list("0123456789"), names
    assert numbers == sorted(numbers, reverse=True) and 99 < sum(numbers) < 101, numbers
    if len(sys.argv) > 2:
        page.screenshot(path=sys.argv[2])

    # A file: what the page shows is what the server answers.
    page.click("#clear")
    assert page.locator("#answer .row").count() == 0
    page.set_input_files("#file", file)
    shown = classes(page)
    assert page.locator("#shown").is_visible()
    request = urllib.request.Request(f"{url}/v2/models/digits/classify?top=10", open(file, "rb").read())
    request.add_header("Authorization", "Bearer secret")
    answer = json.load(urllib.request.urlopen(request))["probabilities"]
    assert shown[0] == [entry["label"] for entry in answer]
    assert all(abs(a - 100 * b["probability"]) < 0.051 for a, b in zip(shown[1], answer)), (shown, answer)

    # The same model as ONNX has the same labels, and nearly the same probabilities.
    page.click("#clear")
    page.select_option("#model", "exported")
    page.set_input_files("#file", [])
    page.set_input_files("#file", file)
    exported = classes(page)
    assert exported[0][0] == shown[0][0] and abs(exported[1][0] - shown[1][0]) < 0.11, (shown, exported)
    page.select_option("#model", "digits")

    # Dropped.
    page.click("#clear")
    data = page.evaluate_handle(
        """bytes => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "a.png", { type: "image/png" }));
            return data;
        }""",
        list(open(file, "rb").read()),
    )
    page.dispatch_event("#place", "drop", {"dataTransfer": data})
    assert classes(page) == shown
    assert said == [], said

    # What is no image gets the server's words.
    page.click("#clear")
    page.set_input_files("#file", {"name": "a.png", "mimeType": "image/png", "buffer": b"text"})
    page.wait_for_selector("#answer .error")
    assert "neither PNG nor JPEG" in page.locator("#answer").inner_text()


def main():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([HADAL, "train", "digits", "--epochs", "2", "--out", f"{folder}/digits"], check=True, capture_output=True)
        file = f"{folder}/seven.png"
        seven = lambda x, y: 255 if (4 <= y < 7 and 7 <= x < 21) or (y >= 7 and abs(x - (21 - (y - 4) * 0.45)) < 2 and y < 24) else 0
        open(file, "wb").write(png([[seven(x, y) for x in range(28)] for y in range(28)]))
        export = [HADAL, "export", f"{folder}/digits/model.safetensors", "-o", f"{folder}/exported.onnx", "--dynamic-batch"]
        subprocess.run(export, check=True, capture_output=True)
        command = [HADAL, "serve", f"{folder}/digits", f"{folder}/exported.onnx", "--port", "0", "--no-access-log"]
        environment = {**os.environ, "HADAL_TOKEN": "secret"}
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        try:
            url = re.search(r"(http://\S+);", server.stdout.readline())[1]
            with sync_playwright() as playwright:
                path = shutil.which("chromium") or shutil.which("google-chrome")
                browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
                page = browser.new_page()
                check(page, url, file)
                print(f"ok: the page works in Chromium {browser.version}")
                browser.close()
            server.send_signal(signal.SIGTERM)
            assert server.wait(timeout=10) == 0
        finally:
            server.kill()


main()
