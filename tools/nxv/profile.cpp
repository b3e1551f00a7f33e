#include <algorithm>
#include <fstream>
#include <iostream>

#include "base/error.h"
#include "commands.h"
#include "expressions.h"
#include "session.h"

namespace nxv::tools {
namespace {

std::vector<const Expression*> chosen(const std::vector<std::string>& names) {
  std::vector<const Expression*> list;
  for (const Expression& e : expressions()) {
    if (names.empty()) list.push_back(&e);
  }
  for (const std::string& name : names) {
    const auto all = expressions();
    const auto e =
        std::find_if(all.begin(), all.end(), [&](const auto& x) { return x.name == name; });
    if (e == all.end()) {
      throw Error(Status::invalid_argument,
                  "no expression '" + name + "'; `nxv explain --list` names them");
    }
    list.push_back(&*e);
  }
  return list;
}

}  // namespace

int run_profile(const ProfileOptions& options) {
  const std::vector<const Expression*> list = chosen(options.names);
  Session session(options.device);
  runtime::Engine& engine = session.engine();
  engine.begin_profile();
  for (int i = 0; i < options.runs; ++i) {
    for (const Expression* e : list) {
      engine.mark_phase("build");
      const NodeRef node = e->build(session.owner());
      engine.mark_phase("wait");
      session.evaluate(node);
    }
  }
  const runtime::Profile profile = engine.end_profile();
  std::cout << to_text(profile);
  if (options.trace.empty()) return 0;
  std::ofstream file(options.trace, std::ios::binary);
  if (!(file << to_trace(profile)).flush()) {
    throw Error(Status::invalid_argument, "cannot write " + options.trace);
  }
  return 0;
}

}  // namespace nxv::tools
