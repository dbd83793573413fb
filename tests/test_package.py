"""The repository as a whole: one address, one list of requirements, a wheel that works alone, rooms that stay rooms."""

import ast
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tarfile
import textwrap
from pathlib import Path

import dcgan_keras
import pytest
from conftest import ADDRESS, ROOT

HOUSE = ROOT / "dcgan_keras"
MODULE = sorted(HOUSE.rglob("*.py"))
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def requirements_in(text):
    return {line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")}


def listed(name):
    """What pyproject.toml lists under a name."""
    return set(re.findall(r'"(.+?)"', re.search(rf"^{name} = \[(.*?)\]$", PYPROJECT, re.DOTALL | re.MULTILINE)[1]))


def names(requirements):
    return {re.match(r"[\w-]+", requirement)[0] for requirement in requirements}


def test_requirements_hold_those_of_the_module_and_of_two_extras():
    installed = listed("dependencies") | listed("tfds") | listed("onnx")
    both = requirements_in((ROOT / "requirements.txt").read_text(encoding="utf-8"))
    assert installed < both
    of_the_tests = {"hypothesis", "imageio", "mypy", "nbval", "onnxruntime", "pytest", "pytest-xdist", "ruff"}
    assert names(both - installed) == {"jupyter", "scikit-image"} | of_the_tests
    assert names(listed("tfds")) == {"tensorflow-datasets", "importlib_resources"}
    assert not names(listed("dependencies")) & names(listed("tfds") | listed("onnx"))


def test_version_is_the_installed_one():
    assert dcgan_keras.__version__ == importlib.metadata.version("dcgan-keras")
    cited = [(ROOT / name).read_text(encoding="utf-8") for name in ("site/cite.md", "CITATION.cff")]
    assert f"version = {{{dcgan_keras.__version__}}}" in cited[0]
    assert f"\nversion: {dcgan_keras.__version__}\n" in cited[1]


def test_the_face_shows_type_checkers_what_it_imports_when_asked():
    (seen,) = (node for node in ast.parse(Path(dcgan_keras.__file__).read_text()).body if isinstance(node, ast.If))
    rooms = {alias.name: node.module for node in seen.body for alias in node.names}
    assert set(rooms) == set(dcgan_keras.__all__)
    for name, room in rooms.items():
        assert getattr(dcgan_keras, name) is getattr(importlib.import_module(room), name)
    with pytest.raises(AttributeError, match="'dcgan_keras' has no attribute 'nothing'"):
        dcgan_keras.nothing  # noqa: B018


def test_badges_and_install_lines_follow_the_address():
    owner_and_name = ADDRESS.removeprefix("https://github.com/")
    texts = {
        path: path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *(ROOT / "notebooks").glob("*.ipynb")]
    }
    for path, text in texts.items():
        for found in re.findall(r"github(?:\.com)?/([\w.-]+/dcgan[\w.-]*?)(?:\.git)?(?=[\s\"')/\\])", text):
            assert found == owner_and_name, path
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        badge = f"https://colab.research.google.com/github/{owner_and_name}/blob/main/notebooks/{path.name}"
        assert badge in texts[path] and badge in texts[ROOT / "README.md"]
        assert f"git+{ADDRESS}" in texts[path]


PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
# Of what the repository has in the folders that are packed: neither the notes nor the scripts that made the files, nor
# the generator that the site's explorer alone draws with.
PACKED = {
    path.relative_to(ROOT).as_posix()
    for folder in ("dcgan_keras", "assets/data", "assets/tables", "assets/weights")
    for path in (ROOT / folder).rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
    if folder == "dcgan_keras" or path.suffix not in (".md", ".py") and not path.name.startswith("classes_")
}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder with the sdist, what it unpacks to, and the wheel that is built from that."""
    folder = tmp_path_factory.mktemp("dist")
    (backend,) = listed("requires")
    subprocess.run([*PIP, "install", "-q", "--target", folder / "backend", backend], check=True)
    code = "import sys, hatchling.build; hatchling.build.build_sdist(sys.argv[1])"
    environment = {**os.environ, "PYTHONPATH": str(folder / "backend")}
    subprocess.run([sys.executable, "-c", code, folder], cwd=ROOT, env=environment, check=True)
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (source,) = (folder / "unpacked").iterdir()
    options = ["-q", "--no-deps", "--no-build-isolation", "-w", folder]
    subprocess.run([*PIP, "wheel", *options, source], env=environment, check=True)
    return folder


def test_the_sdist_holds_the_module_and_what_it_comes_with(built):
    (source,) = (built / "unpacked").iterdir()
    held = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    assert held == PACKED | {".gitignore", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml"}
    about = (source / "PKG-INFO").read_text(encoding="utf-8")
    for line in ("License-Expression: Apache-2.0", "License-File: assets/data/LICENSE", "Provides-Extra: tfds"):
        assert f"\n{line}\n" in about
    assert f"\nVersion: {dcgan_keras.__version__}\n" in about and "Classifier: License" not in about


def test_the_wheel_trains_from_an_empty_folder(built):
    """Installs it alone into an empty folder, and trains a step there on its own bundled images."""
    (wheel,) = built.glob("*.whl")
    alone = built / "alone"
    subprocess.run([*PIP, "install", "-q", "--no-deps", "--target", alone, wheel], check=True)
    installed = {path.relative_to(alone) for path in (alone / "dcgan_keras").rglob("*") if path.is_file()}
    wanted = {re.sub("^assets/", "dcgan_keras/assets/", path) for path in PACKED}
    assert {path.as_posix() for path in installed if path.suffix != ".pyc"} == wanted
    code = """
        import dcgan_keras
        from dcgan_keras import data, models, presets, training
        from dcgan_keras.evaluation import extractors
        for name in ("fashion", "emoji"):
            data.load_bundled("test", name), extractors.load(name)
            models.load_generator(data.assets_folder() / "weights" / f"{name}_generator.keras")
        gan = training.build(presets.get("laptop", g_filters=2, d_filters=2))
        logs = gan.train_step(next(iter(data.load_dataset("bundled"))))
        print(dcgan_keras.__file__, data.assets_folder(), int(gan.step))
    """
    environment = {**os.environ, "PYTHONPATH": str(alone)}
    code = textwrap.dedent(code)
    result = subprocess.run([sys.executable, "-c", code], cwd=alone, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    module, assets, step = result.stdout.split()
    assert Path(module).is_relative_to(alone) and Path(assets).is_relative_to(alone) and step == "1"


def test_the_console_script_is_the_command_line():
    (script,) = importlib.metadata.entry_points(group="console_scripts", name="dcgan")
    assert script.value == "dcgan_keras.__main__:app"


# Which room may enter which. What is not listed enters none.
ENTERS = {
    "__init__": {"startup", "data", "gan", "models"},
    "checks": {"models"},
    "layers": {"replicas"},
    "models": {"files", "layers"},
    "gan": {"augmentations", "checks", "losses", "models", "replicas"},
    "plots": {"files"},
    "course": {"data"},
    "evaluation": {"data", "files", "models", "plots"},  # it knows no run
    "training": {"__init__", "data", "evaluation", "files", "gan", "models", "plots", "presets"},
    "applications": {"data", "files", "models", "plots", "startup"},
    "__main__": {"__init__", "applications", "evaluation", "files", "models", "plots", "presets", "training"},
}
# Within a folder each room may enter those that stand before it. The last is the folder's face.
STANDS = {
    "data": ["batches", "clusters", "pictures", "tfds", "sources", "__init__"],
    "evaluation": ["metrics", "extractors", "scores", "__init__"],
    "training": ["devices", "callbacks", "film", "runs", "trainer", "starting", "__init__"],
    "applications": ["latent", "restoring", "export", "__init__"],
}


def imports(path):
    """The rooms that a file imports, as tuples of parts: ("data", "sources"), ("plots",); and the packages."""
    rooms, packages = set(), set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            packages |= {alias.name.split(".")[0] for alias in node.names}
            rooms |= {tuple(alias.name.split(".")[1:]) for alias in node.names if alias.name.startswith("dcgan_keras")}
        if isinstance(node, ast.ImportFrom):
            first, *parts = node.module.split(".")
            packages.add(first)
            for alias in node.names if first == "dcgan_keras" else ():
                inside = HOUSE.joinpath(*parts, alias.name)
                rooms.add((*parts, alias.name) if inside.is_dir() or inside.with_suffix(".py").is_file() else (*parts,))
    return rooms, packages


@pytest.mark.parametrize("path", MODULE, ids=lambda path: "/".join(path.relative_to(HOUSE).with_suffix("").parts))
def test_data_flows_one_way(path):
    first, *rest = path.relative_to(HOUSE).with_suffix("").parts
    rooms, packages = imports(path)
    for entered, *inner in (room or ("__init__",) for room in rooms):
        if entered == first and rest:
            stands = STANDS[first]
            assert stands.index(inner[0]) < stands.index(rest[0]), f"{first}: {rest[0]} may not enter {inner[0]}"
        else:
            assert entered in ENTERS.get(first, ()), f"{first} may not enter {entered}"
    if rest:
        assert rest[0] in STANDS[first]
    assert ("matplotlib" in packages) == (first == "plots")
    assert "GradientTape" not in path.read_text(encoding="utf-8") or (first, *rest)[-1] in ("gan", "latent")
    assert "pickle" not in packages


def test_the_house_has_no_circle_and_no_large_room():
    """Every room can be put on a floor above all that it enters: no circle, and nothing that runs back up."""
    entered = {
        key: set(ENTERS.get(key, ())) for key in {*ENTERS, *(name for those in ENTERS.values() for name in those)}
    }
    entered["__init__"] = set()  # the face names rooms, and imports them when it is asked
    while free := {room for room, below in entered.items() if not below}:
        entered = {room: below - free for room, below in entered.items() if room not in free}
    assert not entered, f"a circle among {', '.join(entered)}"
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in MODULE}
    assert max(lines.values()) <= 450 and sum(lines.values()) <= 6_054, lines


def public_names(path):
    """Functions, classes and constants at the top of a file that do not begin with an underscore."""
    names = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)}
    return {name for name in names if not name.startswith("_")}


def names_used(code):
    """Pairs of the last name of a room and what is taken from it: from an import, or with a dot."""
    tree, called, found = ast.parse(code), {}, set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dcgan_keras"):
            found |= {(node.module.split(".")[-1], alias.name) for alias in node.names}
            called |= {alias.asname: alias.name for alias in node.names if alias.asname}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, (ast.Name, ast.Attribute)):
            name = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
            found.add((called.get(name, name), node.attr))
    return found


def names_said(text):
    """The same of prose, from `room.name` and from import lines in its examples."""
    found = set(re.findall(r"\b(\w+)\.(\w+)", text))
    for names in re.findall(r"from dcgan_keras import ([\w, ]+)", text):
        found |= {("dcgan_keras", name.strip()) for name in names.split(",")}
    return found


# Functions that are called by a name in a table of their room, which the command line takes.
BY_NAME = {("augmentations", name) for name in ("color", "cutout", "flip", "noise", "translation")} | {
    ("losses", f"{loss}_{network}_loss")
    for loss in ("least_squares", "hinge", "wasserstein")
    for network in ("discriminator", "generator")
}


def test_every_public_name_is_used_outside_of_its_room():
    """By another room, a notebook, a page, a benchmark or a script. What a public function returns is used by it."""
    outside = {}
    for folder, pattern in (("benchmarks", "*.py"), ("site", "*.py"), ("assets", "**/*.py")):
        for path in (ROOT / folder).glob(pattern):
            outside[path] = names_used(path.read_text(encoding="utf-8"))
    for path in MODULE:
        outside[path] = names_used(path.read_text(encoding="utf-8"))
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        outside[path] = {pair for cell in cells for pair in names_said("".join(cell["source"]))}
        for cell in cells:
            if cell["cell_type"] == "code":
                outside[path] |= names_used(
                    re.sub(r"^( *)[%!].*$", r"\1pass", "".join(cell["source"]), flags=re.MULTILINE)
                )
    for path in [ROOT / "README.md", *(ROOT / "notebooks").glob("*.md"), *(ROOT / "site").glob("*.md")]:
        outside[path] = names_said(path.read_text(encoding="utf-8"))
    idle = []
    for path in MODULE:
        room = path.relative_to(HOUSE).with_suffix("").parts
        if path.stem in ("__init__", "__main__"):
            continue
        called = {room[-1], room[0], "dcgan_keras"}  # by itself, its folder's face, or the package's
        returned = set(re.findall(r"-> .*?(\w+)\b", path.read_text(encoding="utf-8")))
        for name in public_names(path):
            by_others = any((each, name) in found for at, found in outside.items() if at != path for each in called)
            if not by_others and name not in returned and (room[-1], name) not in BY_NAME:
                idle.append(f"{'.'.join(room)}.{name}")
    assert not idle, f"used by nobody: make them private, or let them go: {', '.join(sorted(idle))}"


@pytest.mark.parametrize(
    "folder", sorted({path.parent for path in (ROOT / "dcgan_keras").rglob("*.py")}), ids=lambda folder: folder.name
)
def test_the_map_of_a_folder_is_the_folder(folder):
    """The map is in the docstring, a room a line: its name, two spaces or more, what it is."""
    text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
    listed = re.findall(r"^ *(\S+) {2,}\S", text, re.MULTILINE)
    there = [path.stem for path in folder.iterdir() if path.suffix == ".py" or [*path.glob("*.py")]]
    assert sorted([*listed, "__init__"]) == sorted(there)
    assert "  " not in re.sub(r"^ *\S+ {2,}", "", text, flags=re.MULTILINE)  # no second column


def test_public_names_are_documented():
    for path in MODULE:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert ast.get_docstring(tree), path
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
                assert ast.get_docstring(node) or node.name == "hyperparameter", f"{path.name}: {node.name}"


def test_nothing_is_left_to_do():
    for path in [*MODULE, *(ROOT / "tests").glob("*.py"), *(ROOT / "notebooks").glob("*.ipynb"), ROOT / "README.md"]:
        words = ["TO" + "DO", "FIX" + "ME", "NotImplemented" + "Error"]
        # Without pictures, whose letters may spell any word.
        text = re.sub(r'"image/png": "[^"]*"', "", path.read_text(encoding="utf-8"))
        assert not [word for word in words if word in text], path


def test_workflow_covers_the_supported_pythons():
    workflow = (ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")
    versions = json.loads(re.search(r"python: (\[.*\])", workflow)[1])
    assert versions == ["3.10", "3.11", "3.12", "3.13"] and "bash .ci/run" in workflow
    assert 'requires-python = ">=3.10"' in PYPROJECT
    assert "os: [windows-latest, macos-latest]" in workflow
    assert "\npermissions:\n  contents: read\n" in workflow and "\n  cancel-in-progress: true\n" in workflow


def test_mutations_still_fit_the_code():
    sys.path.insert(0, str(ROOT / "tests"))
    import mutants

    for mutation in mutants.MUTATIONS:
        text = mutants.source(mutation).read_text(encoding="utf-8")
        assert text.count(mutation.old) == 1, mutation.name
        file, test = mutants.tests(mutation)
        assert f"def {test.partition('[')[0]}" in (ROOT / file).read_text(encoding="utf-8"), mutation.name
