#include "agent/resource/replica_id.h"

#include <cstdint>
#include <string>

#include <gtest/gtest.h>

namespace gpunode::resource {
namespace {

TEST(ReplicaId, OfAWholeDeviceIsItsUuid) {
  for (const char* uuid :
       {"GPU-8932f937-d72c-4106-c12f-20bd9faed9f6",
        "MIG-8932f937-d72c-4106-c12f-20bd9faed9f6",
        "MIG-GPU-8932f937-d72c-4106-c12f-20bd9faed9f6/1/0", ":", "a:b"}) {
    const auto id = ReplicaId::parse(uuid);
    ASSERT_TRUE(id.has_value()) << uuid;
    EXPECT_EQ(id->device, uuid);
    EXPECT_EQ(id->number, std::nullopt);
    EXPECT_EQ(id->to_string(), uuid);
  }
}

TEST(ReplicaId, OfAReplicaCarriesItsNumber) {
  const auto id = ReplicaId::parse("GPU-1::19");
  ASSERT_TRUE(id.has_value());
  EXPECT_EQ(id->device, "GPU-1");
  EXPECT_EQ(id->number, 19U);
  EXPECT_EQ(id->to_string(), "GPU-1::19");
}

TEST(ReplicaId, GoesThroughTheLargestNumber) {
  const auto id = ReplicaId::parse("GPU-1::4294967295");
  ASSERT_TRUE(id.has_value());
  EXPECT_EQ(id->number, UINT32_MAX);
  EXPECT_FALSE(ReplicaId::parse("GPU-1::4294967296").has_value());
  EXPECT_FALSE(ReplicaId::parse("GPU-1::99999999999999999999").has_value());
}

TEST(ReplicaId, HasOneSpellingPerReplica) {
  for (const std::string& text :
       {std::string(), std::string("::"), std::string("::1"),
        std::string("GPU-1::"), std::string("GPU-1::01"),
        std::string("GPU-1::00"), std::string("GPU-1::+1"),
        std::string("GPU-1::-1"), std::string("GPU-1:: 1"),
        std::string("GPU-1::1 "), std::string("GPU-1::1::2"),
        std::string("GPU-1:::1"), std::string("GPU-1::0x1"),
        std::string("GPU-1::1\0", 9)}) {
    EXPECT_FALSE(ReplicaId::parse(text).has_value()) << text;
  }
}

TEST(ReplicaId, MarkIsSeenInMalformedIdsToo) {
  EXPECT_TRUE(has_replica_mark("GPU-1::0"));
  EXPECT_TRUE(has_replica_mark("::"));
  EXPECT_TRUE(has_replica_mark("GPU-1::x"));
  EXPECT_FALSE(has_replica_mark("MIG-GPU-1/1/0"));
  EXPECT_FALSE(has_replica_mark(""));
}

TEST(ReplicaId, IsShownWithoutControlCharactersAndNotInFull) {
  EXPECT_EQ(printable("GPU-1::0"), "GPU-1::0");
  EXPECT_EQ(printable("a\nb\x7f"), "a\\x0ab\\x7f");
  EXPECT_EQ(printable(std::string(5000, 'x')), std::string(256, 'x') + "...");
}

}  // namespace
}  // namespace gpunode::resource
