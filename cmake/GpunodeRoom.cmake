# Headers that nearly every file reads, read once: a quarter of a build from
# nothing went into reading them again. What a file includes is still its own
# affair: tools/lint reads every file that changed without them, and
# GPUNODE_PRECOMPILE=OFF builds without (the tsan preset does). g++ has them for
# tests alone: of optimised code out of a precompiled header its version 12 warns
# where there is nothing (GCC's bug 105329 and its kin).
option(GPUNODE_PRECOMPILE "Read common headers once" ON)
set(precompiled_sets tests)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  set(precompiled_options -fpch-preprocess)  # ccache sees what was read.
else()
  set(precompiled_options -Xclang -fno-pch-timestamp)
  list(APPEND precompiled_sets rooms commands)
endif()
if(NOT GPUNODE_PRECOMPILE)
  set(precompiled_sets "")
endif()
function(gpunode_precompile name)
  cmake_parse_arguments(ARG "" "" "OPTIONS;LIBRARIES;HEADERS" ${ARGN})
  if(NOT name IN_LIST precompiled_sets)
    return()
  endif()
  file(WRITE "${CMAKE_BINARY_DIR}/precompiled_${name}.cc" "")
  add_library(precompiled_${name} OBJECT "${CMAKE_BINARY_DIR}/precompiled_${name}.cc")
  set_target_properties(precompiled_${name} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(precompiled_${name} PRIVATE ${ARG_OPTIONS} ${precompiled_options})
  target_link_libraries(precompiled_${name} PRIVATE ${ARG_LIBRARIES})
  target_precompile_headers(precompiled_${name} PRIVATE ${ARG_HEADERS})
endfunction()

set(common_headers <algorithm> <array> <chrono> <filesystem> <functional> <map> <memory> <optional>
    <set> <span> <string> <string_view> <utility> <variant> <vector> <fmt/format.h>
    <fmt/ranges.h> "${CMAKE_SOURCE_DIR}/src/base/core/result.h")
# A test's own code is compiled without optimisation: most of a build from
# nothing went into that, and what is under test is in the rooms, which are
# compiled as they are shipped.
set(GPUNODE_TEST_OPTIONS -O0)
gpunode_precompile(rooms OPTIONS -fPIC HEADERS ${common_headers})
gpunode_precompile(commands OPTIONS -fPIE HEADERS <CLI/CLI.hpp> ${common_headers})
gpunode_precompile(tests OPTIONS -fPIE ${GPUNODE_TEST_OPTIONS}
  LIBRARIES GTest::gmock GTest::gtest Threads::Threads
  HEADERS <gmock/gmock.h> <gtest/gtest.h> <fstream> ${common_headers})
function(gpunode_precompiled target headers)
  if(headers IN_LIST precompiled_sets)
    target_compile_options(${target} PRIVATE ${precompiled_options})
    target_precompile_headers(${target} REUSE_FROM precompiled_${headers})
  endif()
endfunction()

# One room of the house: a static library, and one test program beside it.
#
#   gpunode_room(base/text
#     SOURCES yaml.cc
#     TESTS yaml_test.cc
#     DEPS base/core
#     LIBRARIES yaml-cpp)
#
# makes the library base_text and the test base_text_test. DEPS are rooms and
# may only name what docs/layers.txt allows; LIBRARIES are Debian's and stay
# private to the room. A header-only room gives no SOURCES.
function(gpunode_room room)
  cmake_parse_arguments(ARG "" "" "SOURCES;TESTS;DEPS;LIBRARIES;TEST_LIBRARIES" ${ARGN})
  string(REPLACE "/" "_" target "${room}")
  string(REPLACE "/" "_" deps "${ARG_DEPS}")
  if(ARG_SOURCES)
    add_library(${target} STATIC ${ARG_SOURCES})
    gpunode_precompiled(${target} rooms)
    target_link_libraries(${target} PUBLIC ${deps} PRIVATE ${ARG_LIBRARIES})
  else()
    add_library(${target} INTERFACE)
    target_link_libraries(${target} INTERFACE ${deps} ${ARG_LIBRARIES})
  endif()
  if(ARG_TESTS)
    gpunode_test(${target}_test SOURCES ${ARG_TESTS} LIBRARIES ${target} ${ARG_TEST_LIBRARIES})
  endif()
endfunction()

# A GoogleTest program. LABELS default to T0; T1 is for whole binaries on the
# doubles. ENVIRONMENT and ARGS go to ctest.
function(gpunode_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;LIBRARIES;LABELS;ENVIRONMENT;ARGS" ${ARGN})
  if(NOT ARG_LABELS)
    set(ARG_LABELS T0)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  if(GPUNODE_SANITIZE)
    math(EXPR ARG_TIMEOUT "4 * ${ARG_TIMEOUT}")  # Neither optimised nor alone.
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LIBRARIES} GTest::gmock GTest::gtest
                        GTest::gtest_main Threads::Threads)
  target_compile_options(${name} PRIVATE ${GPUNODE_TEST_OPTIONS})
  gpunode_precompiled(${name} tests)
  if("T0" IN_LIST ARG_LABELS)
    set_property(GLOBAL APPEND PROPERTY GPUNODE_UNITS ${name})
  endif()
  add_test(NAME ${name} COMMAND ${name} ${ARG_ARGS})
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT}
                       SKIP_RETURN_CODE 77 ENVIRONMENT "${ARG_ENVIRONMENT}")
