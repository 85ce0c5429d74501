#include "tests/doubles/old_kernel/old_kernel.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <iterator>

namespace gpunode::old_kernel {
namespace {

#if defined(__x86_64__)
constexpr unsigned kArchitecture = AUDIT_ARCH_X86_64;
constexpr unsigned kLastOf310 = SYS_finit_module;  // Next: sched_setattr.
#elif defined(__aarch64__)
constexpr unsigned kArchitecture = AUDIT_ARCH_AARCH64;
constexpr unsigned kLastOf310 = SYS_finit_module;
#else
#error "which system calls this architecture had in Linux 3.10 is not known"
#endif
constexpr unsigned kLastOf418 = SYS_rseq;  // Next, in 5.1: numbers from 424.

}  // namespace

std::optional<Release> parse_release(std::string_view text) {
  if (text == "3.10") return Release::kLinux310;
  if (text == "4.18") return Release::kLinux418;
  return std::nullopt;
}

int become(Release release) {
  const unsigned last = release == Release::kLinux310 ? kLastOf310 : kLastOf418;
  // NOLINTBEGIN(cppcoreguidelines-pro-type-cstyle-cast): BPF_STMT's own.
  std::array<sock_filter, 7> program = {{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, last, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  // NOLINTEND(cppcoreguidelines-pro-type-cstyle-cast)
  const sock_fprog filter{static_cast<unsigned short>(program.size()),
                          program.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno;
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) return errno;
  return 0;
}

}  // namespace gpunode::old_kernel
