#include "tests/doubles/cuda/device.h"

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

namespace gpunode::fake_cuda {
namespace {

/// A /dev of ordinary files.
class DeviceTree {
 public:
  DeviceTree() {
    std::string name = ::testing::TempDir() + "cuda_dev.XXXXXX";
    root_ = ::mkdtemp(name.data());
  }
  DeviceTree(const DeviceTree&) = delete;
  DeviceTree& operator=(const DeviceTree&) = delete;
  ~DeviceTree() { std::filesystem::remove_all(root_); }

  DeviceTree& with(const std::string& node) {
    std::ofstream(root_ / node).put('\n');
    return *this;
  }

  Environment environment() const {
    Environment environment;
    environment.device_root = root_;
    return environment;
  }

 private:
  std::filesystem::path root_;
};

Machine four_gpus() {
  Machine machine;
  for (unsigned minor : {0U, 1U, 2U, 3U}) {
    Device device;
    device.minor = minor;
    device.uuid = "GPU-" + std::to_string(minor) + "abc";
    machine.devices.push_back(device);
  }
  return machine;
}

std::string minors(const std::vector<Device>& devices) {
  std::string text;
  for (const Device& device : devices) text += std::to_string(device.minor);
  return text;
}

TEST(Devices, AreThoseWhoseNodesOpen) {
  DeviceTree tree;
  tree.with("nvidiactl").with("nvidia-uvm").with("nvidia1").with("nvidia3");
  std::vector<Device> devices;
  EXPECT_EQ(find_devices(tree.environment(), four_gpus(), &devices),
            abi::CUDA_SUCCESS);
  EXPECT_EQ(minors(devices), "13");
}

TEST(Devices, NeedTheControlNodeThenTheUvmNodeThenThemselves) {
  std::vector<Device> devices;
  DeviceTree no_control;
  no_control.with("nvidia-uvm").with("nvidia0");
  EXPECT_EQ(find_devices(no_control.environment(), four_gpus(), &devices),
            abi::CUDA_ERROR_NO_DEVICE);
  DeviceTree no_uvm;
  no_uvm.with("nvidiactl").with("nvidia0");
  EXPECT_EQ(find_devices(no_uvm.environment(), four_gpus(), &devices),
            abi::CUDA_ERROR_UNKNOWN);
  DeviceTree no_gpu;
  no_gpu.with("nvidiactl").with("nvidia-uvm").with("nvidia9");
  EXPECT_EQ(find_devices(no_gpu.environment(), four_gpus(), &devices),
            abi::CUDA_ERROR_NO_DEVICE);
}

TEST(VisibleDevices, AreChosenAsDriver580Does) {
  struct Choice {
    const char* list;
    const char* minors;
  };
  for (const Choice& choice : std::array{
           Choice{"2,0", "20"}, Choice{"", ""}, Choice{"-1", ""},
           Choice{"0,9,1", "0"}, Choice{"0,junk", "0"}, Choice{" 1", "1"},
           Choice{"0x2", "2"}, Choice{"3abc", "3"}, Choice{"GPU-2", "2"},
           Choice{"GPU-1abc,0", "10"}, Choice{"GPU-", ""}, Choice{"gpu-1", ""},
           Choice{"GPU-1abcd", ""}, Choice{"0,9,0", "0"}}) {
    std::vector<Device> devices = four_gpus().devices;
    EXPECT_EQ(choose_visible(choice.list, &devices), abi::CUDA_SUCCESS);
    EXPECT_EQ(minors(devices), choice.minors) << choice.list;
  }
  std::vector<Device> devices = four_gpus().devices;
  EXPECT_EQ(choose_visible("1,1", &devices), abi::CUDA_ERROR_INVALID_DEVICE);
  EXPECT_EQ(choose_visible("1,GPU-1", &devices),
            abi::CUDA_ERROR_INVALID_DEVICE);
}

TEST(VisibleDevices, AMigDeviceIsTheLastThatIsSeen) {
  const auto machine = parse_machine(R"({
    "migProfiles": [{"name": "1g.5gb", "memoryMiB": 4864}],
    "gpus": [{"uuid": "GPU-01234567-89ab-cdef-0123-456789abcdef",
              "mig": {"devices": [{"uuid": "MIG-0a", "profile": "1g.5gb"},
                                  {"uuid": "MIG-0b", "profile": "none"}]}},
             {"mig": 3}, {"mig": {"devices": {}}}]})");
  ASSERT_TRUE(machine) << machine.error().message();
  std::vector<Device> devices = machine->devices;
  ASSERT_EQ(choose_visible("MIG-0a,1", &devices), abi::CUDA_SUCCESS);
  ASSERT_EQ(devices.size(), 1u);
  EXPECT_EQ(devices[0].memory_bytes, std::uint64_t{4864} << 20);
  EXPECT_EQ(devices[0].uuid_bytes(), machine->devices[0].uuid_bytes());
  EXPECT_EQ(devices[0].instance_bytes()[0], 0x0a);
  devices = machine->devices;
  ASSERT_EQ(choose_visible("1,MIG-0b", &devices), abi::CUDA_SUCCESS);
  EXPECT_EQ(devices.size(), 2u);
  devices = machine->devices;
  ASSERT_EQ(choose_visible("MIG-0", &devices), abi::CUDA_SUCCESS);
  EXPECT_TRUE(devices.empty());
}

TEST(Machine, TakesItsGpusFromAProfile) {
  const auto machine = parse_machine(R"({
    "cudaVersion": "12.2",
    "model": {"name": "Tesla T4", "memoryBytes": 16106127360,
              "computeCapability": "7.5"},
    "gpus": [{"uuid": "GPU-01234567-89ab-cdef-0123-456789abcdef"},
             {"minor": 5, "memoryBytes": 1048576}]})");
  ASSERT_TRUE(machine) << machine.error().message();
  EXPECT_EQ(machine->cuda_version, 12020);
  ASSERT_EQ(machine->devices.size(), 2U);
  const Device& first = machine->devices[0];
  EXPECT_EQ(first.name, "Tesla T4");
  EXPECT_EQ(first.minor, 0U);
  EXPECT_EQ(first.compute_minor, 5);
  EXPECT_EQ(first.memory_bytes, 16106127360U);
  EXPECT_EQ(first.uuid_bytes()[0], '\x01');
  EXPECT_EQ(first.uuid_bytes()[15], '\xef');
  EXPECT_EQ(machine->devices[1].minor, 5U);
  EXPECT_EQ(machine->devices[1].memory_bytes, 1048576U);
}

TEST(Machine, IsNotReadFromNonsense) {
  EXPECT_FALSE(parse_machine("[]"));
  EXPECT_FALSE(parse_machine("{"));
  EXPECT_TRUE(parse_machine(R"({"gpus": 3, "model": []})"));
  Environment environment;
  environment.profile = "/nonexistent/profile.json";
  EXPECT_FALSE(load_machine(environment));
}

}  // namespace
}  // namespace gpunode::fake_cuda
