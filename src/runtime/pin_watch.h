// Pending values that may hold on to values much larger than they are: what is not computed yet
// keeps its inputs alive. A view is worth a copy when nothing else needs its input; a reduction
// would rather be computed together with what reads it, and waits until memory is short.
#pragma once

#include <mutex>
#include <utility>
#include <vector>

#include "graph/node.h"

namespace nxv::runtime {

class PinWatch {
 public:
  // A node that was just built, by the thread that built it.
  void add(const NodeRef& node);
  // Lets go of nodes that are stored or that nobody else refers to. On the engine's thread, as all
  // that follows.
  void forget();
  // Views that should be stored now: nothing else refers to their input, which is stored and takes
  // more than kRatio times the bytes of all views of it together.
  std::vector<NodeRef> take_due();
  // All that is watched and can be computed.
  std::vector<NodeRef> take_all();

  // Lets go of all; nothing is added any more.
  void close();

  static constexpr int64_t kRatio = 4;

 private:
  std::mutex mutex_;
  bool closed_ = false;
  std::vector<NodeRef> added_;
  std::vector<NodeRef> watched_;  // the engine's thread
};

}  // namespace nxv::runtime
