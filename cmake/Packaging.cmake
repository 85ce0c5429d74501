# What `make install` and `make package` put where.
option(GPUNODE_PEER_NAMES
       "Also install links under the peers' names (nvidia-device-plugin)" OFF)

# `cmake --install` takes the agent that runs on this machine's glibc; packages
# take the one that brings its own (component host, docs/adr/0005).
install(TARGETS gpunode-agent RUNTIME COMPONENT local)
install(TARGETS gpunode gpunode-probe gpunode-runtime gpunode-vectoradd RUNTIME)
# What containers are held to their share by; the agent copies it (--share-library).
install(TARGETS gpunode_cuda LIBRARY DESTINATION lib/gpunode NAMELINK_SKIP)
install(FILES LICENSE README.md CHANGELOG.md docs/compatibility.md
        DESTINATION ${CMAKE_INSTALL_DOCDIR})
if(GPUNODE_PEER_NAMES)
  foreach(name nvidia-device-plugin gpu-feature-discovery config-manager)
    install(CODE "file(CREATE_LINK gpunode-agent
      \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}/${name}\" SYMBOLIC)")
  endforeach()
  foreach(name nvidia-container-runtime nvidia-container-runtime.cdi
          nvidia-container-runtime.legacy nvidia-container-runtime-hook nvidia-cdi-hook)
    install(CODE "file(CREATE_LINK gpunode-runtime
      \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}/${name}\" SYMBOLIC)")
  endforeach()
  install(CODE "file(CREATE_LINK gpunode
    \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}/nvidia-ctk\" SYMBOLIC)")
endif()

# The program writes its own manual page and completions, so that they cannot
# fall behind its options.
set(written ${CMAKE_BINARY_DIR}/written)
add_custom_command(
  OUTPUT ${written}/gpunode-agent.8 ${written}/gpunode-agent ${written}/_gpunode-agent
         ${written}/gpunode-agent.fish
  COMMAND ${CMAKE_COMMAND} -E make_directory ${written}
  COMMAND $<TARGET_FILE:gpunode-agent> --man > ${written}/gpunode-agent.8
  COMMAND $<TARGET_FILE:gpunode-agent> --completion=bash > ${written}/gpunode-agent
  COMMAND $<TARGET_FILE:gpunode-agent> --completion=zsh > ${written}/_gpunode-agent
  COMMAND $<TARGET_FILE:gpunode-agent> --completion=fish > ${written}/gpunode-agent.fish
  DEPENDS gpunode-agent
  COMMENT "Writing the manual page and completions")
add_custom_command(
  OUTPUT ${written}/gpunode.8 ${written}/gpunode ${written}/_gpunode ${written}/gpunode.fish
  COMMAND ${CMAKE_COMMAND} -E make_directory ${written}
  COMMAND $<TARGET_FILE:gpunode> man > ${written}/gpunode.8
  COMMAND $<TARGET_FILE:gpunode> completion bash > ${written}/gpunode
  COMMAND $<TARGET_FILE:gpunode> completion zsh > ${written}/_gpunode
  COMMAND $<TARGET_FILE:gpunode> completion fish > ${written}/gpunode.fish
  DEPENDS gpunode
  COMMENT "Writing the manual page and completions of gpunode")
add_custom_target(written ALL DEPENDS ${written}/gpunode-agent.8 ${written}/gpunode.8)
add_dependencies(programs written)
install(FILES ${written}/gpunode-agent.8 ${written}/gpunode.8
        DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
install(FILES ${written}/gpunode-agent ${written}/gpunode
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${written}/_gpunode-agent ${written}/_gpunode
        DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
install(FILES ${written}/gpunode-agent.fish ${written}/gpunode.fish
        DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)

set(CPACK_GENERATOR DEB RPM TGZ)
set(CPACK_INSTALL_CMAKE_PROJECTS
    "${CMAKE_BINARY_DIR};gpunode;Unspecified;/;${CMAKE_BINARY_DIR};gpunode;host;/")
set(CPACK_PACKAGE_NAME gpunode)
set(CPACK_PACKAGE_VENDOR gpunode)
set(CPACK_PACKAGE_CONTACT "gpunode maintainers <maintainers@gpunode.example>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Kubernetes device plugin for NVIDIA GPUs")
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_RESOURCE_FILE_LICENSE ${CMAKE_SOURCE_DIR}/LICENSE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_RPM_FILE_NAME RPM-DEFAULT)
set(CPACK_RPM_PACKAGE_LICENSE Apache-2.0)
# Nothing is asked of the host, and the private libc is not offered to others.
set(CPACK_RPM_PACKAGE_AUTOREQPROV OFF)
include(CPack)
