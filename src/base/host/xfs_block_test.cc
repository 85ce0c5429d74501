#include "base/host/xfs_block.h"

#include <gtest/gtest.h>

#include "base/host/superblock_bytes.h"

namespace gpunode::host {
namespace {

std::string block(const std::string& mark, std::size_t uuid_at) {
  std::string bytes(512, '\0');
  put_text(bytes, 0, mark);
  put_text(bytes, uuid_at, sample_uuid_bytes());
  return bytes;
}

TEST(XfsBlock, EachKindSaysWhoseItIs) {
  EXPECT_EQ(xfs_block_uuid(xfs_superblock()), kSampleUuid);
  EXPECT_EQ(xfs_block_uuid(block("XAGF", 64)), kSampleUuid);
  EXPECT_EQ(xfs_block_uuid(block("XAGI", 296)), kSampleUuid);
  EXPECT_EQ(xfs_block_uuid(block("XAFL", 8)), kSampleUuid);
  EXPECT_EQ(xfs_block_uuid(block("AB3B", 32)), kSampleUuid);
  EXPECT_EQ(xfs_block_uuid(block("\xfe\xed\xba\xbe", 304)), kSampleUuid);
  std::string inode = block("IN", 160);
  EXPECT_EQ(xfs_block_uuid(inode), "");  // Version 0 has none.
  inode[4] = 3;
  EXPECT_EQ(xfs_block_uuid(inode), kSampleUuid);
}

TEST(XfsBlock, NothingElseIsAnybodys) {
  EXPECT_EQ(xfs_block_uuid(""), "");
  EXPECT_EQ(xfs_block_uuid("IN"), "");
  EXPECT_EQ(xfs_block_uuid("XFSB"), "");
  EXPECT_EQ(xfs_block_uuid(block("XAGI", 296).substr(0, 311)), "");
  EXPECT_EQ(xfs_block_uuid(block("PG\1", 32)), "");
}

}  // namespace
}  // namespace gpunode::host
