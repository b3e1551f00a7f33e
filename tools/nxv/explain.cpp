#include <algorithm>
#include <iostream>
#include <set>

#include "base/error.h"
#include "commands.h"
#include "disassembly.h"
#include "expressions.h"
#include "runtime/describe.h"
#include "session.h"

namespace nxv::tools {
namespace {

void print_spirv(Session& session, const NodeRef& node) {
  session.engine().call([&](runtime::Executor& executor, vulkan::Device&) {
    std::set<std::string> seen;
    for (const schedule::Item& step : schedule::make_schedule(node, executor.options())) {
      if (step.is_alias || step.control) continue;
      for (const auto& d : kernels::lower(step.region, executor.target()).launches) {
        if (!seen.insert(d.key).second) continue;
        const vulkan::ShaderModule module = executor.compile(d.generate(step.region));
        std::cout << "SPIR-V of " << module.name << '\n' << disassembled(module.words) << '\n';
      }
    }
  });
}

std::string picture_of(Session& session, const std::string& name) {
  const auto all = expressions();
  const auto e =
      std::find_if(all.begin(), all.end(), [&](const auto& x) { return x.name == name; });
  const Function function({}, {e->build(session.owner())});
  return runtime::explain(
      session.engine(), function,
      {.format = runtime::ExplainFormat::svg, .name = name + ": " + std::string(e->meaning)});
}

}  // namespace

int run_explain(const ExplainOptions& options) {
  if (options.list) {
    for (const Expression& e : expressions()) std::cout << e.name << ": " << e.meaning << '\n';
    return 0;
  }
  for (const std::string& name : options.names) {
    const auto all = expressions();
    if (std::none_of(all.begin(), all.end(), [&](const auto& e) { return e.name == name; })) {
      throw Error(Status::invalid_argument,
                  "no expression '" + name + "'; `nxv explain --list` names them");
    }
  }
  if (options.svg && options.names.size() != 1) {
    throw Error(Status::invalid_argument, "--svg: name one expression");
  }
  Session session(options.device);
  if (options.svg) {
    std::cout << picture_of(session, options.names[0]);
    return 0;
  }
  for (const Expression& e : expressions()) {
    const auto& names = options.names;
    if (!names.empty() && std::find(names.begin(), names.end(), e.name) == names.end()) continue;
    std::cout << "== " << e.name << ": " << e.meaning << "\n\n";
    const NodeRef node = e.build(session.owner());
    std::cout << runtime::explain(session.engine(), node, {.ir = options.ir});
    if (options.spirv) print_spirv(session, node);
  }
  return 0;
}

}  // namespace nxv::tools
