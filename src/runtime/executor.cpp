#include "runtime/executor.h"

#include <algorithm>
#include <array>

#include "base/restored.h"
#include "runtime/speculation.h"

namespace nxv::runtime {
namespace {

// Submissions in flight.
constexpr uint64_t kMaxInFlight = 32;

// Of any type, as kernels read them: in groups of four elements.
constexpr uint64_t kNumberBytes = 64;

// References to each node that go with this evaluation: a node gives up its inputs when it is
// stored; one that only such nodes refer to dies with them.
std::vector<uint32_t> count_expiring(const schedule::Structure& graph, const Program& program) {
  const schedule::Positions positions(graph.nodes);
  std::vector<uint32_t> expiring(graph.nodes.size());
  std::vector<bool> becomes_stored(graph.nodes.size());
  for (const Program::Step& step : program.steps) {
    step.each_stored([&](Position p) { becomes_stored[p] = true; });
  }
  for (size_t i = graph.nodes.size(); i-- > 0;) {
    const Node& n = *graph.nodes[i];
    if (!n.is_pending() || (!becomes_stored[i] && n.references() != expiring[i])) continue;
    for (const NodeRef& input : n.inputs) ++expiring[input->scratch];
  }
  return expiring;
}

// Of a value of one element that the host has.
std::optional<Scalar> number_of(const Node& node) {
  if (node.count != 1) return std::nullopt;
  if (node.op == Op::constant) return node.attribute<ConstantAttr>().value;
  if (node.host_data) return load_scalar(node.dtype, node.host_data->data(), 0);
  return std::nullopt;
}

bool are_alike(const Node& a, const Node& b) {
  return a.count == b.count &&
         a.attribute<ConstantAttr>().value == b.attribute<ConstantAttr>().value;
}

// What is recorded takes its groups from there.
class UnderGate {
 public:
  UnderGate(Recorder& recorder, const Gated& gated)
      : recorder_(recorder), before_(recorder.gate(gated)) {}
  UnderGate(const UnderGate&) = delete;
  UnderGate& operator=(const UnderGate&) = delete;
  ~UnderGate() { recorder_.gate(before_); }

