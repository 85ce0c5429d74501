# Debian's libraries under one name each, static where GPUNODE_STATIC_DEPS says.
#
# find_library with the full file name is what makes the choice: the packages'
# own CMake and pkg-config files offer the shared form only.
function(gpunode_dependency target name)
  if(GPUNODE_STATIC_DEPS)
    find_library(${target}_FILE NAMES lib${name}.a REQUIRED)
  else()
    find_library(${target}_FILE NAMES lib${name}.so REQUIRED)
  endif()
  add_library(${target} INTERFACE)
  target_link_libraries(${target} INTERFACE "${${target}_FILE}")
endfunction()

