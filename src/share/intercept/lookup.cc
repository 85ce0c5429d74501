// What RTLD_NEXT and RTLD_DEFAULT mean depends on who asks, which the C library
// takes from the return address: so whatever is not ours to change goes on to
// it by a jump, with the caller's registers and stack as they were. In all
// libraries ours are found before the driver's anyhow, as they come first.
#include "share/intercept/lookup.h"

#include <dlfcn.h>

#include "share/intercept/driver.h"
#include "share/intercept/loaded_symbol.h"
#include "share/intercept/nvml.h"

extern "C" {

// The C library's functions, for the jumps below.
[[gnu::used, gnu::visibility("hidden")]] void* gpunode_real_dlsym = nullptr;
[[gnu::used, gnu::visibility("hidden")]] void* gpunode_real_dlvsym = nullptr;

[[gnu::used, gnu::visibility("hidden")]] void* gpunode_nothing() {
  return nullptr;
}

// Before glibc 2.34 they are in libdl. What isn't found is looked for again by
// the next who asks: this may have been too early.
[[gnu::used, gnu::visibility("hidden")]] void gpunode_find_real() {
  using gpunode::share::find_loaded_symbol;
  void* found = find_loaded_symbol("libc.so", "dlsym");
  void* versioned = find_loaded_symbol("libc.so", "dlvsym");
  if (found == nullptr) found = find_loaded_symbol("libdl.so", "dlsym");
  if (versioned == nullptr) {
    versioned = find_loaded_symbol("libdl.so", "dlvsym");
  }
  if (versioned != nullptr) {
    __atomic_store_n(&gpunode_real_dlvsym, versioned, __ATOMIC_RELEASE);
  }
  if (found != nullptr) {
    __atomic_store_n(&gpunode_real_dlsym, found, __ATOMIC_RELEASE);
  }
}

static void* ours_or(void* real, const char* name) {
  return *name == 'c' ? gpunode::share::replaced(real)
                      : gpunode::share::replaced_of_nvml(real);
}

// A name that may be the driver's, asked for in a library or in all.
[[gnu::used, gnu::visibility("hidden")]] void* gpunode_look_up(
    void* library, const char* name) {
  return ours_or(gpunode::share::real_dlsym()(library, name), name);
}

[[gnu::used, gnu::visibility("hidden")]] void* gpunode_look_up_version(
    void* library, const char* name, const char* version) {
  using Dlvsym = void* (*)(void*, const char*, const char*);
  const auto real = reinterpret_cast<Dlvsym>(gpunode_real_dlvsym);
  return ours_or(real(library, name, version), name);
}

}  // extern "C"

// One entry: on to `real` unless the library is one that may be the driver
// (RTLD_NEXT, -1, and RTLD_DEFAULT, 0, are none) and the name begins with "cu"
// or "nv", then to `ours`.
#if defined(__x86_64__)
#define GPUNODE_ENTRY(entry, real, ours)   \
  __asm__(                                 \
      ".text\n"                            \
      ".globl " entry                      \
      "\n"                                 \
      ".type " entry ", @function\n" entry \
      ":\n"                                \
      "  .cfi_startproc\n"                 \
      "  endbr64\n"                        \
      "0:\n"                               \
      "  movq " real                       \
      "(%rip), %rax\n"                     \
      "  testq %rax, %rax\n"               \
      "  jz 1f\n"                          \
      "  testq %rdi, %rdi\n"               \
      "  je 2f\n"                          \
      "  cmpq $-1, %rdi\n"                 \
      "  je 2f\n"                          \
      "  testq %rsi, %rsi\n"               \
      "  jz 2f\n"                          \
      "  cmpb $'c', (%rsi)\n"              \
      "  jne 3f\n"                         \
      "  cmpb $'u', 1(%rsi)\n"             \
      "  je 4f\n"                          \
      "  jmp 2f\n"                         \
      "3:\n"                               \
      "  cmpb $'n', (%rsi)\n"              \
      "  jne 2f\n"                         \
      "  cmpb $'v', 1(%rsi)\n"             \
      "  jne 2f\n"                         \
      "4:\n"                               \
      "  jmp " ours                        \
      "\n"                                 \
      "2:\n"                               \
      "  jmp *%rax\n"                      \
      "1:\n"                               \
      "  pushq %rdi\n"                     \
      "  .cfi_adjust_cfa_offset 8\n"       \
      "  pushq %rsi\n"                     \
      "  .cfi_adjust_cfa_offset 8\n"       \
      "  pushq %rdx\n"                     \
      "  .cfi_adjust_cfa_offset 8\n"       \
      "  call gpunode_find_real\n"         \
      "  popq %rdx\n"                      \
      "  .cfi_adjust_cfa_offset -8\n"      \
      "  popq %rsi\n"                      \
      "  .cfi_adjust_cfa_offset -8\n"      \
      "  popq %rdi\n"                      \
      "  .cfi_adjust_cfa_offset -8\n"      \
      "  cmpq $0, " real                   \
      "(%rip)\n"                           \
      "  jne 0b\n"                         \
      "  jmp gpunode_nothing\n"            \
      "  .cfi_endproc\n"                   \
      ".size " entry ", . - " entry "\n")
