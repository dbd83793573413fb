"""How much two workers on one core each train, against one worker on one core.

    python benchmarks/scaling.py [--preset NAME] [--batch-size N] [--rounds N] [--seconds S] [--json FILE]

Every measurement is a process, or two, of its own, held to one core each, as two hosts with one core each would be:

    one worker       one core, a batch of N
    two apart        two of them at the same time that never exchange anything: what sharing the machine costs
    weak             two workers in step, N images each: twice the work an update
    strong           two workers in step, N/2 images each: the same work an update

All in turn, one round after the other. Efficiency is images/s over twice the images/s of one worker; medians of the
rounds. Linux only, because only there a process can be held to a core.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time

CASES = {"one worker": (1, 1.0, False), "two apart": (2, 1.0, False), "weak": (2, 1.0, True), "strong": (2, 0.5, True)}


def work(preset: str, batch: int, seconds: float) -> None:
    """Trains as this process's TF_CONFIG says, or alone, and prints what one worker got through."""
    from dcgan_keras import data, presets, training
    from dcgan_keras.training import devices

    import keras  # isort: skip  (after the module, which keeps TensorFlow's start-up lines away)

    strategy = devices.make_strategy("hosts" if "TF_CONFIG" in os.environ else "one")
    settings = presets.get(preset)
    images = data.load_images("bundled", image_size=settings.image_size, channels=settings.channels)
    with strategy.scope():
        gan = training.build(settings)
    together = batch * strategy.num_replicas_in_sync
    batches = devices.distribute(data.make_stream(images, batch_size=together), strategy, together)
    ends = []
    note = keras.callbacks.LambdaCallback(on_train_batch_end=lambda step, logs: ends.append(time.perf_counter()))

    def run(steps):
        ends.clear()
        gan.fit(batches, epochs=1, steps_per_epoch=steps, verbose=0, callbacks=[note])
        # From the end of the second step on: the first may trace, and waits for the pipeline to fill.
        return (ends[-1] - ends[1]) / (steps - 2)

    run(5)
    # All workers must take equally many steps, so the number is not what this worker's own clock says.
    steps = int(os.environ.get("SCALING_STEPS", 0)) or max(10, int(seconds / run(10)))
    pace = run(steps)
    variables = gan.generator.trainable_variables + gan.discriminator.trainable_variables
    size = 4 * sum(int(variable.value.shape.num_elements()) for variable in variables)
    print(json.dumps({"images_per_second": batch / pace, "steps": steps, "gradient_bytes": size}))


def start(case: str, arguments, steps: int | None = None) -> list[dict]:
    """Runs the workers of a case, each on its own core, and returns what each printed."""
    count, part, in_step = CASES[case]
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("This needs two cores, and there is one.")
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    hosts = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    workers = []
    for n in range(count):
        environment = dict(os.environ)
        if in_step:
            cluster = {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": n}}
            environment["TF_CONFIG"] = json.dumps(cluster)
        if steps:
            environment["SCALING_STEPS"] = str(steps)
        batch = int(arguments.batch_size * part)
        command = [sys.executable, __file__, "--worker", str(batch), "--preset", arguments.preset]
        workers.append(
            subprocess.Popen(
                ["taskset", "-c", str(cores[n]), *command, "--seconds", str(arguments.seconds)],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    results = []
    for worker in workers:
        out, err = worker.communicate(timeout=600)
        if worker.returncode:
            raise SystemExit(f"A worker of '{case}' failed:\n{err}")
        results.append(json.loads(out.splitlines()[-1]))
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="laptop")
    parser.add_argument("--batch-size", type=int, default=128, help="images of one worker in a step")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement")
    parser.add_argument("--json", help="a file to write the results to")
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        return work(arguments.preset, arguments.worker, arguments.seconds)

    rates, steps = {case: [] for case in CASES}, None
    for number in range(arguments.rounds):
        for case in CASES:
            results = start(case, arguments, steps)
            steps = steps or results[0]["steps"]
            # The slower of two that are in step is the pace of both; two apart each do their own.
            rates[case].append(sum(result["images_per_second"] for result in results))
            print(f"round {number + 1}  {case:12s} {rates[case][-1]:8.0f} images/s", flush=True)
    one = statistics.median(rates["one worker"])
    print(f"{'':12s} {'images/s':>10s} {'efficiency':>11s}")
    rows = []
    for case, (count, _, _) in CASES.items():
        middle = statistics.median(rates[case])
        rows.append({"case": case, "images_per_second": middle, "efficiency": middle / (count * one)})
        print(f"{case:12s} {middle:10.0f} {middle / (count * one):11.0%}")
    if arguments.json:
        from dcgan_keras import files

        made_with = {"preset": arguments.preset, "batch_size": arguments.batch_size, **results[0]}
        made_with.pop("images_per_second")
        with files.atomic(arguments.json) as unfinished:
            unfinished.write_text(json.dumps({**made_with, "cases": rows}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
