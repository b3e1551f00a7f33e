// Program: what evaluates the graphs of one structure. Names values by their positions in the
// structure, so that it holds no node and serves every graph of that structure.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kernels/lowering.h"
#include "schedule/schedule.h"
#include "schedule/structure.h"
#include "vulkan/kernel_cache.h"

namespace nxv::runtime {

struct CompiledKernel {
  const vulkan::Kernel* kernel = nullptr;
  std::shared_ptr<uint32_t> param_bytes;  // set once the kernel is ready
};

using Position = int32_t;  // in Structure::nodes

struct Program {
  // Words of a region that hold scalars of a node.
  struct Scalars {
    Position node;
    WordIndex words;
  };
  struct Step {
    Position root = 0;
    Position source = -1;  // the root shares this node's storage, without a kernel
    std::vector<Position> operands;
    std::vector<uint32_t> words;
    std::vector<Scalars> scalars;
    // Operands, by their index, whose storage the root may take over if nothing but this
    // evaluation refers to them: no later step reads them, and the kernel reads them in place.
    std::vector<int> donors;
    std::vector<Position> last_reads;  // operands that no later step reads
    std::vector<Op> faults;            // see Region::faults
    kernels::Lowering lowering;
    std::vector<const CompiledKernel*> kernels;  // of each dispatch
  };
  std::vector<Step> steps;
  bool has_donors = false;
  bool is_large = false;  // see schedule::Options::large_bytes
};

// Everything but kernels. The graph is the one that the schedule was made of.
Program make_program(const schedule::Structure& graph, const std::vector<schedule::Step>& schedule,
                     const kernels::Target& target, int64_t large_bytes);

}  // namespace nxv::runtime
