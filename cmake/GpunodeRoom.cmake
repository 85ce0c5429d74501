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
    target_link_libraries(${target} PUBLIC ${deps} PRIVATE ${ARG_LIBRARIES})
  else()
    add_library(${target} INTERFACE)
    target_link_libraries(${target} INTERFACE ${deps} ${ARG_LIBRARIES})
  endif()
  if(ARG_TESTS)
    gpunode_test(${target}_test SOURCES ${ARG_TESTS} LIBRARIES ${target} ${ARG_TEST_LIBRARIES})
  endif()
endfunction()

# What nearly every test includes, read once. A test's own code is compiled
# without optimisation: most of a build from nothing went into that, and what is
# under test is in the rooms, which are compiled as they are shipped.
set(GPUNODE_TEST_OPTIONS -O0)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  list(APPEND GPUNODE_TEST_OPTIONS -fpch-preprocess)  # ccache sees what was read.
else()
  list(APPEND GPUNODE_TEST_OPTIONS -Xclang -fno-pch-timestamp)
endif()
file(WRITE "${CMAKE_BINARY_DIR}/precompiled_tests.cc" "")
add_library(precompiled_tests OBJECT "${CMAKE_BINARY_DIR}/precompiled_tests.cc")
set_target_properties(precompiled_tests PROPERTIES POSITION_INDEPENDENT_CODE OFF)
target_compile_options(precompiled_tests PRIVATE -fPIE ${GPUNODE_TEST_OPTIONS})
target_link_libraries(precompiled_tests PRIVATE GTest::gmock GTest::gtest Threads::Threads)
target_precompile_headers(precompiled_tests PRIVATE
  <gmock/gmock.h> <gtest/gtest.h> <chrono> <filesystem> <fstream> <functional>
  <map> <optional> <string> <string_view> <variant> <vector>)

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
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LIBRARIES} GTest::gmock GTest::gtest
                        GTest::gtest_main Threads::Threads)
  target_compile_options(${name} PRIVATE ${GPUNODE_TEST_OPTIONS})
  target_precompile_headers(${name} REUSE_FROM precompiled_tests)
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
  set_tests_properties(${name} PROPERTIES LABELS T0 TIMEOUT 60)
  add_dependencies(fuzz-targets ${name})
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
