"""The benchmarks run and count right. How fast anything is, no test asserts."""

import ast
import csv
import importlib
import io
import json
import os
import subprocess
import sys
import tarfile
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT, from_benchmarks, lively
from dcgan_keras import DCGAN, data, models, replicas
from dcgan_keras.evaluation import extractors, metrics
from keras import layers
from PIL import Image


@pytest.fixture(scope="module")
def benchmarks():
    with from_benchmarks("contestants", "throughput") as both:
        yield both


@pytest.fixture
def pool(monkeypatch):
    """Stands in for the processes of the long tables: `row` is what a run gives, `asked` the runs that were wanted."""

    class Pool:
        def __init__(self, *_, **__):
            self.asked = []

        def Pool(self, *_, **__):
            return self

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def imap_unordered(self, function, wanted):
            self.asked.extend(wanted)
            return [[self.row(run)] for run in wanted]

    made = Pool()
    monkeypatch.setattr("multiprocessing.get_context", lambda *_: made)
    return made


@pytest.fixture
def looks_at(monkeypatch):
    """Returns a function: extractors are to look at no more than so many pictures, which takes most of a short run."""

    def looks_at(most):
        load = extractors.load

        def few(name):
            extractor = load(name)
            return lambda images, count=most: extractor(images, min(count, most))

        monkeypatch.setattr(extractors, "load", few)

    return looks_at


def test_flops_of_the_tutorials_step_by_hand(benchmarks):
    contestants, throughput = benchmarks
    g = [100 * 12544, 49 * 25 * 256 * 128, 49 * 25 * 128 * 64, 196 * 25 * 64]
    d = [196 * 25 * 64, 49 * 25 * 64 * 128, 6272]
    # Forward, to the weights and to the inputs, these but for the first layer; D twice and once more to its inputs.
    expected = 2 * (3 * sum(g) - g[0] + 2 * (3 * sum(d) - d[0]) + sum(d))
    counted = throughput.flops_per_image(*contestants.tutorial_networks())
    assert counted == expected and counted * 256 == pytest.approx(116e9, rel=0.01)


def test_the_tutorial_and_ours_train_the_same_networks(benchmarks):
    contestants, _ = benchmarks
    ours, tutorial = contestants.Ours.same_networks(), contestants.Tutorial()
    for mine, theirs in zip(ours.networks, tutorial.networks):
        assert [weight.shape for weight in mine.weights] == [weight.shape for weight in theirs.weights]
    assert ours.batch_size == tutorial.batch_size == 256


def test_the_table_is_written(benchmarks, tmp_path, monkeypatch, capsys):
    contestants, throughput = benchmarks
    monkeypatch.setattr(contestants.Tutorial, "batch_size", 16)  # of 256 a step is 116 GFLOP
    few = [contestants.Tutorial(), contestants.Ours.laptop()]
    monkeypatch.setattr(throughput, "all_contestants", lambda: few)
    path = tmp_path / "throughput.json"
    monkeypatch.setattr(sys, "argv", ["throughput.py", "--rounds", "1", "--seconds", "0.1", "--json", str(path)])
    throughput.main()
    rows = json.loads(path.read_text(encoding="utf-8"))
    assert [row["contestant"] for row in rows] == ["tutorial", "ours, laptop preset"]
    assert all(set(row) == {"contestant", "images_per_second", "share_of_peak"} for row in rows)
    assert "matrix-product peak" in capsys.readouterr().out


def test_the_faces_tutorial_has_its_published_size(benchmarks):
    """PyTorch's tutorial: 3,576,704 parameters in the generator, 2,765,568 in the discriminator, without biases."""
    contestants, _ = benchmarks
    gan = contestants.training.build(contestants.FACES)
    counts = []
    for network in (gan.generator, gan.discriminator):
        named = [weight for weight in network.trainable_weights if "bias" not in weight.path]
        counts.append(sum(int(np.prod(weight.shape)) for weight in named))
    assert counts == [3_576_704, 2_765_568]


def test_digits_are_split_by_digit(benchmarks, tmp_path):
    time_to_quality = importlib.import_module("time_to_quality")
    folder = tmp_path / "src" / "digits"
    folder.mkdir(parents=True)
    for digit in range(10):
        pixels = [digit / 255] * 784 * 5
        (folder / f"{digit}.json").write_text(json.dumps({"data": pixels}))
    images, labels, test = time_to_quality.split_digits(tmp_path)
    assert images.shape == (40, 28, 28, 1) and test.shape == (10, 28, 28, 1) and images.dtype == np.uint8
    assert (images[:, 0, 0, 0] == labels).all() and sorted(test[:, 0, 0, 0]) == list(range(10))


