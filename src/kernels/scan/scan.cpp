// Which kernels scan lines of which shape.
#include "kernels/scan/scan.h"

#include <algorithm>

#include "base/error.h"
#include "kernels/common/divide_up.h"
#include "kernels/common/family.h"
#include "kernels/common/item_step.h"

namespace nxv::kernels {
namespace {

using Data = ScanLayout::Data;

constexpr Family<ScanLayout> kScan = {"scan", generate_scan};

// What one invocation, or one team, takes in one pass: the tree has two levels below a line's, and
// an invocation stays below the bound on loop iterations.
constexpr uint64_t kLongestWalk = 16384;
constexpr uint64_t kLongestTeamLine = uint64_t{kScanChunk} * kScanBlock;
// Totals that a block adds up by itself: one chunk, or as many integers as take little time.
constexpr uint64_t kFewCounters = 128;
constexpr uint64_t kShortLine = 128;                 // a GPU's invocation takes it alone
constexpr uint32_t kLookBackLoads = 16;              // a tile that waits for others begins early
constexpr uint32_t kTicketBytes = 16;                // of it, beside the teams
constexpr uint32_t kTeams = 4, kAdjacentTeams = 16;  // of a workgroup at most

Op fold_of(Op combine) {
  switch (combine) {
    case Op::add:
      return Op::sum;
    case Op::multiply:
      return Op::product;
    case Op::max:
      return Op::reduce_max;
    case Op::min:
      return Op::reduce_min;
    default:
      throw Error(Status::internal, "no scan combines by " + std::string(name(combine)));
  }
}

// Element (o, i, n) of the data is at (o * length + i) * inner + n; lines run along i.
struct Lines {
  uint64_t outer = 1, length = 1, inner = 1;
  uint64_t count() const { return outer * inner; }
};

class ScanLowering {
 public:
  ScanLowering(Lowering& lowering, const Region& region, const Target& target)
      : lowering_(lowering), region_(region), target_(target) {}

  // `data` is the workspace that is scanned in place; -1: the operand.
  void scan(ScanLayout layout, const Lines& lines, int data) {
    choose(layout, lines);
    if (layout.lines || lines.length <= kScanBlock) {
      add(layout, lines, data, -1);
      return;
    }
    const uint64_t blocks = divide_up(lines.length, kScanBlock);
    // CPUs have no teams: their drivers would cut off the waiting.
    if (layout.team > 1 && layout.data == Data::elements && target_.plan->has.forward_progress) {
      look_back(layout, lines, blocks);
      return;
    }
    const int totals = workspace(layout, lines.count() * blocks);
    ScanLayout partial = layout;
    partial.totals = true;
    add(partial, lines, data, totals);

    if (blocks <= (layout.data == Data::counters ? kFewCounters : kScanChunk)) {
      layout.start = ScanLayout::Start::totals;
    } else {
      ScanLayout upper = layout;
      if (layout.data == Data::elements) upper.data = Data::accumulators;
      upper.reverse = false;
      scan(upper, {lines.count(), blocks, 1}, totals);
      layout.start = ScanLayout::Start::prefix;
    }
    add(layout, lines, data, totals);
  }

 private:
  void look_back(ScanLayout layout, const Lines& lines, uint64_t blocks) {
    const LookBackSize size = scan_look_back_size(layout, target_, lines.count(), blocks);
    layout.start = ScanLayout::Start::look_back;
    layout.levels = size.levels;
    if (!layout.adjacent_lines) layout.unroll = kLookBackLoads;
    const int published = lowering_.add_workspace(size.words * 4);
    lowering_.add(fill_zeros(region_, target_, published, size.words));
    add(layout, lines, -1, published);
  }

  // Whether there are lines enough for each to be walked as a whole.
  bool takes_one_pass(const Lines& lines) const {
    return lines.length <= kLongestWalk && lines.count() >= target_.plan->tuning.busy_lines;
  }

