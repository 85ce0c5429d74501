// The facts of whole hosts, tests/fixtures/hosts, against what they should be:
// NAME.json and NAME.txt beside each tree. GPUNODE_UPDATE_GOLDEN=1 writes those
// files anew.
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/host/fake_command_runner.h"
#include "node/facts/bundle.h"
#include "node/facts/facts_json.h"
#include "node/facts/facts_text.h"
#include "node/facts/observe.h"
#include "node/facts/scrub.h"

namespace gpunode::facts {
namespace {

using nlohmann::json;

std::string path_of(const std::string& name) {
  return std::string(HOST_FIXTURES) + "/" + name;
}

std::string read(const std::string& name) {
  std::ifstream in(path_of(name), std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void compare(const std::string& name, const std::string& text) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread.
  if (std::getenv("GPUNODE_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path_of(name), std::ios::binary) << text;
  }
  EXPECT_EQ(read(name), text);
}

class RecordedHost : public testing::TestWithParam<const char*> {
 protected:
  host::HostRoot root() const { return host::HostRoot(path_of(GetParam())); }
};

// No program is run: the script is empty.
Result<HostFacts> observed(const host::HostRoot& host) {
  host::FakeCommandRunner runner;
  return observe(host, runner, usual_wants());
}

TEST_P(RecordedHost, HasTheFactsThatItShould) {
  const auto facts = observed(root());
  ASSERT_TRUE(facts) << facts.error().message();
  const std::string name = GetParam();
  compare(name + ".json", json::parse(to_json(*facts)).dump(1) + "\n");
  compare(name + ".txt", describe(*facts));
}

TEST_P(RecordedHost, IsTheSameFromItsBundle) {
  Recording recording;
  const auto live = observed(recorded(root(), recording));
  ASSERT_TRUE(live) << live.error().message();
  const auto read = read_bundle(*write_bundle(recording));
  ASSERT_TRUE(read) << read.error().message();
  const auto replay = observed(replayed(std::make_shared<Recording>(*read)));
  ASSERT_TRUE(replay) << replay.error().message();
  EXPECT_EQ(*live, *replay);
}

TEST_P(RecordedHost, LeavesNoSerialInItsScrubbedBundle) {
  Recording recording;
  const auto live = observed(recorded(root(), recording));
  ASSERT_TRUE(live) << live.error().message();
  ScrubKey key{};
  key[0] = 1;
  const auto archive = write_bundle(scrubbed(recording, key));
  ASSERT_TRUE(archive) << archive.error().message();
  const auto read = read_bundle(*archive);
  ASSERT_TRUE(read) << read.error().message();
  const auto replay = observed(replayed(std::make_shared<Recording>(*read)));
  ASSERT_TRUE(replay) << replay.error().message();
  ASSERT_TRUE(live->storage.is_known && replay->storage.is_known);
  ASSERT_EQ(live->storage.disks.size(), replay->storage.disks.size());
  for (std::size_t i = 0; i < live->storage.disks.size(); ++i) {
    const host::BlockDevice& device = live->storage.disks[i].device;
    const host::BlockDevice& clean = replay->storage.disks[i].device;
    EXPECT_EQ(device.model, clean.model);
    EXPECT_EQ(device.size_bytes, clean.size_bytes);
    EXPECT_EQ(device.holders, clean.holders);
    EXPECT_EQ(live->storage.disks[i].in_use, replay->storage.disks[i].in_use);
    if (device.serial.empty() || device.serial == device.model) {
      EXPECT_EQ(device.serial, clean.serial);
      continue;
    }
    EXPECT_NE(device.serial, clean.serial);
    // EXPECT_THAT would print all of the archive.
    EXPECT_EQ(archive->find(device.serial), std::string::npos) << device.serial;
  }
  EXPECT_EQ(live->gpus, replay->gpus);
  EXPECT_EQ(live->machine, replay->machine);
  EXPECT_EQ(live->storage.mounts, replay->storage.mounts);
}

INSTANTIATE_TEST_SUITE_P(AllHosts, RecordedHost,
                         testing::Values("g5-rocky8", "p4d-ubuntu2204",
                                         "azure-t4", "gcp-l4", "dgx-h100",
                                         "bare-debian12", "nouveau-bound",
                                         "vfio-bound", "no-gpu", "p5-amzn2023",
                                         "p6-b200-amzn2023", "g4dn-ubuntu2204",
                                         "gh200-ubuntu2404",
                                         "secure-boot-rocky9", "two-kernels"),
                         [](const testing::TestParamInfo<const char*>& test) {
                           std::string name = test.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace gpunode::facts
