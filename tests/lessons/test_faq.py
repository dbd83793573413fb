"""The page of questions and answers: each number on it is computed here from the table that it names."""

import csv
import json
import re

import numpy as np
import pytest
from conftest import ROOT

PAGE = (ROOT / "notebooks" / "faq.md").read_text(encoding="utf-8")
TEXT = " ".join(PAGE.split())
# Numbers that are names, not measurements.
NAMES = (
    "Section 9.1 of",
    "Section 9.2 of",
    "Section 9.3 of",
    "Section 7 of",
    "Section 8 of",
    "`beta_1` from 0.5 to 0.9",
    "`beta_1` from 0.9 to 0.5",
    "the penalty R1",
    "`beta_1` of 0.5",
    "2,000 images of each, against 2,000 test",
    "float64",
    "float32",
)


def table(name):
    lines = (ROOT / "assets" / "tables" / f"{name}.csv").read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def values(name, column, **wanted):
    found = [float(row[column]) for row in table(name) if all(row[key] == value for key, value in wanted.items())]
    assert len(found) >= 3, (name, wanted)
    return found


def span(found, digits):
    return f"{min(found):.{digits}f} to {max(found):.{digits}f}"


def of(name, column, digits, **wanted):
    return span(values(name, column, **wanted), digits)


def results(name):
    return json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text(encoding="utf-8"))


def kinds():
    """Rows on the dense GAN and the DCGAN."""
    whole = {"pixels": "photographs", "share": "1"}
    for column, digits in (("fid", 1), ("recall", 2), ("precision", 2), ("quick_fid", 1)):
        dense, dcgan = (
            of("dense_and_dcgan", column, digits, network=network, **whole) for network in ("dense", "convolutional")
        )
        yield f"| {dense} | {dcgan} |"
    for network, text in (
        ("dense", "FID is {} (photographs: {}), the"),
        ("convolutional", "DCGAN's {} (photographs: {})"),
    ):
        both = (
            of("dense_and_dcgan", "fid", 1, network=network, share="0.5", pixels=pixels)
            for pixels in ("shuffled", "photographs")
        )
        yield text.format(*both)


def changes():
    """Rows on hyperparameters."""
    sick = {run: of("sick_runs", "fid", 1, run=run) for run in ("healthy", "slow G", "slow D", "beta_1 0.9")}
    yield f"rate a hundredth | FID {sick['healthy']} | {sick['slow G']} | [07](07_training_and_gifs.ipynb)"
    yield f"rate a hundredth | {sick['healthy']} | {sick['slow D']} |"
    yield f" | {sick['healthy']} | {sick['beta_1 0.9']} | the same |"
    for rate, start in (("0.0015", "non-saturating one"), ("0.0005", "third of the discriminator's rate")):
        both = (
            of("saturating", "fid", 1, game="clothes", d_rate=rate, beta_2="0.999", loss=loss)
            for loss in ("non-saturating", "saturating")
        )
        yield f"{start} | {' | '.join(both)} |"
    given, left_out = (
        of("without_training_flag", "fid", 1, training=each, step="1200") for each in ("given", "left out")
    )
    yield f"left out | {given} | {left_out} |"
    bad, momentum, bare, r1 = (
        of("remedies", "kid_averaged", 2, arm=arm, step="800") for arm in ("bad", "beta_1 0.5", "no norm", "R1 no norm")
    )
    yield f" | KID {bad} | {momentum} |"
    yield f"rates: no BatchNorm in D | {bad} | {bare} |"
    yield f", and no BatchNorm in D | {bad} | {r1} |"
    for count in ("100", "1911"):
        before, after = (
            of("few_pictures", "kid", 2, count=count, augment=augment, step="4000") for augment in ("", "translation")
        )
        yield f"| {int(count):,} pictures in colour, shifted at random | {before} | {after} |"
    before, after = (of("colour", "kid", 2, arm=arm, epoch="136") for arm in ("laptop64", "groups, shifts"))
    yield f"1,911 pictures, twice as many steps: shifts, groups and a slower D | {before} | {after} |"
    ends = {(row["folder"], row["arm"], row["seed"]): float(row["kid"]) for row in table("folders")}
    before, after = ([kid for run, kid in ends.items() if run[1] == arm] for arm in ("plain", "groups, shifts"))
    assert len(before) == len(after) == 15 and all(one > other for one, other in zip(before, after))
    counts = [round(int(row["count"]), -2) for row in table("folders")]
    yield f"five folders of {min(counts):,} to {max(counts):,} pictures"
    yield f"shifts, groups and a slower D | {span(before, 2)} | {span(after, 2)} |"
    yield "100 pictures cost something with 1,911"
    curves = results("time_to_quality")["curves"]
    ends = {
        name: [min(score for _, score in curve) for curve in curves[name].values()]
        for name in ("plain28 preset", "tutorial")
    }
    times = 452 / 9.5  # MFLOP an image, as the README has them; counted in tests/test_benchmarks.py
    yield f"an FID of {span(ends['plain28 preset'], 1)}, where"
    yield f"{times:.0f} times the arithmetic an image, has {span(ends['tutorial'], 1)} at best"


