// For tests: a process with mounts of its own.
#pragma once

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include <gtest/gtest.h>

namespace gpunode::hook {

/// Runs `body` in a child whose mounts nobody else sees. Returns what kept it
/// from being all right: "" if nothing, "skip" if mounts are not to be had
/// here. Expectations that fail inside count.
template <class Body>
std::string with_own_mounts(Body body) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
      ::_exit(77);
    }
    body();
    ::_exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child) return "fork";
  if (!WIFEXITED(status)) return "killed";
  if (WEXITSTATUS(status) == 77) return "skip";
  return WEXITSTATUS(status) == 0 ? "" : "failed, see above";
}

}  // namespace gpunode::hook

// A statement in a test: runs the lambda, skips or fails with it.
#define IN_OWN_MOUNTS(...)                                                 \
  do {                                                                     \
    const std::string outcome_ =                                           \
        ::gpunode::hook::with_own_mounts(__VA_ARGS__);                     \
    if (outcome_ == "skip") GTEST_SKIP() << "may not unshare mounts here"; \
    ASSERT_EQ(outcome_, "");                                               \
  } while (false)
