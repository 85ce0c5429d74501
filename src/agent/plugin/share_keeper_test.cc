#include "agent/plugin/share_keeper.h"

#include <poll.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/resource/allocation_id.h"
#include "agent/resource/resource_set.h"
#include "agent/resource/simulated_node.h"
#include "share/grants/delivery.h"
#include "tests/doubles/kubelet/plugin_directory.h"
#include "tests/doubles/kubelet/pod_resources_double.h"

namespace gpunode::plugin {
namespace {

namespace fs = std::filesystem;
using doubles::eventually;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kGpu = "nvidia.com/gpu";

std::string id(unsigned gpu, unsigned replica) {
  return resource::uuid_of(gpu) + "::" + std::to_string(replica);
}

resource::Resource in_shares(
    unsigned gpus, config::OnUnsupported word = config::OnUnsupported::kRefuse,
    config::ComputePolicy compute = config::ComputePolicy::kFair,
    config::SharePriority priority = config::SharePriority::kNone) {
  config::Settings settings;
  settings.shares.emplace();
  settings.shares->on_unsupported = word;
  settings.shares->compute = compute;
  settings.shares->priority = priority;
  settings.shares->resources = {{kGpu, kGpu, config::AllDevices{}, 20}};
  return resource::build_resources(resource::simulated_node(gpus), settings)
      .resources.at(0);
}

class KeptShares : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "keeper-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root = pattern;
    record("");
    resources.push_back(
        std::make_shared<const resource::Resource>(in_shares(1)));
    auto made = doubles::PodResourcesDouble::start(
        root / "pods.sock", doubles::PodResourcesForm::kV1,
        [this] { return pods; });
    ASSERT_TRUE(made) << made.error().message();
    kubelet = *std::move(made);
    keeper.emplace(
        files(), host::HostRoot(),
        HolderSources{root.string() + "/pods.sock", root.string() + "/record",
                      std::chrono::seconds(20), true});
  }
  void TearDown() override {
    keeper.reset();
    kubelet.reset();
    fs::remove_all(root);
  }

  share::GrantFiles files() const {
    return share::GrantFiles(root.string() + "/allocations");
  }
  /// A look, and the kubelet's answer.
  void ask() {
    now += std::chrono::seconds(20);
    keeper->due(now, true, resources);
    pollfd news{keeper->news_fd(), POLLIN, 0};
    ASSERT_EQ(poll(&news, 1, 30'000), 1);
    keeper->due(now, true, resources);
  }
  /// The kubelet's checkpoint, of one container or of none.
  void record(const std::string& id) const {
    std::ofstream(root / "record")
        << R"({"Data":{"PodDeviceEntries":[)"
        << (id.empty() ? std::string()
                       : R"({"PodUID":"u","ContainerName":"init",)"
                         R"("ResourceName":"nvidia.com/gpu",)"
                         R"("DeviceIDs":{"-1":[")" +
                             id + R"("]}})")
        << "]}}";
  }
  /// Longer than a grant is left alone.
  void ask_for_long() {
    for (int i = 0; i < 5; ++i) ask();
  }

  fs::path root;
  Resources resources;
  std::vector<kubelet::Holding> pods;
  std::unique_ptr<doubles::PodResourcesDouble> kubelet;
  std::optional<ShareKeeper> keeper;
  TimePoint now{};
};

// A reboot: the kubelet replays its answer, and what it names is gone.
TEST_F(KeptShares, AreMadeAgainFromWhatPodsHold) {
  pods = {{"ns", "pod", "ctr", kGpu, {id(0, 3), id(0, 4)}}};
  ask();
  const std::string allocation =
      resource::allocation_id(kGpu, {id(0, 4), id(0, 3)});
  EXPECT_THAT(*files().list(), ElementsAre(allocation));
  const auto look = files().look(allocation);
  ASSERT_TRUE(look);
  EXPECT_EQ(look->devices.at(0).limit,
            resource::share_of_memory(std::uint64_t{16} << 30, 2, 20));
  ask();
  const auto uses = keeper->uses();
  ASSERT_EQ(uses.size(), 1u);
  EXPECT_EQ(uses[0].holder.pod, "pod");
  EXPECT_EQ(keeper->problem(), "");
}