 private:
  Recorder& recorder_;
  const Gated before_;
};

}  // namespace

Executor::Executor(vulkan::Device& device, const plan::DevicePlan& plan,
                   const ExecutorOptions& options)
    : device_(device), maker_(device, plan, options), recorder_(device) {}

void Executor::profile(Profiler* profiler) {
  profiler_ = profiler;
  maker_.profile(profiler);
  recorder_.profile(profiler);
}

void Executor::keep_pace() {
  vulkan::Queue& queue = device_.queue();
  const uint64_t epoch = queue.submit();
  if (epoch > kMaxInFlight && queue.completed() + kMaxInFlight < epoch) {
    const InPhase waiting(profiler_, Phase::wait);
    queue.wait(epoch - kMaxInFlight);
  }
}

void Executor::pace_rounds() {
  const uint64_t epoch = device_.queue().submit();
  if (epoch > kMaxInFlight) wait(epoch - kMaxInFlight);
  keep_pace();
}

void Executor::upload(Node& node, std::span<const std::byte> stored) {
  const InPhase uploading(profiler_, Phase::upload);
  vulkan::BlockRef block = device_.transfers().allocate_for_upload(allocation_bytes(node));
  device_.transfers().upload(stored, *block);
  auto storage = std::make_shared<DeviceStorage>(std::move(block), Faults{});
  if (node.count == 1 && is_integer(node.dtype)) {
    storage->known = load_scalar(node.dtype, stored.data(), 0);
  }
  node.set_stored(std::move(storage));
}

Node& Executor::stored(Node& node) {
  if (node.op != Op::data || !node.is_pending()) return node;
  if (!node.host_data) {
    throw Error(Status::alloc_failed,
                "out of device memory: the call that answers this value waits for some");
  }
  upload(node, *node.host_data);
  return node;
}

std::shared_ptr<const Program> Executor::find_or_make_program(std::span<Node* const> roots,
                                                              Purpose purpose) {
  const InPhase scheduling(profiler_, Phase::schedule);
  const int64_t few = target().plan->tuning.apart_elements;
  const bool has_signature = graph_.read(roots, purpose == Purpose::depth ? 0 : few);
  graph_.signature.push_back(static_cast<uint64_t>(purpose));
  schedule::Options cuts = maker_.options_of_values();
  if (purpose == Purpose::depth) cuts.apart_elements = few;
  const auto make = [&] {
    auto made = std::make_shared<Program>();
    maker_.make(*made, graph_, graph_.roots, cuts);
    return made;
  };
  if (!has_signature) return make();
  if (auto known = programs_.find(graph_.signature)) return known;
  const std::shared_ptr<const Program> program = make();
  try {
    programs_.keep(graph_.signature, program);
  } catch (...) {
    ProgramMaker::give_up(*program);
    throw;
  }
  return program;
}

void Executor::evaluate(std::span<const NodeRef> nodes, Purpose purpose) {
  try {
    evaluate_once(nodes, purpose);
  } catch (const Error&) {
    // What was stored until then stays so. Nothing is overwritten before all kernels are there.
    if (!maker_.gives_way()) throw;
    programs_.clear();
    evaluate(nodes, purpose);
  }
}

void Executor::evaluate_once(std::span<const NodeRef> nodes, Purpose purpose) {
  std::vector<Node*> roots;
  for (const NodeRef& node : nodes) {
    node->throw_if_unreadable();
    if (node->is_function) {
      throw Error(Status::invalid_argument, "a parameter of a function has no value to read");
    }
    if (node->is_pending() && node->op != Op::data) roots.push_back(node.get());
  }
  for (const NodeRef& node : nodes) stored(*node);
  if (roots.empty()) return;
  ++evaluations_;
  if (profiler_) profiler_->source({});

  // All kernels are asked for before any is waited for, so that they compile in parallel.
  const std::shared_ptr<const Program> kept = find_or_make_program(roots, purpose);
  const Program& program = *kept;
  try {
    run(program);
  } catch (...) {
    if (ProgramMaker::give_up(program)) programs_.clear();  // they are made anew
    throw;
  }
  for (Node* node : graph_.nodes) node->was_computed = true;
}

void Executor::run(const Program& program) {
  const bool donates = options().donate && program.has_donors;
  std::vector<uint32_t> expiring;
  if (donates || program.is_large) {
    // Generators refer to operands until they are done.
    const InPhase compiling(profiler_, Phase::compile);
    for (const Program::Step& step : program.steps) {
      for (const vulkan::Pipeline* kernel : step.kernels) kernel->get();
    }
    expiring = count_expiring(graph_, program);
  }
  Frame frame(program.values);
  for (size_t i = 0; i < program.values; ++i) {
    frame.bind(static_cast<Position>(i), *graph_.nodes[i], expiring.empty() ? 0 : expiring[i]);
  }
  // Steps read nodes that only earlier roots may hold: inputs go last.
  const Restored evaluating(is_evaluating_, true);
  try {
    run(program, frame, donates, program.is_large);
  } catch (...) {
    drop_inputs(program, frame);
    throw;
  }
  drop_inputs(program, frame);
}

void Executor::drop_inputs(const Program& program, const Frame& frame) {
  const auto drop = [&](Position p) {
    Node& node = *frame.node(p);
    if (!node.is_pending()) node.inputs.clear();
  };
  for (const Program::Step& step : program.steps) step.each_stored(drop);
}

// `numbers`: which of the arguments are.
const Program& Executor::program_of(const Function& function, std::span<const NodeRef> arguments,
                                    Numbers& numbers) {
  for (const NodeRef& argument : arguments) numbers.push_back(number_of(*argument).has_value());
  return maker_.of(function, numbers);
}

void Executor::call(const Function& function, std::span<const NodeRef> arguments,
                    std::span<const NodeRef> results) {
  ++evaluations_;
  Numbers numbers;
  const Program& program = program_of(function, arguments, numbers);
  std::vector<StorageRef> storages;
  for (const NodeRef& argument : arguments) {
    const std::optional<Scalar> number = number_of(*argument);
    storages.push_back(number ? make_number(*number) : nullptr);
  }
  std::vector<NodeRef> read;
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (program.parameters[i] >= 0 && !numbers[i]) read.push_back(arguments[i]);
  }
  evaluate(read);
  read.clear();
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (program.parameters[i] < 0 || numbers[i]) continue;
    storages[i] = share_storage(*arguments[i]);
    if (arguments[i]->references() == 1) arguments[i]->set_consumed();
  }
  if (profiler_) profiler_->source(function.name);
  std::vector<StorageRef> values = run(program, std::move(storages));
  for (StorageRef& value : values) value = in_memory(std::move(value));
  for (size_t i = 0; i < results.size(); ++i) results[i]->set_stored(values[i]);
}

