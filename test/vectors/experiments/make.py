#!/usr/bin/python3
"""One small SparseLoCo run in PyTorch, from its definition: what experiments/lib/simulate.ts is held against.

    apt-get install python3-torch        # Debian 12 ships PyTorch 1.13
    python3 make.py two-workers.safetensors

Everything is computed here anew: genesis weights, which text each worker draws, the model, AdamW, compression with
error feedback, the integer outer step. The file holds
  text              int32, the training bytes; held_out likewise
  round{r}.worker{w}.end      float32, every STRIDE-th parameter after the inner steps of that round
  round{r}.worker{w}.index    int32, which parameters the worker sent, ascending
  round{r}.worker{w}.value    float32, their dequantised values
  round{r}.theta    int32, every STRIDE-th scalar of the agreed state after the round
and in its metadata the settings, the training losses of each inner step and the held-out loss after each round.
"""
import hashlib, json, math, os, struct, sys
import numpy as np, torch
import torch.nn.functional as F

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from make_reference import forward, names_and_shapes, write_safetensors

MODEL = dict(vocab_size=256, hidden_size=64, intermediate_size=192, num_hidden_layers=2, num_attention_heads=2,
             num_key_value_heads=2, tie_word_embeddings=True, rope_theta=10000.0, rms_norm_eps=1e-5)
# as RunSettings of experiments/lib/settings.ts
RUN = dict(method="sparseloco", corpus="vectors", data="iid", size="0.1m", seed=7, workers=2, rounds=2, innerSteps=3,
           weights="tokens", batch=2, sequence=32, learningRate=1e-2,
           sparseloco=dict(topK=64, quantiser="sign1", beta=0.95, alpha=1, average="senders", fractionBits=24))
BETAS, EPS, DECAY, CLIP = (0.9, 0.95), 1e-8, 0.1, 1.0
FLOOR, WARMUP_STEPS, RAMP = 0.1, 20, 8
HELD_OUT = 32
STRIDE = 61
ONE = 2 ** RUN["sparseloco"]["fractionBits"]


class Xoshiro:
    """xoshiro128** 1.1 seeded with 16 bytes, and unbiased below(n)."""

    def __init__(self, seed):
        self.s = list(struct.unpack("<4I", seed[:16]))

    def uint32(self):
        a, b, c, d = self.s
        rot = lambda x, k: ((x << k) | (x >> (32 - k))) & 0xFFFFFFFF
        result = rot(b * 5 & 0xFFFFFFFF, 7) * 9 & 0xFFFFFFFF
        t = b << 9 & 0xFFFFFFFF
        c ^= a; d ^= b; b ^= c; a ^= d; c ^= t
        self.s = [a, b, c, rot(d, 11)]
        return result

    def below(self, n):
        limit = 2 ** 32 - 2 ** 32 % n
        while True:
            x = self.uint32()
            if x < limit:
                return x % n


sha = lambda data: hashlib.sha256(data if isinstance(data, bytes) else data.encode()).digest()


def half_up(x):
    return math.floor(x + 0.5)


def layout():
    """Matrices in Hugging Face's order, then vectors: (name, shape, offset)."""
    shapes = list(names_and_shapes(MODEL))
    out, at = [], 0
    for name, shape in [s for s in shapes if len(s[1]) == 2] + [s for s in shapes if len(s[1]) == 1]:
        out.append((name, shape, at))
        at += math.prod(shape)
    return out, at


LAYOUT, ELEMENTS = layout()


def genesis():
    theta = np.zeros(ELEMENTS, dtype=np.int64)
    for name, shape, at in LAYOUT:
        size = math.prod(shape)
        if len(shape) == 1:
            theta[at : at + size] = ONE
            continue
        deviation = 0.02 / (math.sqrt(2 * MODEL["num_hidden_layers"]) if name.endswith(("o_proj.weight", "down_proj.weight")) else 1)
        random = Xoshiro(sha(f"tabswarm genesis\nexperiment {RUN['seed']}\n{name}"))
        for i in range(at, at + size):
            words = [random.uint32() for _ in range(6)]
            total = sum((w & 0xFFFF) + (w >> 16) for w in words)
            theta[i] = half_up((total - 393210) * (deviation * ONE / 65536))
    return theta


