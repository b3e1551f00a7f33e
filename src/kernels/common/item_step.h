// Dispatches of one invocation an item, for operations of many simple steps.
//
// A step is a type without state:
//
//   struct Mark {
//     static constexpr std::string_view kName = "mark";  // no other family's
//     using Layout = ..., Words = ...;                   // see family.h
//     static ItemOptions options(const Region&, const Target&, const Layout&);
//     static void run(const ItemKernel<Mark>&, ir::Value item);
//   };
//
// and its dispatches are item_launch<Mark>(...).
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "kernels/common/family.h"
#include "kernels/common/kernel_arguments.h"
#include "kernels/lowering.h"

namespace nxv::kernels {

struct ItemOptions {
  std::string_view name;  // of the kernel
  int workspaces = 0;
  // On a CPU an invocation takes up to a thousand items, unless the step has loops of its own.
  bool has_loops = false;
  // Mostly there is nothing to do: a GPU's invocation takes several items, too.
  bool is_rare = false;
  // Not 0: workgroups of so many invocations, each of which runs the step once, also beyond the
  // last item. It may have barriers.
  uint32_t shared_workgroup = 0;
};

// What a step is run with, for an item.
template <typename Step>
struct ItemKernel {
  ir::Builder& b;
  const Region& region;
  const Target& target;
  const typename Step::Layout& layout;
  const KernelArguments& arguments;
  const WordValues<typename Step::Words> words;
};

// How the invocations of a dispatch share its items.
struct ItemShape {
  ItemShape(const ItemOptions& options, const plan::DevicePlan& plan);
  uint32_t workgroup = 1;
  uint64_t chunk = 1;       // items of a workgroup
  bool is_chunked = false;  // an invocation takes several of them
  bool is_shared = false;   // all invocations of a workgroup run the step
};

// The first words of the dispatch.
struct ItemWords {
  uint32_t items = 0;
  uint32_t chunk = 0;  // items of a workgroup
};
void each_item(ir::Builder& b, const ItemShape& shape, const WordValues<ItemWords>& words,
               const std::function<void(ir::Value)>& run);

template <typename Step>
ir::Kernel generate_items(const Region& region, const Target& target,
                          const typename Step::Layout& layout) {
  using Words = typename Step::Words;
  const ItemOptions options = Step::options(region, target, layout);
  const ItemShape shape(options, *target.plan);
  ir::Builder b(std::string(options.name), shape.workgroup);
  const KernelArguments arguments(b, region, kWordsOf<ItemWords> + kWordsOf<Words>,
                                  {.workspaces = options.workspaces});
  const ItemKernel<Step> kernel = {
      b, region, target, layout, arguments, arguments.words_as<Words>(kWordsOf<ItemWords>)};
  each_item(b, shape, arguments.words_as<ItemWords>(),
            [&](ir::Value item) { Step::run(kernel, item); });
  return b.finish();
}

template <typename Step>
inline constexpr Family<typename Step::Layout> kItemFamily = {Step::kName, generate_items<Step>};

// What it touches is the caller's to say.
template <typename Step>
Launch item_launch(const Region& region, const Target& target, uint64_t items,
                   const typename Step::Layout& layout, const typename Step::Words& words) {
  const ItemShape shape(Step::options(region, target, layout), *target.plan);
  Launch d = launch_of(kItemFamily<Step>, region, target, layout,
                       ItemWords{static_cast<uint32_t>(items), static_cast<uint32_t>(shape.chunk)});
  append(d.words, words);
  d.groups = fold_groups((items + shape.chunk - 1) / shape.chunk, *target.plan);
  d.work = items;
  return d;
}

// Zeros in the first words of a workspace, or of the output.
inline constexpr int kOutput = -1;
Launch fill_zeros(const Region& region, const Target& target, int buffer, uint64_t words);

}  // namespace nxv::kernels
