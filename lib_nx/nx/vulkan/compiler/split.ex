defmodule Nx.Vulkan.Compiler.Split do
  @moduledoc false
  # Whether each place of a mesh can compute its part of a definition alone. The definition is traced for
  # the tensors of all places together and for those of one, and both expressions are walked side by
  # side: one must do to a part what the other does to the whole. Of each value the walk knows the axis
  # along which it is split, or that each place has it whole.

  alias Nx.Block.LinAlg
  alias Nx.Tensor, as: T
  alias Nx.Defn.{Composite, Expr, Tree}

  @unary [:exp, :expm1, :log, :log1p, :sigmoid, :cos, :sin, :tan, :cosh, :sinh, :tanh, :acos] ++
           [
             :asin,
             :atan,
             :acosh,
             :asinh,
             :atanh,
             :sqrt,
             :rsqrt,
             :cbrt,
             :erf,
             :erfc,
             :erf_inv,
             :abs
           ] ++
           [:bitwise_not, :ceil, :conjugate, :floor, :negate, :round, :sign, :count_leading_zeros] ++
           [:population_count, :real, :imag, :is_nan, :is_infinity, :as_type, :bitcast]
  @binary [:add, :subtract, :multiply, :pow, :remainder, :divide, :atan2, :min, :max, :quotient] ++
            [:bitwise_and, :bitwise_or, :bitwise_xor, :left_shift, :right_shift, :equal] ++
            [:not_equal, :greater, :less, :greater_equal, :less_equal, :logical_and, :logical_or] ++
            [:logical_xor]
  @pointwise @unary ++ @binary ++ [:select, :clip]
  @reductions [:all, :any, :sum, :product, :reduce_max, :reduce_min, :reduce]
  @matrices [LinAlg.Cholesky, LinAlg.Determinant, LinAlg.Eigh, LinAlg.LU] ++
              [LinAlg.QR, LinAlg.Solve, LinAlg.SVD]
  @windows [:window_sum, :window_product, :window_max, :window_min, :window_reduce] ++
             [:window_scatter_max, :window_scatter_min]

  # values: axes or nil by the ids of a pair of expressions; a list of them where there are several
  # results. arguments: likewise, by index.
  defstruct [:places, arguments: %{}, values: %{}]

  @doc """
  The expression that `fun` answers for the parameters of one place; raises unless it computes the part of
  what `fun` answers for those of all places together. `axes`: those along which the parameters are split.
  """
  @spec part!(fun, [Nx.Container.t()], [Nx.Container.t()], [axis], pos_integer) ::
          Nx.Container.t()
        when fun: ([Nx.Container.t()] -> Nx.Container.t()), axis: non_neg_integer | nil
  def part!(fun, vars, together, axes, places) do
    whole = fun.(together)
    part = trace(fun, vars)
    {_, _} = containers(whole, part, inside(%__MODULE__{places: places}, axes))
    part
  end

  # Where Nx refuses a part what it does not refuse the whole.
  defp trace(fun, vars) do
    fun.(vars)
  rescue
    error -> other!("can be computed; for a part: " <> Exception.message(error))
  end

  defp containers(whole, part, s),
    do: Composite.flatten_list([whole]) |> pairs(Composite.flatten_list([part])) |> values(s)

  defp values(pairs, s), do: Enum.map_reduce(pairs, s, fn {w, p}, s -> value(w, p, s) end)

  defp pairs(whole, part) do
    if length(whole) != length(part), do: other!("has another number of results")
    Enum.zip(whole, part)
  end

  defp value(%T{data: %Expr{id: w}} = whole, %T{data: %Expr{id: p}} = part, s) do
    case s.values do
      %{{^w, ^p} => value} ->
        {value, s}

      %{} ->
        {value, s} = compute(whole, part, s)
        sizes!(whole, part, value, s)
        {value, put_in(s.values[{w, p}], value)}
    end
  end

  defp inside(s, values) do
    arguments = values |> Enum.with_index() |> Map.new(fn {value, i} -> {i, value} end)
    %{s | arguments: arguments, values: %{}}
  end

  # ---- Structure ----

  defp compute(%T{data: %Expr{op: op}} = whole, %T{data: %Expr{op: op}} = part, s),
    do: compute(op, whole, part, s)

  defp compute(w, p, _s), do: other!("has #{w.data.op} where a part has #{p.data.op}")

  defp compute(:parameter, %T{data: %Expr{args: [i]}}, _part, s), do: {s.arguments[i], s}

  defp compute(
         :constant,
         %T{data: %Expr{args: [w]}} = whole,
         %T{data: %Expr{args: [p]}} = part,
         s
       ) do
    if w != p, do: other!("has the number #{inspect(w)} where a part has #{inspect(p)}")
    {generated(whole, part, Nx.axes(whole)), s}
  end

  defp compute(:tensor, %T{data: %Expr{args: [w]}}, %T{data: %Expr{args: [p]}}, s) do
    if w != p, do: other!("has a tensor that is another one for a part")
    {nil, s}
  end

  defp compute(:metadata, %T{data: %Expr{args: [w, _]}}, %T{data: %Expr{args: [p, _]}}, s) do
    {values, s} = containers(w, p, s)
    {single(w, values), s}
  end

  defp compute(:elem, %T{data: %Expr{args: [w, i]}}, %T{data: %Expr{args: [p, _]}}, s) do
    {values, s} = value(w, p, s)
    {Enum.at(values, i), s}
  end

  defp compute(:cond, %T{data: %Expr{args: whole}}, %T{data: %Expr{args: part}}, s) do
    [{conditions, bodies}, {part_conditions, part_bodies}] =
      for [clauses, last] <- [whole, part] do
        {conditions, bodies} = Enum.unzip(clauses)
        {conditions, bodies ++ [last]}
      end

    {_, s} = conditions |> pairs(part_conditions) |> values(s)

    {values, s} =
      Enum.map_reduce(pairs(bodies, part_bodies), s, fn {w, p}, s -> containers(w, p, s) end)

    {single(hd(bodies), Enum.zip_with(values, &same!(&1, "the branches of a cond"))), s}
  end

  defp compute(:while, %T{data: %Expr{args: whole}}, %T{data: %Expr{args: part}}, s) do
    [[initial, _, condition, body], [part_initial, _, part_condition, part_body]] = [whole, part]
    {state, s} = containers(initial, part_initial, s)
    {results, _} = containers(body, part_body, inside(s, state))

    Enum.zip_with(
      state,
      results,
      &same!([&1, &2], "the state of a loop before and after a round")
    )

    {_, _} = containers(condition, part_condition, inside(s, state))
    {single(initial, state), s}
  end

  defp compute(:block, %T{data: %Expr{args: whole}}, %T{data: %Expr{args: part}}, s) do
    [[struct, args, default, _], [part_struct, part_args, part_default, _]] = [whole, part]
    if struct != part_struct, do: other!("has #{inspect(struct)}, a part #{inspect(part_struct)}")
    [args, part_args] = for list <- [args, part_args], do: Enum.filter(list, &is_struct(&1, T))
    {values, s} = args |> pairs(part_args) |> values(s)

    if Enum.any?(values) and batched?(struct, hd(args), hd(values)) do
      axis = same!(values, "the operands of #{inspect(struct.__struct__)}")
      {single(default, Enum.map(Composite.flatten_list([default]), fn _ -> axis end)), s}
    else
      {results, _} = containers(default, part_default, inside(s, values))
      {single(default, results), s}
    end
  end

  defp compute(op, _whole, _part, _s) when op in [:hook, :io_call, :runtime_call] do
    raise ArgumentError, "a sharded definition cannot call functions of the host (#{op})"
  end

  defp compute(op, whole, part, s) do
    [args, part_args] = for t <- [whole, part], do: tensors(t)
    {values, s} = args |> pairs(part_args) |> values(s)
    axis = Enum.find(values, & &1)
    [attributes, part_attributes] = for t <- [whole, part], do: attributes(t, op, axis)

    if attributes != part_attributes,
      do: other!("has #{op} with #{inspect(attributes)}, a part with #{inspect(part_attributes)}")

    cond do
      axis -> {rule(op, whole, Enum.zip(args, values), s), s}
      op == :broadcast -> {generated(whole, part, broadcast(whole, hd(args))), s}
      true -> {nil, s}
    end
  end

  # Blocks that see no other rows, whatever their compositions do.
  defp batched?(%Nx.Block.TakeAlongAxis{axis: axis}, _t, split), do: split not in [nil, axis]
  defp batched?(%module{}, t, split) when module in @matrices, do: split < Nx.rank(t) - 2
  defp batched?(_struct, _t, _split), do: false

  # What is the same along `axes` may be made in parts.
  defp generated(whole, part, axes),
    do: Enum.find(axes, &(elem(whole.shape, &1) != elem(part.shape, &1)))

  # A node with one result has its value, one with several a list of them.
  defp single(%T{}, [value]), do: value
  defp single(_tuple, values), do: values

  defp tensors(t) do
    {_, tensors} = Tree.apply_args(t, :scope, [], &{&1, [&1 | &2]})
    tensors |> Enum.reject(&(&1.data.op == :fun)) |> Enum.reverse()
  end

  # What is no tensor, nor a function, which has only scalars; without sizes of the result, which
  # `sizes!/4` compares.
  defp attributes(%T{data: %Expr{args: [_, _shape, axes]}}, :broadcast, _axis), do: axes

  defp attributes(%T{data: %Expr{args: [_, starts, lengths, strides]}}, :slice, axis),
    do: {attribute(starts), if(axis, do: List.delete_at(lengths, axis), else: lengths), strides}

  defp attributes(%T{data: %Expr{args: args}}, _op, _axis), do: Enum.map(args, &attribute/1)

  defp attribute(%T{}), do: nil
  defp attribute(list) when is_list(list), do: Enum.map(list, &attribute/1)
  defp attribute(other), do: other

  # ---- Rules: the axis along which a result is split ----

  defp rule(op, out, operands, _s) when op in @pointwise do
    [axis | others] =
      for {t, axis} <- operands, axis, uniq: true, do: axis + Nx.rank(out) - Nx.rank(t)

    if others != [], do: impossible!("#{op} of operands that are split along different axes")

    for {t, nil} <- operands,
        i = axis - Nx.rank(out) + Nx.rank(t),
        i >= 0,
        elem(t.shape, i) != 1 do
      impossible!(
        "#{op} of a tensor that is split and one of shape #{inspect(t.shape)} that is not"
      )
    end

    axis
  end

  defp rule(op, out, [{t, axis} | others], _s) when op in @reductions do
    whole!(others, op)
    opts = options(out)
    without(op, axis, opts[:axes] || Nx.axes(t), opts[:keep_axes])
  end

  defp rule(op, out, [{t, axis}], _s) when op in [:argmax, :argmin] do
    opts = options(out)
    without(op, axis, if(opts[:axis], do: [opts[:axis]], else: Nx.axes(t)), opts[:keep_axis])
  end

  defp rule(op, out, [{_, axis}], _s) when op in [:sort, :argsort, :fft, :ifft],
    do: except!(op, axis, [options(out)[:axis]])

  defp rule(:reverse, out, [{_, axis}], _s), do: except!(:reverse, axis, argument(out, 1))
  defp rule(:squeeze, out, [{_, axis}], _s), do: without(:squeeze, axis, argument(out, 1), false)

  defp rule(:transpose, out, [{_, axis}], _s),
    do: Enum.find_index(argument(out, 1), &(&1 == axis))

  defp rule(:broadcast, out, [{_, axis}], _s), do: Enum.at(argument(out, 2), axis)

  # The rows of a part lie side by side, before and after.
  defp rule(:reshape, out, [{t, axis}], s) do
    before = product(t, axis)
    to = Enum.find(Nx.axes(out), &(product(out, &1) == before and elem(out.shape, &1) > 1))

    if to == nil or rem(elem(out.shape, to), s.places) != 0,
      do: impossible!("a reshape from #{inspect(t.shape)} to #{inspect(out.shape)}"),
      else: to
  end

  defp rule(:pad, out, [{_, axis} | others], _s) do
    whole!(others, :pad)
    if axis == nil or Enum.at(argument(out, 2), axis) != {0, 0, 0}, do: along!(:pad)
    axis
  end

  # Nx moves what is cut out to where it fits: a whole axis starts at 0.
  defp rule(:slice, out, [{t, axis} | others], _s) do
    whole!(others, :slice)
    [_, _, _, strides] = out.data.args
    unless kept?(t, out, axis) and Enum.at(strides, axis) == 1, do: along!(:slice)
    axis
  end

  defp rule(:put_slice, _out, [{t, axis}, {slice, other} | starts], _s) do
    whole!(starts, :put_slice)
    same!([axis, other], "a tensor and what is put in it")
    unless kept?(t, slice, axis), do: along!(:put_slice)
    axis
  end

  defp rule(:concatenate, out, operands, _s) do
    axis = same!(Enum.map(operands, &elem(&1, 1)), "the parts of a concatenation")
    except!(:concatenate, axis, [argument(out, 1)])
  end

  defp rule(:stack, out, operands, _s) do
    axis = same!(Enum.map(operands, &elem(&1, 1)), "the parts of a stack")
    if axis >= argument(out, 1), do: axis + 1, else: axis
  end

  defp rule(:dot, out, [{a, i}, {b, j}], _s) do
    [_, ca, ba, _, cb, bb] = out.data.args
    if i in ca or j in cb, do: impossible!("a dot that adds up along the axis that is split")

    [left, right] =
      for {t, c, batch} <- [{a, ca, ba}, {b, cb, bb}], do: Nx.axes(t) -- (c ++ batch)

    # Axes of the result: those of the batch, the free ones of the left and of the right.
    from_left = i && Enum.find_index(ba ++ left, &(&1 == i))

    from_right =
      j && Enum.find_index(bb ++ List.duplicate(nil, length(left)) ++ right, &(&1 == j))

    batched? = Enum.any?([from_left, from_right], &(&1 != nil and &1 < length(ba)))

    if from_left != from_right and (batched? or (i != nil and j != nil)),
      do: impossible!("a dot of operands that are split along different axes")

    from_left || from_right
  end

  defp rule(:conv, out, [{_, axis}, kernel], _s) do
    whole!([kernel], :conv)
    opts = options(out)

    if axis != hd(opts[:input_permutation]) or opts[:batch_group_size] != 1,
      do: impossible!("a convolution that is not split along its batch")

    hd(opts[:output_permutation])
  end

  defp rule(:gather, out, [{t, axis}, {indices, split}], _s) do
    axes = options(out)[:axes]
    n = Nx.rank(indices) - 1

    cond do
      axis == nil and split < n -> split
      split == nil and axis not in axes -> n + Enum.find_index(Nx.axes(t) -- axes, &(&1 == axis))
      true -> impossible!("a gather along the axis that is split")
    end
  end

  defp rule(op, out, [{_, axis} | others], _s) when op in @windows do
    {sources, others} = Enum.split_with(others, fn {t, _} -> Nx.rank(t) > 0 end)
    whole!(others, op)
    Enum.each(sources, fn {_, other} -> same!([axis, other], "the operands of #{op}") end)
    opts = options(out)
    window = Enum.find(out.data.args, &is_tuple/1)
    [stride, padding] = for key <- [:strides, :padding], do: Enum.at(opts[key], axis)
    unless elem(window, axis) == 1 and stride == 1 and padding == {0, 0}, do: along!(op)
    axis
  end

  defp rule(:triangular_solve, _out, [{a, axis}, {_, other}], _s) do
    same!([axis, other], "the operands of a triangular_solve")
    if axis >= Nx.rank(a) - 2, do: along!(:triangular_solve)
    axis
  end

  defp rule(op, _out, _operands, _s), do: impossible!("#{op} of a tensor that is split")

  # Axes that a broadcast fills with copies.
  defp broadcast(out, t) do
    axes = argument(out, 2)

    for i <- Nx.axes(out),
        j = Enum.find_index(axes, &(&1 == i)),
        j == nil or elem(t.shape, j) == 1,
        do: i
  end

  defp without(op, axis, axes, keep?) do
    except!(op, axis, axes)
    if keep?, do: axis, else: axis - Enum.count(axes, &(&1 < axis))
  end

  defp except!(op, axis, axes), do: if(axis in axes, do: along!(op), else: axis)

  defp same!(values, what) do
    case Enum.uniq(values) do
      [value] -> value
      _ -> impossible!("#{what} are not split along the same axis, which")
    end
  end

  defp whole!(operands, op) do
    for {_, axis} <- operands,
        axis != nil,
        do: impossible!("#{op} with another operand that is split")
  end

  defp kept?(t, other, axis), do: elem(t.shape, axis) == elem(other.shape, axis)

  # The part has its share of the axis that is split, and the whole of others.
  defp sizes!(_whole, _part, values, _s) when is_list(values), do: :ok

  defp sizes!(%T{shape: whole}, %T{shape: part}, axis, %{places: places}) do
    expected = if axis, do: put_elem(whole, axis, div(elem(whole, axis), places)), else: whole

    if part != expected,
      do: other!("makes a tensor of shape #{inspect(whole)}, a part one of #{inspect(part)}")
  end

  defp options(%T{data: %Expr{args: args}}), do: Enum.find(args, [], &Keyword.keyword?/1)
  defp argument(%T{data: %Expr{args: args}}, i), do: Enum.at(args, i)
  defp product(t, n), do: t.shape |> Tuple.to_list() |> Enum.take(n) |> Enum.product()

  @spec along!(atom) :: no_return
  defp along!(op), do: impossible!("#{op} along the axis that is split")

  @spec impossible!(String.t()) :: no_return
  defp impossible!(what) do
    raise ArgumentError,
          "the definition cannot be sharded: #{what} needs values of other devices, and these do not " <>
            "exchange any. Split the definition there, or give tensors whole to each place"
  end

  @spec other!(String.t()) :: no_return
  defp other!(what) do
    raise ArgumentError,
          "the definition cannot be sharded: it depends on the size of the dimension that is split. " <>
            "For the tensors of all places it #{what}"
  end
end
