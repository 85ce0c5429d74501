// A container with one GPU whose time is given in turns, and a program in it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "share/ledger/lane.h"
#include "tests/share/laid_container.h"

namespace gpunode::share {

/// Words of the node's.
inline constexpr std::uint32_t kIn = TurnWord::kInTurns;
inline constexpr std::uint32_t kShut = TurnWord::kInTurns | TurnWord::kClosed;
inline constexpr std::uint32_t kTight =
    TurnWord::kInTurns | TurnWord::kContended;

/// Whether work that is not to go yet can be left to the Device.
enum class Gates : std::uint8_t { kNone, kToBeHad };

/// Without gates threads wait.
class TurningContainer : public ::testing::Test {
 protected:
  using Deeds = std::vector<std::string>;

  explicit TurningContainer(Gates gates = Gates::kNone) : gates_(gates) {}
  void SetUp() override {
    container.set("GPUNODE_FAKE_NVML", GPUNODE_PROFILES "/a10g-x1.json");
    refuse("");
    container.lay(1024 * kMiB);
  }
  /// Has the driver refuse a call, "cuMemAlloc_v2:2"; and gates, if there are
  /// to be none.
  void refuse(std::string call) {
    if (gates_ == Gates::kNone) call += ",cuStreamWaitValue32_v2:801";
    container.set("GPUNODE_FAKE_CUDA_FAIL", std::move(call));
  }
  /// By turn_taker.
  Answer run(const Deeds& deeds) const {
    return container.run(
        and_then({GPUNODE_TURN_TAKER, container.directory().string()}, deeds));
  }
  static std::string word(std::uint32_t bits) { return std::to_string(bits); }
  static Deeds and_then(Deeds first, const Deeds& then) {
    first.insert(first.end(), then.begin(), then.end());
    return first;
  }

  LaidContainer container;

 private:
  Gates gates_;
};

}  // namespace gpunode::share
