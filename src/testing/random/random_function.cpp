#include "testing/random/random_function.h"

#include <algorithm>
#include <map>

#include "library/registry.h"
#include "testing/random/dice.h"

namespace nxv {
namespace {

using Nodes = std::vector<NodeRef>;

constexpr int64_t kMostRounds = 5;

class FunctionDrawer {
 public:
  FunctionDrawer(GraveyardRef owner, uint64_t seed, const RandomGraphOptions& options)
      : owner_(std::move(owner)), options_(options), dice_(seed) {}

  std::vector<HostTensor> arguments() {
    std::vector<HostTensor> list;
    for (int64_t n = dice_.between(2, 4); n > 0; --n) {
      HostTensor t(dice_.pick(options_.dtypes), dice_.pick(kShapes));
      for (int64_t i = 0; i < t.count(); ++i) {
        const auto eighths = static_cast<double>(dice_.between(-20, 40)) / 8;
        t.set(i, is_integer(t.dtype) ? make_scalar(t.dtype, dice_.between(0, 9))
                                     : make_scalar(t.dtype, eighths));
      }
      list.push_back(std::move(t));
    }
    // For counters: perhaps known to the host.
    HostTensor count(DType::s32, {});
    count.set(0, make_scalar(DType::s32, dice_.between(0, kMostRounds)));
    list.push_back(std::move(count));
    return list;
  }

  Nodes results(Nodes arguments) {
    Nodes values = body(std::move(arguments), 2);
    const int64_t count = dice_.between(1, 4);
    Nodes picked;
    for (int64_t i = 0; i < count; ++i) picked.push_back(recent(values));
    return picked;
  }

 private:
  inline static const std::vector<Shape> kShapes = {{}, {4}, {7}, {3, 4}, {2, 1, 3}, {40}, {1}};

  // ---- Bodies ----

  // All values that were made of these, which come first.
  Nodes body(Nodes values, int depth) {
    for (int64_t parts = dice_.between(1, depth + 1); parts > 0; --parts) {
      RandomGraphOptions options = options_;
      options.size = static_cast<int>(dice_.between(1, options_.size));
      append(values, random_graph(owner_, dice_.bits(), options, values));
      if (dice_.chance(50)) append(values, {update(values)});
      if (depth == 0) continue;
      const int64_t kind = dice_.below(4);
      if (kind < 2) append(values, drawn_loop(values, depth - 1));
      if (kind == 2) append(values, drawn_branch(values, depth - 1));
    }
    return values;
  }

  static void append(Nodes& values, const Nodes& more) {
    values.insert(values.end(), more.begin(), more.end());
  }

  // Later ones more often.
  NodeRef recent(const Nodes& values) {
    const auto last = static_cast<int64_t>(values.size()) - 1;
    const int64_t a = dice_.between(0, last);
    const int64_t b = dice_.between(0, last);
    return values[static_cast<size_t>(std::max(a, b))];
  }

  NodeRef number(DType type, int64_t value) {
    return constant(owner_, make_scalar(type, value), {});
  }
  Nodes parameters_like(const Nodes& values) {
    Nodes list;
    for (const NodeRef& v : values) list.push_back(parameter(owner_, v->dtype, v->shape));
    return list;
  }

  // Something of the values, in the type and shape of `like`.
  NodeRef fitted(const NodeRef& x, const NodeRef& like) {
    if (x->count == like->count) return cast(reshape(x, like->shape), like->dtype);
    const NodeRef one =
        cast(x->count == 1 ? reshape(x, {}) : reduce(Op::sum, x, {}, false), like->dtype);
    return like->shape.empty() ? one : broadcast(one, like->shape);
  }

  // Whether some value is large: a scalar that the device alone knows.
  NodeRef predicate(const Nodes& values) {
    const NodeRef like = number(DType::s32, 0);
    const NodeRef x = fitted(recent(values), like);
    return elementwise(Op::greater, {x, number(DType::s32, dice_.between(-3, 3))});
  }

