#!/usr/bin/env python3
"""Fits the polynomials of src/ir/math and prints coefficients.h. Needs mpmath.

Each function is interpolated at Chebyshev nodes in 200-bit arithmetic; the degree is the smallest
whose relative error on a dense grid stays below the target of its carrier (see extended.h).
"""
import mpmath as mp

mp.mp.prec = 200
CARRIERS = ("f64", "pair_f32", "pair_f64")


def series_guarded(f, limit):
    """f near a removable singularity at 0 is evaluated with twice the precision."""
    def g(x):
        if x == 0:
            return limit
        with mp.workprec(900):
            return f(x)
    return g


def interpolate(f, a, b, degree):
    n = degree + 1
    nodes = [(a + b) / 2 + (b - a) / 2 * mp.cos(mp.pi * (2 * k + 1) / (2 * n)) for k in range(n)]
    values = [f(x) for x in nodes]
    # Newton's divided differences, then expansion into monomials.
    table = list(values)
    for j in range(1, n):
        for i in range(n - 1, j - 1, -1):
            table[i] = (table[i] - table[i - 1]) / (nodes[i] - nodes[i - j])
    poly = [mp.mpf(0)] * n
    for i in range(n - 1, -1, -1):
        shifted = [mp.mpf(0)] + poly[:-1]
        poly = [s - nodes[i] * p for s, p in zip(shifted, poly)]
        poly[0] += table[i]
    return poly


def fit(f, a, b, target):
    a, b = mp.mpf(a), mp.mpf(b)
    grid = [a + (b - a) * k / 240 for k in range(241)]
    exact = [f(x) for x in grid]
    for degree in range(2, 40):
        poly = interpolate(f, a, b, degree)
        error = max(abs(mp.polyval(poly[::-1], x) / y - 1) for x, y in zip(grid, exact))
        if error < mp.mpf(2) ** target:
            return poly, error
    raise RuntimeError("no degree is enough")


def erf_inv_over_x(w):
    """erf_inv(x) / x for w = -log(1 - x^2)."""
    if w == 0:
        return mp.sqrt(mp.pi) / 2
    x = mp.sqrt(-mp.expm1(-w))
    tail = mp.exp(-w) / (1 + x)  # 1 - x
    y = mp.sqrt(w - mp.log(w) / 2) if w > 6 else (mp.mpf("1.2") if w > 3 else x)
    for _ in range(80):
        u = (mp.erfc(y) - tail) / (-2 / mp.sqrt(mp.pi) * mp.exp(-y * y))
        step = u / (1 + y * u)
        y -= step
        if abs(step) < mp.mpf(2) ** -180 * abs(y):
            break
    return y / x


def scaled_erfc(t):
    """(1 + 2x) e^(x^2) erfc(x) for t = (x - 3) / (x + 3)."""
    x = 3 * (1 + t) / (1 - t)
    return (1 + 2 * x) * mp.exp(x * x) * mp.erfc(x)


half_ln2 = mp.log(2) / 2 * mp.mpf("1.001")
quarter_pi2 = (mp.pi / 4 * mp.mpf("1.001")) ** 2
log_z = ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2 * mp.mpf("1.001")
atan_z = (mp.sqrt(2) - 1) ** 2 * mp.mpf("1.001")
root = mp.sqrt
erfc_t = lambda x: (mp.mpf(x) - 3) / (x + 3)

# M. Giles, "Approximating the erfinv function", GPU Computing Gems Jade Edition, 2011
GILES = (
    "1.50140941", "0.246640727", "-0.00417768164", "-0.00125372503", "0.00021858087",
    "-4.39150654e-06", "-3.5233877e-06", "3.43273939e-07", "2.81022636e-08",
)
GILES_TAIL = (
    "2.83297682", "1.00167406", "0.00943887047", "-0.0076224613", "0.00573950773",
    "-0.00367342844", "0.00134934322", "0.000100950558", "-0.000200214257",
)

# name, comment, function, interval and target exponent per carrier; or those of pair_f64 alone and
# the published coefficients of results in f32
FITS = [
    ("kExp", "(e^r - 1 - r - r^2/2) / r^3, |r| <= ln(2)/2",
     series_guarded(lambda r: (mp.expm1(r) - r - r**2 / 2) / r**3, mp.mpf(1) / 6),
     [(-half_ln2, half_ln2)] * 3, (-40, -28, -58)),
    ("kLog", "(log((1+s)/(1-s)) / s - 2) / s^2 in s^2, |s| <= (sqrt2-1)/(sqrt2+1)",
     series_guarded(lambda z: (2 * mp.atanh(root(z)) / root(z) - 2) / z, mp.mpf(2) / 3),
     [(0, log_z)] * 3, (-41, -30, -59)),
    ("kSin", "(sin(r)/r - 1) / r^2 in r^2, |r| <= pi/4",
     series_guarded(lambda z: (mp.sin(root(z)) / root(z) - 1) / z, -mp.mpf(1) / 6),
     [(0, quarter_pi2)] * 3, (-31, -31, -59)),
    ("kCos", "(cos(r) - 1 + r^2/2) / r^4 in r^2, |r| <= pi/4",
     series_guarded(lambda z: (mp.cos(root(z)) - 1 + z / 2) / z**2, mp.mpf(1) / 24),
     [(0, quarter_pi2)] * 3, (-28, -28, -57)),
    ("kAtan", "(atan(t)/t - 1) / t^2 in t^2, |t| <= tan(pi/8)",
     series_guarded(lambda z: (mp.atan(root(z)) / root(z) - 1) / z, -mp.mpf(1) / 3),
     [(0, atan_z)] * 3, (-41, -29, -58)),
    ("kErf", "erf(x)/x - 1 in x^2, |x| <= 1/2",
     series_guarded(lambda z: mp.erf(root(z)) / root(z) - 1, 2 / root(mp.pi) - 1),
     [(0, mp.mpf("0.2505"))] * 3, (-39, -29, -57)),
    ("kErfc", "(1 + 2x) e^(x^2) erfc(x) in (x-3)/(x+3), x >= 1/2", scaled_erfc,
     [(erfc_t(0.5), erfc_t(10.2)), (erfc_t(0.5), erfc_t(10.2)), (erfc_t(0.5), erfc_t(27.3))],
     (-41, -30, -57)),
    # (centres keep the terms small next to their sum)
    ("kErfInv", "erf_inv(x)/x in w - 2.5 (f32, w < 5) or w - 3 (f64, w < 6.25), w = -log(1 - x^2)",
     lambda t: erf_inv_over_x(t + 3), [(-3, 3.25)], (-57,), GILES),
    ("kErfInvTail", "erf_inv(x)/x in sqrt(w) - 3 (f32) or sqrt(w) - 4 (f64), w above",
     lambda t: erf_inv_over_x((t + 4) ** 2), [(root(mp.mpf("6.25")) - 4, mp.mpf("6.004") - 4)],
     (-57,), GILES_TAIL),
]


