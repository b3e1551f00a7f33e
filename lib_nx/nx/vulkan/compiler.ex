defmodule Nx.Vulkan.Compiler do
  @moduledoc """
  Compiles numerical definitions:

      Nx.Defn.global_default_options(compiler: Nx.Vulkan)

  A definition is traced once, for each combination of types and shapes of its arguments, to a program
  for the device. A call binds the arguments and answers at once, with tensors that are being computed:
  it is one request to the device however many operations, loops and branches the definition has. Its
  results have the bits of the same operations run one by one.

  Arguments of other backends are copied to the device whatever the default backend is; where a backend
  has no copies, its tensors are transferred. Those that no result needs are not even asked for: lazy
  containers stay lazy. Those that Nx marks as donatable are deallocated by the call.

  ## Loops and branches

  `while` and `cond` run on the device's side of the call, nested in any way. Of a `cond` the taken branch
  alone is computed; what other parts of the definition need too, and the conditions, are computed
  before it.

  ## Calls of the host

  The values of hooks and of `print_value/2` are results of the call, too: the functions are called in
  Nx's order, when the call has started. Hooks without a function cost nothing.

  A definition with a hook inside of a loop or a branch, or with `Nx.runtime_call/4`, needs values on the
  host before it can go on. It is cut into parts: each is one request, and between them the host reads
  conditions and calls functions, in the order in which results need them. Only loops and branches with
  a call inside run on the host's side; others are within the parts. A function is called once, however
  many results, branches and conditions need its value. `Nx.runtime_call/4` is given values on the device
  and may answer tensors of any backend.

  Where the function of a `Nx.reduce/4` or `Nx.window_reduce/5` calls the host, the operation runs on
  `Nx.BinaryBackend`.

  ## What is run

  `Nx.Vulkan.explain/3` shows the program of a definition, as text or as a picture; `Nx.Vulkan.profile/3`
  measures its calls.

  ## Programs

  Programs are kept by the function, the options that it closes over, the precision and the types, shapes,
  names and vectorized axes of its arguments, for each device: at most 512, of which the one used longest ago
  goes first. Functions that differ in what they close over never share a program. What else a
  definition looks at while it is traced, such as the process dictionary or the application's
  environment, is looked at once. A definition that prints while it is traced, as `print_expr/2` does,
  is traced at each call of `Nx.Defn.jit/2`.

  A function that closes over large tensors of `Nx.BinaryBackend` is compared by their elements at each
  call of `Nx.Defn.jit/2`; with `Nx.Defn.compile/3` it is not, nor where tensors are arguments.

  ## Options

    * `:device`, `:memory_budget` - those of `Nx.Vulkan.Backend`. With `:device`, arguments on other
      devices are copied there; without it a definition runs where its arguments are, and on the
      default backend's device if they are on none
    * `:precision` - of products of `f32`: `:accurate` or `:fast`, by default that of the default
      backend (`Nx.Vulkan.Backend`, "Precision")
    * `:hooks` - functions by the names of hooks, as with `Nx.Defn.Evaluator`
    * `:max_concurrency` - the number of partitions

  Those of other compilers have no effect.

  ## Partitions

  `Nx.Serving` with `partitions: true` runs one partition for each GPU, or for each CPU device where
  there is no GPU; with `:max_concurrency`, so many of them in turn on these devices. With `:device` all
  partitions are on that device.

  ## Sharding

  `Nx.Defn.shard_jit/3` computes the parts of a batch on several devices:

      mesh = %Nx.Mesh{name: "mesh", shape: {2}}
      options = [compiler: Nx.Vulkan, input_shardings: [%{}, %{0 => [0]}]]
      predict = Nx.Defn.shard_jit(&predict/2, mesh, options)
      [first, second] = predict.([[params, rows], [params, more_rows]])

  There is one list of arguments for each place of the mesh, with what that place has, and one result.
  `:input_shardings` has a map for each argument, which is that of all tensors of a container: empty where
  each place has the whole tensor, else the dimension that is split with the axes of the mesh, all of them
  in their order. The places are the devices that partitions would be on; with `:device` all of them are
  on that one.

  Devices exchange no values: each computes what follows from its own rows. A definition for which that is
  not the same as for all rows together raises `ArgumentError` and names what is in the way: sums over
  the batch, for example, and means, or numbers that follow from its size. So do hooks and
  `Nx.runtime_call/4`.
  """

  @behaviour Nx.Defn.Compiler

  alias Nx.Tensor, as: T
  alias Nx.Defn.{Composite, Evaluator}
  alias Nx.Vulkan.{Backend, Native, Programs, Telemetry}
  alias Nx.Vulkan.Backend.{Block, Node}
  alias Nx.Vulkan.Compiler.{Mesh, Printing, Program, Source, Split}

  @backend_options [:device, :memory_budget, :precision]
  @donates Map.has_key?(T.__struct__(), :donatable?)

  @impl true
  def __jit__(key, vars, fun, args_list, opts) do
    {_, _, _, place, _} = definition = definition(key, vars, fun, opts)
    Enum.map(args_list, &(definition |> program(engine(place)) |> call(definition, &1)))
  end

  # Errors of a definition are raised here, not at the first call.
  @impl true
  def __compile__(key, vars, fun, opts) do
    {_, _, _, place, _} = definition = definition(key, vars, fun, opts)
    compiled = program(definition, engine(place))

    fn args_list ->
      Enum.map(args_list, fn args ->
        engine = engine(place)
        program = if compiled.engine == engine, do: compiled, else: program(definition, engine)
        call(program, definition, args)
      end)
    end
  end

  @doc false
  # What a definition is compiled to. Kept, as the programs of calls are.
  @spec program(term, list, fun, keyword) :: Program.t()
  def program(key, vars, fun, opts) do
    {_, _, _, place, _} = definition = definition(key, vars, fun, opts)
    program(definition, engine(place))
  end

  # The expression of all places together is made once for each device: the programs are kept.
  @impl true
  def __shard_jit__(key, mesh, vars, fun, args_list, opts) do
    {shardings, opts} = Keyword.pop(opts, :input_shardings)
    places = Mesh.places(mesh)
    axes = Mesh.axes(mesh, shardings, vars)
    Mesh.arguments!(mesh, args_list)

    checked = fn vars ->
      if places == 1,
        do: fun.(vars),
        else: Split.part!(fun, vars, Mesh.together(vars, axes, places), axes, places)
    end

    Enum.zip_with(args_list, shard_devices(mesh, opts), fn args, device ->
      args = Mesh.like(args, vars)
      opts = Keyword.put(opts, :device, device)
      [result] = __jit__({key, places, axes}, vars, checked, [args], opts)
      result
    end)
  end

  defp shard_devices(mesh, opts) do
    places = Mesh.places(mesh)
    devices = if opts[:device], do: List.duplicate(opts[:device], places), else: devices()

    if length(devices) < places do
      raise ArgumentError,
            "a mesh of shape #{inspect(mesh.shape)} takes #{places} devices, there are #{length(devices)}; " <>
              "with device: all places are on that device"
    end

    Enum.take(devices, places)
  end

  @impl true
  def __to_backend__(opts), do: {Backend, Backend.init(Keyword.take(opts, @backend_options))}

  @impl true
  def __partitions_options__(opts) do
    if opts[:device] do
      Evaluator.__partitions_options__(opts)
    else
      devices = devices()
      count = opts[:max_concurrency] || length(devices)
      devices |> Stream.cycle() |> Enum.take(count) |> Enum.map(&[{:device, &1} | opts])
    end
  end

  # CPU devices have the same processors: where there is something better they are in its way.
  defp devices do
    devices = Enum.filter(Nx.Vulkan.devices!(), & &1.supported?)
    gpus = Enum.reject(devices, & &1.cpu?)
    for device <- if(gpus == [], do: devices, else: gpus), do: device.index
  end

  # What Nx hands over, with the backend's options and the others apart.
  defp definition(key, vars, fun, opts) do
    {place, opts} = Keyword.split(opts, @backend_options)
    {precision, place} = place |> Backend.init() |> Keyword.pop(:precision)
    {key, vars, fun, place, Keyword.put(opts, :precision, precision || Node.precision())}
  end

  # ---- Where ----

  @doc false
  # The engine of a definition whose arguments are on none, by the options of the backend.
  @spec engine(keyword) :: reference
  def engine([]) do
    case Nx.default_backend() do
      {Backend, options} -> Node.engine(options)
      _ -> Node.engine([])
    end
  end

  def engine(place), do: Node.engine(place)

  # Whether arguments on other devices are copied.
  defp moves?(place), do: place[:device] != nil

  # ---- Programs ----

  defp program({key, vars, fun, _place, opts}, engine) do
    hooks = Keyword.get(opts, :hooks, %{})
    written = written(key)
    name = Source.name(written)
    configuration = {Block.linear_algebra(), opts[:precision]}
    key = {key, version(written), Enum.map(vars, &like/1), hooks, configuration, engine}

    make = fn ->
      {expr, printed?} = Printing.watch(fn -> fun.(vars) end)
      backend = {Backend, precision: opts[:precision]}

      program =
        Nx.with_default_backend(backend, fn -> Program.make(expr, engine, hooks, name) end)

      if printed?, do: throw({__MODULE__, program}), else: {:ok, program}
    end

    make = fn ->
      {:ok, program} =
        Telemetry.timed([:compilation, :program], make, fn {:ok, program} ->
          %{device: Native.device(engine), name: name, parts: Program.parts(program)}
        end)

      program
    end

    Programs.fetch(key, engine, make)
  catch
    {__MODULE__, program} -> program
  end

  # The function of a key; that of a sharded definition says how, too.
  defp written({fun, _places, _axes}), do: fun
  defp written(fun), do: fun

  # A function of a module is another one when the module was compiled anew.
  defp version(fun) do
    with {:type, :external} <- Function.info(fun, :type),
         {:module, module} = Function.info(fun, :module) do
      module.module_info(:md5)
    end
  end

  defp like(var), do: Composite.traverse(var, &like_tensor/1)

  defp like_tensor(%T{type: type, shape: shape, names: names, vectorized_axes: axes}),
    do: {type, shape, names, axes}

  # ---- Calls ----

  defp call(program, definition, args) do
    arguments = Program.arguments(program, args)

    result =
      case Program.references(program, arguments) do
        nil -> call_elsewhere(program, definition, arguments)
        refs -> Program.call(program, refs)
      end

    if @donates, do: Enum.each(arguments, &donate/1)
    result
  end

  # Where the arguments are, or where they are brought to.
  defp call_elsewhere(program, {_, _, _, place, _} = definition, arguments) do
    moves? = moves?(place)
    engine = if moves?, do: program.engine, else: home(arguments) || program.engine
    program = if engine == program.engine, do: program, else: program(definition, engine)
    Program.call(program, Enum.map(arguments, &bind(&1, engine, moves?)))
  end

  # Nx marks arguments that may be written over, from 0.14 on. They cannot be read any more.
  defp donate(%{donatable?: true, data: %Backend{ref: ref}}), do: Native.deallocate(ref)
  defp donate(_), do: :ok

  # Where the first argument is that is no number. Numbers are wherever they are needed.
  defp home([%T{data: %Backend{number: nil, engine: engine}} | _]), do: engine
  defp home([_ | arguments]), do: home(arguments)
  defp home([]), do: nil

  defp bind(%T{data: %Backend{number: nil}} = t, _engine, false), do: Node.ref(t)
  defp bind(t, engine, _moves?), do: t |> Node.bring(engine) |> Node.ref()
end