@pytest.mark.skipif(os.name == "nt", reason="Windows does not tell a process its highest memory this way")
def test_memory_is_read_in_a_process_of_its_own():
    command = [sys.executable, ROOT / "benchmarks" / "footprint.py", "--train", "ours, laptop preset", "--steps", "1"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert 100 < int(result.stdout.split()[-1]) < 10_000  # megabytes


def test_curves_are_scored_at_growing_times_and_at_those_kept(benchmarks, monkeypatch):
    time_to_quality = importlib.import_module("time_to_quality")

    class Contestant:
        steps = 0

        def run(self, steps):
            self.steps += steps
            time_to_quality.time.sleep(0.002 * steps)

    monkeypatch.setattr(time_to_quality, "MINUTES_KEPT", (0.3 / 60,))
    contestant = Contestant()
    points = list(time_to_quality.curve(contestant, lambda: contestant.steps, 0.5, 0.1))
    steps, scores, paces = zip(*points)
    assert list(steps) == sorted(set(steps)) and [value - 1 for value in scores] == list(steps)
    assert steps[-1] * paces[-1] >= 0.5 and 0.002 <= paces[-1] < 0.02
    assert any(0.3 <= count * pace < 0.34 for count, pace in zip(steps, paces))


def test_first_time_at_a_level(benchmarks):
    time_to_quality = importlib.import_module("time_to_quality")
    curve = [(10, 50.0), (20, 30.0), (30, 35.0), (40, 20.0)]
    assert time_to_quality.seconds_until(curve, 30) == 20
    assert time_to_quality.seconds_until(curve, 10) is None


def test_curves_are_written_whole(benchmarks, tmp_path):
    save = importlib.import_module("time_to_quality").save_curves
    curves = {"ours": [([1, 10], [50, 5]), ([1, 10], [60, 6])], "theirs": [([1, 10], [90, 40])]}
    save(tmp_path / "a.png", curves, x="seconds", y="score")
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (960, 600)
    with pytest.raises(ValueError, match="At most 6 kinds"):
        save(tmp_path / "b.png", {n: [([1], [1])] for n in range(7)}, x="seconds", y="score")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is not of Windows")
def test_the_fault_campaign_survives_its_kills(benchmarks, tmp_path, monkeypatch, capsys):
    faults = importlib.import_module("faults")
    for number, image in enumerate(data.load_bundled()[0][:80]):
        Image.fromarray(image[..., 0]).save(tmp_path / f"{number}.png")
    monkeypatch.setattr(faults, "TINY", [*faults.TINY, "--batch-size", "4", "--source", str(tmp_path)])
    monkeypatch.setattr(sys, "argv", ["faults.py", "--kills", "1", "--seed", "1"])
    faults.main()
    said = capsys.readouterr().out
    assert said.strip().split("\n")[-1] == "survived 1 of 1", said


def test_the_score_table_scores_what_is_there(tmp_path, monkeypatch, capsys, benchmarks):
    score_table = importlib.import_module("score_table")

    def offline(source, **options):
        if source.startswith("tfds:"):
            raise ConnectionError
        return original(source, **options)

    original = score_table.data.load_images
    monkeypatch.setattr(score_table.data, "load_images", offline)
    path = tmp_path / "scores.json"
    arguments = ["score_table.py", "--count", "200", "--keep", str(tmp_path), "--json", str(path)]
    monkeypatch.setattr(sys, "argv", arguments)
    score_table.main()
    subjects = list(dict.fromkeys(record["subject"] for record in json.loads(path.read_text(encoding="utf-8"))))
    assert subjects == ["real training images", "fashion_generator", "real, blurred 2x2", "real, blurred 3x3"]
    assert "200 images against bundled, split test" in capsys.readouterr().out

    # A generator that was scored before and is gone stays in the table, unless it was scored on fewer images.
    records = json.loads(path.read_text(encoding="utf-8"))
    gone = [{**record, "subject": "gone-0-2min"} for record in records[:3]]
    for count, here in ((200, True), (100, False)):
        before = [{**record, "count": count} for record in records + gone]
        path.write_text(json.dumps(before), encoding="utf-8")
        score_table.main()
        found = list(dict.fromkeys(record["subject"] for record in json.loads(path.read_text(encoding="utf-8"))))
        assert found == [*subjects[:2], *["gone-0-2min"] * here, *subjects[2:]]


def test_the_table_of_few_pictures_holds_each_run_once(benchmarks, tmp_path, monkeypatch, pool, looks_at):
    few_pictures = importlib.import_module("few_pictures")
    looks_at(100)
    monkeypatch.setattr(few_pictures, "EVERY", 1)
    rows = few_pictures.train((80, "flip", 0, 2))
    assert [row[:4] for row in rows] == [(80, "flip", 0, 1), (80, "flip", 0, 2)]
    assert len(rows[0]) == len(few_pictures.HEAD) and all(np.isfinite(float(value)) for value in rows[0][4:])

    # Runs that are there are not done again, and a shorter one is.
    runs = [("100", "", "0", "3"), ("100", "", "1", "3"), ("100", "", "2", "1")]
    path = tmp_path / "table.csv"
    path.write_text("\n".join([",".join(few_pictures.HEAD), *(",".join([*run, *"12345"]) for run in runs)]) + "\n")
    pool.row = lambda run: (*run, 1, 2, 3, 4, 5)
    monkeypatch.setattr(sys, "argv", ["few_pictures.py", "--arms", "100", "--steps", "3", "--csv", str(path)])
    few_pictures.TABLE.main()
    assert pool.asked == [(100, "", 2, 3)]
    assert [line.split(",")[2:4] for line in path.read_text().splitlines()[1:]] == [["0", "3"], ["1", "3"], ["2", "3"]]


def test_time_to_quality_in_colour_is_scored_by_kid(benchmarks):
    time_to_quality = importlib.import_module("time_to_quality")
    extractor = time_to_quality.extractors.load("emoji")
    images, test = (time_to_quality.data.load_bundled(split, "emoji")[0] for split in ("train", "test"))
    measure, count, floor = time_to_quality.score_kid(extractor, images, test)
    assert count == 1_911 and abs(floor) < 0.1 < measure([test[:200] // 2, test[200:] // 2])
    for name in time_to_quality.COLOUR:
        contestant, generator = time_to_quality.build(name, 0, images[:400])
        assert generator.output_shape[1:] == (64, 64, 3) and contestant.gan.image_shape == (64, 64, 3)


def test_the_table_of_remedies_holds_each_arm(benchmarks, tmp_path, monkeypatch, looks_at):
    remedies = importlib.import_module("remedies")
    looks_at(1_000)
    for name, value in {"EVERY": 1, "WARM_UP": 0, "COUNT": 1_000}.items():
        monkeypatch.setattr(remedies, name, value)
    for arm in remedies.STEPS:
        rows = remedies.train((arm, 0, 2))
        assert [row[:3] for row in rows] == [(arm, 0, 1), (arm, 0, 2)]
        assert len(rows[0]) == len(remedies.HEAD) and all(np.isfinite(float(value)) for value in rows[0][3:])
        assert float(rows[0][5]) > 0

    # The table that is there has each arm with each seed, and all moments of each.
    with open(remedies.TABLE.path, newline="", encoding="utf-8") as file:
        head, *table = csv.reader(file)
    moments = (200, 400, 600, 800)
    wanted = [(arm, str(seed), str(step)) for arm in remedies.ARMS for seed in remedies.SEEDS for step in moments]
    assert tuple(head) == remedies.HEAD and [tuple(row[:3]) for row in table] == wanted


def test_alternating_steps_answer_the_discriminator_that_has_moved(benchmarks):
    """With a discriminator that does not move, both kinds of step are one."""
    remedies = importlib.import_module("remedies")
    images = np.random.default_rng(0).integers(0, 256, (16, 28, 28, 1), np.uint8)

    def generator_after_a_step(arm, d_rate):
        gan = remedies.build(arm, seed=0)
        gan.d_optimizer.learning_rate = d_rate
        before = [variable.numpy() for variable in gan.discriminator.trainable_variables]
        gan.train_step(images)
        after = [variable.numpy() for variable in gan.discriminator.trainable_variables]
        moved = any(np.any(a != b) for a, b in zip(before, after))
        assert moved == (d_rate > 0) and gan.steps_taken == 1
        return np.concatenate([variable.numpy().ravel() for variable in gan.generator.trainable_variables])

    for d_rate in (0.0, 0.003):
        simultaneous, alternating = (generator_after_a_step(arm, d_rate) for arm in ("bad", "alternating"))
        assert np.allclose(simultaneous, alternating, atol=1e-6) == (d_rate == 0)


def test_alternating_steps_keep_all_else_of_the_modules_step(benchmarks, monkeypatch):
    """Where one network stands still, the other moves alike: told, augmented, penalised, scaled and shared."""
    remedies = importlib.import_module("remedies")
    monkeypatch.setattr(replicas, "share", lambda loss: loss / 2)  # as one of two replicas does
    rng = np.random.default_rng(0)
    batch = rng.integers(0, 256, (8, 28, 28, 1), np.uint8), rng.integers(0, 3, 8)

    def after_a_step(kind, g_rate, d_rate):
        gan = kind(
            lively(models.build_generator(28, filters=2, latent_dim=4, classes=3)),
            lively(models.build_discriminator(28, filters=2, classes=3)),
            augment="translation,cutout",
            r1_gamma=0.1,
        )
        optimizers = map(keras.optimizers.SGD, (g_rate, d_rate))
        gan.compile(*(keras.optimizers.LossScaleOptimizer(each, initial_scale=8.0) for each in optimizers))
        logs = gan.train_step(batch)
        weights = [gan.generator.trainable_variables, gan.discriminator.trainable_variables, gan.ema_generator.weights]
        flat = [np.concatenate([weight.numpy().ravel() for weight in network]) for network in weights]
        return *flat, [float(logs[name]) for name in ("d_loss", "d_real", "d_fake")]

    for rates in ((0.01, 0.0), (0.0, 0.01)):
        for plain, alternating in zip(*(after_a_step(kind, *rates) for kind in (DCGAN, remedies.Alternating))):
            np.testing.assert_allclose(alternating, plain, rtol=1e-4, atol=1e-6)


def test_the_relativistic_step_of_the_tables_is_that_of_notebook_19(benchmarks, after_dcgan):
    remedies = importlib.import_module("remedies")
    images = np.random.default_rng(0).integers(0, 256, (16, 28, 28, 1), np.uint8)

    def after_a_step(kind, r1_gamma):
        generator = lively(models.build_generator(28, filters=2, latent_dim=4))
        discriminator = lively(models.build_discriminator(28, filters=2, normalization="none"))
        gan = kind(generator, discriminator, r1_gamma=r1_gamma)
        gan.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1))
        gan.train_step(images)
        moved = generator.trainable_variables + discriminator.trainable_variables
        return np.concatenate([weight.numpy().ravel() for weight in moved])

    for r1_gamma in (0.0, 2.0):
        ours, theirs = (after_a_step(kind, r1_gamma) for kind in (remedies.Relativistic, after_dcgan.Relativistic))
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
    assert np.abs(after_a_step(remedies.Relativistic, 0.0) - ours).max() > 1e-3  # the penalty counts


@pytest.mark.parametrize("arm", ["none", "projection", "maps"])
def test_a_run_of_the_conditional_table(benchmarks, monkeypatch, arm):
    conditional = importlib.import_module("conditional")
    monkeypatch.setattr(conditional, "EVERY", 1)
    load = data.load_bundled
    monkeypatch.setattr(data, "load_bundled", lambda split: tuple(part[:1000] for part in load(split)))
    (first, second) = conditional.train((arm, 0, 2))
    assert len(first) == len(conditional.HEAD) and first[:3] == (arm, 0, 1) and second[2] == 2
    assert all(np.isfinite(float(value)) for value in first[3:6])
    assert (first[6] == "") == (arm == "none")
    if arm != "none":
        assert float(first[6]) == pytest.approx(np.mean([float(share) for share in first[7:]]), abs=1e-3)


def test_the_sweep_draws_the_same_fair_settings(benchmarks):
    sweep = importlib.import_module("sweep")
    drawn = sweep.settings()
    assert sweep.settings(10) == drawn[:10] and len({tuple(one.values()) for one in drawn}) == sweep.COUNT
    for name in sweep.RATES:
        logs = np.log([one[name] for one in drawn]) - np.log(sweep.LEAST)
        assert 0 <= logs.min() and logs.max() <= np.log(sweep.MOST / sweep.LEAST)
    for name, values in sweep.CHOICES.items():
        assert {one[name] for one in drawn[: len(values)]} == set(values)
    order = sweep.runs(sweep.COUNT)
    assert [name for name, _, _ in order[:2]] == ["default"] * 2
    assert [run for run in order if run[0] != "default"] == [(str(n), n, one) for n, one in enumerate(drawn)]
    assert [seed for name, seed, _ in order if name == "default"] == list(sweep.SEEDS)
    assert len(sweep.runs(3)) == 3 + len(sweep.SEEDS)
    # The two best of three, by their first run, at its end.
    scores = [("0", "0", 0.3, "60 s"), ("1", "1", 0.2, "60 s"), ("2", "2", 0.4, "60 s"), ("2", "2", 0.1, "15 s")]
    scores += [("2", "100", 0.1, "60 s"), ("default", "0", 0.1, "60 s")]
    rows = [{"setting": a, "seed": b, "a_average": score, "moment": moment} for a, b, score, moment in scores]
    again = sweep.best([[str(row.get(name, 0)) for name in sweep.HEAD] for row in rows])
    assert again == [(str(n), seed, drawn[n]) for n in (1, 0) for seed in sweep.OTHER_SEEDS]


def test_the_table_of_the_sweep_holds_each_run_once(benchmarks, tmp_path, monkeypatch, pool):
    sweep = importlib.import_module("sweep")
    for name, value in {"SECONDS": (0.01, 0.05), "STEPS": 2, "SCORED": 200}.items():
        monkeypatch.setattr(sweep, name, value)
    setting = sweep.default() | {"batch_size": 32, "filters": 8}
    rows = sweep.train(("7", 7, setting, 0))
    assert {row[len(setting) + 2] for row in rows} == {"0.01 s", "0.05 s", "2 steps"}
    assert rows[-1][len(setting) + 2] == "0.05 s" and all(len(row) == len(sweep.HEAD) for row in rows)
    assert all(np.isfinite(float(value)) for row in rows for value in row[-6:])
    # Numbers that stop being finite are said to be so.
    broken = sweep.train(("8", 8, setting | {"g_learning_rate": 1e30, "d_learning_rate": 1e30}, 0))
    assert broken[-1][-6:] == ("inf",) * 6

    # Runs that are there are not done again.
    path = tmp_path / "table.csv"
    path.write_text(",".join(sweep.HEAD) + "\n" + ",".join(["1", "1", *["0"] * (len(sweep.HEAD) - 2)]) + "\n")
    pool.row = lambda run: (*run[:2], *range(len(sweep.HEAD) - 2))
    arguments = ["--arms", "default", "0", "1", "2", "--seeds", "0", "1", "2", "--csv", str(path)]
    monkeypatch.setattr(sys, "argv", ["sweep.py", *arguments])
    sweep.TABLE.main()
    assert [run[:2] for run in pool.asked] == [("default", 0), ("default", 1), ("0", 0), ("2", 2), ("default", 2)]
    names = [line.split(",")[0] for line in path.read_text().splitlines()[1:]]
    assert names == ["default", "default", "default", "0", "1", "2"]


def test_the_sweep_that_is_there_is_whole(benchmarks):
    sweep = importlib.import_module("sweep")
    with open(sweep.TABLE.path, newline="", encoding="utf-8") as file:
        head, *table = csv.reader(file)
    assert tuple(head) == sweep.HEAD
    moments = [f"{seconds} s" for seconds in sweep.SECONDS]
    at = head.index("moment")
    wanted = sweep.runs(sweep.COUNT) + sweep.best(table)
    assert len({tuple(row[:2]) for row in table}) == len(wanted)
    for setting, seed, one in wanted:
        rows = [row for row in table if row[:2] == [setting, str(seed)]]
        assert [row[at] for row in rows if row[at] in moments] == moments
        assert all(row[2:at] == list(map(str, one.values())) for row in rows)
        steps = [int(row[head.index("steps")]) for row in rows]
        assert (steps[-1] >= sweep.STEPS) == (f"{sweep.STEPS} steps" in [row[at] for row in rows])


def read_table(path):
    with open(path, newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    return tuple(head), rows


def test_the_table_of_points_holds_each_seed_of_each_arm(benchmarks, monkeypatch):
    ring_and_grid = importlib.import_module("ring_and_grid")
    all_steps = dict(ring_and_grid.STEPS)
    monkeypatch.setitem(ring_and_grid.STEPS, "grid", 5)
    for arm in ring_and_grid.ARMS:
        rows = ring_and_grid.train(("grid", arm, 5))
        assert [row[:4] for row in rows] == [("grid", arm, seed, step) for seed in range(10) for step in range(1, 6)]
        assert len(rows[0]) == len(ring_and_grid.HEAD) and all(np.isfinite(float(value)) for value in rows[0][4:])

    head, table = read_table(ring_and_grid.TABLE.path)
    wanted = []
    for mixture, arm in ring_and_grid.RUNS:
        every = all_steps[mixture] // 5
        steps = range(every, ring_and_grid.LENGTHS[f"{mixture} {arm}"] + 1, every)
        wanted += [(mixture, arm, str(seed), str(step)) for seed in range(10) for step in steps]
    assert head == ring_and_grid.HEAD and [tuple(row[:4]) for row in table] == wanted


def test_ten_seeds_in_one_network_are_ten_networks(benchmarks, monkeypatch):
    """What one seed draws does not depend on the weights of another, and each learns from its own loss alone."""
    ring_and_grid = importlib.import_module("ring_and_grid")

    def seeds_after_steps(spoilt, **options):
        points = ring_and_grid.Points(ring_and_grid.MIXTURES["ring"], **options)
        for weight in (points.g_weights + points.d_weights) if spoilt else []:
            weight.assign(weight.numpy() * np.where(np.arange(10) == 4, 3.0, 1.0)[:, None, None])
        for _ in range(3):
            points.step()
        return points.draw(5).numpy()

    for options in ({"pack": 2, "r1_gamma": 0.1}, {"unrolled": 2}, {"relativistic": True, "r1_gamma": 0.1}):
        same, other = seeds_after_steps(False, **options), seeds_after_steps(True, **options)
        moved = np.abs(same - other).max(axis=(1, 2))
        assert moved[4] > 0.01 and np.delete(moved, 4).max() < 1e-4


def test_an_unrolled_generator_sees_the_discriminator_move(benchmarks):
    ring_and_grid = importlib.import_module("ring_and_grid")
    points = ring_and_grid.Points(ring_and_grid.MIXTURES["ring"], unrolled=3)
    weights = [weight.value for weight in points.d_weights]
    real, fake = points.real(64), points.draw(64)
    ahead = points.foreseen(weights, real, fake)
    assert points.d_loss(ahead, real, fake) < points.d_loss(weights, real, fake)


def test_pairs_of_points_know_only_differences_and_are_penalised_at_both(benchmarks):
    ring_and_grid = importlib.import_module("ring_and_grid")
    kinds = {"relativistic": True}, {"relativistic": True, "r1_gamma": 1.0}, {"r1_gamma": 1.0}, {}
    pairs, both, one, plain = (ring_and_grid.Points(ring_and_grid.MIXTURES["ring"], **kind) for kind in kinds)
    real, fake = pairs.real(64), pairs.draw(64)
    weights = [weight.value for weight in pairs.d_weights]
    raised = [*weights[:-1], weights[-1] + 3.0]  # the bias of the last layer
    for loss, moves in ((pairs.d_loss, False), (pairs.g_loss, False), (plain.d_loss, True), (plain.g_loss, True)):
        assert (abs(loss(raised, real, fake) - loss(weights, real, fake)) > 1e-2) == moves
    at_real, at_fake = (one.penalty(weights, points) for points in (real, fake))
    added = (both.d_loss(weights, real, fake) - pairs.d_loss(weights, real, fake)) / ring_and_grid.SEEDS
    np.testing.assert_allclose(added, at_real + at_fake, rtol=1e-3)
    added = (one.d_loss(weights, real, fake) - plain.d_loss(weights, real, fake)) / ring_and_grid.SEEDS
    np.testing.assert_allclose(added, at_real, rtol=1e-3)


def test_the_table_of_stacked_garments_counts_combinations(benchmarks, monkeypatch):
    stacked = importlib.import_module("stacked_garments")
    images, labels = stacked.data.load_bundled("test")
    kinds = [np.flatnonzero(labels == kind)[:40] for kind in (2, 8, 9)]
    stacks = np.stack([images[places][..., 0] for places in kinds], axis=-1)
    counts = stacked.count_modes(stacks, stacked.extractors.load("fashion"))
    assert counts.shape == (10, 10, 10) and counts.sum() == 40 and counts.argmax() == 289
    even = np.zeros((10, 10, 10), int)
    even[:5, :2, 0] = 4
    assert stacked.summary(even) == (10, 0, 8, pytest.approx(np.log(100)))
    drawn = stacked.stack(np.arange(8, dtype=np.uint8).reshape(2, 2, 2, 1), 500, np.random.default_rng(0))
    assert drawn.shape == (500, 2, 2, 3) and len(np.unique(drawn[:, 0, 0], axis=0)) == 8

    for name, value in {"EVERY": 1, "COUNT": 30}.items():
        monkeypatch.setattr(stacked, name, value)
    for pack, loss in ((4, "non_saturating"), (1, "relativistic")):
        arm = (pack, "none", 1.0, loss, 0)
        rows = stacked.train((*arm, 2))
        assert [row[:6] for row in rows] == [(*arm, 1), (*arm, 2)]
        assert len(rows[0]) == len(stacked.HEAD) and all(np.isfinite(float(value)) for value in rows[0][6:])

    head, table = read_table(stacked.TABLE.path)
    runs = [(*map(str, arm), seed, step) for arm in stacked.ARMS for seed in "012" for step in ("2000", "4000")]
    assert head == stacked.HEAD and [tuple(row[:6]) for row in table] == runs


def test_the_table_of_inpainting_is_whole_and_its_rows_come_again(benchmarks, monkeypatch):
    inpainting = importlib.import_module("inpainting")
    with open(inpainting.TABLE.path, newline="", encoding="utf-8") as file:
        head, *table = csv.reader(file)
    assert tuple(head) == inpainting.HEAD
    for task in inpainting.TASKS:
        found = [(method, seed) for name, method, seed, *_ in table if name == task]
        drawn = ("search",) if task == "everything" else ("regressor", "search")
        assert sorted(pair for pair in found if pair[1]) == [(m, str(s)) for m in drawn for s in inpainting.SEEDS]
        assert ("truth", "") in found and len(set(found)) == len(found)
        assert len(found) == {"everything": 4, "noise 0.25": 13, "noise 0.5": 13}.get(task, 12)

    # All that draws nothing gives the table's numbers again, and what is trained or searched gives numbers.
    monkeypatch.setattr(inpainting, "STEPS", 2)
    monkeypatch.setattr(inpainting, "SEARCH", {"restarts": 1, "steps": 2})
    runs = (("truth", ""), ("regressor", 0), ("search", 0))
    rows = [row for run in runs for row in inpainting.restore(("random 80%", *run))]
    old = {tuple(row[:3]): row for row in table}
    for row in rows:
        values = [float(value) for value in row[3:9]]
        assert len(row) == len(head) and np.isfinite(values[1:]).all()
        if not row[2]:
            np.testing.assert_allclose(values, [float(value) for value in old[tuple(row[:3])][3:9]], atol=0.02)


def test_what_the_table_of_inpainting_is_made_of(benchmarks):
    inpainting = importlib.import_module("inpainting")
    masks = {task: inpainting.seen(task, (28, 28, 1)) for task in inpainting.TASKS}
    hidden = {task: int((mask == 0).sum()) for task, mask in masks.items()}
    assert hidden["center"] == hidden["colour center"] == 196 and hidden["half"] == 392
    assert hidden["random 80%"] == 627 and not hidden["noise 0.5"] and not hidden["everything"]

    # Both ways to the conditional mean, by pixels and by pictures, are one.
    rng = np.random.default_rng(0)
    training, observed = rng.normal(size=(60, 6, 6, 1)) @ rng.normal(size=(1, 1)), rng.normal(size=(3, 6, 6, 1))
    mask = inpainting.seen("center", (6, 6, 1))
    by_pixels = inpainting.gaussian(training, observed, mask, 0.1)
    by_pictures = inpainting.gaussian(training[:30], observed, mask, 0.1)
    flat, given = training[:30].reshape(30, -1), np.flatnonzero(mask)
    covariance, mean = np.cov(flat, rowvar=False), flat.mean(axis=0)
    block = covariance[np.ix_(given, given)] + 0.1 * np.eye(len(given))
    expected = mean + (observed.reshape(3, -1)[:, given] - mean[given]) @ np.linalg.solve(block, covariance[given])
    np.testing.assert_allclose(by_pictures.reshape(3, -1), expected, atol=1e-8)
    assert by_pixels.shape == observed.shape and not np.allclose(by_pixels, by_pictures)

    # The score is the course's own where both have the same number of pictures.
    real, fake = rng.normal(size=(40, 8)), rng.normal(0.3, 1, size=(40, 8))
    expected = metrics.kid(real, fake, subsets=2, subset_size=40).mean
    value, error, without = inpainting.kid(real, fake, 8)
    assert value == pytest.approx(expected) and error > 0 and len(without) == 8


@pytest.fixture(scope="module")
def runtimes(benchmarks):
    return importlib.import_module("runtimes")


def generators():
    from dcgan_keras import build_generator, data, models

    for name in ("fashion", "emoji"):
        yield models.load_generator(data.assets_folder() / "weights" / f"{name}_generator.keras")
    for kernel_size in (2, 3, 5, 6):
        yield lively(build_generator(28, 3, latent_dim=7, filters=3, kernel_size=kernel_size))


def drawn_twice(generator, draw):
    latents = np.random.default_rng(1).normal(size=(9, generator.input_shape[-1])).astype("float32")
    return draw(latents), generator(latents, training=False)


def test_the_twin_in_numpy_draws_what_keras_draws(runtimes):
    for generator in generators():
        weights = runtimes.weights_of(generator)
        found, wanted = drawn_twice(generator, lambda z, weights=weights: runtimes.numpy_generator(weights, z))
        assert found.dtype == np.float32 and np.std(wanted) > 0.1
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_the_twin_in_pytorch_draws_what_keras_draws(runtimes):
    torch = pytest.importorskip("torch")
    for generator in generators():
        weights = runtimes.weights_of(generator)
        twin = runtimes.torch_generator(weights)
        runtimes.carry_over(weights, twin, len(weights["project_norm"][0]))
        twin.eval()
        with torch.inference_mode():
            found, wanted = drawn_twice(generator, lambda z, twin=twin: twin(torch.from_numpy(z)).numpy())
        np.testing.assert_allclose(found.transpose(0, 2, 3, 1), wanted, atol=1e-5)


def test_ten_steps_in_pytorch_are_those_in_keras(runtimes):
    """In float64 to rounding. In float32 at first: a GAN magnifies what the last digit differs by."""
    pytest.importorskip("torch")
    rows = np.array(runtimes.compare_steps(10, seed=0), dtype=float)
    keras_losses, default, alike = rows[:, 2:4], rows[:, 4:6], rows[:, 6:8]
    assert rows[:, 1].tolist() == list(range(1, 11)) and rows[:, 8].max() < 1e-12
    np.testing.assert_allclose(alike[:3], keras_losses[:3], atol=2e-4)
    np.testing.assert_allclose(default[0], keras_losses[0], atol=1e-5)
    assert np.ptp(keras_losses[:, 0]) > 0.3  # it did train


def test_the_rows_of_runtimes(runtimes):
    found = [dict(zip(runtimes.HEAD, row)) for row in runtimes.compare_runtimes(("fashion", 0.01))]
    assert [row["runtime"] for row in found][:2] == ["Keras", "SavedModel"] and found[-1]["runtime"] == "NumPy"
    assert all(float(row["difference"]) < 1e-5 and float(row["ms_one"]) > 0 for row in found)


def table(path):
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def test_the_committed_tables_of_runtimes_say_what_the_notebook_says():
    found = table(ROOT / "assets" / "tables" / "runtimes.csv")
    assert len(found) == 12 and all(float(row["difference"]) <= 1e-5 for row in found)
    steps = table(ROOT / "assets" / "tables" / "torch_steps.csv")
    assert len(steps) == 30 and all(float(row["double"]) <= 5e-15 for row in steps)


def test_notebook_18_has_the_functions_of_the_script():
    def functions(text):
        nodes = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
        return {node.name: ast.unparse(node) for node in nodes}

    script = functions((ROOT / "benchmarks" / "runtimes.py").read_text(encoding="utf-8"))
    notebook = json.loads((ROOT / "notebooks" / "18_tools_and_resources.ipynb").read_text(encoding="utf-8"))
    code = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    found = functions("\n".join(cell for cell in code if "%pip" not in cell))
    same = {name for name in found if name in script}
    assert len(same) >= 10 and all(found[name] == script[name] for name in same)


def test_the_table_of_super_resolution_holds_each_way(benchmarks, monkeypatch):
    super_resolution = importlib.import_module("super_resolution")
    for name, value in {"COUNT": 8, "OTHERS": 16}.items():
        monkeypatch.setattr(super_resolution, name, value)
    monkeypatch.setitem(super_resolution.TASKS, "short", ("fashion", 2, (0.01,), (2, 2), 2))
    rows = super_resolution.train(("short", "weight 0", 0, (0.01,), 2))
    ways = [(name, number) for name in ("nearest", "bicubic", "gaussian", "weight 0.01") for number in (0, 1)]
    assert [row[:4] for row in rows] == [("short", *way, 0) for way in ways]
    values = np.array([row[4:12] for row in rows], float)
    assert len(rows[0]) == len(super_resolution.HEAD) and np.isfinite(values).all()
    wrong, spread = values.T[-2:]
    assert wrong[0] == 0 < wrong[2] and np.all(wrong[1::2] == 0)  # projected ones show what was seen
    assert spread[-1] > 0 and not spread[:-2].any()

    # The table that is there has each task with each seed.
    monkeypatch.undo()
    with open(super_resolution.TABLE.path, newline="", encoding="utf-8") as file:
        head, *table = csv.reader(file)
    wanted = [(task, str(seed)) for task in super_resolution.TASKS for seed in super_resolution.SEEDS]
    assert tuple(head) == super_resolution.HEAD and list(dict.fromkeys((row[0], row[3]) for row in table)) == wanted


def test_the_kid_of_all_pairs_is_the_modules_and_its_error_the_jackknifes(benchmarks):
    kid = importlib.import_module("inpainting").kid
    rng = np.random.default_rng(0)
    real, fake = rng.normal(0, 1, (20, 5)), rng.normal(0.3, 1, (20, 5))
    value, error, _ = kid(real, fake, len(fake))
    assert value == pytest.approx(metrics.kid(real, fake, subset_size=20).mean)
    without = [kid(real, np.delete(fake, n, axis=0), 19)[0] for n in range(20)]
    assert error == pytest.approx(np.sqrt(19) * np.std(without))


def test_the_gaussian_estimate_is_exact_where_the_map_is_linear(benchmarks):
    super_resolution = importlib.import_module("super_resolution")
    rng = np.random.default_rng(0)
    seen, weights = rng.normal(size=(60, 2, 2)), rng.normal(size=(4, 9))
    images = (seen.reshape(60, 4) @ weights + 3).reshape(60, 3, 3)
    found = super_resolution.gaussian(seen[:50], images[:50], seen[50:])
    np.testing.assert_allclose(found, images[50:], atol=1e-4)


@pytest.mark.parametrize("arm", ["voxels", "mirrored", "motion", "channels", "placed"])
def test_a_run_beyond_images(benchmarks, monkeypatch, arm):
    beyond = importlib.import_module("beyond_images")
    for name in ("furniture", "moving"):
        original = getattr(beyond, name)
        few = {"furniture": lambda count, seed, f=original: f(64, seed)}
        few["moving"] = lambda images, count, seed, f=original: f(images, min(count, 64), seed)
        monkeypatch.setattr(beyond, name, few[name])
    draw = beyond.draw
    monkeypatch.setattr(beyond, "draw", lambda generator, count: draw(generator, min(count, 50)))
    rows = beyond.train((arm, 0, 2))
    assert all(len(row) == len(beyond.HEAD) and row[:3] == (arm, 0, 2) for row in rows)
    found = {row[4]: float(row[5]) for row in rows}
    assert all(np.isfinite(value) for value in found.values())
    if arm in beyond.SHAPES:
        assert all(0 <= value <= 1 for value in found.values()) and found["valid 0.9"] <= found["valid"]
    else:
        assert found["speed"] >= 0 and found["drift"] >= 0 and -1 <= found["straightness"] <= 1

    # The table that is there has each arm with each seed.
    with open(beyond.TABLE.path, newline="", encoding="utf-8") as file:
        head, *table = csv.reader(file)
    assert tuple(head) == beyond.HEAD
    seeds = [row[1] for row in table if row[0] == arm]
    assert seeds == [seed for seed in map(str, beyond.SEEDS) for _ in rows]
    assert {row[4] for row in table if row[0] == arm} == set(found)


def test_what_is_made_beyond_images_is_right(benchmarks):
    beyond = importlib.import_module("beyond_images")
    assert beyond.valid(beyond.furniture(50, 3) > 0.5, 0.9) == 1
    grids = np.zeros((2, 4, 4), bool)
    grids[0, 0, 0] = grids[0, 1, 1] = grids[0, 3, 3] = True  # corners do not touch
    grids[1, 0] = grids[1, :, 3] = True
    assert beyond.pieces(grids).tolist() == [3, 1]
    pictures = np.full((1, 28, 28, 1), 200, np.uint8)
    clips, places = beyond.moving(pictures, 20, 0)
    steps = np.diff(beyond.track(clips), axis=1)
    assert np.median(np.abs(steps - np.diff(places, axis=1))) < 0.1
    assert (beyond.straightness(clips) <= 1).all() and beyond.straightness(clips).mean() > 0.6


def functions(source):
    kinds = (ast.FunctionDef, ast.ClassDef)
    return {node.name: ast.dump(node) for node in ast.parse(source).body if isinstance(node, kinds)}


def notebook_cells(name):
    """The code of a notebook, cell by cell, without what installs and imports."""
    cells = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"][3:]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def test_the_notebooks_beyond_images_have_the_functions_of_the_script():
    """Each is read alone: notebooks open in Colab, the script runs without one."""
    script = functions((ROOT / "benchmarks" / "beyond_images.py").read_text(encoding="utf-8"))
    others = {"moving", "crops"}  # the notebook has one way of shifting for all, the next test compares what they do
    for name, least in (("17_time", 15), ("17b_depth", 12)):
        found = [pair for source in notebook_cells(name) for pair in functions(source).items() if pair[0] in script]
        assert len(found) > least and all(code == script[its] for its, code in found if its not in others)


def test_garments_are_moved_and_cut_out_alike_in_the_notebook_and_the_script(benchmarks):
    beyond = importlib.import_module("beyond_images")
    scope = {"np": np, "ops": importlib.import_module("keras").ops}
    for source in notebook_cells("17_time"):
        if {"shifts", "moving", "crops", "track"} & set(functions(source)):
            code = [node for node in ast.parse(source).body if isinstance(node, (ast.FunctionDef, ast.Assign))]
            kept = [
                node for node in code if isinstance(node, ast.FunctionDef) or "FRAMES" in ast.unparse(node.targets[0])
            ]
            exec(compile(ast.Module(kept, []), "17_time", "exec"), scope)
    pictures = np.random.default_rng(0).integers(0, 256, (9, 28, 28, 1), dtype=np.uint8)
    theirs, mine = beyond.moving(pictures, 40, 3), scope["moving"](pictures, 40, 3)
    np.testing.assert_allclose(mine[1], theirs[1], atol=1e-9)
    for a, b in ((mine[0], theirs[0]), (scope["crops"](theirs[0]), beyond.crops(theirs[0]))):
        difference = np.abs(a.astype(int) - b)  # a share of half a grey level may be rounded otherwise
        assert a.dtype == b.dtype and difference.max() <= 1 and difference.mean() < 1e-3


@pytest.fixture(scope="module")
def real_furniture(benchmarks):
    return importlib.import_module("real_furniture")


def boxes_as_obj(*boxes):
    """An OBJ file of boxes, three pairs of start and end each: x, y (up), z. Every other one counts backwards."""
    lines = []
    for n, box in enumerate(boxes):
        lines += [f"v {x} {y} {z}" for x in box[0] for y in box[1] for z in box[2]]
        for face in ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)):
            numbers = [corner - 8 if n % 2 else 8 * n + corner + 1 for corner in face]
            lines.append("f " + " ".join(f"{number}/1/1" for number in numbers))
    return "\n".join(["# made up", "o table", *lines, ""])


