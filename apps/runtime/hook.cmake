# The hooks of gpunode-runtime, and what their tests run in a container.
add_library(runtime_hook STATIC bundle_file.cc hook.cc hook_command.cc report.cc rules.cc share_delivery.cc
            system_log.cc)
target_include_directories(runtime_hook PRIVATE ${CMAKE_CURRENT_BINARY_DIR})
target_link_libraries(runtime_hook PUBLIC base_core base_host base_text container_cdi
                      container_hook container_oci share_grants)

# What runs in a test's container: nothing of a sanitizer, nothing but libc.
add_library(gpunode-fixture SHARED hook_fixture_library.cc)
set_target_properties(gpunode-fixture PROPERTIES VERSION 550.1 SOVERSION 1)
add_library(gpunode-evil SHARED hook_evil_library.cc)
add_executable(asks-driver hook_fixture_program.cc)
target_link_libraries(asks-driver PRIVATE gpunode-fixture)
set_target_properties(asks-driver PROPERTIES SKIP_BUILD_RPATH ON)
foreach(target gpunode-fixture gpunode-evil asks-driver)
  target_link_options(${target} PRIVATE -Wl,--as-needed)
  if(GPUNODE_SANITIZE)
    target_compile_options(${target} PRIVATE -fno-sanitize=all)
    target_link_options(${target} PRIVATE -fno-sanitize=all)
  endif()
endforeach()

add_library(hook_fixture STATIC hook_fixture.cc)
target_link_libraries(hook_fixture PUBLIC base_host GTest::gmock GTest::gtest)
target_compile_definitions(hook_fixture PUBLIC
  GPUNODE_RUNTIME="$<TARGET_FILE:gpunode-runtime>"
  GPUNODE_FIXTURE_LIBRARY="$<TARGET_FILE:gpunode-fixture>"
  GPUNODE_FIXTURE_PROGRAM="$<TARGET_FILE:asks-driver>"
  GPUNODE_EVIL_LIBRARY="$<TARGET_FILE:gpunode-evil>")
if(NOT GPUNODE_SANITIZE)
  target_compile_definitions(hook_fixture PUBLIC GPUNODE_HOOK_IS_STATIC)
endif()
