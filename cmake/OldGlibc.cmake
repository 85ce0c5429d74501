# The old-glibc class of binary (docs/adr/0005): the C++ subset, no libstdc++,
# no symbol newer than GLIBC_2.17, so that it starts in any image.
set(GPUNODE_OLD_GLIBC_COMPILE -fno-exceptions -fno-rtti -fno-threadsafe-statics
    -fno-asynchronous-unwind-tables -fvisibility=hidden -U_FORTIFY_SOURCE)
