#include "node/provision/wipe_confirmation.h"

#include <gtest/gtest.h>

namespace gpunode::provision {
namespace {

using host::DiskIdentity;

const DiskIdentity kFirst{"nvme_card", "nvme_card", 375, "nvme.1"};
const DiskIdentity kSecond{"nvme_card", "nvme_card", 375, "nvme.2"};
const DiskIdentity kOther{"NVMe", "AWS1", 600, "eui.1"};

TEST(WipeConfirmation, IsTheSerialWhereThatNamesOneDisk) {
  EXPECT_EQ(confirmation_of(kOther, {kFirst, kSecond, kOther}), "AWS1");
  EXPECT_EQ(confirmation_of(kFirst, {kFirst, kOther}), "nvme_card");
}

TEST(WipeConfirmation, IsTheWwidWhereSeveralHaveTheSerial) {
  EXPECT_EQ(confirmation_of(kFirst, {kFirst, kSecond}), "nvme.1");
  EXPECT_EQ(confirmation_of(kSecond, {kFirst, kSecond}), "nvme.2");
  // Of another size or model it is another disk, too.
  DiskIdentity larger = kFirst;
  larger.size_bytes = 750;
  EXPECT_EQ(confirmation_of(kFirst, {kFirst, larger}), "");
}

TEST(WipeConfirmation, ThereIsNoneForWhatNothingNames) {
  EXPECT_EQ(confirmation_of({"M", "", 1, "nvme.1"}, {}), "");
  DiskIdentity unnamed = kFirst;
  unnamed.wwid.clear();
  unnamed.size_bytes = 1;
  EXPECT_EQ(confirmation_of(unnamed, {kFirst, kSecond, unnamed}), "");
}

TEST(WipeConfirmation, OneOfAnOlderJournalIsNoOtherDisk) {
  DiskIdentity older = kOther;
  older.wwid.clear();
  EXPECT_EQ(confirmation_of(older, {older, kOther}), "AWS1");
  EXPECT_EQ(confirmation_of(kOther, {older, kOther}), "AWS1");
}

}  // namespace
}  // namespace gpunode::provision
