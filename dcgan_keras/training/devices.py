"""Where a training runs: which devices, in which precision, on how many of them, on how many hosts.

    one        one device: the first GPU, else the CPU
    mirrored   all GPUs of this host, or as many logical CPU devices as asked for
    hosts      one or more devices on each of the hosts that TF_CONFIG names

The batch size is that of all replicas together. With equal seeds the images, the latent vectors and BatchNorm's
statistics are those of one device, so the weights are too, but for rounding.
"""

import contextlib
import functools
import glob
import json
import os
import platform
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

_STRATEGIES = ("one", "mirrored", "hosts")
PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")


def _use_gpus() -> list[tf.config.PhysicalDevice]:
    """Finds the GPUs and lets TensorFlow take their memory as it needs it, not all of it at once."""
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        with contextlib.suppress(RuntimeError):  # it is in use already: its memory is taken as that use decided
            tf.config.experimental.set_memory_growth(gpu, True)
    return gpus


def describe(strategy: tf.distribute.Strategy | None = None) -> str:
    """Says in one line what will be used, and what to do where a GPU is there and TensorFlow does not see it."""
    gpus = _use_gpus()
    if strategy is not None and strategy.num_replicas_in_sync > 1:
        kind = "GPUs" if gpus else "CPU devices"
        hosts = len(_read_tf_config()["cluster"]["worker"]) if _on_hosts(strategy) else 1
        return f"{strategy.num_replicas_in_sync} replicas in step, {kind}, {hosts} host{'s' * (hosts > 1)}."
    if gpus:
        names = [tf.config.experimental.get_device_details(gpu).get("device_name", "a GPU") for gpu in gpus]
        return f"{names[0]}." + (f" {len(gpus) - 1} more: --strategy mirrored uses all." if len(gpus) > 1 else "")
    unseen = ""
    if platform.system() == "Darwin":
        unseen = " TensorFlow's own packages for macOS use no GPU."
    elif glob.glob("/proc/driver/nvidia/gpus/*") or glob.glob("/dev/nvidia[0-9]*"):
        unseen = " There is an NVIDIA GPU, and TensorFlow does not see it: its CUDA libraries are missing. "
        unseen += 'Install them with: pip install "tensorflow[and-cuda]"'
    return f"CPU, {os.cpu_count()} cores.{unseen}"


@contextlib.contextmanager
def precision(name: str) -> Iterator[None]:
    """Chooses the numbers that layers built in the block compute with: ValueError if there are none of this name.

    `float32`; `mixed_float16`, for GPUs, where gradients need a loss scale; or `mixed_bfloat16`, for CPUs and TPUs that
    have it, with three digits. Weights, BatchNorm's statistics, logits, losses and images stay float32.
    """
    if name not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {name!r}.")
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


@functools.lru_cache  # TensorFlow's numbers for messages between replicas collide where a process makes two
def make_strategy(name: str = "one", replicas: int | None = None) -> tf.distribute.Strategy:
    """Makes the strategy that a training runs under: build the model in its `scope()`.

    Args:
        name: `one`, `mirrored` or `hosts`.
        replicas: devices to use, for `mirrored`. None takes all GPUs. Without a GPU, that many logical CPU devices.

    Raises ValueError if there is no such strategy, there are fewer GPUs, or `TF_CONFIG` is missing or not understood,
    RuntimeError if logical CPU devices are asked for after TensorFlow has begun to compute.
    """
    if name not in _STRATEGIES:
        raise ValueError(f"strategy must be one of {', '.join(_STRATEGIES)}, got {name!r}.")
    if replicas is not None and (name != "mirrored" or replicas < 1):
        raise ValueError(f"replicas must be 1 or more and goes with the strategy 'mirrored', got {replicas!r}.")
    gpus = _use_gpus()
    if name == "hosts":
        _read_tf_config()
        return tf.distribute.MultiWorkerMirroredStrategy()
    if name == "one":
        return tf.distribute.get_strategy()
    if gpus:
        if replicas and replicas > len(gpus):
            raise ValueError(f"replicas must be at most {len(gpus)}, the number of GPUs here, got {replicas}.")
        return tf.distribute.MirroredStrategy([f"GPU:{n}" for n in range(replicas or len(gpus))])
    if replicas is None:
        raise ValueError("The strategy 'mirrored' found no GPU: give --replicas for as many logical CPU devices.")
    cpu = tf.config.list_physical_devices("CPU")[0]
    if len(tf.config.get_logical_device_configuration(cpu) or []) != replicas:
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * replicas)
    return tf.distribute.MirroredStrategy([f"CPU:{n}" for n in range(replicas)])