def a_chair(leg, thick=2.0):
    """The boxes of a chair of 8x15x10 (width, height, depth), back at small z."""
    parts = [((0, 8), (6, 6 + thick), (0, 10)), ((0, 8), (6, 15), (0, thick))]
    return parts + [(x, (0, 7), z) for x in ((0, leg), (8 - leg, 8)) for z in ((0, leg), (10 - leg, 10))]


def test_triangles_of_a_chair_become_the_shares_of_a_chair(real_furniture):
    beyond = importlib.import_module("beyond_images")
    triangles = real_furniture.read_obj(boxes_as_obj(*a_chair(1.75)))
    assert triangles.shape == (6 * 12, 3, 3)
    found = real_furniture.voxelise(triangles, (75, 50, 40))  # centimetres: 5 to a voxel
    places = [(y, np.add(z, 3), np.add(x, 4)) for x, y, z in a_chair(1.75)]
    expected = np.max([beyond.box(*sides) for sides in places], axis=0)
    assert found.shape == expected.shape and np.abs(found - expected).mean() < 0.01
    np.testing.assert_array_equal(found > 0.5, expected > 0.5)
    assert beyond.valid(found[None] > 0.5, 0.99) == 1

    # What a surface encloses is full. Where a side is missing, nothing is enclosed.
    closed = real_furniture.voxelise(triangles[:12], (75, 75, 75))
    assert closed.sum() == pytest.approx(15**3, rel=0.02)
    assert real_furniture.voxelise(triangles[:10], (75, 75, 75)).sum() < 15**3 / 2

    # Legs of a fifth of a voxel are made as thick as the thinnest made-up ones. Left as they are, none would be seen.
    thin = real_furniture.read_obj(boxes_as_obj(*a_chair(0.2, 0.2)))
    assert beyond.valid(real_furniture.voxelise(thin, (75, 50, 40))[None] > 0.5, 0.99) == 1
    assert not (real_furniture.voxelise(thin, (75, 50, 40), thin=0)[:5] > 0.5).any()


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("Wheelchair", True), ("Chair with cushion", True), ("Table on trestles", True), ("Bar stool", True)]
    + [("Desk lamp", False), ("Table fan", False), ("Table tennis", False), ("Sofa", False), ("Piano bench", False)],
)
def test_which_real_furniture_is_taken(real_furniture, name, wanted):
    assert real_furniture.is_wanted(name) == wanted


