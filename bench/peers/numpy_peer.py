"""Cases in NumPy. Arrays of the host; one thread where the caller says so (OMP_NUM_THREADS=1)."""

import time

import numpy as np

NAME = "numpy " + np.__version__
TYPES = {"f32": np.float32, "f16": np.float16, "s32": np.int32, "s64": np.int64}


def operand(o):
    """On the host, of the same distribution for every peer."""
    rng = np.random.default_rng(1)
    if o.kind == "places":
        return rng.integers(0, o.high, o.shape, np.int32)
    if o.kind == "nearby":
        return np.arange(o.shape[0], dtype=np.int32) ^ rng.integers(0, 1024, o.shape, np.int32)
    if o.kind == "integers":
        return rng.integers(0, o.high, o.shape).astype(TYPES[o.type])
    if o.kind == "uniform":
        x = rng.random(o.shape, np.float32)
    elif o.kind == "complex":
        return (rng.random(o.shape, np.float32) + 1j * rng.random(o.shape, np.float32)).astype(np.complex64)
    elif o.kind in ("definite", "triangular"):
        x = rng.standard_normal(o.shape, np.float32)
        x = x @ np.swapaxes(x, -1, -2) / o.shape[-1] + np.eye(o.shape[-1], dtype=np.float32)
        if o.kind == "triangular":
            x = np.linalg.cholesky(x)
    else:
        x = rng.standard_normal(o.shape, np.float32)
    return x.astype(TYPES[o.type])


def put(x):
    return x


def softmax(x):
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def log_softmax(x):
    x = x - x.max(1, keepdims=True)
    return x - np.log(np.exp(x).sum(1, keepdims=True))


def layer_norm(x):
    return (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)


def indexed_put(x, places, new):
    x = x.copy()
    x[places] = new
    return x


def indexed_add(x, places, new):
    x = x.copy()
    np.add.at(x, places, new)
    return x


def top_k(x, k):
    places = np.argpartition(-x, k, 1)[:, :k]
    return np.sort(np.take_along_axis(x, places, 1), 1)


def matmuls(x, times):
    y = x = x / x.sum(1, keepdims=True)
    for _ in range(times):
        y = y @ x
    return y


def adds(x, times):
    for _ in range(times):
        x = x + np.float32(1)
    return x


rng = np.random.default_rng(2)
OPERATIONS = {
    "negate": np.negative,
    "add": np.add,
    "add_one": lambda x: x + np.float32(1),
    "exp": np.exp,
    "random_uniform": lambda shape: rng.random(shape, np.float32),
    "random_normal": lambda shape: rng.standard_normal(shape, np.float32),
    "dropout": lambda x: np.where(rng.random(x.shape, np.float32) < 0.9, x / np.float32(0.9), np.float32(0)),
    "transpose": lambda x: np.ascontiguousarray(-x.T),
    "sum": lambda x, axis=None: x.sum(axis),
    "moments": lambda x: x.mean(1) + x.var(1),
    "argmax": lambda x, axis: x.argmax(axis),
    "all_close": np.allclose,
    "norm": np.linalg.norm,
    "softmax": softmax,
    "log_softmax": log_softmax,
    "layer_norm": layer_norm,
    "scan": lambda x, axis: x.cumsum(axis),
    "sort": lambda x: np.sort(x, -1),
    "argsort": lambda x: np.argsort(x, kind="stable"),
    "top_k": top_k,
    "fft": np.fft.fft,
    "fft2": np.fft.fft2,
    "rfft": np.fft.rfft,
    "take": lambda x, places: x[places],
    "indexed_put": indexed_put,
    "indexed_add": indexed_add,
    "cholesky": np.linalg.cholesky,
    "qr": np.linalg.qr,
    "solve": np.linalg.solve,
    "invert": np.linalg.inv,
    "determinant": np.linalg.det,
    "eigh": np.linalg.eigh,
    "svd": np.linalg.svd,
    "add_and_read": lambda x, y: (x + y).tobytes(),
    "matmuls": matmuls,
    "adds": adds,
}


def seconds(case, run):
    """Of one run."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
