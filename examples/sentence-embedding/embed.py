"""Embeds sentences with a compiled model and shows how similar they are.

    python embed.py [--lathe-run PATH] [--threads N] MODEL.lathe [SENTENCE ...]

The tokenizer runs here; the model runs in `lathe-run`, which reads and writes .npy files.
"""
import argparse
import json
import pathlib
import subprocess
import tempfile

import numpy as np
from tokenizers import Tokenizer

from make_model import package_folder

MOST_TOKENS = 256  # the model was trained on sentences up to this length
SENTENCES = [
    "How do I reset my password?",
    "I forgot my login and need a new one.",
    "The cat sat on the warm windowsill.",
    "A kitten is sleeping in the sun.",
    "Compile the model once, run it anywhere.",
]


def tokenize(sentences):
    """One row per sentence, padded to the longest."""
    tokenizer = Tokenizer.from_file(str(package_folder() / "tokenizer.json"))
    tokenizer.enable_truncation(MOST_TOKENS)
    tokenizer.enable_padding()
    rows = tokenizer.encode_batch(sentences)
    return {
        "input_ids": np.array([row.ids for row in rows], np.int64),
        "attention_mask": np.array([row.attention_mask for row in rows], np.int64),
        "token_type_ids": np.array([row.type_ids for row in rows], np.int64),
    }


def lathe_run(program, command, model, inputs, folder, *flags):
    """Runs one command of lathe-run on inputs that are written into the folder; returns what it printed."""
    words = [program, command, model, *flags]
    for name, value in inputs.items():
        np.save(folder / f"{name}.npy", value)
        words.append(f"--input={name}={folder / name}.npy")
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit(f"embed.py: {pathlib.Path(program).name} {command} failed")
    return done.stdout


def print_similarities(sentences, embeddings):
    """Embeddings have length 1, so the product of two is the cosine of their angle."""
    similarity = embeddings @ embeddings.T
    print("similarity" + "".join(f"{i + 1:>7}" for i in range(len(sentences))))
    for i, sentence in enumerate(sentences):
        print(f"{i + 1:>10}" + "".join(f"{value:7.2f}" for value in similarity[i]) + f"   {sentence}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("sentences", nargs="*", metavar="SENTENCE", default=SENTENCES)
    parser.add_argument("--lathe-run", default="lathe-run", metavar="PATH")
    parser.add_argument("--threads", default="1", metavar="N")
    options = parser.parse_args()
    sentences = options.sentences or SENTENCES

    inputs = tokenize(sentences)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        run = (options.lathe_run, "run", options.model, inputs, folder)
        lathe_run(*run, f"--threads={options.threads}", f"--output-dir={folder / 'out'}")
        embeddings = np.load(folder / "out" / "sentence_embedding.npy")
        bench = (options.lathe_run, "bench", options.model, inputs, folder)
        figures = json.loads(lathe_run(*bench, f"--threads={options.threads}", "--duration=1", "--json=-"))

    print_similarities(sentences, embeddings)
    batch, length = inputs["input_ids"].shape
    tokens = int(inputs["attention_mask"].sum())
    latency, memory = figures["latency_ms"], figures["memory_bytes"]
    print(f"\n{batch} sentences, {tokens} tokens, padded to {batch}x{length}; {options.threads} thread(s), {figures['target']}")
    print(f"load     {figures['load_ms']:.1f} ms")
    print(f"latency  {latency['median']:.2f} ms median, {latency['p99']:.2f} ms p99")
    print(f"memory   {memory['peak_resident'] / 2**20:.1f} MiB resident at most")


if __name__ == "__main__":
    main()
