#include "share/grants/grant_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/core/unique_fd.h"
#include "share/grants/container_side.h"
#include "share/grants/delivery.h"
#include "share/grants/grant_place.h"
#include "share/ledger/ledger.h"

namespace gpunode::share {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;
constexpr const char* kId = "0a-1";

class GrantsOnDisk : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "grants-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root = pattern;
    files.emplace(root.string() + "/deep/allocations");
  }
  void TearDown() override { fs::remove_all(root); }

  std::string path(const std::string& name) const {
    return files->root() + "/" + kId + "/" + name;
  }

  fs::path root;
  std::optional<GrantFiles> files;
  const Grant grant{kId, {{"GPU-a", 4 * kGiB}, {"GPU-b", 2 * kGiB}}};
};

TEST_F(GrantsOnDisk, AreWhatAContainersProcessesReadAndWrite) {
  ASSERT_TRUE(files->renew(grant));
  ContainerSide process(*files, kId);
  ASSERT_TRUE(process.ledger().enroll(identity_of_this_process()));
  EXPECT_EQ(process.ledger().reserve(1, MemoryKind::kData, kGiB),
            Verdict::kGranted);
  EXPECT_EQ(process.ledger().reserve(1, MemoryKind::kData, 2 * kGiB),
            Verdict::kRefused);
  const auto look = files->look(kId);
  ASSERT_TRUE(look);
  EXPECT_EQ(look->problem, "");
  ASSERT_EQ(look->devices.size(), 2u);
  EXPECT_EQ(look->devices[0].uuid, "GPU-a");
  EXPECT_EQ(look->devices[0].limit, 4 * kGiB);
  EXPECT_EQ(look->devices[1].use.total, kGiB);
  EXPECT_EQ(look->devices[1].use.refusals, 1u);
  ASSERT_EQ(look->slots.size(), 1u);
  EXPECT_EQ(look->slots[0].pid, static_cast<std::uint32_t>(getpid()));
  EXPECT_THAT(look->slots[0].held, ElementsAre(0u, kGiB));
}

TEST_F(GrantsOnDisk, HaveWhatTheRuntimeIsToldAndTells) {
  Grant lenient = grant;
  lenient.on_unsupported = OnUnsupported::kUnlimited;
  ASSERT_TRUE(files->renew(lenient));
  const Delivery delivery(files->root(), kId);
  EXPECT_EQ(delivery.on_unsupported(), OnUnsupported::kUnlimited);
  ASSERT_TRUE(delivery.tell_unlimited("/app is a static program"));
  ASSERT_TRUE(delivery.write_preload("/image.so\n"));
  EXPECT_EQ(files->look(kId)->why_unlimited, "/app is a static program");
  // The settings of today are for the container's next start; what the runtime
  // has told is of the last.
  ASSERT_TRUE(files->keep(grant));
  EXPECT_EQ(delivery.on_unsupported(), OnUnsupported::kRefuse);
  EXPECT_NE(delivery.why_unlimited(), "");
  // Who gets the ids next has nothing of it.
  ASSERT_TRUE(files->renew(grant));
  EXPECT_EQ(delivery.on_unsupported(), OnUnsupported::kRefuse);
  EXPECT_EQ(files->look(kId)->why_unlimited, "");
  EXPECT_FALSE(fs::exists(path("ld.so.preload")));
}

TEST_F(GrantsOnDisk, OfAnAgentThatKnewNoWordAreGivenOne) {
  Grant lenient = grant;
  lenient.on_unsupported = OnUnsupported::kUnlimited;
  ASSERT_TRUE(files->renew(grant));
  fs::remove(path("on-unsupported"));
  ASSERT_TRUE(files->keep(lenient));
  EXPECT_EQ(Delivery(files->root(), kId).on_unsupported(),
            OnUnsupported::kUnlimited);
}

TEST_F(GrantsOnDisk, GoWithAllThatLiesInThem) {
  ASSERT_TRUE(files->renew(grant));
  const Delivery delivery(files->root(), kId);
  ASSERT_TRUE(delivery.tell_unlimited("so"));
  ASSERT_TRUE(delivery.write_preload(""));
  std::ofstream(path(".ld.so.preload.7.1.tmp")) << "half";
  ASSERT_TRUE(files->remove(kId));
  EXPECT_FALSE(fs::exists(files->root() + "/" + kId));
}

