"""The long tables: each is what its script makes, run by run. What trains for long has stand-ins here."""

import importlib
import json
import re
import sys

import pytest
from conftest import ROOT, from_benchmarks

TABLES = sorted(path.stem for path in (ROOT / "assets" / "tables").glob("*.csv"))


@pytest.fixture(scope="module")
def rooms():
    """The modules `tables` and `again` of the benchmarks."""
    with from_benchmarks("tables", "again") as both:
        yield both


@pytest.fixture
def small(rooms, monkeypatch):
    """A table of two arms and three seeds, and the runs that were trained, in this process."""
    tables, _ = rooms
    trained = []

    def train(run):
        trained.append(run)
        arm, seed, steps = run
        return [(arm, seed, step, f"{step / 7:.4f}") for step in (5, 10) if step <= steps]

    def train_all(train, wanted, jobs):
        return map(train, wanted)

    monkeypatch.setattr(tables, "train_all", train_all)
    runs = [(arm, seed) for seed in (0, 1, 2) for arm in ("plain", "R1 no norm")]
    options = {"key": ("arm", "seed"), "within": ("step",), "runs": runs, "steps": 10}
    return tables.Table("small", ("arm", "seed", "step", "kid"), train=train, **options), trained


def test_every_table_is_known_and_says_how_it_was_made(rooms):
    tables, again = rooms
    made = json.loads((tables.FOLDER / "made.json").read_text(encoding="utf-8"))
    readme = (tables.FOLDER / "README.md").read_text(encoding="utf-8")
    assert list(made) == TABLES and set(TABLES) <= set(again.PARTS)
    for name, about in made.items():
        assert about["sha256"] == tables.sha256(tables.FOLDER / f"{name}.csv"), name
        assert about["command"].startswith(f"python benchmarks/{name}.py"), name
        assert re.fullmatch("[0-9a-f]{7,}", about["commit"]) and about["machine"] and about["versions"]
        assert f"| `{name}.csv` |" in readme and f"`python benchmarks/{name}.py" in readme


@pytest.mark.parametrize("name", TABLES)
def test_a_table_has_the_head_the_order_and_the_runs_of_its_script(rooms, name):
    tables, again = rooms
    table, part = importlib.import_module(name).TABLE, again.PARTS[name]
    rows = tables.read(table.path)
    assert table.name == name and table.path.read_text(encoding="utf-8").splitlines()[0] == ",".join(table.head)
    assert rows == sorted(rows, key=table.order or table.place)
    there = {table.key_of(row) for row in rows}
    runs = [*table.runs, *table.then(rows)]
    assert there >= {tuple(map(str, run[: len(table.key)])) for run in runs}
    assert set(part.arms) <= set(table.arms()) and set(part.seeds) <= {table.seed(run) for run in runs}
    marks = [tuple(row[table.head.index(column)] for column in (*table.key, *table.within)) for row in rows]
    assert len(set(marks)) == len(rows)  # or no row could be told from another


def test_arms_seeds_and_steps_choose(small, tmp_path, monkeypatch, capsys):
    table, trained = small
    options = ["--arms", "R1 no norm", "--seeds", "2", "0", "--steps", "5", "--csv", str(tmp_path / "some.csv")]
    monkeypatch.setattr(sys, "argv", ["small.py", *options])
    table.main()
    assert trained == [("R1 no norm", 0, 5), ("R1 no norm", 2, 5)]
    text = (tmp_path / "some.csv").read_text(encoding="utf-8")
    assert text == "arm,seed,step,kid\nR1 no norm,0,5,0.7143\nR1 no norm,2,5,0.7143\n"
    assert list(tmp_path.iterdir()) == [tmp_path / "some.csv"]  # no note on a table that does not come with the course

    monkeypatch.setattr(sys, "argv", ["small.py", "--arms", "R1"])
    with pytest.raises(SystemExit):
        table.main()
    assert "invalid choice: 'R1' (choose from" in capsys.readouterr().err


def test_only_what_is_missing_or_too_short_is_trained(small, tmp_path):
    table, trained = small
    path = tmp_path / "some.csv"
    table.make(path, seeds=[1])
    table.make(path, ["plain"], [0], 5)
    trained.clear()
    rows = table.make(path, seeds=[0, 1])
    assert trained == [("plain", 0, 10), ("R1 no norm", 0, 10)]
    runs = [(arm, seed) for arm in ("plain", "R1 no norm") for seed in "01"]
    assert [tuple(row[:3]) for row in rows] == [(*run, step) for run in runs for step in ("5", "10")]