def _read_tf_config() -> dict:
    """Reads the environment variable `TF_CONFIG`, which names the hosts and says which of them this one is."""
    example = '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}'
    text = os.environ.get("TF_CONFIG")
    if not text:
        raise ValueError(f"The strategy 'hosts' needs the environment variable TF_CONFIG, for example {example}")
    try:
        config = json.loads(text)
        workers, task = config["cluster"]["worker"], config["task"]
        if task["type"] != "worker" or not 0 <= int(task["index"]) < len(workers) or isinstance(workers, str):
            raise ValueError("the task is not one of the workers")
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"TF_CONFIG cannot be used ({error}). An example: {example}") from error
    return config


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process writes the files: the first of several hosts, or the only one."""
    return not _on_hosts(strategy) or int(_read_tf_config()["task"]["index"]) == 0


def check_batch(batch_size: int, strategy: tf.distribute.Strategy, pack: int = 1) -> None:
    """Raises ValueError if a batch cannot be divided evenly among the replicas, in packs of `pack`."""
    replicas, packs = strategy.num_replicas_in_sync, f" times {pack} images of a pack" if pack > 1 else ""
    if batch_size % (replicas * pack):
        raise ValueError(f"batch_size must be a multiple of the {replicas} replicas{packs}, got {batch_size}.")


def check_agreement(strategy: tf.distribute.Strategy, numbers: dict[str, int]) -> None:
    """Raises ValueError, on every host, if several hosts do not have the same numbers.

    A host whose view of the shared run folder is old would train, without an error, on gradients of two networks.
    """
    if not _on_hosts(strategy):
        return
    mine = tf.constant([list(numbers.values())], tf.int64)
    everyones = strategy.experimental_distribute_values_from_function(lambda context: mine)
    for name, values in zip(numbers, np.transpose(strategy.gather(everyones, axis=0))):
        if len(set(values)) > 1:
            raise ValueError(
                f"The hosts do not agree on {name}: {', '.join(map(str, values))}. All must read the same run folder "
                "and the same images. Wait until the folder is up to date everywhere, and start all again."
            )


def distribute(dataset: tf.data.Dataset, strategy: tf.distribute.Strategy, batch_size: int):
    """Gives each host its part of every batch. Together they see each image once an epoch, in the order of one device.

    Args:
        dataset: batches of all replicas together, without end, as of `data.make_stream`.
        strategy: from `make_strategy`.
        batch_size: of those batches. ValueError if it cannot be divided evenly.
    """
    check_batch(batch_size, strategy)
    if not _on_hosts(strategy):
        return dataset  # `fit` cuts its batches for the replicas of one host

    def own_part(context):
        part = batch_size // strategy.num_replicas_in_sync
        # A host's replicas are neighbours in the order of all replicas.
        here = strategy.num_replicas_in_sync // context.num_input_pipelines * part
        first = context.input_pipeline_id * here

        def cut(*batch):  # images, or images and labels
            parts = tuple(each[first : first + here] for each in batch)
            return tf.data.Dataset.from_tensor_slices(parts if len(parts) > 1 else parts[0]).batch(part)

        return dataset.flat_map(cut)

    return strategy.distribute_datasets_from_function(own_part)


@contextlib.contextmanager
def explaining_lost_hosts(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Turns what TensorFlow raises from within the block when another host is gone into a ConnectionError."""
    try:
        yield
    except tf.errors.OpError as error:
        if not _on_hosts(strategy) or isinstance(error, tf.errors.ResourceExhaustedError):
            raise
        raise ConnectionError(
            f"Another host is gone or cannot be reached ({type(error).__name__}). "
            "Start all hosts again with --resume: they go on from the last checkpoint."
        ) from error


def _on_hosts(strategy) -> bool:
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
