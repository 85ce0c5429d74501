# The old-glibc class of binary (docs/adr/0005): the C++ subset, no libstdc++,
# no symbol newer than GLIBC_2.17, so that it starts in any image.
#
# What makes a program here ask for a new glibc is its start file (crt1.o wants
# __libc_start_main@GLIBC_2.34) and functions that moved into libc or changed;
# so these programs bring their own _start (cmake/old_glibc/start.cc) and every
# file sees cmake/old_glibc/symbols.h first, which names the old versions.
set(GPUNODE_OLD_GLIBC_COMPILE -fno-exceptions -fno-rtti -fno-threadsafe-statics
    -fno-asynchronous-unwind-tables -fvisibility=hidden -U_FORTIFY_SOURCE
    -include ${CMAKE_SOURCE_DIR}/cmake/old_glibc/symbols.h)

# Before 2.34 dlopen lives in libdl and threads in libpthread: named even where
# this machine's libc holds both, so that old ones find them.
set(GPUNODE_OLD_GLIBC_LINK -nodefaultlibs -Wl,-z,defs,-z,relro,-z,now
    -Wl,--gc-sections -Wl,--no-as-needed -l:libdl.so.2 -l:libpthread.so.0 -lc
    -lgcc)

# A sanitizer's runtime needs a new glibc and libstdc++: binaries of this class
# are always built without one, and their sources are tested sanitized through
# an ordinary library.
if(GPUNODE_SANITIZE)
  list(APPEND GPUNODE_OLD_GLIBC_COMPILE -fno-sanitize=all)
  list(APPEND GPUNODE_OLD_GLIBC_LINK -fno-sanitize=all)
endif()

# gpunode_old_glibc_program(gpunode-vectoradd SOURCES main.cc ...): the program,
# and the test <name>_old_glibc that its file asks for nothing newer.
function(gpunode_old_glibc_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES" ${ARGN})
  add_executable(${name} ${ARG_SOURCES} ${CMAKE_SOURCE_DIR}/cmake/old_glibc/start.cc)
  target_compile_options(${name} PRIVATE ${GPUNODE_OLD_GLIBC_COMPILE})
  target_link_options(${name} PRIVATE -nostartfiles -pie)
  target_link_libraries(${name} PRIVATE ${GPUNODE_OLD_GLIBC_LINK})
  gpunode_old_glibc_check(${name})
endfunction()

function(gpunode_old_glibc_check target)
  add_test(NAME ${target}_old_glibc
           COMMAND ${CMAKE_COMMAND} -DREADELF=${CMAKE_READELF} -DFILE=$<TARGET_FILE:${target}>
                   -P ${CMAKE_SOURCE_DIR}/cmake/old_glibc/check.cmake)
  set_tests_properties(${target}_old_glibc PROPERTIES LABELS T0)
endfunction()
