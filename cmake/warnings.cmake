# Of files named x_posix.cpp and x_win32.cpp the system has one: what the other's are called.
if(WIN32)
  set(NXV_OTHER_SYSTEM "_posix(_test)?\\.cpp$")
else()
  set(NXV_OTHER_SYSTEM "_win32(_test)?\\.cpp$")
endif()

# nxv_options: compile flags of every target of this project.
find_package(Threads REQUIRED)
add_library(nxv_options INTERFACE)
target_link_libraries(nxv_options INTERFACE Threads::Threads ${CMAKE_DL_LIBS})
if(MSVC)
  target_compile_options(nxv_options INTERFACE /W4 /permissive-)
else()
  # -ffp-contract=off: host reference arithmetic must round after every operation.
  target_compile_options(nxv_options INTERFACE -Wall -Wextra -ffp-contract=off)
  if(NXV_WERROR)
    target_compile_options(nxv_options INTERFACE -Werror)
  endif()
endif()
if(NXV_STATIC_RUNTIME)
  target_link_options(nxv_options INTERFACE -static-libstdc++ -static-libgcc)
endif()
if(NXV_SANITIZE)
  target_compile_options(nxv_options INTERFACE -fsanitize=${NXV_SANITIZE} -fno-omit-frame-pointer
                                               -fno-sanitize-recover=undefined)
  target_link_options(nxv_options INTERFACE -fsanitize=${NXV_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Instrumented code hides initialisations from this analysis (GCC bug 105562); builds without
    # sanitizers keep it.
    target_compile_options(nxv_options INTERFACE -Wno-maybe-uninitialized)
  endif()
endif()

find_program(NXV_CCACHE ccache)
if(NXV_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${NXV_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${NXV_CCACHE})
endif()
