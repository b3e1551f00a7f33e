if Code.ensure_loaded?(Bumblebee) do
  Code.require_file("../../models.exs", __DIR__)

  defmodule Nx.Vulkan.BumblebeeTest do
    use ExUnit.Case, async: true
    import Nx.Vulkan.Models
    alias Bumblebee.{Audio, Diffusion, Multimodal, Text, Vision}
    @moduletag :device
    @moduletag timeout: :infinity

    @tiny [hidden_size: 16, num_blocks: 2, num_attention_heads: 2, intermediate_size: 24]
    @text [vocab_size: 40, max_positions: 16] ++ @tiny
    @image [image_size: 12, patch_size: 4] ++ @tiny
    @coder [
      vocab_size: 40,
      hidden_size: 16,
      encoder_num_blocks: 1,
      decoder_num_blocks: 2,
      encoder_num_attention_heads: 2,
      decoder_num_attention_heads: 2
    ]

    @models [
      {Text.Bert, :for_masked_language_modeling, @text, [:text]},
      {Text.Gpt2, :for_causal_language_modeling, @text, [:text]},
      {Text.Llama, :for_causal_language_modeling, [num_key_value_heads: 1] ++ @text, [:text]},
      {Text.T5, :for_conditional_generation,
       [attention_head_size: 8, intermediate_size: 24] ++ @coder, [:text, :decoder]},
      {Vision.Vit, :for_image_classification, @image, [:image]},
      {Vision.ResNet, :for_image_classification,
       [embedding_size: 8, hidden_sizes: [8, 16], depths: [1, 2]], [:image]},
      {Audio.Whisper, :for_conditional_generation,
       [
         feature_size: 8,
         encoder_max_positions: 10,
         decoder_max_positions: 16,
         encoder_intermediate_size: 24,
         decoder_intermediate_size: 24
       ] ++ @coder, [:sound, :decoder]},
      {Diffusion.UNet2DConditional, :base,
       [
         sample_size: 4,
         # Bumblebee's transformers normalise 32 groups of channels whatever the option says.
         hidden_sizes: [32, 32],
         depth: 1,
         down_block_types: [:down_block, :cross_attention_down_block],
         up_block_types: [:cross_attention_up_block, :up_block],
         num_attention_heads: 2,
         cross_attention_size: 8,
         group_norm_num_groups: 4
       ], [:diffusion]}
    ]

    defp inputs(:text) do
      %{
        "input_ids" =>
          host(fn -> Nx.tensor([[3, 1, 4, 15, 9, 26, 0, 0], [35, 8, 9, 7, 9, 3, 2, 38]]) end),
        "attention_mask" =>
          host(fn -> Nx.tensor([[1, 1, 1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1, 1, 1]]) end)
      }
    end

    defp inputs(:decoder),
      do: %{"decoder_input_ids" => host(fn -> Nx.tensor([[2, 7, 18], [28, 18, 28]]) end)}

    defp inputs(:image), do: %{"pixel_values" => waves({2, 12, 12, 3})}
    defp inputs(:sound), do: %{"input_features" => waves({2, 20, 8})}

    defp inputs(:diffusion) do
      %{
        "sample" => waves({1, 4, 4, 4}),
        "timestep" => host(fn -> Nx.tensor(7) end),
        "encoder_hidden_state" => waves({1, 5, 8})
      }
    end

    defp forward(spec, inputs) do
      model = Bumblebee.build_model(spec)
      {_, predict} = Axon.build(model)
      assert_same(predict, [weights(model, inputs), inputs])
    end

    defp all(kinds), do: kinds |> Enum.map(&inputs/1) |> Enum.reduce(&Map.merge/2)

    for {module, architecture, options, kinds} <- @models do
      test "#{inspect(module)} forward" do
        options = [architecture: unquote(architecture)] ++ unquote(Macro.escape(options))
        spec = Bumblebee.configure(unquote(module), options)
        forward(spec, all(unquote(kinds)))
      end
    end

    test "#{inspect(Multimodal.Clip)} forward" do
      text =
        Bumblebee.configure(Text.ClipText, [architecture: :base, projection_size: 8] ++ @text)

      vision =
        Bumblebee.configure(
          Vision.ClipVision,
          [architecture: :base, projection_size: 8] ++ @image
        )

      options = [text_spec: text, vision_spec: vision, projection_size: 8]
      forward(Bumblebee.configure(Multimodal.Clip, options), all([:text, :image]))
    end
  end
end
