#include "runtime/describe.h"

#include <sstream>

#include "runtime/description.h"
#include "runtime/picture.h"

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
  if (s.portability.is_subset) {
    std::string lacks;
    for (const std::string& name : s.portability.lacks) lacks += (lacks.empty() ? "" : ", ") + name;
    line(out, "a subset, which lacks", lacks.empty() ? "nothing" : lacks);
  }
  out << "Probes\n";
  line(out, "f32 division exact", yes(s.probes.f32_div_exact));
  line(out, "f32 square root exact", yes(s.probes.f32_sqrt_exact));
  line(out, "f32 subnormals kept", yes(s.probes.f32_subnormals));
  line(out, "f32 fma fused", yes(s.probes.f32_fma_fused));
  line(out, "matrix units right", yes(s.probes.matrix_units_exact));
  line(out, "matrix elements found", yes(s.probes.matrix_elements_exact));
  line(out, "matrices chained", yes(s.probes.matrix_chains_exact));
  line(out, "integer units right", yes(s.probes.integer_units_exact));
  line(out, "packed dot right", yes(s.probes.packed_dot_exact));
  line(out, "f64 rate to f32", s.probes.f64_rate);
  for (const std::string& failure : engine.probe_failures()) line(out, "could not be run", failure);
  out << "Capabilities\n";
  for (const plan::CapabilityInfo& c : plan::capability_table())
    line(out, c.name, yes(p.has.*c.flag));
  out << "Plan\n";
  line(out, "profile", plan::name(p.profile));
  line(out, "subgroup size", p.subgroup_size);
  line(out, "subgroup size of row kernels", p.row_subgroup_size);
  if (p.has.coopmat) {
    line(out, "matrices of the device",
         std::to_string(p.matrix_rows) + " x " + std::to_string(p.matrix_columns) +
             ", by subgroups of " + std::to_string(p.matrix_subgroup_size));
  }
  line(out, "cores", p.tuning.cores);
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
  line(out, "spilled to host memory", m.spilled);
  line(out, "peak", m.peak);
  line(out, "budget", m.budget);
  return out.str();
}

std::string explain(Engine& engine, const NodeRef& node, const ExplainOptions& options) {
  std::string text;
  engine.call([&](Executor& executor, vulkan::Device&) {
    node->throw_if_unreadable();
    const ProgramDescription program = describe(*node, executor.programs(), options.ir);
    text = program.steps.empty() ? "already stored: nothing to run\n" : to_text(program);
  });
  return text;
}

std::string explain(Engine& engine, const Function& function,
                    const FunctionExplainOptions& options) {
  ProgramDescription program;
  engine.call([&](Executor& executor, vulkan::Device&) {
    program = describe(function, executor.programs(), options.arguments);
  });
  program.name = options.name;
  return options.format == ExplainFormat::svg ? to_svg(program) : to_text(program);
}

}  // namespace nxv::runtime
