"""onnxruntime's side of the comparison, on models that PyTorch exports: `onnxruntime.py W9_… "" THREADS`; see blocks.py.

`onnxruntime.py export W9_… FILE` writes the model of a workload. Exported files are kept in the temporary folder."""
import os
import subprocess
import sys
import tempfile

HERE = sys.path.pop(0)  # this file must not be what `import onnxruntime` finds
sys.path.append(HERE)


def export(workload, file):
    import torch
    from torch_inference import model_and_input
    torch.manual_seed(0)
    model, x = model_and_input(workload)
    torch.backends.mha.set_fastpath_enabled(False)  # fused attention has no form in ONNX
    with torch.no_grad():
        torch.onnx.export(model, (x,), file, input_names=["input"], output_names=["output"], dynamo=False, opset_version=17)


def exported(workload):
    """The file of a workload's model, exported by a process of its own: PyTorch's threads stay out of this one."""
    folder = os.path.join(tempfile.gettempdir(), "hadal-bench-onnx")
    file = os.path.join(folder, workload + ".onnx")
    if not os.path.exists(file):
        os.makedirs(folder, exist_ok=True)
        part = f"{file}.{os.getpid()}"
        done = subprocess.run([sys.executable, __file__, "export", workload, part], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr.strip().splitlines()[-1])
        os.replace(part, file)
    return file


def main(workload, variant, threads):
    if variant or not workload.startswith("W9_"):
        raise SystemExit("onnxruntime runs models that are trained")
    import numpy as np
    import onnxruntime
    from blocks import answer
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(threads)
    session = onnxruntime.InferenceSession(exported(workload), options, providers=["CPUExecutionProvider"])
    given = session.get_inputs()[0]
    shape, random = given.shape, np.random.default_rng(0)
    x = random.integers(0, 30522, shape) if "int" in given.type else random.standard_normal(shape, np.float32)
    answer([f"onnxruntime {onnxruntime.__version__}"], lambda: session.run(None, {"input": x}))


if __name__ == "__main__":
    if sys.argv[1] == "export":
        export(*sys.argv[2:])
    else:
        main(*sys.argv[1:])