  // ---- Loops and branches ----

  Nodes drawn_loop(const Nodes& values, int depth) {
    // Rounds so far, the most of them, then what is computed.
    const bool counts_known = dice_.chance(50);
    const NodeRef most =
        counts_known ? number(DType::s32, dice_.between(0, kMostRounds)) : few(recent(values));
    Nodes state{number(DType::s32, 0), most};
    for (int64_t n = dice_.between(1, 3); n > 0; --n) state.push_back(recent(values));

    const Nodes tested = parameters_like(state);
    NodeRef goes_on = elementwise(Op::less, {tested[0], tested[1]});
    if (dice_.chance(50)) {
      const Nodes rest(tested.begin() + 2, tested.end());
      goes_on = elementwise(Op::logical_and, {goes_on, predicate(rest)});
    }
    const auto condition = std::make_shared<const Function>(tested, Nodes{goes_on});

    const Nodes before = parameters_like(state);
    const Nodes made = body(before, depth);
    Nodes after{elementwise(Op::add, {before[0], number(DType::s32, 1)}), before[1]};
    for (size_t i = 2; i < before.size(); ++i) {
      after.push_back(dice_.chance(15) ? before[i] : fitted(recent(made), before[i]));
    }
    // Elements of the state that change places.
    for (size_t i = 3; i < before.size(); ++i) {
      const bool alike =
          before[i]->dtype == before[i - 1]->dtype && before[i]->shape == before[i - 1]->shape;
      if (alike && dice_.chance(50)) std::swap(after[i], after[i - 1]);
    }
    return loop(state, condition, std::make_shared<const Function>(before, after));
  }

  // An integer in [0, kMostRounds].
  NodeRef few(const NodeRef& x) {
    const NodeRef n = fitted(x, number(DType::s32, 0));
    const NodeRef least = elementwise(Op::max, {n, number(DType::s32, 0)});
    return elementwise(Op::min, {least, number(DType::s32, kMostRounds)});
  }

  Nodes drawn_branch(const Nodes& values, int depth) {
    Nodes predicates, arguments;
    for (int64_t n = dice_.between(1, 2); n > 0; --n) predicates.push_back(predicate(values));
    for (int64_t n = dice_.between(1, 3); n > 0; --n) arguments.push_back(recent(values));
    std::vector<FunctionRef> functions;
    Nodes likes;
    for (size_t i = 0; i <= predicates.size(); ++i) {
      const Nodes parameters = parameters_like(arguments);
      const Nodes made = body(parameters, depth);
      Nodes results;
      if (likes.empty()) {
        for (int64_t n = dice_.between(1, 3); n > 0; --n) results.push_back(recent(made));
        likes = results;
      } else {
        for (const NodeRef& like : likes) results.push_back(fitted(recent(made), like));
      }
      functions.push_back(std::make_shared<const Function>(parameters, results));
    }
    return branch(predicates, arguments, functions);
  }

  // ---- Updates ----

  // A value of which some elements are replaced or added to: perhaps a large one among the first,
  // which are arguments or elements of a state, of which they are a small part.
  NodeRef update(const Nodes& values) {
    NodeRef x = recent(values);
    if (dice_.chance(50)) {
      for (size_t i = 0; i < std::min<size_t>(values.size(), 4); ++i) {
        if (values[i]->count > x->count) x = values[i];
      }
    }
    const NodeRef row = reshape(x, {x->count});
    const NodeRef one = fitted(recent(values), number(x->dtype, 0));
    const NodeRef place = bounded(fitted(recent(values), number(DType::s32, 0)), x->count);
    const int64_t kind = dice_.below(3);
    if (kind == 0) {
      return library::call("put_slice", Nodes{row, reshape(one, {1}), place}, {})[0];
    }
    const NodeRef other = bounded(number(DType::s32, dice_.between(0, 3)), x->count);
    const NodeRef places = concatenate(Nodes{reshape(place, {1}), reshape(other, {1})}, 0);
    return library::call(kind == 1 ? "indexed_put" : "indexed_add",
                         Nodes{row, reshape(places, {2, 1}), broadcast(one, Shape{2})}, {})[0];
  }

