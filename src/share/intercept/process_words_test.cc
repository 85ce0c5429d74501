#include "share/intercept/process_words.h"

#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include <gtest/gtest.h>

namespace gpunode::share {
namespace {

/// Of a child that no handler of a fork was run in.
template <typename Body>
int status_of_child(Body body) {
  const long child = syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, 0);
  if (child == 0) _exit(body());
  int status = -1;
  waitpid(static_cast<pid_t>(child), &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

class ProcessWordsOf : public ::testing::TestWithParam<Wiping> {};

TEST_P(ProcessWordsOf, AreEmptyInAChildAndTheParentsStay) {
  ProcessWords* words = own(make_process_words(GetParam()));
  ASSERT_NE(words, nullptr);
  EXPECT_EQ(words->opening, 0u);
  words->opening = 5;
  words->slot = 6;
  EXPECT_EQ(own(words)->opening, 5u);
  const int status = status_of_child([words] {
    const ProcessWords* here = own(words);
    if (here->opening != 0 || here->slot != 0) return 1;
    own(words)->slot = 7;
    if (own(words)->slot != 7) return 2;
    return status_of_child(
        [words] { return static_cast<int>(own(words)->slot); });
  });
  EXPECT_EQ(status, 0);
  EXPECT_EQ(own(words)->opening, 5u);
  EXPECT_EQ(own(words)->slot, 6u);
}

INSTANTIATE_TEST_SUITE_P(Kernels, ProcessWordsOf,
                         ::testing::Values(Wiping::kByKernel, Wiping::kByOwner),
                         [](const auto& test) {
                           return test.param == Wiping::kByKernel ? "new"
                                                                  : "old";
                         });

TEST(ProcessWords, OfTheProcessAreTheSameEachTime) {
  EXPECT_EQ(process_words(), process_words());
  ASSERT_NE(process_words(), nullptr);
}

}  // namespace
}  // namespace gpunode::share
