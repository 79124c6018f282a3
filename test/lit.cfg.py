# The lit tests: every .mlir and .test below this folder.
#
# Features: x86-64-v3, x86-64-v4, x86-64-v4+vnni+bf16, x86-64-v4+amx (what this machine can run), models (the models of ../shared, or of $LATHE_MODELS),
# onnx-node-tests, nvrtc, compiler (the build has it), cuda-sim, numpy, address-sanitizer, thread-sanitizer. Substitutions: %models,
# %onnx-node-tests, %lathe-source.
import ctypes
import glob
import importlib.util
import os
import shutil
import sys
import lit.formats

config.name = "lathe"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Inputs", "unit"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.lathe_build, "test")

tools = os.path.join(config.lathe_build, "bin")
config.environment["PATH"] = os.pathsep.join([tools, config.llvm_tools, os.environ["PATH"]])
for name in ["HOME", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"]:
    if name in os.environ:
        config.environment[name] = os.environ[name]
config.environment["FILECHECK_OPTS"] = "--enable-var-scope --dump-input=fail"

with open("/proc/cpuinfo") as f:
    cpu = set(next((line for line in f if line.startswith("flags")), "").split())
if {"avx2", "fma", "bmi1", "bmi2", "f16c"} <= cpu:
    config.available_features.add("x86-64-v3")
    if {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"} <= cpu:
        config.available_features.add("x86-64-v4")
        if {"avx512_vnni", "avx512_bf16", "avx512_vbmi2"} <= cpu:
            config.available_features.add("x86-64-v4+vnni+bf16")
            if {"amx_tile", "amx_int8", "amx_bf16"} <= cpu:
                config.available_features.add("x86-64-v4+amx")

if os.path.exists(os.path.join(tools, "lathe")):
    config.available_features.add("compiler")
# The emulated CUDA device; kernels for it are compiled by clang.
if os.path.exists(os.path.join(config.lathe_build, "lib", "libcuda-sim.so")) and shutil.which("clang++-22"):
    config.available_features.add("cuda-sim")
# NVRTC where the loader finds it, or where `make check` puts it (scripts/install-nvrtc.sh).
for nvrtc in ["libnvrtc.so.13", "libnvrtc.so.12", "/usr/local/cuda/lib64/libnvrtc.so.13", "/usr/local/cuda/lib64/libnvrtc.so.12",
              *glob.glob(os.path.join(config.lathe_build, "nvrtc/lib/python3*/site-packages/nvidia/*/lib/libnvrtc.so.1[23]"))]:
    try:
        ctypes.CDLL(nvrtc)
    except OSError:
        continue
    config.available_features.add("nvrtc")
    config.substitutions.append(("%nvrtc", nvrtc))
    break
if not os.path.exists(os.path.join(tools, "lathe-opt")):
    config.suffixes = [".test"]
    lit_config.note("the compiler is not built: its tests are left out")
if "address" in config.sanitize:
    config.available_features.add("address-sanitizer")
if "thread" in config.sanitize:
    config.available_features.add("thread-sanitizer")

if importlib.util.find_spec("numpy"):
    config.available_features.add("numpy")

# Unpacked models: a folder with corpus/ in it. `make models` unpacks ../shared into the build folder.
for models in [os.environ.get("LATHE_MODELS", ""), os.path.join(config.lathe_build, "models")]:
    if models and os.path.isdir(os.path.join(models, "corpus")):
        config.available_features.add("models")
        config.substitutions.append(("%models", models))
        break
config.substitutions.append(("%python", sys.executable))
# ONNX's node tests, from Debian's libonnx-testdata.
node_tests = "/usr/share/libonnx-testdata/data/node"
if os.path.isdir(node_tests):
    config.available_features.add("onnx-node-tests")
    config.substitutions.append(("%onnx-node-tests", node_tests))
config.substitutions.append(("%lathe-source", config.lathe_source))
config.substitutions.append(("%lathe-build", config.lathe_build))
