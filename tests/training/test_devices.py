"""One device, two replicas, two hosts and other precisions: real strategies and processes, on the CPU alone.

A strategy has to be made before TensorFlow computes anything, so each runs in processes of its own.
"""

import json
import os
import re
import socket
import subprocess
import sys
import time
import types

import h5py
import imageio.v3 as imageio
import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT, TINY, all_weights, dcgan_here
from dcgan_keras import data, presets, training
from dcgan_keras.training import callbacks, devices, runs
from PIL import Image

pytestmark = pytest.mark.skipif(os.name == "nt", reason="several hosts are for Linux, and so are the tests of them")

# Trains three steps of the laptop networks, a quarter as wide, and saves weights, losses and the images it saw. It does
# so as it is, and with the R1 penalty and augmentation where "more" is asked for. Then it runs a command, where one is
# given: each process with TensorFlow takes seconds to start.
STEPS = """
import json, sys, numpy as np, keras
from dcgan_keras import data, presets, training
from dcgan_keras.__main__ import app
from dcgan_keras.training import devices
command = json.loads(sys.argv[3])
strategy = devices.make_strategy(sys.argv[1], int(sys.argv[2]) or None)
images = data.load_images("bundled")[:96]
for path, more in zip(sys.argv[4::2], sys.argv[5::2]):
    with strategy.scope():
        more = {"r1_gamma": 5.0, "augment": "color,translation,cutout"} if more == "more" else {}
        gan = training.build(presets.get("laptop", g_filters=4, d_filters=4, **more))
        gan.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1))
    batches = devices.distribute(data.make_stream(images, batch_size=32), strategy, 32)
    logs = gan.fit(batches, steps_per_epoch=3, verbose=0).history
    seen = []
    for _, batch in zip(range(3), batches):
        seen += [np.asarray(part) for part in strategy.experimental_local_results(batch)]
    weights = [keras.ops.convert_to_numpy(variable).ravel() for variable in gan.variables if variable.path != "step"]
    refused = ""
    if sys.argv[1] == "hosts":  # each as if it saw another state of the shared folder
        try:
            devices.check_agreement(strategy, {"images": 7, "epochs done": 2 if devices.is_chief(strategy) else 1})
        except ValueError as error:
            refused = str(error)
    np.savez(path, seen=np.concatenate(seen), weights=np.concatenate(weights), logs=[logs[name][0] for name in logs],
             step=gan.steps_taken, replicas=strategy.num_replicas_in_sync, chief=devices.is_chief(strategy),
             refused=refused)
if command:
    app(command)
"""

SMALL_OPTIONS = "--g-filters 2 --d-filters 3 --latent-dim 4 --batch-size 8 --frames 4 --epochs 8".split()


