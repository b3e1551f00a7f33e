defmodule Nx.Vulkan.RandomTermsTest do
  # Functions of the NIF with any terms: an answer or an ArgumentError, and the VM and the device live.
  use ExUnit.Case, async: true
  @moduletag :device

  alias Nx.Vulkan, as: V
  alias Nx.Vulkan.{Device, Native}

  @calls 5_000
  # Whoever calls it answers for the address; what opens takes long; what closes would take the engine
  # from other tests, and so would another profile; loops need not end.
  @excluded [:from_address, :engine_open, :engine_close, :profile_begin, :profile_end, :while]

  # What functions take, by kinds of term; of others any terms are drawn.
  @arguments %{
    unary: [:op, :tensor],
    binary: [:op, :tensor, :tensor],
    ternary: [:op, :tensor, :tensor, :tensor],
    cast: [:tensor, :type],
    reshape: [:tensor, :dims],
    broadcast: [:tensor, :dims, :dims],
    transpose: [:tensor, :dims],
    slice: [:tensor, :dims, :dims, :dims],
    reverse: [:tensor, :dims],
    squeeze: [:tensor, :dims],
    pad: [:tensor, :tensor, :dims, :dims, :dims],
    concatenate: [:tensors, :integer],
    reduce: [:op, :tensor, :dims, :flag],
    dot: [:tensor, :tensor, :dims, :dims, :dims, :dims, :integer],
    matmul: [:tensor, :tensor, :integer],
    call: [:op, :tensors, :options],
    create: [:engine, :op, :options],
    from_binary: [:engine, :type, :dims, :binary],
    constant: [:engine, :type, :dims, :integer],
    iota: [:engine, :type, :dims, :integer],
    eye: [:engine, :type, :dims],
    random_normal: [:engine, :type, :dims, :integer, :integer, :integer, :integer],
    parameter: [:engine, :type, :dims],
    function: [:tensors, :tensors],
    invoke: [:function, :tensors],
    cond: [:tensors, :functions, :tensors],
    read: [:tensor, :integer, :any],
    evaluate_all: [:tensors],
    explain: [:tensor, :flag],
    explain_function: [:function, :flag, :binary, :dims],
    pin: [:tensor, :binary],
    share: [:tensor, :binary, :integer],
    from_shared: [:engine, :type, :dims, :binary, :integer]
  }

  test "any terms are answered" do
    :rand.seed(:exsss, {1, 2, 3})

    functions =
      for {name, arity, _} <- Native.functions(), name not in @excluded, do: {name, arity}

    ops =
      for({name, _, _} <- Native.ops(), do: name) ++
        for({name, _, _, _, _} <- Native.calls(), do: name)

    {:ok, engine} = Device.engine()
    known = %{engine: engine, tensors: [], functions: [], ops: ops}

    answers =
      Enum.reduce(1..@calls, {refill(known), %{}}, fn _, {known, answers} ->
        {name, arity} = Enum.random(functions)
        kinds = Map.get(@arguments, name, List.duplicate(:any, arity))
        arguments = for kind <- kinds, do: argument(kind, known)
        answer = call(name, arguments)
        {known |> keep(answer) |> refill(), Map.update(answers, kind(answer), 1, &(&1 + 1))}
      end)
      |> elem(1)

    for kind <- [:ok, :error, :raised], do: assert(answers[kind] > div(@calls, 20))
    assert V.to_list!(V.add!(V.tensor!([1.0]), 1)) == [2.0]
  end

  defp call(name, arguments) do
    apply(Native, name, arguments)
  rescue
    ArgumentError -> :raised
  end

  defp kind(answer) when is_tuple(answer), do: elem(answer, 0)
  defp kind(:raised), do: :raised
  defp kind(_other), do: :ok

  # Tensors that it made, if they are small, for later calls.
  defp keep(known, {:ok, made}), do: keep(known, made)
  defp keep(known, {:ok, made, :pressure}), do: keep(known, made)

  defp keep(known, {ref, _type, shape, _engine}) when is_tuple(shape),
    do:
      if(Tuple.product(shape) <= 4096,
        do: put_in(known.tensors, [ref | known.tensors]),
        else: known
      )

  defp keep(known, [_ | _] = several), do: Enum.reduce(several, known, &keep(&2, &1))
  defp keep(known, _other), do: known

  # Tensors and functions enough, and not too many; some may have been deallocated.
  defp refill(%{tensors: tensors} = known) when length(tensors) > 40,
    do: %{known | tensors: Enum.take_random(tensors, 10)}

  defp refill(%{tensors: [_, _, _ | _], functions: [_ | _]} = known), do: known

  defp refill(%{engine: engine} = known) do
    {parameter, _, _, _} = made(Native.parameter(engine, :f32, [2]))
    {result, _, _, _} = made(Native.unary(:negate, parameter))
    {:ok, function} = Native.function([parameter], [result])
    made = for type <- [:f32, :s32, :u2], do: V.iota!({2}, type: type).ref
    %{known | tensors: [parameter | made] ++ known.tensors, functions: [function]}
  end

  # Answers say when memory is short.
  defp made({:ok, tensor}), do: tensor
  defp made({:ok, tensor, :pressure}), do: tensor

  # One in ten is any term.
  defp argument(kind, known) do
    case if(:rand.uniform(10) == 1, do: :any, else: kind) do
      :any ->
        term(known, 2)

      :tensor ->
        Enum.random(known.tensors)

      :tensors ->
        some(fn -> Enum.random(known.tensors) end)

      :function ->
        Enum.random(known.functions)

      :functions ->
        some(fn -> Enum.random(known.functions) end)

      :engine ->
        known.engine

      :op ->
        Enum.random(known.ops)

      :type ->
        Enum.random([:f32, :s32, :u2, :c64, :bf16, :u64])

      :dims ->
        Enum.random([nil, [], some(&integer/0), some(fn -> :rand.uniform(2) end), [0], [2]])

      :integer ->
        integer()

      :flag ->
        Enum.random([true, false])

      :options ->
        some(fn -> {Enum.random([:axis, :axes, :k, :seed]), argument(:dims, known)} end)

      :binary ->
        Enum.random(["", "cpu", :binary.copy(<<1>>, 8), :binary.copy(<<1>>, 70_000)])
    end
  end

  defp some(draw), do: for(_ <- 1..:rand.uniform(3), do: draw.())

  defp term(known, depth) do
    case :rand.uniform(if depth == 0, do: 13, else: 17) do
      n when n <= 4 ->
        Enum.random(known.tensors)

      5 ->
        known.engine

      6 ->
        Enum.random(known.functions)

      n when n in [7, 8] ->
        integer()

      9 ->
        Enum.random([0.5, -0.0, 1.0e300, :nan, :infinity, make_ref(), self(), %{}, fn -> 1 end])

      10 ->
        Enum.random([:f32, :u2, :c128, :bf16, nil, true, false, :axis, :axes, :no_such_atom])

      11 ->
        Enum.random(known.ops)

      12 ->
        Enum.random(["", "cpu", "a\0b", <<255>>, <<1::3>>, :binary.copy(<<1>>, 70_000)])

      13 ->
        []

      14 ->
        [term(known, depth - 1) | term(known, depth - 1)]

      15 ->
        {term(known, depth - 1), term(known, depth - 1)}

      16 ->
        for(_ <- 1..:rand.uniform(3), do: integer())

      17 ->
        for(_ <- 1..:rand.uniform(3), do: term(known, depth - 1))
    end
  end

  defp integer do
    Enum.random([
      0,
      1,
      2,
      2,
      3,
      4,
      -1,
      -2,
      2 ** 31,
      2 ** 32,
      2 ** 48,
      2 ** 63 - 1,
      -(2 ** 63),
      2 ** 64
    ])
  end
end
