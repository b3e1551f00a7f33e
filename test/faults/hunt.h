// Goes through every place where something can fail in every scenario. What a failure may do to the
// process that it happens in, end it or have it wait for ever, is seen from another process.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "scenarios.h"

namespace nxv::faults {

// A kind of fault. Places are numbered, by the calls of a run without faults.
class Net {
 public:
  virtual ~Net() = default;
  // Kinds of faults that places are gone through with, each for itself.
  virtual int kinds() const = 0;
  virtual std::string name(int kind) const = 0;
  // Kinds of one family have the same places.
  virtual int family(int kind) const { return kind; }
  // How engines are opened for the scenario with faults of this kind.
  virtual std::shared_ptr<runtime::Engine> open(const Scenario& scenario, int kind) = 0;
  virtual void arm(int kind, int place) = 0;
  // Faults that no place has: what is counted meanwhile are places.
  virtual void arm_nothing() = 0;
  virtual void disarm() = 0;
  // Since the last of these.
  virtual int places(int kind) const = 0;
  virtual std::string place_name(int kind, int place) const = 0;
  // Every so many-th place of a kind is gone to where all are asked for.
  virtual int stride(int kind) const {
    static_cast<void>(kind);
    return 1;
  }
  virtual int fired() const = 0;
  // Whether an answer may have that status when a fault of the kind has fired.
  virtual bool may_answer(int kind, nxv_status status) const = 0;
  // Whether the engine must go on after such answers, or may be lost.
  virtual bool goes_on(int kind, const std::vector<Outcome>& outcomes) const = 0;
};

struct Tally {
  int cases = 0;
  int fired = 0;     // cases in which something was made to fail
  int answered = 0;  // of those, in which an error was answered; in the others nobody noticed
  std::vector<std::string> failures;
  bool has_device = true;
};

// Every `stride`-th of the places of every kind, that the net would go to.
Tally hunt(Net& net, const Scenario& scenario, int stride);

}  // namespace nxv::faults