  NodeRef bounded(const NodeRef& index, int64_t size) {
    const NodeRef least = elementwise(Op::max, {index, number(DType::s32, 0)});
    return elementwise(Op::min, {least, number(DType::s32, size - 1)});
  }

  GraveyardRef owner_;
  const RandomGraphOptions& options_;
  Dice dice_;
};

// The arguments and the rest do not shift each other.
constexpr uint64_t kOfResults = 0x5bd1e995;

}  // namespace

RandomFunction random_function(const GraveyardRef& owner, uint64_t seed,
                               const RandomGraphOptions& options) {
  RandomFunction drawn;
  drawn.arguments = FunctionDrawer(owner, seed, options).arguments();
  Nodes parameters;
  for (const HostTensor& a : drawn.arguments) {
    parameters.push_back(parameter(owner, a.dtype, a.shape));
  }
  drawn.function = std::make_shared<const Function>(
      parameters, random_results(owner, seed, options, parameters));
  return drawn;
}

std::vector<NodeRef> random_results(const GraveyardRef& owner, uint64_t seed,
                                    const RandomGraphOptions& options,
                                    std::vector<NodeRef> arguments) {
  return FunctionDrawer(owner, seed ^ kOfResults, options).results(std::move(arguments));
}

namespace {

class Writer {
 public:
  explicit Writer(std::string indent) : indent_(std::move(indent)) {}

  std::string write(const Function& function) {
    for (const NodeRef& p : function.parameters) visit(p);
    for (const NodeRef& result : function.results) visit(result);
    text_ += indent_ + "answers";
    for (const NodeRef& result : function.results) text_ += " " + name_of(result);
    return text_ + "\n";
  }

 private:
  std::string name_of(const NodeRef& node) { return "%" + std::to_string(names_.at(node.get())); }

  void visit(const NodeRef& node) {
    if (names_.contains(node.get())) return;
    for (const NodeRef& input : node->inputs) visit(input);
    names_.emplace(node.get(), names_.size());
    text_ += indent_ + name_of(node) + " = " + std::string(name(node->op));
    for (const NodeRef& input : node->inputs) text_ += " " + name_of(input);
    text_ +=
        ": " + std::string(name(node->dtype)) + to_string(node->shape) + values_of(*node) + "\n";
    if (info(node->op).fusion != Fusion::control) return;
    for (const FunctionRef& f : node->attribute<ControlAttr>().functions) {
      text_ += Writer(indent_ + "    ").write(*f);
    }
  }

  // Its real part.
  static std::string number(const Scalar& s) { return std::to_string(to_complex_double(s).real()); }
  static std::string values_of(const Node& node) {
    std::string text;
    if (node.op == Op::constant) {
      text = " " + number(node.attribute<ConstantAttr>().value);
    } else if (node.op == Op::result) {
      text = " " + std::to_string(node.attribute<ResultAttr>().index);
    } else if (node.op == Op::data && node.count <= 8) {
      for (int64_t i = 0; i < node.count; ++i) {
        text += " " + number(load_scalar(node.dtype, node.host_data->data(), i));
      }
    }
    return text;
  }

  const std::string indent_;
  std::string text_;
  std::map<const Node*, size_t> names_;
};

}  // namespace

std::string text_of(const Function& function) { return Writer("").write(function); }

RandomGraphOptions random_function_options(uint64_t seed) {
  RandomGraphOptions options = random_graph_options(seed);
  options.size = 5;
  options.max_elements = 300;
  return options;
}

}  // namespace nxv
