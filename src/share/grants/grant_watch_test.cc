#include "share/grants/grant_watch.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "share/grants/container_side.h"

namespace gpunode::share {
namespace {

namespace fs = std::filesystem;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::uint64_t kMiB = 1 << 20;
constexpr const char* kId = "1";

/// A process that holds 1 MiB until it is told to end.
class Holder {
 public:
  explicit Holder(const GrantFiles& files, const char* id = kId) {
    std::array<int, 2> ready = {};
    EXPECT_EQ(pipe(ready.data()), 0);
    pid_ = fork();
    if (pid_ == 0) {
      ContainerSide process(files, id);
      const bool holds = process.ledger().enroll(identity_of_this_process()) &&
                         process.ledger().reserve(0, MemoryKind::kData, kMiB) ==
                             Verdict::kGranted;
      const char word = holds ? 'y' : 'n';
      if (write(ready[1], &word, 1) != 1) _exit(1);
      for (;;) pause();
    }
    close(ready[1]);
    char word = 'n';
    EXPECT_EQ(read(ready[0], &word, 1), 1);
    EXPECT_EQ(word, 'y');
    close(ready[0]);
  }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;
  ~Holder() { finish(); }

  void finish() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    EXPECT_EQ(waitpid(pid_, nullptr, 0), pid_);
    pid_ = -1;
  }

 private:
  pid_t pid_ = -1;
};

class WatchedGrants : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "watch-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root = pattern;
    files.emplace(root.string());
    ASSERT_TRUE(files->renew({kId, {{"GPU-a", 3 * kMiB}}}));
  }
  void TearDown() override { fs::remove_all(root); }

  fs::path root;
  std::optional<GrantFiles> files;
};

// The processes of a container that was started anew are of another pid
// namespace than those before it: only the node can tell that these ended.
TEST_F(WatchedGrants, AProcessThatEndedHoldsNothingFromTheNextStepOn) {
  GrantWatch watch(*files, host::HostRoot());
  Holder one(*files);
  Holder two(*files);
  watch.step();
  EXPECT_THAT(watch.looks().at(kId).slots, SizeIs(2));
  EXPECT_EQ(watch.processes(), 2u);
  one.finish();
  watch.step();
  EXPECT_THAT(watch.looks().at(kId).slots, SizeIs(1));
  EXPECT_EQ(files->look(kId)->devices[0].use.total, kMiB);
  two.finish();
  watch.step();
  EXPECT_THAT(watch.looks().at(kId).slots, IsEmpty());
  EXPECT_EQ(files->look(kId)->devices[0].use.total, 0u);
}

TEST_F(WatchedGrants, OneThatEndedBeforeAnybodyLookedIsGoneToo) {
  Holder early(*files);
  early.finish();
  EXPECT_EQ(files->look(kId)->devices[0].use.total, kMiB);
  GrantWatch watch(*files, host::HostRoot());
  watch.step();
  EXPECT_EQ(files->look(kId)->devices[0].use.total, 0u);
}

TEST_F(WatchedGrants, NobodyIsToldGoneByWhoDoesNotSeeProcesses) {
  Holder early(*files);
  early.finish();
  GrantWatch blind(*files, host::HostRoot("/nowhere"));
  blind.step();
  EXPECT_EQ(files->look(kId)->devices[0].use.total, kMiB);
  EXPECT_TRUE(blind.is_blind());
}

// The table of processes is read once a step: after all ledgers, or who comes
// between two of them would seem to have ended.
TEST_F(WatchedGrants, OfSeveralGrantsTheLivingStay) {
  std::vector<std::unique_ptr<Holder>> holders;
  for (const char* id : {"2", "3", "4"}) {
    ASSERT_TRUE(files->renew({id, {{"GPU-a", 3 * kMiB}}}));
    holders.push_back(std::make_unique<Holder>(*files, id));
  }
  GrantWatch watch(*files, host::HostRoot());
  watch.step();
  for (const char* id : {"2", "3", "4"}) {
    EXPECT_THAT(watch.looks().at(id).slots, SizeIs(1)) << id;
  }
  EXPECT_FALSE(watch.is_blind());
}

// The same ids for another Pod: a new ledger, whose first slot is called as the
// old one's.
TEST_F(WatchedGrants, ANewLedgersProcessIsNotJudgedByTheOldOnes) {
  GrantWatch watch(*files, host::HostRoot());
  Holder old(*files);
  watch.step();
  ASSERT_TRUE(files->renew({kId, {{"GPU-a", 3 * kMiB}}}));
  Holder fresh(*files);
  old.finish();
  watch.step();
  EXPECT_THAT(watch.looks().at(kId).slots, SizeIs(1));
  EXPECT_EQ(files->look(kId)->devices[0].use.total, kMiB);
}

TEST_F(WatchedGrants, WhatTheDriverSaidGoesWithTheLastProcess) {
  GrantWatch watch(*files, host::HostRoot());
  Holder holder(*files);
  ASSERT_TRUE(files->set_unaccounted(kId, "GPU-a", kMiB));
  watch.step();
  EXPECT_EQ(watch.looks().at(kId).devices[0].unaccounted, kMiB);
  holder.finish();
  watch.step();
  EXPECT_EQ(files->look(kId)->devices[0].unaccounted, 0u);
}

TEST_F(WatchedGrants, ARemovedGrantIsForgotten) {
  GrantWatch watch(*files, host::HostRoot());
  Holder holder(*files);
  watch.step();
  ASSERT_TRUE(files->remove(kId));
  watch.step();
  EXPECT_TRUE(watch.looks().empty());
  EXPECT_EQ(watch.processes(), 0u);
  holder.finish();
}

// Out of descriptors for a moment, say.
TEST_F(WatchedGrants, ThatCannotBeListedAreAsTheyWere) {
  GrantWatch watch(*files, host::HostRoot());
  watch.step();
  const std::uint64_t file = watch.looks().at(kId).file;
  ASSERT_NE(file, 0u);
  const fs::path away = root.string() + "-away";
  fs::rename(root, away);
  std::ofstream(root) << "no directory";
  watch.step();
  fs::remove(root);
  fs::rename(away, root);
  ASSERT_THAT(watch.looks(), SizeIs(1));
  EXPECT_EQ(watch.looks().at(kId).file, file);
  ASSERT_TRUE(files->remove(kId));
  watch.step();
  EXPECT_THAT(watch.looks(), IsEmpty());
}

TEST_F(WatchedGrants, OneThatCannotBeLookedAtIsAsItWas) {
  const Holder holder(*files);
  GrantWatch watch(*files, host::HostRoot());
  watch.step();
  const GrantLook before = watch.looks().at(kId);
  ASSERT_THAT(before.slots, SizeIs(1));
  const fs::path limits = files->limits_path(kId);
  const fs::path away = root / "away";
  fs::rename(limits, away);
  fs::create_symlink(away, limits);
  for (int i = 0; i < 2; ++i) watch.step();
  const GrantLook failed = watch.looks().at(kId);
  EXPECT_NE(failed.problem, "");
  EXPECT_EQ(failed.file, before.file);
  EXPECT_EQ(failed.slots, before.slots);
  ASSERT_THAT(failed.devices, SizeIs(1));
  EXPECT_EQ(failed.devices[0].limit, 3 * kMiB);
  fs::rename(away, limits);
  watch.step();
  EXPECT_EQ(watch.looks().at(kId).problem, "");
}

}  // namespace
}  // namespace gpunode::share
