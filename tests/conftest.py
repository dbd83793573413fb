"""What several test files share: a tiny recipe, tiny images, a run folder, the command line.

TensorFlow is imported where it is needed: the process that hands out the tests does not wait for it.
"""

import base64
import contextlib
import dataclasses
import functools
import gc
import http.server
import importlib.util
import io
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from dcgan_keras import presets
from dcgan_keras.__main__ import app
from PIL import Image

ROOT = Path(__file__).parents[1]
# That of the repository, as `make address` changes it.
ADDRESS = re.search(r'Homepage = "(.*)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))[1]
# Every value differs from every other of its kind, so that none can stand in for another unseen.
TINY = dataclasses.replace(
    presets.get("laptop"),
    g_filters=2,
    d_filters=3,
    d_hidden=5,
    latent_dim=4,
    kernel_size=4,
    batch_size=4,
    epochs=3,
    g_learning_rate=1.5e-3,
    d_learning_rate=1.2e-3,
    frames=4,
)
TINY_OPTIONS = "--g-filters 2 --d-filters 3 --latent-dim 4 --batch-size 500 --frames 4".split()

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


# The files that take longest, longest first: given out last, they would leave the other processes idle at the end. A
# file is for one process, which makes what its tests share once. (xdist's groups do nothing under pytest 9.2.)
SLOW = (
    "test_benchmarks", "test_devices", "test_combinations", "test_main", "test_gan", "test_readme", "test_trainer",
    "test_classroom", "test_notebooks", "test_export",
)  # fmt: skip


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: SLOW.index(item.path.stem) if item.path.stem in SLOW else len(SLOW))


def pytest_collection_finish():
    """What is imported by now stays: without it, each search for garbage goes through all of TensorFlow again."""
    gc.collect()
    gc.freeze()


def from_site(name: str):
    """Imports a script of `site/`, which is no package. Its scripts find each other, behind all that is installed."""
    if str(ROOT / "site") not in sys.path:
        sys.path.append(str(ROOT / "site"))
    spec = importlib.util.spec_from_file_location(name, ROOT / "site" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextlib.contextmanager
def from_benchmarks(*names: str):
    """Imports scripts of `benchmarks/`, which find each other while the block lasts. Gives a list of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")
        yield [importlib.import_module(name) for name in names]


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files without a line for each."""

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serving(folder, handler=Quiet):
    """Serves a folder, and says at which address."""
    handler = functools.partial(handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser():
    """A Chromium that is installed already, driven by Playwright."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed.")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("There is no Chromium.")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The explorer as it is published: its pages, and the packed weights beside them."""
    folder = tmp_path_factory.mktemp("site") / "explorer"
    shutil.copytree(ROOT / "site" / "explorer", folder)
    from_site("pack").main(folder)
    return folder


@pytest.fixture(scope="module")
def address(folder):
    """The folder above, served as a static page is, under a path of its own."""

    class WithTypes(Quiet):
        extensions_map = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", "": "text/plain"}

    with serving(folder.parent, WithTypes) as root:
        yield f"{root}/explorer/"


@pytest.fixture
def visit(browser, address):
    """Opens a page; in the end nothing may have been fetched from elsewhere and nothing have gone wrong."""
    with contextlib.ExitStack() as stack:
        wrong = []

        def visit(name, **context):
            page = stack.enter_context(contextlib.closing(browser.new_context(**context))).new_page()
            page.fetched = []
            page.on("request", lambda request: request.url.startswith(address) or wrong.append(request.url))
            page.on("response", lambda response: page.fetched.append(response))
            page.on("console", lambda message: wrong.append(message.text))
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.goto(address + name)
            if name.startswith("index.html"):
                until_drawn(page)
            for start, count in (("dcgan.html", "steps"), ("game.html", "moves")):
                if name.startswith(start):  # the first that its worker tells
                    page.wait_for_function(f"document.getElementById('{count}').textContent !== '–'", timeout=60_000)
            return page

        yield visit
        # Pictures of the page's own making are no requests.
        assert [entry for entry in wrong if not entry.startswith(("blob:", "data:"))] == []


def until_drawn(page, mark="map", count=1):
    page.wait_for_function(
        "([mark, count]) => performance.getEntriesByName(mark).length >= count", arg=[mark, count], timeout=60_000
    )


def pixels(page, canvas="#picture"):
    """The bytes that a canvas shows, of shape (height, width, 3)."""
    png = page.locator(canvas).evaluate("canvas => canvas.toDataURL()").split(",")[1]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB"))


@pytest.fixture(scope="session")
def images():
    """80 uint8 images of 28x28x1, noise with a seed: twenty batches of the tiny recipe."""
    noise = np.random.default_rng(0).integers(0, 256, (80, 28, 28, 1), dtype=np.uint8)
    noise.flags.writeable = False  # all tests share it
    return noise


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory, images):
    """A run folder of the tiny recipe on noise, trained to its end."""
    from dcgan_keras import training
    from dcgan_keras.training import runs

    run = runs.create(runs.Run(tmp_path_factory.mktemp("runs") / "tiny", TINY))
    training.train(run, images, verbose=0)
    return runs.open_run(run.folder)


def dcgan(*arguments, cwd=None, timeout=300, **environment) -> subprocess.CompletedProcess:
    """Runs `python -m dcgan_keras` with these arguments."""
    command = [sys.executable, "-m", "dcgan_keras", *map(str, arguments)]
    variables = {**os.environ, **environment}
    return subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, timeout=timeout)


def dcgan_here(*arguments, cwd=".") -> subprocess.CompletedProcess:
    """The same without a process of its own, which takes seconds to start: where the process is not the point."""
    out, err, before = io.StringIO(), io.StringIO(), os.getcwd()
    os.chdir(cwd)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as end:
            app(list(map(str, arguments)))
    finally:
        os.chdir(before)
    return subprocess.CompletedProcess(arguments, end.value.code, out.getvalue(), err.getvalue())


def lively(network):
    """Gives a network weights under which every layer matters: those of the start give all but nothing."""
    rng = np.random.default_rng(0)
    for layer in (layer for layer in network.layers if layer.trainable):  # how a cluster is chosen stays
        weights = [rng.normal(scale=0.3, size=weight.shape) for weight in layer.get_weights()]
        if "norm" in layer.name:
            weights = [np.abs(weight) + 0.5 for weight in weights]  # variances are above 0
        layer.set_weights(weights)
    return network


def all_variables(gan) -> list:
    """Everything a training run carries along."""
    return [*gan.variables, *gan.g_optimizer.variables, *gan.d_optimizer.variables]


def all_weights(gan) -> np.ndarray:
    """The same as one flat float64 vector."""
    return np.concatenate([np.asarray(variable, np.float64).ravel() for variable in all_variables(gan)])
