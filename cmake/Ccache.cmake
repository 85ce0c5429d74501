# ccache, when it is there: two cores do not forgive a second compilation. What
# it must overlook lets it keep objects of tests, which read a precompiled header
# (GpunodeRoom.cmake).
find_program(GPUNODE_CCACHE ccache)
if(GPUNODE_CCACHE)
  set(sloppiness "CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime")
  set(CMAKE_C_COMPILER_LAUNCHER env "${sloppiness}" "${GPUNODE_CCACHE}")
  set(CMAKE_CXX_COMPILER_LAUNCHER env "${sloppiness}" "${GPUNODE_CCACHE}")
endif()
