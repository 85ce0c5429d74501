# GPUNODE_SANITIZE=address,undefined | thread. Sanitized programs link
# dynamically against gRPC under TSan (a static one reports false races) and
# are never installed.
if(GPUNODE_SANITIZE)
  add_compile_options(-fsanitize=${GPUNODE_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${GPUNODE_SANITIZE})
endif()
