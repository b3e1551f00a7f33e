#include "runtime/describe.h"

#include <sstream>
#include <unordered_map>
#include <vector>

namespace nxv::runtime {
namespace {

const char* yes(bool b) { return b ? "yes" : "no"; }

void line(std::ostringstream& out, std::string_view label, const auto& value) {
  out << "  " << label << std::string(label.size() < 26 ? 26 - label.size() : 1, ' ') << value
      << '\n';
}

std::string_view type_name(plan::DeviceType t) {
  switch (t) {
    case plan::DeviceType::integrated:
      return "integrated GPU";
    case plan::DeviceType::discrete:
      return "discrete GPU";
    case plan::DeviceType::virtual_gpu:
      return "virtual GPU";
    case plan::DeviceType::cpu:
      return "CPU";
    default:
      return "other";
  }
}

std::string text_of(const Region& region) {
  std::ostringstream out;
  out << name(region.kind) << " region -> ";
  for (const Root& root : region.roots) {
    if (&root != &region.roots.front()) out << ", ";
    out << name(root.node->dtype) << to_string(root.node->shape);
    if (region.roots.size() > 1) out << " e" << root.expr;
  }
  out << " (cut: " << name(region.reason) << ")\n";
  for (size_t i = 0; i < region.operands.size(); ++i) {
    const Operand& o = region.operands[i];
    static constexpr const char* kAddressing[] = {"linear", "uniform", "strided", "mapped"};
    out << "  operand " << i << ": " << name(o.node->dtype) << to_string(o.node->shape) << ", "
        << kAddressing[static_cast<int>(o.addressing)]
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
    out << " : " << name(e.dtype) << (e.level == Level::element ? " each element\n" : "\n");
  }
  return out.str();
}

// Which kernel computes the region where there are several, and why not those that would be better.
std::string text_of(const std::vector<kernels::Candidate>& candidates) {
  std::ostringstream out;
  for (const kernels::Candidate& c : candidates) {
    if (!c.refusal) {
      out << "  kernel " << c.name << '\n';
      break;
    }
    out << "  not " << c.name << ": " << c.refusal << '\n';
  }
  return out.str();
}

// The dispatches of a region, by kernel.
std::string text_of(const Region& region, const Executor& executor, const ExplainOptions& options) {
  struct Use {
    const kernels::Launch* largest;
    int times;
  };
  const std::vector<kernels::Launch> dispatches =
      kernels::lower(region, executor.target()).launches;
  const auto workgroups = [](const kernels::Launch& d) {
    return uint64_t{d.groups[0]} * d.groups[1] * d.groups[2];
  };
  std::vector<Use> uses;  // in the order of the first
  std::unordered_map<std::string, size_t> of_key;
  for (const kernels::Launch& d : dispatches) {
    const auto [at, is_new] = of_key.try_emplace(d.key, uses.size());
    if (is_new) uses.push_back({&d, 0});
    Use& use = uses[at->second];
    if (workgroups(d) > workgroups(*use.largest)) use.largest = &d;
    ++use.times;
  }

  std::ostringstream out;
  for (const Use& use : uses) {
    const ir::Kernel generated = use.largest->generate(region);
    const ir::Kernel kernel = kernels::legalised(generated, executor.target().plan->has);
    const auto& groups = use.largest->groups;
    out << "kernel " << kernel.name << ": ";
    if (use.times > 1) out << use.times << " times, up to ";
    out << groups[0] << " x " << groups[1] << " x " << groups[2] << " workgroups of "
        << kernel.local_size << "; " << kernel.body.size() << " instructions, "
        << executor.compile(generated).words.size() << " words of SPIR-V\n";
    if (options.ir) out << ir::to_string(kernel);
  }
  return out.str();
}

}  // namespace

std::string describe(Engine& engine) {
  std::ostringstream out;
  const plan::Snapshot& s = engine.snapshot();
  const plan::DevicePlan& p = engine.plan();
  out << "Device\n";
  line(out, "name", s.name);
  line(out, "type", type_name(s.type));
  line(out, "driver", s.driver_name + " " + s.driver_info);
  line(out, "Vulkan", std::to_string(s.api_major()) + "." + std::to_string(s.api_minor()));
  out << "Probes\n";
  line(out, "f32 division exact", yes(s.probes.f32_div_exact));
  line(out, "f32 square root exact", yes(s.probes.f32_sqrt_exact));
  line(out, "f32 subnormals kept", yes(s.probes.f32_subnormals));
  line(out, "f32 fma fused", yes(s.probes.f32_fma_fused));
  line(out, "matrix units right", yes(s.probes.matrix_units_exact));
  line(out, "f64 rate to f32", s.probes.f64_rate);
  out << "Capabilities\n";
  for (const plan::CapabilityInfo& c : plan::capability_table())
    line(out, c.name, yes(p.has.*c.flag));
  out << "Plan\n";
  line(out, "profile", plan::name(p.profile));
  line(out, "subgroup size", p.subgroup_size);
  line(out, "subgroup size of row kernels", p.row_subgroup_size);
  line(out, "shared memory", std::to_string(p.shared_memory_bytes) + " bytes");
  line(out, "push constants", std::to_string(p.push_bytes) + " bytes");
  line(out, "pointwise workgroup", p.tuning.workgroup);
  line(out, "pointwise chunk", std::to_string(p.tuning.chunk_elements) + " elements");
  line(out, "staging", yes(p.use_staging));
  out << "Limits\n";
  line(out, "largest allocation", s.limits.max_allocation_bytes);
  line(out, "workgroup invocations", s.limits.max_workgroup_invocations);
  const vulkan::MemoryStats m = engine.memory();
  out << "Memory\n";
  for (size_t i = 0; i < s.heaps.size(); ++i) {
    line(out, "heap " + std::to_string(i),
         std::to_string(s.heaps[i].bytes) +
             (s.heaps[i].device_local ? " bytes, device local" : " bytes"));
  }
  line(out, "in use", m.in_use);
  line(out, "cached", m.cached);
  line(out, "peak", m.peak);
  line(out, "budget", m.budget);
  return out.str();
}

std::string explain(Engine& engine, const NodeRef& node, const ExplainOptions& options) {
  std::ostringstream out;
  engine.call([&](Executor& executor, vulkan::Device&) {
    node->throw_if_unreadable();
    if (node->op == Op::data || !node->is_pending()) {
      out << "already stored: nothing to run\n";
      return;
    }
    for (const schedule::Item& step : schedule::make_schedule(node, executor.options())) {
      if (step.is_alias) {
        out << "alias: " << to_string(step.alias.node->shape) << " shares the storage of "
            << to_string(step.alias.source->shape) << "\n\n";
        continue;
      }
      if (step.control) {
        out << name(step.control->op) << ": calls functions\n\n";
        continue;
      }
      out << text_of(step.region) << text_of(kernels::candidates(step.region, executor.target()))
          << text_of(step.region, executor, options) << '\n';
    }
  });
  return out.str();
}

}  // namespace nxv::runtime
