#include "container/oci/device_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::oci {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// As kubelets from 1.20 on write it.
constexpr const char* kRecord =
    R"({"Data":{"PodDeviceEntries":[)"
    R"({"PodUID":"u-1","ContainerName":"main","ResourceName":"nv/gpu",)"
    R"("DeviceIDs":{"1":["U1::4"],"0":["U0::3","U0::12"]},"AllocResp":"x"},)"
    R"({"PodUID":"u-2","ContainerName":"c","ResourceName":"nv/gpu",)"
    R"("DeviceIDs":{},"AllocResp":null}],)"
    R"("RegisteredDevices":{"nv/mig":null,"nv/gpu":["U1","U0"]}},)"
    R"("Checksum":3021697696})";

TEST(DeviceRecord, TellsHoldersAndWhatWasRegistered) {
  const auto record = read_device_record(kRecord, "file");
  ASSERT_TRUE(record) << record.error().message();
  EXPECT_THAT(record->holdings,
              ElementsAre(DeviceRecord::Holding{
                  "u-1", "main", "nv/gpu", {"U0::12", "U0::3", "U1::4"}}));
  EXPECT_THAT(record->resources,
              ElementsAre(DeviceRecord::Resource{"nv/gpu", {"U0", "U1"}},
                          DeviceRecord::Resource{"nv/mig", {}}));
}

TEST(DeviceRecord, OfAKubeletBefore120HasAPlainList) {
  const auto record = read_device_record(
      R"({"Data":{"PodDeviceEntries":[{"PodUID":"u","ContainerName":"c",)"
      R"("ResourceName":"r","DeviceIDs":["b","a"]}]}})",
      "file");
  ASSERT_TRUE(record) << record.error().message();
  EXPECT_THAT(record->holdings,
              ElementsAre(DeviceRecord::Holding{"u", "c", "r", {"a", "b"}}));
}

TEST(DeviceRecord, OfANewNodeIsEmpty) {
  const auto record = read_device_record(
      R"({"Data":{"PodDeviceEntries":null,"RegisteredDevices":{}}})", "file");
  ASSERT_TRUE(record);
  EXPECT_THAT(record->holdings, IsEmpty());
}

TEST(DeviceRecord, ThatIsNoneIsRefusedByItsName) {
  for (const char* text :
       {"", "{}", "[]", R"({"Data":{}})", R"({"Data":{"PodDeviceEntries":3}})",
        R"({"Data":{"PodDeviceEntries":[{"DeviceIDs":{"0":"x"}}]}})"}) {
    const auto record = read_device_record(text, "/the/file");
    ASSERT_FALSE(record) << text;
    EXPECT_EQ(record.error().code(), ErrorCode::kCorrupt);
    EXPECT_THAT(record.error().message(), HasSubstr("/the/file"));
  }
}

}  // namespace
}  // namespace gpunode::oci
