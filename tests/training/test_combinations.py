"""Every two options of a training together: a step or three each, stopped, resumed and used, and what is said of it.

Each row of ROWS is one training, and every two values of two options meet in one of them: ten rows are the fewest that
were found. Those of several devices and of hosts run in a process each, because TensorFlow takes devices and hosts only
before it has begun to compute. The time goes into what TensorFlow compiles for each, so all networks have two halvings.
"""

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import dcgan_here
from PIL import Image

OPTIONS = (
    "strategy", "told", "pack", "precision", "score_every", "normalization", "augment", "r1", "source", "hidden",
)  # fmt: skip
ROWS = [
    ("one", "classes", 1, "float32", 1, "batch", "", 0, "grey", 5),
    ("one", "classes", 1, "mixed_float16", 0, "spectral", "noise", 1, "colour", 0),
    ("one", "clusters", 1, "mixed_float16", 0, "none", "translation", 0, "grey", 5),
    ("one", "nothing", 2, "mixed_bfloat16", 0, "batch", "translation", 1, "colour", 0),
    ("one", "nothing", 2, "mixed_bfloat16", 1, "none", "noise", 0, "colour", 5),
    ("mirrored", "nothing", 2, "mixed_float16", 0, "none", "", 1, "colour", 5),
    ("mirrored", "clusters", 1, "float32", 1, "batch", "noise", 1, "grey", 0),
    ("mirrored", "classes", 1, "mixed_bfloat16", 1, "spectral", "translation", 0, "grey", 0),
    ("hosts", "classes", 1, "float32", 0, "none", "noise", 0, "colour", 0),
    ("hosts", "nothing", 1, "mixed_float16", 1, "batch", "translation", 1, "grey", 0),
    ("hosts", "clusters", 1, "mixed_bfloat16", 1, "spectral", "", 0, "colour", 0),
    ("hosts", "nothing", 2, "float32", 0, "spectral", "translation", 1, "grey", 5),
]
NAMES = ["-".join(map(str, row)) for row in ROWS]
BATCH, DARK, LIGHT = 36, 90, 30  # pictures a batch and of each kind: one in four is light


def pairs(row):
    return {frozenset(pair) for pair in itertools.combinations(zip(OPTIONS, row), 2)}


def test_every_two_values_of_two_options_meet():
    values = [sorted({row[place] for row in ROWS}, key=str) for place in range(len(OPTIONS))]
    every = {
        frozenset({(OPTIONS[a], x), (OPTIONS[b], y)})
        for a, b in itertools.combinations(range(len(OPTIONS)), 2)
        for x in values[a]
        for y in values[b]
    }
    refused = {frozenset({("told", kinds), ("pack", 2)}) for kinds in ("classes", "clusters")}  # a sentence: test_main
    assert every - set().union(*map(pairs, ROWS)) == refused


def pictures(folder: Path, source: str) -> None:
    """A folder of two kinds of pictures, three dark ones for each light one."""
    rng = np.random.default_rng(0)
    shape = (28, 28) if source == "grey" else (28, 28, 3)
    for name, count, low in (("dark", DARK, 0), ("light", LIGHT, 155)):
        (folder / source / name).mkdir(parents=True)
        for number in range(count):
            noise = rng.integers(low, low + 100, shape, dtype=np.uint8)
            if source == "colour":
                noise[..., 0] //= 3  # as colourful as pictures are
            Image.fromarray(noise).save(folder / source / name / f"{number}.png")


