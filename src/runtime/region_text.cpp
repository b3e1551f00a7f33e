#include "runtime/region_text.h"

#include <algorithm>
#include <sstream>

#include "base/digest.h"

namespace nxv::runtime {

std::string expressions_text(const Region& region) {
  std::ostringstream out;
  for (size_t i = 0; i < region.operands.size(); ++i) {
    const Operand& o = region.operands[i];
    const bool has_windows = !o.gathered.is_matrices();
    static constexpr const char* kAddressing[] = {"linear", "uniform", "strided", "mapped",
                                                  "strided, by batch axes"};
    out << "  operand " << i << ": " << name(o.node->dtype) << to_string(o.node->shape) << ", "
        << (o.addressing == Addressing::gathered && has_windows
                ? "windows gathered by the kernel"
                : kAddressing[static_cast<int>(o.addressing)])
        << (o.level == Level::element ? ", by element\n" : "\n");
  }
  for (size_t i = 0; i < region.exprs.size(); ++i) {
    const Expr& e = region.exprs[i];
    out << "  e" << i << " = ";
    switch (e.kind) {
      case ExprKind::load:
        out << "load operand " << e.operand;
        break;
      case ExprKind::inside:
        out << "inside part";
        break;
      case ExprKind::choose:
        out << "choose";
        break;
      default:
        out << name(e.op);
    }
    for (int16_t arg : e.args) {
      if (arg >= 0) out << " e" << arg;
    }
    if (e.precision != Precision::accurate) out << " (" << name(e.precision) << ')';
    out << " : " << name(e.dtype) << (e.level == Level::element ? " each element\n" : "\n");
  }
  return out.str();
}

std::string candidates_text(const Region& region, const kernels::Target& target) {
  std::ostringstream out;
  for (const kernels::Candidate& c : kernels::candidates(region, target)) {
    if (!c.refusal) {
      out << "  kernel " << c.name << '\n';
      break;
    }
    out << "  not " << c.name << ": " << c.refusal << '\n';
  }
  return out.str();
}

void add_code(const Program::Step& step, const Region& region, const ProgramMaker& maker, bool code,
              KernelDescription& kernel) {
  const auto& launches = step.lowering.launches;
  const auto launch = std::find_if(launches.begin(), launches.end(), [&](const auto& l) {
    return fnv1a(l.key) == kernel.key && l.groups == kernel.groups;
  });
  const ir::Kernel generated = launch->generate(region);
  const ir::Kernel legal = kernels::legalised(generated, *maker.target().plan);
  kernel.name = legal.name;
  kernel.local_size = legal.local_size;
  kernel.size = std::to_string(legal.body.size()) + " instructions, " +
                std::to_string(maker.compile(generated).words.size()) + " words of SPIR-V";
  if (code) kernel.code = ir::to_string(legal);
}

}  // namespace nxv::runtime
