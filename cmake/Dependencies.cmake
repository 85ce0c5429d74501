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
  # Imported, so that what one stands on can be said and comes after it.
  add_library(${target} UNKNOWN IMPORTED GLOBAL)
  set_target_properties(${target} PROPERTIES IMPORTED_LOCATION "${${target}_FILE}")
endfunction()


# gRPC and what it stands on: dep_grpc, and dep_protobuf_lite for messages alone.
#
# pkg-config's order does not link statically, hence the group: the linker goes
# round until nothing is missing. Only what TLS-less unix sockets need.
find_program(GPUNODE_PROTOC protoc REQUIRED)
find_program(GPUNODE_GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)
gpunode_dependency(dep_protobuf_lite protobuf-lite)
add_library(dep_grpc INTERFACE)
if(GPUNODE_STATIC_DEPS)
  set(grpc_archives "")
  foreach(name grpc++_unsecure grpc_unsecure address_sorting upb gpr cares re2 z)
    find_library(dep_grpc_${name}_FILE NAMES lib${name}.a REQUIRED)
    list(APPEND grpc_archives "${dep_grpc_${name}_FILE}")
  endforeach()
  get_filename_component(grpc_directory "${dep_grpc_gpr_FILE}" DIRECTORY)
  file(GLOB abseil_archives "${grpc_directory}/libabsl_*.a")
  target_link_libraries(dep_grpc INTERFACE
    -Wl,--start-group ${grpc_archives} ${abseil_archives} -Wl,--end-group
    dep_protobuf_lite Threads::Threads)
else()
  foreach(name grpc++_unsecure grpc_unsecure gpr)
    gpunode_dependency(dep_${name} ${name})
    target_link_libraries(dep_grpc INTERFACE dep_${name})
  endforeach()
  get_filename_component(grpc_directory "${dep_gpr_FILE}" DIRECTORY)
  # gRPC's headers call abseil's functions; as-needed leaves out the rest.
  file(GLOB abseil_libraries "${grpc_directory}/libabsl_*.so")
  target_link_libraries(dep_grpc INTERFACE ${abseil_libraries})
  target_link_libraries(dep_grpc INTERFACE dep_protobuf_lite Threads::Threads)
endif()
target_link_options(dep_grpc INTERFACE
  -Wl,--gc-sections,-O1,--as-needed,-z,relro,-z,now)
if(GPUNODE_STATIC_DEPS AND NOT GPUNODE_SANITIZE)
  target_link_options(dep_grpc INTERFACE -static-libstdc++ -static-libgcc)
endif()
# For tests that run gRPC: it is Debian's, built without TSan, which then cannot
# see its locks.
set(GPUNODE_GRPC_TEST_ENVIRONMENT "")
if(GPUNODE_SANITIZE STREQUAL "thread")
  set(GPUNODE_GRPC_TEST_ENVIRONMENT
      "TSAN_OPTIONS=ignore_noninstrumented_modules=1 suppressions=${CMAKE_SOURCE_DIR}/tests/tsan.supp")
endif()

# Libraries that are headers alone: missing ones are told here, in one line,
# and not by a compiler in the middle of the build.
foreach(header ares.h blkid/blkid.h boost/beast/http/basic_parser.hpp openssl/ssl.h fmt/format.h nlohmann/json.hpp rapidjson/document.h toml++/toml.h CLI/CLI.hpp
        rapidcheck.h)
  string(MAKE_C_IDENTIFIER "GPUNODE_${header}" found)
  find_path(${found} ${header})
  mark_as_advanced(${found})
  if(NOT ${found})
    message(FATAL_ERROR "no <${header}> here: tools/setup build installs what is missing")
  endif()
endforeach()
