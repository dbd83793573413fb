import numpy as np
import pytest
from dcgan_keras import data


def three_kinds(size=28, channels=1, seed=0):
    """60 images: 30 dark, 20 with a light left half, 10 with a light upper half, in a shuffled order."""
    rng = np.random.default_rng(seed)
    kinds = rng.permutation(np.repeat([0, 1, 2], (30, 20, 10)))
    images = rng.integers(0, 60, (60, size, size, channels), dtype=np.uint8)
    images[kinds == 1, :, : size // 2] += 180
    images[kinds == 2, : size // 2] += 180
    return images, kinds


@pytest.mark.parametrize(("size", "channels"), [(28, 1), (64, 3), (33, 3), (16, 1)])
def test_alike_images_come_into_one_group(size, channels):
    images, kinds = three_kinds(size, channels)
    found = data.cluster(images, 3, seed=1)
    assert found.dtype == np.int32 and found.shape == (60,)
    pairs = set(zip(kinds.tolist(), found.tolist()))
    assert len(pairs) == 3 and len({group for _, group in pairs}) == 3  # one to one


def test_a_seed_repeats_the_groups_and_another_names_them_otherwise():
    images = data.load_bundled("test")[0][:300]
    assert np.array_equal(data.cluster(images, 9, seed=3), data.cluster(images, 9, seed=3))
    assert not np.array_equal(data.cluster(images, 9, seed=3), data.cluster(images, 9, seed=4))
    assert set(data.cluster(images, 9, seed=3)) == set(range(9))


def test_images_that_repeat_leave_groups_empty_without_a_word(recwarn):
    images = np.repeat(three_kinds()[0][:2], 5, axis=0)
    found = data.cluster(images, 4)
    assert len(set(found[:5])) == len(set(found[5:])) == 1 and found[0] != found[5]
    assert 0 <= min(found) <= max(found) < 4
    assert not [str(warning.message) for warning in recwarn.list]


def test_more_groups_than_images_are_refused():
    with pytest.raises(ValueError, match="5 images cannot be put into 6 clusters: ask for fewer."):
        data.cluster(three_kinds()[0][:5], 6)
