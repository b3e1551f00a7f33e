// A kernel on its way into a module: what the emitters of all opcodes share.
#pragma once

#include <spirv/unified1/GLSL.std.450.h>

#include <initializer_list>
#include <vector>

#include "ir/kernel.h"
#include "spirv/addressing.h"
#include "spirv/inputs.h"
#include "spirv/module_builder.h"
#include "spirv/texels.h"
#include "spirv/translate.h"

namespace nxv::spirv {

// A body that a marker has opened.
struct OpenBody {
  Id merge = 0;
  size_t false_target = 0;  // of an if: where in the code its branch names the else label
  Id header = 0, next = 0;  // of a loop: its first block, and the block of its back edge
};

struct Translation {
  Translation(const ir::Kernel& kernel, const Options& options);
  Translation(const Translation&) = delete;
  Translation& operator=(const Translation&) = delete;

  Id arg(const ir::Inst& inst, size_t i) const { return ids[inst.args[i]]; }
  ir::Type arg_type(const ir::Inst& inst, size_t i) const { return kernel.body[inst.args[i]].type; }

  // Instructions of the body, by the type and id of their results.
  Id result(ir::Type type, spv::Op op, std::initializer_list<uint32_t> operands);
  Id result_of(Id type, spv::Op op, std::initializer_list<uint32_t> operands);
  Id glsl(ir::Type type, GLSLstd450 op, std::initializer_list<uint32_t> operands);
  // Of an instruction's own operands, in its own type.
  Id unary(const ir::Inst& inst, spv::Op op);
  Id binary(const ir::Inst& inst, spv::Op op);
  Id glsl_unary(const ir::Inst& inst, GLSLstd450 op);
  // A scalar in as many lanes; vectors of these stay.
  Id splat(Id value, ir::Type type, uint8_t lanes);
  // No float result may be contracted or reassociated.
  Id exact(ir::Type type, Id id);
  // Whether it matters which NaN the instruction gives.
  bool is_nan_seen(const ir::Inst& inst);
  void statement(spv::Op op, std::initializer_list<uint32_t> operands) {
    append(module.code, op, operands);
  }

  const ir::Kernel& kernel;
  const bool plain_products;  // Options
  ModuleBuilder module;
  Addressing addressing;
  Texels texels;
  Inputs inputs;
  std::vector<Id> ids;  // by instruction; 0 where nothing is defined
  std::vector<OpenBody> bodies;

 private:
  std::vector<bool> nan_seen_;  // by instruction; made when first asked for
};

// The three variants that most operations have.
inline spv::Op by_type(ir::Type t, spv::Op of_float, spv::Op of_signed, spv::Op of_unsigned) {
  return ir::is_float(t) ? of_float : ir::is_signed(t) ? of_signed : of_unsigned;
}

}  // namespace nxv::spirv