def test_a_write_that_is_cut_off_leaves_the_table_as_it_was(small, rooms, tmp_path, monkeypatch):
    table, _ = small
    path = tmp_path / "some.csv"
    table.make(path, seeds=[0])
    before = path.read_bytes()

    class Cut:
        def __init__(self, file, **_):
            self.file = file

        def writerows(self, rows):
            self.file.write("arm,se")
            raise KeyboardInterrupt

    monkeypatch.setattr(rooms[0].csv, "writer", Cut)
    with pytest.raises(KeyboardInterrupt):
        table.make(path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_a_table_of_the_course_gets_a_note(small, rooms, tmp_path, monkeypatch):
    table, _ = small
    monkeypatch.setattr(rooms[0], "FOLDER", tmp_path)
    monkeypatch.setattr(sys, "argv", ["small.py", "--seeds", "0", "2"])
    (tmp_path / "made.json").write_text('{"zoo": {"commit": "1"}}', encoding="utf-8")
    table.main()
    made = json.loads((tmp_path / "made.json").read_text(encoding="utf-8"))
    assert list(made) == ["small", "zoo"]
    about = made["small"]
    assert about["sha256"] == rooms[0].sha256(tmp_path / "small.csv")
    assert (about["command"], about["seeds"]) == ("python benchmarks/small.py --seeds 0 2", "0 2")
    assert "cores" in about["machine"] and {"keras", "tensorflow"} <= set(about["versions"]) and about["commit"]


PLANTED = {
    "exact": ("inpainting", "half,biharmonic,,8.7794", "half,biharmonic,,8.7795", "psnr of half, biharmonic is 8.7794"),
    "trained": ("remedies", "preset,0,200,0.7053", "preset,0,200,9.7053", "kid_raw of preset, 0, 200 is 0.7053"),
    "text": ("real_furniture", "5.1,four legs,0", "5.1,one piece,0", "is four legs now and one piece in the table."),
}


@pytest.mark.parametrize("kind", PLANTED)
def test_a_number_that_the_script_does_not_make_is_named(rooms, tmp_path, monkeypatch, capsys, kind):
    tables, again = rooms
    name, true, false, said = PLANTED[kind]
    text = (tables.FOLDER / f"{name}.csv").read_text(encoding="utf-8")
    rows = tables.read(tables.FOLDER / f"{name}.csv")
    assert true in text
    monkeypatch.setattr(again, "made_again", lambda table, part: rows)
    monkeypatch.setattr(sys, "argv", ["again.py", name])
    again.main()
    assert capsys.readouterr().out.endswith(f"{len(rows)} rows; the same to the digit; ok\n")

    monkeypatch.setattr(tables, "FOLDER", tmp_path)
    (tmp_path / f"{name}.csv").write_text(text.replace(true, false, 1), encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        again.main()
    first, *sentences = capsys.readouterr().out.splitlines()
    assert ended.value.code == 1 and first.startswith(f"{name}: ") and first.endswith("DIFFERS")
    assert any(said in sentence and "in the table" in sentence for sentence in sentences)


def test_what_counts_as_the_same(rooms, small):
    _, again = rooms
    table, _ = small

    def differs(value, *seeds, **options):
        committed = [["plain", str(seed), "5", number] for seed, number in enumerate(seeds)]
        *_, sentences = again.compare(table, again.Part(**options), [["plain", "0", "5", value]], committed)
        return bool(sentences)

    seeds = ("1.00", "1.50", "1.20")
    assert [differs(value, *seeds) for value in ("-0.51", "-0.49", "1.30", "2.99", "3.01")] == [
        True,
        *[False] * 3,
        True,
    ]
    assert [differs(value, "1.000", "1.000") for value in ("1.029", "1.031")] == [False, True]  # 1% is the least span
    assert [differs(value, "0.0000", "0.0000") for value in ("0.0003", "0.0004")] == [False, True]  # or a digit
    assert differs("1.01", "1.00", "1.50", exact=lambda row: True) and not differs("9", "1", skip=("kid",))
    assert differs("", "1") and differs("inf", "1") and differs("nan", "1") and not differs("inf", "inf")
    *_, sentences = again.compare(table, again.Part(), [["new", "0", "5", "1"]], [])
    assert sentences == ["none of the rows made is in the table."]