TEST_F(KeptShares, ThatNoPodHoldsAreRemovedWhenTheyHaveHadTheirTime) {
  const std::string allocation = resource::allocation_id(kGpu, {id(0, 0)});
  const std::string uuid = resource::uuid_of(0);
  ASSERT_TRUE(files().renew({allocation, {{uuid, 1 << 30}}}));
  ask();
  EXPECT_THAT(*files().list(), ElementsAre(allocation))
      << "its Pod may not be listed yet";
  ask_for_long();
  EXPECT_THAT(*files().list(), IsEmpty());
}

TEST_F(KeptShares, ThatWereGivenAnewSinceTheKubeletWasAskedAreNotRemoved) {
  const std::string allocation = resource::allocation_id(kGpu, {id(0, 0)});
  const share::Grant grant{allocation, {{resource::uuid_of(0), 1 << 30}}};
  ASSERT_TRUE(files().renew(grant));
  for (int i = 0; i < 3; ++i) ask();
  now += std::chrono::seconds(20);
  keeper->due(now, true, resources);
  pollfd news{keeper->news_fd(), POLLIN, 0};
  ASSERT_EQ(poll(&news, 1, 30'000), 1);
  ASSERT_TRUE(files().renew(grant));
  keeper->due(now, true, resources);
  EXPECT_THAT(*files().list(), ElementsAre(allocation));
  for (int i = 0; i < 3; ++i) ask();
  EXPECT_THAT(*files().list(), ElementsAre(allocation))
      << "its Pod has a minute to be listed";
}

// The API names no init container, and after a kubelet's restart nothing but
// static Pods until it has been told of the others.
TEST_F(KeptShares, OfWhatOnlyTheCheckpointHasAreKeptAndMadeAgain) {
  const std::string allocation = resource::allocation_id(kGpu, {id(0, 7)});
  record(id(0, 7));
  ask();
  EXPECT_THAT(*files().list(), ElementsAre(allocation));
  ask_for_long();
  EXPECT_THAT(*files().list(), ElementsAre(allocation));
  record("");
  ask_for_long();
  EXPECT_THAT(*files().list(), IsEmpty());
}

TEST_F(KeptShares, AreNotRemovedWhereTheCheckpointCannotBeRead) {
  const std::string allocation = resource::allocation_id(kGpu, {id(0, 0)});
  ASSERT_TRUE(files().renew({allocation, {{resource::uuid_of(0), 1 << 30}}}));
  fs::remove(root / "record");
  ask_for_long();
  EXPECT_THAT(*files().list(), ElementsAre(allocation));
}

TEST_F(KeptShares, OfAPodKeepTheirLimitWhateverTheAgentDoes) {
  pods = {{"ns", "pod", "ctr", kGpu, {id(0, 3)}}};
  ask();
  const std::string allocation = resource::allocation_id(kGpu, {id(0, 3)});
  ASSERT_TRUE(files().set_limit(allocation, resource::uuid_of(0), 12345));
  keeper.emplace(
      files(), host::HostRoot(),
      HolderSources{root.string() + "/pods.sock", root.string() + "/record",
                    std::chrono::seconds(20), true});
  ask();
  EXPECT_EQ(files().look(allocation)->devices.at(0).limit, 12345u);
}

TEST_F(KeptShares, TellTheRuntimeWhatTheSettingsSayAndHearItsWord) {
  pods = {{"ns", "pod", "ctr", kGpu, {id(0, 3)}}};
  resources = {std::make_shared<const resource::Resource>(
      in_shares(1, config::OnUnsupported::kUnlimited))};
  ask();
  const std::string allocation = resource::allocation_id(kGpu, {id(0, 3)});
  const share::Delivery delivery(files().root(), allocation);
  EXPECT_EQ(delivery.on_unsupported(), share::OnUnsupported::kUnlimited);
  ASSERT_TRUE(delivery.tell_unlimited("/app is a static program"));
  testing::internal::CaptureStderr();
  ask();
  ask();  // It is told once.
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_EQ(log.find("/app is a static program"),
            log.rfind("/app is a static program"));
  EXPECT_THAT(log, HasSubstr("without its limit"));
  ASSERT_EQ(keeper->uses().size(), 1u);
  EXPECT_EQ(keeper->uses()[0].look.why_unlimited, "/app is a static program");
}

TEST_F(KeptShares, TakeTurnsAsTheSettingsOfNowSay) {
  pods = {{"ns", "pod", "ctr", kGpu, {id(0, 3), id(0, 4)}}};
  ask();
  ask();
  const std::string allocation =
      resource::allocation_id(kGpu, {id(0, 3), id(0, 4)});
  const auto time = [&] { return files().look(allocation)->devices[0].time; };
  EXPECT_EQ(time(), (share::TimePart{100, share::TurnPolicy::kFair}));
  ASSERT_EQ(keeper->uses().size(), 1u);
  // Somebody gives it more while it runs: that stays, whatever the policy.
  ASSERT_TRUE(files().set_time(allocation, resource::uuid_of(0),
                               {300, share::TurnPolicy::kFair}));
  const auto compute = [&](config::ComputePolicy policy) {
    resources = {std::make_shared<const resource::Resource>(
        in_shares(1, config::OnUnsupported::kRefuse, policy))};
    ask();
    ask();
  };
  compute(config::ComputePolicy::kHard);
  EXPECT_EQ(time(), (share::TimePart{300, share::TurnPolicy::kHard}));
  compute(config::ComputePolicy::kNone);
  EXPECT_EQ(time().thousandths, 0u);
  EXPECT_THAT(keeper->uses()[0].turns, IsEmpty());
  compute(config::ComputePolicy::kBurst);
  EXPECT_EQ(time(), (share::TimePart{100, share::TurnPolicy::kBurst}));
}

// A look comes before the referee hears of it.
TEST_F(KeptShares, OfTheNextHolderOfTheSameIdsHaveNoTurnsOfTheOneBefore) {
  const std::string allocation = resource::allocation_id(kGpu, {id(0, 3)});
  pods = {{"ns", "pod", "ctr", kGpu, {id(0, 3)}}};
  ask();
  ask();
  const auto turns = [&] {
    const auto uses = keeper->uses();
    EXPECT_EQ(uses.size(), 1u);
    return uses.empty() ? 0 : uses[0].turns.size();
  };
  ASSERT_TRUE(eventually([&] { return turns() == 1; }));
  ASSERT_TRUE(
      files().renew({allocation, {{resource::uuid_of(0), 1 << 30, {100}}}}));
  keeper->reconcile({});
  EXPECT_EQ(turns(), 0u);
  ask();
  EXPECT_TRUE(eventually([&] { return turns() == 1; }));
}

TEST_F(KeptShares, OfNewFilesAreNobodysUntilTheKubeletHasSaidWhose) {
  const std::string allocation = resource::allocation_id(kGpu, {id(0, 3)});
  const share::Grant grant{allocation,
                           {{resource::uuid_of(0), 1 << 30, {100}}}};
  pods = {{"ns", "old", "ctr", kGpu, {id(0, 3)}}};
  ask();
  ask();
  ASSERT_EQ(keeper->prioritized(resources).size(), 1u);
  const auto look_after = [&](std::chrono::milliseconds time) {
    now += time;
    keeper->due(now, true, resources);
    ASSERT_EQ(keeper->uses().size(), 1u);
    EXPECT_EQ(keeper->uses()[0].holder.pod, "");
    EXPECT_THAT(keeper->prioritized(resources), IsEmpty());
  };
  const auto await_answer = [&] {
    pollfd news{keeper->news_fd(), POLLIN, 0};
    ASSERT_EQ(poll(&news, 1, 30'000), 1);
  };
  // The kubelet is asked, and they are made before its answer is heard, which
  // may be of before or after.
  now += std::chrono::seconds(20);
  keeper->due(now, true, resources);
  await_answer();
  ASSERT_TRUE(files().renew(grant));
  look_after(std::chrono::milliseconds(600));
  pods = {{"ns", "new", "ctr", kGpu, {id(0, 3)}}};
  // It is asked again soon.
  look_after(std::chrono::milliseconds(600));
  await_answer();
  keeper->due(now, true, resources);
  ASSERT_EQ(keeper->uses().size(), 1u);
  EXPECT_EQ(keeper->uses()[0].holder.pod, "new");
  const auto shares = keeper->prioritized(resources);
  ASSERT_EQ(shares.size(), 1u);
  EXPECT_EQ(shares[0].grant.pod, "new");
}

TEST_F(KeptShares, SayWhoseTurnsGoByWhichPod) {
  pods = {{"ns", "pod", "ctr", kGpu, {id(0, 3), id(0, 4)}}};
  ask();
  ask();
  const std::string allocation =
      resource::allocation_id(kGpu, {id(0, 3), id(0, 4)});
  auto shares = keeper->prioritized(resources);
  ASSERT_EQ(shares.size(), 1u);
  EXPECT_FALSE(shares[0].is_by_pod);
  EXPECT_EQ(shares[0].grant.allocation, allocation);
  EXPECT_EQ(shares[0].grant.space, "ns");
  EXPECT_EQ(shares[0].grant.pod, "pod");
  EXPECT_EQ(shares[0].grant.file, files().look(allocation)->file);
  ASSERT_EQ(shares[0].devices.size(), 1u);
  EXPECT_EQ(shares[0].devices[0].first, resource::uuid_of(0));
  const share::TurnPriority by_hand{4, share::PrioritySource::kHand};
  ASSERT_TRUE(files().set_priority(allocation, resource::uuid_of(0), by_hand));
  const auto with = [&](config::ComputePolicy compute) {
    resources = {std::make_shared<const resource::Resource>(
        in_shares(1, config::OnUnsupported::kRefuse, compute,
                  config::SharePriority::kPod))};
    ask();
    ask();
    return keeper->prioritized(resources);
  };
  shares = with(config::ComputePolicy::kFair);
  ASSERT_EQ(shares.size(), 1u);
  EXPECT_TRUE(shares[0].is_by_pod);
  EXPECT_EQ(shares[0].devices.at(0).second, by_hand);
  EXPECT_THAT(with(config::ComputePolicy::kNone), IsEmpty());
  // What is of another configuration is left alone.
  EXPECT_THAT(keeper->prioritized({}), IsEmpty());
}

TEST_F(KeptShares, AreNotRemovedWhileNobodyTellsWhoHoldsWhat) {
  const std::string allocation = resource::allocation_id(kGpu, {id(0, 0)});
  ASSERT_TRUE(files().renew({allocation, {{resource::uuid_of(0), 1 << 30}}}));
  kubelet.reset();
  ask_for_long();
  EXPECT_THAT(*files().list(), ElementsAre(allocation));
  EXPECT_NE(keeper->problem(), "");
}

TEST_F(KeptShares, AreLookedAfterWithoutSharesOnlyWhileThereAreAny) {
  const std::string allocation = resource::allocation_id(kGpu, {id(0, 0)});
  ASSERT_TRUE(files().renew({allocation, {{resource::uuid_of(0), 1 << 30}}}));
  keeper->due(now, false, resources);
  EXPECT_TRUE(keeper->next());
  ASSERT_TRUE(files().remove(allocation));
  keeper->due(now + std::chrono::hours(1), false, resources);
  EXPECT_FALSE(keeper->next());
}

}  // namespace
}  // namespace gpunode::plugin
