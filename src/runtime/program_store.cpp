#include "runtime/program_store.h"

#include <algorithm>
#include <utility>

namespace nxv::runtime {
namespace {

// Calls visit(function) for each that the program's own loops and branches call.
template <typename Visit>
void each_function(const Program& program, Visit&& visit) {
  for (const Program::Step& step : program.steps) {
    if (!step.control) continue;
    for (const FunctionRef& function : step.control->functions) visit(function);
  }
}

bool has_control(const Program& program) {
  return std::any_of(program.steps.begin(), program.steps.end(),
                     [](const Program::Step& step) { return step.control != nullptr; });
}

}  // namespace

std::shared_ptr<const Program> ProgramStore::find(const Key& key) const {
  for (const Programs* programs : {&plain_, &controlling_}) {
    if (const auto found = programs->find(key); found != programs->end()) return found->second;
  }
  return nullptr;
}

void ProgramStore::keep(const Key& key, std::shared_ptr<const Program> program) {
  if (steps_ + program->steps.size() > kMaxSteps) clear();
  steps_ += program->steps.size();
  if (!has_control(*program)) {
    plain_.emplace(key, std::move(program));
    return;
  }
  // Counts go ahead, so that a failure leaves a program too many at worst.
  each_function(*program, [&](const FunctionRef& f) { holders_[f.get()]; });
  const Program& kept = *controlling_.emplace(key, std::move(program)).first->second;
  each_function(kept, [&](const FunctionRef& f) { ++holders_[f.get()]; });
}

void ProgramStore::clear() noexcept {
  plain_.clear();
  controlling_.clear();
  holders_.clear();
  steps_ = 0;
}

void ProgramStore::forget_unused() noexcept {
  for (auto at = controlling_.begin(); at != controlling_.end();) {
    const std::shared_ptr<const Program> program = at->second;
    bool is_unused = false;
    each_function(*program, [&](const FunctionRef& f) {
      is_unused |= f.use_count() == holders_.find(f.get())->second;
    });
    if (!is_unused) {
      ++at;
      continue;
    }
    at = controlling_.erase(at);
    steps_ -= program->steps.size();
    each_function(*program, [&](const FunctionRef& f) {
      const auto holder = holders_.find(f.get());
      if (--holder->second == 0) holders_.erase(holder);
    });
  }
}

}  // namespace nxv::runtime
