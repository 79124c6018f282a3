"""Stored cases: a folder with a package, model.lathe, and for each binding a folder with input_0.npy ..., expected_0.npy
... and case.json, {"inputs": [names], "outputs": [names], "fault": "text or empty"} with, for each output, either "atol"
and "rtol" (of an element) or "bound" (of |got - expected| / |expected| in Euclidean norms)."""
import concurrent.futures
import json
import pathlib
import re
import tempfile

import npy
from process import Failure, call


def output_files(names):
    """As lathe-run names the files of outputs."""
    files = []
    for name in names:
        name = re.sub(r"[^A-Za-z0-9.-]", "_", name)
        name = ("_" + name[1:] if not name or name[0] == "." else name)[:200]
        unique, n = name, len(files)
        while unique + ".npy" in files:
            unique, n = f"{name}.{n}", n + 1
        files.append(unique + ".npy")
    return files


def run_case(run, folder, timeout):
    """Empty, or what is wrong. `run` is the command line up to the package."""
    case = json.loads((folder / "case.json").read_text())
    inputs = [f"--input={name}={folder}/input_{i}.npy" for i, name in enumerate(case["inputs"])]
    with tempfile.TemporaryDirectory() as out:
        try:
            call(*run[0], folder.parent / "model.lathe", *inputs, "--output-dir", out, *run[1], timeout=timeout)
        except Failure as failure:
            said = str(failure)
            return "" if case["fault"] and case["fault"] in said else said
        if case["fault"]:
            return f"expected a fault that says '{case['fault']}'"
        try:
            for i, file in enumerate(output_files(case["outputs"])):
                got, expected = npy.read(pathlib.Path(out) / file), npy.read(folder / f"expected_{i}.npy")
                if "bound" in case and expected.is_float():
                    wrong = "" if got.shape == expected.shape else f"expected shape {expected.shape}, got {got.shape}"
                    error = npy.relative_error(got, expected)
                    if not wrong and not error <= case["bound"]:
                        wrong = f"relative error {error:.2e}, bound {case['bound']:.2e}"
                else:
                    wrong = npy.difference(got, expected, *([0, 0] if "bound" in case else [case["atol"][i], case["rtol"][i]]))
                if wrong:
                    return f"output {i}: {wrong}"
        except (OSError, ValueError) as error:
            return str(error)
    return ""


def run_cases(run, root, jobs, timeout, first_binding, names=None):
    """Runs all cases below `root`, or those of `names`: {"pass": n, "total": n, "failures": {case: why}}."""
    folders = sorted(path.parent for path in root.glob("**/case.json"))
    if names is not None:
        folders = [folder for folder in folders if folder.parent.name in names]
    if first_binding:
        folders = [folder for folder in folders if folder.name == "binding_0"]
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        answers = list(pool.map(lambda folder: run_case(run, folder, timeout), folders))
    failures = {str(folder.relative_to(root)): why for folder, why in zip(folders, answers) if why}
    return {"pass": len(folders) - len(failures), "total": len(folders), "failures": failures}
