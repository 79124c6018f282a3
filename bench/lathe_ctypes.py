"""The runtime's C API (runtime/include/lathe/lathe.h) for Python: as much of it as a benchmark needs.

Inputs and outputs are NumPy arrays; a run copies nothing. Not thread-safe: one Model, one thread.
"""
import ctypes as c

import numpy as np

MAX_RANK = 8
VERIFY = {"lazy": 0, "eager": 1, "off": 2}
# In the order of lathe_element_type; bf16 has no NumPy type.
DTYPES = ["?", "i1", "u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", None, "<f4", "<f8"]

# The members of lathe_api behind `version`, in order.
FUNCTIONS = """
    version_string status_code status_message status_node status_package_offset status_release
    runtime_create runtime_release
    program_load program_retain program_release program_info target_name symbol_info weight_info find_entry entry_info
    input_info output_info launch_info
    output_dims launch_cost memory
    context_create context_release find_input find_output set_input set_output bind symbol_value run output
    cancel reset_cancel
    monitor run_latency launch_latency monitor_reset trace
""".split()

# Those that are called here: result and arguments, P a pointer, U a u32.
P, U = c.c_void_p, c.c_uint32
CALLED = {
    "version_string": (c.c_char_p,),
    "status_message": (c.c_char_p, P),
    "status_release": (None, P),
    "runtime_create": (P, P, P),
    "runtime_release": (None, P),
    "program_load": (P, P, P, P),
    "program_release": (None, P),
    "program_info": (P, P, P),
    "context_create": (P, P, P, P),
    "context_release": (None, P),
    "find_input": (P, P, P, P),
    "set_input": (P, P, U, P),
    "run": (P, P),
    "output": (P, P, U, P),
}


class Api(c.Structure):
    _fields_ = [("version", c.c_uint32)] + [(name, c.c_void_p) for name in FUNCTIONS]


class Tensor(c.Structure):
    _fields_ = [("data", c.c_void_p), ("type", c.c_int), ("rank", c.c_uint32), ("dims", c.c_int64 * MAX_RANK)]


class Sized(c.Structure):
    """A struct whose first member is its own size."""

    def __init__(self, **members):
        super().__init__(c.sizeof(self), **members)


class RuntimeOptions(Sized):
    _fields_ = [
        ("struct_size", c.c_size_t),
        ("allocator", c.c_void_p),
        ("logger", c.c_void_p),
        ("executor", c.c_void_p),
        ("threads", c.c_uint32),
    ]


class LoadOptions(Sized):
    _fields_ = [
        ("struct_size", c.c_size_t),
        ("path", c.c_char_p),
        ("memory", c.c_void_p),
        ("use_fd", c.c_int32),
        ("fd", c.c_int32),
        ("offset", c.c_uint64),
        ("size", c.c_uint64),
        ("verify", c.c_int),
        ("expected_digest", c.c_void_p),
        ("signature", c.c_void_p),
        ("public_key", c.c_void_p),
        ("target", c.c_char_p),
        ("flags", c.c_uint32),
    ]


class ContextOptions(Sized):
    _fields_ = [
        ("struct_size", c.c_size_t),
        ("entry", c.c_char_p),
        ("threads", c.c_uint32),
        ("reserve", c.c_int),
        ("capacity", c.c_void_p),
        ("capacity_count", c.c_uint32),
        ("max_batch", c.c_int64),
        ("monitor", c.c_int32),
        ("trace_capacity", c.c_uint32),
        ("profiler", c.c_void_p),
    ]


class ProgramInfo(Sized):
    _fields_ = [
        ("struct_size", c.c_size_t),
        ("name", c.c_char_p),
        ("format_major", c.c_uint32),
        ("format_minor", c.c_uint32),
        ("digest", c.c_uint8 * 32),
        ("file_size", c.c_uint64),
        ("target", c.c_char_p),
        ("target_count", c.c_uint32),
        ("symbol_count", c.c_uint32),
        ("weight_count", c.c_uint32),
        ("entry_count", c.c_uint32),
        ("kernel_count", c.c_uint32),
        ("weight_bytes", c.c_uint64),
        ("expanded_weight_bytes", c.c_uint64),
        ("metadata", c.c_char_p),
        ("metadata_size", c.c_size_t),
    ]


class Model:
    """A package, loaded and ready to run."""

    def __init__(self, library, path, threads=1, verify="lazy", target=None):
        self.library = c.CDLL(str(library))
        self.library.lathe_get_api.restype = c.POINTER(Api)
        self.library.lathe_get_api.argtypes = [c.c_uint32]
        table = self.library.lathe_get_api(1)
        if not table:
            raise RuntimeError(f"{library} is older than the benchmark")
        for name, prototype in CALLED.items():
            setattr(self, "_" + name, c.CFUNCTYPE(*prototype)(getattr(table.contents, name)))
        self.runtime, self.program, self.context = P(), P(), P()
        options = RuntimeOptions(threads=threads)
        self._check(self._runtime_create(c.byref(options), c.byref(self.runtime)))
        options = LoadOptions(path=str(path).encode(), verify=VERIFY[verify], target=target and target.encode())
        self._check(self._program_load(self.runtime, c.byref(options), c.byref(self.program)))
        options = ContextOptions()
        self._check(self._context_create(self.program, c.byref(options), c.byref(self.context)))
        info = ProgramInfo()
        self._check(self._program_info(self.program, c.byref(info)))
        self.target = info.target.decode()
        self.version = self._version_string().decode()
        self.held = {}

    def set_inputs(self, arrays):
        """Arrays by input name, of the inputs' types. They are read in place at every run until set again."""
        for name, array in arrays.items():
            array = np.ascontiguousarray(array)
            dims = (c.c_int64 * MAX_RANK)(*array.shape)
            tensor = Tensor(array.ctypes.data, DTYPES.index(self._code(array)), array.ndim, dims)
            index = U()
            self._check(self._find_input(self.context, name.encode(), c.byref(index)))
            self._check(self._set_input(self.context, index, c.byref(tensor)))
            self.held[name] = array

    def run(self):
        self._check(self._run(self.context))

    def output(self, index=0):
        """A view of the latest run's output, valid until the next one."""
        tensor = Tensor()
        self._check(self._output(self.context, index, c.byref(tensor)))
        shape, dtype = list(tensor.dims[: tensor.rank]), np.dtype(DTYPES[tensor.type])
        size = int(np.prod(shape)) * dtype.itemsize
        return np.frombuffer((c.c_char * size).from_address(tensor.data), dtype).reshape(shape)

    def close(self):
        self._context_release(self.context)
        self._program_release(self.program)
        self._runtime_release(self.runtime)

    @staticmethod
    def _code(array):
        return next(d for d in DTYPES if d and np.dtype(d) == array.dtype)

    def _check(self, status):
        if not status:
            return
        message = self._status_message(status).decode()
        self._status_release(status)
        raise RuntimeError(message)
