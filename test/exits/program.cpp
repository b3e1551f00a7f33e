// Ends, in the way that it is told, while an engine is at work. The way and the status to end with:
//   program return    exits with 3
//   program           prints the names of all ways
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "nxv/nxv.hpp"

namespace {

constexpr int kStatus = 3;

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "program: %s (%s)\n", what, nxv_last_error());
  std::fflush(stderr);
  std::_Exit(100);
}

nxv::Tensor random(nxv::Engine& engine, uint64_t seed) {
  return engine.random_uniform({300, 300}, seed);
}

// Starts 200 evaluations of products, without waiting for any.
std::vector<nxv::Tensor> start_work(nxv::Engine& engine) {
  const nxv::Tensor a = random(engine, 1);
  std::vector<nxv::Tensor> results;
  for (int i = 0; i < 200; ++i) {
    results.push_back(nxv::matmul(a, random(engine, static_cast<uint64_t>(i))));
    results.back().evaluate();
  }
  return results;
}

// Never destroyed: what ends the process is told elsewhere.
nxv::Engine& working_engine() {
  static auto* const engine = new nxv::Engine();
  static auto* const results = new std::vector<nxv::Tensor>(start_work(*engine));
  static_cast<void>(results);
  return *engine;
}

// Ends the process when it has got the answer, if any. `status` as exit() takes it.
using Answer = void (*)(void*, nxv_status, const void*, size_t, const char*);
void read_async(const nxv::Tensor& t, Answer answer, void* context) {
  if (nxv_read_async(t.get(), -1, answer, context) != NXV_OK) fail("no read");
}
void ignore(void*, nxv_status, const void*, size_t, const char*) {}

[[noreturn]] void wait_for_ever() {
  for (;;) std::this_thread::sleep_for(std::chrono::seconds(1));
}

// ---- Ways to end; main returns what they return ----

int idle() {
  nxv::Engine engine;
  if (random(engine, 1).to_vector<float>().size() != 90000) fail("no value");
  static auto* const kept = new nxv::Engine(engine);
  static_cast<void>(kept);
  return kStatus;
}

int returns() {
  working_engine();
  return kStatus;
}

int exits() {
  working_engine();
  std::exit(kStatus);
}

int closes() {
  nxv::Engine engine;
  start_work(engine);
  return kStatus;
}

int reads() {
  nxv::Engine& engine = working_engine();
  for (const nxv::Tensor& t : start_work(engine)) read_async(t, ignore, nullptr);
  return kStatus;
}

int from_thread() {
  nxv::Engine& engine = working_engine();
  std::thread([] {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    std::exit(kStatus);
  }).detach();
  // A read that fails because the process ends must not be what ends it.
  for (uint64_t seed = 0;; ++seed) nxv::matmul(random(engine, seed), random(engine, seed)).bytes();
}

int from_answer() {
  static auto* const engine = new nxv::Engine();
  const auto end = [](void*, nxv_status, const void*, size_t, const char*) { std::exit(kStatus); };
  read_async(nxv::matmul(random(*engine, 1), random(*engine, 2)), end, nullptr);
  for (;;) start_work(*engine);
}

// An upload's bytes are released by the thread that does the engine's work.
int from_release() {
  static const std::vector<float> values(1 << 20);
  static auto* const engine = new nxv::Engine();
  nxv_engine_options options = nxv::Engine::defaults();
  nxv_engine* raw = nullptr;
  if (nxv_engine_open(&options, &raw) != NXV_OK) fail("no engine");
  start_work(*engine);
  const auto count = static_cast<int64_t>(values.size());
  nxv_tensor* t = nullptr;
  nxv_from_host(
      raw, NXV_F32, 1, &count, values.data(), values.size() * 4, [](void*) { std::exit(kStatus); },
      nullptr, &t);
  wait_for_ever();
}

int quick() {
  working_engine();
  std::quick_exit(kStatus);
}

int two_engines() {
  static auto* const other = new nxv::Engine();
  static auto* const results = new std::vector<nxv::Tensor>(start_work(*other));
  static_cast<void>(results);
  working_engine();
  return kStatus;
}

