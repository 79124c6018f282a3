"""Writes a small encoder that pools by its mask, a padded batch for it, and each of its sentences alone; or compares the
results. Padding holds NaN: whatever of it were read would show. Two more encoders read the first token, one of them all
rows too, for a batch whose padding holds numbers: it may reach a first token, and must then be computed.

padded-rows.py write DIR | padded-rows.py compare DIR"""
import array
import random
import struct
import sys

H, F, S = 64, 96, 70
# Of each sentence, its first real token and the one after its last.
SENTENCES = [(0, 70), (0, 5), (0, 33), (0, 48), (3, 64), (60, 70), (0, 1)]


def write_npy(path, descr, shape, data):
    header = "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }" % (descr, "".join(f"{n}, " for n in shape))
    header += " " * (-(len(header) + 11) % 64) + "\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data.tobytes())


def read_rows(path, width):
    with open(path, "rb") as file:
        content = file.read()
    data = array.array("f", content[10 + struct.unpack("<H", content[8:10])[0]:])
    return [data[i:i + width] for i in range(0, len(data), width)]


def write_model(path, rng, outputs):
    def weight(name, *shape):
        count = 1
        for n in shape:
            count *= n
        data = array.array("f", (rng.uniform(-0.3, 0.3) for _ in range(count))).tobytes().hex().upper()
        kind = f"tensor<{'x'.join(map(str, shape))}xf32>"
        return f'  tfm.weight @{name} : {kind} = dense<"0x{data}"> : {kind}\n'

    weights = "".join(weight(name, H, H) for name in "qkvo") + weight("up", H, F) + weight("down", F, H)
    gets = "".join(f"    %{name} = tfm.get @{name} : tensor<{kind}xf32>\n" for name, kind in [
        *((name, f"{H}x{H}") for name in "qkvo"), ("up", f"{H}x{F}"), ("down", f"{F}x{H}")])
    body = """
    %zero = tfm.constant dense<0> : tensor<i64>
    %keep = tfm.compare <ne> %mask, %zero : (!ids, tensor<i64>) -> !keep
    %q1 = tfm.linear %x, %q : (!x, !w) -> !x
    %k1 = tfm.linear %x, %k : (!x, !w) -> !x
    %v1 = tfm.linear %x, %v : (!x, !w) -> !x
    %a = tfm.attention %q1, %k1, %v1 padding(%keep) {heads = 2 : i64, kv_heads = 2 : i64, scale = 0.2 : f64, masked_row = #tfm.masked_row<mean>} : (!x, !x, !x, !keep) -> !x
    %o1 = tfm.linear %a, %o : (!x, !w) -> !x
    %r1 = tfm.add %o1, %x : (!x, !x) -> !x
    %n1 = tfm.layer_norm %r1 {epsilon = 1.0e-05 : f64} : (!x) -> !x
    %u = tfm.linear %n1, %up : (!x, tensor<HxFxf32>) -> !h
    %g = tfm.gelu %u : (!h) -> !h
    %d = tfm.linear %g, %down : (!h, tensor<FxHxf32>) -> !x
    %r2 = tfm.add %d, %n1 : (!x, !x) -> !x
    %n2 = tfm.layer_norm %r2 {epsilon = 1.0e-05 : f64} : (!x) -> !x
    %weights = tfm.cast %mask : (!ids) -> tensor<?x?xf32, #tfm.dims<b, s>>
    %p = tfm.mean_pool %n2, %weights {floor = 1.0e-9 : f64} : (!x, tensor<?x?xf32, #tfm.dims<b, s>>) -> !p
    %f = tfm.slice %n2 {starts = #tfm.dims<0, 0, 0>, steps = array<i64: 1, 1, 1>} : (!x) -> !f
    return %OUTPUTS : TYPES
  }
}
""".replace("%OUTPUTS", ", ".join(f"%{name}" for name, _ in outputs)).replace(
        "TYPES", ", ".join(kind for _, kind in outputs)).replace("HxF", f"{H}x{F}").replace("FxH", f"{F}x{H}")
    results = ", ".join(f'{kind} {{tfm.name = "{"y" if name != "n2" else "rows"}"}}' for name, kind in outputs)
    with open(path, "w") as file:
        file.write(f"""!ids = tensor<?x?xi64, #tfm.dims<b, s>>
!keep = tensor<?x?xi1, #tfm.dims<b, s>>
!x = tensor<?x?x{H}xf32, #tfm.dims<b, s, {H}>>
!h = tensor<?x?x{F}xf32, #tfm.dims<b, s, {F}>>
!p = tensor<?x{H}xf32, #tfm.dims<b, {H}>>
!f = tensor<?x1x{H}xf32, #tfm.dims<b, 1, {H}>>
!w = tensor<{H}x{H}xf32>
module attributes {{tfm.symbols = {{b = array<i64: 1, 64>, s = array<i64: 1, 128>}}}} {{
{weights}  func.func @main(%x: !x {{tfm.name = "x"}}, %mask: !ids {{tfm.name = "mask"}}) -> ({results}) {{
{gets}{body}""")


def main():
    command, folder = sys.argv[1:]
    if command == "write":
        rng = random.Random(1)
        state = rng.getstate()
        for name, outputs in [("model", [("p", "!p")]), ("first", [("f", "!f")]), ("all", [("f", "!f"), ("n2", "!x")])]:
            rng.setstate(state)
            write_model(f"{folder}/{name}.mlir", rng, outputs)
        batch, masks = array.array("f"), array.array("q")
        for number, (begin, end) in enumerate(SENTENCES):
            tokens = array.array("f", (rng.uniform(-1, 1) for _ in range((end - begin) * H)))
            write_npy(f"{folder}/x{number}.npy", "<f4", (1, end - begin, H), tokens)
            write_npy(f"{folder}/mask{number}.npy", "<i8", (1, end - begin), array.array("q", [1] * (end - begin)))
            nan = float("nan")
            batch += array.array("f", [nan] * (begin * H)) + tokens + array.array("f", [nan] * ((S - end) * H))
            masks.extend(int(begin <= s < end) for s in range(S))
        write_npy(f"{folder}/x.npy", "<f4", (len(SENTENCES), S, H), batch)
        numbers = array.array("f", (x if x == x else rng.uniform(-1, 1) for x in batch))
        write_npy(f"{folder}/numbers.npy", "<f4", (len(SENTENCES), S, H), numbers)
        masks[S:2 * S] = array.array("q", [0] * S)  # a sentence without a token
        write_npy(f"{folder}/empty.npy", "<i8", (len(SENTENCES), S), masks)
        masks[S:2 * S] = array.array("q", [1] * 5 + [0] * (S - 5))
        write_npy(f"{folder}/mask.npy", "<i8", (len(SENTENCES), S), masks)
        return
    padded = read_rows(f"{folder}/padded/y.npy", H)
    for number, (begin, _) in enumerate(SENTENCES):
        alone = read_rows(f"{folder}/{number}/y.npy", H)[0]
        # Padding in front moves tokens to other lanes, which sums in another order; padding behind changes no bit.
        same = all(abs(a - b) < 1e-5 for a, b in zip(padded[number], alone)) if begin else padded[number] == alone
        print(f"sentence {number}: {'same' if same else 'DIFFERENT'}")


main()
