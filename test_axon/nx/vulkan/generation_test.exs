if Code.ensure_loaded?(Bumblebee) do
  Code.require_file("../../models.exs", __DIR__)

  defmodule Nx.Vulkan.GenerationTest do
    use ExUnit.Case, async: true
    import Nx.Vulkan.Models
    alias Bumblebee.Text
    @moduletag :device
    @moduletag timeout: :infinity

    @text [
      vocab_size: 40,
      max_positions: 32,
      hidden_size: 16,
      num_blocks: 2,
      num_attention_heads: 2,
      intermediate_size: 24,
      architecture: :for_causal_language_modeling,
      initializer_scale: 0.5
    ]
    @t5 [
      vocab_size: 40,
      hidden_size: 16,
      encoder_num_blocks: 1,
      decoder_num_blocks: 2,
      encoder_num_attention_heads: 2,
      decoder_num_attention_heads: 2,
      attention_head_size: 8,
      intermediate_size: 24,
      tie_word_embeddings: false,
      architecture: :for_conditional_generation
    ]

    # Left-padded, as Bumblebee's servings give it.
    defp inputs do
      host(fn ->
        %{
          "input_ids" => Nx.tensor([[0, 0, 3, 1, 4], [15, 9, 26, 5, 35]], type: :u32),
          "attention_mask" => Nx.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]], type: :u32),
          "seed" => Nx.tensor([1, 2], type: :s64)
        }
      end)
    end

    # The parameters, and the function of them and of inputs.
    defp generation({module, options}, strategy \\ %{type: :greedy_search}) do
      spec = Bumblebee.configure(module, options)
      model = Bumblebee.build_model(spec)

      config =
        Bumblebee.configure(Text.GenerationConfig,
          max_new_tokens: 8,
          pad_token_id: 0,
          bos_token_id: 1,
          eos_token_id: 39,
          decoder_start_token_id: 0,
          strategy: strategy
        )

      template = if module == Text.T5, do: t5_template(), else: Map.delete(inputs(), "seed")
      {weights(model, template), Text.Generation.build_generate(model, spec, config)}
    end

    defp t5_template do
      inputs()
      |> Map.delete("seed")
      |> Map.put("decoder_input_ids", host(fn -> Nx.tensor([[0], [0]]) end))
    end

    defp assert_same_tokens({params, generate}) do
      [expected, tokens] =
        for compiler <- [Nx.Defn.Evaluator, Nx.Vulkan] do
          run = fn -> Nx.Defn.jit_apply(generate, [params, inputs()], compiler: compiler) end
          result = if compiler == Nx.Vulkan, do: run.(), else: host(run)
          Map.new(result, fn {name, t} -> {name, Nx.to_list(t)} end)
        end

      assert tokens == expected
      # The models are no machines that say one thing.
      assert tokens.token_ids |> List.flatten() |> Enum.uniq() |> length() > 2
    end

    for {module, options} <- [{Text.Gpt2, @text}, {Text.Llama, @text}, {Text.T5, @t5}] do
      test "#{inspect(module)} says what it says on the host, token for token" do
        assert_same_tokens(generation({unquote(module), unquote(options)}))
      end
    end

    test "so do sampling, where seeds decide, and contrastive search" do
      for strategy <- [
            %{type: :multinomial_sampling, top_k: 8},
            %{type: :contrastive_search, top_k: 3, alpha: 0.6}
          ],
          do: assert_same_tokens(generation({Text.Gpt2, @text}, strategy))
    end

    test "a serving streams tokens as they come" do
      {params, generate} = generation({Text.Gpt2, @text})
      whole = Nx.Defn.jit_apply(generate, [params, inputs()], compiler: Nx.Vulkan)

      serving =
        fn options ->
          run = Nx.Defn.jit(generate, options)
          fn batch -> run.(params, batch) end
        end
        |> Nx.Serving.new(compiler: Nx.Vulkan)
        |> Nx.Serving.streaming(hooks: [:token])

      batch = Nx.Batch.concatenate([inputs()])
      events = serving |> Nx.Serving.run(batch) |> Enum.to_list()
      tokens = for {:token, %{token_id: ids}} <- events, do: Nx.to_flat_list(ids)
      assert [{:batch, result, _}] = events -- for({:token, _} = event <- events, do: event)
      assert Nx.to_list(result.token_ids) == Nx.to_list(whole.token_ids)
      assert Enum.zip_with(tokens, & &1) == Nx.to_list(whole.token_ids)
    end
  end
end
