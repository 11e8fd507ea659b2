"""Checks exported models with the onnx package and runs them in onnxruntime.

    HADAL_ONNX_CASES=DIR cargo test -p hadal-onnx --test round_trip --test models_round_trip
    python crates/onnx/tests/verify.py DIR

Each folder of DIR holds model.onnx with input_0.npy … and the outputs that Hadal computed, output_0.npy …. A model
passes if onnx.checker accepts it (with shapes inferred), onnxruntime runs it, and its outputs have the types and shapes
of Hadal's and differ by at most 2e-5 (models: 1e-4) of the largest number expected. What onnxruntime lacks a kernel for
is counted apart, and run by the onnx package's reference evaluator instead. Needs onnx, onnxruntime and numpy.
"""

import collections
import pathlib
import sys

import numpy
import onnx
import onnx.reference
import onnxruntime

REFUSES = "NOT_IMPLEMENTED"

# Cases where onnxruntime 1.32 computes something else than the operator's definition, or than PyTorch.
KNOWN = {
    "amax-nan_wins": "ReduceMax passes over NaN",
    "amin-nan_wins": "ReduceMin passes over NaN",
    "argmax-nan_wins": "ArgMax passes over NaN",
    "argmin-nan_wins": "ArgMin passes over NaN",
    "max-nan_wins": "ArgMax passes over NaN",
    "min-nan_wins": "ArgMin passes over NaN",
    "mean-empty": "ReduceMean of nothing is 0",
    "sign-special": "Sign of NaN is NaN",
    "repeat-zero_times": "Expand does not reach a size of 0",
    "celu-at": "exp(x) - 1 near 0 is 0",
    "elu-at": "exp(x) - 1 near 0 is 0",
    "selu-at": "exp(x) - 1 near 0 is 0",
    "fft-long": "DFT is inexact in float",
}


def arrays(folder, kind):
    count = len(list(folder.glob(f"{kind}_*.npy")))
    return [numpy.load(folder / f"{kind}_{i}.npy") for i in range(count)]


def by_onnxruntime(path, inputs):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session.run(None, dict(zip([i.name for i in session.get_inputs()], inputs)))


def by_reference(path, inputs):
    session = onnx.reference.ReferenceEvaluator(str(path))
    with numpy.errstate(all="ignore"):
        return session.run(None, dict(zip(session.input_names, inputs)))


def difference(found, expected):
    """Relative to the largest finite number expected; NaN equals NaN."""
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return numpy.inf
    if found.size == 0:
        return 0.0
    a, b = found.astype(numpy.float64), expected.astype(numpy.float64)
    same = (a == b) | (numpy.isnan(a) & numpy.isnan(b))
    finite = numpy.isfinite(a) & numpy.isfinite(b)
    if not (same | finite).all():
        return numpy.inf
    scale = max(numpy.abs(b[numpy.isfinite(b)]).max(initial=0.0), 1e-30)
    with numpy.errstate(all="ignore"):
        return numpy.where(same, 0.0, numpy.abs(a - b) / scale).max()


def verify(folder):
    """The outcome, and the largest difference."""
    path, inputs, expected = folder / "model.onnx", arrays(folder, "input"), arrays(folder, "output")
    try:
        onnx.checker.check_model(str(path), full_check=True)
    except Exception as error:
        return f"checker: {error}", numpy.inf
    runtime = "onnxruntime"
    try:
        found = by_onnxruntime(path, inputs)
    except Exception as error:
        if REFUSES not in str(error):
            return f"onnxruntime: {error}", numpy.inf
        runtime = "reference"
        try:
            found = by_reference(path, inputs)
        except Exception as error:
            return f"reference: {error}", numpy.inf
    apart = max([difference(a, b) for a, b in zip(found, expected)], default=0.0)
    limit = 1e-4 if folder.name.startswith("model-") else 2e-5
    if len(found) != len(expected) or apart > limit:
        shown = [(a, b) for a, b in zip(found, expected) if difference(a, b) > limit][:1]
        return f"{runtime} differs by {apart:.2e}: {str(shown)[:400]}", apart
    return runtime, apart


def main(root):
    outcomes, worst, failures = collections.Counter(), {}, []
    for folder in sorted(path.parent for path in pathlib.Path(root).glob("*/model.onnx")):
        outcome, apart = verify(folder)
        kind = "models" if folder.name.startswith("model-") else "cases"
        if outcome in ("onnxruntime", "reference"):
            outcomes[kind, outcome] += 1
            key = kind, outcome
            worst[key] = max(worst.get(key, (0.0, "")), (apart, folder.name))
        elif folder.name in KNOWN and not outcome.startswith("checker"):
            outcomes[kind, "onnxruntime differs, known"] += 1
        else:
            outcomes[kind, "failed"] += 1
            failures.append(f"{folder.name}: {outcome}")
    print(f"onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}")
    for (kind, outcome), count in sorted(outcomes.items()):
        apart, name = worst.get((kind, outcome), (None, ""))
        print(f"{kind} {outcome}: {count}" + (f", largest difference {apart:.2e} ({name})" if name else ""))
    for failure in failures:
        print(failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
