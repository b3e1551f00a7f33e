// Folds by a caller's function, whose body is emitted into the kernel.
//
// The function need not be associative: each result takes its elements one after the other. One
// invocation owns the results that share a word of the output and advances them together. Between
// dispatches of as many elements as an invocation may loop over, the accumulators wait in the
// output, which loses nothing: they are of its type.
#include "kernels/reduction/function_fold.h"

#include <algorithm>
#include <unordered_map>

#include "graph/function.h"
#include "ir/emit.h"
#include "kernels/common/grid.h"
#include "kernels/common/kernel_arguments.h"
#include "kernels/common/memory_format.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Number;
using ir::Opcode;
using ir::Value;

// Loop iterations of one division of 64-bit integers where a device has none.
constexpr uint32_t kIterationsOfDivision = 64;

enum Word { kRows, kFirst, kEnd, kOffset, kFixedWords };

// After the fixed words: of rows, then of columns, a stride for each dimension and a divisor for
// each but the first; then the constants of the body.
struct Words {
  std::vector<uint32_t> values;
  void push(int64_t v) { values.push_back(static_cast<uint32_t>(v)); }
  void push(const Layout& layout) {
    for (int64_t stride : layout.strides) push(stride);
    for (size_t d = 1; d < layout.shape.size(); ++d) {
      for (uint32_t w : divisor_words(static_cast<uint64_t>(layout.shape[d]))) push(w);
    }
  }
  static int count(const Layout& layout) {
    return static_cast<int>(layout.shape.size() + 3 * (layout.shape.size() - 1));
  }
  // As the kernel's arithmetic sees it: integers extended to 32 bits, narrow floats as f32.
  void push(const Scalar& value) {
    const DType t = value.dtype;
    if (t == DType::c64 || bits(t) >= 64) {
      for (uint64_t part : {value.lo, value.hi}) {
        push(static_cast<int64_t>(part & 0xffffffff));
        push(static_cast<int64_t>(part >> 32));
        if (t != DType::c128) break;
      }
    } else if (is_integer(t)) {
      push(to_int64(value));
    } else {
      push(static_cast<int64_t>(make_scalar(DType::f32, to_double(value)).lo));
    }
  }
};

class Generator {
 public:
  Generator(const Region& region, const Target& target, uint32_t workgroup, bool continues)
      : attr_(region.root->attribute<FoldAttr>()),
        body_(function_body(attr_.result, attr_.parameters)),
        region_(region),
        target_(target),
        workgroup_(workgroup),
        continues_(continues),
        type_(region.root->dtype),
        b_("fold", workgroup),
        in_(b_, region, static_cast<uint32_t>(kFixedWords + body_words()), {}) {}

  ir::Kernel run() {
    const auto per_word = static_cast<uint32_t>(elements_per_word(type_));
    const Value unit = linear_group(b_) * workgroup_ + b_.builtin(ir::Builtin::local_index);
    const Value first = per_word == 1 ? unit : unit * per_word;
    b_.if_(first < in_.word(kRows), [&] { results(unit, first, per_word); });
    return b_.finish();
  }

 private:
  struct Result {
    Value row;   // repeats the last one where a word has more room than there are rows
    Value real;  // whether it is one
    Value base;  // of its elements
    std::vector<ir::Var> accumulator;
  };

  int body_words() const {
    int words = Words::count(attr_.rows) + Words::count(attr_.columns);
    for (const Node* node : body_.nodes) {
      if (node->op == Op::constant) words += ir::scalar_words(node->dtype);
    }
    return words;
  }

