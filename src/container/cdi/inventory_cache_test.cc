#include "container/cdi/inventory_cache.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::cdi {
namespace {

class InventoryCache : public testing::Test {
 protected:
  InventoryCache() {
    host_.file("usr/lib64/libcuda.so.550.1", "x");
    host_.file("usr/bin/nvidia-smi", "x");
    host_.file("proc/driver/nvidia/version", "NVRM version: x  550.1  y\n");
    host_.file("proc/devices", "Character devices:\n195 nvidia\n");
    host_.directory("proc/driver/nvidia/gpus/0000:01:00.0");
    host_.directory("proc/driver/nvidia/capabilities/gpu0/mig/gi1/ci0");
    host_.directory("dev");
    age();
    source_ = source_for(host_.root(), "");
  }

  /// Times are as coarse as the kernel's tick, and what changed just now may
  /// change again in the same one: it is made old.
  void age() const {
    for (const char* name :
         {"usr/lib64", "usr/bin", "dev", "tmp/nvidia-mps", "dev/nvidia-caps"}) {
      if (!host_.root().exists(name)) continue;
      const std::array<timespec, 2> past = {{{1000, 0}, {1000, 0}}};
      const std::string path = host_.path(name);
      EXPECT_EQ(::utimensat(AT_FDCWD, path.c_str(), past.data(), 0), 0);
    }
  }

  // As `gpunode cdi refresh` fills it; the GPU is as list_gpus would tell.
  Findings look() const {
    device::Inventory inventory;
    inventory.driver_version = "550.1";
    device::Gpu& gpu = inventory.gpus.emplace_back();
    gpu.id.value = "GPU-a";
    gpu.name = "NVIDIA A100";
    gpu.pci_bus_id = "0000:01:00.0";
    gpu.mig_capable = true;
    gpu.mig_enabled = true;
    gpu.mig_devices.emplace_back().gpu_instance = 1;
    Findings found = find_all(source_, std::move(inventory));
    found.devices.drm = {{"0000:01:00.0", {"/dev/dri/card0"}, {{"a", "b"}}}};
    return found;
  }

  std::string path() const { return cache_.path("gpunode/inventory"); }

  bool store() const {
    const timespec begun = look_begins();
    return store_findings(path(), source_, look(), begun).has_value();
  }

  bool is_valid() const { return load_findings(path(), source_).has_value(); }

  const host::HostTree host_;
  const host::HostTree cache_;
  FindingsSource source_;
};

TEST_F(InventoryCache, GivesBackWhatWasFound) {
  const Findings found = look();
  ASSERT_FALSE(found.driver.files.empty());
  ASSERT_FALSE(found.devices.nodes.empty());
  ASSERT_TRUE(store_findings(path(), source_, found, look_begins()));
  const auto loaded = load_findings(path(), source_);
  ASSERT_TRUE(loaded);
  EXPECT_EQ(*loaded, found);
  struct stat status {};
  ASSERT_EQ(::stat(path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(InventoryCache, IsStaleWhenTheHostChanged) {
  struct Change {
    const char* what;
    void (*make)(const host::HostTree&);
  };
  for (const Change& change : {
           Change{"module",
                  [](const host::HostTree& host) {
                    host.file("proc/driver/nvidia/version", "560\n");
                  }},
           Change{"library",
                  [](const host::HostTree& host) {
                    host.file("usr/lib64/libnvidia-x.so.550.1", "x");
                  }},
           Change{"program",
                  [](const host::HostTree& host) {
                    host.remove("usr/bin/nvidia-smi");
                  }},
           Change{"socket",
                  [](const host::HostTree& host) {
                    host.directory("tmp/nvidia-mps");
                  }},
           Change{"node",
                  [](const host::HostTree& host) {
                    host.directory("dev/nvidia-caps");
                  }},
           Change{"GPU",
                  [](const host::HostTree& host) {
                    host.directory("proc/driver/nvidia/gpus/0000:02:00.0");
                  }},
           Change{"GPU instance",
                  [](const host::HostTree& host) {
                    host.directory(
                        "proc/driver/nvidia/capabilities/gpu0/mig/gi2");
                  }},
           Change{"compute instance",
                  [](const host::HostTree& host) {
                    host.directory(
                        "proc/driver/nvidia/capabilities/gpu0/mig/gi1/ci1");
                  }},
       }) {
    age();
    ASSERT_TRUE(store());
    ASSERT_TRUE(is_valid()) << change.what;
    change.make(host_);
    EXPECT_FALSE(is_valid()) << change.what;
  }
}

TEST_F(InventoryCache, AnswersOnlyForWhatWasAsked) {
  ASSERT_TRUE(store());
  source_.driver.with_graphics = false;
  EXPECT_FALSE(is_valid());
  source_.driver.with_graphics = true;
  source_.driver.additional_libraries = {"libx.so"};
  EXPECT_FALSE(is_valid());
  source_.driver.additional_libraries.clear();
  EXPECT_TRUE(is_valid());
}

TEST_F(InventoryCache, ThatIsDamagedCountsAsNone) {
  EXPECT_FALSE(is_valid());
  ASSERT_TRUE(store());
  std::ifstream in(path(), std::ios::binary);
  const std::string whole{std::istreambuf_iterator<char>(in), {}};
  for (std::size_t size = 0; size < whole.size(); size += 7) {
    cache_.file("gpunode/inventory", whole.substr(0, size));
    ASSERT_FALSE(is_valid()) << size;
  }
  cache_.file("gpunode/inventory", whole + "x");
  EXPECT_FALSE(is_valid());
  // A length that nothing could hold.
  std::string large = whole;
  large.replace(20, 4, "\xff\xff\xff\xff");
  cache_.file("gpunode/inventory", large);
  EXPECT_FALSE(is_valid());
}

TEST_F(InventoryCache, KeepsNothingWithoutADriver) {
  host_.remove("usr/lib64/libcuda.so.550.1");
  ASSERT_TRUE(store());
  EXPECT_FALSE(is_valid());
}

TEST_F(InventoryCache, WhatChangedDuringTheLookIsLookedAtAgain) {
  const timespec begun = look_begins();
  const Findings found = look();
  host_.file("usr/lib64/libnvidia-ml.so.550.1", "x");
  ASSERT_TRUE(store_findings(path(), source_, found, begun));
  EXPECT_FALSE(is_valid());
  // What only the library tells is kept all the same.
  EXPECT_TRUE(last_inventory(path(), source_).has_value());
}

TEST_F(InventoryCache, KeepsTheLastInventoryOverChangesButNotOverDrivers) {
  ASSERT_TRUE(store());
  host_.file("usr/bin/something", "x");
  EXPECT_FALSE(is_valid());
  const auto last = last_inventory(path(), source_);
  ASSERT_TRUE(last.has_value());
  EXPECT_EQ(last->gpus.at(0).id.value, "GPU-a");
  host_.file("proc/driver/nvidia/version", "NVRM version: x  560.1  y\n");
  EXPECT_FALSE(last_inventory(path(), source_).has_value());
}

TEST_F(InventoryCache, AMajorOfANodeThatNobodyMadeCounts) {
  ASSERT_TRUE(store());
  host_.file("proc/devices",
             "Character devices:\n195 nvidia\n511 nvidia-uvm\n");
  EXPECT_FALSE(is_valid());
}

}  // namespace
}  // namespace gpunode::cdi