def tf_configs(count):
    """TF_CONFIG for so many workers on this host, on ports that are free now."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    workers = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    return [json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": n}}) for n in range(count)]


def together(commands, timeout=240):
    """Runs commands at the same time, each as worker n of TF_CONFIG. Returns exit codes and outputs."""
    workers = [
        subprocess.Popen(
            [sys.executable, *map(str, command)],
            env={**os.environ, "TF_CONFIG": config},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for command, config in zip(commands, tf_configs(len(commands)))
    ]
    try:
        outputs = [worker.communicate(timeout=timeout)[0] for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    return [worker.returncode for worker in workers], outputs


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    """A run of 160 clothes: eight epochs of 20 steps, a checkpoint after each."""
    folder = tmp_path_factory.mktemp("clothes")
    for number, image in enumerate(data.load_bundled()[0][:160]):
        Image.fromarray(image[..., 0]).save(folder / f"{number:03d}.png")
    return ["--source", str(folder), *SMALL_OPTIONS]


@pytest.fixture(scope="module")
def came(tmp_path_factory, options):
    """The same three steps on one device, two replicas and two hosts, on the first two with R1 and augmentation too.

    Then the same run, which nobody disturbs. Returns the folder of all that, and what the replicas said.
    """
    folder, train = tmp_path_factory.mktemp("steps"), ["train", *options, "--run"]
    one, mirrored = (
        [folder / f"{name}.npz", "plain", folder / f"{name}-more.npz", "more"] for name in ("one", "mirrored")
    )
    with pytest.MonkeyPatch.context() as patch:  # what one device does this process can do as well
        patch.setattr(sys, "argv", ["", "one", "0", "[]", *one])
        exec(STEPS, {})
    alone = dcgan_here(*train, folder / "one")
    command = json.dumps([*train, str(folder / "mirrored"), "--strategy", "mirrored", "--replicas", "2"])
    command = [sys.executable, "-c", STEPS, "mirrored", "2", command, *mirrored]
    shared = subprocess.run(command, capture_output=True, text=True)
    for result in (alone, shared):
        assert result.returncode == 0, result.stderr
    command = json.dumps([*train, str(folder / "hosts"), "--strategy", "hosts"])
    codes, outputs = together([["-c", STEPS, "hosts", 0, command, folder / f"host{n}.npz", "plain"] for n in range(2)])
    assert codes == [0, 0], outputs
    return folder, shared.stdout


@pytest.fixture(scope="module")
def steps(came):
    return {path.stem: dict(np.load(path, allow_pickle=False)) for path in came[0].glob("*.npz")}


def test_replicas_and_hosts_train_to_the_weights_of_one_device(steps):
    """Within float32's rounding: the same batch, latent vectors and statistics, added up in another order."""
    assert [int(steps[name]["replicas"]) for name in ("one", "mirrored", "host0", "host1")] == [1, 2, 2, 2]
    for name in ("mirrored", "host0", "host1"):
        np.testing.assert_allclose(steps[name]["weights"], steps["one"]["weights"], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(steps[name]["logs"], steps["one"]["logs"], rtol=1e-5)
        assert steps[name]["step"] == 3
    np.testing.assert_array_equal(steps["host0"]["weights"], steps["host1"]["weights"])


def test_the_r1_penalty_and_augmentation_on_replicas_too(steps):
    """The first needs the second derivative of BatchNorm over all replicas, the second each image's own numbers."""
    np.testing.assert_allclose(steps["mirrored-more"]["weights"], steps["one-more"]["weights"], rtol=1e-4, atol=1e-5)
    assert np.abs(steps["one-more"]["weights"] - steps["one"]["weights"]).max() > 0.01


def test_each_image_is_seen_once_an_epoch(steps):
    def names(images):
        return sorted(image.tobytes() for image in images)

    whole = names(steps["one"]["seen"])
    assert len(whole) == len(set(whole)) == 96
    assert names(steps["mirrored"]["seen"]) == whole
    assert len(steps["host0"]["seen"]) == len(steps["host1"]["seen"]) == 48
    assert names([*steps["host0"]["seen"], *steps["host1"]["seen"]]) == whole


def test_one_host_is_the_chief(steps):
    assert [bool(steps[name]["chief"]) for name in ("one", "mirrored", "host0", "host1")] == [True, True, True, False]


def test_hosts_that_would_go_on_from_other_epochs_all_stop(steps):
    """Each host reads a folder of its own, as if one saw an old state of the shared one."""
    for name in ("host0", "host1"):
        assert "The hosts do not agree on epochs done: 2, 1." in str(steps[name]["refused"])
    assert str(steps["one"]["refused"]) == ""


def arrays(path):
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def hosts_command(folder, *more):
    return ["-m", "dcgan_keras", "train", "--strategy", "hosts", "--run", folder, *more]


def test_a_killed_host_ends_the_other_and_a_restart_ends_like_an_undisturbed_run(tmp_path, came, options):
    calm, killed = came[0] / "hosts", tmp_path / "killed"
    workers = [
        subprocess.Popen(
            [sys.executable, *map(str, hosts_command(killed, *options))],
            env={**os.environ, "TF_CONFIG": config},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for config in tf_configs(2)
    ]
    try:
        for _ in range(1200):
            if len(callbacks.checkpoints(killed / "checkpoints")) == 2:
                break
            time.sleep(0.1)
        workers[1].kill()
        error = workers[0].communicate(timeout=120)[1]
    finally:
        for worker in workers:
            worker.kill()
    assert workers[0].returncode == 1
    # TensorFlow 2.19's own log comes before, with a level and a date in each line.
    said = [line for line in error.splitlines() if not re.match(r"WARNING: All log|[IWE]\d{4} ", line)]
    said = [line for line in said if "steps are few" not in line]
    assert len(said) == 1 and said[0].startswith("Error: Another host is gone"), error

    stopped_at = callbacks.checkpoints(killed / "checkpoints")[-1]
    assert stopped_at.name < "epoch-0008"
    codes, outputs = together([hosts_command(killed, "--resume")] * 2)
    assert codes == [0, 0], outputs
    one, other = (arrays(callbacks.checkpoints(folder / "checkpoints")[-1]) for folder in (killed, calm))
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])
    assert (killed / "samples.png").read_bytes() == (calm / "samples.png").read_bytes()