  // Why no team shares a unit, or null.
  const char* team_obstacle(const ScanLayout& layout, const Lines& lines) const {
    if (!target_.plan->tuning.shares_cheaply) return "barriers are dear";
    const uint32_t bytes = scan_team_bytes(layout, target_) + kTicketBytes;
    if (bytes > target_.plan->shared_memory_bytes) return "shared memory is too small";
    if (lines.length <= kShortLine) return "lines are short";
    if (layout.adjacent_lines && takes_one_pass(lines)) return "neighbours read neighbouring lines";
    return nullptr;
  }

  void choose(ScanLayout& layout, const Lines& lines) const {
    const plan::DevicePlan& plan = *target_.plan;
    layout.adjacent_lines = lines.inner > 1;
    if (team_obstacle(layout, lines)) {
      layout.team = 1;
      layout.workgroup = plan.tuning.lone_workgroup;
      layout.unroll = plan.tuning.scan_loads;
      layout.lines = takes_one_pass(lines);
      return;
    }
    const uint32_t room =
        std::min(plan.shared_memory_bytes - kTicketBytes, plan.tuning.scan_shared_bytes);
    const uint32_t most = layout.adjacent_lines ? kAdjacentTeams : kTeams;
    const uint32_t teams = std::clamp(room / scan_team_bytes(layout, target_), 1u, most);
    layout.team = kScanChunk;
    layout.workgroup = std::min(teams, plan.max_workgroup_invocations / kScanChunk) * kScanChunk;
    layout.lines = !layout.adjacent_lines && lines.length <= kLongestTeamLine &&
                   lines.count() >= plan.tuning.busy_subgroups;
  }

  int workspace(const ScanLayout& layout, uint64_t accumulators) {
    const uint64_t bytes = layout.data == Data::counters
                               ? 4
                               : 8 * static_cast<uint64_t>(Fold::part_count(
                                         layout.fold, layout.type, layout.type, target_.math));
    return lowering_.add_workspace(accumulators * bytes);
  }

  void add(const ScanLayout& layout, const Lines& lines, int data, int blocks) {
    const uint64_t blocks_of_line = divide_up(lines.length, kScanBlock);
    const uint64_t units = lines.count() * (layout.lines ? 1 : blocks_of_line);
    ScanWords words;
    words.units = static_cast<uint32_t>(units);
    words.length = static_cast<uint32_t>(lines.length);
    words.blocks = Divisor(blocks_of_line);
    words.inner = Divisor(lines.inner);
    Launch& d = lowering_.add(launch_of(kScan, region_, target_, layout, words));
    d.groups = fold_groups(divide_up(units, layout.workgroup / layout.team), *target_.plan);
    d.reads_operands = layout.data == Data::elements;
    d.writes_output = layout.data == Data::elements && !layout.totals;
    if (data >= 0) d.workspaces.push_back({data, true, !layout.totals});
    if (blocks >= 0) {
      const bool publishes = layout.start == ScanLayout::Start::look_back;
      d.workspaces.push_back({blocks, !layout.totals, layout.totals || publishes});
    }
    d.work = lines.count() * lines.length * 2;
  }

  Lowering& lowering_;
  const Region& region_;
  const Target& target_;
};

}  // namespace

Lowering lower_scan(const Region& region, const Target& target) {
  const auto& scan = region.root->attribute<ScanAttr>();
  const Node& x = *region.operands[0].node;
  Lines lines;
  for (size_t d = 0; d < x.shape.size(); ++d) {
    const auto size = static_cast<uint64_t>(x.shape[d]);
    const auto axis = static_cast<size_t>(scan.axis);
    (d < axis ? lines.outer : d == axis ? lines.length : lines.inner) *= size;
  }
  ScanLayout layout;
  layout.fold = fold_of(scan.combine);
  layout.type = x.dtype;
  layout.reverse = scan.reverse;
  Lowering lowering;
  ScanLowering(lowering, region, target).scan(layout, lines, -1);
  return lowering;
}

void scan_counters(Lowering& lowering, const Region& region, const Target& target, int workspace,
                   uint64_t lines, uint64_t length) {
  ScanLayout layout;
  layout.data = Data::counters;
  ScanLowering(lowering, region, target).scan(layout, {lines, length, 1}, workspace);
}

}  // namespace nxv::kernels
