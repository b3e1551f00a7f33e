// Pending views that may come to hold on to values much larger than they are: a view that is not
// computed yet keeps its input alive. When nothing else needs the input, the view is worth a copy.
#pragma once

#include <mutex>
#include <vector>

#include "graph/node.h"

namespace nxv::runtime {

class ViewWatch {
 public:
  // A node that was just built, by the thread that built it.
  void add(const NodeRef& node);
  // Lets go of views that are stored or that nobody else refers to. On the engine's thread, as all
  // that follows.
  void forget();
  // Views that should be stored now: nothing else refers to their input, which is stored and takes
  // more than kRatio times the bytes of all views of it together.
  std::vector<NodeRef> take_due();

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
