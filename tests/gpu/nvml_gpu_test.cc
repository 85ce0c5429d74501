// What the rooms gpu/nvml and gpu/procfs promise on any node with a driver:
// the same program runs on the double here (nvml_room_*, T1) and on a real GPU
// (nvml_gpu_test, label gpu). Claims that hold only of the double belong beside
// the rooms.
//
// GPUNODE_NVML_LIBRARY names the library (default: where a driver keeps it),
// GPUNODE_HOST_ROOT the host's root (default: "/", or for the double a tree of
// its profile). Exits with 77, a skip, where there is no driver to ask.
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_root.h"
#include "gpu/nvml/event_stream.h"
#include "gpu/nvml/session.h"
#include "gpu/procfs/annotation.h"
#include "gpu/procfs/driver_library.h"
#include "gpu/procfs/kernel_module.h"
#include "gpu/procfs/pci.h"
#include "tests/doubles/nvml/driver_tree.h"

namespace gpunode {
namespace {

using testing::Contains;
using testing::EndsWith;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::StartsWith;

constexpr int kSkipped = 77;

std::string environment(const char* name) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): before any thread is made.
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// The node under test.
struct Node {
  host::HostRoot root;
  procfs::DriverLibrary library;
  bool is_real = true;

  Result<nvml::Session> start() const {
    TRY(auto opened, nvml::Library::open(library.path, library.looked_in));
    return nvml::Session::start(std::move(opened));
  }
};

std::unique_ptr<const Node> node;

class NvmlOnNode : public testing::Test {
 protected:
  void SetUp() override {
    auto started = node->start();
    ASSERT_TRUE(started) << started.error().message();
    session_ = std::make_unique<nvml::Session>(*std::move(started));
    auto read = session_->inventory();
    ASSERT_TRUE(read) << read.error().message();
    inventory_ = *std::move(read);
    problems_ = procfs::annotate(inventory_, node->root);
  }

  std::vector<device::DeviceId> ids() const {
    std::vector<device::DeviceId> ids;
    for (const auto& gpu : inventory_.gpus) ids.push_back(gpu.id);
    return ids;
  }

