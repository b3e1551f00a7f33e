// Snapshots of devices as JSON: what `nxv info --json` prints and `nxv kernels --plan` reads.
#pragma once

#include <nlohmann/json.hpp>

#include "plan/snapshot.h"

namespace nxv::tools {

nlohmann::json to_json(const plan::Snapshot& snapshot);

// The snapshot with those members that `changes` has in their place; lists as a whole. Throws
// Error(invalid_argument) naming a member that snapshots have not, or one of the wrong type.
plan::Snapshot amended(const plan::Snapshot& snapshot, const nlohmann::json& changes);

}  // namespace nxv::tools
