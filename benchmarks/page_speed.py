"""How long a reader of the course's site waits for a page on a slow line: seconds and kilobytes.

    make site
    python benchmarks/page_speed.py [--pages index.html ...] [--rounds 3] [--mbit 1.6] [--latency 150] [--site FOLDER]

Serves the site, texts compressed as GitHub Pages does, and opens each page in a headless Chromium at 1280x900 pixels
with an empty cache; the browser throttles the line itself. Prints medians: seconds until the first text, until the
largest thing on the screen is painted (as the browser counts it, up to the end of loading), and until the page is
loaded; kilobytes that had arrived by then. `benchmarks/first_film.py` looks at the landing page's film more closely.

Needs Chromium and tests/browser.txt.
"""

import argparse
import contextlib
import statistics
from pathlib import Path

from first_film import Compressing, opened

PAGES = ["index.html", "notebooks/00_quickstart.html", "notebooks/04_bce_loss.html"]
PATIENCE = 120_000  # milliseconds for a page
WATCH = """new PerformanceObserver((list) => {
  window.largest = list.getEntries().at(-1).startTime;
}).observe({ type: "largest-contentful-paint", buffered: true });"""
TIMES = """() => ({
  text: performance.getEntriesByName("first-contentful-paint")[0].startTime / 1000,
  largest: window.largest / 1000,
  loaded: performance.getEntriesByType("navigation")[0].loadEventStart / 1000,
})"""


def visit(browser, address: str, mbit: float, latency: float) -> dict[str, float]:
    """Opens a page once. Returns seconds and kilobytes."""
    with contextlib.closing(browser.new_context(viewport={"width": 1280, "height": 900})) as context:
        page = context.new_page()
        network = context.new_cdp_session(page)
        network.send("Network.enable")
        arrived = []
        network.on("Network.dataReceived", lambda event: arrived.append(event["encodedDataLength"] / 1000))
        rate = mbit * 1e6 / 8
        rules = {"offline": False, "latency": latency, "downloadThroughput": rate, "uploadThroughput": rate}
        network.send("Network.emulateNetworkConditions", rules)
        page.add_init_script(WATCH)
        page.goto(address, wait_until="load", timeout=PATIENCE)
        kilobytes = sum(arrived)
        return page.evaluate(TIMES) | {"kB": kilobytes}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", nargs="+", default=PAGES)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mbit", type=float, default=1.6)
    parser.add_argument("--latency", type=float, default=150, help="milliseconds")
    parser.add_argument("--site", type=Path, default=Path(__file__).parents[1] / "build" / "site")
    arguments = parser.parse_args()
    missing = [name for name in arguments.pages if not (arguments.site / name).is_file()]
    if missing:
        raise SystemExit(f"{arguments.site} has no {', '.join(missing)}: run make site first.")
    with opened(arguments.site, Compressing) as (browser, root):
        for name in arguments.pages:
            address = f"{root}/{name}"
            rounds = [
                visit(browser, address, arguments.mbit, arguments.latency) for _ in range(max(1, arguments.rounds))
            ]
            medians = {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}
            numbers = "   ".join(f"{key} {medians[key]:.1f} s" for key in ("text", "largest", "loaded"))
            print(f"{name:32s} {numbers}   {medians['kB']:,.0f} kB", flush=True)


if __name__ == "__main__":
    main()
