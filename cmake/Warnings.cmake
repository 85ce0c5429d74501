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
add_compile_options(-ffunction-sections -fdata-sections -fno-plt
                    -fstack-protector-strong)
add_compile_definitions(_GNU_SOURCE)
