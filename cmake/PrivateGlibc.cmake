# The host package's form of a program of the image class (docs/adr/0005): it
# carries the dynamic linker and libc that it was linked with and runs through
# them, so that it starts on hosts with an older glibc, Rocky 8 (2.28) for one.
#
# DT_RPATH, not DT_RUNPATH: only that also covers what the driver's library,
# opened later, asks for (libpthread.so.0, libdl.so.2, librt.so.1).
set(GPUNODE_PRIVATE_GLIBC /usr/lib/gpunode/glibc)
set(GPUNODE_GLIBC_PARTS libc.so.6 libm.so.6 libdl.so.2 libpthread.so.0 librt.so.1)
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "aarch64")
  list(APPEND GPUNODE_GLIBC_PARTS ld-linux-aarch64.so.1)
  set(GPUNODE_LOADER ld-linux-aarch64.so.1)
else()
  list(APPEND GPUNODE_GLIBC_PARTS ld-linux-x86-64.so.2)
  set(GPUNODE_LOADER ld-linux-x86-64.so.2)
endif()

# gpunode_host_program(gpunode-agent): the target gpunode-agent_host from the
# same sources, installed under the program's name by component `host` alone.
function(gpunode_host_program name)
  get_target_property(sources ${name} SOURCES)
  get_target_property(includes ${name} INCLUDE_DIRECTORIES)
  get_target_property(libraries ${name} LINK_LIBRARIES)
  add_executable(${name}_host ${sources})
  target_include_directories(${name}_host PRIVATE ${includes})
  target_link_libraries(${name}_host PRIVATE ${libraries})
  target_link_options(${name}_host PRIVATE
    -Wl,--dynamic-linker=${GPUNODE_PRIVATE_GLIBC}/${GPUNODE_LOADER}
    -Wl,--disable-new-dtags,-rpath,${GPUNODE_PRIVATE_GLIBC})
  set_target_properties(${name}_host PROPERTIES OUTPUT_NAME ${name} SKIP_BUILD_RPATH ON
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/host)
  add_dependencies(programs ${name}_host)
  install(TARGETS ${name}_host RUNTIME COMPONENT host EXCLUDE_FROM_ALL)
endfunction()

foreach(part ${GPUNODE_GLIBC_PARTS})
  execute_process(COMMAND ${CMAKE_CXX_COMPILER} -print-file-name=${part}
                  OUTPUT_VARIABLE found OUTPUT_STRIP_TRAILING_WHITESPACE)
  get_filename_component(found ${found} REALPATH)
  list(APPEND GPUNODE_GLIBC_FILES ${part}=${found})  # For the image: name=file.
  install(PROGRAMS ${found} DESTINATION ${GPUNODE_PRIVATE_GLIBC} RENAME ${part}
          COMPONENT host EXCLUDE_FROM_ALL)
endforeach()
install(FILES ${CMAKE_SOURCE_DIR}/deploy/packaging/glibc-notice.txt
        DESTINATION ${GPUNODE_PRIVATE_GLIBC} RENAME NOTICE COMPONENT host EXCLUDE_FROM_ALL)
