# Errors for us (every preset sets GPUNODE_WERROR), not for packagers.
option(GPUNODE_WERROR "Turn warnings into errors" OFF)

add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wconversion)
add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor;-Woverloaded-virtual>")
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  add_compile_options(-Wthread-safety)
endif()
if(GPUNODE_WERROR)
  add_compile_options(-Werror)
endif()
# Without a PLT every function that is called has an entry in the GOT. On arm64
# that would be 17,000 in gpunode, and glibc's own archive reaches 4096 of them:
# "relocation truncated to fit: R_AARCH64_LD64_GOTPAGE_LO15". In a static program
# the linker makes such calls direct ones anyway.
set(no_plt -fno-plt)
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "aarch64")
  set(no_plt "")
endif()
add_compile_options(-ffunction-sections -fdata-sections ${no_plt}
                    -fstack-protector-strong)
add_compile_definitions(_GNU_SOURCE)