endfunction()

# A fuzz target over one parser. Under GPUNODE_FUZZ it is a libFuzzer program;
# always it replays its corpus as a test, so that no crash comes back.
function(gpunode_fuzz name)
  cmake_parse_arguments(ARG "" "CORPUS" "SOURCES;LIBRARIES" ${ARGN})
  if(GPUNODE_FUZZ)
    add_executable(${name} ${ARG_SOURCES})
    target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  else()
    add_executable(${name} ${ARG_SOURCES} ${CMAKE_SOURCE_DIR}/tests/fuzz/replay_main.cc)
  endif()
  target_link_libraries(${name} PRIVATE ${ARG_LIBRARIES})
  set(run "")
  if(GPUNODE_FUZZ)
    set(run -runs=0)
  endif()
  add_test(NAME ${name} COMMAND ${name} ${run} ${ARG_CORPUS})
  set_tests_properties(${name} PROPERTIES LABELS T0 TIMEOUT 240)
  add_dependencies(fuzz-targets ${name})
  set_property(GLOBAL APPEND PROPERTY GPUNODE_UNITS ${name})
endfunction()

# Makes all-but-units depend on what `all` does but for the tests labelled T0.
function(gpunode_all_but_units)
  get_property(units GLOBAL PROPERTY GPUNODE_UNITS)
  set(directories "${CMAKE_SOURCE_DIR}")
  while(directories)
    list(POP_FRONT directories directory)
    get_property(below DIRECTORY "${directory}" PROPERTY SUBDIRECTORIES)
    list(APPEND directories ${below})
    get_property(targets DIRECTORY "${directory}" PROPERTY BUILDSYSTEM_TARGETS)
    foreach(target IN LISTS targets)
      get_target_property(type ${target} TYPE)
      get_target_property(apart ${target} EXCLUDE_FROM_ALL)
      if(type MATCHES "EXECUTABLE|SHARED|MODULE|UTILITY" AND NOT apart AND NOT target IN_LIST units)
        add_dependencies(all-but-units ${target})
      endif()
    endforeach()
  endwhile()
endfunction()

# These tests run under TSan too. Debian's gRPC is not instrumented; what it
# does inside is not ours to judge.
function(gpunode_threads_tests)
  foreach(name ${ARGN})
    add_dependencies(tsan-tests ${name})
    # Labels of a test can only be set where it was made; a second name of the
    # same program can be labelled here.
    if(GPUNODE_SANITIZE STREQUAL "thread")
      add_test(NAME ${name}_threads COMMAND ${name})
      set_tests_properties(${name}_threads PROPERTIES LABELS threads TIMEOUT 300
        ENVIRONMENT "${GPUNODE_GRPC_TEST_ENVIRONMENT}")
    endif()
  endforeach()
endfunction()