def a_package(path):
    """A Debian package with one catalogue of a chair, a table that is turned, and a lamp."""
    row = "id#{0}=Made up#{1}\nname#{0}={1}\ncreator#{0}=Ann\nmodel#{0}=/made/{1}/it.obj\n"
    row += "width#{0}={2}\ndepth#{0}={3}\nheight#{0}=75\n"
    rows = [row.format(1, "Chair", 40, 50), row.format(2, "Table", 50, 40), row.format(3, "Desk lamp", 5, 5)]
    rows[1] += "modelRotation#2=0 0 1 0 1 0 -1 0 0\n"
    library = io.BytesIO()
    with zipfile.ZipFile(library, "w") as archive:
        archive.writestr("PluginFurnitureCatalog.properties", "id=Made up\n" + "\n".join(rows))
        archive.writestr("made/Chair/it.obj", boxes_as_obj(*a_chair(1.75)))
        archive.writestr("made/Table/it.obj", boxes_as_obj(*a_chair(1.75)))
        archive.writestr("made/Chair/LICENSE.html", "<b>Creative Commons Zero</b>")
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w:xz") as archive:
        texts = {"./doc/copyright": b"Files: Made-up/*\nCopyright: Ann\nLicense: CC-BY-3.0\n"}
        for name, content in (texts | {"./share/Made-up.sh3f": library.getvalue()}).items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    parts = b"!<arch>\n"
    for name, content in {"debian-binary": b"2.0\n", "control.tar.xz": b"odd", "data.tar.xz": tar.getvalue()}.items():
        header = f"{name:16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n"
        parts += header.encode() + content + b"\n" * (len(content) % 2)
    path.write_bytes(parts)


