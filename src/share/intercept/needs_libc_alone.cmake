# The library FILE needs libc.so.6 and no other.
execute_process(COMMAND ${READELF} -d ${FILE} OUTPUT_VARIABLE dynamic COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "NEEDED[^\n]*\\[([^]]*)\\]" needed "${dynamic}")
list(LENGTH needed count)
if(NOT count EQUAL 1 OR NOT needed MATCHES "\\[libc\\.so\\.6\\]")
  message(FATAL_ERROR "${FILE} needs: ${needed}")
endif()