def train_once(folder: Path, row: tuple) -> dict:
    """Trains a row by the command, resumes it, and uses what came of it. Returns all that was said and counted."""
    from dcgan_keras import models
    from dcgan_keras.applications import latent
    from dcgan_keras.evaluation import scores
    from dcgan_keras.training import film, newest_generator

    given = dict(zip(OPTIONS, row))
    run = folder / "run"
    source = folder.parent / given["source"]
    small = ["--g-filters", 2, "--d-filters", 3, "--latent-dim", 4, "--frames", 2, "--batch-size", BATCH]
    small += ["--image-size", 28]
    options = ["--source", source, "--score-every", given["score_every"], "--precision", given["precision"]]
    options += ["--pack", given["pack"], "--normalization", given["normalization"], "--augment", given["augment"]]
    options += ["--r1-gamma", given["r1"], "--preset", "laptop" if given["source"] == "grey" else "laptop64"]
    options += ["--d-hidden", given["hidden"]]
    options += {"classes": ["--conditional"], "clusters": ["--clusters", 2], "nothing": []}[given["told"]]
    where = ["--strategy", given["strategy"], *["--replicas", 2] * (given["strategy"] == "mirrored")]

    asked, draw = [], scores.draw
    scores.draw = lambda generator, count, seed=0, labels=None: (
        asked.append(labels) or draw(generator, count, seed, labels)
    )
    said = {}

    def does(name, *arguments):
        result = dcgan_here(*arguments, cwd=folder)
        said[name] = {"code": result.returncode, "out": result.stdout, "err": result.stderr}

    mirrored, packed = given["strategy"] == "mirrored", given["pack"] > 1
    if mirrored or packed:
        wrong = ["--pack", 5] if mirrored and packed else ["--batch-size", BATCH + 1]
        does("wrong", "train", "--run", run, *options, *small, *wrong, "--epochs", 1, *where)
        said["wrong"]["folder"] = run.exists()
    does("train", "train", "--run", run, *options, *small, "--epochs", 1, *where)
    does("resume", "train", "--resume", "--run", run, "--epochs", 2, *where)
    scored = [np.bincount(labels, minlength=2).tolist() for labels in asked if labels is not None]
    if given["told"] == "classes":
        does("sample", "sample", run, "--out", "new.png", "--class", "light")
    if given["score_every"]:
        does("evaluate", "evaluate", run, "--count", 10)
    try:
        generator = newest_generator(run)
        found = latent.search(generator, lambda x: x, np.zeros((1, *generator.output_shape[1:])), steps=1, restarts=2)
        said["search"] = list(found.latents.shape)
    except ValueError as error:
        said["search"] = str(error)
    scores.draw = draw
    if given["told"] == "clusters":
        said["kinds"] = np.unique(np.load(run / "clusters.npy"), return_counts=True)[1].tolist()
        said["drawn"] = models.shown(generator, film.latents(4, 4_000)).numpy().mean(axis=0).tolist()
    history = (run / "history.csv").read_text(encoding="utf-8") if (run / "history.csv").is_file() else ""
    return {"said": said, "scored": scored, "history": history, "files": sorted(path.name for path in run.glob("*"))}


def train_all(strategy: str, folder: Path) -> dict:
    """Trains the rows of a strategy. Returns what came of each."""
    for source in ("grey", "colour"):
        pictures(folder, source)
    found = {}
    for name, row in zip(NAMES, ROWS):
        if row[0] == strategy:
            (folder / name).mkdir()
            found[name] = train_once(folder / name, row)
    return found


@pytest.fixture(scope="session")
def found(tmp_path_factory):
    """What came of the rows of a strategy, made when it is first asked for."""
    made = {}

    def of(strategy):
        if strategy == "one" and strategy not in made:
            made[strategy] = train_all(strategy, tmp_path_factory.mktemp(strategy))
        elif strategy not in made:
            folder = tmp_path_factory.mktemp(strategy)
            command = [sys.executable, __file__, strategy, folder]
            config = {"cluster": {"worker": ["127.0.0.1:0"]}, "task": {"type": "worker", "index": 0}}
            paths = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
            environment = {**os.environ, "PYTHONPATH": paths, "TF_CONFIG": json.dumps(config)}
            environment["PYTHONFAULTHANDLER"] = "1"
            for _ in range(2):
                result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900)
                # TensorFlow's C++ code has crashed once while a host started, without a word, and not in 25 tries.
                if result.returncode != -signal.SIGSEGV:
                    break
                shutil.rmtree(folder)
                folder.mkdir()
            assert result.returncode == 0, result.stderr
            made[strategy] = json.loads((folder / "found.json").read_text(encoding="utf-8"))
        return made[strategy]

    return of


