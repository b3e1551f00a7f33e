// One run of a scenario: tensors that are released with it, and the answers to its reads.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "host_faults.h"
#include "nxv/nxv.h"
#include "runtime/engine.h"

namespace nxv::faults {

// Calls a function of the library; what it allocates meanwhile may fail.
template <typename F>
auto in_library(F&& function) {
  const InLibrary scope;
  return function();
}

// What came of one call or read.
struct Outcome {
  std::string what;  // no other of the trial is called so
  nxv_status status = NXV_OK;
  std::string bytes;  // of a read, or the text of an explanation
  std::string message;
};

// Thrown by what a scenario calls when that has failed: what needs its result does not follow.
struct Stop {};

class Trial {
 public:
  // Opens engines in the way of the net at hand.
  using Open = std::function<std::shared_ptr<runtime::Engine>()>;

  // `name` stands before what its outcomes are called.
  explicit Trial(Open open, std::string name = {})
      : open_(std::move(open)), name_(std::move(name)) {}
  // On the engine of another one, which keeps it.
  Trial(const Trial& other, std::string name)
      : open_(other.open_), name_(std::move(name)), engine_(other.engine_), borrows_engine_(true) {}
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;
  // Everything is released; an engine that is open is closed.
  ~Trial();

  // ---- For scenarios. All of these throw Stop when the library answers an error.

  void open();
  void close();
  nxv_engine* engine() const { return engine_; }
  nxv_tensor* upload(nxv_dtype type, const std::vector<int64_t>& shape, uint32_t seed);
  nxv_tensor* iota(nxv_dtype type, const std::vector<int64_t>& shape);
  nxv_tensor* apply(const char* op, const std::vector<nxv_tensor*>& operands);
  nxv_tensor* reduce(const char* op, nxv_tensor* of, std::vector<int64_t> axes);
  nxv_tensor* matmul(nxv_tensor* a, nxv_tensor* b);
  nxv_tensor* parameter(nxv_dtype type, const std::vector<int64_t>& shape);
  std::vector<nxv_tensor*> call(const char* name, const std::vector<nxv_tensor*>& operands,
                                const std::vector<nxv_option>& options = {});
  nxv_function* function(const std::vector<nxv_tensor*>& parameters,
                         const std::vector<nxv_tensor*>& results);
  std::vector<nxv_tensor*> invoke(nxv_function* function, const std::vector<nxv_tensor*>& arguments,
                                  size_t results);
  void explain(nxv_tensor* tensor);
  void explain(nxv_function* function, nxv_explain_format format);
  // Asks, and goes on; the answer is an outcome. Waits for it where `waits`.
  void read(nxv_tensor* tensor, int64_t limit = -1);
  void wait(nxv_tensor* tensor);
  void deallocate(nxv_tensor* tensor);

  // Runs scenarios of their own on threads beside each other.
  void on_threads(int count, const std::function<void(Trial&, int)>& body);

  // ---- For the net.

  // Waits for every answer. What went wrong beyond statuses: unanswered or answered twice, a
  // release that was not called once. "" where nothing did.
  std::string settle();
  std::vector<Outcome> outcomes() const;
  // Releases all that was made but the engine.
  void release();
  // What is left once all is released: "" where nothing is.
  std::string leftovers();
  // Those so far.
  void forget_outcomes() { outcomes_.clear(); }
  bool is_open() const { return engine_ != nullptr; }
  // Another one has closed it.
  void forget_engine() { engine_ = nullptr; }

 private:
  // Where an answer goes.
  struct Read {
    std::atomic<int> answers{0};
    bool is_accepted = false;
    nxv_status status = NXV_OK;
    std::string bytes, message;
  };
  struct Upload {
    std::vector<std::byte> bytes;
    std::atomic<int> releases{0};
  };

  void note(const char* what, nxv_status status, const char* message = nullptr,
            std::string bytes = {});
  nxv_tensor* keep(const char* what, nxv_status status, nxv_tensor* made);
  void keep_text(const char* what, nxv_status status, char* text);

  Open open_;
  const std::string name_;
  nxv_engine* engine_ = nullptr;
  bool borrows_engine_ = false;
  std::vector<nxv_tensor*> tensors_;
  std::vector<nxv_function*> functions_;
  std::list<Read> reads_;
  std::list<Upload> uploads_;
  std::vector<Outcome> outcomes_;
  std::vector<std::unique_ptr<Trial>> others_;
};

}  // namespace nxv::faults