# Polynomials for steps towards 16-bit floats: name, comment, function, interval, degree.
STEPS = [
    ("kExpStep", "e^r, |r| <= ln(2)", mp.exp, (-2 * half_ln2, 2 * half_ln2), 7),
]

# Quotients of polynomials, for steps towards 16-bit floats: name, comment, function, interval, degrees.
QUOTIENTS = [
    ("kTanh", "tanh(x)/x in x^2, |x| <= 4.7",
     series_guarded(lambda z: mp.tanh(root(z)) / root(z), mp.mpf(1)), (0, mp.mpf("4.7") ** 2), 3, 4),
    ("kErf", "erf(x)/x in x^2, |x| <= 2.75",
     series_guarded(lambda z: mp.erf(root(z)) / root(z), 2 / root(mp.pi)),
     (0, mp.mpf("2.75") ** 2), 6, 3),
]


def fit_quotient(f, a, b, top, bottom):
    """Interpolates at Chebyshev nodes; the denominator's lowest coefficient is 1."""
    n = top + bottom + 1
    nodes = [(a + b) / 2 + (b - a) / 2 * mp.cos(mp.pi * (2 * k + 1) / (2 * n)) for k in range(n)]
    system, right = mp.matrix(n, n), mp.matrix(n, 1)
    for i, x in enumerate(nodes):
        for j in range(top + 1):
            system[i, j] = x**j
        for j in range(1, bottom + 1):
            system[i, top + j] = -f(x) * x**j
        right[i] = f(x)
    solution = list(mp.lu_solve(system, right))
    p, q = solution[: top + 1], [mp.mpf(1)] + solution[top + 1 :]
    grid = [a + (b - a) * (mp.mpf(k) / 400) ** 2 for k in range(401)]
    error = max(abs(mp.polyval(p[::-1], x) / mp.polyval(q[::-1], x) / f(x) - 1) for x in grid)
    return p, q, error


def hex_double(x):
    return float(x).hex()


def main():
    print("// Generated by fit_coefficients.py; lowest order first.")
    print("#pragma once\n\n#include \"ir/math/polynomial.h\"\n\nnamespace nxv::ir::math {\n")
    for name, comment, f, intervals, targets, *published in FITS:
        print(f"// {comment}")
        fitted, names = CARRIERS, CARRIERS
        if published:
            fitted, names = ("pair_f64",), ("f32", "f32", "pair_f64")
            print('// f32: M. Giles, "Approximating the erfinv function", 2011')
            print(f"inline constexpr Coefficient {name}_f32[] = {{")
            for c in published[0]:
                print(f"    {{{c}, 0}},")
            print("};")
        for carrier, (a, b), target in zip(fitted, intervals, targets):
            poly, error = fit(f, a, b, target)
            print(f"// {carrier}: relative error 2^{mp.nstr(mp.log(error, 2), 4)}")
            print(f"inline constexpr Coefficient {name}_{carrier}[] = {{")
            for c in poly:
                hi = float(c)
                print(f"    {{{hex_double(hi)}, {hex_double(c - mp.mpf(hi))}}},")
            print("};")
        sets = ", ".join(f"{name}_{carrier}" for carrier in names)
        print(f"inline constexpr Fit {name} = {{{sets}}};\n")
    for name, comment, f, (a, b), degree in STEPS:
        poly = interpolate(f, mp.mpf(a), mp.mpf(b), degree)
        grid = [a + (b - a) * mp.mpf(k) / 400 for k in range(401)]
        error = max(abs(mp.polyval(poly[::-1], x) / f(x) - 1) for x in grid)
        print(f"// {comment}: relative error 2^{mp.nstr(mp.log(error, 2), 4)}")
        print(f"inline constexpr Coefficient {name}[] = {{")
        for c in poly:
            print(f"    {{{hex_double(c)}, 0}},")
        print("};\n")
    for name, comment, f, (a, b), top, bottom in QUOTIENTS:
        p, q, error = fit_quotient(f, a, b, top, bottom)
        print(f"// {comment}, as a quotient: relative error 2^{mp.nstr(mp.log(error, 2), 4)}")
        for part, poly in (("Numerator", p), ("Denominator", q)):
            print(f"inline constexpr Coefficient {name}{part}[] = {{")
            for c in poly:
                print(f"    {{{hex_double(c)}, 0}},")
            print("};")
        print()
    print("}  // namespace nxv::ir::math")


main()
