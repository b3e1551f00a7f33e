"""The work of `nxv bench`, by the same names and sizes, for its peers.

A case is a name, a size as `nxv bench` prints it, an operation and its operands. Peers have a function for
each operation that they can do; operands are arrays of a kind and a shape.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Operand:
    kind: str  # uniform, normal, integers, places, definite, triangular, complex
    shape: tuple
    type: str = "f32"
    high: int = 0  # of integers and places


@dataclass(frozen=True)
class Case:
    name: str
    size: str
    operation: str
    operands: list = field(default_factory=list)
    options: dict = field(default_factory=dict)
    host: bool = False  # the clock of the host, from the call to the result


def text(*shape):
    return "x".join(str(n) for n in shape)


def uniform(*shape, type="f32"):
    return Operand("uniform", shape, type)


def normal(*shape, type="f32"):
    return Operand("normal", shape, type)


def elementwise(n, side):
    size = str(n)
    yield Case("copy", size, "negate", [uniform(n)])
    yield Case("add", size, "add", [uniform(n), uniform(n)])
    yield Case("exp", size, "exp", [uniform(n)])
    yield Case("random uniform", size, "random_uniform", [], {"shape": (n,)})
    yield Case("random normal", size, "random_normal", [], {"shape": (n,)})
    yield Case("dropout", size, "dropout", [uniform(n)])
    yield Case("transpose", text(side, side), "transpose", [uniform(side, side)])


def reductions(n, side, cpu):
    square = text(side, side)
    yield Case("sum", str(n), "sum", [uniform(n)])
    yield Case("row sum", square, "sum", [uniform(side, side)], {"axis": 1})
    yield Case("column sum", square, "sum", [uniform(side, side)], {"axis": 0})
    yield Case("column sum", text(side // 2, side // 8), "sum", [uniform(side // 2, side // 8)], {"axis": 0})
    m = 512 if cpu else 1024
    yield Case("middle sum", text(n // m // m, m, m), "sum", [uniform(n // m // m, m, m)], {"axis": 1})
    yield Case("mean and variance", square, "moments", [normal(side, side)])
    yield Case("argmax", square, "argmax", [normal(side, side)], {"axis": 1})
    yield Case("argmax of all", text(1, n), "argmax", [normal(n)], {"axis": 0})
    yield Case("all close", str(n), "all_close", [uniform(n), uniform(n)])
    yield Case("norm", str(n), "norm", [uniform(n)])
    yield Case("softmax", square, "softmax", [normal(side, side)])
    for columns in (1000, 4096, 65536):
        rows = max(1, n // columns)
        yield Case("softmax", text(rows, columns), "softmax", [normal(rows, columns)])
    for type in ("f16", "bf16"):
        yield Case("softmax " + type, square, "softmax", [normal(side, side, type=type)])
    yield Case("log softmax", square, "log_softmax", [normal(side, side)])
    yield Case("layer norm", square, "layer_norm", [normal(side, side)])


def sorting(n, cpu):
    m, side = min(n, 1 << 24), 4096

    def digits(*shape, type="f32"):
        return Operand("integers", shape, type, 10)

    yield Case("scan", str(m), "scan", [digits(m)], {"axis": 0})
    if n > m:
        yield Case("scan", str(n), "scan", [digits(n)], {"axis": 0})
    yield Case("scan rows", text(n // side, side), "scan", [digits(n // side, side)], {"axis": 1})
    yield Case("scan columns", text(side, n // side), "scan", [digits(side, n // side)], {"axis": 0})
    yield Case("scan s64", str(m), "scan", [digits(m, type="s64")], {"axis": 0})
    yield Case("sort", str(m), "sort", [normal(m)])
    if m > 1 << 20:
        yield Case("sort", str(1 << 20), "sort", [normal(1 << 20)])
    yield Case("sort rows", text(m // 256, 256), "sort", [normal(m // 256, 256)])
    yield Case("argsort", str(m), "argsort", [normal(m)])
    rows = 4 if cpu else 64
    yield Case("top 50", text(rows, 128256), "top_k", [normal(rows, 128256)], {"k": 50})


def transforms(cpu):
    def complex(*shape):
        return Operand("complex", shape)

    side, million = (512 if cpu else 4096), 1 << 20
    yield Case("fft", text(1, million), "fft", [complex(1, million)])
    if not cpu:
        yield Case("fft", text(1, 16 * million), "fft", [complex(1, 16 * million)])
    yield Case("fft", text(side, side), "fft", [complex(side, side)])
    prime = 100003 if cpu else 1000003
    yield Case("fft", text(1, prime), "fft", [complex(1, prime)])
    yield Case("fft2", text(side, side), "fft2", [complex(side, side)])
    long = million if cpu else 16 * million
    yield Case("rfft", text(1, long), "rfft", [uniform(1, long)])
    yield Case("rfft", text(side, side), "rfft", [uniform(side, side)])


def indexing(n, cpu):
    m = min(n, 1 << 24)

    def of(name, updates, targets, row=1, suffix=""):
        size = str(updates) if updates == targets else f"{updates} of {targets}"
        places = Operand("nearby" if suffix == ", nearby" else "places", (updates // row,), "s32", targets // row)
        values = uniform(targets // row, row) if row > 1 else uniform(targets)
        new = uniform(updates // row, row) if row > 1 else uniform(updates)
        if name == "take":
            return Case("take" + suffix, size, "take", [values, places])
        return Case(name + suffix, size, name, [values, places, new])

    for name in ("take", "indexed_put", "indexed_add"):
        yield of(name, m, m)
        yield of(name, m, m, suffix=", nearby")
        yield of(name, m, m, 128, ", rows")
        yield of(name, m, m // 16)
        if not cpu:
            yield of(name, m, 4 * m)
    words, tokens, width = (2048 if cpu else 50304), (256 if cpu else 4096), 768
    size = f"{tokens} of {text(words, width)}"
    places = Operand("places", (tokens,), "s32", words)
    yield Case("embedding", size, "take", [uniform(words, width), places])
    yield Case("embedding gradient", size, "indexed_add", [uniform(words, width), places, uniform(tokens, width)])


def windows(n, cpu):
    side = 1
    while 4 * side * side <= n:
        side *= 2
    square = text(side, side)
    yield Case("window sum 3", str(n), "window_sum", [uniform(n)], {"window": 3, "stride": 1})
    yield Case("window sum 3x3", square, "window_sum", [uniform(side, side)], {"window": 3, "stride": 1})
    yield Case("window sum 2x2 step 2", square, "window_sum", [uniform(side, side)], {"window": 2, "stride": 2})
    yield Case("window sum 31", str(n), "window_sum", [uniform(n)], {"window": 31, "stride": 1})
    wide = 512 if cpu else 4096
    yield Case(f"window sum {wide}", str(256 * wide), "window_sum", [uniform(256 * wide)], {"window": wide, "stride": 1})
    yield Case("max pool 2x2", square, "max_pool", [uniform(side, side)])
    yield Case("max pool 2x2 gradient", square, "max_pool_gradient", [uniform(side, side), uniform(side // 2, side // 2)])


def linear(cpu):
    def shapes(last):
        return [(4096, 8, 8), (64, 64, 64), (64, 64)] + [(m, m) for m in (256, 1024, 2048) if m <= last]

    for shape in shapes(256 if cpu else 2048):
        square = Operand("definite", shape)
        yield Case("cholesky", text(*shape), "cholesky", [square], host=True)
        yield Case("lu", text(*shape), "lu", [normal(*shape)], host=True)
        yield Case("qr", text(*shape), "qr", [normal(*shape)], host=True)
        if len(shape) == 2 and shape[0] >= 256:
            yield Case("triangular_solve", text(*shape), "triangular_solve",
                       [Operand("triangular", shape), normal(*shape)], host=True)
            yield Case("solve", text(*shape), "solve", [square, normal(*shape)], host=True)
            yield Case("invert", text(*shape), "invert", [square], host=True)
            yield Case("determinant", text(*shape), "determinant", [square], host=True)
    for shape in shapes(64 if cpu else 2048):
        yield Case("eigh", text(*shape), "eigh", [Operand("definite", shape)], host=True)
        yield Case("svd", text(*shape), "svd", [normal(*shape)], host=True)


def transfers(n):
    for count in (n, n // 16):
        yield Case("upload", str(count), "upload", [], {"count": count, "times": 1}, host=True)
        yield Case("download", str(count), "download", [uniform(count)], {"times": 1}, host=True)
    yield Case("1000 uploads", "1024", "upload", [], {"count": 1024, "times": 1000}, host=True)
    yield Case("1000 downloads", "1024", "download", [uniform(1024)], {"times": 1000}, host=True)
    for count in (1, 1024):
        yield Case("add and read", str(count), "add_and_read", [uniform(count), uniform(count)], host=True)
    yield Case("1000 matmuls in a row", "32x32", "matmuls", [uniform(32, 32)], {"times": 1000}, host=True)


def growth(cpu):
    for power in range(10, 23 if cpu else 31, 2):
        yield Case("growing add", str(1 << power), "add_one", [uniform(1 << power)])
    count = 10
    while count <= (100000 if cpu else 1000000):
        yield Case("pending adds", str(count), "adds", [uniform(1)], {"times": count}, host=True)
        count *= 10


def cases(cpu):
    """All cases, of the sizes that `nxv bench` takes on a GPU or on a CPU."""
    n, side = (1 << 21, 1024) if cpu else (1 << 26, 8192)
    yield from elementwise(n, side)
    yield from reductions(n, side, cpu)
    yield from sorting(n, cpu)
    yield from transforms(cpu)
    yield from indexing(n, cpu)
    yield from windows(n, cpu)
    yield from linear(cpu)
    yield from transfers(n)
    yield from growth(cpu)
