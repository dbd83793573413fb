"""What can be said of the notebooks from their JSON alone, and of the copies of them that `make lessons` runs."""

import ast
import builtins
import contextlib
import inspect
import itertools
import json
import pkgutil
import re
import subprocess
import symtable
import sys
import textwrap
import time
from pathlib import Path

import dcgan_keras
import keras
import nbformat
import numpy as np
import pytest
import solved
import tensorflow as tf
from conftest import ADDRESS, ROOT, from_site
from dcgan_keras import course, losses, models
from dcgan_keras.evaluation import metrics
from keras import layers

classroom = from_site("classroom")
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TAGS = {
    "nbval-ignore-output",  # numbers of training or time
    "exercise",  # the reader writes here
    "check",  # says whether it is right
    "solution",  # shown to teachers, folded for readers
}
DOCUMENT = "*The document: a Chinese introduction to DCGANs in nine sections that this course follows."
BADGE = ADDRESS.replace("github.com", "colab.research.google.com/github") + "/blob/main/notebooks/"
HEADINGS = ["You will learn", "You need", "Check yourself", "Summary", "Further reading"]


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def cells(path):
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def source(cell):
    return "".join(cell["source"])


def tags(cell):
    return cell["metadata"].get("tags", [])


def code_cells(cells):
    return [cell for cell in cells if cell["cell_type"] == "code"]


def test_there_are_notebooks():
    assert NOTEBOOKS