def test_the_package_of_real_furniture_is_read(real_furniture, tmp_path, monkeypatch):
    a_package(tmp_path / "made.deb")
    pieces, shapes = real_furniture.load(tmp_path / "made.deb")
    assert [(piece["id"], piece["licence"]) for piece in pieces] == [
        ("Made up#Chair", "CC0"),
        ("Made up#Table", "CC-BY-3.0"),
    ]
    solid = shapes > 0.5
    assert solid[0, 12].sum(axis=1).nonzero()[0].tolist() == [3, 4]  # the back is at small depth
    # A quarter of a turn sends z to x and x to -z.
    assert solid[1, 12].sum(axis=0).nonzero()[0].tolist() == [3, 4]

    # Only what says of itself that it is in the public domain is written.
    monkeypatch.setattr(sys, "argv", ["", "--deb", str(tmp_path / "made.deb"), "--pieces", str(tmp_path / "some.npz")])
    real_furniture.main()
    with np.load(tmp_path / "some.npz", allow_pickle=False) as arrays:
        assert arrays["id"].tolist() == ["Made up#Chair"] and arrays["creator"].tolist() == ["Ann"]
        np.testing.assert_allclose(arrays["shares"] / 255, shapes[:1], atol=0.003)


def test_without_the_package_of_real_furniture_one_sentence_says_so(real_furniture, tmp_path, monkeypatch):
    for arguments in ([], ["--deb", str(tmp_path / "missing.deb")]):
        monkeypatch.setattr(sys, "argv", ["", *arguments])
        with pytest.raises(SystemExit, match="apt-get download sweethome3d-furniture"):
            real_furniture.main()
    (tmp_path / "other.deb").write_bytes(b"no package")
    monkeypatch.setattr(sys, "argv", ["", "--deb", str(tmp_path / "other.deb")])
    with pytest.raises(SystemExit, match="is no Debian package"):
        real_furniture.main()


