// Sorts and scans on whole tensors.
#pragma once

#include "testing/reference/reference.h"

namespace nxv::reference {

HostTensor evaluate_scan(const Node& node, const HostTensor& x);
HostTensor evaluate_sort(const Node& node, const HostTensor& x);  // sort and argsort

}  // namespace nxv::reference
