# ccache, when it is there: two cores do not forgive a second compilation.
find_program(GPUNODE_CCACHE ccache)
if(GPUNODE_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER "${GPUNODE_CCACHE}")
  set(CMAKE_CXX_COMPILER_LAUNCHER "${GPUNODE_CCACHE}")
endif()
