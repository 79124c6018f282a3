"""The engines that are compared, behind one interface: made for a number of threads, then run on NumPy arrays.

Each is made as its own documentation advises for latency on a CPU, in f32: none may lower the precision by itself.
Inputs are bound once, so that a run is the engine's own work and next to no Python.
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
        self.binding = self.session.io_binding()
        for name, array in feeds.items():
            self.binding.bind_cpu_input(name, array)
        self.binding.bind_output(self.session.get_outputs()[0].name)

    def run(self):
        self.session.run_with_iobinding(self.binding)

    def output(self):
        return self.binding.copy_outputs_to_cpu()[0]


class OpenVino:
    name = "OpenVINO"
    folder = "openvino"
    precision = "f32"  # on cores with bf16 units it would take bf16

    def __init__(self, files, threads):
        import openvino

        properties = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": self.precision,
            "ENABLE_CPU_PINNING": False,  # the benchmark pins the process
        }
        self.tensor = openvino.Tensor
        self.request = openvino.Core().compile_model(str(files.onnx), "CPU", properties).create_infer_request()
        self.version = openvino.__version__.split("-")[0]

    def set_inputs(self, feeds):
        for name, array in feeds.items():
            self.request.set_tensor(name, self.tensor(array, shared_memory=True))

    def run(self):
        self.request.infer(share_outputs=True)

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
