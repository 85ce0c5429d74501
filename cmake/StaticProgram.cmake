# The static class of binary (docs/adr/0005): one file that starts on any Linux
# of its architecture. glibc's own warnings about what a static program cannot
# do (getaddrinfo, getpwnam, dlopen) are errors here: rooms linked into such a
# program must not call them.
function(gpunode_static_program name)
  if(GPUNODE_SANITIZE)
    return()  # A sanitizer's runtime is dynamic; the shipped program is not.
  endif()
  target_link_options(${name} PRIVATE -static-pie -Wl,--gc-sections,-O1,-z,relro,-z,now
                      -Wl,--fatal-warnings)
endfunction()