def test_executed_from_top_to_bottom_without_errors_or_stderr(cells):
    assert [cell["execution_count"] for cell in code_cells(cells)] == list(range(1, len(code_cells(cells)) + 1))
    outputs = [output for cell in code_cells(cells) for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error" or output.get("name") == "stderr"]
    assert not [output for output in outputs if "\b" in "".join(output.get("text", ""))]


def test_shape_of_the_lesson(path, cells):
    text = "\n".join(source(cell) for cell in cells if cell["cell_type"] == "markdown")
    assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1 and source(cells[0]).startswith("# ")
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert [heading for heading in headings if heading in HEADINGS] == HEADINGS
    assert re.search(r"\*Follows section.*document.*Run time: .*\*", source(cells[0]))
    assert DOCUMENT in source(cells[0]) and BADGE + path.name in source(cells[0])
    assert path.stat().st_size < 1_000_000
    setup = source(code_cells(cells)[0])
    assert "google.colab" in setup and "import" in setup
    later = [re.sub(r'""".*?"""', "", source(cell), flags=re.DOTALL) for cell in code_cells(cells)[1:]]  # no programs
    assert not [code for code in later if re.search(r"^\s*(import|from) ", code, re.MULTILINE)]


def test_cells_are_short_and_tags_known(cells):
    assert max(source(cell).count("\n") + 1 for cell in code_cells(cells)) <= 25
    assert {tag for cell in cells for tag in tags(cell) if not tag.startswith("twin:")} <= TAGS


def test_a_lesson_can_be_read_at_one_sitting(cells):
    assert sum(len(source(cell).split()) for cell in cells if cell["cell_type"] == "markdown") <= 3_500
    assert sum(source(cell).count("\n") + 1 for cell in code_cells(cells)) <= 500
    ignored = [cell for cell in code_cells(cells) if "nbval-ignore-output" in tags(cell)]
    assert len(ignored) < len(code_cells(cells)) / 2


def test_links_and_pictures_resolve(path, cells):
    """In Jupyter, on GitHub and in Colab, which opens one notebook and knows nothing of its neighbours."""
    text = "\n".join(source(cell) for cell in cells if cell["cell_type"] == "markdown")
    assert "/blob/main/site/" not in text, "link the page of the site: GitHub cannot follow the links of its source"
    for picture, target in re.findall(r"(!\[[^\]]*\])\(([^)\s]+)\)", text):
        assert target.startswith("https://"), f"{target} does not resolve in Colab"
        if "colab" not in target:
            assert len(picture) > 40, f"{target} needs a description for readers who cannot see it"
            assert (ROOT / target.split("/main/")[1]).is_file()
    for target, rest in re.findall(r"(?<!!)\[[^\]]*\]\((?!http)([^)\s]+)\)(.{0,140})", text):
        file = target.partition("#")[0]
        assert (path.parent / file).exists(), target
        assert rest.startswith(f" ([in Colab]({BADGE}{file}))"), f"{target} has no twin for Colab beside it"


def test_the_list_and_each_next_lead_from_lesson_to_lesson(path, cells):
    """The README lists all lessons in order, and a "Next" that names a lesson names the one after it there."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \[[^\]]+\]\(notebooks/(\w+\.ipynb)\)", readme, re.MULTILINE)
    assert listed == [each.name for each in NOTEBOOKS]
    (text,) = re.findall(r"^\*\*Next\*\*.*", "\n".join(map(source, cells)), re.MULTILINE)
    following = (listed + ["no more"])[listed.index(path.name) + 1]
    assert re.findall(r"\]\((\w+\.ipynb)\)", text)[:1] in ([], [following])
    assert following in text or not re.match(r"\d+[a-z]_", following)  # a lesson cut in two is read as one


def test_words_that_talk_down_are_absent(cells):
    text = "\n".join(source(cell) for cell in cells if cell["cell_type"] == "markdown").lower()
    assert not re.findall(r"\b(simply|just|obviously)\b", text)


def solutions(cells):
    """Pairs of the place of an exercise cell and its solution, from the folded block after its check cell."""
    return [(place, classroom.solution(cells[place + 2])) for place in classroom.exercises(cells)]


def test_the_copy_for_nbval_asks_for_every_verdict(path, cells):
    """That the verdicts are so is for nbval to find: `make lessons`."""
    copy = solved.with_answers(nbformat.read(path, as_version=4)).cells
    kept = [cell for cell in copy if cell.get("id") in {cell["id"] for cell in cells}]
    assert [source(cell) for cell in kept] == [source(cell) for cell in cells]
    more = [cell for cell in copy if "nbval-check-output" in tags(cell)]
    asked = ["".join(output["text"] for output in cell["outputs"]) for cell in more]
    count = len(solutions(cells))
    assert 3 <= count <= 5 and asked == ["Not yet\n" * 13, "Right.\n"] * count


def test_nbval_finds_a_wrong_output_a_wrong_solution_and_a_check_that_is_wrong(tmp_path):
    """In a notebook with one of each, and one exercise that is as it should be."""
    setup = "from dcgan_keras import course\nfive, print_five = 5, lambda: print(five)\ncourse.keep(globals())"
    made = nbformat.v4.new_notebook(cells=[solved.cell(setup), solved.cell("print(five)", "6\n")])
    is_five = "lambda a: a is five and print_five() is None"
    for solution, right in (("five", is_five), ("five + 1", is_five), ("five", "lambda a: True"), ("five", "five")):
        made.cells.append(solved.cell("answer = None"))
        made.cells.append(solved.cell(f"course.check(answer, {right}, 'think')"))
        text = f"<details>\n\n```python\nanswer = {solution}\n```\n\n</details>"
        made.cells.append(nbformat.v4.new_markdown_cell(text, metadata={"tags": ["solution"]}))
        for cell, tag in zip(made.cells[-3:-1], ("exercise", "check")):
            cell.metadata["tags"].append(tag)
    nbformat.write(solved.with_answers(made), tmp_path / "made_up.ipynb")
    command = [sys.executable, "-m", "pytest", "-q", "--color=no", "--nbval", "--nbval-current-env", tmp_path]
    result = subprocess.run(command, capture_output=True, text=True)
    found = [int(cell) for cell in re.findall(r"^FAILED .*Cell (\d+)", result.stdout, re.MULTILINE)]
    # Two cells, and seven for each exercise: it, its check, two for the zoo, the solution, and two for its verdict.
    # The last check takes its `five` from what an answer may have overwritten.
    assert found == [1, 2 + 7 + 6, 2 + 14 + 3, 2 + 21 + 6], result.stdout


def test_checks_use_what_was_kept_before_the_exercises(cells):
    """A check's functions see what the lesson had named then; around them there are the answer and `course` alone."""
    (keeps,) = [place for place, cell in enumerate(cells) if source(cell).startswith("course.keep(globals())")]
    places = classroom.exercises(cells)
    assert keeps < places[0] and source(cells[keeps - 1]).rstrip().endswith(("## Check yourself", "run both cells."))
    kept = {name for cell in code_cells(cells[:keeps]) for name in classroom.names(source(cell))[0]}
    for place in places:
        outer = symtable.symtable(source(cells[place + 1]), "check", "exec")
        given = {symbol.get_name() for symbol in outer.get_symbols() if symbol.is_assigned()}
        used = {symbol.get_name() for symbol in outer.get_symbols() if symbol.is_referenced()}
        assert used - given <= classroom.names(source(cells[place]))[0] | {"course"}
        scopes, inner = outer.get_children(), set()
        for scope in scopes:
            scopes += scope.get_children()
            inner |= {each.get_name() for each in scope.get_symbols() if each.is_global()}
        assert inner <= kept | set(dir(builtins))


# Section 8 of notebook 06 makes its networks and optimizers anew, as they were at the start, for the step by hand.
MADE_ANEW = {
    "06_train_step": {"g_network", "d_network", "generator_optimizer", "discriminator_optimizer", "d_loss", "g_loss"}
}


def test_a_cell_can_be_run_again_after_the_cells_below_it(path, cells):
    """Readers go back and run a cell again: what it uses from above is not given another value below."""
    lesson = code_cells(cells)
    kept = next(place for place, cell in enumerate(lesson) if source(cell).startswith("course.keep(globals())"))
    given, used = zip(*((given, used - given) for given, _, used in map(classroom.names, map(source, lesson[:kept]))))
    for place in range(kept):
        above, below = set().union(*given[:place]), set().union(*given[place + 1 :])
        assert used[place] & above & below <= MADE_ANEW.get(path.stem, set()), source(lesson[place])


def test_exercises_use_the_shared_checker_and_half_ask_for_code(cells):
    checks = [source(cell) for cell in code_cells(cells) if "check" in tags(cell)]
    assert all("course.check(" in check for check in checks)
    given = "\n".join(solution for _, solution in solutions(cells))
    asks = [solution for _, solution in solutions(cells) if "\n" in solution.strip() or "(" in solution]
    assert len(asks) * 2 >= len(checks), given


ANGLES = np.arange(8) / 8 * 2 * np.pi
OF_THE_LESSON = {  # what a check needs of its notebook
    "10_mode_collapse": {"SEEDS": 10, "DEVIATION": 0.05, "RING": 2 * np.stack([np.cos(ANGLES), np.sin(ANGLES)], -1)},
    "12_hyperparameters": {"other_seeds": {}, "band": []},
}
ONCE_RIGHT = {  # answers that a check took, or waited for without an end
    "a point for all of its centers": (
        "10_mode_collapse",
        "captured",
        """def captured(points, centers, deviation, least):
    near = np.linalg.norm(points[:, None] - centers, axis=-1) <= 3 * deviation
    return (near.sum(axis=0) >= least).sum()""",
        "a point counts for its nearest center alone.",
    ),
    "numbers drawn when the step is traced": (
        "10_mode_collapse",
        "rare_points",
        """def rare_points(count, random):
    drawn = np.random.default_rng(0)
    which = drawn.choice(8, (SEEDS, count), p=[0.02] + [0.14] * 7)
    return tf.constant(RING[which] + DEVIATION * drawn.normal(size=(SEEDS, count, 2)))""",
        "each step must draw anew",
    ),
    "orders in place of splits": (
        "12_hyperparameters",
        "p_value",
        """def p_value(first, second):
    gaps = [np.mean(row[: len(first)]) - np.mean(row[len(first) :]) for row in itertools.permutations(first + second)]
    return np.mean(np.abs(gaps) >= abs(np.mean(first) - np.mean(second)) - 1e-12)""",
        "it takes so long that 4 and 8 are left out",
    ),
}


@pytest.mark.parametrize(("name", "answer", "code", "words"), ONCE_RIGHT.values(), ids=ONCE_RIGHT)
def test_answers_that_once_passed(name, answer, code, words, capsys):
    cells = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    [check] = [
        source(cell)
        for cell in cells
        if "check" in tags(cell)
        and f"course.check({answer}," in source(cell).replace("course.check(\n    ", "course.check(")
    ]
    names = {"np": np, "tf": tf, "itertools": itertools, "time": time, "course": course, "metrics": metrics}
    exec(f"{code}\n{check}", names | OF_THE_LESSON[name])
    assert words in capsys.readouterr().out


# A cell tagged `twin:gan.DCGAN.train_step` builds by hand what the module ships under that name.


def shipped(name):
    """The function of the module that a twin tag names."""
    return pkgutil.resolve_name(f"dcgan_keras.{name}")


def code_alone(function):
    """The syntax tree of a function without its docstring, as text."""
    first = function.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        function.body = function.body[1:]
    return ast.dump(function)


def same_networks(source, name, examples):
    """Builds both networks, gives them equal weights, and compares outputs and batch statistics."""
    scope = {"keras": keras, "layers": layers}
    exec(source, scope)
    mine, theirs = scope[name](filters=4), getattr(models, name)(28, filters=4, seed=1)
    mine.set_weights(theirs.get_weights())
    for training in (False, True):
        np.testing.assert_allclose(mine(examples, training=training), theirs(examples, training=training), atol=1e-5)
    for a, b in zip(mine.get_weights(), theirs.get_weights()):
        np.testing.assert_allclose(a, b, rtol=0.01, atol=1e-5)  # the moving variance is n / (n - 1) larger


def same_step(source):
    """Takes three steps by the notebook's `train_step` and by the module's, from equal weights on equal images."""

    def pair():
        networks = models.build_generator(28, filters=4, seed=2), models.build_discriminator(28, filters=4, seed=2)
        return *networks, keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1)

    g, d, g_optimizer, d_optimizer = pair()
    scope = {
        "tf": tf,
        "SEED": 5,
        "g_network": g,
        "d_network": d,
        "generator": lambda z: g(z, training=True),
        "discriminator": lambda x: d(x, training=True),
        "loss_fn": lambda real, fake: (
            losses.discriminator_loss(real, fake),
            losses.generator_loss(fake),
        ),
        "generator_optimizer": g_optimizer,
        "discriminator_optimizer": d_optimizer,
    }
    exec(source, scope)
    networks = pair()
    gan = dcgan_keras.DCGAN(*networks[:2], seed=5)
    gan.compile(*networks[2:])
    for n in range(3):
        images = tf.random.stateless_uniform((16, 28, 28, 1), (n, 0), -1, 1)
        d_loss, g_loss = scope["train_step"](images)
        gan.reset_metrics()
        logs = gan.train_step(images)
        np.testing.assert_allclose([d_loss, g_loss], [logs["d_loss"], logs["g_loss"]], rtol=1e-5)
    for mine, theirs in ((g, gan.generator), (d, gan.discriminator)):
        for a, b in zip(mine.get_weights(), theirs.get_weights()):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def same_score(source, name, by_module):
    """Runs the notebook's cell on made-up features, and compares its function with the module's on others."""
    rng = np.random.default_rng(3)
    scope = {"np": np, "metrics": metrics, "SEED": 0}
    scope["real_features"], scope["fake_features"] = rng.normal(0, 1, (1100, 6)), rng.normal(0.3, 1.2, (1100, 6))
    exec(source, scope)
    first, second = rng.normal(0, 1, (90, 5)), rng.normal(0.5, 2, (90, 5))
    if name == "inception_score":
        rows = np.exp(3 * first)
        assert scope[name](rows / rows.sum(axis=1, keepdims=True)) == pytest.approx(by_module(rows), rel=1e-9)
    else:
        assert scope[name](first, second) == pytest.approx(by_module(first, second), rel=1e-9)


