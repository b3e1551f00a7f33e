#include "trial.h"

#include <chrono>
#include <thread>

#include "capi/handles.h"

namespace nxv::faults {
namespace {

using namespace std::chrono_literals;

// Elements of any type: bytes of which none make a float that is not finite.
std::vector<std::byte> elements(size_t bytes, uint32_t seed) {
  std::vector<std::byte> list(bytes);
  uint32_t x = seed * 2654435761u + 1;
  for (size_t i = 0; i < bytes; ++i) {
    x = x * 1664525u + 1013904223u;
    list[i] = static_cast<std::byte>(i % 4 == 3 ? 0x3f : x >> 24);
  }
  return list;
}

}  // namespace

Trial::~Trial() {
  release();
  if (engine_ != nullptr && !borrows_engine_) nxv_engine_close(engine_);
}

void Trial::note(const char* what, nxv_status status, const char* message, std::string bytes) {
  if (message == nullptr) message = status == NXV_OK ? "" : nxv_last_error();
  outcomes_.push_back(
      {name_ + what + ' ' + std::to_string(outcomes_.size()), status, std::move(bytes), message});
  if (status != NXV_OK) throw Stop();
}

nxv_tensor* Trial::keep(const char* what, nxv_status status, nxv_tensor* made) {
  if (made != nullptr) tensors_.push_back(made);
  note(what, status);
  return made;
}

void Trial::open() {
  auto handle = std::make_unique<nxv_engine>();
  const nxv_status status =
      in_library([&] { return capi::guarded([&] { handle->engine = open_(); }); });
  if (status == NXV_OK) engine_ = handle.release();
  note("open", status);
}

void Trial::close() {
  note("close", in_library([&] { return nxv_engine_close(std::exchange(engine_, nullptr)); }));
}

nxv_tensor* Trial::upload(nxv_dtype type, const std::vector<int64_t>& shape, uint32_t seed) {
  int64_t count = 1;
  for (const int64_t d : shape) count *= d;
  Upload& u = uploads_.emplace_back();
  u.bytes = elements(nxv_host_bytes(type, count), seed);
  nxv_tensor* made = nullptr;
  const nxv_status status = in_library([&] {
    return nxv_from_host(
        engine_, type, static_cast<int>(shape.size()), shape.data(), u.bytes.data(), u.bytes.size(),
        [](void* context) { ++static_cast<Upload*>(context)->releases; }, &u, &made);
  });
  return keep("upload", status, made);
}

nxv_tensor* Trial::iota(nxv_dtype type, const std::vector<int64_t>& shape) {
  nxv_tensor* made = nullptr;
  const nxv_status status = in_library([&] {
    return nxv_iota(engine_, type, static_cast<int>(shape.size()), shape.data(), 0, 0, &made);
  });
  return keep("iota", status, made);
}

nxv_tensor* Trial::apply(const char* op, const std::vector<nxv_tensor*>& operands) {
  nxv_tensor* made = nullptr;
  const nxv_status status = in_library([&] {
    return nxv_apply(nxv_op_find(op), static_cast<int>(operands.size()), operands.data(), &made);
  });
  return keep(op, status, made);
}

nxv_tensor* Trial::reduce(const char* op, nxv_tensor* of, std::vector<int64_t> axes) {
  nxv_tensor* made = nullptr;
  const nxv_status status = in_library([&] {
    return nxv_reduce(nxv_op_find(op), of, static_cast<int>(axes.size()), axes.data(), 0, &made);
  });
  return keep(op, status, made);
}

nxv_tensor* Trial::matmul(nxv_tensor* a, nxv_tensor* b) {
  nxv_tensor* made = nullptr;
  const nxv_status status = in_library([&] { return nxv_matmul(a, b, &made); });
  return keep("matmul", status, made);
}

nxv_tensor* Trial::parameter(nxv_dtype type, const std::vector<int64_t>& shape) {
  nxv_tensor* made = nullptr;
  const nxv_status status = in_library([&] {
    return nxv_parameter(engine_, type, static_cast<int>(shape.size()), shape.data(), &made);
  });
  return keep("parameter", status, made);
}

std::vector<nxv_tensor*> Trial::call(const char* name, const std::vector<nxv_tensor*>& operands,
                                     const std::vector<nxv_option>& options) {
  std::vector<nxv_tensor*> outs(4);
  int count = 0;
  const nxv_status status = in_library([&] {
    return nxv_call(name, static_cast<int>(operands.size()), operands.data(),
                    static_cast<int>(options.size()), options.data(), static_cast<int>(outs.size()),
                    outs.data(), &count);
  });
  outs.resize(static_cast<size_t>(count));
  tensors_.insert(tensors_.end(), outs.begin(), outs.end());
  note(name, status);
  return outs;
}

nxv_function* Trial::function(const std::vector<nxv_tensor*>& parameters,
                              const std::vector<nxv_tensor*>& results) {
  nxv_function* made = nullptr;
  const nxv_status status = in_library([&] {
    return nxv_function_create(static_cast<int>(parameters.size()), parameters.data(),
                               static_cast<int>(results.size()), results.data(), &made);
  });
  if (made != nullptr) functions_.push_back(made);
  note("function", status);
  return made;
}

std::vector<nxv_tensor*> Trial::invoke(nxv_function* function,
                                       const std::vector<nxv_tensor*>& arguments, size_t results) {
  std::vector<nxv_tensor*> outs(results);
  const nxv_status status = in_library([&] {
    return nxv_function_call(function, static_cast<int>(arguments.size()), arguments.data(),
                             outs.data());
  });
  if (status == NXV_OK) tensors_.insert(tensors_.end(), outs.begin(), outs.end());
  note("function_call", status);
  return outs;
}

void Trial::keep_text(const char* what, nxv_status status, char* text) {
  const std::string kept = text != nullptr ? text : "";
  nxv_free_text(text);
  note(what, status, nullptr, kept.empty() ? "nothing" : "text");
}

void Trial::explain(nxv_tensor* tensor) {
  char* text = nullptr;
  const nxv_status status = in_library([&] { return nxv_explain_ir(tensor, &text); });
  keep_text("explain", status, text);
}

void Trial::explain(nxv_function* function, nxv_explain_format format) {
  nxv_explain_options options{};
  options.format = format;
  char* text = nullptr;
  const nxv_status status =
      in_library([&] { return nxv_function_explain(function, &options, &text); });
  keep_text("function_explain", status, text);
}

void Trial::read(nxv_tensor* tensor, int64_t limit) {
  Read& r = reads_.emplace_back();
  const auto done = [](void* context, nxv_status status, const void* data, size_t size,
                       const char* message) {
    const OutOfLibrary scope;
    Read& answered = *static_cast<Read*>(context);
    answered.status = status;
    if (data != nullptr) answered.bytes.assign(static_cast<const char*>(data), size);
    answered.message = message;
    ++answered.answers;
  };
  const nxv_status status = in_library([&] { return nxv_read_async(tensor, limit, done, &r); });
  r.is_accepted = status == NXV_OK;
  note("read", status);
}

void Trial::wait(nxv_tensor* tensor) {
  note("wait", in_library([&] { return nxv_wait(tensor); }));
}

void Trial::deallocate(nxv_tensor* tensor) {
  note("deallocate", in_library([&] { return nxv_deallocate(tensor); }));
}

void Trial::on_threads(int count, const std::function<void(Trial&, int)>& body) {
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) {
    const std::string name = name_ + "thread " + std::to_string(i) + ": ";
    Trial& other = *others_.emplace_back(std::make_unique<Trial>(*this, name));
    threads.emplace_back([&other, &body, i] {
      try {
        body(other, i);
      } catch (const Stop&) {
        // Its outcomes tell.
      }
    });
  }
  for (std::thread& t : threads) t.join();
}

