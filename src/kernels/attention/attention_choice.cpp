#include "kernels/attention/attention_choice.h"

#include "base/error.h"
#include "kernels/common/divide_up.h"

namespace nxv::kernels {
namespace {

// Products of this many multiplications at most are added up in f64, where the device has it, as
// those of matrices are.
constexpr int64_t kWideProducts = int64_t{1} << 22;

// Whether four columns of every row begin at a multiple of four elements.
bool has_groups(const Region& region, size_t operand, const Shape& shape) {
  const Operand& o = region.operands[operand];
  const uint32_t* const place = region.words.data() + o.words;  // the offset, four strides
  bool fits = place[0] % 4 == 0 && place[4] == 1 && shape[3] % 4 == 0;
  for (size_t axis = 0; axis < 3; ++axis) {
    fits = fits && (shape[axis] == 1 || place[1 + axis] % 4 == 0);
  }
  return fits;
}

SharedAttentionLayout shared_layout(const AttentionProblem& p, const Target& target) {
  const AttentionSizes& s = p.sizes;
  SharedAttentionLayout layout;
  layout.options = p.options;
  layout.query_groups = p.query_groups;
  layout.key_groups = p.key_groups;
  layout.value_groups = p.value_groups;
  layout.result_groups = p.result_groups;
  layout.value_slabs = static_cast<uint32_t>(divide_up(static_cast<uint64_t>(s.value_width), 32));
  layout.wide = target.math.f64 && s.queries * s.keys <= kWideProducts &&
                s.queries * s.keys * s.width <= kWideProducts;
  // Totals of more would not stay in registers.
  const uint32_t most = layout.value_slabs * (layout.wide ? 2 : 1) > 4 ? 2 : 4;
  layout.rows = s.queries <= 8 ? 1 : s.queries <= 16 ? 2 : most;
  return layout;
}

const char* shared_obstacle(const AttentionProblem& p, const Target& target) {
  const auto slabs = divide_up(static_cast<uint64_t>(p.sizes.width), 32);
  const uint64_t iterations = divide_up(static_cast<uint64_t>(p.sizes.keys), 32) * (1 + slabs);
  if (iterations > target.plan->max_loop_iterations) return "the loop over keys is too long";
  return nullptr;
}

}  // namespace

AttentionProblem attention_problem(const Region& region) {
  const Node& node = operation_of(*region.root);
  const auto& attr = node.attribute<AttentionAttr>();
  const AttentionOperands operands(attr);
  AttentionProblem p{AttentionSizes(node), {}, false, false, false, false};
  AttentionOptions& o = p.options;
  o.type = node.inputs[0]->dtype;
  o.has_mask = attr.has_mask;
  o.has_bias = attr.has_bias;
  o.has_lengths = attr.has_lengths;
  o.has_offsets = attr.has_offsets;
  o.has_sinks = attr.has_sinks;
  o.has_cap = attr.soft_cap != 0;
  o.has_before = attr.before >= 0;
  o.has_after = attr.after >= 0;
  o.bias = operands.bias < 0 ? DType::f32 : node.inputs[static_cast<size_t>(operands.bias)]->dtype;
  o.result = -1;
  for (size_t r = 0; r < region.roots.size(); ++r) {
    const Node& root = *region.roots[r].node;
    const bool is_statistics = root.op == Op::result && root.attribute<ResultAttr>().index == 1;
    (is_statistics ? o.statistics : o.result) = static_cast<int>(r);
    if (!is_statistics) o.stored = root.dtype;
  }
  p.query_groups = has_groups(region, 0, node.inputs[0]->shape);
  p.key_groups = has_groups(region, 1, node.inputs[1]->shape);
  p.value_groups = has_groups(region, 2, node.inputs[2]->shape);
  p.result_groups = p.sizes.value_width % 4 == 0;
  return p;
}

std::vector<AttentionCandidate> attention_candidates(const AttentionProblem& problem,
                                                     const Target& target) {
  return {{"attention_shared", shared_layout(problem, target), shared_obstacle(problem, target)}};
}

AttentionLayout choose_attention(const AttentionProblem& problem, const Target& target) {
  const auto all = attention_candidates(problem, target);
  for (const AttentionCandidate& c : all) {
    if (!c.refusal) return c.layout;
  }
  throw Error(Status::unsupported, std::string("attention: ") + all.back().refusal);
}

std::vector<Candidate> candidates_of_attention(const Region& region, const Target& target) {
  std::vector<Candidate> all;
  for (const auto& c : attention_candidates(attention_problem(region), target)) {
    all.push_back({c.name, c.refusal});
  }
  return all;
}

}  // namespace nxv::kernels