  std::unique_ptr<nvml::Session> session_;
  device::Inventory inventory_;
  std::vector<std::string> problems_;
};

TEST_F(NvmlOnNode, LosesNoGpuAndDescribesEach) {
  EXPECT_THAT(inventory_.lost, IsEmpty());
  for (const device::Gpu& gpu : inventory_.gpus) {
    SCOPED_TRACE(gpu.id.value);
    EXPECT_THAT(gpu.id.value, MatchesRegex("GPU-[0-9a-f-]{36}"));
    EXPECT_THAT(gpu.pci_bus_id,
                MatchesRegex("[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\\.[0-7]"));
    EXPECT_NE(gpu.name, "");
    EXPECT_GT(gpu.memory_bytes, 0U);
    EXPECT_GT(gpu.compute_major, 0);
  }
}

TEST_F(NvmlOnNode, NamesEveryGpuOnceAndInOrder) {
  std::set<std::string> ids;
  std::set<unsigned> minors;
  for (std::size_t i = 0; i < inventory_.gpus.size(); ++i) {
    const device::Gpu& gpu = inventory_.gpus[i];
    ids.insert(gpu.id.value);
    minors.insert(gpu.minor.value);
    if (i > 0) {
      EXPECT_LT(inventory_.gpus[i - 1].index.value, gpu.index.value);
    }
  }
  EXPECT_EQ(ids.size(), inventory_.gpus.size());
  EXPECT_EQ(minors.size(), inventory_.gpus.size());
}

TEST_F(NvmlOnNode, AgreesWithTheKernelModuleOnTheVersion) {
  const auto module = procfs::load_kernel_module(node->root);
  ASSERT_TRUE(module) << module.error().message();
  EXPECT_EQ(inventory_.driver_version, module->version);
}

TEST_F(NvmlOnNode, AgreesWithThePciBus) {
  std::vector<std::string> bus_ids;
  for (const auto& gpu : procfs::list_pci_gpus(node->root)) {
    bus_ids.push_back(gpu.bus_id);
  }
  if (bus_ids.empty()) GTEST_SKIP() << "no PCI bus to be seen";
  for (const device::Gpu& gpu : inventory_.gpus) {
    EXPECT_THAT(bus_ids, Contains(gpu.pci_bus_id));
  }
}

TEST_F(NvmlOnNode, HasTheDeviceNodeOfEachMinor) {
  for (const device::Gpu& gpu : inventory_.gpus) {
    const std::string path = "/dev/nvidia" + std::to_string(gpu.minor.value);
    EXPECT_TRUE(node->root.exists(path)) << path;
  }
}

TEST_F(NvmlOnNode, ReadsTheSameInventoryTwice) {
  const auto again = session_->inventory();
  ASSERT_TRUE(again);
  ASSERT_EQ(again->gpus.size(), inventory_.gpus.size());
  for (std::size_t i = 0; i < inventory_.gpus.size(); ++i) {
    EXPECT_EQ(again->gpus[i].id, inventory_.gpus[i].id);
    EXPECT_EQ(again->gpus[i].mig_devices.size(),
              inventory_.gpus[i].mig_devices.size());
    for (std::size_t j = 0; j < inventory_.gpus.size(); ++j) {
      EXPECT_EQ(again->topology.link(i, j).nvlinks,
                inventory_.topology.link(i, j).nvlinks);
    }
  }
}

TEST_F(NvmlOnNode, NamesMigDevicesAsTheDriverDoes) {
  const nvml::Api& api = session_->library().api();
  for (const device::Gpu& gpu : inventory_.gpus) {
    for (const device::MigDevice& mig : gpu.mig_devices) {
      EXPECT_THAT(mig.id.value, StartsWith("MIG-"));
      nvmlDevice_t handle = nullptr;
      ASSERT_EQ(api.nvmlDeviceGetHandleByUUID(mig.id.value.c_str(), &handle),
                NVML_SUCCESS);
      std::array<char, NVML_DEVICE_NAME_V2_BUFFER_SIZE> name = {};
      ASSERT_EQ(api.nvmlDeviceGetName(handle, name.data(), name.size()),
                NVML_SUCCESS);
      EXPECT_THAT(std::string(name.data()), EndsWith(" " + mig.profile));
    }
  }
}

TEST_F(NvmlOnNode, FindsTheCapabilitiesOfMigDevices) {
  EXPECT_THAT(problems_, IsEmpty());
  for (const device::Gpu& gpu : inventory_.gpus) {
    for (const device::MigDevice& mig : gpu.mig_devices) {
      EXPECT_TRUE(node->root.exists(mig.gpu_instance_cap_path));
      EXPECT_TRUE(node->root.exists(mig.compute_instance_cap_path));
    }
  }
}

TEST_F(NvmlOnNode, KnowsHowNearEveryPairIs) {
  ASSERT_EQ(inventory_.topology.size(), inventory_.gpus.size());
  for (std::size_t a = 0; a < inventory_.gpus.size(); ++a) {
    for (std::size_t b = 0; b < a; ++b) {
      EXPECT_NE(inventory_.topology.link(a, b).pci, device::PciLink::kUnknown);
    }
  }
}

TEST_F(NvmlOnNode, FindsEveryDeviceAliveAndNoOther) {
  for (const device::Gpu& gpu : inventory_.gpus) {
    const auto alive = session_->check_alive(gpu.id);
    EXPECT_TRUE(alive) << alive.error().message();
    for (const device::MigDevice& mig : gpu.mig_devices) {
      EXPECT_TRUE(session_->check_alive(mig.id)) << mig.id.value;
    }
  }
  const auto stranger =
      session_->check_alive({"GPU-00000000-0000-0000-0000-000000000000"});
  ASSERT_FALSE(stranger);
  EXPECT_EQ(stranger.error().code(), ErrorCode::kNotFound)
      << stranger.error().message();
}

TEST_F(NvmlOnNode, WatchesEveryGpuAndHearsNothingOfHealthyOnes) {
  auto events = nvml::EventStream::open(*session_, ids());
  ASSERT_TRUE(events) << events.error().message();
  for (const nvml::Unwatched& unwatched : events->unwatched()) {
    EXPECT_FALSE(unwatched.is_failure)
        << unwatched.gpu.value << ": " << unwatched.reason;
  }
  const auto event = events->wait(std::chrono::milliseconds(50), {});
  ASSERT_TRUE(event) << event.error().message();
  EXPECT_EQ(*event, std::nullopt);
}

TEST_F(NvmlOnNode, EndsAWaitWhenToldTo) {
  auto events = nvml::EventStream::open(*session_, ids());
  ASSERT_TRUE(events) << events.error().message();
  std::jthread waiter([&events](const std::stop_token& stop) {
    const auto event = events->wait(std::chrono::hours(24), stop);
    EXPECT_TRUE(event) << event.error().message();
  });
}  // The jthread requests the stop and joins.

TEST_F(NvmlOnNode, HasTwoSessionsAtOnce) {
  {
    const auto other = node->start();
    ASSERT_TRUE(other) << other.error().message();
    EXPECT_TRUE(other->inventory());
  }
  EXPECT_TRUE(session_->inventory());  // The other's end is not ours.
}

TEST_F(NvmlOnNode, OpensAndClosesAgainAndAgain) {
  session_.reset();
  for (int i = 0; i < 5; ++i) {
    const auto session = node->start();
    ASSERT_TRUE(session) << i << ": " << session.error().message();
    const auto inventory = session->inventory();
    ASSERT_TRUE(inventory) << i << ": " << inventory.error().message();
    EXPECT_EQ(inventory->gpus.size(), inventory_.gpus.size());
  }
}

TEST_F(NvmlOnNode, LeavesNothingOpenBehind) {
  session_.reset();
  // A device file left open would keep the kernel module from unloading.
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code error;
    const auto target = std::filesystem::read_symlink(entry.path(), error);
    EXPECT_EQ(target.string().find("/dev/nvidia"), std::string::npos) << target;
  }
}

