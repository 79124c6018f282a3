"""The least time that a device can take for an encoder: max(FLOP / P, bytes / BW, exponentials / E)."""

# By a part of the device's name: FLOP/s that matrix multiplications in 16 bits reach, bytes/s of memory, exponentials/s.
DEVICES = {"H200": (790e12, 4.3e12, 3.7e12)}


def work(model, lengths):
    """(FLOP, bytes, exponentials) of one run. FLOP = L (T (8 H^2 + 4 H F) + 4 H sum S^2); bytes are the layers' weights."""
    layers, hidden, ffn, heads = (model[key] for key in ("layers", "hidden", "ffn", "heads"))
    tokens, squares = sum(lengths), sum(s * s for s in lengths)
    flop = layers * (tokens * (8 * hidden**2 + 4 * hidden * ffn) + 4 * hidden * squares)
    return flop, 2 * layers * (4 * hidden**2 + 2 * hidden * ffn), layers * heads * squares


def machine(device_name):
    return next((figures for name, figures in DEVICES.items() if name in device_name), None)


def least_ms(model, lengths, device_name):
    """None for a device of which no figures are known, and beyond 16 bits."""
    known = machine(device_name)
    if not known or model["precision"] not in ("fp16", "bf16"):
        return None
    return 1e3 * max(amount / rate for amount, rate in zip(work(model, lengths), known))


def lengths_of(model, batch, sequence):
    return [model.get("tokens", sequence)] * batch
