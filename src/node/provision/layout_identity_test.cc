#include "node/provision/layout_identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::provision {
namespace {

constexpr const char* kUuid = "01234567-89ab-8def-8123-456789abcdef";

host::DiskSignature signature(std::string type, std::string uuid) {
  host::DiskSignature made;
  made.type = std::move(type);
  made.uuid = std::move(uuid);
  return made;
}

host::DiskIdentity disk(const std::string& serial,
                        const std::string& wwid = "") {
  return {"Model", serial, 1, wwid};
}

TEST(LayoutIdentity, NamesFollowFromTheFileSystem) {
  EXPECT_EQ(layout_name(kUuid), "gn01234567");
  EXPECT_THAT(array_uuid(kUuid),
              testing::MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-"
                                    "[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
  EXPECT_NE(array_uuid(kUuid), kUuid);
  EXPECT_EQ(mdadm_uuid("00112233-4455-6677-8899-aabbccddeeff"),
            "00112233:44556677:8899aabb:ccddeeff");
  EXPECT_THAT(volume_uuid(kUuid, disk("A")),
              testing::MatchesRegex("[0-9a-f]{6}(-[0-9a-f]{4}){5}-"
                                    "[0-9a-f]{6}"));
  EXPECT_NE(volume_uuid(kUuid, disk("A")), volume_uuid(kUuid, disk("B")));
  EXPECT_EQ(in_volume_groups("0123"), "0123------");
}

TEST(LayoutIdentity, AMemberIsOursByUuidAndDiskAlone) {
  const auto raid = signature("linux_raid_member", array_uuid(kUuid));
  const auto volume = signature("LVM2_member", volume_uuid(kUuid, disk("A")));
  EXPECT_TRUE(is_our_member({raid}, kUuid, disk("A")));
  EXPECT_TRUE(is_our_member({volume}, kUuid, disk("A")));
  EXPECT_FALSE(is_our_member({volume}, kUuid, disk("B")));
  // Two namespaces of one controller; and a volume of before WWIDs were asked.
  EXPECT_NE(volume_uuid(kUuid, disk("A", "1")),
            volume_uuid(kUuid, disk("A", "2")));
  EXPECT_TRUE(is_our_member({volume}, kUuid, disk("A", "1")));
  EXPECT_FALSE(is_our_member(
      {signature("LVM2_member", volume_uuid(kUuid, disk("A", "2")))}, kUuid,
      disk("A", "1")));
  EXPECT_FALSE(is_our_member({}, kUuid, disk("A")));
  EXPECT_FALSE(is_our_member({raid, signature("gpt", "")}, kUuid, disk("A")));
  EXPECT_FALSE(
      is_our_member({signature("linux_raid_member", kUuid)}, kUuid, disk("A")));
  // The right UUID on the wrong kind of thing.
  EXPECT_FALSE(is_our_member({signature("crypto_LUKS", array_uuid(kUuid))},
                             kUuid, disk("A")));
}

TEST(LayoutIdentity, OnlyTheFileSystemItself) {
  EXPECT_TRUE(is_only_filesystem({}, kUuid));
  EXPECT_TRUE(is_only_filesystem({signature("xfs", kUuid)}, kUuid));
  EXPECT_FALSE(is_only_filesystem({signature("ext4", "other")}, kUuid));
}

}  // namespace
}  // namespace gpunode::provision
