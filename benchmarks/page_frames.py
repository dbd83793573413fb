"""How smooth the pages are on which a GAN trains: milliseconds from one frame of the screen to the next.

    make site
    python benchmarks/page_frames.py [--pages game.html dcgan.html] [--slower 1 4] [--seconds 8] [--site build/site]

Opens each page in a headless Chromium at 1280x900 pixels, presses Start, waits two seconds, and notes the time of every
frame that the page is asked to draw. `--slower 4` lets the browser throttle the page's own thread to a quarter of its
speed, which is about a phone's; a worker's thread it does not throttle. Prints the median, the 95th percentile and the
longest. A frame of a screen with 60 a second is 17 ms.

Needs Chromium and tests/browser.txt.
"""

import argparse
import contextlib
from pathlib import Path

import numpy as np
from first_film import Quiet, opened

FRAMES = """(seconds) => new Promise((done) => {
  const times = [];
  const note = (now) => {
    times.push(now);
    if (now - times[0] < 1000 * seconds) requestAnimationFrame(note);
    else done(times);
  };
  requestAnimationFrame(note);
})"""


def frames(browser, address: str, slower: float, seconds: float) -> np.ndarray:
    """The milliseconds between the frames of a page on which a training runs."""
    with contextlib.closing(browser.new_context(viewport={"width": 1280, "height": 900})) as context:
        page = context.new_page()
        page.goto(address)
        page.locator("#start").click()  # waits until it can be clicked
        page.wait_for_timeout(2000)
        context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": slower})
        return np.diff(page.evaluate(FRAMES, seconds))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", nargs="+", default=["game.html", "dcgan.html"])
    parser.add_argument("--slower", nargs="+", type=float, default=[1, 4])
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--site", type=Path, default=Path(__file__).parents[1] / "build" / "site")
    arguments = parser.parse_args()
    if not (arguments.site / "explorer").is_dir():
        raise SystemExit(f"There is no site in {arguments.site}: run make site first.")
    with opened(arguments.site, Quiet) as (browser, root):
        for name in arguments.pages:
            for slower in arguments.slower:
                address = f"{root}/explorer/{name}"
                times = frames(browser, address, slower, arguments.seconds)
                middle, late = np.percentile(times, [50, 95])
                print(
                    f"{name:11s} {slower:g} times slower: median {middle:.0f} ms, 95th percentile {late:.0f} ms, "
                    f"longest {times.max():.0f} ms ({len(times)} frames)",
                    flush=True,
                )


if __name__ == "__main__":
    main()
