"""How a peer answers: `ready` with its versions, then each line with a number of steps by the seconds they took."""
import sys
import time


def answer(versions, step, finish=lambda: None):
    """`step()` does one step; `finish()` waits for what it may have left running."""
    step()
    finish()
    print("ready", *versions, flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        for _ in range(int(line)):
            step()
        finish()
        print(time.perf_counter() - start, flush=True)


def batches(count, *arrays):
    """Slices of `count` samples of each array, round and round."""
    at, total = 0, len(arrays[0]) // count * count
    while True:
        yield tuple(array[at:at + count] for array in arrays)
        at = (at + count) % total
