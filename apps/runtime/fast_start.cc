// The program's entry: calls that are only passed on reach execve before libc
// has started.
//
// Starting a static libc costs twenty times what the rest of such a call does
// (relocations, IFUNCs, CPUID, TLS, stdio). `state`, `start`, `kill` and `exec`
// are most of the calls a node makes, and of the containers that it creates
// most ask for no GPU: those are told by their bytes. Nothing of this program
// is relocated yet when this runs: no globals, no calls out of this file, no
// built-ins that would become calls (compile options in CMakeLists.txt; the
// test runtime_start_symbols reads the object file). Whatever is not plain
// returns, and the ordinary start decides with the same functions
// (container/oci/passed_call.h) or finds the same (plain_create.h).
#include <cstddef>

#define GPUNODE_BEFORE_LIBC
#include "container/oci/passed_call.h"
#include "container/oci/plain_create.h"

#if defined(__x86_64__)
// The stack is the kernel's: argc, argv, 0, envp, 0, auxv. rdx must survive
// for _start; rbx and r12 are nobody's at this point.
asm(R"(
  .text
  .globl gpunode_start
  .hidden gpunode_start
  .type gpunode_start, @function
gpunode_start:
  xorl %ebp, %ebp
  movq %rsp, %rbx
  movq %rdx, %r12
  movq %rsp, %rdi
  andq $-16, %rsp
  call gpunode_fast_start
  movq %rbx, %rsp
  movq %r12, %rdx
  jmp _start
  .size gpunode_start, .-gpunode_start
)");
#elif defined(__aarch64__)
asm(R"(
  .text
  .globl gpunode_start
  .hidden gpunode_start
  .type gpunode_start, %function
gpunode_start:
  mov x29, #0
  mov x30, #0
  mov x19, sp
  mov x20, x0
  mov x0, sp
  bl gpunode_fast_start
  mov sp, x19
  mov x0, x20
  b _start
  .size gpunode_start, .-gpunode_start
)");
#else
#error "write the entry for this architecture"
#endif