def text():
    """Words of a made-up language: enough structure to learn, nobody's text."""
    random = Xoshiro(sha("words"))
    words = ["".join("etaoinshrdlu"[min(random.below(12), random.below(12))] for _ in range(2 + random.below(5))) for _ in range(40)]
    return " ".join(words[min(random.below(40), random.below(40))] for _ in range(900)).encode()


def windows(corpus, round_, worker):
    """What experiments/lib/data.ts draws: src/training/assignment.ts with one shard."""
    seed = sha(b"tabswarm assignment 1" + sha(f"seed {RUN['seed']}") + struct.pack("<I", round_) + sha(RUN["corpus"]) + sha(f"worker {worker}"))
    random = Xoshiro(seed)
    random.below(1)  # the one shard there is
    while True:
        rows = []
        for _ in range(RUN["batch"]):
            random.below(1)
            at = random.below(len(corpus) - RUN["sequence"])
            rows.append(corpus[at : at + RUN["sequence"] + 1])
        ids = torch.tensor([list(r) for r in rows])
        yield ids[:, :-1], ids[:, 1:]


def learning_rate(round_, step):
    steps, peak = RUN["innerSteps"], RUN["learningRate"]
    warmup = max(1, half_up(WARMUP_STEPS / steps))
    if round_ < warmup:
        return peak * (round_ + min(1, (step + 1) / min(RAMP, steps))) / warmup
    progress = min(1, (round_ - warmup + min(1, step / steps)) / max(1, RUN["rounds"] - warmup))
    return peak * (FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * progress)))


def load(P, values):
    with torch.no_grad():
        for name, shape, at in LAYOUT:
            P[name].copy_(torch.from_numpy(values[at : at + math.prod(shape)].reshape(shape)))


def flat(P):
    return np.concatenate([P[name].detach().numpy().reshape(-1) for name, _, _ in LAYOUT])


def loss_of(P, tokens, targets):
    return F.cross_entropy(forward(MODEL, P, tokens).reshape(-1, MODEL["vocab_size"]), targets.reshape(-1))


MANTISSAS = [float(np.float32(2 ** (i / 8))) for i in range(8)]


def nearest_level(magnitude):
    """The logarithmic scale of docs/wire.md."""
    if magnitude <= 0:
        return 0.0
    level = min(511, max(1, half_up(8 * (math.log2(magnitude) + 40))))
    return MANTISSAS[level & 7] * 2.0 ** ((level >> 3) - 40)


def chunks():
    """(tensor index, flat indices of the chunk, is it a matrix's)."""
    for t, (_, shape, at) in enumerate(LAYOUT):
        index = at + np.arange(math.prod(shape)).reshape(shape)
        if len(shape) == 1:
            yield t, index, False
            continue
        for r in range(0, shape[0], 64):
            for c in range(0, shape[1], 64):
                yield t, index[r : r + 64, c : c + 64].reshape(-1), True


def compress(start, end, error):
    """a = beta e + (start - end); what is sent of it, as (index, value, tensor); and the new e."""
    s = RUN["sparseloco"]
    a = (s["beta"] * error.astype(np.float64) + (start.astype(np.float64) - end)).astype(np.float32)
    index, value, tensor = [], [], []
    for t, where, matrix in chunks():
        kept = where
        if matrix:
            kept = np.sort(where[np.argsort(-np.abs(a[where]), kind="stable")[: s["topK"]]])
        total = 0.0
        for x in a[kept]:
            total += abs(float(x))
        magnitude = nearest_level(total / len(kept))
        index.append(kept)
        value.append(np.where(a[kept] < 0, -magnitude, magnitude))
        tensor.append(np.full(len(kept), t))
    index, value, tensor = np.concatenate(index), np.concatenate(value), np.concatenate(tensor)
    new = a.copy()
    new[index] = (a[index].astype(np.float64) - value).astype(np.float32)
    return index, value, tensor, new


