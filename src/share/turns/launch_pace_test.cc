#include "share/turns/launch_pace.h"

#include <chrono>
#include <cstdint>
#include <limits>

#include <gtest/gtest.h>

namespace gpunode::share {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

/// A program that launches 50 times a millisecond in turns of 2 ms.
class LaunchPaceTest : public ::testing::Test {
 protected:
  /// `held` were held before the turn, `waited` long.
  void take_turn(std::uint64_t held, Duration waited) {
    pace.begin(launches, waited);
    launches += held;
    pace.see(launches, microseconds(60));
    for (int i = 0; i < 20; ++i) {
      launches += 5;
      pace.see(launches, microseconds(100));
    }
  }

  LaunchPace pace;
  std::uint64_t launches = 7;
};

TEST_F(LaunchPaceTest, NothingIsKnownOfWhoNeverHadATurn) {
  EXPECT_FALSE(pace.goes_on());
  take_turn(150, milliseconds(3));
  EXPECT_FALSE(pace.goes_on())
      << "its pace in turns is seen for the first time";
}

TEST_F(LaunchPaceTest, WhoHadAsMuchHeldAsItLaunchesInTurnsGoesOn) {
  for (int i = 0; i < 8; ++i) take_turn(150, milliseconds(3));
  EXPECT_TRUE(pace.goes_on());
}

TEST_F(LaunchPaceTest, WhoWaitsForItsKernelsDoesNot) {
  for (int i = 0; i < 8; ++i) take_turn(10, milliseconds(3));
  EXPECT_FALSE(pace.goes_on());
  for (int i = 0; i < 8; ++i) take_turn(60, milliseconds(3));
  EXPECT_FALSE(pace.goes_on()) << "two fifths of its pace";
}

TEST_F(LaunchPaceTest, AChangeIsSeenWithinSomeTurns) {
  for (int i = 0; i < 50; ++i) take_turn(150, milliseconds(3));
  for (int i = 0; i < 4; ++i) take_turn(10, milliseconds(3));
  EXPECT_FALSE(pace.goes_on());
  for (int i = 0; i < 8; ++i) take_turn(150, milliseconds(3));
  EXPECT_TRUE(pace.goes_on());
}

TEST_F(LaunchPaceTest, OneThatWasBlockedByALongWaitIsJudgedByItsFirstPart) {
  // Held is what it launches in 4 ms, and then no more could be.
  for (int i = 0; i < 8; ++i) take_turn(200, milliseconds(40));
  EXPECT_TRUE(pace.goes_on());
}

TEST_F(LaunchPaceTest, AShortWaitSaysNothing) {
  for (int i = 0; i < 8; ++i) take_turn(150, milliseconds(3));
  for (int i = 0; i < 50; ++i) take_turn(1, microseconds(60));
  EXPECT_TRUE(pace.goes_on());
}

TEST_F(LaunchPaceTest, FewLongKernelsSayNothing) {
  for (int i = 0; i < 20; ++i) {
    pace.begin(launches, milliseconds(10));
    pace.see(++launches, milliseconds(1));
    pace.see(++launches, milliseconds(9));
  }
  EXPECT_FALSE(pace.goes_on());
}

TEST_F(LaunchPaceTest, CountsThatGoBackAreNone) {
  for (int i = 0; i < 8; ++i) take_turn(150, milliseconds(3));
  pace.begin(launches, milliseconds(3));
  pace.see(3, microseconds(60));
  pace.see(0, microseconds(60));
  pace.see(std::numeric_limits<std::uint64_t>::max(), microseconds(60));
  EXPECT_TRUE(pace.goes_on());
}

}  // namespace
}  // namespace gpunode::share
