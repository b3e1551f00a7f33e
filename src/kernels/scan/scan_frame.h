// What the kernels of a scan share: their units, where elements are, and how an invocation walks
// over some of them.
#pragma once

#include <vector>

#include "kernels/common/kernel_arguments.h"
#include "kernels/scan/scan.h"

namespace nxv::kernels {

// The parts of an element, an accumulator or a counter: what is scanned.
using ScanItem = std::vector<ir::Value>;
std::vector<ir::Type> item_types(const ScanLayout& layout, const Fold& fold);

class ScanFrame {
 public:
  ScanFrame(const Region& region, const Target& target, const ScanLayout& layout);
  ScanFrame(const ScanFrame&) = delete;
  ScanFrame& operator=(const ScanFrame&) = delete;

  const ScanLayout layout;
  ir::Builder b;
  const KernelArguments arguments;
  const WordValues<ScanWords> words;
  const Fold fold;

  // Leaves no trace in what it is combined with.
  const Accumulator& identity() const { return identity_; }
  // The totals or prefixes of blocks.
  ir::Value blocks_buffer() const {
    return arguments.workspace(layout.data == ScanLayout::Data::elements ? 0 : 1);
  }

  // A unit's first element, its end in the line, and where the line lies. Lines that are adjacent
  // in memory belong to neighbouring units.
  struct Unit {
    // Element i of the line is at (outer * length + i) * inner size + inner.
    ir::Value outer, inner;
    // The blocks' numbers: among those of all lines, of its line.
    ir::Value line, block, block_of_line;
    ir::Value begin, end;
  };
  Unit unit(ir::Value index);
  ir::Value address(const Unit& u, ir::Value i) const;

  ScanItem load(ir::Value at);
  void store(ir::Value at, const ScanItem& item);
  Accumulator insert(const Accumulator& to, const ScanItem& item, ir::Value index) const;
  // The result at an element: with it, or, exclusively, before it.
  ScanItem result(const Accumulator& before, const Accumulator& with) const;

  Accumulator load_prefix(const Unit& u);
  void store_total(const Unit& u, const Accumulator& total);

  // Folds [begin, end), chunks of `level` levels of chunks. Stores the results on top of a prefix,
  // if there is one.
  Accumulator walk(int level, const Unit& u, ir::Value begin, ir::Value end,
                   const Accumulator* prefix);

 private:
  ir::Value data() const {
    return layout.data == ScanLayout::Data::elements ? arguments.operand(0)
                                                     : arguments.workspace(0);
  }
  Accumulator load_block_value(ir::Value at);

  const DType output_type_;
  Accumulator identity_;
};

}  // namespace nxv::kernels
