for file <- ~w(data model), do: Code.require_file("examples/digits/#{file}.exs", File.cwd!())

defmodule Nx.Vulkan.DigitsTest do
  use ExUnit.Case, async: false
  @moduletag :device
  @moduletag timeout: :infinity

  # Pictures of digits are not at hand in every checkout: ten patterns of bars with noise do here.
  @images (for i <- 0..255 do
             digit = rem(i, 10)

             pixels =
               for p <- 0..63, into: <<>> do
                 bar = if rem(p + digit * 7, 10) < 3, do: 12, else: 1
                 <<bar + :erlang.phash2({i, p}, 4)>>
               end

             {pixels, digit}
           end)

  defp train(steps) do
    step = Nx.Defn.jit(&Digits.Model.step/3, compiler: Nx.Vulkan)
    {images, labels} = Digits.Data.tensors(@images)
    state = Digits.Model.init(Nx.Random.key(1))

    {_, losses} =
      Enum.reduce(1..steps, {state, []}, fn _, {state, losses} ->
        {state, loss} = step.(state, images, labels)
        {state, [Nx.to_number(loss) | losses]}
      end)

    losses
  end

  test "the model learns, and 100 processes at once have equal losses" do
    [last | _] = alone = train(20)
    assert last < List.last(alone) / 2

    1..100
    |> Task.async_stream(fn _ -> train(20) end, max_concurrency: 100, timeout: :infinity)
    |> Enum.each(fn {:ok, losses} -> assert losses == alone end)
  end
end