TEST_F(GrantsOnDisk, MayBeReadByAnybodyAndWrittenByAnybodyAsFarAsItIsTheirs) {
  ASSERT_TRUE(files->renew(grant));
  const auto mode = [&](const char* name) {
    struct stat status {};
    EXPECT_EQ(::stat(path(name).c_str(), &status), 0);
    return status.st_mode & 07777U;
  };
  EXPECT_EQ(mode("limits"), 0644u) << "mounted read-only";
  EXPECT_EQ(mode("ledger"), 0666u);
  // A hook of another user namespace reads them by their paths.
  EXPECT_EQ(mode(""), 0711u);
  EXPECT_EQ(mode(".."), 0711u);
}

TEST_F(GrantsOnDisk, AreChangedInPlaceWhileProcessesRun) {
  ASSERT_TRUE(files->renew(grant));
  ContainerSide process(*files, kId);
  ASSERT_TRUE(process.ledger().enroll(identity_of_this_process()));
  EXPECT_EQ(process.ledger().reserve(0, MemoryKind::kData, 5 * kGiB),
            Verdict::kRefused);
  ASSERT_TRUE(files->set_limit(kId, "GPU-a", 6 * kGiB));
  EXPECT_EQ(process.ledger().reserve(0, MemoryKind::kData, 5 * kGiB),
            Verdict::kGranted);
  ASSERT_TRUE(files->set_unaccounted(kId, "GPU-a", kGiB));
  EXPECT_EQ(process.ledger().room(0), 0u);
  const auto unknown = files->set_limit(kId, "GPU-c", 1);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code(), ErrorCode::kNotFound);
}

TEST_F(GrantsOnDisk, HaveAPriorityThatTheNodeSays) {
  ASSERT_TRUE(files->renew(grant));
  const auto priority = [&] { return files->look(kId)->devices[1].priority; };
  EXPECT_EQ(priority(), TurnPriority{});
  for (const std::int32_t value :
       {std::numeric_limits<std::int32_t>::min(), -1, 0, 1,
        std::numeric_limits<std::int32_t>::max()}) {
    const TurnPriority said{value, PrioritySource::kPod};
    ASSERT_TRUE(files->set_priority(kId, "GPU-b", said));
    EXPECT_EQ(priority(), said);
  }
  EXPECT_EQ(files->look(kId)->devices[0].priority, TurnPriority{});
  // By hand counts more than the Pod's, until it is taken back.
  const TurnPriority by_hand{-7, PrioritySource::kHand};
  ASSERT_TRUE(files->set_priority(kId, "GPU-b", by_hand));
  ASSERT_TRUE(files->set_priority(kId, "GPU-b", {5, PrioritySource::kPod}));
  EXPECT_EQ(priority(), by_hand);
  ASSERT_TRUE(files->keep(grant));
  EXPECT_EQ(priority(), by_hand);
  ASSERT_TRUE(files->set_priority(kId, "GPU-b", {3, PrioritySource::kHand}));
  EXPECT_EQ(priority().value, 3);
  // It is of files that are another's by now.
  const std::uint64_t file = files->look(kId)->file;
  ASSERT_TRUE(
      files->set_priority(kId, "GPU-b", {8, PrioritySource::kHand}, file + 1));
  EXPECT_EQ(files->look(kId)->devices[1].priority.value, 3);
  ASSERT_TRUE(
      files->set_priority(kId, "GPU-b", {4, PrioritySource::kHand}, file));
  EXPECT_EQ(files->look(kId)->devices[1].priority.value, 4);
  ASSERT_TRUE(files->set_priority(kId, "GPU-b", {}, file));
  EXPECT_EQ(priority().value, 4) << "the agent takes back none set by hand";
  ASSERT_TRUE(files->set_priority(kId, "GPU-b", {}));
  EXPECT_EQ(priority(), TurnPriority{});
  EXPECT_EQ(files->set_priority(kId, "GPU-c", by_hand).error().code(),
            ErrorCode::kNotFound);
  // The next container of these ids is another one.
  ASSERT_TRUE(files->set_priority(kId, "GPU-b", by_hand));
  ASSERT_TRUE(files->renew(grant));
  EXPECT_EQ(priority(), TurnPriority{});
}

TEST_F(GrantsOnDisk, HaveNoPriorityOfAWordThatNobodyKnows) {
  EXPECT_EQ(priority_of(0), TurnPriority{});
  EXPECT_EQ(priority_of(12345), TurnPriority{}) << "nobody's";
  EXPECT_EQ(priority_of(std::uint64_t{3} << 32 | 9), TurnPriority{});
  EXPECT_EQ(priority_of(~std::uint64_t{0}), TurnPriority{});
  EXPECT_EQ(word_of({-1, PrioritySource::kPod}), 0x1'FFFF'FFFFu);
  EXPECT_EQ(word_of({-1, PrioritySource::kNobody}), 0u);
}

