#pragma once

#include "runtime/session.h"

namespace nxv::tools {

using runtime::Session;

}  // namespace nxv::tools
