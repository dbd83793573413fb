"""How notebook 17b draws voxels: the function as its cell has it."""

import ast
import json

import numpy as np
import pytest
from conftest import ROOT


@pytest.fixture(scope="module")
def voxel_view():
    cells = json.loads((ROOT / "notebooks" / "17b_depth.ipynb").read_text(encoding="utf-8"))["cells"]
    (cell,) = [cell for cell in cells if "def voxel_view" in "".join(cell["source"])]
    code = ast.parse("".join(cell["source"]))
    code.body = [part for part in code.body if isinstance(part, ast.FunctionDef)]
    names = {"np": np}
    exec(compile(code, "17b_depth", "exec"), names)
    return names["voxel_view"]


def test_voxels_are_seen_from_the_side_that_the_angle_says(voxel_view):
    shares = np.zeros((8, 8, 8))
    assert (voxel_view(shares) == 255).all()
    shares[1:3, 3:5, 6] = 1  # low, in the middle of the depth, at the right
    for angle, half in ((0, np.s_[:, 28:]), (np.pi, np.s_[:, :28])):
        picture = voxel_view(shares, angle)
        assert picture.shape == (56, 56, 1) and picture.dtype == np.uint8
        dark = picture[..., 0] < 255
        assert dark.sum() == dark[half].sum() > 20 and dark[28:].sum() == dark.sum()


def test_near_voxels_hide_far_ones(voxel_view):
    near, far = np.zeros((2, 8, 8, 8))
    near[2:6, :2, 2:6] = 1  # two thick, so that its front and its back are lit otherwise
    far[2:6, 6:, 2:6] = 1
    seen = voxel_view(near + far, 0, tilt=0)
    np.testing.assert_array_equal(seen, voxel_view(near, 0, tilt=0))
    assert (voxel_view(near, np.pi, tilt=0) != seen).any()