std::string Trial::settle() {
  std::string wrong;
  for (Read& r : reads_) {
    // The net has a deadline.
    while (r.is_accepted && r.answers == 0) std::this_thread::sleep_for(20us);
    const int expected = r.is_accepted ? 1 : 0;
    if (r.answers != expected)
      wrong += "a read was answered " + std::to_string(r.answers) + " times; ";
  }
  for (const auto& other : others_) wrong += other->settle();
  return wrong;
}

std::vector<Outcome> Trial::outcomes() const {
  std::vector<Outcome> all = outcomes_;
  int number = 0;
  for (const Read& r : reads_) {
    const std::string what = name_ + "answer " + std::to_string(number++);
    if (r.is_accepted) all.push_back({what, r.status, r.bytes, r.message});
  }
  for (const auto& other : others_) {
    const std::vector<Outcome> more = other->outcomes();
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

void Trial::release() {
  for (const auto& other : others_) other->release();
  for (nxv_tensor* t : tensors_) nxv_release(t);
  for (nxv_function* f : functions_) nxv_function_release(f);
  tensors_.clear();
  functions_.clear();
}

std::string Trial::leftovers() {
  std::string left;
  if (engine_ != nullptr) {
    nxv_memory_stats stats{};
    if (nxv_trim(engine_) != NXV_OK) return std::string("trim: ") + nxv_last_error();
    if (nxv_memory_stats_get(engine_, &stats) != NXV_OK) return nxv_last_error();
    if (stats.nodes != 0) left += std::to_string(stats.nodes) + " nodes are left; ";
    if (stats.in_use != 0) left += std::to_string(stats.in_use) + " bytes are left in use; ";
  }
  for (const auto& other : others_) left += other->leftovers();
  for (const Upload& u : uploads_) {
    if (u.releases != 1) left += "released " + std::to_string(u.releases) + " times; ";
  }
  return left;
}

}  // namespace nxv::faults