# Twins that simplify on purpose are compared by what they do. All others must have the module's code.
BY_BEHAVIOUR = {
    "models.build_generator": lambda source: same_networks(
        source, "build_generator", tf.random.stateless_normal((64, 100), (0, 0))
    ),
    "models.build_discriminator": lambda source: same_networks(
        source, "build_discriminator", tf.random.stateless_uniform((64, 28, 28, 1), (0, 0), -1, 1)
    ),
    "gan.DCGAN.train_step": same_step,
    "evaluation.metrics.inception_score": lambda source: same_score(
        source,
        "inception_score",
        lambda rows: metrics.inception_score(rows / rows.sum(axis=1, keepdims=True), splits=1).mean,
    ),
    "evaluation.metrics.fid": lambda source: same_score(source, "fid", metrics.fid),
    "evaluation.metrics.kid": lambda source: same_score(
        source, "kid", lambda a, b: metrics.kid(a, b, subsets=2, subset_size=len(a)).mean
    ),
}
TWINS = [
    pytest.param(tag.removeprefix("twin:"), source(cell), id=f"{path.stem}-{tag}")
    for path in NOTEBOOKS
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
    for tag in tags(cell)
    if tag.startswith("twin:")
]


@pytest.mark.parametrize(("name", "code"), TWINS)
def test_what_is_built_by_hand_is_what_the_module_ships(name, code):
    if name in BY_BEHAVIOUR:
        return BY_BEHAVIOUR[name](code)
    last = name.split(".")[-1]
    (mine,) = [node for node in ast.parse(code).body if getattr(node, "name", None) == last]
    (theirs,) = ast.parse(textwrap.dedent(inspect.getsource(shipped(name)))).body
    assert code_alone(mine) == code_alone(theirs)


