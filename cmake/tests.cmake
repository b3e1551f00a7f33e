# One test program per folder of src/, from the *_test.cpp files that stand beside the source, and
# one of test/device: calls from end to end, on whatever device is there.
include(GoogleTest)
set(timeout 1200)  # seconds
if(NXV_SANITIZE)
  set(timeout 14400)
endif()

# Drops test files that include what needs a library which is not there, and says so.
function(nxv_leave_out list)
  if(NXV_TEST_LIBRARIES)
    return()
  endif()
  set(kept "")
  foreach(test ${${list}})
    file(STRINGS ${test} needs REGEX "#include \"(testing/(numbers/accuracy|driver/assemble)|vulkan/device_fixture_test)\\.h\"")
    if(needs)
      file(RELATIVE_PATH name ${PROJECT_SOURCE_DIR} ${test})
      message(STATUS "Without MPFR and SPIRV-Tools, left out: ${name}")
    else()
      list(APPEND kept ${test})
    endif()
  endforeach()
  set(${list} ${kept} PARENT_SCOPE)
endfunction()

file(GLOB folders RELATIVE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/src/*)
foreach(folder ${folders} device)
  set(place ${PROJECT_SOURCE_DIR}/src/${folder})
  if(folder STREQUAL "device")
    set(place ${PROJECT_SOURCE_DIR}/test/device)
  endif()
  file(GLOB_RECURSE tests CONFIGURE_DEPENDS ${place}/*_test.cpp)
  list(FILTER tests EXCLUDE REGEX "${NXV_OTHER_SYSTEM}")
  nxv_leave_out(tests)
  if(tests)
    set(target nxv_${folder}_test)
    add_executable(${target} ${tests})
    target_link_libraries(${target} PRIVATE nxv_core nxv_testing GTest::gtest_main)
    # A program is one ctest entry, for a device opens once per process; the long ones are two.
    set(parts 1)
    if(folder MATCHES "^(kernels|device)$")
      set(parts 2)
    endif()
    foreach(part RANGE 1 ${parts})
      math(EXPR index "${part} - 1")
      set(test ${folder})
      if(parts GREATER 1)
        set(test ${folder}_${part})
      endif()
      add_test(NAME ${test} COMMAND ${target} --gtest_brief=1)
      set_tests_properties(${test} PROPERTIES TIMEOUT ${timeout} COST ${parts}
        ENVIRONMENT "GTEST_TOTAL_SHARDS=${parts};GTEST_SHARD_INDEX=${index}")
    endforeach()
  endif()
endforeach()

# Of the tools, what is not seen by using them.
if(TARGET nxv-cli)
  file(GLOB tests CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tools/nxv/*_test.cpp)
  set(place ${PROJECT_SOURCE_DIR}/tools/nxv)
  add_executable(nxv_tools_test ${tests} ${place}/bench_comparison.cpp ${place}/bench_peers.cpp
                                ${place}/compiled_kernel.cpp
                                ${place}/snapshot_json.cpp ${place}/survey.cpp)
  target_link_libraries(nxv_tools_test PRIVATE nxv_core nxv_testing GTest::gtest_main)
  add_test(NAME tools COMMAND nxv_tools_test --gtest_brief=1)
endif()

# docs/environment.md and docs/operations.md say what the code says.
set_source_files_properties(${PROJECT_SOURCE_DIR}/src/base/env_test.cpp PROPERTIES
  COMPILE_DEFINITIONS "NXV_ENVIRONMENT_PAGE=\"${PROJECT_SOURCE_DIR}/docs/environment.md\"")

# What the NIF calls on ordinary schedulers is tested without it. Sanitizers tidy up now and then.
set(milliseconds 1)
if(NXV_SANITIZE)
  set(milliseconds 20)
endif()
set_source_files_properties(${PROJECT_SOURCE_DIR}/src/capi/every_function_test.cpp PROPERTIES
  COMPILE_DEFINITIONS NXV_HEADER="${PROJECT_SOURCE_DIR}/include/nxv/nxv.h")
set_source_files_properties(${PROJECT_SOURCE_DIR}/src/capi/latency_posix_test.cpp PROPERTIES
  COMPILE_DEFINITIONS
    "NXV_NIF_FOLDER=\"${PROJECT_SOURCE_DIR}/nif\";NXV_LATENCY_MS=${milliseconds}")
if(TARGET nxv-cli)
  add_test(NAME check_operations_page
           COMMAND nxv-cli operations --check ${PROJECT_SOURCE_DIR}/docs/operations.md)
endif()

# What is installed serves find_package(nxv). A sanitized library needs sanitized users, one that was
# cross-compiled other users than this machine's.
if(NOT NXV_SANITIZE AND NOT CMAKE_CROSSCOMPILING)
  add_test(NAME check_install
           COMMAND ${CMAKE_COMMAND} -D BUILD=${PROJECT_BINARY_DIR}
                   -D EXAMPLES=${PROJECT_SOURCE_DIR}/examples
                   -D WORK=${PROJECT_BINARY_DIR}/install_test
                   -P ${PROJECT_SOURCE_DIR}/cmake/install_test.cmake)
endif()

if(UNIX)
  add_subdirectory(${PROJECT_SOURCE_DIR}/test/exits ${PROJECT_BINARY_DIR}/test/exits)
endif()
# It needs fork and GNU's way of linking.
if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
  add_subdirectory(${PROJECT_SOURCE_DIR}/test/faults ${PROJECT_BINARY_DIR}/test/faults)
endif()
