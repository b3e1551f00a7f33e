"""Cases in JAX, compiled; the host's clock, of several runs in a row where the device's is meant."""

import functools
import time

import jax
import jax.numpy as jnp
import numpy as np
import numpy_peer

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_default_matmul_precision", "highest")
NAME = "jax " + jax.__version__
TYPES = {"f32": jnp.float32, "f16": jnp.float16, "bf16": jnp.bfloat16, "s32": jnp.int32, "s64": jnp.int64}
KEY = jax.random.key(1)


def operand(o):
    if o.kind == "uniform":
        return jax.random.uniform(KEY, o.shape, jnp.float32).astype(TYPES[o.type])
    if o.kind == "normal":
        return jax.random.normal(KEY, o.shape, jnp.float32).astype(TYPES[o.type])
    if o.kind == "complex":
        return jax.random.normal(KEY, o.shape, jnp.complex64)
    return jnp.asarray(numpy_peer.operand(o))


def window_sum(x, window, stride):
    margin = window // 2 if stride == 1 else 0
    return jax.lax.reduce_window(x, np.float32(0), jax.lax.add, (window,) * x.ndim, (stride,) * x.ndim,
                                 ((margin, margin),) * x.ndim)


def max_pool(x):
    return jax.lax.reduce_window(x, -np.float32(np.inf), jax.lax.max, (2, 2), (2, 2), "VALID")


def moments(x):
    return x.mean(1) + x.var(1)


def layer_norm(x):
    return (x - x.mean(1, keepdims=True)) * jax.lax.rsqrt(x.var(1, keepdims=True) + np.float32(1e-5))


def random(draw):
    make = jax.jit(lambda key, shape: draw(key, shape, jnp.float32), static_argnums=1)
    return lambda shape: make(KEY, shape)


@jax.jit
def dropped(x, key):
    return jnp.where(jax.random.bernoulli(key, 0.9, x.shape), x / np.float32(0.9), np.float32(0))


def indexed_put(x, places, new):
    return x.at[places].set(new)


def indexed_add(x, places, new):
    return x.at[places].add(new)


OPERATIONS = {
    "negate": jnp.negative,
    "add": jnp.add,
    "add_one": lambda x: x + np.float32(1),
    "exp": jnp.exp,
    "transpose": lambda x: -x.T,
    "sum": lambda x, axis=None: x.sum(axis),
    "moments": moments,
    "argmax": lambda x, axis: x.argmax(axis),
    "all_close": jnp.allclose,
    "norm": jnp.linalg.norm,
    "softmax": lambda x: jax.nn.softmax(x, 1),
    "log_softmax": lambda x: jax.nn.log_softmax(x, 1),
    "layer_norm": layer_norm,
    "scan": lambda x, axis: jnp.cumsum(x, axis),
    "sort": lambda x: jnp.sort(x, -1),
    "argsort": jnp.argsort,
    "top_k": jax.lax.top_k,
    "fft": jnp.fft.fft,
    "fft2": jnp.fft.fft2,
    "rfft": jnp.fft.rfft,
    "take": lambda x, places: x[places],
    "indexed_put": indexed_put,
    "indexed_add": indexed_add,
    "window_sum": window_sum,
    "max_pool": max_pool,
    "max_pool_gradient": lambda x, source: jax.vjp(max_pool, x)[1](source)[0],
    "cholesky": jnp.linalg.cholesky,
    "lu": jax.lax.linalg.lu,
    "qr": jnp.linalg.qr,
    "triangular_solve": lambda a, b: jax.scipy.linalg.solve_triangular(a, b, lower=True),
    "solve": jnp.linalg.solve,
    "invert": jnp.linalg.inv,
    "determinant": jnp.linalg.det,
    "eigh": jnp.linalg.eigh,
    "svd": jnp.linalg.svd,
}
OPERATIONS = {name: (f, True) for name, f in OPERATIONS.items()}


def upload(count, times):
    host = np.ones(count, np.float32)
    for _ in range(times):
        x = jax.device_put(host)
    return x.block_until_ready()


def download(x, times):
    for _ in range(times):
        y = np.asarray(x + np.float32(0))  # arrays keep what was read of them
    return y


def matmuls(x, times):
    y = x = x / x.sum(1, keepdims=True)
    for _ in range(times):
        y = y @ x
    return np.asarray(y)


def adds(x, times):
    for _ in range(times):
        x = x + np.float32(1)
    return np.asarray(x)


# Keys are arguments: what follows from constants may be computed while it is compiled.
OPERATIONS |= {
    "random_uniform": (random(jax.random.uniform), False),
    "random_normal": (random(jax.random.normal), False),
    "dropout": (lambda x: dropped(x, KEY), False),
    "upload": (upload, False),
    "download": (download, False),
    "add_and_read": (lambda x, y: np.asarray(x + y), False),
    "matmuls": (matmuls, False),
    "adds": (adds, False),
}


@functools.cache
def compiled(name, options):
    operation, is_traced = OPERATIONS[name]
    f = functools.partial(operation, **dict(options))
    return jax.jit(f) if is_traced else f


def bind(case, operands):
    f = compiled(case.operation, tuple(case.options.items()))
    return lambda: f(*operands)


def seconds(case, run):
    """Of one run."""
    runs = 1 if case.host else 10
    start = time.perf_counter()
    for _ in range(runs):
        result = run()
    jax.block_until_ready(result)
    return (time.perf_counter() - start) / runs