def test_the_command_line_draws_the_same_pictures_on_one_device_two_replicas_and_two_hosts(came):
    folder, said = came
    folders = {name: folder / name for name in ("one", "mirrored", "hosts")}
    assert "Device: 2 replicas in step, CPU devices, 1 host." in said

    def pictures(name):
        return imageio.imread(folders[name] / "training.gif", index=1).astype(int)  # later, rounding has grown

    losses = {name: callbacks.read_history(folder / "history.csv") for name, folder in folders.items()}
    for name in ("mirrored", "hosts"):
        assert np.abs(pictures(name) - pictures("one")).max() <= 1  # grey levels of 255
        for column, values in losses["one"].items():
            np.testing.assert_allclose(losses[name][column][0], values[0], rtol=1e-3)
        assert (folders[name] / "samples.png").stat().st_size > 0


@pytest.mark.parametrize("labelled", [True, False])
def test_each_host_gets_its_part_of_images_and_of_labels(monkeypatch, labelled):
    """Two hosts of two replicas each, which stand in for real ones."""

    class Strategy:
        num_replicas_in_sync = 4

        def distribute_datasets_from_function(self, part):
            return [part(types.SimpleNamespace(num_input_pipelines=2, input_pipeline_id=host)) for host in (0, 1)]

    monkeypatch.setattr(devices, "_on_hosts", lambda strategy: True)
    images = tf.range(8)[:, None] * tf.ones(3, tf.int32)
    batches = tf.data.Dataset.from_tensors((images, tf.range(8)) if labelled else images).repeat(2)
    for host, given in enumerate(devices.distribute(batches, Strategy(), 8)):
        parts = list(given)
        assert len(parts) == 4  # a part for each replica, of two batches
        for place, part in enumerate(parts):
            wanted = 4 * host + 2 * (place % 2) + np.arange(2)
            found = part if labelled else (part,)
            np.testing.assert_array_equal(found[0][:, 0], wanted)
            assert not labelled or found[1].numpy().tolist() == wanted.tolist()


