"""Kills a training run at random moments, resumes it each time, and compares it with one that was never stopped.

    python benchmarks/faults.py [--kills 50] [--minutes 15] [--seed 0]

Every kill is SIGKILL, up to six seconds after the process began with the run: while it reads the images, traces, trains
or writes a file. The run counts as survived if each resume went on without an error, and if the weights, optimizers,
moving average and step of its newest checkpoint are those of the undisturbed run after as many epochs, bit for bit. The
last line says `survived N of M`; M is smaller than asked for if the minutes were over.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
from dcgan_keras.training import callbacks

TINY = "--g-filters 2 --d-filters 2 --latent-dim 4 --batch-size 100 --frames 50".split()


def start(folder: Path, *arguments: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "dcgan_keras", "train", "--run", str(folder), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def kill_after(process: subprocess.Popen, seconds: float) -> str | None:
    """Kills a process some seconds after it said that it trains. Returns its error if it had ended by itself."""
    for line in process.stdout:
        if line.startswith("Training"):
            break
    time.sleep(seconds)
    process.kill()
    rest = process.stdout.read()
    return None if process.wait() == -9 else rest.strip()


def epochs_of(newest: list[Path]) -> int:
    """Reads from the name of the newest checkpoint, if there is one, how many epochs it has."""
    return int(newest[0].name.split("-")[1].split(".")[0]) if newest else 0


def arrays(path: Path) -> dict[str, np.ndarray]:
    """Reads everything in a checkpoint."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def how(folder: Path) -> list[str]:
    """The options to go on with: killed before it wrote its config, a run has nothing to resume and begins anew."""
    return ["--resume"] if (folder / "config.json").is_file() else ["--epochs", "100000", *TINY]


def campaign(folder: Path, kills: int, deadline: float, rng: random.Random) -> tuple[int, list[str]]:
    """Kills and resumes the run. Returns how often it was killed, and the errors of resumes."""
    done, problems = 0, []
    while done < kills and time.monotonic() < deadline:
        problem = kill_after(start(folder, *how(folder)), rng.uniform(0, 6))
        if problem:
            problems.append(problem)
        done += 1
        newest = callbacks.checkpoints(folder / "checkpoints")[-1:]
        print(f"kill {done:3d}: {newest[0].name if newest else 'before the first checkpoint'}", flush=True)
    return done, problems


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as temporary:
        killed, calm = Path(temporary) / "killed", Path(temporary) / "calm"
        deadline = time.monotonic() + 60 * arguments.minutes
        done, problems = campaign(killed, arguments.kills, deadline, random.Random(arguments.seed))
        # Once more, until it has gone an epoch beyond what the last kill left.
        left = callbacks.checkpoints(killed / "checkpoints")[-1:]
        process = start(killed, *how(killed))
        while epochs_of(newest := callbacks.checkpoints(killed / "checkpoints")[-1:]) < 1 or newest == left:
            if process.poll() is not None:
                break
            time.sleep(0.1)
        process.kill()
        process.communicate()

        newest = callbacks.checkpoints(killed / "checkpoints")[-1:]
        epochs = epochs_of(newest)
        output = start(calm, "--epochs", str(epochs), *TINY).communicate()[0]
        expected = callbacks.checkpoints(calm / "checkpoints")
        if not expected:
            raise SystemExit(output)
        one, other = arrays(newest[0]), arrays(expected[-1])
        equal = one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)

    for problem in problems:
        print("a resume failed:", problem)
    print(f"after {epochs} epochs {len(one)} arrays, equal to those of the undisturbed run: {equal}")
    print(f"survived {done - len(problems) if equal else 0} of {done}")


if __name__ == "__main__":
    main()
