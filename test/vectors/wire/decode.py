"""A second decoder of submissions, written from docs/wire.md alone: `python3 test/vectors/wire/decode.py` checks the
vectors beside it. It shows that the page suffices; it is slow, and no part of the project uses it."""

import json
import pathlib
import struct

RATES = [2, 2, 3, 3, 3, 4, 4, 4, 4, 4] + [5] * 20 + [6] * 40 + [7]


class Model:
    def __init__(self, p=32768, seen=0):
        self.p, self.seen = min(65504, max(32, p)), seen


class Decoder:
    def __init__(self, data):
        self.data, self.at, self.range, self.code = data, 0, 2**32 - 1, 0
        for _ in range(4):
            self.code = self.code * 256 + self.byte()

    def byte(self):
        self.at += 1
        return self.data[self.at - 1] if self.at <= len(self.data) else 0

    def take(self, bound):
        bit = 0 if self.code < bound else 1
        if bit:
            self.code -= bound
            self.range -= bound
        else:
            self.range = bound
        while self.range < 2**24:
            self.range *= 256
            self.code = self.code * 256 + self.byte()
        return bit

    def bit(self, m):
        bit = self.take((self.range >> 16) * m.p)
        rate = RATES[min(m.seen, 70)]
        m.seen += 1
        m.p = m.p + ((65536 - m.p) >> rate) if bit == 0 else m.p - (m.p >> rate)
        m.p = min(65504, max(32, m.p))
        return bit

    def direct(self, n):
        v = 0
        for _ in range(n):
            v = 2 * v + self.take(self.range // 2)
        return v

    def tree(self, t, n):
        node = 1
        for _ in range(n):
            node = 2 * node + self.bit(t[node])
        return node - 2**n


def models(n):
    return [Model() for _ in range(n)]


def bucket(x):
    if x < 4:
        return x
    k = x.bit_length() - 1
    return 4 * (k - 1) + ((x >> (k - 2)) & 3)


def start(b):
    return b if b < 4 else (4 + (b & 3)) * 2 ** (b // 4 - 1)


def centre(b):
    return (start(b) + start(b + 1)) / 2


def half_up(x):
    return int(x + 0.5)


class Positions:
    def __init__(self):
        self.cells = [Model(half_up(65536 - centre(b)), 4) for b in range(60)]
        self.counts = [
            [Model(half_up(65536 / (1 + centre(b) / 1024 / (1 + j))), 1) for j in range(16)] for b in range(60)
        ]
        self.by_rows, self.by_columns = {}, {}

    def tensor(self, rows, columns):
        self.rows = [w // 8 for w in self.by_rows.get(rows, [0] * rows)]
        self.columns = [w // 8 for w in self.by_columns.get(columns, [0] * columns)]
        self.by_rows[rows], self.by_columns[columns] = self.rows, self.columns

    def decode(self, d, left, y, x):
        rw = [self.rows[64 * y + i] + 400 for i in range(64)]
        cw = [self.columns[64 * x + i] + 400 for i in range(64)]
        R, C, h, out, per_row = sum(rw), sum(cw), [0] * 64, [], [0] * 64
        for r in range(64):
            if left == 0:
                break
            if r < 63:
                B = bucket(min(65535, left * rw[r] * 1024 // R))
                n, m = 0, min(left, 64)
                while n < m and d.bit(self.counts[B][min(n, 15)]):
                    n += 1
            else:
                n = left
                assert n <= 64
            R -= rw[r]
            A, togo, c = C, n, 0
            mine = []
            while togo > 0:
                if togo == 64 - c:
                    mine += range(c, 64)
                    break
                v = cw[c] + 256 * h[c]
                if d.bit(self.cells[bucket(min(65535, togo * v * 65536 // A))]):
                    mine.append(c)
                    togo -= 1
                A -= v
                c += 1
            for c in mine:
                h[c] += 1
                out.append(64 * r + c)
            C += 256 * n
            per_row[r] = n
            left -= n
        assert left == 0
        for i in range(64):
            self.rows[64 * y + i] = self.rows[64 * y + i] * 208 // 256 + 256 * per_row[i]
            self.columns[64 * x + i] = self.columns[64 * x + i] * 208 // 256 + 256 * h[i]
        return out


class Codes:
    def __init__(self):
        self.signs, self.large, self.trees = models(6), Model(), [models(4) for _ in range(11)]

    def tensor(self, columns):
        self.memory = [0] * columns

    def decode(self, d, quantiser, columns, table):
        out = []
        for c in columns:
            M = self.memory[c]
            s = min(5, (3 * abs(M)) >> 5)
            if quantiser == "tensor4":
                code = d.tree(self.trees[5 + s if M < 0 else s], 2)
                sign = 1 if table[code] < 0 else 0
            else:
                sign = d.bit(self.signs[s]) ^ (1 if M < 0 else 0)
                code = sign + (2 * d.bit(self.large) if quantiser == "sign2" else 0)
            self.memory[c] = ((13 * M) >> 4) + (-16 if sign else 16)
            out.append(code)
        return out


def level_difference(d, t):
    z = d.tree(t, 5)
    if z == 31:
        z = d.direct(11)
        assert z >= 31
    return -(z + 1) // 2 if z & 1 else z // 2


def shapes(c):
    """src/model/layout.ts for tied embeddings."""
    h, f = c["hiddenSize"], c["intermediateSize"]
    kv = h // c["heads"] * c["kvHeads"]
    out = [(c["vocabSize"], h)]
    for _ in range(c["layers"]):
        out += [(h, h), (kv, h), (kv, h), (h, h), (f, h), (f, h), (h, f)]
    return out, [h] * (2 * c["layers"] + 1)


def decode(data, config, top_k, quantiser):
    d, positions, codes = Decoder(data[21:]), Positions(), [Codes(), Codes()]
    full = [Model(61440), Model(61440)]
    levels, last = [models(32) for _ in range(8)], [0] * 8
    matrices, vectors = shapes(config)
    out = []
    for shape in [*matrices, *vectors]:
        kind = 0 if isinstance(shape, tuple) else 1
        if kind == 0:
            positions.tensor(*shape)
            codes[0].tensor(shape[1])
            chunks, across = shape[0] * shape[1] // 4096, shape[1] // 64
        else:
            assert shape <= 4096
            codes[1].tensor(shape)
            chunks, across = 1, 1
        table = [0] * 4
        if quantiser == "tensor4":
            for q in range(4):
                last[4 * kind + q] += level_difference(d, levels[4 * kind + q])
                table[q] = last[4 * kind + q]
        for i in range(chunks):
            y, x = divmod(i, across)
            partial = d.bit(full[kind])
            if kind == 0:
                where = positions.decode(d, d.direct(10) if partial else top_k, y, x)
                columns = [64 * x + (p & 63) for p in where]
            else:
                where = columns = [] if partial else list(range(shape))
            if where and quantiser != "tensor4":
                last[4 * kind] += level_difference(d, levels[4 * kind])
                low = last[4 * kind]
                table = [low, -low, 0, 0]
                if quantiser == "sign2":
                    high = low + level_difference(d, levels[4 * kind + 1])
                    table[2:] = [high, -high]
            out.append((where, codes[kind].decode(d, quantiser, columns, table), list(table)))
    return out


for path in sorted(pathlib.Path(__file__).parent.glob("*.json")):
    vector = json.loads(path.read_text())
    data = bytes.fromhex(vector["bytes"])
    version, run, round_, key = struct.unpack("<B8sI8s", data[:21])
    header = vector["header"]
    assert (version, run.hex(), round_, key.hex()) == (
        1,
        header["run"][:16],
        header["round"],
        header["contributor"][:16],
    )
    got = decode(data, vector["model"], vector["topK"], vector["quantiser"])
    assert len(got) == len(vector["chunks"])
    for (where, codes, table), chunk in zip(got, vector["chunks"]):
        assert where == chunk["positions"] and codes == chunk["codes"], path
        assert not where or table == chunk["levels"], path
    print(f"{path.name}: {len(got)} chunks, as expected")