def test_a_run_of_the_table_of_real_furniture(real_furniture, monkeypatch):
    monkeypatch.setattr(real_furniture, "furniture", lambda count, seed: furniture(40, seed))
    monkeypatch.setattr(real_furniture, "SEARCH", {"steps": 25, "learning_rate": 0.1, "prior": 3e-3})
    furniture = importlib.import_module("beyond_images").furniture
    pieces = [{"id": str(n), "name": "", "creator": "", "licence": ""} for n in range(8)]
    rows = real_furniture.train(("mirrored", 0, pieces, furniture(8, 0), 2))
    assert [row[0] for row in rows] == [*map(str, range(8)), "furniture(200, 1)"]
    named = [dict(zip(real_furniture.HEAD, row)) for row in rows]
    assert all(float(row["nearest"]) == 1 and row["fails"] == "" for row in named[:8])  # they are the training shapes
    assert all(0 <= float(row[name]) <= 1 for row in named for name in ("search", "random", "mean", "valid"))


def test_the_table_of_real_furniture_is_whole(real_furniture):
    head, rows = read_table(real_furniture.TABLE.path)
    assert head == real_furniture.HEAD
    table = [dict(zip(head, row)) for row in rows]
    keys = [(row["arm"], row["seed"], row["id"]) for row in table]
    pieces = list(dict.fromkeys(row["id"] for row in table))
    assert len(pieces) == 115 and pieces[-1] == real_furniture.MADE_UP["id"]
    assert keys == [
        (arm, str(seed), its) for arm in real_furniture.ARMS for seed in real_furniture.SEEDS for its in pieces
    ]
    for arm in real_furniture.ARMS:
        for seed in map(str, real_furniture.SEEDS):
            rows = [row for row in table if (row["arm"], row["seed"]) == (arm, seed)]
            values = {name: np.array([float(row[name]) for row in rows]) for name in ("search", "random", "mean")}
            assert np.median(values["search"]) > np.median(values["random"]) > np.median(values["mean"])

    # The pieces that come with the course are rows of it, each in the public domain, and fail the tests it says.
    beyond = importlib.import_module("beyond_images")
    with np.load(ROOT / "assets" / "data" / "furniture.npz", allow_pickle=False) as arrays:
        its, shares = arrays["id"].tolist(), arrays["shares"]
    rows = {row["id"]: row for row in table}
    assert {rows[each]["licence"] for each in its} == {"CC0"} and shares.shape == (26, 16, 16, 16)
    # Above one half, as the table has it: a share of exactly one half became 128.
    failed = {name: ~passed for name, passed in beyond.report(shares > 128).items()}
    for n, each in enumerate(its):
        assert rows[each]["fails"] == ", ".join(name for name, flags in failed.items() if flags[n])


