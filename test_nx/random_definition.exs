Code.require_file("random_operation.exs", __DIR__)

defmodule Nx.Vulkan.RandomDefinition do
  @moduledoc false
  # Random definitions with nested loops and branches, as plain data: the same for a seed everywhere.
  #
  # A definition works on slots, each a tensor of its own type and shape, which are the state of all of
  # its loops in one nested container. Its steps are
  #
  #     {:set, slot, op, refs}             the slot becomes the operation's value, made to fit
  #     {:let, op, refs}                   a value that later steps, branches too, share
  #     {:loop, rounds, steps}             counted, by a number
  #     {:count, steps}                    counted, by the first slot
  #     {:until, predicate, steps}         as long as the data says, but at most five times
  #     {:rows, ref, steps}                for each row of a value, which its steps share
  #     {:branch, predicate, steps, steps}
  #     {:choose, predicate, predicate, steps, steps, steps}
  #
  # Refs name values by their positions: the slots, then what was shared; modulo how many there are.

  import Nx.Defn

  import Nx.Vulkan.RandomOperation,
    only: [pick: 2, compute: 3, fit: 2, real: 1, first: 1, at_least_rank: 2]

  alias Nx.Vulkan.RandomOperation

  @types [
    {:f, 32},
    {:f, 32},
    {:f, 32},
    {:f, 64},
    {:bf, 16},
    {:f, 16},
    {:s, 32},
    {:s, 32},
    {:s, 64},
    {:u, 8},
    {:c, 64}
  ]
  @shapes [{}, {4}, {4}, {5}, {2, 3}, {3, 3}, {2, 1, 2}]

  # ---- Drawing ----

  def draw(seed) do
    :rand.seed(:exsss, seed)

    %{
      vectors: if(:rand.uniform(5) == 1, do: 2),
      slots: [{{:s, 32}, {}} | for(_ <- 1..(1 + :rand.uniform(3)), do: slot())],
      steps: steps(3)
    }
  end

  defp slot, do: {Enum.random(@types), Enum.random(@shapes)}

  defp steps(0), do: for(_ <- 1..:rand.uniform(2), do: simple())

  defp steps(depth) do
    for _ <- 1..:rand.uniform(3) do
      case :rand.uniform(12) do
        1 -> {:loop, :rand.uniform(4) - 1, steps(depth - 1)}
        2 -> {:count, steps(depth - 1)}
        3 -> {:until, predicate(), steps(depth - 1)}
        4 -> {:rows, ref(), steps(depth - 1)}
        5 -> {:branch, predicate(), steps(depth - 1), steps(depth - 1)}
        6 -> {:choose, predicate(), predicate(), steps(0), steps(depth - 1), steps(depth - 1)}
        _ -> simple()
      end
    end
  end

  defp simple do
    op = RandomOperation.draw()
    refs = for _ <- 1..3, do: ref()
    if :rand.uniform(4) == 1, do: {:let, op, refs}, else: {:set, ref(), op, refs}
  end

  defp ref, do: :rand.uniform(12) - 1

  defp predicate,
    do: {Enum.random(~w(sum sum first all count number)a), ref(), Float.round(:rand.normal(), 2)}

  @doc "Arguments for `run/2`, drawn after the definition."
  def arguments(%{slots: [_ | slots], vectors: vectors}) do
    [:rand.uniform(4) - 1 | Enum.map(slots, &argument(&1, vectors))]
  end

  defp argument({type, shape}, nil), do: numbers(type, shape)

  defp argument({type, shape}, vectors),
    do: type |> numbers(Tuple.insert_at(shape, 0, vectors)) |> Nx.vectorize(:v)

  defp numbers(type, shape) do
    for(_ <- 1..Tuple.product(shape), do: number(type))
    |> Nx.tensor(type: type)
    |> Nx.reshape(shape)
  end

  defp number({:u, _}), do: :rand.uniform(9) - 1
  defp number({:s, _}), do: :rand.uniform(15) - 8
  defp number({:c, _}), do: Complex.new(:rand.normal(), :rand.normal())
  defp number(_), do: Enum.random([2 * :rand.normal(), 2 * :rand.normal(), round(:rand.normal())])

  # ---- Running, in a definition or not ----

  @doc "The slots in the end, and at most three of the values that were shared."
  def run(%{steps: steps}, slots) do
    {slots, seen} = steps(steps, slots, [])
    {nest(slots), seen |> Enum.take(3) |> List.to_tuple()}
  end

  defp steps(steps, slots, seen) do
    Enum.reduce(steps, {slots, seen}, fn step, {slots, seen} -> step(step, slots, seen) end)
  end

  defp step({:set, slot, op, refs}, slots, seen) do
    value = compute(op, refs, slots ++ seen)
    {List.update_at(slots, rem(slot, length(slots)), &fit(value, &1)), seen}
  end

  defp step({:let, op, refs}, slots, seen),
    do: {slots, seen ++ [compute(op, refs, slots ++ seen)]}

  defp step({:rows, ref, body}, slots, seen) do
    rows = pick(slots ++ seen, ref) |> Nx.devectorize() |> at_least_rank(1)
    {rows(nest(slots), rows, body: body) |> flat() |> fit_all(slots), seen}
  end

  defp step({control, a, b}, slots, seen) when control in [:loop, :until],
    do: {control(control, slots, seen, a, [b]), seen}

  defp step({:count, body}, slots, seen), do: {control(:count, slots, seen, nil, [body]), seen}

  defp step({:branch, predicate, a, b}, slots, seen),
    do: {control(:branch, slots, seen, predicate, [a, b]), seen}

  defp step({:choose, p, q, a, b, c}, slots, seen),
    do: {control(:choose, slots, seen, {p, q}, [a, b, c]), seen}

  defp control(control, slots, seen, what, bodies) do
    state = nest(slots)
    opts = [what: what, seen: seen, bodies: bodies]

    result =
      case control do
        :loop -> loop(state, opts)
        :until -> until(state, opts)
        :count -> count(state, opts)
        :branch -> branch(state, opts)
        :choose -> choose(state, opts)
      end

    # Vectorized predicates vectorize everything.
    result |> flat() |> fit_all(slots)
  end

  defp nest([counter, slot | slots]), do: {counter, %{first: slot, more: List.to_tuple(slots)}}
  defp flat(state), do: Nx.Defn.Composite.flatten_list([state])
  defp fit_all(values, slots), do: Enum.zip_with(values, slots, &fit/2)

  deftransformp(body(state, opts)) do
    {slots, _seen} = steps(Enum.at(opts[:bodies], opts[:n] || 0), flat(state), opts[:seen] || [])
    nest(slots)
  end

  deftransformp(rows_body(state, row, opts)) do
    {slots, _seen} = steps(opts[:body], flat(state), [row])
    nest(slots)
  end

  deftransformp(holds(state, opts), do: true?(opts[:what], flat(state) ++ (opts[:seen] || [])))
  deftransformp(holds_first(state, opts), do: true?(elem(opts[:what], 0), flat(state)))
  deftransformp(holds_second(state, opts), do: true?(elem(opts[:what], 1), flat(state)))
  deftransformp(counter(state), do: state |> flat() |> hd())

  defp true?({kind, ref, limit}, values) do
    x = values |> pick(ref) |> real()

    case kind do
      :sum -> Nx.less(Nx.sum(x), limit)
      :first -> Nx.greater(first(x), limit)
      :all -> Nx.all(Nx.not_equal(x, 0))
      :count -> Nx.less(hd(values), round(limit))
      :number -> Nx.as_type(Nx.sum(x), {:s, 32})
    end
  end

  defn loop(state, opts \\ []) do
    {_, state} =
      while {i = 0, state}, i < opts[:what] do
        {i + 1, body(state, inside(opts))}
      end

    state
  end

  defn until(state, opts \\ []) do
    {_, state} =
      while {i = 0, state}, i < 5 and holds(state, inside(opts)) do
        {i + 1, body(state, inside(opts))}
      end

    state
  end

  defn count(state, opts \\ []) do
    {_, _, state} =
      while {i = 0, n = Nx.clip(counter(state), -1, 4), state}, i < n do
        {i + 1, n, body(state, inside(opts))}
      end

    state
  end

  defn rows(state, rows, opts \\ []) do
    while state, row <- rows do
      rows_body(state, row, opts)
    end
  end

  # A loop's body knows its state alone.
  deftransformp(inside(opts), do: Keyword.delete(opts, :seen))
  deftransformp(nth(opts, n), do: Keyword.put(opts, :n, n))

  defn branch(state, opts \\ []) do
    if holds(state, opts), do: body(state, nth(opts, 0)), else: body(state, nth(opts, 1))
  end

  defn choose(state, opts \\ []) do
    cond do
      holds_first(state, opts) -> body(state, nth(opts, 0))
      holds_second(state, opts) -> body(state, nth(opts, 1))
      true -> body(state, nth(opts, 2))
    end
  end

  # ---- Making failures small ----

  @doc "The smallest definition that still fails, of those that have some steps less."
  def smallest(definition, fails?) do
    case definition.steps |> fewer() |> Enum.find(&fails?.(%{definition | steps: &1})) do
      nil -> definition
      steps -> smallest(%{definition | steps: steps}, fails?)
    end
  end

  # With one step left out, replaced by its own steps, or made smaller.
  defp fewer(steps) do
    for {step, i} <- Enum.with_index(steps),
        other <- [[] | inner(step)] ++ Enum.map(smaller(step), &[&1]),
        do: Enum.take(steps, i) ++ other ++ Enum.drop(steps, i + 1)
  end

  defp inner(step), do: step |> Tuple.to_list() |> Enum.filter(&steps?/1)

  defp smaller(step) do
    for {part, i} <- Enum.with_index(Tuple.to_list(step)),
        steps?(part),
        part <- fewer(part),
        do: put_elem(step, i, part)
  end

  defp steps?(part), do: is_list(part) and part != [] and is_tuple(hd(part))
end
