defmodule Nx.Vulkan.Native do
  @moduledoc false
  # The NIF, as it is: terms in, terms out. Types are atoms (:f32), shapes and axes lists, nil stands
  # for the default, operations are the atoms of their names.
  #
  # What makes a tensor answers {:ok, {ref, type, shape, engine}}, with the shape as a tuple,
  # {:ok, {..}, :pressure} when garbage should be collected or the engine is behind
  # (Nx.Vulkan.Memory.relieve/1 sees to both), or {:error, reason, message}. Where an engine is expected, a
  # tensor stands for the engine that it lives on. References to one engine are equal.
  #
  # Functions are registered where they are defined, in nif/*.cpp. A test compares.

  @on_load :load

  # What waits for the device, or computes for long, runs on dirty schedulers; so does any call with a list
  # of more than a thousand elements. Others charge what they take to the process's turn.
  @io_bound ~w(devices device_find doctor engine_open engine_close engine_describe trim profile_begin
              profile_end)a
  @cpu_bound ~w(makers function pin from_address share from_shared explain explain_function)a

  @doc "The scheduler that a function runs on."
  @spec scheduler(atom) :: :normal | :io_bound | :cpu_bound
  def scheduler(name) when name in @io_bound, do: :io_bound
  def scheduler(name) when name in @cpu_bound, do: :cpu_bound
  def scheduler(_name), do: :normal

  @doc "What the library has: `[{name, arity, scheduler}]`."
  def functions, do: missing()

  @doc false
  def load do
    :nx_vulkan |> :code.priv_dir() |> :filename.join(~c"nxv_nif") |> :erlang.load_nif(0)
  end

  # Engines. device: an index; budget: bytes, or 0 for the default.
  def devices, do: missing()

  # {:ok, index} of the device that a text names as NXV_DEVICE does; nil: NXV_DEVICE, else the best.
  def device_find(_name), do: missing()
  # {:ok, {text, well?}}; name as for device_find/1.
  def doctor(_name), do: missing()
  def engine_open(_device, _budget), do: missing()
  def engine_close(_engine), do: missing()
  # The index of its device.
  def device(_engine), do: missing()
  def engine_device(_engine), do: missing()
  def engine_describe(_engine), do: missing()
  def memory_stats(_engine), do: missing()
  def counters(_engine), do: missing()
  def trim(_engine), do: missing()

  # What is measured from profile_begin/1 on, until profile_end/1, which answers {:ok, {table, trace}}.
  # What the caller does meanwhile has names.
  def profile_begin(_engine), do: missing()
  def profile_phase(_engine, _name), do: missing()
  def profile_end(_engine), do: missing()
  def pressure(_engine), do: missing()
  def pressure_relieved(_engine), do: missing()
  # Whether so many requests wait that those who make more should wait a little.
  def behind?(_engine), do: missing()
  # The processes that made the tensors that are alive.
  def makers(_engine), do: missing()
  # The op table: [{name, arity, elementwise?}]
  def ops, do: missing()
  # What call/3 and create/3 reach: [{name, operands, [{option, kind}], primitive?, summary}]
  def calls, do: missing()

  # Creation. A value is a number, {re, im}, :nan, :infinity or :neg_infinity.
  def from_binary(_engine, _type, _shape, _binary), do: missing()
  def constant(_engine, _type, _shape, _value), do: missing()
  def iota(_engine, _type, _shape, _axis), do: missing()
  def eye(_engine, _type, _shape), do: missing()
  def random_uniform(_engine, _type, _shape, _seed, _offset, _low, _high), do: missing()
  def random_normal(_engine, _type, _shape, _seed, _offset, _mean, _deviation), do: missing()

  # Operations.
  def unary(_op, _a), do: missing()
  def binary(_op, _a, _b), do: missing()
  def ternary(_op, _a, _b, _c), do: missing()
  def cast(_tensor, _type), do: missing()
  def reshape(_tensor, _shape), do: missing()
  def broadcast(_tensor, _shape, _axes), do: missing()
  def transpose(_tensor, _axes), do: missing()
  def slice(_tensor, _starts, _lengths, _strides), do: missing()
  def reverse(_tensor, _axes), do: missing()
  def squeeze(_tensor, _axes), do: missing()
  def pad(_tensor, _value, _low, _high, _interior), do: missing()
  def concatenate(_tensors, _axis), do: missing()
  def reduce(_op, _tensor, _axes, _keep_axes), do: missing()

  # The precision of a product is a number: Nx.Vulkan.Precision.to_native/1.
  def dot(_a, _b, _contract_a, _contract_b, _batch_a, _batch_b, _precision), do: missing()
  def matmul(_a, _b, _precision), do: missing()

  # An operation by its name (an atom): see docs/operations.md. Options are {name, value}, a value being
  # an integer, a boolean, a float, the atom of one that is not finite, a type, or a list of these. It
  # answers with a list of tensors; an operation without operands, which create/3 calls, with one.
  def call(_name, _tensors, _options), do: missing()
  def create(_engine, _name, _options), do: missing()

  # Functions. A parameter stands for an argument: what is built of it belongs to a function, and cannot
  # be read. The functions that `reduce` and `window_reduce` take are given as their two parameters,
  # scalars, and their result.
  def parameter(_engine, _type, _shape), do: missing()
  # {:ok, function}. What the results were built of besides the parameters is captured.
  def function(_parameters, _results), do: missing()

  # A list of references: the results of a call with these arguments, which starts at once. Their types
  # and shapes are those of the function's results.
  def invoke(_function, _arguments), do: missing()

  # The state after the last round; of parameters it is part of a function, else it starts at once.
  def while(_state, _condition, _body), do: missing()

  # The results of the first function whose predicate, a scalar, is not zero, else of the last one. All
  # take the same arguments.
  def cond(_predicates, _functions, _arguments), do: missing()

  # What profiles call it; before it is invoked.
  def name_function(_function, _name), do: missing()

  # {:ok, text}, an SVG document if `svg`. numbers: what its arguments are called by, one for each.
  def explain_function(_function, _svg, _name, _numbers), do: missing()

  # Pointers. pin/2 answers {:ok, address} of memory that holds the bytes while the tensor lives, and
  # share/3 {:ok, name} of such memory that other processes of the machine can open.
  def pin(_tensor, _bytes), do: missing()
  def from_address(_engine, _type, _shape, _address, _size), do: missing()
  def share(_tensor, _bytes, _permissions), do: missing()
  def from_shared(_engine, _type, _shape, _name, _size), do: missing()

  # Reading. read/3 answers :ok, and exactly one message follows: {ref, {:ok, binary}} or
  # {ref, {:error, reason, message}}. limit: elements from the first on, -1 for all.
  def read(_tensor, _limit, _ref), do: missing()
  def evaluate(_tensor), do: missing()
  # The same for tensors of one engine, as one request: what they share is computed once.
  def evaluate_all(_tensors), do: missing()
  def deallocate(_tensor), do: missing()
  def explain(_tensor, _ir), do: missing()

  defp missing, do: :erlang.nif_error(:nif_not_loaded)
end