# What came after


@pytest.fixture(scope="module")
def after_dcgan():
    with from_benchmarks("after_dcgan") as (module,):
        yield module


@pytest.mark.parametrize("arm", ["clusters", "relativistic", "vae", "flow", "drifting"])
def test_a_run_of_the_table_after_dcgan(after_dcgan, monkeypatch, tmp_path, arm):
    monkeypatch.setattr(after_dcgan, "COUNT", 500)
    monkeypatch.setattr(after_dcgan, "BUILD", tmp_path)
    monkeypatch.setattr(after_dcgan, "STEP", {arm: 5_000.0})
    monkeypatch.setattr(after_dcgan, "judged", lambda drawn, whole: (drawn.shape, drawn.dtype, drawn.std() > 0, whole))
    rows = after_dcgan.train((arm, 0, 10.0))
    assert [row[2:4] for row in rows][:2] == [("5", 1), ("10", 2)]
    assert all(row[6:9] == ((500, 28, 28, 1), np.uint8, True) for row in rows)
    drawn_with = [row[5] for row in rows if row[2] == "10"]
    assert [row[5] for row in rows if row[-1]] == drawn_with[-1:]
    assert drawn_with == (list(after_dcgan.EVALUATIONS) if arm == "flow" else [1])
    assert len(list(tmp_path.glob("*.png"))) == len(drawn_with)


def test_photographs_are_judged_as_photographs(after_dcgan):
    found = after_dcgan.judged(after_dcgan.data.load_bundled("train")[0][::2], whole=True)
    fid, kid, precision, recall, outside, *nearest = map(float, found)
    assert fid < 0.2 and abs(kid) < 0.01 and precision > 0.8 and recall > 0.8
    assert abs(outside) < 0.01 and max(nearest) < 0.01  # they are among the training pictures


def test_a_flow_that_knows_the_pictures_draws_them(after_dcgan):
    """From any noise, with any number of evaluations: here there is one picture."""
    noise = tf.random.stateless_normal((4, 784), (0, 0))
    for evaluations in (1, 3, 8):
        drawn = after_dcgan.flow_draws(lambda images, t: tf.zeros_like(images) + 0.3, noise, evaluations)
        np.testing.assert_allclose(drawn, np.full((4, 784), 0.3), atol=1e-5)