StorageRef Executor::in_memory(const Node& constant) {
  const Scalar& value = constant.attribute<ConstantAttr>().value;
  std::vector<std::byte> elements(static_cast<size_t>(constant.storage_size()));
  for (int64_t i = 0; i < constant.count; ++i) store_scalar(value, elements.data(), i);
  vulkan::BlockRef block = device_.transfers().allocate_for_upload(allocation_bytes(constant));
  device_.transfers().upload(elements, *block);
  return std::make_shared<DeviceStorage>(std::move(block), Faults{});
}

StorageRef Executor::in_memory(StorageRef value) {
  if (!value->is_number()) return value;
  // An element as it is stored, which is not how kernels have it in registers.
  std::array<uint32_t, kNumberBytes / 4> words{};
  store_scalar(*value->known, reinterpret_cast<std::byte*>(words.data()), 0);
  const auto bytes = static_cast<size_t>(storage_bytes(value->known->dtype));
  auto stored = std::make_shared<DeviceStorage>(device_.memory().allocate(kNumberBytes), Faults{});
  for (size_t i = 0; 4 * i < bytes; ++i) {
    device_.queue().fill(*stored->block, 4 * i, 4, words[i]);
  }
  stored->known = value->known;
  return stored;
}

std::vector<StorageRef> Executor::run(const Function& function, std::vector<StorageRef> arguments) {
  Numbers numbers;
  for (const StorageRef& argument : arguments) numbers.push_back(argument->is_number());
  return run(maker_.of(function, numbers), std::move(arguments));
}

std::vector<StorageRef> Executor::run(const Program& program, std::vector<StorageRef> arguments) {
  Frame frame(program.values);
  if (!program.scalars.is_empty()) {
    std::vector<std::optional<Scalar>> known;
    for (const StorageRef& argument : arguments) {
      known.push_back(argument ? argument->known : std::nullopt);
    }
    frame.scalars = program.scalars.run(known);
  }
  for (const auto& [position, node] : program.captures) {
    frame.bind(position, share_storage(stored(*node)));
  }
  for (size_t i = 0; i < arguments.size(); ++i) {
    const Position p = program.parameters[i];
    if (p >= 0) frame.bind(p, std::move(arguments[i]));
  }
  run(program, frame, options().donate, true);
  std::vector<StorageRef> results;
  for (size_t i = 0; i < program.results.size(); ++i) {
    const Position p = program.results[i];
    const auto known = static_cast<size_t>(program.known_results[i]);
    results.push_back(p >= 0 ? frame.share(p) : make_number(*frame.scalars[known]));
  }
  return results;
}

void Executor::run(const Program& program, Frame& frame, bool donates, bool drops) {
  const InPhase recording(profiler_, Phase::record);
  const UnderGate gated(recorder_, speculation_ ? speculation_->gate_of(program) : Gated());
  std::vector<Position> supplied;  // of constants that differ
  const auto supply = [&](Position p, const Node& constant) {
    const auto at = std::find_if(supplied.begin(), supplied.end(), [&](Position other) {
      return are_alike(*frame.node(other), constant);
    });
    frame.supply(p, at == supplied.end() ? in_memory(constant) : frame.share(*at));
    if (at == supplied.end()) supplied.push_back(p);
  };
  for (const Program::Step& step : program.steps) {
    const auto bind = [&](Position p) {
      Node* node = frame.node(p);
      if (node == nullptr) return;
      // Loops and branches are given numbers as such.
      const bool is_number = step.control && node->count == 1;
      const bool is_read = node->op == Op::constant && node->is_pending() && !is_number;
      if (is_read && !frame.is_supplied(p)) supply(p, *node);
      stored(*node);
    };
    if (step.begins_stretch) recorder_.begin_stretch(step, frame);
    if (step.source >= 0) {
      bind(step.source);
      frame.store(step.outputs[0].root, frame.share(step.source));
      // What reads the alias may then take over the storage.
      if (donates || drops) {
        for (Position p : step.last_reads) frame.give_up(p);
      }
      continue;
    }
    for (Position operand : step.operands) bind(operand);
    if (step.control) {
      frame.temporaries = {};
      run_control(step, frame, donates);
    } else {
      recorder_.kernels(step, frame, donates);
    }
    if (!drops) continue;
    for (Position p : step.last_reads) frame.give_up(p);
  }
}

}  // namespace nxv::runtime