def kinds_kept():
    """What helps a generator that draws few kinds."""
    end = {"mixture": "ring", "step": "5000"}
    arms = ("plain", "R1", "unrolled 5")
    plain, r1, unrolled = (values("ring_and_grid", "captured_25", arm=arm, **end) for arm in arms)
    assert len(plain) == 10 and len(set(r1)) == len(set(unrolled)) == 1
    yield f"keeps {span(plain, 0)} of the eight kinds, with R1 it keeps {r1[0]:.0f}."
    yield f"it keeps {unrolled[0]:.0f} of the eight kinds;"
    without, with_r1, r3gan = (
        values("stacked_garments", "modes", pack="1", normalization="none", r1_gamma=gamma, loss=loss, step="4000")
        for gamma, loss in (("0.0", "non_saturating"), ("1.0", "non_saturating"), ("1.0", "relativistic"))
    )
    assert all(len(those) == 3 for those in (without, with_r1, r3gan))
    yield f"Of {10**3:,} kinds of stacked garments, three seeds draw {span(without, 0)} without a remedy"
    yield f"{span(with_r1, 0)} with R1, and {span(r3gan, 0)} with the loss of R3GAN"
    before, after = (values("stability", "recall", arm=arm, epoch="60") for arm in ("laptop", "clusters"))
    assert len(before) == len(after) == 10
    yield f"from {np.median(before):.2f} to {np.median(after):.2f}."
    dense, dcgan = (
        np.median(values("dense_and_dcgan", "recall", network=network, pixels="photographs", share="1"))
        for network in ("dense", "convolutional")
    )
    assert 6 < dcgan / dense < 7
    yield "less than a sixth of the recall"


def scores():
    """Rows on judging."""
    found = {(row["subject"], row["metric"]): row["value"] for row in results("scores")}
    for title, subject in (
        ("other real images", "real training images"),
        ("the committed generator", "fashion_generator"),
        ("`laptop` after 2 minutes", "laptop-0-2min"),
        ("real images, blurred", "real, blurred 2x2"),
        ("a dense GAN after 5 minutes", "dense-0-5min"),
        ("TensorFlow's tutorial after 60 minutes", "tutorial-1-60min"),
    ):
        fid, precision, recall, score = (
            found[subject, metric] for metric in ("fid", "precision", "recall", "inception_score")
        )
        yield f"| {title} | {fid:.2f} | {precision:.2f} | {recall:.2f} | {score:.1f} |"
    seeds = values("saturating", "fid", game="clothes", d_rate="0.0015", beta_2="0.999", loss="saturating")
    yield "{:.1f}, {:.1f} and {:.1f}".format(*seeds)


