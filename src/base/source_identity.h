// Which sources this library was built of: a digest, made by cmake/source_identity.cmake.
#pragma once

namespace nxv {

const char* source_identity();
const char* version();  // 1.2.3

}  // namespace nxv
