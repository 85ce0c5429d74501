# The toolchain of the preset `arm64`: Debian's cross compiler, with Debian 12's
# arm64 packages unpacked below GPUNODE_ARM64_SYSROOT. tools/arm64 makes that and
# installs nothing there: programs of the build (protoc, python3) are this
# machine's, programs that were built run under qemu.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)

set(GPUNODE_ARM64_SYSROOT /var/cache/gpunode/arm64/sysroot
    CACHE PATH "Debian 12's arm64 packages, unpacked")
# CMake reads this file again for each compiler that it tries.
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES GPUNODE_ARM64_SYSROOT)
set(CMAKE_SYSROOT "${GPUNODE_ARM64_SYSROOT}")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
# Whole path: tests take it along into a root of their own.
find_program(GPUNODE_ARM64_EMULATOR qemu-aarch64-static NO_CMAKE_FIND_ROOT_PATH REQUIRED)
set(CMAKE_CROSSCOMPILING_EMULATOR "${GPUNODE_ARM64_EMULATOR}" -L "${GPUNODE_ARM64_SYSROOT}")