@pytest.mark.parametrize(("name", "row"), list(zip(NAMES, ROWS)), ids=NAMES)
def test_it_trains_resumes_and_says_what_it_does(found, name, row):
    came, given = found(row[0])[name], dict(zip(OPTIONS, row))
    said, scored, told = came["said"], given["score_every"], given["told"] == "classes"
    for command in said.keys() - {"wrong", "search", "kinds", "drawn"}:
        assert said[command]["code"] == 0, f"{command}: {said[command]['err']}"
        assert "Traceback" not in said[command]["err"]
    count = DARK + LIGHT - scored * (DARK + LIGHT) // 10
    lines = said["train"]["out"].splitlines()
    kind, preset = ("28x28, grey", "laptop") if given["source"] == "grey" else ("28x28, colour", "laptop64")
    steps = count // BATCH
    at = lines.index(next(line for line in lines if line.startswith("Training ")))
    assert lines[at].startswith(f"Training {preset} on {count} images from ")
    assert lines[at + 1] == f"Images of {kind}; 1 epochs of {steps} steps of {BATCH}: {steps} steps"
    assert (f"Told apart: dark ({DARK}), light ({LIGHT})" in lines) == told
    assert ("Told apart: 2 clusters of alike images (--clusters 0 for none)" in lines) == (given["told"] == "clusters")
    replicas = "Device: 2 replicas in step, CPU devices, 1 host." if row[0] == "mirrored" else "Device: CPU, "
    assert any(line.startswith(replicas) for line in lines) and lines[-1].startswith("Done. See ")
    assert any(line.startswith("epoch   1/1") for line in lines)
    resumed = said["resume"]["out"].splitlines()
    assert any(line.startswith("epoch   2/2") for line in resumed)
    assert ("Told apart: 2 clusters of alike images" in resumed) == (given["told"] == "clusters")
    for command in ("train", "resume"):
        warned = said[command]["err"].splitlines()
        assert len(warned) == 1 and "steps are few" in warned[0], warned
    rows = came["history"].splitlines()[1:]
    numbers = np.array([line.split(",")[1:] for line in rows], float)
    assert len(rows) == 2 and np.isfinite(numbers).all()
    assert {"training.gif", "samples.png", "generator.keras"} <= set(came["files"])
    assert ({"best.keras", "scores.csv", "logit_gap.csv"} <= set(came["files"])) == bool(scored)
    if scored:
        assert "best.keras, chosen on these images" in said["evaluate"]["out"]


@pytest.mark.parametrize(("name", "row"), [each for each in zip(NAMES, ROWS) if each[1][1] == "classes"])
def test_networks_that_are_told_are_judged_and_used_as_such(found, name, row):
    """Each kind is drawn as often as the held-out pictures have it, and what is not for them is refused."""
    came = found(row[0])[name]
    assert came["said"]["search"] == (
        "This generator is told classes: only one that draws from latent vectors alone is searched."
    )
    if row[OPTIONS.index("score_every")]:
        assert len(came["scored"]) == 2 and came["scored"][0] == came["scored"][1]
        dark, light = came["scored"][0]
        assert dark + light == 12 and dark > light


@pytest.mark.parametrize(("name", "row"), [each for each in zip(NAMES, ROWS) if each[1][1] == "clusters"])
def test_clusters_are_drawn_as_often_as_they_are_trained_on(found, name, row):
    """The two clusters are the two kinds of pictures, and whoever uses the generator need not know of them."""
    came = found(row[0])[name]
    said, scored = came["said"], row[OPTIONS.index("score_every")]
    assert sorted(said["kinds"]) == [LIGHT, DARK] and "clusters.npy" in came["files"]
    np.testing.assert_allclose(sorted(said["drawn"]), [0.25, 0.75], atol=0.06 if scored else 0.03)
    assert said["search"] == [1, 2, 4]


@pytest.mark.parametrize(("name", "row"), [each for each in zip(NAMES, ROWS) if each[1][2] > 1])
def test_a_batch_that_is_no_whole_pack_leaves_no_folder(found, name, row):
    said = found(row[0])[name]["said"]
    assert said["wrong"]["code"] == 2 and not said["wrong"]["folder"]
    assert "images at a time: a batch of" in said["wrong"]["err"] and said["wrong"]["err"].count("\n") == 1
    assert said["search"] == [1, 2, 4]


@pytest.mark.parametrize(("name", "row"), [each for each in zip(NAMES, ROWS) if each[1][0] == "mirrored"])
def test_a_batch_that_replicas_cannot_share_leaves_no_folder(found, name, row):
    said = found(row[0])[name]["said"]["wrong"]
    assert said["code"] == 2 and not said["folder"] and said["err"].count("\n") == 1
    if row[OPTIONS.index("pack")] == 1:
        assert "batch_size must be a multiple of the 2 replicas" in said["err"]


if __name__ == "__main__":
    strategy, folder = sys.argv[1], Path(sys.argv[2])
    (folder / "found.json").write_text(json.dumps(train_all(strategy, folder)), encoding="utf-8")
