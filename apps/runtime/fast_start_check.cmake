# The code before libc must not call out of its own file: whatever it called
# would not be relocated, or would wait for what libc sets up.
execute_process(COMMAND ${NM} --undefined-only ${OBJECT}
                OUTPUT_VARIABLE undefined RESULT_VARIABLE failed
                OUTPUT_STRIP_TRAILING_WHITESPACE)
if(failed OR NOT undefined MATCHES "^[ \t]*U _start$")
  message(FATAL_ERROR "fast_start.cc may need _start alone, but needs: ${undefined}")
endif()
