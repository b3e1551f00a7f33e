#include "hunt.h"

#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

namespace nxv::faults {
namespace {

// Without a sign of life for so long a child hangs.
constexpr int kDeadlineMilliseconds = 10'000;
// Beyond these a scenario is given up.
constexpr size_t kMaxFailures = 40;

// ---- The child ----

// What a run without faults answers.
using Expected = std::map<std::string, std::string>;

std::string describe(const Outcome& o) {
  return o.what + ": " + nxv_status_name(o.status) + " (" + o.message + ")";
}

class Child {
 public:
  Child(Net& net, const Scenario& scenario, int out) : net_(net), scenario_(scenario), out_(out) {}

  // From a place of a kind on.
  void run(int kind, int place, int sample) {
    int places = 0;
    for (int learned = -1; kind < net_.kinds(); ++kind, place = 0) {
      const int stride = sample * net_.stride(kind);
      if (net_.family(kind) != learned) places = learn(kind);
      learned = net_.family(kind);
      if (places < 0) return;
      // Places of different kinds are not the same ones, and each kind has one.
      if (place == 0) place = kind * 7 % std::max(std::min(stride, places), 1);
      for (; place < places; place += stride) {
        tell("at " + std::to_string(kind) + ' ' + std::to_string(place) + ' ' +
             net_.place_name(kind, place));
        const std::string wrong = check(kind, place);
        const int fired = net_.fired();
        tell((wrong.empty() ? "well " : "wrong ") + std::to_string(fired > 0) + ' ' +
             std::to_string(has_answered_) + ' ' + wrong);
      }
    }
    tell("end");
  }

 private:
  void tell(std::string line) {
    for (char& c : line) c = c == '\n' ? ' ' : c;
    line += '\n';
    if (write(out_, line.data(), line.size()) < 0) std::_Exit(1);
  }

  std::unique_ptr<Trial> make_trial(int kind) {
    auto trial = std::make_unique<Trial>([this, kind] { return net_.open(scenario_, kind); });
    if (scenario_.has_engine) trial->open();
    trial->forget_outcomes();
    return trial;
  }
  void run(Trial& trial) {
    try {
      scenario_.run(trial);
    } catch (const Stop&) {
      // The outcomes tell.
    }
  }

  // The places of a kind; -1 where there is no device.
  int learn(int kind) {
    expected_.clear();
    int places = 0;
    // The second run finds what the first one has put into caches.
    for (int i = 0; i < 2; ++i) {
      std::unique_ptr<Trial> trial;
      try {
        trial = make_trial(kind);
      } catch (const Stop&) {
        tell("device");
        return -1;
      }
      net_.arm_nothing();
      run(*trial);
      const std::string wrong = trial->settle();
      trial->release();
      net_.disarm();
      places = net_.places(kind);
      for (const Outcome& o : trial->outcomes()) {
        if (o.status == NXV_NO_DEVICE) {
          tell("device");
          return -1;
        }
        if (o.status != NXV_OK) tell("wrong 0 0 without a fault: " + describe(o));
        expected_[o.what] = o.bytes;
      }
      if (!wrong.empty()) tell("wrong 0 0 without a fault: " + wrong);
    }
    return places;
  }

  // What is wrong with a run with a fault and with what comes after it.
  std::string check(int kind, int place) {
    has_answered_ = false;
    const std::unique_ptr<Trial> trial = make_trial(kind);
    net_.arm(kind, place);
    run(*trial);
    std::string wrong = trial->settle();
    trial->release();
    net_.disarm();
    const std::vector<Outcome> outcomes = trial->outcomes();
    for (const Outcome& o : outcomes) {
      if (o.status == NXV_OK && o.bytes == expected_[o.what]) continue;
      has_answered_ = true;
      if (o.status == NXV_OK)
        wrong += o.what + ": other bytes; ";
      else if (net_.fired() == 0 || !net_.may_answer(kind, o.status))
        wrong += describe(o) + "; ";
    }
    if (trial->is_open()) wrong += go_on(*trial, net_.goes_on(kind, outcomes));
    return wrong + reopen(kind);
  }