// New kernels all the time.
int compiling() {
  static auto* const engine = new nxv::Engine();
  nxv::Tensor x = random(*engine, 1);
  nxv::Tensor chain = x;
  for (int i = 0; i < 12; ++i) {
    chain = i % 2 == 0 ? nxv::sin(chain) : nxv::exp(chain) + x;
    nxv::sum(chain, {i % 2}).evaluate();
    nxv::transpose(chain).evaluate();
  }
  return kStatus;
}

int opening() {
  working_engine();
  std::thread([] {
    for (;;) {
      try {
        nxv::Engine engine;
        start_work(engine);
      } catch (const nxv::Exception&) {
        // The process ends.
      }
    }
  }).detach();
  std::this_thread::sleep_for(std::chrono::milliseconds(std::rand() % 200));
  return kStatus;
}

int closing() {
  static auto* const engine = new std::unique_ptr<nxv::Engine>(new nxv::Engine());
  start_work(**engine);
  std::thread([] { engine->reset(); }).detach();
  return kStatus;
}

// The answer waits for what the thread that exits has locked.
std::mutex& held() {
  static auto* const mutex = new std::mutex;
  return *mutex;
}
int blocked_answer() {
  nxv::Engine& engine = working_engine();
  held().lock();
  const auto block = [](void*, nxv_status, const void*, size_t, const char*) { held().lock(); };
  read_async(nxv::matmul(random(engine, 1), random(engine, 2)), block, nullptr);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  return kStatus;
}

// Destroyed after the exit handlers of the library and of the driver: it was there before them.
struct Global {
  std::unique_ptr<nxv::Engine> engine;
  std::vector<nxv::Tensor> results;
  std::thread reader;
  bool reads = false, opens = false;
  ~Global() {
    if (reads) {
      try {
        results.at(0).to_vector<float>();
        fail("a value without a device");
      } catch (const nxv::Exception& e) {
        if (e.status() != NXV_DEVICE_LOST) fail(e.what());
      }
    }
    if (opens) {
      try {
        nxv::Engine late;
        fail("a device at the end of the process");
      } catch (const nxv::Exception&) {
      }
    }
    if (reader.joinable()) reader.join();
  }
};
Global global;

int global_engine() {
  global.engine = std::make_unique<nxv::Engine>();
  global.results = start_work(*global.engine);
  return kStatus;
}

int late_use() {
  global_engine();
  global.reads = global.opens = true;
  return kStatus;
}

// The end of the process waits for a thread that waits for a value.
int joined_reader() {
  global_engine();
  global.reader = std::thread([] {
    try {
      for (uint64_t i = 0;; ++i) nxv::matmul(global.results[0], random(*global.engine, i)).bytes();
    } catch (const nxv::Exception&) {
    }
  });
  return kStatus;
}

// A child ends by itself, and its parent goes on.
int child() {
  nxv::Engine& engine = working_engine();
  const nxv::Tensor result = nxv::matmul(random(engine, 1), random(engine, 2));
  const pid_t pid = fork();
  if (pid == 0) {
    if (nxv_wait(result.get()) != NXV_DEVICE_LOST) fail("a value without the engine's threads");
    std::exit(kStatus);
  }
  int status = 0;
  if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != kStatus) {
    fail("the child did not end as it wanted to");
  }
  if (result.to_vector<float>().size() != 90000) fail("no value beside a child");
  return kStatus;
}

struct Way {
  const char* name;
  int (*end)();
};
constexpr Way kWays[] = {
    {"idle", idle},
    {"return", returns},
    {"exit", exits},
    {"close", closes},
    {"reads", reads},
    {"exit-from-thread", from_thread},
    {"exit-from-answer", from_answer},
    {"exit-from-release", from_release},
    {"quick-exit", quick},
    {"two-engines", two_engines},
    {"compiling", compiling},
    {"opening", opening},
    {"closing", closing},
    {"blocked-answer", blocked_answer},
    {"global-engine", global_engine},
    {"late-use", late_use},
    {"joined-reader", joined_reader},
    {"child", child},
};

}  // namespace

int main(int count, char** arguments) {
  std::srand(static_cast<unsigned>(time(nullptr)) ^ static_cast<unsigned>(clock()));
  for (const Way& way : kWays) {
    if (count < 2) {
      std::puts(way.name);
    } else if (std::strcmp(arguments[1], way.name) == 0) {
      return way.end();
    }
  }
  return count < 2 ? 0 : 100;
}