TEST_F(GrantsOnDisk, KeepWhatRunsInThem) {
  ASSERT_TRUE(files->keep(grant));
  ContainerSide process(*files, kId);
  ASSERT_TRUE(process.ledger().enroll(identity_of_this_process()));
  ASSERT_TRUE(files->set_limit(kId, "GPU-a", 3 * kGiB));
  ASSERT_TRUE(files->keep(grant));
  EXPECT_EQ(process.ledger().reserve(0, MemoryKind::kData, kGiB),
            Verdict::kGranted);
  const auto look = files->look(kId);
  ASSERT_TRUE(look);
  EXPECT_EQ(look->devices[0].use.total, kGiB) << "the same files";
  EXPECT_EQ(look->devices[0].limit, 3 * kGiB);
  // Where the same ids mean other devices by now, the container does not.
  ASSERT_TRUE(files->keep({kId, {{"GPU-a", kGiB}}}));
  EXPECT_EQ(files->look(kId)->devices.size(), 2u);
  EXPECT_EQ(files->look(kId)->devices[0].use.total, kGiB);
}

TEST_F(GrantsOnDisk, AreMadeInTheDirectoriesThatAnEngineMadeInTheirPlace) {
  for (const char* name : {"limits", "ledger"}) {
    fs::create_directories(path(name));
  }
  // As a container has it that began before the agent.
  const UniqueFd mounted(
      ::open(path("limits").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_TRUE(files->keep(grant));
  EXPECT_EQ(files->look(kId)->problem, "");
  const UniqueFd seen(::openat(mounted.get(), "limits", O_RDONLY | O_CLOEXEC));
  EXPECT_TRUE(seen) << "what is mounted has been replaced";
  ASSERT_TRUE(files->set_limit(kId, "GPU-a", 3 * kGiB));
  ASSERT_TRUE(files->keep(grant));
  EXPECT_EQ(files->look(kId)->devices[0].limit, 3 * kGiB) << "the same files";
  ASSERT_TRUE(files->remove(kId));
  EXPECT_FALSE(fs::exists(path("")));
}

TEST_F(GrantsOnDisk, AreNotMadeWhereAContainersLinkLeads) {
  fs::create_directories(path("ledger"));
  const std::string elsewhere = files->root() + "/elsewhere";
  std::ofstream(elsewhere) << "kept";
  fs::create_symlink(elsewhere, path("ledger/ledger"));
  ASSERT_TRUE(files->keep(grant));
  EXPECT_EQ(files->look(kId)->problem, "");
  EXPECT_EQ(fs::file_size(elsewhere), 4u);
}

TEST_F(GrantsOnDisk, OfANewContainerAreFilesAgainWhateverTheLastOneLeft) {
  for (const char* name : {"limits", "ledger"}) {
    fs::create_directories(path(name));
  }
  ASSERT_TRUE(files->keep(grant));
  // It may write where the engine made a directory; what is below a directory
  // there is not removed, as of one that is not root's it could not be.
  fs::remove(path("ledger/ledger"));
  fs::create_directories(path("ledger/ledger/full/and/deep"));
  for (int time = 0; time < 2; ++time) {
    ASSERT_TRUE(files->renew(grant));
    EXPECT_TRUE(fs::is_regular_file(path("limits")));
    EXPECT_TRUE(fs::is_regular_file(path("ledger")));
  }
  EXPECT_THAT(*files->list(), ElementsAre(kId));
}

TEST_F(GrantsOnDisk, AreNotRemovedForThoseOfBefore) {
  ASSERT_TRUE(files->renew(grant));
  const std::uint64_t before = files->look(kId)->file;
  ASSERT_TRUE(files->renew(grant));
  ASSERT_TRUE(files->remove(kId, before));
  EXPECT_TRUE(fs::exists(path("limits")));
  ASSERT_TRUE(files->remove(kId, files->look(kId)->file));
  EXPECT_FALSE(fs::exists(path("")));
}

TEST_F(GrantsOnDisk, TakeNoMoreMemoryOfTheHostThanTheyShould) {
  ASSERT_TRUE(files->renew(grant));
  const auto size = fs::file_size(path("ledger"));
  const auto blocks = [&] {
    struct stat status {};
    EXPECT_EQ(::stat(path("ledger").c_str(), &status), 0);
    return status.st_blocks;
  };
  const auto usual = blocks();
  const UniqueFd fd(::open(path("ledger").c_str(), O_WRONLY | O_CLOEXEC));
  ASSERT_EQ(::fallocate(fd.get(), 0, 0, 1 << 24), 0);
  EXPECT_EQ(files->look(kId)->problem, "") << "what is before that is whole";
  EXPECT_EQ(fs::file_size(path("ledger")), size);
  // Memory behind the end is not seen by the size.
  ASSERT_EQ(::fallocate(fd.get(), FALLOC_FL_KEEP_SIZE, 1 << 20, 1 << 24), 0);
  EXPECT_EQ(files->look(kId)->problem, "");
  EXPECT_LE(blocks(), usual + 8);
}

TEST_F(GrantsOnDisk, OpenNothingThatIsNoFile) {
  ASSERT_TRUE(files->renew(grant));
  fs::remove(path("ledger"));
  ASSERT_EQ(::mkfifo(path("ledger").c_str(), 0666), 0);
  EXPECT_THAT(files->look(kId)->problem, HasSubstr("is no file"));
}

TEST_F(GrantsOnDisk, DoNotBelieveALedgerThatIsNone) {
  ASSERT_TRUE(files->renew(grant));
  const auto problem = [&] {
    const auto look = files->look(kId);
    EXPECT_TRUE(look);
    EXPECT_EQ(look->devices.size(), 2u);
    EXPECT_THAT(look->slots, IsEmpty());
    return look->problem;
  };
  std::ofstream(path("ledger"), std::ios::trunc) << "nonsense";
  EXPECT_THAT(problem(), HasSubstr("no ledger any more"));
  // A TiB of nothing: no more of it is read than there should be.
  ASSERT_EQ(::truncate(path("ledger").c_str(), off_t{1} << 40), 0);
  EXPECT_THAT(problem(), HasSubstr("no ledger any more"));
  fs::remove(path("ledger"));
  fs::create_symlink("/etc/passwd", path("ledger"));
  EXPECT_THAT(problem(), HasSubstr("is no file"));
}

TEST_F(GrantsOnDisk, SlotsOfWhoIsGoneCountNoMore) {
  ASSERT_TRUE(files->renew(grant));
  ContainerSide process(*files, kId);
  ASSERT_TRUE(process.ledger().enroll(identity_of_this_process()));
  ASSERT_EQ(process.ledger().reserve(0, MemoryKind::kData, kGiB),
            Verdict::kGranted);
  const SlotHeld slot = files->look(kId)->slots.at(0);
  SlotHeld other = slot;
  ++other.start_time;
  ASSERT_TRUE(files->mark_gone(kId, {other}));
  EXPECT_EQ(files->look(kId)->slots.size(), 1u) << "it is another's by now";
  ASSERT_TRUE(files->mark_gone(kId, {slot}));
  EXPECT_THAT(files->look(kId)->slots, IsEmpty());
  EXPECT_EQ(files->look(kId)->devices[0].use.total, 0u);
  other.slot = 1 << 20;
  EXPECT_FALSE(files->mark_gone(kId, {other}));
}

TEST_F(GrantsOnDisk, AreListedAndRemoved) {
  EXPECT_THAT(*files->list(), IsEmpty());
  ASSERT_TRUE(files->renew(grant));
  ASSERT_TRUE(files->renew({"b", {{"GPU-a", 1}}}));
  fs::create_directory(files->root() + "/Not one of ours");
  EXPECT_THAT(*files->list(), ElementsAre(kId, "b"));
  ASSERT_TRUE(files->remove(kId));
  ASSERT_TRUE(files->remove(kId));
  EXPECT_THAT(*files->list(), ElementsAre("b"));
}

TEST_F(GrantsOnDisk, TakeNoIdThatLeadsElsewhere) {
  for (const char* id : {"", ".", "..", "../x", "a/b", "/etc"}) {
    EXPECT_FALSE(files->renew({id, {{"GPU-a", 1}}})) << id;
    EXPECT_FALSE(files->remove(id)) << id;
    EXPECT_FALSE(files->look(id)) << id;
    EXPECT_FALSE(files->set_limit(id, "GPU-a", 1)) << id;
  }
  EXPECT_FALSE(files->renew({kId, {}}));
  EXPECT_FALSE(files->renew({kId, std::vector<GrantedDevice>(17)}));
}

}  // namespace
}  // namespace gpunode::share