  void results(Value unit, Value first, uint32_t per_word) {
    constants();
    for (uint32_t i = 0; i < per_word; ++i) {
      Result r;
      const Value row = i == 0 ? first : first + i;
      r.real = row < in_.word(kRows);
      r.row = i == 0 ? row : b_.binary(Opcode::min, row, in_.word(kRows) - 1u);
      r.base = in_.word(kOffset) + offset(r.row, attr_.rows, kFixedWords);
      const Number start = continues_ ? load_element(in_.output(), r.row, type_)
                                      : load_element(in_.operand(1), b_.u32(0), type_);
      r.accumulator.push_back(b_.var(start.re));
      if (start.im) r.accumulator.push_back(b_.var(start.im));
      results_.push_back(std::move(r));
    }
    const int columns = kFixedWords + Words::count(attr_.rows);
    b_.for_range(in_.word(kFirst), in_.word(kEnd), b_.u32(1), [&](Value column) {
      const Value step = offset(column, attr_.columns, columns);
      for (const Result& r : results_) advance(r, r.base + step);
    });
    if (per_word == 1) {
      store_element(in_.output(), first, accumulator(results_[0]));
      return;
    }
    Value bits;
    for (uint32_t i = 0; i < per_word; ++i) {
      const Value part = stored_bits(accumulator(results_[i]));
      bits = i == 0 ? part : bits | (part << static_cast<int>(i * 32 / per_word));
    }
    b_.store(in_.output(), unit, bits);
  }

  Number accumulator(const Result& r) const {
    Number n{type_, r.accumulator[0].get(), {}};
    if (r.accumulator.size() > 1) n.im = r.accumulator[1].get();
    return n;
  }

  // Of a linear index over the layout's shape; words as Words::push lays them out.
  Value offset(Value index, const Layout& layout, int words) {
    const int rank = static_cast<int>(layout.shape.size());
    Value sum;
    const auto add = [&](Value coordinate, int d) {
      const Value part = coordinate * in_.word(words + d);
      sum = sum ? sum + part : part;
    };
    for (int d = rank - 1; d > 0; --d) {
      const int divisor = words + rank + 3 * (d - 1);
      const Value quotient = (b_.binary(Opcode::mul_hi, index, in_.word(divisor + 1)) + index) >>
                             in_.word(divisor + 2);
      add(index - quotient * in_.word(divisor), d);
      index = quotient;
    }
    add(index, 0);
    return sum;
  }

  // What is the same in every call.
  void constants() {
    int word = kFixedWords + Words::count(attr_.rows) + Words::count(attr_.columns);
    for (const Node* node : body_.nodes) {
      if (node->op != Op::constant) continue;
      std::vector<Value> words;
      for (int i = 0; i < ir::scalar_words(node->dtype); ++i) words.push_back(in_.word(word++));
      values_[node] = ir::from_words(b_, node->dtype, words);
    }
    for (size_t i = 0; i < body_.captured.size(); ++i) {
      const Node* node = body_.captured[i];
      values_[node] = load_element(in_.operand(static_cast<int>(i) + 2), b_.u32(0), node->dtype);
    }
  }

  void advance(const Result& r, Value at) {
    const Number x = load_element(in_.operand(0), at, region_.operands[0].node->dtype);
    for (const Node* node : body_.nodes) {
      if (node->op == Op::constant) continue;
      if (node == attr_.parameters[0].get()) {
        values_[node] = converted(x, node->dtype);
      } else if (node == attr_.parameters[1].get()) {
        values_[node] = accumulator(r);
      } else if (info(node->op).fusion == Fusion::pointwise) {
        values_[node] = compute(*node, r);
      } else {
        values_[node] = values_.at(node->inputs[0].get());
      }
    }
    const Number next = converted(values_.at(body_.result), type_);
    r.accumulator[0].set(next.re);
    if (next.im) r.accumulator[1].set(next.im);
  }

  Number compute(const Node& node, const Result& r) {
    std::vector<Number> arguments;
    for (const NodeRef& input : node.inputs) {
      const Number& n = values_.at(input.get());
      arguments.push_back(is_integer(node.dtype) ? n : hidden(n));
    }
    const ir::EmitContext context{
        target_.math, [&](Value condition) { in_.fault(node.op, condition & r.real, r.row); }};
    return ir::emit(node.op, node.dtype, arguments, context);
  }

  Number converted(const Number& n, DType to) {
    if (n.dtype == to) return n;
    return ir::cast(is_integer(to) ? n : hidden(n), to, target_.math);
  }

