"""Run a function on many files in a child process with little memory and time: what it returned or raised for each."""

import multiprocessing
import resource
import signal
import time
import traceback

MEMORY, SECONDS = 2 * 2**30, 20
FIGURES = []
"""What the tests of faults did, a line each, for the end of the report."""


def _work(function, paths, results):
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for path in paths:
        signal.alarm(SECONDS)  # ends the process: a hang is found by the missing result
        try:
            results.send(("returned", function(path)))
        except (ValueError, FileNotFoundError) as error:
            results.send(("refused", str(error)))
        except BaseException:
            results.send(("traceback", traceback.format_exc()))
    signal.alarm(0)
    results.send(("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def run_limited(function, paths):
    """Return ("returned", value), ("refused", message) or ("traceback", text) for every path, and the peak in MiB."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_work, args=(function, paths, sender))
    child.start()
    sender.close()
    results = []
    try:
        for _ in paths:
            results.append(receiver.recv())
        _, peak = receiver.recv()
    except EOFError:
        raise AssertionError(
            f"{[*paths, 'the end'][len(results)]}: the process died or hung (limits: {MEMORY} bytes, {SECONDS} s)"
        ) from None
    finally:
        child.join()
    return results, peak


def run_in_cpu_seconds(seconds, function):
    """Return what a function returns in a child process that ends after so many seconds of CPU time."""

    def work(results):
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        results.send(function())

    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=work, args=(sender,))
    child.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        raise AssertionError(f"the process died, or took more than {seconds} s of CPU time") from None
    finally:
        child.join()


def accepted(what, function, paths):
    """Yield index and result of the paths that the function takes; every other must be refused by its name.

    FIGURES gets a line on what was done.
    """
    start = time.perf_counter()
    outcomes, peak = run_limited(function, paths)
    seconds = time.perf_counter() - start
    for index, (path, (outcome, result)) in enumerate(zip(paths, outcomes, strict=True)):
        assert outcome in ("refused", "returned"), result
        if outcome == "refused":
            assert path.name in result, result
        else:
            yield index, result
    kinds = [outcome for outcome, _ in outcomes]
    refused, returned = kinds.count("refused"), kinds.count("returned")
    assert min(refused, returned) > len(paths) / 20
    FIGURES.append(
        f"{what}: {len(paths)} tried, {refused} refused by name, {returned} read right, "
        f"{seconds:.0f} s, peak {peak:.0f} MiB"
    )
