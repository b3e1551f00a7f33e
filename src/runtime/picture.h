// A program as a picture.
#pragma once

#include <string>

#include "runtime/description.h"

namespace nxv::runtime {

// An SVG document that needs nothing else. Each step is a card below those whose results it reads,
// lines are values; loops and branches have the programs that they call inside. Layers follow the
// longest way from the arguments; within a layer cards are ordered by the mean place of their
// neighbours (Sugiyama, Tagawa and Toda, 1981).
std::string to_svg(const ProgramDescription& program);

}  // namespace nxv::runtime
