defmodule Nx.Vulkan.DocumentsTest do
  use ExUnit.Case, async: true

  # What documents say of the code, beside the code.

  defp sources, do: Path.wildcard("{lib,lib_nx}/**/*.ex")

  defp named(files, pattern) do
    for file <- files, [_, name] <- Regex.scan(pattern, File.read!(file)), uniq: true, do: name
  end

  test "the page of options names all that are read" do
    page = File.read!("guides/options.md")

    variables =
      named(["src/base/env.h", "mix.exs", "mix/compile_nxv_cmake.ex"], ~r/"(NXV_[A-Z_]+)"/)

    assert length(variables) > 10
    assert for(v <- variables, not (page =~ "`#{v}`"), do: v) == []

    configured = named(sources(), ~r/(?:get_env|compile_env)\(:nx_vulkan, :(\w+)/)
    assert "precision" in configured
    assert for(key <- configured, not (page =~ "`#{key}:`"), do: key) == []

    # Options of definitions and devices, as they are declared.
    declared =
      for list <- named(sources(), ~r/@(?:defaults|backend_options) \[([^\]]*)\]/),
          [_, name] <- Regex.scan(~r/:?(\w+)(?:: |,|$)/, list),
          name not in ~w(text nil),
          not (name =~ ~r/^\d/),
          uniq: true,
          do: name

    assert "memory_budget" in declared
    assert for(name <- declared, not (page =~ "`#{name}:`"), do: name) == []
  end

  @groups %{
    "sums, means, pooling" =>
      ~r/^(sum|row sum|column sum|middle sum|mean and variance|max pool.*)$/,
    "sums of windows" => ~r/^window sum (3|3x3|2x2 step 2|31)$/,
    "softmax, log softmax" => ~r/^(log )?softmax/,
    "sorts, scans, top k" => ~r/^(sort|argsort|scan|top )/,
    "gathers" => ~r/^take/,
    "to and from the host" => ~r/load/,
    "LU, QR, SVD, eigenvalues" => ~r/^(lu|qr|svd|eigh)$/,
    "Fourier transforms" => ~r/fft/,
    "scatters that add" => ~r/^indexed_add/
  }

  # Of one decimal.
  defp rounded(ratio), do: :erlang.float_to_binary(ratio, decimals: 1)

  test "the ratios of the README are those that were measured" do
    measured =
      for line <- File.stream!("docs/performance.md"),
          ["", work, _size, _us, _copy, _torch, _jax, ratio, _] <- [cells(line)],
          {ratio, ""} <- [Float.parse(ratio)],
          do: {work, ratio}

    said =
      for line <- File.stream!("README.md"),
          ["", work, ratio, ""] <- [cells(line)],
          is_map_key(@groups, work),
          into: %{},
          do: {work, ratio}

    expected =
      for {group, pattern} <- @groups, into: %{} do
        {least, most} = Enum.min_max(for {work, ratio} <- measured, work =~ pattern, do: ratio)
        {group, "#{rounded(least)} to #{rounded(most)}"}
      end

    assert said == expected
  end

  defp cells(line), do: line |> String.trim() |> String.split("|") |> Enum.map(&String.trim/1)
end
