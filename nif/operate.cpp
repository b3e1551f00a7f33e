// Operations on tensors: each adds a node to the graph and returns.
#include <array>

#include "function.h"
#include "functions.h"
#include "operands.h"

namespace nxv::nif {

namespace {

template <typename Operate>
Term operate(ErlNifEnv* env, Engine& engine, Operate call) {
  nxv_tensor* raw = nullptr;
  check(call(&raw));
  return make_tensor(env, engine, TensorHandle(raw));
}

template <typename Operate>
Term operate(ErlNifEnv* env, const TensorArg& operand, Operate call) {
  return operate(env, operand->engine(), call);
}

template <size_t N>
Term apply(ErlNifEnv* env, Operation op, const TensorArg (&args)[N]) {
  nxv_tensor* operands[N];
  for (size_t i = 0; i < N; ++i) operands[i] = args[i]->get();
  return operate(env, engine_of(args), [&](nxv_tensor** out) {
    return nxv_apply(op.index, static_cast<int>(N), operands, out);
  });
}

int size(const Dims& list) { return static_cast<int>(list.size()); }

// The C interface takes as many entries as the tensor has axes.
void expect_one_per_axis(const Dims& list, const TensorArg& tensor, const char* name) {
  if (size(list) == tensor->rank()) return;
  throw Refusal{NXV_INVALID_ARGUMENT, std::string(name) + ": expected one entry for each of the " +
                                          std::to_string(tensor->rank()) + " axes, got " +
                                          std::to_string(list.size())};
}

const int64_t* data_or_null(const std::optional<Dims>& list) {
  return list ? list->data() : nullptr;
}

// A count below zero stands for all axes.
int count_or_all(const std::optional<Dims>& axes) { return axes ? size(*axes) : -1; }

Term unary(ErlNifEnv* env, Operation op, TensorArg a) { return apply(env, op, {a}); }

Term binary(ErlNifEnv* env, Operation op, TensorArg a, TensorArg b) {
  return apply(env, op, {a, b});
}

Term ternary(ErlNifEnv* env, Operation op, TensorArg a, TensorArg b, TensorArg c) {
  return apply(env, op, {a, b, c});
}

Term cast(ErlNifEnv* env, TensorArg tensor, nxv_dtype type) {
  return operate(env, tensor, [&](auto out) { return nxv_cast(tensor->get(), type, out); });
}

Term reshape(ErlNifEnv* env, TensorArg tensor, Dims shape) {
  return operate(env, tensor, [&](auto out) {
    return nxv_reshape(tensor->get(), size(shape), shape.data(), out);
  });
}

Term broadcast(ErlNifEnv* env, TensorArg tensor, Dims shape, std::optional<Dims> axes) {
  if (axes) expect_one_per_axis(*axes, tensor, "broadcast axes");
  return operate(env, tensor, [&](auto out) {
    return nxv_broadcast(tensor->get(), size(shape), shape.data(), data_or_null(axes), out);
  });
}

Term transpose(ErlNifEnv* env, TensorArg tensor, std::optional<Dims> axes) {
  if (axes) expect_one_per_axis(*axes, tensor, "transpose axes");
  return operate(env, tensor,
                 [&](auto out) { return nxv_transpose(tensor->get(), data_or_null(axes), out); });
}

Term slice(ErlNifEnv* env, TensorArg tensor, Dims starts, Dims lengths,
           std::optional<Dims> strides) {
  expect_one_per_axis(starts, tensor, "slice starts");
  expect_one_per_axis(lengths, tensor, "slice lengths");
  if (strides) expect_one_per_axis(*strides, tensor, "slice strides");
  return operate(env, tensor, [&](auto out) {
    return nxv_slice(tensor->get(), starts.data(), lengths.data(), data_or_null(strides), out);
  });
}

Term reverse(ErlNifEnv* env, TensorArg tensor, Dims axes) {
  return operate(env, tensor, [&](auto out) {
    return nxv_reverse(tensor->get(), size(axes), axes.data(), out);
  });
}

Term squeeze(ErlNifEnv* env, TensorArg tensor, std::optional<Dims> axes) {
  return operate(env, tensor, [&](auto out) {
    return nxv_squeeze(tensor->get(), count_or_all(axes), data_or_null(axes), out);
  });
}

Term pad(ErlNifEnv* env, TensorArg tensor, TensorArg value, Dims low, Dims high, Dims interior) {
  for (const Dims* list : {&low, &high, &interior}) expect_one_per_axis(*list, tensor, "padding");
  return operate(env, engine_of(std::array{tensor, value}), [&](auto out) {
    return nxv_pad(tensor->get(), value->get(), low.data(), high.data(), interior.data(), out);
  });
}

Term concatenate(ErlNifEnv* env, AnyTerm tensors, int axis) {
  const TensorList list = some_tensors(env, tensors.term, "concatenate");
  return operate(env, engine_of(list.args), [&](auto out) {
    return nxv_concatenate(list.count(), list.operands.data(), axis, out);
  });
}

Term reduce(ErlNifEnv* env, Operation op, TensorArg tensor, std::optional<Dims> axes,
            bool keep_axes) {
  return operate(env, tensor, [&](auto out) {
    return nxv_reduce(op.index, tensor->get(), count_or_all(axes), data_or_null(axes), keep_axes,
                      out);
  });
}

// A product of another precision than nxv_dot and nxv_matmul have is an operation by name.
Term product(ErlNifEnv* env, const char* name, const TensorArg& a, const TensorArg& b,
             std::vector<nxv_option> options, int64_t precision) {
  options.push_back({"precision", 1, &precision, nullptr});
  nxv_tensor* const operands[] = {a->get(), b->get()};
  int count = 0;
  return operate(env, engine_of(std::array{a, b}), [&](nxv_tensor** out) {
    return nxv_call(name, 2, operands, static_cast<int>(options.size()), options.data(), 1, out,
                    &count);
  });
}

nxv_option option(const char* name, const Dims& list) {
  return {name, size(list), list.data(), nullptr};
}

Term dot(ErlNifEnv* env, TensorArg a, TensorArg b, Dims contract_a, Dims contract_b, Dims batch_a,
         Dims batch_b, int64_t precision) {
  if (contract_a.size() != contract_b.size() || batch_a.size() != batch_b.size()) {
    throw Refusal{NXV_INVALID_ARGUMENT,
                  "dot: both operands need the same number of contracted and of batch axes"};
  }
  if (precision != NXV_ACCURATE) {
    return product(env, "dot", a, b,
                   {option("contract_a", contract_a), option("contract_b", contract_b),
                    option("batch_a", batch_a), option("batch_b", batch_b)},
                   precision);
  }
  return operate(env, engine_of(std::array{a, b}), [&](auto out) {
    return nxv_dot(a->get(), b->get(), size(contract_a), contract_a.data(), contract_b.data(),
                   size(batch_a), batch_a.data(), batch_b.data(), out);
  });
}

Term matmul(ErlNifEnv* env, TensorArg a, TensorArg b, int64_t precision) {
  if (precision != NXV_ACCURATE) return product(env, "matmul", a, b, {}, precision);
  return operate(env, engine_of(std::array{a, b}),
                 [&](auto out) { return nxv_matmul(a->get(), b->get(), out); });
}

// An option's values: integers (also as true, false or a type's atom) or reals (also as the atoms
// of those that are not finite), one or a list.
struct OptionValues {
  std::string name;
  std::vector<int64_t> integers;
  std::vector<double> reals;

