# GPUNODE_SANITIZE=address,undefined | thread. Sanitized programs link
# dynamically against gRPC under TSan (a static one reports false races) and
# are never installed.
if(GPUNODE_SANITIZE)
  add_compile_options(-fsanitize=${GPUNODE_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${GPUNODE_SANITIZE})
  find_program(GPUNODE_LLD ld.lld-14)
  if(GPUNODE_LLD)  # Three times as fast as ld, seventy times a build.
    add_link_options(-fuse-ld=lld)
  endif()
endif()

# A fuzzer sees only the branches of code compiled for it: all of the house is,
# not the target's own file alone.
if(GPUNODE_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
