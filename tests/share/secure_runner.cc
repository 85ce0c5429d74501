// Runs a program as the C library runs programs of other rights (setuid): in
// a mount namespace of its own, whose /etc/ld.so.preload names a library.
//
//   secure_runner ETC PROGRAM...
//
// ETC is a directory that stands for /etc. Ends with 77 where this process may
// make no mounts.
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdio>

int main(int count, char** argv) {
  if (count < 3) return 2;
  if (unshare(CLONE_NEWNS) != 0 ||
      mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      mount(argv[1], "/etc", nullptr, MS_BIND, nullptr) != 0) {
    std::perror("mount");
    return 77;
  }
  execv(argv[2], argv + 2);
  std::perror(argv[2]);
  return 3;
}
