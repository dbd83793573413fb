"""The repository as a whole: one address, one list of requirements, a wheel that works alone, rooms that stay rooms."""

import ast
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from conftest import ROOT

MODULE = sorted((ROOT / "dcgan_keras").glob("*.py"))
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
ADDRESS = re.search(r'Homepage = "(.*)"', PYPROJECT)[1]


def requirements_in(text):
    return {line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")}


def test_requirements_hold_those_of_the_module():
    listed = re.search(r"dependencies = \[\n(.*?)\n\]", PYPROJECT, re.DOTALL)[1]
    of_the_module = {line.strip().strip('",') for line in listed.splitlines()}
    both = requirements_in((ROOT / "requirements.txt").read_text(encoding="utf-8"))
    assert of_the_module < both
    extra = {re.match(r"[\w-]+", requirement)[0] for requirement in both - of_the_module}
    onnx = {"onnx", "onnxruntime", "tf2onnx"}  # of `dcgan export --format onnx`
    assert extra == {"hypothesis", "jupyter", "nbval", "pytest", "pytest-xdist", "ruff", "scikit-image"} | onnx


def test_version_is_the_installed_one():
    import dcgan_keras

    assert dcgan_keras.__version__ == importlib.metadata.version("dcgan-keras")


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


def test_the_wheel_trains_from_an_empty_folder(tmp_path):
    """Builds the wheel, installs it alone into an empty folder, and trains a step there on its own bundled images."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "-q", "--no-deps", "-w", tmp_path, ROOT], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    alone = tmp_path / "alone"
    subprocess.run([*pip, "install", "-q", "--no-deps", "--target", alone, wheel], check=True)
    code = """
        import dcgan_keras
        from dcgan_keras import data, extractors, models, presets, training
        for name in ("fashion", "emoji"):
            data.load_bundled("test", name), extractors.load(name)
            models.load_generator(data.assets_folder() / "weights" / f"{name}_generator.keras")
        gan = training.build(presets.get("laptop", g_filters=2, d_filters=2))
        logs = gan.train_step(next(iter(data.load_dataset("bundled"))))
        print(dcgan_keras.__file__, data.assets_folder(), int(gan.step), *data.assets_folder().glob("tables/*.csv"))
    """
    environment = {**os.environ, "PYTHONPATH": str(alone)}
    code = textwrap.dedent(code)
    result = subprocess.run([sys.executable, "-c", code], cwd=alone, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    module, assets, step, *tables = result.stdout.split()
    assert {Path(table).name for table in tables} == {path.name for path in (ROOT / "assets" / "tables").glob("*.csv")}
    assert Path(module).is_relative_to(alone) and Path(assets).is_relative_to(alone) and step == "1"


def test_the_console_script_is_the_command_line():
    (script,) = importlib.metadata.entry_points(group="console_scripts", name="dcgan")
    assert script.value == "dcgan_keras.__main__:app"


# Which room may enter which: none that stands below it. What is not listed imports nothing of the package.
ENTERS = {
    "__init__": {"startup", "data", "gan", "models"},
    "data": {"pictures"},
    "layers": {"replicas"},
    "models": {"files", "layers"},
    "gan": {"augmentations", "losses", "models", "replicas"},
    "export": {"files", "models", "startup"},
    "restoring": {"latent", "models"},
    "plots": {"files"},
    "callbacks": {"files", "gan", "models", "plots"},
    "film": {"files", "models", "plots"},
    "extractors": {"data", "metrics"},
    "runs": {"", "data", "devices", "extractors", "files", "presets"},
    "scores": {"extractors", "files", "metrics", "models", "plots", "runs"},
    "training": {
        "callbacks", "data", "devices", "extractors", "files", "film", "gan", "models", "plots", "presets", "runs",
        "scores",
    },
    "__main__": {
        "", "callbacks", "data", "devices", "export", "extractors", "film", "models", "pictures", "plots", "presets",
        "restoring", "runs", "scores", "training",
    },
}  # fmt: skip


@pytest.mark.parametrize("path", MODULE, ids=lambda path: path.stem)
def test_data_flows_one_way(path):
    imported, packages = set(), set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            packages |= {alias.name.split(".")[0] for alias in node.names}
            imported |= {
                alias.name.removeprefix("dcgan_keras").lstrip(".")
                for alias in node.names
                if "dcgan_keras" in alias.name
            }
        if isinstance(node, ast.ImportFrom):
            packages.add(node.module.split(".")[0])
            if node.module == "dcgan_keras":
                imported |= {alias.name for alias in node.names}
            elif node.module.startswith("dcgan_keras."):
                imported.add(node.module.removeprefix("dcgan_keras."))
    assert imported <= ENTERS.get(path.stem, set()), f"{path.stem} may not enter {imported}"
    assert ("matplotlib" in packages) == (path.stem == "plots")
    assert "GradientTape" not in path.read_text(encoding="utf-8") or path.stem in ("gan", "latent")
    assert "pickle" not in packages


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
        assert not [word for word in words if word in path.read_text(encoding="utf-8")], path


def test_workflow_covers_the_supported_pythons():
    workflow = (ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")
    versions = json.loads(re.search(r"python: (\[.*\])", workflow)[1])
    assert versions == ["3.10", "3.11", "3.12", "3.13"] and "bash .ci/run" in workflow
    assert 'requires-python = ">=3.10"' in PYPROJECT
    assert "os: [windows-latest, macos-latest]" in workflow


def test_mutations_still_fit_the_code():
    sys.path.insert(0, str(ROOT / "tests"))
    import mutants

    for mutation in mutants.MUTATIONS:
        text = (ROOT / "dcgan_keras" / mutation.file).read_text(encoding="utf-8")
        assert text.count(mutation.old) == 1, mutation.name
        assert (ROOT / "tests" / f"test_{mutation.tests}.py").is_file()
