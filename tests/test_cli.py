"""The command line as a person meets it: a subprocess, its exit code, its one sentence."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import dcgan_keras
import imageio.v3 as imageio
import keras
import pytest
import tensorflow as tf
from conftest import TINY_OPTIONS, dcgan, dcgan_here


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
    assert "runs/laptop-1/training.gif" in result.stdout
    assert result.stderr == ""


def test_a_second_run_takes_the_next_folder(cli_run):
    folder, _ = cli_run
    assert dcgan("train", "--epochs", 1, *TINY_OPTIONS, cwd=folder.parents[1]).returncode == 0
    assert (folder.parent / "laptop-2" / "training.gif").is_file()


def test_gif_is_made_again_without_training(cli_run, tmp_path):
    folder, _ = cli_run
    result = dcgan("gif", folder, "--out", tmp_path / "a.gif", "--rows", 2, "--columns", 3, "--scale", 1)
    assert result.returncode == 0, result.stderr
    assert imageio.imread(tmp_path / "a.gif", index=0).shape[1] == 3 * 30 + 2


def test_sample_draws_from_a_run_and_from_a_file(cli_run, tmp_path):
    folder, _ = cli_run
    for source, out in ((folder, "a.png"), (folder / "generator.keras", "b.png")):
        result = dcgan("sample", source, "--rows", 2, "--columns", 3, "--seed", 5, "--out", tmp_path / out)
        assert result.returncode == 0, result.stderr
    assert imageio.imread(tmp_path / "a.png").shape == (2 * 58 + 2, 3 * 58 + 2)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_evaluate_prints_the_floor_beside_the_scores(cli_run):
    folder, _ = cli_run
    result = dcgan("evaluate", folder, "--count", 200)
    assert result.returncode == 0, result.stderr
    assert "generator.keras" in result.stdout and "real training images" in result.stdout
    assert "200 images against bundled, split test; extractor fashion" in result.stdout
    records = json.loads((folder / "scores.json").read_text())
    assert {record["metric"] for record in records} >= {"fid", "kid", "precision", "recall"}
    before = (folder / "scores.json").read_bytes()
    refused = dcgan("evaluate", folder, "--extractor", "vgg")
    assert refused.returncode == 2 and refused.stderr.startswith("Error: extractor must be 'fashion' or 'inception'")
    assert (folder / "scores.json").read_bytes() == before


def test_resume_goes_on_and_keeps_its_settings(cli_run):
    folder, _ = cli_run
    for option, value in (("--batch-size", 100), ("--seed", 5), ("--source", "elsewhere")):
        refused = dcgan("train", "--resume", "--run", folder, option, value)
        assert refused.returncode == 2 and f"{option} cannot change" in refused.stderr
    fewer = dcgan("train", "--resume", "--run", folder, "--epochs", 1)
    assert fewer.returncode == 2 and "is fewer" in fewer.stderr
    result = dcgan("train", "--resume", "--run", folder, "--epochs", 3)
    assert result.returncode == 0, result.stderr
    assert "epoch   3/3" in result.stdout and "epoch   2/3" not in result.stdout


def test_ctrl_c_leaves_a_run_and_says_how_to_go_on(tmp_path):
    command = [sys.executable, "-u", "-m", "dcgan_keras", "train", "--run", "mine", "--epochs", "500", *TINY_OPTIONS]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    # A test suite that runs in the background ignores Ctrl-C, and so would its children.
    heeds = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.default_int_handler)}
    process = subprocess.Popen(command, cwd=tmp_path, **pipes, **heeds)
    lines = []
    while not any(line.startswith("epoch   2/") for line in lines):
        line = process.stdout.readline()
        assert line, process.stderr.read()
        lines.append(line)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "dcgan train --resume --run mine" in out and "Traceback" not in err
    assert list((tmp_path / "mine" / "checkpoints").glob("epoch-*.weights.h5"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--source", "nowhere"], "There is no folder nowhere"),
        (["train", "--source", "tfds:clothes_of_mars"], "no dataset 'clothes_of_mars'"),
        (["train", "--preset", "fast"], "preset must be one of laptop"),
        (["train", "--image-size", "30"], "image_size must be one of 28"),
        (["train", "--channels", "2"], "channels must be 1"),
        (["train", "--loss", "bce"], "loss must be one of non_saturating"),
        (["train", "--batch-size", "20000"], "A batch of 20000 needs"),
        (["train", "--g-learning-rate", "-1"], "g_learning_rate must be a number over 0"),
        (["train", "--ema-decay", "1"], "ema_decay must be in"),
        (["train", "--seed", "-1"], "seed must be"),
        (["train", "--score-every", "-1"], "score_every must be 0 epochs or more"),
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
    assert result.stderr.count("\n") == 1 and "There is no folder nowhere" in result.stderr
    assert not list(tmp_path.iterdir())


def test_an_existing_run_is_not_overwritten(cli_run):
    folder, _ = cli_run
    before = (folder / "generator.keras").read_bytes()
    result = dcgan("train", "--run", folder, *TINY_OPTIONS)
    assert result.returncode == 2 and "already exists and is not empty" in result.stderr
    assert (folder / "generator.keras").read_bytes() == before


def test_skipped_images_are_a_warning_of_one_line(tmp_path):
    from PIL import Image

    (tmp_path / "pictures").mkdir()
    for number in range(8):
        Image.new("L", (30, 30), number).save(tmp_path / "pictures" / f"{number}.png")
    (tmp_path / "pictures" / "fake.png").write_text("not a picture")
    options = "--epochs 1 --batch-size 4 --g-filters 2 --d-filters 2 --latent-dim 4 --frames 2".split()
    result = dcgan("train", "--source", "pictures", "--run", "out", *options, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stderr.strip().count("\n") == 0 and "Warning: Skipped 1 of 9" in result.stderr


def test_a_file_that_is_no_generator_is_refused(tmp_path):
    (tmp_path / "generator.keras").write_text("not a network")
    result = dcgan("sample", tmp_path, "--out", tmp_path / "a.png")
    assert result.returncode == 2 and "is not a saved generator" in result.stderr
    assert not (tmp_path / "a.png").exists()


def test_a_diverging_run_ends_with_the_last_good_checkpoint(tmp_path):
    options = "--epochs 3 --g-learning-rate 1e30 --d-learning-rate 1e30".split()
    result = dcgan("train", "--run", tmp_path / "run", *options, *TINY_OPTIONS)
    assert result.returncode == 1 and "Traceback" not in result.stderr
    assert "stopped being finite" in result.stderr and "epoch-0000.weights.h5" in result.stderr


def test_info_names_versions_devices_and_threads():
    out = dcgan("info").stdout
    for expected in (dcgan_keras.__version__, tf.__version__, keras.__version__):
        assert expected in out
    assert tf.config.list_physical_devices("GPU") or f"device       CPU, {os.cpu_count()} cores." in out


def test_start_up_is_quiet_and_errors_are_not():
    code = "import dcgan_keras, tensorflow as tf; tf.constant(1) + 1; import sys; print('seen', file=sys.stderr)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stderr == "seen\n"