@pytest.mark.parametrize(
    ("arguments", "config", "message"),
    [
        (["--strategy", "cluster"], "", "strategy must be one of one, mirrored, hosts"),
        (["--strategy", "mirrored"], "", "found no GPU: give --replicas"),
        (["--strategy", "one", "--replicas", "2"], "", "goes with the strategy 'mirrored'"),
        (["--strategy", "mirrored", "--replicas", "0"], "", "replicas must be 1 or more"),
        (["--strategy", "hosts"], "", "needs --run FOLDER"),
        (["--strategy", "hosts", "--run", "r"], "", "needs the environment variable TF_CONFIG"),
        (["--strategy", "hosts", "--run", "r"], "two hosts", "TF_CONFIG cannot be used"),
        (["--strategy", "hosts", "--run", "r"], '{"cluster": {}}', "TF_CONFIG cannot be used"),
        (["--precision", "float8"], "", "precision must be one of float32"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_sentence(tmp_path, arguments, config, message, monkeypatch):
    if config:
        monkeypatch.setenv("TF_CONFIG", config)
    if devices._use_gpus() and "found no GPU" in message:
        pytest.skip("there is a GPU")
    result = dcgan_here("train", *arguments, cwd=tmp_path)
    assert result.returncode == 2 and message in result.stderr and result.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_describe_says_why_a_gpu_is_not_used(monkeypatch):
    monkeypatch.setattr(devices, "_use_gpus", lambda: [])
    monkeypatch.setattr(devices.platform, "system", lambda: "Linux")
    monkeypatch.setattr(devices.glob, "glob", lambda pattern: ["/proc/driver/nvidia/gpus/0"])
    assert 'pip install "tensorflow[and-cuda]"' in devices.describe()
    monkeypatch.setattr(devices.glob, "glob", lambda pattern: [])
    assert devices.describe() == f"CPU, {os.cpu_count()} cores."
    monkeypatch.setattr(devices.platform, "system", lambda: "Darwin")
    assert "macOS" in devices.describe()


def test_gpus_grow_into_their_memory(monkeypatch):
    asked = []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["gpu0", "gpu1"])
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", lambda gpu, on: asked.append((gpu, on)))
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: {"device_name": f"name of {gpu}"})
    assert devices.describe() == "name of gpu0. 1 more: --strategy mirrored uses all."
    assert asked == [("gpu0", True), ("gpu1", True)]


@pytest.mark.parametrize("precision", devices.PRECISIONS)
def test_what_matters_stays_in_float32(precision, images):
    gan = training.build(TINY, precision=precision)
    assert keras.config.dtype_policy().name == "float32"
    assert {variable.dtype for variable in gan.variables} == {"float32", "int64"}
    compute = {"float32": "float32"}.get(precision, precision.removeprefix("mixed_"))
    conv = [layer for network in (gan.generator, gan.discriminator) for layer in network.layers if "Conv" in str(layer)]
    assert {layer.compute_dtype for layer in conv} == {compute}
    assert gan.generator.outputs[0].dtype == gan.discriminator.outputs[0].dtype == "float32"
    scaled = [isinstance(o, keras.optimizers.LossScaleOptimizer) for o in (gan.g_optimizer, gan.d_optimizer)]
    assert scaled == [precision == "mixed_float16"] * 2
    before = all_weights(gan)
    logs = gan.train_step(tf.constant(images[:8] / 127.5 - 1, tf.float32))
    assert all(np.isfinite(float(value)) for value in logs.values())
    assert np.isfinite(all_weights(gan)).all() and (all_weights(gan) != before).any()


def test_bfloat16_trains_like_float32_to_its_precision(images):
    """Losses of the first steps differ by bfloat16's 3 digits, no more. BatchNorm's own numbers are not rounded."""
    settings = presets.get("laptop", g_filters=8, d_filters=8)
    losses = []
    for precision in ("float32", "mixed_bfloat16"):
        gan = training.build(settings, precision=precision)
        for n in range(3):
            logs = gan.train_step(tf.constant(images[n * 16 : n * 16 + 16] / 127.5 - 1, tf.float32))
        losses.append([float(value) for value in logs.values()])
    np.testing.assert_allclose(losses[1], losses[0], rtol=0.03)
    assert losses[0] != losses[1]


def test_a_resumed_run_keeps_its_precision(tmp_path):
    run = runs.create(runs.Run(tmp_path / "run", TINY, precision="mixed_bfloat16"))
    assert runs.open_run(run.folder).precision == "mixed_bfloat16"
    with pytest.raises(ValueError, match="precision must be one of"):
        runs.Run(tmp_path / "other", TINY, precision="double")


def test_the_slurm_job_gives_each_host_its_tf_config(tmp_path):
    """The job script with stand-ins for SLURM's two commands and for `dcgan`: what each of two tasks would see."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, body in {
        "scontrol": "echo host1; echo host2",
        "srun": 'for n in 0 1; do SLURM_PROCID=$n "$@"; done',
        "dcgan": 'echo "$TF_CONFIG" "$@"',
    }.items():
        (tools / name).write_text(f"#!/bin/bash\n{body}\n")
        (tools / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "SLURM_JOB_NODELIST": "host[1-2]"}
    job = ROOT / "assets" / "jobs" / "two_hosts.sbatch"
    command = ["bash", job, str(tmp_path / "run")]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    lines = result.stdout.splitlines()
    assert len(lines) == 2
    for n, line in enumerate(lines):
        config, end = json.JSONDecoder().raw_decode(line)
        assert config["cluster"]["worker"] == ["host1:2222", "host2:2222"]
        assert config["task"] == {"type": "worker", "index": n}
        assert line[end:].split()[:3] == ["train", "--strategy", "hosts"] and "--resume" not in line
