"""What the README and the page on Python show is run, and prints nothing that they do not show."""

import ast
import importlib.util
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT, dcgan_here
from PIL import Image

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = (ROOT / "site" / "commands.md").read_text(encoding="utf-8")
PAGE = (ROOT / "notebooks" / "python.md").read_text(encoding="utf-8")


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


# Put in after the imports: networks that are not told how wide they are have 2 channels, not 16, and train in seconds.
NARROW = """
from dcgan_keras import models, presets
for build in (models.build_generator, models.build_discriminator):
    build.__kwdefaults__["filters"] = 2
presets.PRESETS["laptop"] = presets.get("laptop", g_filters=2, d_filters=2, epochs=5)
"""


def pasted(found, folder):
    """Runs blocks one after the other, in a process of its own, as a reader would paste them."""
    code = "\n".join(found).replace("gan = DCGAN", f"{NARROW}gan = DCGAN", 1)
    command = [sys.executable, "-W", "error::UserWarning", "-c", code]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.mark.parametrize("text", [README, PAGE], ids=["README", "python.md"])
def test_python_blocks_run_and_print_nothing(text, tmp_path):
    found = [block for block in blocks(text, "python") if "to_onnx" not in block]
    result = pasted(found, tmp_path)
    assert found and (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.skipif(not importlib.util.find_spec("tf2onnx"), reason="needs tf2onnx, which nothing else needs")
def test_the_onnx_block(tmp_path):
    first, *_ = blocks(PAGE, "python")
    (onnx,) = [block for block in blocks(PAGE, "python") if "to_onnx" in block]
    result = pasted([first, onnx], tmp_path)
    assert result.returncode == 0 and (tmp_path / "generator.onnx").stat().st_size > 50_000, result.stderr


def test_the_step_of_ones_own_is_the_one_that_was_measured():
    def step(code):
        (owner,) = [node for node in ast.parse(code).body if getattr(node, "name", None) == "Alternating"]
        (found,) = [node for node in owner.body if getattr(node, "name", None) == "train_step"]
        return ast.dump(found)

    (shown,) = [block for block in blocks(PAGE, "python") if "def train_step" in block]
    assert step(shown) == step((ROOT / "benchmarks" / "remedies.py").read_text(encoding="utf-8"))


def commands(text):
    """The lines of a page that begin with `dcgan`, without comments, and joined where they go on."""
    for block in blocks(text, "bash"):
        for line in re.sub(r"\\\n", " ", block).splitlines():
            if line.startswith("dcgan "):
                yield line.split("#")[0].strip()


def test_the_readmes_commands_run_in_the_order_written(tmp_path):
    """In an empty folder, with somebody's pictures, and no option that the README does not name: of narrow networks."""
    folder = tmp_path / "path" / "to" / "folder"
    folder.mkdir(parents=True)
    rows, columns = np.mgrid[:24, :24]
    for number, (row, column) in enumerate(np.random.default_rng(0).integers(6, 18, (32, 2))):
        disk = (rows - row) ** 2 + (columns - column) ** 2 < 30
        Image.fromarray(disk).convert("L").save(folder / f"{number}.png")
    written = [*commands(README)]
    assert len(written) == 5 and written[0].startswith("dcgan train ")
    each = "for words in sys.argv[1:]: assert not app(shlex.split(words)[1:], standalone_mode=False)"
    code = f"{NARROW}import shlex, sys\nfrom dcgan_keras.__main__ import app\n{each}"  # TensorFlow starts once
    result = subprocess.run([sys.executable, "-c", code, *written], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "film.gif").is_file() and (tmp_path / "new.png").is_file()
    for name in ("training.gif", "samples.png", "losses.png", "scores.json", "generator.tflite"):
        assert (tmp_path / "runs" / "mine" / name).is_file(), name


def test_the_readme_is_short():
    assert len(README.split()) <= 1_400


TINY = "--g-filters 2 --d-filters 3 --latent-dim 4 --batch-size 64 --frames 3 --epochs 2".split()
# What these need is not there: a network, GPUs, other hosts. Their options are tested elsewhere.
ELSEWHERE = ("tfds:", "--strategy", "mixed_float16", "inception")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """What the commands speak of: pictures in two subfolders, a photo, a run, one of two classes."""
    folder = tmp_path_factory.mktemp("readme")
    for number, image in enumerate(np.random.default_rng(0).integers(0, 256, (128, 30, 30, 3), dtype=np.uint8)):
        kind = folder / "path" / "to" / "folder" / ("bag", "boot")[number % 2]
        kind.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(kind / f"{number}.png")
    Image.fromarray(image).save(folder / "photo.png")
    hole = np.zeros((30, 30), bool)
    hole[10:20, 12:18] = True
    Image.fromarray(hole).save(folder / "mask.png")
    Image.fromarray(np.dstack([image, np.where(hole, 0, 255).astype(np.uint8)])).save(folder / "cut_out.png")
    for name, options in (("mine", []), ("kinds", ["--conditional"])):
        where = ["--source", "path/to/folder", "--run", f"runs/{name}"]
        result = dcgan_here("train", *where, *options, *TINY, cwd=folder)
        assert result.returncode == 0, result.stderr
    return folder


@pytest.mark.parametrize("command", [*commands(COMMANDS)])
def test_commands_run(place, command, tmp_path):
    arguments = shlex.split(command)[1:]
    if arguments[0] == "train" and "--resume" not in arguments:
        if "--source" not in arguments:
            arguments += ["--source", "path/to/folder"]
        if "--run" in arguments:
            arguments[arguments.index("--run") + 1] = str(tmp_path / "run")
        given = {word for word in arguments if word.startswith("--")}
        for option, value in zip(TINY[::2], TINY[1::2]):
            arguments += [option, value] * (option not in given)
        arguments += ["--g-filters", "2", "--d-filters", "2"]
    if any(word in command for word in ELSEWHERE):
        pytest.skip("needs a network, GPUs or other hosts")
    if "--format onnx" in command and not importlib.util.find_spec("tf2onnx"):
        pytest.skip("needs tf2onnx, which nothing else needs")
    result = dcgan_here(*arguments, cwd=place)
    assert result.returncode == 0, result.stderr