def frameworks():
    """The last answer."""
    most = max(float(row["double"]) for row in table("torch_steps"))
    assert most < 5e-15
    yield "less than 5e-15 in"
    rows = table("runtimes")
    yield f"at most {max(float(row['difference']) for row in rows):.0e}".replace("e-0", "e-")
    times = [float(row["ms_one"]) for row in rows if row["generator"] == "fashion"]
    yield f"between {min(times):.2f} and {max(times):.2f} milliseconds"


def after():
    """What came after: by arm, FID after 5, 20 and 160 seconds, recall at the end, evaluations of a picture."""
    for arm, text in (
        ("plain28", "DCGAN, `plain28`"),
        ("laptop", "with a hidden layer, `laptop`"),
        ("clusters", "`laptop`, told 50 groups"),
        ("relativistic", "the loss of R3GAN"),
        ("vae", "variational autoencoder"),
        ("flow", "flow matching"),
        ("drifting", "drifting"),
    ):
        most = {"flow": "32"}.get(arm, "1")
        fids = [of("after_dcgan", "fid", 1, arm=arm, seconds=at, evaluations=most) for at in ("5", "20", "160")]
        recall = of("after_dcgan", "recall", 2, arm=arm, seconds="160", evaluations=most)
        went_on = arm in ("laptop", "clusters", "relativistic", "flow")
        fids.append(of("after_dcgan", "fid", 1, arm=arm, seconds="640", evaluations=most) if went_on else "-")
        yield f"| {text} | {' | '.join(fids)} | {recall} | {most} |"
    once = of("after_dcgan", "fid", 1, arm="flow", seconds="160", evaluations="1")
    yield f"after {160} s, with one evaluation its FID is {once}"
    yield "after 5 s | after 20 s | after 160 s | after 640 s | recall after 160 s"
    usual, r3gan = (values("after_dcgan", "fid", arm=arm, seconds="640") for arm in ("laptop", "relativistic"))
    assert len(usual) == len(r3gan) == 3 and all(ours < theirs for ours, theirs in zip(r3gan, usual))
    recall, plain = (of("after_dcgan", "recall", 2, arm=arm, seconds="640") for arm in ("relativistic", "laptop"))
    yield f"After {640} seconds the loss of R3GAN is ahead of the usual one"
    yield f"on all three seeds, with a recall of {recall}, where the usual one has {plain}."


CLAIMS = [*kinds(), *changes(), *kinds_kept(), *scores(), *frameworks(), *after()]


@pytest.mark.parametrize("claim", CLAIMS)
def test_what_the_page_says_is_what_the_table_has(claim):
    assert claim in TEXT


def test_no_number_on_the_page_is_left_unchecked():
    text = TEXT
    for part in [*CLAIMS, *NAMES]:
        assert part in text or part in CLAIMS, part
        text = text.replace(part, " ")
    text = re.sub(r"\[[^\]]*\]\([^)]*\)", " ", text)  # links
    text = re.sub(r"`[^`]*`", " ", text)
    assert not re.findall(r".{0,40}\d.{0,20}", text)


def test_the_order_of_what_it_compares_is_as_it_says():
    found = {(row["subject"], row["metric"]): row["value"] for row in results("scores")}
    assert found["real, blurred 2x2", "fid"] > found["fashion_generator", "fid"]
    assert found["real, blurred 2x2", "inception_score"] > found["fashion_generator", "inception_score"] + 0.5
    assert 0 < found["real training images", "precision"] - found["dense-0-5min", "precision"] < 0.02


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)]+)\)", PAGE))
def test_its_links_lead_to_a_section_that_is_there(target):
    file, _, section = target.partition("#")
    cells = json.loads((ROOT / "notebooks" / file).read_text(encoding="utf-8"))["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    headings = {heading.replace(" ", "-") for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}
    assert not section or section in headings, target


@pytest.mark.parametrize("name", re.findall(r"`([\w/]+\.(?:csv|json))`", PAGE))
def test_the_tables_that_it_names_are_there(name):
    assert (ROOT / name).is_file() or (ROOT / "assets" / "tables" / name).is_file()