def test_a_drift_pulls_to_real_points_and_pushes_from_others(after_dcgan):
    real = tf.random.stateless_normal((300, 2), (0, 1))
    apart = tf.constant([[-3.0, 0.0], [-3.1, 0.0]])
    moved = after_dcgan.drift(apart, real, (0.2,)).numpy()
    assert (moved[:, 0] > 0).all()
    # Between two equal heaps only the push is left, and it drives two points apart.
    heaps = tf.constant([[-3.0, 0.0], [3.0, 0.0]])
    moved = after_dcgan.drift(tf.constant([[-0.1, 0.0], [0.1, 0.0]]), heaps, (1.0,)).numpy()
    assert moved[0, 0] < 0 < moved[1, 0]


def test_relativistic_pairs_and_their_penalty(after_dcgan):
    a, b = tf.constant([[2.0], [0.5]]), tf.constant([[-1.0], [1.0]])
    by_hand = np.mean(np.log1p(np.exp([-3.0, 0.5])))
    assert float(after_dcgan.relativistic(a, b)) == pytest.approx(by_hand, rel=1e-5)
    assert float(after_dcgan.relativistic(a + 7, b + 7)) == pytest.approx(by_hand, rel=1e-4)
    linear = keras.Sequential([layers.Input((2, 2, 1)), layers.Flatten(), layers.Dense(1, use_bias=False)])
    linear.set_weights([np.array([[1.0], [2.0], [3.0], [4.0]])])
    logits, slope = after_dcgan.penalised(linear, tf.ones((3, 2, 2, 1)))
    assert float(slope) == pytest.approx(15) and logits.shape == (3, 1)


def test_notebook_19_has_the_functions_of_the_script():
    """It is read alone: it opens in Colab, the script runs without one."""
    script = functions((ROOT / "benchmarks" / "after_dcgan.py").read_text(encoding="utf-8"))
    cells = notebook_cells("19_after_dcgan")
    found = [pair for source in cells for pair in functions(source).items() if pair[0] in script]
    assert len(found) == 14 and all(code == script[name] for name, code in found)


def test_the_table_after_dcgan_is_whole(after_dcgan):
    with open(after_dcgan.TABLE.path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for arm in after_dcgan.ARMS:
        for seed in after_dcgan.SEEDS:
            its = [row for row in rows if row["arm"] == arm and row["seed"] == str(seed)]
            moments = list(dict.fromkeys(float(row["seconds"]) for row in its))
            assert moments == after_dcgan.marks(moments[-1]) and moments[-1] >= after_dcgan.SECONDS
            assert float(its[-1]["fid"]) < 40  # above that something is broken, and no result
            most = {row["seconds"]: row["evaluations"] for row in its}
            whole = [float(row["seconds"]) >= after_dcgan.SECONDS for row in its]
            last = [most[row["seconds"]] == row["evaluations"] for row in its]
            assert [bool(row["nearest"]) for row in its] == [a and b for a, b in zip(whole, last)]


# In colour


def test_a_run_of_the_table_of_colour(monkeypatch, tmp_path):
    with from_benchmarks("colour") as (colour,):
        load = data.load_bundled
        monkeypatch.setattr(data, "load_bundled", lambda split, name: [part[:192] for part in load(split, name)])
        monkeypatch.setattr(colour, "MARK", 1)
        monkeypatch.setattr(colour, "BUILD", tmp_path)
        for arm in colour.ARMS:
            (row,) = colour.train((arm, 10, 1))
            found = dict(zip(colour.HEAD, row))
            assert len(row) == len(colour.HEAD) and row[:3] == (arm, 10, 1)
            assert float(found["seconds"]) > 0  # of all steps but the first of six
            assert float(found["kid"]) > 1 and float(found["pixels"]) > 0.5  # hardly trained
        colour.draw_picture(tmp_path / "both.png")
        assert Image.open(tmp_path / "both.png").size == (15 * 66 + 2, 2 * (4 * 66 + 2))


def test_the_table_of_colour_is_whole():
    with from_benchmarks("colour") as (colour,):
        with open(colour.TABLE.path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        for arm in colour.ARMS:
            for seed in colour.SEEDS:
                its = [int(row["epoch"]) for row in rows if row["arm"] == arm and row["seed"] == str(seed)]
                assert its == list(range(colour.MARK, colour.EPOCHS[arm] + 1, colour.MARK))


def test_a_run_on_a_folder_is_what_the_command_line_makes_of_it(monkeypatch, tmp_path):
    """Its preset and its size, a tenth held out, and the arm's settings; nothing is trained here."""
    for number, image in enumerate(np.random.default_rng(0).integers(0, 256, (110, 40, 36, 3), dtype=np.uint8)):
        (tmp_path / "mine").mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / "mine" / f"{number}.png")
    with from_benchmarks("stability", "folders") as (stability, folders):
        built = []

        def epochs_of(gan, stream, steps, epochs):
            built.append((gan.generator.output_shape, models.clusters(gan.generator), gan.d_optimizer.learning_rate))
            logs = {"d_real": 0.5, "d_fake": 0.5}
            yield from ((epoch, float(epoch), logs) for epoch in range(1, epochs + 1))

        monkeypatch.setattr(stability, "epochs_of", epochs_of)
        monkeypatch.setattr(folders, "BUILD", tmp_path)
        monkeypatch.setattr(folders, "FOLDERS", {"small": "mine"})
        for arm, clusters, rate in (("plain", 0, 2e-3), ("groups, shifts", 20, 1e-3)):
            rows = folders.train(("small", arm, 1, 0.5))
            assert [row[:4] for row in rows] == [("small", arm, 1, 99)] * 2
            assert all(len(row) == len(folders.HEAD) for row in rows) and rows[1][4] == 2 * rows[0][4]
            assert (tmp_path / f"small, {arm}, seed 1.png").is_file()
            shape, told, d_rate = built.pop()
            assert (shape, told, float(d_rate)) == ((None, 32, 32, 3), clusters, pytest.approx(rate))
        folders.train(("small", "grey, shifts", 1, 0.5))
        shape, told, _ = built.pop()
        assert shape == (None, 28, 28, 1) and not told
        folders.draw_picture(tmp_path / "both.png", "small")
        assert Image.open(tmp_path / "both.png").size == (15 * 34 + 2, 2 * (2 * 34 + 2))


def test_an_archive_that_is_not_there_is_named(tmp_path):
    with (
        from_benchmarks("folders") as (folders,),
        pytest.raises(SystemExit, match="apt-get download oxygen-icon-theme"),
    ):
        folders.unpack(tmp_path)


def test_sheets_without_a_name_are_told_by_a_list(monkeypatch, tmp_path):
    with from_benchmarks("stability") as (stability,):
        monkeypatch.setattr(stability, "BUILD", tmp_path)
        runs = [f"{arm}, seed {seed}" for arm in ("plain28", "laptop", "labels") for seed in (10, 11)]
        for run in runs:
            (tmp_path / f"{run}.png").write_bytes(run.encode())
        stability.hide_names()
        told = (tmp_path / "sheets.csv").read_text(encoding="utf-8").splitlines()
        told = dict(line.split(",", 1) for line in told[1:])
        assert sorted(told) == ["A.png", "B.png", "C.png", "D.png"] and sorted(told.values()) == sorted(runs[:4])
        assert all((tmp_path / name).read_bytes() == run.encode() for name, run in told.items())


# The profile


def test_a_profile_adds_up_to_a_step():
    with from_benchmarks("step_profile") as (step_profile,):
        found = step_profile.profile("laptop", steps=2)
        parts = step_profile.shares(found)
    assert found["MatMul"] + found["_MklMatMul"] > 0 and 0.3 < parts["convolutions"] < 0.95
    assert min(parts.values()) > 0 and sum(parts.values()) == pytest.approx(1)