TEST_F(NvmlOnNode, LacksNoCallOnATodaysDriver) {
  if (std::atoi(inventory_.driver_version.c_str()) < 470) {
    GTEST_SKIP() << "driver " << inventory_.driver_version;
  }
  EXPECT_THAT(session_->library().missing(), IsEmpty());
}

const char* link_name(device::PciLink link) {
  switch (link) {
    case device::PciLink::kCrossCpu:
      return "cross-cpu";
    case device::PciLink::kSameCpu:
      return "same-cpu";
    case device::PciLink::kHostBridge:
      return "host-bridge";
    case device::PciLink::kMultiSwitch:
      return "multi-switch";
    case device::PciLink::kSingleSwitch:
      return "single-switch";
    case device::PciLink::kSameBoard:
      return "same-board";
    case device::PciLink::kUnknown:
      break;
  }
  return "unknown";
}

/// What the claims were checked on, for whoever reads the log.
void print(const device::Inventory& inventory) {
  std::printf("driver %s, CUDA %d, %zu GPUs, %zu lost\n",
              inventory.driver_version.c_str(), inventory.cuda_driver_version,
              inventory.gpus.size(), inventory.lost.size());
  for (const device::Gpu& gpu : inventory.gpus) {
    std::printf(
        "%u: %s %s /dev/nvidia%u %s numa %d, %llu bytes, %d.%d, mig %s\n",
        gpu.index.value, gpu.name.c_str(), gpu.id.value.c_str(),
        gpu.minor.value, gpu.pci_bus_id.c_str(),
        gpu.numa_node ? static_cast<int>(*gpu.numa_node) : -1,
        static_cast<unsigned long long>(gpu.memory_bytes), gpu.compute_major,
        gpu.compute_minor,
        gpu.mig_enabled ? "on" : (gpu.mig_capable ? "off" : "no"));
    for (const device::MigDevice& mig : gpu.mig_devices) {
      std::printf("  %u: %s %s\n", mig.mig_index, mig.profile.c_str(),
                  mig.id.value.c_str());
    }
  }
  for (std::size_t b = 1; b < inventory.gpus.size(); ++b) {
    const device::Link link = inventory.topology.link(0, b);
    std::printf("0-%zu: %s, %u NVLinks\n", b, link_name(link.pci),
                link.nvlinks);
  }
}

/// Not a claim: NVML may keep itself loaded.
void print_whether_unloaded(const std::string& library) {
  std::ifstream maps("/proc/self/maps");
  const std::string text{std::istreambuf_iterator<char>(maps), {}};
  const std::string name = library.substr(library.rfind('/') + 1);
  const std::string stem = name.substr(0, name.find(".so"));
  std::printf(
      "after closing, %s is %s\n", stem.c_str(),
      text.find(stem) == std::string::npos ? "unloaded" : "still mapped");
}

/// The double's host, laid out below `directory`.
Result<host::HostRoot> double_root(const std::string& profile_path,
                                   const std::string& directory) {
  TRY(const auto profile, fake_nvml::load_profile(profile_path));
  fake_nvml::DriverTree tree;
  tree.root = directory;
  tree.profile_path = profile_path;
  TRY_VOID(fake_nvml::lay_driver_tree(profile, tree));
  return host::HostRoot(directory);
}

Result<Node> find_node(const std::string& directory) {
  Node found;
  const std::string root = environment("GPUNODE_HOST_ROOT");
  const std::string profile = environment("GPUNODE_FAKE_NVML");
  found.is_real = profile.empty();
  if (!root.empty()) {
    found.root = host::HostRoot(root);
  } else if (!profile.empty()) {
    TRY(found.root, double_root(profile, directory));
  }
  found.library.path = environment("GPUNODE_NVML_LIBRARY");
  if (found.library.path.empty()) {
    found.library = procfs::find_driver_library(found.root, nvml::kSoname);
  }
  return found;
}

int run(const std::string& directory) {
  auto found = find_node(directory);
  if (!found) {
    std::fprintf(stderr, "%s\n", found.error().message().c_str());
    return 1;
  }
  node = std::make_unique<const Node>(*std::move(found));
  {
    const auto session = node->start();
    if (!session) {
      std::printf("skipped: %s\n", session.error().message().c_str());
      return node->is_real ? kSkipped : 1;
    }
    std::printf("%s\n", node->library.path.c_str());
    auto inventory = session->inventory();
    if (inventory) {
      procfs::annotate(*inventory, node->root);
      print(*inventory);
    }
  }
  print_whether_unloaded(node->library.path);
  return RUN_ALL_TESTS();
}

}  // namespace
}  // namespace gpunode

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const std::string directory =
      (std::filesystem::temp_directory_path() /
       ("nvml_gpu_test." + std::to_string(::getpid())))
          .string();
  const int status = gpunode::run(directory);
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
  return status;
}
