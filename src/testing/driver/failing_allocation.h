// Makes an allocation of the calling thread fail on purpose. A program that includes this has
// operators new and delete of its own.
#pragma once

#include <cstddef>

namespace nxv::testing {

// The n-th `new` of this thread from now on, counted from 0, and those after it throw
// std::bad_alloc; n < 0: none does.
void fail_allocation(int n);
// Whether one was made to fail, or would be the next.
bool is_failing_allocation();

}  // namespace nxv::testing
