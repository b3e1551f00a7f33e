// Where boxes of a directed acyclic graph go in a picture: in layers, each below what it depends
// on.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace nxv::runtime {

struct Placed {
  double width = 0, height = 0;    // given
  std::vector<size_t> depends_on;  // given: earlier boxes, each once
  double x = 0, y = 0;             // of the upper left corner
};

struct Point {
  double x, y;
};

struct LayeredGraph {
  double width = 0, height = 0;
  // For each dependency, in the order of boxes: the points through which a line goes, from below
  // the box that is depended on to above the one that depends. Between points of one x that line
  // passes other boxes.
  std::vector<std::vector<Point>> lines;
};

// Places the boxes. A line that passes layers takes room in them, as a narrow box would.
LayeredGraph place(std::vector<Placed>& boxes);

}  // namespace nxv::runtime
