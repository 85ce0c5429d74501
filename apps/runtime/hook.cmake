# The hooks of gpunode-runtime, and the program by which tests run them.
add_library(runtime_hook STATIC hook.cc hook_command.cc)
target_link_libraries(runtime_hook PUBLIC base_core base_host base_text container_hook)

add_executable(hook-runner hook_runner.cc)
target_link_libraries(hook-runner PRIVATE runtime_hook)
gpunode_static_program(hook-runner)
