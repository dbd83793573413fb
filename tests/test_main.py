"""The command line as a person meets it: its exit code, its files, its one sentence.

Mostly in this process, which saves the seconds that TensorFlow takes to start.
"""

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import dcgan_keras
import imageio.v3 as imageio
import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import TINY_OPTIONS, dcgan, dcgan_here, lively
from dcgan_keras import build_generator, models, presets
from dcgan_keras.training import callbacks
from PIL import Image


@pytest.fixture(scope="module")
def cli_run(tmp_path_factory):
    """A run trained by the command on the bundled images, into the folder it chooses itself."""
    folder = tmp_path_factory.mktemp("cli")
    result = dcgan("train", "--epochs", 2, *TINY_OPTIONS, cwd=folder)
    assert result.returncode == 0, result.stderr
    return folder / "runs" / "laptop-1", result


def test_train_fills_a_folder_and_says_where(cli_run):
    folder, result = cli_run
    for name in ("training.gif", "samples.png", "losses.png", "history.csv", "generator.keras"):
        assert (folder / name).stat().st_size > 0
    assert "10,000 images from bundled" in result.stdout and "epoch   2/2" in result.stdout
    assert "Images of 28x28, grey; 2 epochs of 20 steps of 500: 40 steps" in result.stdout
    assert "laptop-1" in result.stdout and "training.gif" in result.stdout
    # Forty steps are few, and a newcomer is told; nothing else is on the error stream.
    assert result.stderr.count("\n") == 1 and "Warning: 40 steps are few" in result.stderr


def test_a_second_run_takes_the_next_folder(cli_run, pictures):
    folder, _ = cli_run
    result = dcgan_here("train", "--source", pictures, *SMALL, cwd=folder.parents[1])
    assert result.returncode == 0, result.stderr
    assert (folder.parent / "laptop-2" / "training.gif").is_file()


def test_gif_is_made_again_without_training(cli_run, tmp_path):
    folder, _ = cli_run
    result = dcgan_here("gif", folder, "--out", tmp_path / "a.gif", "--rows", 2, "--columns", 3, "--scale", 1)
    assert result.returncode == 0, result.stderr
    assert imageio.imread(tmp_path / "a.gif", index=0).shape[1] == 3 * 30 + 2


def test_sample_draws_from_a_run_and_from_a_file(cli_run, tmp_path):
    folder, _ = cli_run
    for source, out in ((folder, "a.png"), (folder / "generator.keras", "b.png")):
        result = dcgan_here("sample", source, "--rows", 2, "--columns", 3, "--seed", 5, "--out", tmp_path / out)
        assert result.returncode == 0, result.stderr
    assert imageio.imread(tmp_path / "a.png").shape == (2 * 58 + 2, 3 * 58 + 2)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize("name", ["film.webp", "new/folder/film.gif"])
def test_a_film_elsewhere_and_in_another_format(cli_run, tmp_path, name):
    result = dcgan_here("gif", cli_run[0], "--out", tmp_path / name, "--rows", 1, "--columns", 2)
    assert result.returncode == 0 and (tmp_path / name).stat().st_size > 0


def test_a_film_that_had_to_leave_something_out_says_what(cli_run, tmp_path):
    limit = int(0.8 * (cli_run[0] / "training.gif").stat().st_size)
    result = dcgan_here("gif", cli_run[0], "--out", tmp_path / "a.gif", "--max-bytes", limit)
    assert result.returncode == 0, result.stderr
    assert re.search(rf"Warning: .*a.gif: to stay within {limit:,} bytes it shows \d of 6 rows", result.stderr)
    refused = dcgan_here("gif", cli_run[0], "--out", tmp_path / "a.png")
    assert refused.returncode == 2 and "ends in .gif, .webp, .mp4" in refused.stderr


def test_single_pictures(cli_run, tmp_path):
    result = dcgan_here("sample", cli_run[0], "--count", 12, "--each", tmp_path / "many")
    assert result.returncode == 0 and "Wrote 12 pictures" in result.stdout
    names = sorted(path.name for path in (tmp_path / "many").iterdir())
    assert names == [f"{n:02d}.png" for n in range(12)]
    pictures = [imageio.imread(tmp_path / "many" / name) for name in names]
    assert {picture.shape for picture in pictures} == {(28, 28)} and len({p.tobytes() for p in pictures}) == 12


