// Old versions of the glibc symbols whose default here is newer than 2.17.
//
// Included before everything else in every file of an old-glibc binary. When
// the test <target>_old_glibc names a version that is too new, the symbol
// behind it gets a line here, or is replaced by a system call.
#pragma once

#if defined(__x86_64__)
#define GPUNODE_FIRST_GLIBC "GLIBC_2.2.5"
#elif defined(__aarch64__)
#define GPUNODE_FIRST_GLIBC "GLIBC_2.17"
#else
#error "old-glibc binaries are built for x86-64 and arm64"
#endif

// 2.34 moved libdl into libc and gave every program a new start.
__asm__(".symver dlopen, dlopen@" GPUNODE_FIRST_GLIBC);
#ifndef GPUNODE_DEFINES_DLSYM
__asm__(".symver dlsym, dlsym@" GPUNODE_FIRST_GLIBC);
#endif
__asm__(".symver dlerror, dlerror@" GPUNODE_FIRST_GLIBC);
__asm__(".symver __libc_start_main, __libc_start_main@" GPUNODE_FIRST_GLIBC);
