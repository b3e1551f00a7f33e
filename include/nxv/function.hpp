// Functions that are compiled once for the types and shapes of their arguments, and control flow on
// the device. Part of nxv/nxv.hpp.
//
//   auto step = nxv::jit([](const nxv::Tensor& w, const nxv::Tensor& gradient) {
//     return w - gradient * 0.1;
//   });
//   w = step(w, gradient);   // traced with the first call; later ones only start the work
//
// Arguments and results are containers of tensors: Tensor, std::vector, std::array, std::pair,
// std::tuple of containers, and structs for which a function `nxv_members(s)`, found beside them,
// answers std::tie of their members. Vectors count with their length to the types of arguments.
#ifndef NXV_FUNCTION_HPP_
#define NXV_FUNCTION_HPP_

#include <array>
#include <cstddef>
#include <map>
#include <mutex>
#include <tuple>
#include <utility>
#include <vector>

#include "nxv/tensor.hpp"

namespace nxv {
inline namespace cpp {
namespace detail {

// Calls `visit` with each tensor of a container, in order.
template <typename Visit>
void for_each_tensor(Tensor& tensor, Visit&& visit) {
  visit(tensor);
}
template <typename C, typename Visit>
void for_each_tensor(std::vector<C>& list, Visit&& visit);
template <typename C, size_t N, typename Visit>
void for_each_tensor(std::array<C, N>& list, Visit&& visit);
template <typename A, typename B, typename Visit>
void for_each_tensor(std::pair<A, B>& pair, Visit&& visit);
template <typename... C, typename Visit>
void for_each_tensor(std::tuple<C...>& tuple, Visit&& visit);
template <typename S, typename Visit, typename = decltype(nxv_members(std::declval<S&>()))>
void for_each_tensor(S& s, Visit&& visit);

template <typename C, typename Visit>
void for_each_tensor(std::vector<C>& list, Visit&& visit) {
  for (C& c : list) for_each_tensor(c, visit);
}
template <typename C, size_t N, typename Visit>
void for_each_tensor(std::array<C, N>& list, Visit&& visit) {
  for (C& c : list) for_each_tensor(c, visit);
}
template <typename A, typename B, typename Visit>
void for_each_tensor(std::pair<A, B>& pair, Visit&& visit) {
  for_each_tensor(pair.first, visit);
  for_each_tensor(pair.second, visit);
}
template <typename... C, typename Visit>
void for_each_tensor(std::tuple<C...>& tuple, Visit&& visit) {
  std::apply([&](auto&... c) { (for_each_tensor(c, visit), ...); }, tuple);
}
template <typename S, typename Visit, typename>
void for_each_tensor(S& s, Visit&& visit) {
  auto members = nxv_members(s);
  std::apply([&](auto&... c) { (for_each_tensor(c, visit), ...); }, members);
}

template <typename C>
std::vector<Tensor> flat(C& container) {
  std::vector<Tensor> tensors;
  for_each_tensor(container, [&](Tensor& t) { tensors.push_back(t); });
  return tensors;
}
// The container with other tensors in the same places.
template <typename C>
C rebuilt(C container, const std::vector<Tensor>& tensors) {
  size_t next = 0;
  for_each_tensor(container, [&](Tensor& t) { t = tensors.at(next++); });
  return container;
}

inline const Tensor& first_of(const std::vector<Tensor>& tensors, const char* what) {
  if (tensors.empty()) {
    throw Exception(NXV_INVALID_ARGUMENT, std::string(what) + ": no tensor was given");
  }
  return tensors.front();
}

inline std::vector<Tensor> parameters_like(const std::vector<Tensor>& tensors) {
  std::vector<Tensor> parameters;
  for (const Tensor& t : tensors) {
    parameters.push_back(Tensor::make(t, [&](nxv_tensor** out) {
      return nxv_parameter(t.engine(), nxv_tensor_dtype(t.get()), t.rank(),
                           nxv_tensor_shape(t.get()), out);
    }));
  }
  return parameters;
}

// Takes over handles that `make(first)` writes.
template <typename Make>
std::vector<Tensor> take(const Tensor& owner, size_t count, Make&& make) {
  std::vector<nxv_tensor*> raw(count, nullptr);
  check(make(raw.data()));
  return adopted(owner, raw.data(), count);
}

// A function of the C interface.
class Function {
 public:
  Function(const std::vector<Tensor>& parameters, const std::vector<Tensor>& results)
      : result_count_(results.size()) {
    const auto given = handles(parameters), asked = handles(results);
    check(nxv_function_create(size_of(given), given.data(), size_of(asked), asked.data(), &raw_));
  }
  Function(Function&& other) noexcept
      : raw_(std::exchange(other.raw_, nullptr)), result_count_(other.result_count_) {}
  Function& operator=(Function&&) = delete;
  ~Function() { nxv_function_release(raw_); }

  nxv_function* get() const { return raw_; }
  std::string explain(nxv_explain_format format) const {
    const nxv_explain_options options{format, nullptr, nullptr};
    return text([&](char** out) { return nxv_function_explain(raw_, &options, out); });
  }
  std::vector<Tensor> operator()(const std::vector<Tensor>& arguments) const {
    const auto given = handles(arguments);
    return take(first_of(arguments, "jit"), result_count_, [&](nxv_tensor** out) {
      return nxv_function_call(raw_, size_of(given), given.data(), out);
    });
  }

 private:
  nxv_function* raw_ = nullptr;
  size_t result_count_ = 0;
};

// The function that a callable computes for a container like `state`.
template <typename F, typename C>
Function traced(F& f, const C& state, const std::vector<Tensor>& parameters) {
  auto result = f(rebuilt(state, parameters));
  return Function(parameters, flat(result));
}

}  // namespace detail

// A callable over tensors, compiled for each types and shapes of arguments. May be called on any
// thread; copies are independent.
template <typename F>
class Jit {
 public:
  explicit Jit(F f) : f_(std::move(f)) {}
  Jit(const Jit& other) : f_(other.f_) {}
  Jit& operator=(const Jit&) = delete;

  // Starts the call. Throws what tracing throws, and with NXV_INVALID_ARGUMENT when no argument
  // holds a tensor; what goes wrong later is thrown when a result is read.
  template <typename... Args>
  auto operator()(const Args&... args) {
    using Result = std::decay_t<decltype(f_(args...))>;
    std::tuple<Args...> given(args...);
    const std::vector<Tensor> arguments = detail::flat(given);
    const Traced<Result>& traced = find<Result>(given, arguments);
    return detail::rebuilt(traced.results, traced.function(arguments));
  }

  // What a call with such arguments runs: as text, or as an SVG document. Waits for its kernels.
  template <typename... Args>
  std::string explain(const Args&... args) {
    return explain_as(NXV_EXPLAIN_TEXT, args...);
  }
  template <typename... Args>
  std::string explain_svg(const Args&... args) {
    return explain_as(NXV_EXPLAIN_SVG, args...);
  }

 private:
  template <typename Result>
  struct Traced {
    detail::Function function;
    Result results;  // in terms of parameters
  };
  // Engine, types and shapes.
  using Key = std::vector<int64_t>;

  static Key key_of(const std::vector<Tensor>& arguments) {
    const Tensor& first = detail::first_of(arguments, "jit");
    Key key{static_cast<int64_t>(reinterpret_cast<intptr_t>(first.engine()))};
    for (const Tensor& t : arguments) {
      key.push_back(static_cast<int64_t>(t.dtype()));
      key.push_back(t.rank());
      for (const int64_t d : t.shape()) key.push_back(d);
    }
    return key;
  }

  template <typename... Args>
  std::string explain_as(nxv_explain_format format, const Args&... args) {
    using Result = std::decay_t<decltype(f_(args...))>;
    std::tuple<Args...> given(args...);
    return find<Result>(given, detail::flat(given)).function.explain(format);
  }

  template <typename Result, typename Given>
  const Traced<Result>& find(const Given& given, const std::vector<Tensor>& arguments) {
    const Key key = key_of(arguments);
    const std::lock_guard<std::mutex> lock(mutex_);
    std::shared_ptr<void>& known = traced_[{&kind<Traced<Result>, Given>, key}];
    if (!known) {
      const std::vector<Tensor> parameters = detail::parameters_like(arguments);
      Result results = std::apply(f_, detail::rebuilt(given, parameters));
      detail::Function function(parameters, detail::flat(results));
      known =
          std::make_shared<Traced<Result>>(Traced<Result>{std::move(function), std::move(results)});
    }
    return *static_cast<const Traced<Result>*>(known.get());
  }
  // Its address tells argument and result types apart.
  template <typename...>
  static inline const char kind = 0;

  F f_;
  std::mutex mutex_;
  std::map<std::pair<const char*, Key>, std::shared_ptr<void>> traced_;
};

template <typename F>
Jit<F> jit(F f) {
  return Jit<F>(std::move(f));
}

// While `condition(state)`, a scalar, is not zero, the state becomes `body(state)`, of the same
// types and shapes. In terms of a function's arguments it runs on the device.
template <typename State, typename Condition, typename Body>
State while_loop(State state, Condition condition, Body body) {
  const std::vector<Tensor> start = detail::flat(state);
  const std::vector<Tensor> parameters = detail::parameters_like(start);
  const detail::Function test = detail::traced(condition, state, parameters);
  const detail::Function step = detail::traced(body, state, parameters);
  const auto given = detail::handles(start);
  return detail::rebuilt(
      std::move(state),
      detail::take(detail::first_of(start, "while_loop"), start.size(), [&](nxv_tensor** out) {
        return nxv_while(detail::size_of(given), given.data(), test.get(), step.get(), out);
      }));
}

// `yes(operands)` where the predicate, a scalar, is not zero, else `no(operands)`: results of the
// same types and shapes. Only one of the two is computed.
template <typename Operands, typename Yes, typename No>
auto cond(const Tensor& predicate, Operands operands, Yes yes, No no) {
  const std::vector<Tensor> arguments = detail::flat(operands);
  const std::vector<Tensor> parameters = detail::parameters_like(arguments);
  auto result = yes(detail::rebuilt(operands, parameters));
  const std::vector<Tensor> results = detail::flat(result);
  const detail::Function first(parameters, results);
  const detail::Function second = detail::traced(no, operands, parameters);
  nxv_function* const functions[] = {first.get(), second.get()};
  nxv_tensor* const predicates[] = {predicate.get()};
  const auto given = detail::handles(arguments);
  return detail::rebuilt(
      std::move(result), detail::take(predicate, results.size(), [&](nxv_tensor** out) {
        return nxv_cond(1, predicates, functions, detail::size_of(given), given.data(), out);
      }));
}

}  // namespace cpp
}  // namespace nxv

#endif  // NXV_FUNCTION_HPP_
