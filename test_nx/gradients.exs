defmodule Nx.Vulkan.Gradients do
  @moduledoc false
  # What Nx can differentiate: {name, the functions that it shows, inputs, function of the inputs}. Inputs
  # are shapes with the bounds of their elements, of f64, all different. Functions answer a tensor or a
  # container of them, real or complex.

  import Nx.Defn

  @unary for(
           name <- ~w(negate abs exp expm1 sigmoid sin cos tan asin acos atan sinh cosh tanh asinh
                        atanh erf erfc erf_inv)a,
           do: {name, -0.9, 0.9}
         ) ++
           for(name <- ~w(sqrt rsqrt log log1p log2 log10 cbrt)a, do: {name, 0.4, 1.9}) ++
           for(name <- ~w(floor ceil round sign)a, do: {name, 0.1, 0.4}) ++ [{:acosh, 1.3, 3.0}]

  @binary ~w(add subtract multiply divide pow atan2 min max remainder)a

  def table, do: elementwise() ++ reductions() ++ views() ++ indexing() ++ products() ++ control()

  @doc """
  Where Nx 0.13 itself answers something else than the derivative by real numbers: its rules for what is
  not holomorphic, for windows that reach into the padding, and for values that one round of a loop hands
  to another value of the next.
  """
  def no_derivatives do
    ["conjugate of complex", "imag of complex", "phase of complex", "adjoint"] ++
      ["window_max strided", "window_min same"] ++
      ["while with several values", "while over rows", "while with put_slice"]
  end

  defp elementwise do
    unary =
      for {name, low, high} <- @unary,
          do: {name, [name], [{{4}, low, high}], &apply(Nx, name, [&1])}

    binary =
      for name <- @binary,
          {kind, shapes} <- [same: [{3}, {3}], broadcast: [{2, 3}, {3}], scalar: [{3}, {}]] do
        inputs =
          for {shape, bounds} <- Enum.zip(shapes, [{1.1, 2.9}, {0.3, 0.9}]),
              do: input(shape, bounds)

        {"#{name} #{kind}", [name], inputs, &apply(Nx, name, [&1, &2])}
      end

    pair = [{{3}, 0.2, 1.1}, {{3}, 0.3, 1.7}]

    complex =
      for name <- ~w(exp sin cos tanh sqrt log sigmoid negate conjugate real imag abs phase)a do
        {"#{name} of complex", [:complex, name], pair, &apply(Nx, name, [Nx.complex(&1, &2)])}
      end

    complex_pair =
      for name <- ~w(add subtract multiply divide)a do
        {"#{name} of complex", [name], pair,
         &apply(Nx, name, [Nx.complex(&1, &2), Nx.complex(&2, 1.5)])}
      end

    unary ++
      binary ++
      complex ++
      complex_pair ++
      [
        {:select, [:select, :greater], [{{4}, -1, 1}, {{4}, 2, 3}],
         fn x, y -> Nx.select(Nx.greater(x, 0), Nx.multiply(x, x), Nx.sin(y)) end},
        {:clip, [:clip], [{{6}, -2, 2}, {{}, -1.05, -0.95}, {{}, 0.95, 1.05}], &Nx.clip/3},
        {:as_type, [:as_type], [{{3}, 0, 1}],
         &(&1 |> Nx.as_type(:c128) |> Nx.exp() |> Nx.as_type(:f64))},
        {:bitcast, [:bitcast], [{{3}, 0, 1}], &(&1 |> Nx.bitcast(:f64) |> Nx.sin())}
      ]
  end

  defp reductions do
    x = [{{2, 3, 2}, 0.3, 1.8}]

    folds =
      for name <-
            ~w(sum mean product reduce_max reduce_min variance standard_deviation logsumexp median)a,
          {kind, opts} <- [all: [], axes: [axes: [1]], kept: [axes: [0, 2], keep_axes: true]],
          name != :median or kind != :kept do
        opts = if name == :median and opts != [], do: [axis: 1], else: opts
        {"#{name} #{kind}", [name], x, &apply(Nx, name, [&1, opts])}
      end

    scans =
      for name <- ~w(cumulative_sum cumulative_product cumulative_max cumulative_min)a,
          reverse <- [false, true] do
        {"#{name} #{reverse}", [name], [{{2, 4}, 0.3, 1.8}],
         &apply(Nx, name, [&1, [axis: 1, reverse: reverse]])}
      end

    windows =
      for name <- ~w(window_sum window_mean window_max window_min)a,
          {kind, opts} <- [
            valid: [],
            same: [padding: :same],
            strided: [strides: [2, 1], padding: [{1, 0}, {0, 1}]],
            dilated: [window_dilations: [1, 2]]
          ],
          # Nx has no gradient of dilated windows but for sums.
          kind != :dilated or name in [:window_sum, :window_mean] do
        {"#{name} #{kind}", [name], [{{4, 4}, -1, 1}], &apply(Nx, name, [&1, {2, 2}, opts])}
      end

    folds ++
      scans ++
      windows ++
      [
        {:weighted_mean, [:weighted_mean], [{{5}, 0, 1}, {{5}, 0.2, 0.8}], &Nx.weighted_mean/2},
        {:covariance, [:covariance], [{{4, 2}, 0, 1}], &Nx.covariance/1},
        {"window_scatter_max", [:window_scatter_max], [{{4, 4}, -1, 1}, {{2, 2}, 0, 1}],
         &Nx.window_scatter_max(&1, &2, 0.0, {2, 2}, strides: [2, 2])},
        {"window_scatter_min", [:window_scatter_min], [{{4, 4}, -1, 1}, {{2, 2}, 0, 1}],
         &Nx.window_scatter_min(&1, &2, 0.0, {2, 2}, strides: [2, 2])},
        {"argmax beside", [:argmax], [{{4}, 0, 1}], &Nx.multiply(&1, Nx.argmax(&1))}
      ]
  end

  defp views do
    m = {{2, 3}, -1, 1}
    square = {{3, 3}, -1, 1}
    v = {{4}, -1, 1}

    [
      {:reshape, [:reshape], [m], &Nx.reshape(&1, {3, 2})},
      {:flatten, [:flatten], [m], &Nx.flatten/1},
      {:broadcast, [:broadcast], [{{3, 1}, 0, 1}], &Nx.broadcast(&1, {2, 3, 4})},
      {:transpose, [:transpose], [m], &Nx.sin(Nx.transpose(&1))},
      {:squeeze, [:squeeze, :new_axis], [v], &Nx.squeeze(Nx.new_axis(&1, 0))},
      {:pad, [:pad], [m, {{}, 0, 1}], &Nx.pad(&1, &2, [{1, 0, 1}, {-1, 2, 0}])},
      {:pad_outer, [:pad_outer], [m], &Nx.pad_outer(&1, 0.0, [{1, 0}, {-1, 2}])},
      {:slice, [:slice], [{{5, 3}, -1, 1}], &Nx.slice(&1, [1, 0], [4, 2], strides: [2, 1])},
      {"slice at", [:slice], [v], &Nx.slice(&1, [Nx.argmax(&1)], [2])},
      {:slice_along_axis, [:slice_along_axis], [m], &Nx.slice_along_axis(&1, 1, 2, axis: 1)},
      {"access", [], [m], &Nx.multiply(&1[0][1..2], &1[1][0])},
      {:put_slice, [:put_slice], [{{3, 3}, -1, 1}, {{2, 1}, 0, 1}],
       &Nx.sin(Nx.put_slice(&1, [1, 2], &2))},
      {"put_slice at", [:put_slice], [v, {{2}, 0, 1}], &Nx.put_slice(&1, [Nx.argmin(&1)], &2)},
      {:reverse, [:reverse], [m], &Nx.exp(Nx.reverse(&1, axes: [1]))},
      {:concatenate, [:concatenate], [m, {{1, 3}, 0, 1}], &Nx.sin(Nx.concatenate([&1, &2, &1]))},
      {:stack, [:stack], [v, {{4}, 0, 1}], &Nx.stack([&1, Nx.multiply(&1, &2)], axis: 1)},
      {:tile, [:tile], [m], &Nx.tile(&1, [2, 1, 2])},
      {:tri, [:tri, :triu, :tril], [square],
       &Nx.add(Nx.triu(&1, k: 1), Nx.multiply(Nx.tril(&1), Nx.tri(3, 3)))},
      {:take_diagonal, [:take_diagonal], [square], &Nx.take_diagonal(&1, offset: 1)},
      {:make_diagonal, [:make_diagonal], [v], &Nx.make_diagonal(&1, offset: -1)},
      {:put_diagonal, [:put_diagonal], [square, {{3}, 0, 1}], &Nx.put_diagonal/2},
      {:diff, [:diff], [v], &Nx.diff(&1, order: 2)},
      {:split, [:split], [{{5}, -1, 1}], &Nx.split(Nx.sin(&1), 2)},
      {:rename, [:rename], [m], &Nx.rename(&1, [:a, :b])},
      {:names, [:names, :axis_index], [m], &Nx.sum(Nx.rename(&1, [:a, :b]), axes: [:b])},
      {:vectorize, [:vectorize, :devectorize], [m],
       fn x ->
         x = Nx.vectorize(x, :rows)
         Nx.devectorize(Nx.multiply(x, Nx.sum(Nx.sin(x))))
       end}
    ]
  end

  defp indexing do
    x = {{4, 3}, -1, 1}
    places = fn -> Nx.tensor([[1, 2], [0, 0], [1, 2], [3, 1]]) end
    others = fn -> Nx.tensor([[1, 2], [0, 0], [3, 1]]) end

    [
      {:gather, [:gather], [x], &Nx.sin(Nx.gather(&1, places.()))},
      {"gather rows", [:gather], [x], &Nx.gather(&1, Nx.tensor([[2], [0], [2]]), axes: [0])},
      {:take, [:take], [x], &Nx.sin(Nx.take(&1, Nx.tensor([2, 0, 2]), axis: 1))},
      {:take_along_axis, [:take_along_axis], [x],
       &Nx.take_along_axis(&1, Nx.tensor([[3, 0, 0], [1, 1, 1]]), axis: 0)},
      {:indexed_add, [:indexed_add], [x, {{4}, 0, 1}],
       &Nx.sin(Nx.indexed_add(&1, places.(), &2))},
      {"indexed_add rows", [:indexed_add], [x, {{2, 3}, 0, 1}],
       &Nx.indexed_add(&1, Nx.tensor([[2], [0]]), &2, axes: [0])},
      {:indexed_put, [:indexed_put], [x, {{3}, 0, 1}],
       &Nx.sin(Nx.indexed_put(&1, others.(), &2))},
      {:sort, [:sort], [x], &Nx.sin(Nx.sort(&1, axis: 0, direction: :desc))},
      {:argsort, [:argsort], [x], &Nx.multiply(&1, Nx.argsort(&1, axis: 1))},
      {:top_k, [:top_k], [{{2, 4}, -1, 1}], fn x -> x |> Nx.top_k(k: 2) |> elem(0) end}
    ]
  end

  defp products do
    m = {{3, 3}, -1, 1}

    dots =
      for {kind, shapes, axes} <- [
            {"vectors", [{3}, {3}], {[0], [], [0], []}},
            {"matrices", [{2, 3}, {3, 2}], {[1], [], [0], []}},
            {"two axes", [{2, 3, 2}, {3, 2}], {[1, 2], [], [0, 1], []}},
            {"a batch", [{2, 2, 3}, {2, 3, 2}], {[2], [0], [1], [0]}}
          ] do
        {a, a_batch, b, b_batch} = axes
        inputs = for shape <- shapes, do: input(shape, {-1, 1})
        {"dot of #{kind}", [:dot], inputs, &Nx.dot(&1, a, a_batch, &2, b, b_batch)}
      end

    convolutions =
      for {kind, shapes, opts} <- [
            {"valid", [{1, 2, 3, 3}, {2, 2, 2, 2}], []},
            {"strided", [{1, 1, 4, 3}, {2, 1, 2, 2}], [strides: [2, 1], padding: :same]},
            {"dilated", [{1, 1, 3, 3}, {1, 1, 2, 2}],
             [input_dilation: [1, 2], kernel_dilation: [2, 1], padding: [{1, 1}, {0, 1}]]},
            {"in groups", [{1, 4, 3}, {2, 2, 2}], [feature_group_size: 2]},
            {"in groups of the batch", [{2, 1, 3}, {2, 1, 2}], [batch_group_size: 2]}
          ] do
        inputs = for shape <- shapes, do: input(shape, {-1, 1})
        {"conv #{kind}", [:conv], inputs, &Nx.conv(&1, &2, opts)}
      end

    solves =
      for {kind, opts} <- [
            lower: [],
            upper: [lower: false],
            transposed: [transform_a: :transpose],
            right: [left_side: false]
          ] do
        {"triangular_solve #{kind}", [:triangular_solve], [m, {{3, 3}, 0, 1}],
         fn a, b -> a |> well() |> triangle(kind) |> Nx.LinAlg.triangular_solve(b, opts) end}
      end

    fourier =
      for name <- [:fft, :ifft], length <- [4, 6, 3] do
        {"#{name} of #{length}", [name], [{{2, 4}, -1, 1}, {{2, 4}, 0, 1}],
         &apply(Nx, name, [Nx.complex(&1, &2), [length: length]])}
      end

    dots ++
      convolutions ++
      solves ++
      fourier ++
      [
        {:outer, [:outer], [{{2}, 0, 1}, {{3}, 0, 1}], &Nx.outer/2},
        {:fft2, [:fft2], [{{2, 3}, -1, 1}], &Nx.fft2/1},
        {:ifft2, [:ifft2], [{{2, 3}, -1, 1}], &Nx.ifft2/1},
        {:rfft, [:rfft], [{{5}, -1, 1}], &Nx.rfft/1},
        {:irfft, [:irfft], [{{4}, -1, 1}, {{4}, 0, 1}], &Nx.irfft(Nx.complex(&1, &2))},
        {"cholesky", [:cholesky], [m], &Nx.LinAlg.cholesky(positive(&1))},
        {"qr", [:qr], [m], &Nx.LinAlg.qr(well(&1))},
        {"qr of a tall matrix", [:qr], [{{4, 2}, -1, 1}], &Nx.LinAlg.qr/1},
        {"lu", [:lu], [m], fn x -> x |> well() |> Nx.LinAlg.lu() |> Tuple.delete_at(0) end},
        {"svd", [:svd], [m], fn x -> x |> well() |> Nx.LinAlg.svd() |> elem(1) end},
        {"solve", [:solve], [m, {{3, 2}, 0, 1}], &Nx.LinAlg.solve(well(&1), &2)},
        {"invert", [:invert], [m], &Nx.LinAlg.invert(well(&1))},
        {"determinant", [:determinant], [m], &Nx.LinAlg.determinant(well(&1))},
        {"determinant of a batch", [:determinant], [{{2, 2, 2}, -1, 1}],
         &Nx.LinAlg.determinant/1},
        {"norm", [:norm], [m], &Nx.LinAlg.norm/1},
        {"norm of rows", [:norm], [m], &Nx.LinAlg.norm(&1, ord: 2, axes: [1], keep_axes: true)},
        {"matrix_power", [:matrix_power], [m], &Nx.LinAlg.matrix_power(well(&1), 3)},
        {"negative matrix_power", [:matrix_power], [m], &Nx.LinAlg.matrix_power(well(&1), -2)},
        {"least_squares", [:least_squares], [{{4, 2}, -1, 1}, {{4}, 0, 1}],
         &Nx.LinAlg.least_squares/2},
        {"pinv", [:pinv], [{{3, 2}, -1, 1}], &Nx.LinAlg.pinv/1},
        {"adjoint", [:adjoint], [m, {{3, 3}, 0, 1}], &Nx.LinAlg.adjoint(Nx.complex(&1, &2))}
      ]
  end

  defp triangle(a, :upper), do: Nx.triu(a)
  defp triangle(a, _), do: Nx.tril(a)

  # Far from singular, no symmetry.
  defp well(x),
    do: Nx.add(x, Nx.multiply(Nx.eye(3, type: :f64), Nx.tensor([3.0, 4.0, 5.5], type: :f64)))

  defp positive(x), do: Nx.add(Nx.dot(x, Nx.transpose(x)), Nx.eye(3, type: :f64))

  # ---- Loops and branches ----

  defp control do
    v = [{{3}, 0.3, 0.9}]

    [
      {"while counted", [], v, &counted/1},
      {"while in while", [], v, &nested/1},
      {"while of the data", [], v, &until/1},
      {"while with several values", [], [{{3}, 0.3, 0.9}, {{}, 0.5, 0.6}], &several/2},
      {"while over rows", [], [{{2, 3}, 0.3, 0.9}], &rows/1},
      {"while with put_slice", [], [{{3}, 0.3, 0.9}, {{2}, 0.1, 0.2}], &writes/2},
      {"while, unrolled", [], v, &unrolled/1},
      {"cond, first", [], v, &branches(&1, 0.1)},
      {"cond, second", [], v, &branches(&1, 2.0)},
      {"cond, last", [], v, &branches(&1, 5.0)},
      {"cond of vectors", [], [{{4}, -1, 1}], &of_vectors/1},
      {"cond in while", [], v, &branch_in_loop/1},
      {"while in cond", [], v, &loop_in_branch/1},
      {"custom_grad", [], v, &custom/1},
      {"stop_grad", [], v,
       &(&1 |> Nx.floor() |> Nx.Defn.Kernel.stop_grad() |> Nx.add(Nx.sin(&1)))},
      {"grad of grad", [], v, fn x -> Nx.Defn.grad(x, &Nx.sum(Nx.exp(Nx.sin(&1)))) end}
    ]
  end

  defn counted(x) do
    {_, x} =
      while {i = 0, x}, i < 3 do
        {i + 1, Nx.sin(x) + x * i}
      end

    x
  end

  defn nested(x) do
    {_, x} =
      while {i = 0, x}, i < 2 do
        {_, x} =
          while {j = 0, x}, j < 2 do
            {j + 1, Nx.cos(x) * x}
          end

        {i + 1, Nx.exp(x) - 0.5}
      end

    x
  end

  defn until(x) do
    while x, Nx.sum(x) < 9 do
      x * x + x
    end
  end

  defn several(x, y) do
    {_, x, y} =
      while {i = 0, x, y}, i < 3 do
        {i + 1, x * y, Nx.sum(x) - y}
      end

    {x, y}
  end

  defn rows(x) do
    while y = x[0] * 0, row <- x do
      Nx.sin(y + row)
    end
  end

  defn writes(x, y) do
    {_, x, _} =
      while {i = 0, x, y}, i < 2 do
        {i + 1, Nx.put_slice(x, [i], Nx.sin(y) * x[i]), y}
      end

    x
  end

  defn unrolled(x) do
    while x, i <- 0..2, unroll: true do
      Nx.sin(x) * (i + 1)
    end
  end

  defn branches(x, y) do
    cond do
      y < 1 -> Nx.sin(x)
      y < 3 -> x * x
      true -> Nx.exp(x) / x
    end
  end

  defn of_vectors(x) do
    x = Nx.vectorize(x, :v)
    Nx.devectorize(if(x > 0, do: Nx.sin(x), else: x * x))
  end

  defn branch_in_loop(x) do
    {_, x} =
      while {i = 0, x}, i < 3 do
        {i + 1, if(Nx.sum(x) > 2, do: Nx.sin(x), else: x + x * x)}
      end

    x
  end

  defn loop_in_branch(x) do
    if Nx.sum(x) > 1, do: counted(x) * x, else: x
  end

  defn custom(x) do
    custom_grad(Nx.sin(x), [x], fn g -> [g * Nx.cos(x)] end)
  end

  # ---- Inputs ----

  defp input(shape, {low, high}), do: {shape, low, high}

  @doc "Tensors of f64 whose elements are far from each other."
  def inputs(inputs) do
    for {{shape, low, high}, k} <- Enum.with_index(inputs) do
      golden = 0.6180339887498949
      fraction = &(&1 - Float.floor(&1))

      for(i <- 1..Tuple.product(shape), do: low + (high - low) * fraction.((i + 31 * k) * golden))
      |> Nx.tensor(type: :f64)
      |> Nx.reshape(shape)
    end
  end
end