def outer_step(theta, sent):
    """Median-norm clipping by tensor, integers, mean over a coordinate's senders. All weights are equal here."""
    norms = np.array([[math.sqrt(float((value[tensor == t] ** 2).sum())) for t in range(len(LAYOUT))] for _, value, tensor in sent])
    factor = np.minimum(1, np.median(norms, axis=0) / norms)
    total, senders = np.zeros(ELEMENTS, dtype=np.int64), np.zeros(ELEMENTS, dtype=np.int64)
    for w, (index, value, tensor) in enumerate(sent):
        exact = RUN["sparseloco"]["alpha"] * factor[w][tensor] * ONE * value
        total[index] += (np.sign(exact) * np.floor(np.abs(exact) + 0.5)).astype(np.int64)
        senders[index] += 1
    on = senders > 0
    # round half away from zero; one weight of 1024 each cancels but for the rounding's half
    n, d = np.abs(total[on]) * 1024, senders[on] * 1024
    theta = theta.copy()
    theta[on] -= np.sign(total[on]) * ((n + d // 2) // d)
    return theta


def main(path):
    torch.set_num_threads(1)
    corpus, held = text(), text()[::-1]
    theta = genesis()
    models, optimisers, errors = [], [], []
    for _ in range(RUN["workers"]):
        P = {name: torch.zeros(shape, requires_grad=True) for name, shape, _ in LAYOUT}
        groups = [dict(params=[p for p in P.values() if p.dim() > 1], weight_decay=DECAY),
                  dict(params=[p for p in P.values() if p.dim() == 1], weight_decay=0.0)]
        models.append(P)
        optimisers.append(torch.optim.AdamW(groups, lr=1, betas=BETAS, eps=EPS))
        errors.append(np.zeros(ELEMENTS, dtype=np.float32))
    last = len(held) - RUN["sequence"] - 1
    rows = [held[i * last // (HELD_OUT - 1) :][: RUN["sequence"] + 1] for i in range(HELD_OUT)]
    evaluation = torch.tensor([list(r) for r in rows])
    out = dict(text=torch.tensor(list(corpus)).int(), held_out=torch.tensor(list(held)).int())
    losses, curve = [], []
    for r in range(RUN["rounds"]):
        start = (theta / ONE).astype(np.float32)
        sent = []
        for w, (P, optimiser) in enumerate(zip(models, optimisers)):
            load(P, start)
            stream = windows(corpus, r, w)
            for step in range(RUN["innerSteps"]):
                for group in optimiser.param_groups:
                    group["lr"] = learning_rate(r, step)
                optimiser.zero_grad()
                loss = loss_of(P, *next(stream))
                loss.backward()
                torch.nn.utils.clip_grad_norm_(list(P.values()), CLIP)
                optimiser.step()
                losses.append(loss.item())
            end = flat(P)
            index, value, tensor, errors[w] = compress(start, end, errors[w])
            sent.append((index, value, tensor))
            order = np.argsort(index)
            out[f"round{r}.worker{w}.end"] = torch.from_numpy(end[::STRIDE].copy())
            out[f"round{r}.worker{w}.index"] = torch.from_numpy(index[order].astype(np.int32))
            out[f"round{r}.worker{w}.value"] = torch.from_numpy(value[order].astype(np.float32))
        theta = outer_step(theta, sent)
        out[f"round{r}.theta"] = torch.from_numpy(theta[::STRIDE].astype(np.int32))
        load(models[0], (theta / ONE).astype(np.float32))
        with torch.no_grad():
            curve.append(loss_of(models[0], evaluation[:, :-1], evaluation[:, 1:]).item())
    write_safetensors(path, out, dict(settings=RUN, stride=STRIDE, losses=losses, heldOut=curve, windows=HELD_OUT))
    print("training losses", losses, "held-out", curve)


if __name__ == "__main__":
    main(sys.argv[1])
