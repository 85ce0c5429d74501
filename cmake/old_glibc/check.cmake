# cmake -DREADELF=… -DFILE=… -P check.cmake: fails unless FILE needs only libc,
# libdl and libpthread, and of them nothing newer than GLIBC_2.17.
function(read_elf out)
  execute_process(COMMAND ${READELF} ${ARGN} -W ${FILE} OUTPUT_VARIABLE text
                  COMMAND_ERROR_IS_FATAL ANY)
  set(${out} "${text}" PARENT_SCOPE)
endfunction()

read_elf(versions -V)
string(REGEX MATCHALL "GLIBC_[0-9]+\\.[0-9]+(\\.[0-9]+)?|GLIBC_[A-Z][A-Z_]*" wanted "${versions}")
list(REMOVE_DUPLICATES wanted)
if(NOT wanted)
  message(FATAL_ERROR "${FILE}: no glibc version found; is it a dynamic program?")
endif()
foreach(version IN LISTS wanted)
  string(REPLACE "GLIBC_" "" number "${version}")
  if(NOT number MATCHES "^[0-9]" OR number VERSION_GREATER "2.17")
    message(FATAL_ERROR "${FILE} asks for ${version}: newer than GLIBC_2.17. Find the "
                        "symbol with readelf -sW and add it to cmake/old_glibc/symbols.h")
  endif()
endforeach()

read_elf(dynamic -d)
string(REGEX MATCHALL "\\(NEEDED\\)[^\n]*" needed "${dynamic}")
foreach(line IN LISTS needed)
  if(NOT line MATCHES "\\[(libc\\.so\\.6|libdl\\.so\\.2|libpthread\\.so\\.0|ld-linux-[a-z0-9_-]*\\.so\\.[0-9])\\]")
    message(FATAL_ERROR "${FILE} needs more than libc, libdl and libpthread: ${line}")
  endif()
endforeach()
message(STATUS "${FILE}: ${wanted}")
