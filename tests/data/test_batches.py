"""Images and what they show stay together, whole or in parts."""

import numpy as np
import pytest
from dcgan_keras import data


@pytest.fixture
def numbered():
    """Twelve images that are their own numbers, and labels that follow from them."""
    images = np.arange(12, dtype=np.uint8).reshape(12, 1, 1, 1)
    return data.Labelled(images, images.ravel().astype(np.int32) % 3, ("a", "b", "c"))


@pytest.mark.parametrize("rows", [slice(3, 9), slice(None, None, 4), np.array([7, 0, 11]), np.arange(12) % 2 == 0])
def test_a_part_keeps_the_label_of_each_image(numbered, rows):
    part = numbered[rows]
    assert len(part) == len(part.images) and part.names == ("a", "b", "c")
    np.testing.assert_array_equal(part.images.ravel(), np.arange(12)[rows])
    np.testing.assert_array_equal(part.labels, part.images.ravel() % 3)


def test_images_alone_have_no_labels(numbered):
    alone = data.labelled(numbered.images)
    assert len(alone) == 12 and alone.labels is None and alone[2:5].labels is None and alone.names == ()
    assert data.labelled(numbered) is numbered


def test_batches_serve_each_image_with_its_label(numbered):
    for serve in (data.make_dataset, data.make_stream):
        batches = serve(numbered.images, numbered.labels, batch_size=4, seed=2).take(3)
        images, labels = (np.concatenate(parts) for parts in zip(*batches.as_numpy_iterator()))
        numbers = np.rint((images.ravel() + 1) * 127.5).astype(int)
        assert sorted(numbers) == list(range(12))
        np.testing.assert_array_equal(labels, numbers % 3)
