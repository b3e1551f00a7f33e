# nxv, the shared library: the C ABI and nothing else is exported. Users find it with
# find_package(nxv) and link nxv::nxv, or by -lnxv.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

file(GLOB capi CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/capi/*.cpp)
list(FILTER capi EXCLUDE REGEX "_test\\.cpp$")
add_library(nxv SHARED ${capi})
target_link_libraries(nxv PRIVATE nxv_core)
target_compile_definitions(nxv PRIVATE NXV_BUILD)
target_include_directories(nxv INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                         $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
set_target_properties(nxv PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
if(UNIX AND NOT APPLE)
  target_link_options(nxv PRIVATE -Wl,--version-script=${PROJECT_SOURCE_DIR}/cmake/nxv.map)
  # Whoever unloads it without closing its engines leaves their threads behind: it stays.
  target_link_options(nxv PRIVATE -Wl,-z,nodelete)
  set_target_properties(nxv PROPERTIES LINK_DEPENDS ${PROJECT_SOURCE_DIR}/cmake/nxv.map)
endif()

install(TARGETS nxv EXPORT nxv_targets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
foreach(header nxv.h nxv.hpp function.hpp library.hpp operations.hpp tensor.hpp)
  list(APPEND NXV_HEADERS ${PROJECT_SOURCE_DIR}/include/nxv/${header})
endforeach()
install(FILES ${NXV_HEADERS}
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/nxv)
install(EXPORT nxv_targets NAMESPACE nxv:: FILE nxvConfig.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/nxv)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/nxvConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/nxvConfigVersion.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/nxv)
# pkg-config: found by its own place, so that the folder may be moved.
file(RELATIVE_PATH NXV_PREFIX_FROM_PC /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(${PROJECT_SOURCE_DIR}/cmake/nxv.pc.in ${PROJECT_BINARY_DIR}/nxv.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/nxv.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