  void add(ErlNifEnv* env, Term value) {
    ErlNifSInt64 integer;
    double real;
    if (value == atoms.nan || value == atoms.infinity || value == atoms.neg_infinity) {
      reals.push_back(decode<double>(env, value));
    } else if (enif_get_int64(env, value, &integer)) {
      integers.push_back(integer);
    } else if (enif_get_double(env, value, &real)) {
      reals.push_back(real);
    } else if (value == atoms.yes || value == atoms.no) {
      integers.push_back(value == atoms.yes ? 1 : 0);
    } else {
      integers.push_back(decode<nxv_dtype>(env, value));
    }
  }
};

OptionValues decode_option(ErlNifEnv* env, Term term) {
  int arity;
  const Term* parts;
  if (!enif_get_tuple(env, term, &arity, &parts) || arity != 2) throw BadArgument{};
  OptionValues option;
  option.name = decode<std::string>(env, parts[0]);
  if (enif_is_list(env, parts[1])) {
    for_each(env, parts[1], [&](Term value) { option.add(env, value); });
  } else {
    option.add(env, parts[1]);
  }
  return option;
}

// The options of a call, which the values own.
struct OptionList {
  OptionList(ErlNifEnv* env, Term terms) {
    for_each(env, terms, [&](Term head) { values.push_back(decode_option(env, head)); });
    for (const OptionValues& v : values) {
      const bool reals = !v.reals.empty();
      options.push_back({v.name.c_str(),
                         static_cast<int>(reals ? v.reals.size() : v.integers.size()),
                         reals ? nullptr : v.integers.data(), reals ? v.reals.data() : nullptr});
    }
  }
  OptionList(const OptionList&) = delete;
  int count() const { return static_cast<int>(options.size()); }

  std::vector<OptionValues> values;
  std::vector<nxv_option> options;
};

constexpr int kMaxResults = 4;

Term call(ErlNifEnv* env, const std::string& name, AnyTerm tensors, AnyTerm options) {
  const TensorList operands = some_tensors(env, tensors.term, name);
  const OptionList list(env, options.term);
  Engine& engine = engine_of(operands.args);
  std::vector<TensorHandle> handles;
  handles.reserve(kMaxResults);  // taking the results over must not fail
  nxv_tensor* outs[kMaxResults];
  int count = 0;
  check(nxv_call(name.c_str(), operands.count(), operands.operands.data(), list.count(),
                 list.options.data(), kMaxResults, outs, &count));
  for (int i = 0; i < count; ++i) handles.emplace_back(outs[i]);
  return make_tensors(env, engine, std::move(handles));
}

// An operation without operands.
Term create(ErlNifEnv* env, EngineArg engine, const std::string& name, AnyTerm options) {
  const OptionList list(env, options.term);
  nxv_tensor* raw = nullptr;
  check(nxv_create(Engine::Use(*engine), name.c_str(), list.count(), list.options.data(), &raw));
  return make_tensor(env, *engine, TensorHandle(raw));
}

}  // namespace

std::span<const ErlNifFunc> operate_functions() {
  static constexpr ErlNifFunc kFunctions[] = {
      function<unary>("unary"),
      function<binary>("binary"),
      function<ternary>("ternary"),
      function<cast>("cast"),
      function<reshape>("reshape"),
      function<broadcast>("broadcast"),
      function<transpose>("transpose"),
      function<slice>("slice"),
      function<reverse>("reverse"),
      function<squeeze>("squeeze"),
      function<pad>("pad"),
      function<concatenate>("concatenate"),
      function<reduce>("reduce"),
      function<dot>("dot"),
      function<matmul>("matmul"),
      function<call>("call"),
      function<create>("create"),
  };
  return kFunctions;
}

}  // namespace nxv::nif
