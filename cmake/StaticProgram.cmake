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

# For a static program that speaks TLS: what OpenSSL and c-ares would have libc
# load from the host ends in functions that say no
# (src/base/http/absent_libc.cc). A new one is told by the linker, as above.
function(gpunode_static_tls name)
  if(GPUNODE_SANITIZE)
    return()
  endif()
  target_sources(${name} PRIVATE ${CMAKE_SOURCE_DIR}/src/base/http/absent_libc.cc)
  foreach(function dlopen dlsym dlclose dlerror dladdr getaddrinfo freeaddrinfo getnameinfo
                   gethostbyname getservbyname getservbyport_r)
    target_link_options(${name} PRIVATE -Wl,--wrap=${function})
  endforeach()
endfunction()
