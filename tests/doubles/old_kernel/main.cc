// old-kernel --kernel 3.10|4.18 PROGRAM [ARGUMENT...]: runs a program as if the
// kernel were that old. Exit status: the program's; 2 for a wrong command line.
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string_view>

#include "tests/doubles/old_kernel/old_kernel.h"

int main(int argc, char** argv) {
  namespace old_kernel = gpunode::old_kernel;
  std::optional<old_kernel::Release> release;
  if (argc > 3 && std::string_view(argv[1]) == "--kernel") {
    release = old_kernel::parse_release(argv[2]);
  }
  if (!release) {
    std::fprintf(
        stderr, "usage: old-kernel --kernel 3.10|4.18 PROGRAM [ARGUMENT...]\n");
    return 2;
  }
  if (const int error = old_kernel::become(*release); error != 0) {
    std::fprintf(stderr, "old-kernel: install the filter: errno %d\n", error);
    return 1;
  }
  ::execv(argv[3], argv + 3);
  std::fprintf(stderr, "old-kernel: run %s: errno %d\n", argv[3], errno);
  return 1;
}