  // An integer on its way into float arithmetic, as nothing that a compiler can fold to a literal.
  Number hidden(Number n) {
    if (is_integer(n.dtype)) n.re = n.re + b_.convert(in_.zero(), n.re.type());
    return n;
  }

  const FoldAttr& attr_;
  const FunctionBody body_;
  const Region& region_;
  const Target target_;
  const uint32_t workgroup_;
  const bool continues_;
  const DType type_;
  Builder b_;
  KernelArguments in_;
  std::vector<Result> results_;
  std::unordered_map<const Node*, Number> values_;
};

// The body's structure: what its code depends on.
std::string key_of(const FunctionBody& body, const FoldAttr& attr) {
  std::unordered_map<const Node*, int> numbers;
  for (const Node* node : body.captured) numbers.emplace(node, static_cast<int>(numbers.size()));
  std::string key = "F" + std::to_string(attr.rows.shape.size()) + "," +
                    std::to_string(attr.columns.shape.size());
  for (const Node* node : body.nodes) {
    key += ";" + std::string(name(node->op)) + ":" + std::string(name(node->dtype));
    if (node == attr.parameters[0].get()) key += "x";
    for (const NodeRef& input : node->inputs) {
      key += "," + std::to_string(numbers.at(input.get()));
    }
    numbers.emplace(node, static_cast<int>(numbers.size()));
  }
  return key + ">" + std::to_string(numbers.at(body.result)) + ".";
}

// Elements that a dispatch takes in.
uint32_t columns_of_dispatch(const FunctionBody& body, const plan::DevicePlan& plan) {
  uint32_t iterations = 1;
  for (const Node* node : body.nodes) {
    const bool divides = node->op == Op::quotient || node->op == Op::remainder;
    if (divides && bits(node->dtype) == 64 && !plan.has.int64) iterations += kIterationsOfDivision;
  }
  const auto together = static_cast<uint32_t>(4);  // results of an invocation, at most
  return std::max(1u, plan.max_loop_iterations / (iterations == 1 ? 1 : iterations * together));
}

}  // namespace

Lowering lower_fold(const Region& region, const Target& target) {
  const plan::DevicePlan& plan = *target.plan;
  const Node& root = *region.root;
  const auto& attr = root.attribute<FoldAttr>();
  const FunctionBody body = function_body(attr.result, attr.parameters);
  const auto rows = static_cast<uint64_t>(root.count);
  const auto columns = static_cast<uint32_t>(attr.columns.count());
  const uint32_t workgroup =
      plan.profile == plan::Profile::cpu ? std::max(plan.subgroup_size, 1u) : 64;
  const auto per_word = static_cast<uint64_t>(elements_per_word(root.dtype));
  const uint64_t units = (rows + per_word - 1) / per_word;

  Words words;
  words.push(static_cast<int64_t>(rows));
  words.values.resize(kFixedWords);
  words.values[kOffset] = static_cast<uint32_t>(attr.rows.offset + attr.columns.offset);
  words.push(attr.rows);
  words.push(attr.columns);
  for (const Node* node : body.nodes) {
    if (node->op == Op::constant) words.push(node->attribute<ConstantAttr>().value);
  }

  Lowering lowering;
  const uint32_t step = columns_of_dispatch(body, plan);
  for (uint32_t first = 0; first < columns; first += step) {
    const bool continues = first > 0;
    Dispatch d;
    d.key = region.key + key_of(body, attr) + (continues ? "c" : "s");
    d.generate = [target, workgroup, continues](const Region& r) {
      return Generator(r, target, workgroup, continues).run();
    };
    d.groups = fold_groups((units + workgroup - 1) / workgroup, plan);
    words.values[kFirst] = first;
    words.values[kEnd] = std::min(columns, first + step);
    d.extra_words = words.values;
    d.reads_output = continues;
    d.work = rows * (words.values[kEnd] - first) * std::max<uint64_t>(1, body.nodes.size());
    lowering.dispatches.push_back(std::move(d));
  }
  return lowering;
}

}  // namespace nxv::kernels
