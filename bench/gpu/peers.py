"""Times PyTorch and ONNX Runtime: answers requests on standard input, one JSON document a line. See process.Peers.

{"op": "what"}                                    -> {"torch": version, "device": name, "engines": [names]}
{"op": "prepare", "engine": e, "model": m, "batch": b, "sequence": s, "lengths": [...] or null} -> {}
{"op": "time", "engine": e, "seconds": s}         -> {"ms": [of each run]}
{"op": "clear"}                                   -> {}

PyTorch's models are written out here, so that nothing but PyTorch is needed: the same layers and sizes, fp16, weights
random. Inputs and outputs stay on the device; a run's time is what CUDA events before and behind it say, as it is for
Lathe's. ONNX Runtime runs the f32 graph, with tf32 as it does by default, on inputs bound on the device.
"""
import json
import os
import statistics
import sys
import time

import report

# What libraries print must not come between the answers.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

try:
    import torch
    import torch.nn.functional as F

    if not torch.cuda.is_available():
        torch = None
except Exception:
    torch = None
try:
    import onnxruntime

    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        onnxruntime = None
except Exception:
    onnxruntime = None

EAGER, GRAPHS, COMPILED = report.PYTORCH


def make_module(model, fused):
    """An encoder as in BERT (norm behind, mean of tokens where "pool") or ViT (norm before); `fused`: by SDPA."""
    nn = torch.nn
    hidden, heads, ffn = model["hidden"], model["heads"], model["ffn"]
    vision = model["kind"] == "vit"

    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            self.qkv = nn.Linear(hidden, 3 * hidden)
            self.project, self.up, self.down = nn.Linear(hidden, hidden), nn.Linear(hidden, ffn), nn.Linear(ffn, hidden)
            self.first, self.second = nn.LayerNorm(hidden), nn.LayerNorm(hidden)

        def attend(self, x, mask):
            batch, sequence, _ = x.shape
            q, k, v = self.qkv(x).view(batch, sequence, 3, heads, hidden // heads).permute(2, 0, 3, 1, 4)
            if fused:
                y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
            else:
                scores = q @ k.transpose(-1, -2) * (hidden // heads) ** -0.5
                if mask is not None:
                    scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
                y = torch.softmax(scores, -1) @ v
            return self.project(y.transpose(1, 2).reshape(batch, sequence, hidden))

        def forward(self, x, mask):
            if vision:
                x = x + self.attend(self.first(x), mask)
                return x + self.down(F.gelu(self.up(self.second(x))))
            x = self.first(x + self.attend(x, mask))
            return self.second(x + self.down(F.gelu(self.up(x))))

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList(Layer() for _ in range(model["layers"]))
            self.norm = nn.LayerNorm(hidden)
            if vision:
                self.patches = nn.Conv2d(3, hidden, 16, 16)
                self.first = nn.Parameter(torch.zeros(1, 1, hidden))
                self.positions = nn.Parameter(torch.zeros(1, 197, hidden))
                self.head = nn.Linear(hidden, 1000)
            else:
                self.words, self.types = nn.Embedding(30522, hidden), nn.Embedding(2, hidden)
                self.positions = nn.Embedding(512, hidden)

        def forward(self, *inputs):
            mask = None
            if vision:
                x = self.patches(inputs[0]).flatten(2).transpose(1, 2)
                x = torch.cat([self.first.expand(len(x), -1, -1), x], 1) + self.positions
            else:
                ids, types = inputs[:2]
                at = torch.arange(ids.shape[1], device=ids.device)
                x = self.norm(self.words(ids) + self.types(types) + self.positions(at))
                if len(inputs) > 2:
                    mask = inputs[2][:, None, None, :]
            for layer in self.layers:
                x = layer(x, mask)
            if vision:
                return self.head(self.norm(x)[:, 0])
            if not model.get("pool"):
                return x
            weight = inputs[2][..., None].to(x.dtype) if len(inputs) > 2 else torch.ones_like(x[..., :1])
            return F.normalize((x * weight).sum(1) / weight.sum(1), dim=-1)

    torch.manual_seed(0)
    return Encoder().cuda().half().eval()


def torch_inputs(model, batch, sequence, lengths):
    if model["kind"] == "vit":
        return [torch.rand(batch, 3, 224, 224, device="cuda").half()]
    inputs = [torch.randint(0, 30522, (batch, sequence), device="cuda"), torch.zeros(batch, sequence, dtype=torch.long, device="cuda")]
    if lengths:  # dense batches go without a mask, the faster way for PyTorch
        inputs.append(torch.arange(sequence, device="cuda")[None] < torch.tensor(lengths, device="cuda")[:, None])
    return inputs


def prepare_torch(engine, model, batch, sequence, lengths):
    module, inputs = make_module(model, engine != EAGER), torch_inputs(model, batch, sequence, lengths)
    run = lambda: module(*inputs)
    if engine == COMPILED:
        compiled = torch.compile(module, mode="max-autotune")
        run = lambda: compiled(*inputs)
    elif engine == GRAPHS:
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            for _ in range(3):
                module(*inputs)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            kept = module(*inputs)
        run = lambda: (graph.replay(), kept)

    def timed():
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        run()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end)

    return timed


def prepare_ort(model, batch, sequence, lengths):
    import numpy as np

    session = onnxruntime.InferenceSession(model["graph"], providers=["CUDAExecutionProvider"])
    if session.get_providers()[0] != "CUDAExecutionProvider":
        raise RuntimeError("ONNX Runtime does not run on CUDA here")
    binding = session.io_binding()
    for x in session.get_inputs():
        if model["kind"] == "vit":
            value = np.zeros((batch, 3, 224, 224), np.float32)
        elif "mask" in x.name:
            value = (np.arange(sequence)[None] < np.array(lengths or [sequence] * batch)[:, None]).astype(np.int64)
        else:
            value = np.zeros((batch, sequence), np.int64)
        binding.bind_ortvalue_input(x.name, onnxruntime.OrtValue.ortvalue_from_numpy(value, "cuda", 0))
    for x in session.get_outputs():
        binding.bind_output(x.name, "cuda", 0)

    def timed():
        begin = time.perf_counter()
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        return (time.perf_counter() - begin) * 1e3

    return timed


ready = {}


def answer(request):
    op = request.pop("op")
    if op == "what":
        engines = ([EAGER, GRAPHS, COMPILED] if torch else []) + ([report.ORT] if onnxruntime else [])
        return {"torch": torch.__version__ if torch else None, "onnxruntime": onnxruntime.__version__ if onnxruntime else None,
                "device": torch.cuda.get_device_name() if torch else None, "engines": engines}  # fmt: skip
    if op == "clear":
        ready.clear()
        if torch:
            torch._dynamo.reset()
            torch.cuda.empty_cache()
        return {}
    engine = request.pop("engine")
    if op == "prepare":
        ready.pop(engine, None)
        timed = prepare_ort(**request) if engine == report.ORT else prepare_torch(engine, **request)
        for _ in range(5):
            timed()
        ready[engine] = timed
        return {}
    timed, samples = ready[engine], []
    timed()
    begin = time.perf_counter()
    while len(samples) < 10 or time.perf_counter() - begin < request["seconds"]:
        samples.append(timed())
    return {"ms": statistics.median(samples), "runs": len(samples)}


def main():
    for line in sys.stdin:
        try:
            if torch:
                with torch.inference_mode():
                    reply = answer(json.loads(line))
            else:
                reply = answer(json.loads(line))
        except Exception as error:
            reply = {"error": (f"{type(error).__name__}: {error}".splitlines() or ["?"])[0][:300]}
        answers.write(json.dumps(reply) + "\n")
        answers.flush()


main()
