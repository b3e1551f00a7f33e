# A network that reads handwritten digits, trained with Nx on Nx.Vulkan.Backend.
#
#     NXV_NX=auto mix run examples/digits.exs
#     mix run examples/digits.exs --backend binary --epochs 2     # Nx.BinaryBackend, for comparison
#
# Options: --backend vulkan|binary, --epochs N, --seed N, --data digits.csv.gz, --plot loss.png
#
# Data: "Optical Recognition of Handwritten Digits", E. Alpaydin and C. Kaynak, 1998, UCI Machine
# Learning Repository, https://doi.org/10.24432/C50P49, licence CC BY 4.0: the 1 797 images of its test
# set, 8 x 8 pixels of 0 to 16. The copy read here is part of scikit-learn (BSD-3-Clause), Debian
# package python3-sklearn: taken from the installed package, else unpacked from a download of it.
Code.require_file("elixir/png.exs", __DIR__)
Code.require_file("digits/data.exs", __DIR__)
Code.require_file("digits/model.exs", __DIR__)
Code.require_file("digits/plot.exs", __DIR__)

{options, [], []} =
  OptionParser.parse(System.argv(),
    strict: [backend: :string, epochs: :integer, seed: :integer, data: :string, plot: :string]
  )

backend =
  case options[:backend] || "vulkan" do
    "vulkan" ->
      Nx.Defn.global_default_options(compiler: Nx.Vulkan)
      Nx.Vulkan.Backend

    "binary" ->
      Nx.BinaryBackend
  end

Nx.global_default_backend(backend)
epochs = options[:epochs] || 40
batch = 128

{train, test} = Digits.Data.load(options[:data]) |> Digits.Data.split(1437)

IO.puts(
  "#{inspect(backend)}: #{length(train)} images to learn from, #{length(test)} to test with"
)

state = Digits.Model.init(Nx.Random.key(options[:seed] || 42))
{test_images, test_labels} = Digits.Data.tensors(test)

{time, {state, losses}} =
  :timer.tc(fn ->
    for epoch <- 1..epochs, reduce: {state, []} do
      {state, losses} ->
        {state, epoch_losses} =
          train
          |> Digits.Data.batches(batch, epoch)
          |> Enum.reduce({state, []}, fn {images, labels}, {state, losses} ->
            {state, loss} = Digits.Model.step(state, images, labels)
            {state, [Nx.to_number(loss) | losses]}
          end)

        if rem(epoch, 5) == 0 or epoch in [1, epochs] do
          mean = Enum.sum(epoch_losses) / length(epoch_losses)
          accuracy = Digits.Model.accuracy(state, test_images, test_labels) |> Nx.to_number()

          IO.puts(
            "epoch #{String.pad_leading("#{epoch}", 3)}   loss #{:erlang.float_to_binary(mean, decimals: 4)}" <>
              "   test accuracy #{:erlang.float_to_binary(100 * accuracy, decimals: 1)} %"
          )
        end

        {state, epoch_losses ++ losses}
    end
  end)

accuracy = Digits.Model.accuracy(state, test_images, test_labels) |> Nx.to_number()
steps = length(losses)
IO.puts("#{steps} steps, #{Float.round(time / steps / 1000, 2)} ms each")

plot = options[:plot] || Path.join(Digits.Data.folder(), "loss.png")
losses |> Enum.reverse() |> Digits.Plot.write(plot)
IO.puts("Loss curve: #{plot}")

if epochs >= 40 and accuracy < 0.96 do
  IO.puts("The accuracy is below 96 %.")
  exit({:shutdown, 1})
end