def test_there_are_twins():
    assert len(TWINS) >= 6 and set(BY_BEHAVIOUR) <= {param.values[0] for param in TWINS}


def test_the_kernel_is_the_usual_one(path):
    metadata = json.loads(path.read_text(encoding="utf-8"))["metadata"]
    assert metadata["kernelspec"]["name"] == "python3"
    assert Path(path).stem[:2].isdigit()


# What stands before a dot in prose and is no room: libraries, variables of the lessons, addresses.
NO_ROOMS = {"np", "tf", "keras", "torch", "self", "tape", "network", "optimizer", "loss", "parameter", "discriminator"}
NO_ROOMS |= {"http", "huggingface"}
FILES = (".csv", ".gif", ".json", ".keras", ".npy", ".png", ".txt")  # losses.png is no part of the room `losses`
ROOMS = {
    module.name.rpartition(".")[2]: module.name
    for module in pkgutil.walk_packages(dcgan_keras.__path__, "dcgan_keras.")
    if not module.name.endswith("__main__")
}
PAGES = [*NOTEBOOKS, *(ROOT / "notebooks").glob("*.md"), *(ROOT / "site").glob("*.md"), ROOT / "README.md"]


def quoted(path):
    """What stands in backticks in the prose of a page. Blocks of code are run elsewhere."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        text = "\n".join(source(cell) for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown")
    return re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def is_there(name):
    """Says if `presets.suited` is in a room of the module, or `DCGAN.score` at its face, and public."""
    first, _, rest = name.removeprefix("dcgan_keras.").partition(".")
    places = [f"{ROOMS.get(first, f'dcgan_keras.{first}')}.{rest}"]
    # Lessons call a DCGAN `gan`, and have `layers` from Keras.
    places += {"gan": [f"dcgan_keras.DCGAN.{rest}"], "layers": [f"keras.layers.{rest}"]}.get(first, [])
    for place in places:
        with contextlib.suppress(ImportError, AttributeError):
            pkgutil.resolve_name(place)
            return not re.search(r"\b_", rest)
    return False


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_the_prose_names_by_its_room_or_file_is_there(page):
    names = {name for text in quoted(page) for name in re.findall(r"(?<![\w./-])[A-Za-z_]\w*(?:\.\w+)+", text)}
    names = {name for name in names if not name.endswith(FILES) and name.partition(".")[0] not in NO_ROOMS}
    assert [name for name in names if not is_there(name)] == []
    files = re.findall(r"\b(?:dcgan_keras|benchmarks|tests|site|assets)/[\w/]+\.py\b", " ".join(quoted(page)))
    assert [file for file in files if not (ROOT / file).is_file()] == []


def test_what_is_in_no_room_is_noticed():
    gone = ["exercises.check", "training.restore", "gan.Restorer", "models._up", "film.nothing", "DCGAN.fits"]
    assert [name for name in gone if is_there(name)] == []
    here = ["film.steps", "training.film.steps", "dcgan_keras.data.tfds.load", "gan.fit", "DCGAN.score", "course.table"]
    assert [name for name in here if not is_there(name)] == []
