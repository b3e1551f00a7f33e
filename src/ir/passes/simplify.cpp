#include "ir/passes/simplify.h"

#include <unordered_map>

namespace nxv::ir {
namespace {

struct InstHash {
  size_t operator()(const Inst& inst) const {
    uint64_t hash = static_cast<uint64_t>(inst.op) << 24 ^ code(inst.type);
    const auto mix = [&](uint64_t v) { hash = (hash ^ v) * 0x9e3779b97f4a7c15u ^ hash >> 29; };
    for (uint32_t arg : inst.args) mix(arg);
    mix(inst.imm);
    return static_cast<size_t>(hash ^ hash >> 32);
  }
};
struct InstEqual {
  bool operator()(const Inst& a, const Inst& b) const {
    return a.op == b.op && a.type == b.type && a.args == b.args && a.imm == b.imm;
  }
};

// Values by what computes them, forgotten at the end of the scope that they belong to.
class Values {
 public:
  explicit Values(size_t most) { values_.reserve(most); }
  // The value that `inst` would have, or kNone: then it is `id` from now on.
  uint32_t find_or_add(const Inst& inst, uint32_t id) {
    const auto [found, is_new] = values_.try_emplace(inst, id);
    if (!is_new) return found->second;
    if (!scopes_.empty()) scopes_.back().push_back(inst);
    return kNone;
  }
  void open() { scopes_.emplace_back(); }
  void close() {
    for (const Inst& inst : scopes_.back()) values_.erase(inst);
    scopes_.pop_back();
  }

 private:
  std::unordered_map<Inst, uint32_t, InstHash, InstEqual> values_;
  std::vector<std::vector<Inst>> scopes_;
};

// The body with equal values made one.
std::vector<Inst> without_duplicates(const std::vector<Inst>& body) {
  std::vector<Inst> result;
  result.reserve(body.size());
  std::vector<uint32_t> renamed(body.size(), kNone);
  Values values(body.size());
  for (uint32_t i = 0; i < body.size(); ++i) {
    Inst inst = body[i];
    for (uint32_t& arg : inst.args) {
      if (arg != kNone) arg = renamed[arg];
    }
    if (closes_body(inst.op)) values.close();
    const auto id = static_cast<uint32_t>(result.size());
    const uint32_t known = may_merge(inst.op) ? values.find_or_add(inst, id) : kNone;
    renamed[i] = known == kNone ? id : known;
    if (known == kNone) result.push_back(inst);
    if (opens_body(inst.op)) values.open();
  }
  return result;
}

// Which instructions have an effect, or serve one. A variable is stored to for those who load it.
std::vector<bool> find_live(const std::vector<Inst>& body) {
  std::vector<bool> live(body.size());
  std::vector<uint32_t> waiting;
  std::unordered_map<uint32_t, std::vector<uint32_t>> stores;  // by variable
  const auto need = [&](uint32_t id) {
    if (live[id]) return;
    live[id] = true;
    waiting.push_back(id);
  };
  for (uint32_t i = 0; i < body.size(); ++i) {
    if (memory(body[i].op) == Memory::variable && info(body[i].op).effect == Effect::writes) {
      stores[body[i].args[0]].push_back(i);
    } else if (!may_drop(body[i].op)) {
      need(i);
    }
  }
  while (!waiting.empty()) {
    const uint32_t id = waiting.back();
    waiting.pop_back();
    for (uint32_t arg : body[id].args) {
      if (arg != kNone) need(arg);
    }
    if (body[id].op != Opcode::var_decl) continue;
    for (uint32_t store : stores[id]) need(store);
  }
  return live;
}

std::vector<Inst> without_dead(const std::vector<Inst>& body) {
  const std::vector<bool> live = find_live(body);
  std::vector<Inst> result;
  std::vector<uint32_t> renamed(body.size(), kNone);
  for (uint32_t i = 0; i < body.size(); ++i) {
    if (!live[i]) continue;
    renamed[i] = static_cast<uint32_t>(result.size());
    Inst inst = body[i];
    for (uint32_t& arg : inst.args) {
      if (arg != kNone) arg = renamed[arg];
    }
    result.push_back(inst);
  }
  return result;
}

}  // namespace

Kernel simplify(Kernel kernel) {
  kernel.body = without_dead(without_duplicates(kernel.body));
  return kernel;
}

}  // namespace nxv::ir
