"""Cases in PyTorch, on a GPU: the device's clock, of several runs in a row where they are short."""

import time

import numpy_peer
import torch
import torch.nn.functional as F

NAME = "torch " + torch.__version__
TYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16, "s32": torch.int32, "s64": torch.int64}
torch.backends.cuda.matmul.allow_tf32 = False


def operand(o):
    if o.kind in ("uniform", "normal", "complex"):
        generator = torch.Generator("cuda").manual_seed(1)
        type = torch.complex64 if o.kind == "complex" else torch.float32
        make = torch.rand if o.kind == "uniform" else torch.randn
        return make(o.shape, generator=generator, device="cuda", dtype=type).to(
            type if o.kind == "complex" else TYPES[o.type])
    x = torch.from_numpy(numpy_peer.operand(o)).cuda()
    return x.long() if o.kind in ("places", "nearby") else x


def window_sum(x, window, stride):
    """The mean of each window; sums of windows are that times a number."""
    margin = window // 2 if stride == 1 else 0
    if x.dim() == 1:
        return F.avg_pool1d(x[None], window, stride, margin)
    return F.avg_pool2d(x[None], window, stride, margin)


def max_pool_gradient(x, source):
    y, places = F.max_pool2d(x[None, None], 2, return_indices=True)
    return torch.ops.aten.max_pool2d_with_indices_backward(
        source[None, None], x[None, None], [2, 2], [2, 2], [0, 0], [1, 1], False, places)


def indexed_put(x, places, new):
    return x.clone().index_put_((places,), new)


def indexed_add(x, places, new):
    return x.clone().index_add_(0, places, new)


def lu(x):
    factors, pivots = torch.linalg.lu_factor(x)
    return torch.lu_unpack(factors, pivots)


def matmuls(x, times):
    y = x = x / x.sum(1, keepdim=True)
    for _ in range(times):
        y = y @ x
    return y.cpu()


def adds(x, times):
    for _ in range(times):
        x = x + 1
    return x.cpu()


def upload(count, times):
    host = torch.ones(count)
    for _ in range(times):
        x = host.cuda()
    torch.cuda.synchronize()
    return x


def download(x, times):
    for _ in range(times):
        y = x.cpu()
    return y


OPERATIONS = {
    "negate": torch.neg,
    "add": torch.add,
    "add_one": lambda x: x + 1,
    "exp": torch.exp,
    "random_uniform": lambda shape: torch.rand(shape, device="cuda"),
    "random_normal": lambda shape: torch.randn(shape, device="cuda"),
    "dropout": lambda x: F.dropout(x, 0.1, True),
    "transpose": lambda x: torch.neg(x.t()).contiguous(),
    "sum": lambda x, axis=None: x.sum() if axis is None else x.sum(axis),
    "moments": lambda x: torch.var_mean(x, 1),
    "argmax": torch.argmax,
    "all_close": lambda x, y: torch.isclose(x, y).all(),
    "norm": torch.linalg.vector_norm,
    "softmax": lambda x: F.softmax(x, 1),
    "log_softmax": lambda x: F.log_softmax(x, 1),
    "layer_norm": lambda x: F.layer_norm(x, x.shape[1:]),
    "scan": torch.cumsum,
    "sort": lambda x: torch.sort(x, -1)[0],
    "argsort": lambda x: torch.argsort(x, stable=True),
    "top_k": lambda x, k: torch.topk(x, k),
    "fft": torch.fft.fft,
    "fft2": torch.fft.fft2,
    "rfft": torch.fft.rfft,
    "take": lambda x, places: x[places],
    "indexed_put": indexed_put,
    "indexed_add": indexed_add,
    "window_sum": window_sum,
    "max_pool": lambda x: F.max_pool2d(x[None, None], 2),
    "max_pool_gradient": max_pool_gradient,
    "cholesky": torch.linalg.cholesky,
    "lu": lu,
    "qr": torch.linalg.qr,
    "triangular_solve": lambda a, b: torch.linalg.solve_triangular(a, b, upper=False),
    "solve": torch.linalg.solve,
    "invert": torch.linalg.inv,
    "determinant": torch.linalg.det,
    "eigh": torch.linalg.eigh,
    "svd": torch.linalg.svd,
    "upload": upload,
    "download": download,
    "add_and_read": lambda x, y: (x + y).cpu(),
    "matmuls": matmuls,
    "adds": adds,
}
for name in ("scan", "argmax"):
    OPERATIONS[name] = lambda x, axis, f=OPERATIONS[name]: f(x, axis)


def seconds(case, run):
    """Of one run."""
    torch.cuda.synchronize()
    if case.host:
        start = time.perf_counter()
        run()
        torch.cuda.synchronize()
        return time.perf_counter() - start
    runs = 10
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    for _ in range(runs):
        run()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) * 1e-3 / runs
