"""The benchmarks run and count right. How fast anything is, no test asserts."""

import importlib
import json
import sys

import numpy as np
import pytest
from conftest import ROOT


@pytest.fixture(scope="module")
def benchmarks():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    yield importlib.import_module("contestants"), importlib.import_module("throughput")
    sys.path.remove(str(ROOT / "benchmarks"))


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
    few = [contestants.Tutorial(), contestants.Ours.laptop()]
    monkeypatch.setattr(throughput, "all_contestants", lambda: few)
    path = tmp_path / "throughput.json"
    monkeypatch.setattr(sys, "argv", ["throughput.py", "--rounds", "1", "--seconds", "0.1", "--json", str(path)])
    throughput.main()
    rows = json.loads(path.read_text())
    assert [row["contestant"] for row in rows] == ["tutorial", "ours, laptop preset"]
    assert all(set(row) == {"contestant", "images_per_second", "share_of_peak"} for row in rows)
    assert "matrix-product peak" in capsys.readouterr().out


def test_domain_fid_is_the_closed_form_of_its_features(benchmarks, tmp_path):
    """Against scipy-free mathematics: features with diagonal covariances have a Fréchet distance by hand."""
    domain_fid = importlib.import_module("domain_fid")
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(4000, 2)), 2 * rng.normal(size=(4000, 2)) + 3

    class Identity:
        def predict(self, x, **_):
            return x

    fid = domain_fid.DomainFID.__new__(domain_fid.DomainFID)
    fid.features = Identity()
    fid.real = fid._statistics(a)
    assert fid(a) == pytest.approx(0, abs=1e-9)
    assert fid(b) == pytest.approx(2 * 3**2 + 2 * (2 - 1) ** 2, rel=0.05)


def test_first_time_at_a_level(benchmarks):
    time_to_quality = importlib.import_module("time_to_quality")
    curve = [(10, 50.0), (20, 30.0), (30, 35.0), (40, 20.0)]
    assert time_to_quality.seconds_until(curve, 30) == 20
    assert time_to_quality.seconds_until(curve, 10) is None