def test_evaluate_prints_the_floor_beside_the_scores(cli_run):
    folder, _ = cli_run
    result = dcgan_here("evaluate", folder, "--count", 200)
    assert result.returncode == 0, result.stderr
    assert "generator.keras" in result.stdout and "real training images" in result.stdout
    assert "200 images against bundled, split test; extractor fashion" in result.stdout
    records = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    assert {record["metric"] for record in records} >= {"fid", "kid", "precision", "recall"}
    before = (folder / "scores.json").read_bytes()
    refused = dcgan_here("evaluate", folder, "--extractor", "vgg")
    assert refused.returncode == 2 and "Error: extractor must be one of fashion" in refused.stderr
    assert (folder / "scores.json").read_bytes() == before


def test_resume_goes_on_and_keeps_its_settings(cli_run, tmp_path):
    folder, _ = cli_run
    for option, value in (("--batch-size", 100), ("--seed", 5), ("--preset", "paper28")):
        refused = dcgan_here("train", "--resume", "--run", folder, option, value)
        assert refused.returncode == 2 and f"{option} cannot change" in refused.stderr
    fewer = dcgan_here("train", "--resume", "--run", folder, "--epochs", 1)
    assert fewer.returncode == 2 and "has 2 epochs behind it, --epochs 1 is fewer" in fewer.stderr
    result = dcgan_here("train", "--resume", "--run", folder, "--epochs", 3)
    assert result.returncode == 0, result.stderr
    assert "epoch   3/3" in result.stdout and "epoch   2/3" not in result.stdout


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of 40 small pictures, and a copy of it."""
    folder = tmp_path_factory.mktemp("pictures") / "mine"
    folder.mkdir()
    for number, image in enumerate(np.random.default_rng(0).integers(0, 256, (40, 30, 30), dtype=np.uint8)):
        Image.fromarray(image).save(folder / f"{number}.png")
    shutil.copytree(folder, folder.parent / "moved")
    return folder


SMALL = "--epochs 2 --g-filters 2 --d-filters 3 --latent-dim 4 --frames 2".split()


def test_a_source_may_move_and_may_not_change(pictures, tmp_path):
    """Named by a relative path, resumed from elsewhere; then from a copy; then from other pictures of equal count."""
    result = dcgan_here("train", "--source", "mine", "--run", tmp_path / "run", *SMALL, cwd=pictures.parent)
    assert result.returncode == 0, result.stderr
    resume = ["train", "--resume", "--run", tmp_path / "run", "--epochs"]
    assert dcgan_here(*resume, 3, cwd=tmp_path).returncode == 0
    moved = dcgan_here(*resume, 4, "--source", pictures.parent / "moved", cwd=tmp_path)
    assert moved.returncode == 0, moved.stderr
    assert json.loads((tmp_path / "run" / "config.json").read_text(encoding="utf-8"))["source"].endswith("moved")
    Image.new("L", (30, 30)).save(pictures.parent / "moved" / "7.png")
    refused = dcgan_here(*resume, 5, cwd=tmp_path)
    assert refused.returncode == 2 and "not those that the run in" in refused.stderr


def test_a_small_folder_gets_batches_and_epochs_that_suit_it(pictures, tmp_path):
    result = dcgan_here(
        "train", "--source", pictures, "--run", tmp_path / "run", *SMALL[2:], "--epochs", 30, cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr
    wanted = "--batch-size 16, --g-learning-rate 0.0015, --d-learning-rate 0.0015, --d-hidden 0"
    assert f"40 images ask for {wanted}, unless you give others." in result.stdout
    assert "30 epochs of 2 steps of 16: 60 steps" in result.stdout and "60 steps are few" in result.stderr
    config = json.loads((tmp_path / "run" / "config.json").read_text(encoding="utf-8"))
    assert (config["settings"]["batch_size"], config["settings"]["epochs"]) == (16, 30)


def test_the_preset_follows_the_pictures_and_says_so(tmp_path):
    (tmp_path / "mine").mkdir()
    for number, image in enumerate(np.random.default_rng(0).integers(0, 256, (40, 70, 50, 3), dtype=np.uint8)):
        Image.fromarray(image).save(tmp_path / "mine" / f"{number}.jpg")
    options = [*SMALL, "--augment", "color,cutout", "--score-every", 0]
    result = dcgan_here("train", "--source", "mine", *options, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "The images are in colour and usually of 50 pixels or more: --preset laptop64" in result.stdout
    assert "Images of 64x64, colour" in result.stdout
    config = json.loads((tmp_path / "runs" / "laptop64-1" / "config.json").read_text(encoding="utf-8"))
    assert config["preset"] == "laptop64" and config["settings"]["augment"] == "color,cutout"
    told = dcgan_here("train", "--source", "mine", "--preset", "laptop", *SMALL, cwd=tmp_path)
    assert "Images of 28x28, grey" in told.stdout and "The images are" not in told.stdout
    wrong = dcgan_here("train", "--augment", "color,blur", cwd=tmp_path)
    assert wrong.returncode == 2 and "augment must be some of flip, color" in wrong.stderr


def test_colour_is_trained_scored_and_watched_without_a_network(tmp_path):
    """On the bundled emoji, as they come."""
    options = [*SMALL[2:], "--epochs", 1, "--batch-size", 100, "--score-every", 1]
    result = dcgan_here("train", "--source", "bundled:emoji", "--run", tmp_path / "run", *options, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "usually of 64 pixels" in result.stdout and "on 1,720 images from bundled:emoji" in result.stdout
    assert "Told apart: 20 clusters of alike images (--clusters 0 for none)" in result.stdout
    assert len(callbacks.read_rows(tmp_path / "run" / "logit_gap.csv", *callbacks.GAP)) == 1
    scored = dcgan_here("evaluate", tmp_path / "run", "--count", 50, cwd=tmp_path)
    assert scored.returncode == 0 and "50 images against bundled:emoji, split test; extractor emoji" in scored.stdout


def test_a_batch_larger_than_the_folder_names_the_option(pictures, tmp_path):
    result = dcgan_here("train", "--source", pictures, "--batch-size", 64, cwd=tmp_path)
    assert result.returncode == 2 and "--batch-size" in result.stderr and not list(tmp_path.iterdir())


def test_scores_that_would_need_a_download_are_refused_before_there_is_a_folder(pictures, tmp_path, monkeypatch):
    def offline(**_):
        raise Exception("URL fetch failure on https://example.org: None -- [Errno -2] Name or service not known")

    monkeypatch.setattr(keras.applications, "InceptionV3", offline)
    result = dcgan_here("train", "--source", pictures, "--extractor", "inception", "--score-every", 1, cwd=tmp_path)
    assert result.returncode == 1 and "Cannot download" in result.stderr and ".h5" in result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="Windows has another way to send Ctrl-C")
def test_ctrl_c_leaves_a_run_and_says_how_to_go_on(tmp_path):
    command = [sys.executable, "-u", "-m", "dcgan_keras", "train", "--run", "my run", "--epochs", "500", *TINY_OPTIONS]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    # A test suite that runs in the background ignores Ctrl-C, and so would its children.
    heeds = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.default_int_handler)}
    process = subprocess.Popen(command, cwd=tmp_path, **pipes, **heeds)
    lines = []
    while not any(line.startswith("epoch ") for line in lines):
        line = process.stdout.readline()
        assert line, process.stderr.read()
        lines.append(line)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "dcgan train --resume --run 'my run'" in out and "Traceback" not in err
    folder = tmp_path / "my run"
    assert list((folder / "checkpoints").glob("epoch-*.weights.h5"))
    # What was stopped is of use as it is.
    for command in (["sample", folder, "--out", "s.png"], ["gif", folder], ["evaluate", folder, "--count", 50]):
        result = dcgan_here(*command, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
    done = int(sorted((folder / "checkpoints").iterdir())[-1].name[6:10])
    ended = dcgan_here("train", "--resume", "--run", folder, "--epochs", done, cwd=tmp_path)
    assert ended.returncode == 0 and (folder / "generator.keras").is_file(), ended.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--source", "nowhere"], "There is no folder"),
        (["train", "--source", "tfds:clothes_of_mars"], "no dataset 'clothes_of_mars'"),
        (["train", "--preset", "fast"], "preset must be one of laptop"),
        (["train", "--image-size", "30"], "image_size must be one of 28"),
        (["train", "--channels", "2"], "channels must be 1"),
        (["train", "--loss", "bce"], "loss must be one of non_saturating"),
        (["train", "--batch-size", "20000"], "--batch-size"),
        (["train", "--g-learning-rate", "-1"], "g_learning_rate must be 1e-12 or more"),
        (["train", "--ema-decay", "1"], "ema_decay must be 0 or more and below 1"),
        (["train", "--seed", "-1"], "seed must be"),
        (["train", "--score-every", "-1"], "score_every must be a whole number from 0"),
        (["train", "--resume"], "--resume needs --run"),
        (["train", "--resume", "--run", "nowhere"], "There is no run in nowhere"),
        (["train", "--epochs", "many"], "Invalid value for '--epochs'"),
        (["sample", "nowhere"], "There is no nowhere"),
        (["evaluate", "nowhere"], "There is no run in nowhere"),
        (["gif", "nowhere"], "There is no run in nowhere"),
    ],
)
def test_bad_input_is_one_sentence_and_writes_nothing(tmp_path, arguments, message):
    result = dcgan_here(*arguments, cwd=tmp_path)
    assert result.returncode == 2
    plain = re.sub(r"[│╭╰─╮╯\s]+", " ", result.stderr)
    assert message in plain and "Traceback" not in plain
    assert not list(tmp_path.iterdir())


def test_bad_input_is_one_sentence_in_a_process_of_its_own_too(tmp_path):
    result = dcgan("train", "--source", "nowhere", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1 and re.match("Error: There is no folder .*nowhere. Name", result.stderr)
    assert not list(tmp_path.iterdir())


def test_an_existing_run_is_not_overwritten(cli_run):
    folder, _ = cli_run
    before = (folder / "generator.keras").read_bytes()
    result = dcgan_here("train", "--run", folder, *TINY_OPTIONS)
    assert result.returncode == 2 and "already exists and is not empty" in result.stderr
    assert (folder / "generator.keras").read_bytes() == before


def test_skipped_images_are_a_warning_of_one_line(pictures, tmp_path):
    shutil.copytree(pictures, tmp_path / "pictures")
    (tmp_path / "pictures" / "fake.png").write_text("not a picture")
    result = dcgan_here("train", "--source", "pictures", "--run", "out", *SMALL, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 2 and "Warning: Skipped 1 of 41" in lines[0] and "steps are few" in lines[1]


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS refuses such names")
def test_a_folder_named_in_chinese_on_a_terminal_that_cannot_write_it(pictures, tmp_path):
    source = tmp_path / "\u8863\u670d"
    shutil.copytree(pictures, source)
    environment = {"PYTHONIOENCODING": "ascii", "MPLBACKEND": "QtAgg"}  # nor is there a screen, or that backend
    result = dcgan("train", "--source", source, "--run", tmp_path / "out", *SMALL, **environment)
    assert result.returncode == 0, result.stderr
    assert "\\u8863" in result.stdout or "\u8863" in result.stdout
    assert (tmp_path / "out" / "losses.png").is_file()


def test_a_file_that_is_no_generator_is_refused(tmp_path):
    (tmp_path / "generator.keras").write_text("not a network")
    (tmp_path / "old.h5").write_text("nor this")
    for source in (tmp_path, tmp_path / "old.h5"):
        result = dcgan_here("sample", source, "--out", tmp_path / "a.png")
        assert result.returncode == 2 and "is not a saved generator" in result.stderr
    assert not (tmp_path / "a.png").exists()


def test_a_diverging_run_ends_with_the_last_good_checkpoint(tmp_path):
    options = "--epochs 3 --g-learning-rate 1e30 --d-learning-rate 1e30".split()
    result = dcgan_here("train", "--run", tmp_path / "run", *options, *TINY_OPTIONS)
    assert result.returncode == 1 and "Traceback" not in result.stderr
    assert "stopped being finite" in result.stderr and "epoch-0000.weights.h5" in result.stderr


def test_info_names_versions_devices_and_threads():
    out = dcgan_here("info").stdout
    for expected in (dcgan_keras.__version__, tf.__version__, keras.__version__):
        assert expected in out
    assert tf.config.list_physical_devices("GPU") or f"device       CPU, {os.cpu_count()} cores." in out


def test_help_lists_every_hyperparameter_with_its_text():
    out = dcgan_here("train", "--help").stdout
    plain = re.sub(r"[\u2500-\u257f\s]+", " ", out)
    for field in dataclasses.fields(presets.Preset):
        assert "--" + field.name.replace("_", "-") in plain, field.name
    assert "Weight of the R1 penalty" in plain


# Classes


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    """A folder of two kinds of pictures, and a run that was told them."""
    folder = tmp_path_factory.mktemp("kinds")
    for name, low, high in (("dark", 0, 100), ("light", 155, 256)):
        (folder / "mine" / name).mkdir(parents=True)
        noise = np.random.default_rng(low).integers(low, high, (60, 30, 30), dtype=np.uint8)
        for number, image in enumerate(noise):
            Image.fromarray(image).save(folder / "mine" / name / f"{number}.png")
    options = [
        "--run",
        folder / "run",
        "--score-every",
        10,
        "--batch-size",
        16,
        *SMALL,
        "--epochs",
        10,
        "--g-filters",
        8,
    ]
    result = dcgan_here("train", "--conditional", "--source", folder / "mine", *options)
    assert result.returncode == 0, result.stderr
    assert "Told apart: dark (60), light (60)" in result.stdout
    return folder


def test_a_class_is_drawn_by_name_and_by_number(kinds, tmp_path):
    for number, arguments in enumerate((["--class", "Light"], ["--class", "1"], ["--class", "dark"], [])):
        options = ["--rows", 1, "--columns", 2, "--out", tmp_path / f"{number}.png"]
        result = dcgan_here("sample", kinds / "run", *options, *arguments)
        assert result.returncode == 0, result.stderr
    drawn = [(tmp_path / f"{number}.png").read_bytes() for number in range(4)]
    assert drawn[0] == drawn[1] and len(set(drawn)) == 3
    refused = dcgan_here("sample", kinds / "run", "--class", "grey")
    assert refused.returncode == 2 and "--class must be one of dark, light, 0, 1, got 'grey'" in refused.stderr
    each = dcgan_here("sample", kinds / "run", "--class", "dark", "--each", tmp_path / "new", "--count", 3)
    assert each.returncode == 0 and len(list((tmp_path / "new").iterdir())) == 3


def test_a_told_run_is_resumed_scored_and_filmed(kinds):
    resumed = dcgan_here("train", "--resume", "--run", kinds / "run", "--epochs", 11)
    assert resumed.returncode == 0 and "Told apart: dark (60), light (60)" in resumed.stdout, resumed.stderr
    assert callbacks.read_rows(kinds / "run" / "logit_gap.csv", *callbacks.GAP)[-1][0] == 10
    for command in (["evaluate", kinds / "run", "--count", 10], ["gif", kinds / "run"]):
        result = dcgan_here(*command)
        assert result.returncode == 0, result.stderr
    shutil.copytree(kinds / "mine", kinds / "renamed")
    (kinds / "renamed" / "dark").rename(kinds / "renamed" / "black")
    options = ["--source", kinds / "renamed", "--epochs", 12]
    refused = dcgan_here("train", "--resume", "--run", kinds / "run", *options)
    assert refused.returncode == 2 and "began with the classes dark, light, and" in refused.stderr


def test_what_only_told_runs_can_do(cli_run, pictures):
    folder, _ = cli_run
    for arguments, sentence in (
        (["sample", folder, "--class", "bag"], "only one trained with --conditional takes --class"),
        (["train", "--resume", "--run", folder, "--conditional"], "--conditional cannot change"),
        (["train", "--conditional", "--source", pictures], "does not say what its images show"),
        (["train", "--conditional", "--pack", 2], "reads one image at a time, got pack=2"),
    ):
        result = dcgan_here(*arguments, cwd=pictures.parent)
        assert result.returncode == 2 and sentence in result.stderr, result.stderr


# Restored pictures


@pytest.fixture(scope="module")
def to_restore(tmp_path_factory):
    """Two generators, grey and colour, a folder of odd pictures, one of 28x28 and one of 7x7."""
    folder = tmp_path_factory.mktemp("restore")
    models.save(lively(build_generator(28, filters=2)), folder / "grey.keras")
    models.save(lively(build_generator(32, 3, filters=2)), folder / "colour.keras")
    pixels = np.random.default_rng(0).integers(0, 256, (60, 40, 3), dtype=np.uint8)
    colour = Image.fromarray(pixels)
    odd = folder / "odd"
    (odd / "sub").mkdir(parents=True)
    colour.crop((0, 0, 1, 1)).save(odd / "dot.png")
    colour.resize((3000, 20)).save(odd / "wide.png")
    colour.convert("RGBA").save(odd / "alpha.png")
    colour.convert("CMYK").save(odd / "alpha.jpg")
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(odd / "deep.png")
    colour.convert("P").save(odd / "sub" / "palette.gif")
    colour.resize((300, 300)).save(odd / "cut.jpg")
    whole = (odd / "cut.jpg").read_bytes()
    (odd / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (odd / "text.png").write_text("not a picture")
    (odd / "notes.txt").write_text("not meant as one")
    Image.fromarray(pixels[:28, :28, 0]).save(folder / "fits.png")
    Image.fromarray(pixels[:7, :7, 0]).save(folder / "small.png")
    return folder


FEW = ["--restarts", 2, "--steps", 2]


@pytest.mark.parametrize("generator", ["grey", "colour"])
@pytest.mark.parametrize("task", [["--inpaint", "center"], ["--denoise"], ["--upscale", 4]], ids=lambda task: task[0])
def test_odd_pictures_are_restored_or_named_in_a_sentence(to_restore, tmp_path, task, generator):
    result = dcgan_here(
        "restore", to_restore / f"{generator}.keras", *task, to_restore / "odd", "--out", tmp_path, *FEW
    )
    assert result.returncode == 1
    names = {f"{name}{end}.png" for name in ("alpha", "alpha-2", "deep", "sub-palette", "wide") for end in RESULTS}
    assert {path.name for path in tmp_path.iterdir()} == names
    *lines, last = result.stdout.splitlines()
    assert len(lines) == 5 and all("between starts" in line and "Wrote " in line for line in lines), result.stdout
    assert "grey levels" in last
    said = result.stderr.splitlines()
    assert len(said) == 4 and "Not read in" in said[0] and ".txt (1 file)" in said[0]
    for line, words in zip(
        said[1:], ("cut.jpg: image file is truncated", "dot.png: 1x1 pixels, under", "text.png: not")
    ):
        assert line.startswith("Error: ") and words in line
    size, axes = (28, ()) if generator == "grey" else (32, (3,))
    assert imageio.imread(tmp_path / "wide_restored.png").shape == (size, size, *axes)


RESULTS = ("", "_restored")


def test_a_row_shows_before_after_and_where_starts_differ(to_restore, tmp_path):
    mask = np.zeros((280, 280), np.uint8)
    mask[100:150, :100] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    hole = np.zeros((28, 28), bool)
    hole[9:16, :11] = True  # one more around it, as the mask is larger than 28x28
    picture = imageio.imread(to_restore / "fits.png")
    result = dcgan_here(
        "restore", to_restore / "grey.keras", to_restore / "fits.png", "--inpaint", "mask.png", *FEW, cwd=tmp_path
    )
    assert result.returncode == 0 and "77 of 784 pixels filled; " in result.stdout, result.stderr
    row = imageio.imread(tmp_path / "restored" / "fits.png")[2:-2:6][:28]
    before, after, spread = (row[:, start::6][:, :28] for start in (2, 172, 342))
    np.testing.assert_array_equal(before, np.where(hole, 128, picture))
    np.testing.assert_array_equal(after, imageio.imread(tmp_path / "restored" / "fits_restored.png"))
    np.testing.assert_array_equal(after[~hole], picture[~hole])
    assert (spread[~hole] == 0).all() and (spread[hole] > 0).mean() > 0.9
    once = dcgan_here(
        "restore",
        to_restore / "grey.keras",
        to_restore / "fits.png",
        "--denoise",
        *FEW[2:],
        "--restarts",
        1,
        "--out",
        tmp_path / "once",
    )
    assert once.returncode == 0 and " 0.0 between starts" in once.stdout
    assert (imageio.imread(tmp_path / "once" / "fits.png")[2:-2, 342:-2] == 0).all()


def test_a_small_picture_is_taken_as_it_is_and_a_large_one_is_reduced(to_restore, tmp_path):
    small = imageio.imread(to_restore / "small.png")
    Image.fromarray(small.repeat(12, axis=0).repeat(12, axis=1)).save(tmp_path / "large.png")
    result = dcgan_here(
        "restore", to_restore / "grey.keras", "--upscale", 4, to_restore / "small.png", tmp_path / "large.png",
        "--out", tmp_path / "out", *FEW,
    )  # fmt: skip
    assert result.returncode == 0 and result.stdout.count("7x7 enlarged to 28x28; ") == 2, result.stderr
    np.testing.assert_array_equal(imageio.imread(tmp_path / "out" / "small.png")[2:170:24, 2:170:24], small)
    first, second = ((tmp_path / "out" / f"{name}.png").read_bytes() for name in ("small", "large"))
    assert first == second


def test_restoring_takes_a_run_and_leaves_out_what_it_wrote_before(cli_run, to_restore, tmp_path):
    shutil.copy(to_restore / "fits.png", tmp_path)
    for _ in range(2):
        result = dcgan_here("restore", cli_run[0], "--denoise", ".", *FEW, cwd=tmp_path)
        assert result.returncode == 0 and result.stdout.startswith("fits.png: noise removed; "), result.stderr
    assert {path.name for path in (tmp_path / "restored").iterdir()} == {"fits.png", "fits_restored.png"}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["grey.keras", "fits.png"], 2, "one of --inpaint MASK, --denoise and --upscale FACTOR"),
        (["grey.keras", "fits.png", "--denoise", "--upscale", 2], 2, "one of --inpaint MASK"),
        (["grey.keras", "fits.png", "--upscale", 3], 2, "must be one of 2, 4, 7, 14"),
        (["grey.keras", "fits.png", "--inpaint", "nowhere.png"], 2, "nowhere.png: a broken link, or no file."),
        (["grey.keras", "fits.png", "--inpaint", "odd/text.png"], 2, "odd/text.png: not a readable image."),
        (["grey.keras", "fits.png", "--inpaint", "black.png"], 2, "black.png is nowhere white, at most 0 of 255"),
        (["grey.keras", "fits.png", "--denoise", "--prior", -1], 2, "prior must be"),
        (["grey.keras", "fits.png", "--denoise", "--out", "."], 2, "--out . is where the pictures are"),
        (["grey.keras", "odd", "--denoise", "--out", "odd"], 2, "--out odd is where the pictures are"),
        (["nowhere", "fits.png", "--denoise"], 2, "There is no nowhere"),
        (["told.keras", "fits.png", "--denoise"], 2, "told classes"),
        (["grey.keras", "nowhere.png", "--denoise"], 1, "nowhere.png: a broken link, or no file"),
        (["grey.keras", "empty", "--denoise"], 1, "empty: no picture in it"),
    ],
)
def test_what_cannot_be_restored_is_one_sentence(to_restore, tmp_path, arguments, code, words):
    if not (to_restore / "told.keras").exists():
        models.save(build_generator(28, filters=2, classes=2), to_restore / "told.keras")
        Image.new("L", (9, 9)).save(to_restore / "black.png")
        (to_restore / "empty").mkdir()
    result = dcgan_here("restore", *arguments, *FEW, cwd=to_restore)
    assert result.returncode == code and result.stderr.count("\n") == 1 and result.stderr.startswith("Error: ")
    assert words in result.stderr and not (to_restore / "restored").exists()


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_another_backend_is_one_sentence(backend):
    environment = {**os.environ, "KERAS_BACKEND": backend}
    command = [sys.executable, "-m", "dcgan_keras", "info"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 1 and result.stderr.startswith("Error: dcgan_keras needs TensorFlow as the backend of ")
    assert backend in result.stderr and result.stderr.count("\n") == 1
