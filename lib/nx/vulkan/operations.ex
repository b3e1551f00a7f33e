defmodule Nx.Vulkan.Operations do
  @moduledoc false
  # The elementwise operations that Nx.Vulkan offers as functions, with what they say about
  # themselves. The library's op table decides what they do; a test compares the two.

  @unary [
    abs: "Absolute value; of a complex number, its magnitude.",
    negate: "The number with the opposite sign.",
    sign: "-1, 0 or 1; NaN stays NaN.",
    ceil: "The smallest whole number that is not below.",
    floor: "The largest whole number that is not above.",
    round: "The nearest whole number, halves away from zero.",
    sqrt: "Square root; NaN below zero.",
    rsqrt: "One over the square root.",
    cbrt: "Cube root.",
    exp: "e to the power of the element.",
    expm1: "exp(x) - 1, precise near zero.",
    log: "Natural logarithm; -Inf at zero, NaN below.",
    log1p: "log(1 + x), precise near zero.",
    sigmoid: "1 / (1 + exp(-x)).",
    sin: "Sine, of radians.",
    cos: "Cosine, of radians.",
    tan: "Tangent, of radians.",
    asin: "Inverse sine, in radians.",
    acos: "Inverse cosine, in radians.",
    atan: "Inverse tangent, in radians.",
    sinh: "Hyperbolic sine.",
    cosh: "Hyperbolic cosine.",
    tanh: "Hyperbolic tangent.",
    asinh: "Inverse hyperbolic sine.",
    acosh: "Inverse hyperbolic cosine.",
    atanh: "Inverse hyperbolic tangent.",
    erf: "Error function.",
    erfc: "1 - erf(x), precise where that is small.",
    erf_inv:
      "Inverse error function. Of 1 in `:bf16`, `:f8` and `:f8_e4m3fn`: that of the number below.",
    is_nan: "1 where the element is NaN, else 0.",
    is_infinity: "1 where the element is infinite, else 0.",
    logical_not: "1 where the element is zero, else 0.",
    bitwise_not: "Every bit inverted. Integers.",
    population_count: "How many bits are set. Integers.",
    count_leading_zeros: "How many bits precede the highest one that is set. Integers.",
    conjugate: "Complex conjugate; real numbers become complex.",
    real: "Real part.",
    imag: "Imaginary part."
  ]

  @binary [
    add: "a + b.",
    subtract: "a - b.",
    multiply: "a * b.",
    divide: "a / b, a floating-point number also for integers.",
    quotient: "a / b without its fraction. Integers; `:arithmetic` when b has a zero.",
    remainder:
      "What a / b leaves, with the sign of a. Of integers `:arithmetic` when b has a zero.",
    pow: "a to the power of b. Of integers `:arithmetic` when b has a negative one.",
    atan2: "The angle of the point (b, a), in radians.",
    min: "The smaller; NaN if either is.",
    max: "The larger; NaN if either is.",
    equal: "1 where a equals b, else 0.",
    not_equal: "1 where a differs from b, else 0.",
    less: "1 where a < b, else 0.",
    less_equal: "1 where a <= b, else 0.",
    greater: "1 where a > b, else 0.",
    greater_equal: "1 where a >= b, else 0.",
    logical_and: "1 where neither is zero, else 0.",
    logical_or: "1 where one is not zero, else 0.",
    logical_xor: "1 where exactly one is zero, else 0.",
    bitwise_and: "Bits that are set in both. Integers.",
    bitwise_or: "Bits that are set in either. Integers.",
    bitwise_xor: "Bits that differ. Integers.",
    left_shift:
      "a shifted left by b bits. Integers; `:negative_shift` when b has a negative one.",
    right_shift:
      "a shifted right by b bits, keeping its sign. Integers; `:negative_shift` when b has a " <>
        "negative one."
  ]

  @reductions [
    sum: "Sum; of integers up to 32 bits, in 32 bits.",
    product: "Product; of integers up to 32 bits, in 32 bits.",
    reduce_max: "Largest element; NaN if there is one.",
    reduce_min: "Smallest element; NaN if there is one.",
    all: "1 if no element is zero, else 0.",
    any: "1 if an element is not zero, else 0."
  ]

  # Their result does not have the type of their operands.
  @comparisons ~w(equal not_equal less less_equal greater greater_equal)a ++
                 ~w(logical_and logical_or logical_xor)a

  def unary, do: @unary
  def binary, do: @binary
  def reductions, do: @reductions
  def comparison?(name), do: name in @comparisons
end
