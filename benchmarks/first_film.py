"""How long a visitor of the course's site waits: seconds and bytes until its film is seen, and until it moves.

    make site
    python benchmarks/first_film.py [--rounds 5] [--site build/site]

Serves the site, texts compressed as GitHub Pages does, and opens the landing page in a headless Chromium with an empty
cache, as often as there are rounds, at 1280x900 pixels and as a phone. The browser throttles the line itself: to
1.6 Mbit/s with 150 ms for an answer (the slow 4G of Lighthouse), to 400 kbit/s with 400 ms (a bad Wi-Fi), and not at
all. Prints medians: seconds until the first text, the first picture of the film, and the second one, which is when it
moves, all found in pictures of the page taken as fast as they come (about ten a second); kilobytes that had arrived by
then; and kilobytes in all, when nothing more comes. The processor is not throttled.

Needs Chromium and tests/browser.txt.
"""

import argparse
import contextlib
import functools
import gzip
import http.server
import io
import shutil
import statistics
import threading
import time
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

LINES = {  # Mbit a second, milliseconds until an answer begins
    "slow 4G": (1.6, 150),
    "bad Wi-Fi": (0.4, 400),
    "not throttled": None,
}
WHITE = 250  # the ground between the film's squares, and the place that it has not reached yet
SCREENS = {
    "1280x900": {"viewport": {"width": 1280, "height": 900}},
    "phone": {
        "viewport": {"width": 390, "height": 844},
        "has_touch": True,
        "is_mobile": True,
        "device_scale_factor": 2,
    },
}
PATIENCE = 120  # seconds for a page


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files without a line for each."""

    def log_message(self, *_):
        pass


class Compressing(Quiet):
    """Serves texts compressed, as GitHub Pages does."""

    protocol_version = "HTTP/1.1"

    def end_headers(self):
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def do_GET(self):
        path = Path(self.translate_path(self.path))
        path = path / "index.html" if path.is_dir() else path
        if path.suffix not in (".html", ".css", ".js", ".json", ".svg") or not path.is_file():
            return super().do_GET()
        content = gzip.compress(path.read_bytes())
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextlib.contextmanager
def opened(site: Path, handler: type):
    """A Chromium and the address of the site while a handler serves it. SystemExit where there is no Chromium."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not chromium:
        raise SystemExit("There is no Chromium: install chromium.")
    serving = functools.partial(handler, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serving) as server, sync_playwright() as play:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield play.chromium.launch(executable_path=chromium), f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def picture(page) -> np.ndarray:
    """What is seen of the film's upper quarter now."""
    whole = Image.open(io.BytesIO(page.locator(".film img").screenshot(animations="allow"))).convert("L")
    return np.asarray(whole, int)[: whole.height // 4]  # a picture comes in from the top: this part is soon complete


def visit(browser, address: str, screen: dict, line: tuple[float, int] | None) -> dict[str, float]:
    """Opens the page once. Returns seconds and kilobytes."""
    with contextlib.closing(browser.new_context(**screen)) as context:
        page = context.new_page()
        network = context.new_cdp_session(page)
        network.send("Network.enable")
        arrived = []
        network.on("Network.dataReceived", lambda event: arrived.append(event["encodedDataLength"] / 1000))
        if line:
            bytes_a_second = line[0] * 1e6 / 8
            rules = {"latency": line[1], "downloadThroughput": bytes_a_second, "uploadThroughput": bytes_a_second}
            network.send("Network.emulateNetworkConditions", {"offline": False, **rules})
        start = time.perf_counter()
        page.goto(address, wait_until="commit")
        page.locator(".film img").wait_for(state="attached")
        found, before = {}, None
        while "moves, s" not in found:
            now, seconds, kilobytes = picture(page), time.perf_counter() - start, sum(arrived)
            if seconds > PATIENCE:
                raise SystemExit(f"{address}: no film that moves after {PATIENCE} seconds.")
            if "film, s" not in found and now.std() > 1:  # an empty place has one colour
                found |= {"film, s": seconds, "film, kB": kilobytes}
            elif "film, s" in found and np.abs(now - before)[before < WHITE].mean() > 2:  # what is there has changed
                found |= {"moves, s": seconds, "moves, kB": kilobytes}
            before = now
        paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime / 1000"
        page.wait_for_load_state("networkidle", timeout=1000 * PATIENCE)
        return {"text, s": page.evaluate(paint), **found, "all, kB": sum(arrived)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--site", type=Path, default=Path(__file__).parents[1] / "build" / "site")
    arguments = parser.parse_args()
    if not (arguments.site / "index.html").is_file():
        raise SystemExit(f"There is no site in {arguments.site}: run make site first.")
    with opened(arguments.site, Compressing) as (browser, root):
        address = f"{root}/index.html"
        visit(browser, address, SCREENS["1280x900"], None)  # the first page of a browser is slower than all others
        for line, rule in LINES.items():
            for screen, settings in SCREENS.items():
                rounds = [visit(browser, address, settings, rule) for _ in range(arguments.rounds)]
                medians = {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
                numbers = "   ".join(
                    f"{name} {value:.{1 if name.endswith('s') else 0}f}" for name, value in medians.items()
                )
                print(f"{line:14s} {screen:9s} {numbers}", flush=True)


if __name__ == "__main__":
    main()