  // On the same engine; one that need not go on answers what is right, or that it is lost.
  std::string go_on(Trial& before, bool must) {
    std::string wrong = must ? before.leftovers() : "";
    if (!scenario_.has_engine) return wrong;
    Trial again(before, {});
    wrong += expect_right(again, "then ", must);
    if (!again.is_open()) before.forget_engine();
    return wrong;
  }
  std::string reopen(int kind) {
    try {
      const std::unique_ptr<Trial> trial = make_trial(kind);
      return expect_right(*trial, "reopened ", true);
    } catch (const Stop&) {
      return std::string("no other engine opens: ") + nxv_last_error();
    }
  }
  std::string expect_right(Trial& trial, const std::string& when, bool must) {
    run(trial);
    std::string wrong = trial.settle();
    for (const Outcome& o : trial.outcomes()) {
      if (o.status != NXV_OK) {
        if (must || o.status != NXV_DEVICE_LOST) wrong += when + describe(o) + "; ";
      } else if (o.bytes != expected_[o.what]) {
        wrong += when + o.what + ": other bytes; ";
      }
    }
    trial.release();
    return must ? wrong + trial.leftovers() : wrong;
  }

  Net& net_;
  const Scenario& scenario_;
  const int out_;
  Expected expected_;
  bool has_answered_ = false;
};

// ---- The parent ----

struct Process {
  pid_t id = -1;
  int in = -1;
};

Process start(Net& net, const Scenario& scenario, int kind, int place, int stride) {
  int ends[2];
  if (pipe(ends) != 0) return {};
  std::fflush(nullptr);
  const pid_t id = fork();
  if (id != 0) {
    close(ends[1]);
    return {id, ends[0]};
  }
  close(ends[0]);
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  Child(net, scenario, ends[1]).run(kind, place, stride);
  std::_Exit(0);
}

// Lines of a child, until it has none or is silent for too long.
class Lines {
 public:
  explicit Lines(int in) : in_(in) {}
  bool next(std::string& line) {
    size_t end = 0;
    while ((end = buffer_.find('\n')) == std::string::npos) {
      pollfd readable{in_, POLLIN, 0};
      if (poll(&readable, 1, kDeadlineMilliseconds) <= 0) {
        is_silent = true;
        return false;
      }
      char bytes[4096];
      const ssize_t n = read(in_, bytes, sizeof bytes);
      if (n <= 0) return false;
      buffer_.append(bytes, static_cast<size_t>(n));
    }
    line = buffer_.substr(0, end);
    buffer_.erase(0, end + 1);
    return true;
  }
  bool is_silent = false;

 private:
  const int in_;
  std::string buffer_;
};

}  // namespace

Tally hunt(Net& net, const Scenario& scenario, int stride) {
  Tally tally;
  int kind = 0, place = 0;
  for (bool is_over = false; !is_over && tally.failures.size() < kMaxFailures;) {
    const Process child = start(net, scenario, kind, place, stride);
    if (child.id < 0) {
      tally.failures.emplace_back("no process can be started");
      return tally;
    }
    Lines lines(child.in);
    bool is_at_work = false;
    std::string name = "before";
    const auto fail = [&](const std::string& what) {
      tally.failures.push_back(std::string(scenario.name) + ", " + net.name(kind) + ", " + name +
                               ": " + what);
    };
    for (std::string line; tally.failures.size() < kMaxFailures && lines.next(line);) {
      int fired = 0, answered = 0, used = 0;
      if (std::sscanf(line.c_str(), "at %d %d %n", &kind, &place, &used) == 2) {
        name = line.substr(static_cast<size_t>(used));
        is_at_work = true;
        ++tally.cases;
      } else if (std::sscanf(line.c_str(), "%*s %d %d %n", &fired, &answered, &used) == 2) {
        is_at_work = false;
        tally.fired += fired;
        tally.answered += answered;
        if (line[1] == 'r') fail(line.substr(static_cast<size_t>(used)));
      } else {
        is_over = true;
        tally.has_device = line != "device";
      }
    }
    if (!is_over) kill(child.id, SIGKILL);
    int status = 0;
    waitpid(child.id, &status, 0);
    close(child.in);
    if (is_over || tally.failures.size() >= kMaxFailures) break;
    const int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    fail(lines.is_silent ? "hangs" : "ends the process: " + std::string(strsignal(signal)));
    if (!is_at_work) break;  // without a fault
    tally.fired += 1;
    place += stride * net.stride(kind);
  }
  return tally;
}

}  // namespace nxv::faults