#elif defined(__aarch64__)
#define GPUNODE_ENTRY(entry, real, ours)   \
  __asm__(                                 \
      ".text\n"                            \
      ".globl " entry                      \
      "\n"                                 \
      ".type " entry ", @function\n" entry \
      ":\n"                                \
      "  .cfi_startproc\n"                 \
      "0:\n"                               \
      "  adrp x16, " real                  \
      "\n"                                 \
      "  ldr x16, [x16, :lo12:" real       \
      "]\n"                                \
      "  cbz x16, 1f\n"                    \
      "  cbz x0, 2f\n"                     \
      "  cmn x0, #1\n"                     \
      "  b.eq 2f\n"                        \
      "  cbz x1, 2f\n"                     \
      "  ldrb w9, [x1]\n"                  \
      "  cmp w9, #'c'\n"                   \
      "  b.ne 3f\n"                        \
      "  ldrb w9, [x1, #1]\n"              \
      "  cmp w9, #'u'\n"                   \
      "  b.eq 4f\n"                        \
      "  b 2f\n"                           \
      "3:\n"                               \
      "  cmp w9, #'n'\n"                   \
      "  b.ne 2f\n"                        \
      "  ldrb w9, [x1, #1]\n"              \
      "  cmp w9, #'v'\n"                   \
      "  b.ne 2f\n"                        \
      "4:\n"                               \
      "  b " ours                          \
      "\n"                                 \
      "2:\n"                               \
      "  br x16\n"                         \
      "1:\n"                               \
      "  stp x29, x30, [sp, #-48]!\n"      \
      "  stp x0, x1, [sp, #16]\n"          \
      "  str x2, [sp, #32]\n"              \
      "  bl gpunode_find_real\n"           \
      "  ldr x2, [sp, #32]\n"              \
      "  ldp x0, x1, [sp, #16]\n"          \
      "  ldp x29, x30, [sp], #48\n"        \
      "  adrp x16, " real                  \
      "\n"                                 \
      "  ldr x16, [x16, :lo12:" real       \
      "]\n"                                \
      "  cbnz x16, 0b\n"                   \
      "  b gpunode_nothing\n"              \
      "  .cfi_endproc\n"                   \
      ".size " entry ", . - " entry "\n")
#endif

GPUNODE_ENTRY("dlsym", "gpunode_real_dlsym", "gpunode_look_up");
GPUNODE_ENTRY("dlvsym", "gpunode_real_dlvsym", "gpunode_look_up_version");

namespace gpunode::share {

Dlsym real_dlsym() {
  if (__atomic_load_n(&gpunode_real_dlsym, __ATOMIC_ACQUIRE) == nullptr) {
    gpunode_find_real();
  }
  void* real = __atomic_load_n(&gpunode_real_dlsym, __ATOMIC_ACQUIRE);
  if (real == nullptr) real = reinterpret_cast<void*>(&gpunode_nothing);
  return reinterpret_cast<Dlsym>(real);
}

}  // namespace gpunode::share