namespace gpunode::runtime {
namespace {

namespace oci = gpunode::oci;

#if defined(__x86_64__)
constexpr long kOpenAt = 257;
constexpr long kRead = 0;
constexpr long kClose = 3;
constexpr long kExecve = 59;

long system_call(long number, long a, long b, long c, long d) {
  long result = 0;
  register long r10 asm("r10") = d;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
               : "rcx", "r11", "memory");
  return result;
}
#else
constexpr long kOpenAt = 56;
constexpr long kRead = 63;
constexpr long kClose = 57;
constexpr long kExecve = 221;

long system_call(long number, long a, long b, long c, long d) {
  register long x8 asm("x8") = number;
  register long x0 asm("x0") = a;
  register long x1 asm("x1") = b;
  register long x2 asm("x2") = c;
  register long x3 asm("x3") = d;
  asm volatile("svc #0"
               : "+r"(x0)
               : "r"(x8), "r"(x1), "r"(x2), "r"(x3)
               : "memory");
  return x0;
}
#endif

// errno values of execve(2) and open(2); <cerrno> is not freestanding.
constexpr long kNoEntry = -2;
constexpr long kAccess = -13;
constexpr long kNotDirectory = -20;
constexpr long kNameTooLong = -36;
constexpr long kLoop = -40;

constexpr long kCurrentDirectory = -100;  // AT_FDCWD
// O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY: as HostRoot::read_file().
constexpr long kOpenFlags = 02000000 | 04000 | 0400;

long address(const void* pointer) {
  return reinterpret_cast<long>(pointer);
}

/// A config.toml larger than this is not plain.
constexpr std::size_t kMaxConfig = std::size_t{16} << 10U;

/// A config.json larger than this is not plain: containerd's have 10 KB.
constexpr std::size_t kMaxBundleFile = std::size_t{1} << 20U;
constexpr std::size_t kPiece = std::size_t{16} << 10U;

/// Bytes read, or -1 if that was not the whole of a readable file.
long read_whole(long fd, char* bytes) {
  std::size_t size = 0;
  for (;;) {
    const long n = system_call(kRead, fd, address(bytes + size),
                               static_cast<long>(kMaxConfig - size), 0);
    if (n < 0) return -1;
    if (n == 0) return static_cast<long>(size);
    size += static_cast<std::size_t>(n);
    if (size == kMaxConfig) return -1;
  }
}

long open_file(const oci::PathBuffer& path) {
  return system_call(kOpenAt, kCurrentDirectory, address(path.text()),
                     kOpenFlags, 0);
}

/// What a config.toml says of calls that change nothing.
struct Rules {
  oci::Candidates candidates;
  bool has_other_requests = false;
};

/// False if the ordinary start is to find out.
bool read_rules(const oci::PassedEnvironment& environment,
                oci::PathBuffer& path, char* bytes, Rules& rules) {
  if (!oci::config_path(environment, path)) return false;
  const long fd = open_file(path);
  if (fd == kNoEntry) return true;
  if (fd < 0) return false;
  const long size = read_whole(fd, bytes);
  if (size < 0) {
    system_call(kClose, fd, 0, 0, 0);
    return false;
  }
  oci::PlainConfig config({bytes, static_cast<std::size_t>(size)});
  if (config.read(rules.candidates)) {
    rules.has_other_requests = config.has_other_requests();
    return true;
  }
  system_call(kClose, fd, 0, 0, 0);
  return false;
}

/// False if the ordinary start is to look at the bundle.
bool is_unasked(oci::Chars bundle, oci::PathBuffer& path) {
  if (!path.assign(bundle, {"config.json", 11})) return false;
  const long fd = open_file(path);
  if (fd < 0) return false;
  char piece[kPiece];  // NOLINT(modernize-avoid-c-arrays): freestanding.
  oci::RequestScan scan;
  std::size_t size = 0;
  long n = 0;
  while (scan.may_be_without_request() && size < kMaxBundleFile &&
         (n = system_call(kRead, fd, address(piece), kPiece, 0)) > 0) {
    scan.take({piece, static_cast<std::size_t>(n)});
    size += static_cast<std::size_t>(n);
  }
  system_call(kClose, fd, 0, 0, 0);
  return n == 0 && scan.is_without_request();
}

}  // namespace

/// Returns if the ordinary start is to run; `stack` is then as it was.
extern "C" __attribute__((used, visibility("hidden"))) void gpunode_fast_start(
    long* stack) {
  const auto count = static_cast<std::size_t>(*stack);
  auto* const arguments = reinterpret_cast<const char**>(stack + 1);
  const oci::Call call = oci::kind_of(count, arguments);
  if (call == oci::Call::kOwn) return;
  const char* const* const entries = arguments + count + 1;
  const oci::PassedEnvironment environment = oci::read_environment(entries);

  oci::PathBuffer path;
  char bytes[kMaxConfig];  // NOLINT(modernize-avoid-c-arrays): freestanding.
  Rules rules;
  if (!read_rules(environment, path, bytes, rules)) return;
  if (rules.candidates.count == 0) {
    oci::add_default_candidates(rules.candidates);
  }
  if (call == oci::Call::kCreate &&
      (rules.has_other_requests ||
       !is_unasked(oci::bundle_of(count, arguments), path))) {
    return;
  }

  const char* const own_name = arguments[0];
  oci::try_candidates(
      rules.candidates, environment.path, path, [&](const char* program) {
        arguments[0] = program;
        const long error = system_call(kExecve, address(program),
                                       address(arguments), address(entries), 0);
        const bool is_absent = error == kNoEntry || error == kAccess ||
                               error == kNotDirectory ||
                               error == kNameTooLong || error == kLoop;
        return is_absent ? oci::Attempt::kNext : oci::Attempt::kStop;
      });
  arguments[0] = own_name;
}

}  // namespace gpunode::runtime
