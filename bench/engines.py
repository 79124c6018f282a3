"""The engines that are compared, behind one interface: made for a number of threads, then run on NumPy arrays.

Each is made as its own documentation advises for latency on a CPU, in f32: none may lower the precision by itself.
"""
import pathlib
from dataclasses import dataclass


@dataclass
class Files:
    """What the engines read."""

    onnx: pathlib.Path
    package: pathlib.Path
    library: pathlib.Path  # liblathe.so


class OnnxRuntime:
    name = "ONNX Runtime"
    folder = "onnxruntime"  # of its Python package

    def __init__(self, files, threads):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(files.onnx), options, providers=["CPUExecutionProvider"])
        self.version = onnxruntime.__version__

    def set_inputs(self, feeds):
        self.feeds = feeds

    def run(self):
        self.result = self.session.run(None, self.feeds)[0]

    def output(self):
        return self.result


class OpenVino:
    name = "OpenVINO"
    folder = "openvino"

    def __init__(self, files, threads):
        import openvino

        properties = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": "f32",  # on cores with bf16 units it would take bf16
            "ENABLE_CPU_PINNING": False,  # the benchmark pins the process
        }
        self.request = openvino.Core().compile_model(str(files.onnx), "CPU", properties).create_infer_request()
        self.version = openvino.__version__.split("-")[0]

    def set_inputs(self, feeds):
        self.feeds = feeds

    def run(self):
        self.request.infer(self.feeds, share_inputs=True, share_outputs=True)

    def output(self):
        return self.request.get_output_tensor(0).data


class Lathe:
    name = "Lathe"
    folder = "lathe"

    def __init__(self, files, threads):
        import lathe_ctypes

        self.model = lathe_ctypes.Model(files.library, files.package, threads)
        self.version = self.model.version
        self.target = self.model.target

    def set_inputs(self, feeds):
        self.model.set_inputs(feeds)

    def run(self):
        self.model.run()

    def output(self):
        return self.model.output()


ENGINES = {engine.name: engine for engine in [OnnxRuntime, OpenVino, Lathe]}
