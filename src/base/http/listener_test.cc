#include "base/http/listener.h"

#include <fcntl.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::http {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST(ListenOn, TakesAddressesOfBothFamilies) {
  const auto ipv4 = listen_on("127.0.0.1:0");
  ASSERT_TRUE(ipv4) << ipv4.error().message();
  EXPECT_THAT(bound_address(ipv4->get()), StartsWith("127.0.0.1:"));
  EXPECT_THAT(bound_address(listen_on("localhost:0")->get()),
              StartsWith("127.0.0.1:"));
  const auto any = listen_on(":0");
  ASSERT_TRUE(any) << any.error().message();
  EXPECT_NE(bound_address(any->get()), "");
  EXPECT_EQ(::fcntl(any->get(), F_GETFD), FD_CLOEXEC);
  EXPECT_NE(::fcntl(any->get(), F_GETFL) & O_NONBLOCK, 0);
}

TEST(ListenOn, TakesIpv6InBrackets) {
  const auto listener = listen_on("[::1]:0");
  if (!listener) GTEST_SKIP() << listener.error().message();
  EXPECT_THAT(bound_address(listener->get()), StartsWith("[::1]:"));
}

TEST(ListenOn, SaysHowToWriteAnAddress) {
  for (const char* bad :
       {"", "9400", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "1.2.3:80",
        "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:80 ", "::1:80", "[::1]",
        "[::1:80", "[127.0.0.1]:80", "[]:80", "node.example:80",
        "http://127.0.0.1:80"}) {
    const auto listener = listen_on(bad);
    ASSERT_FALSE(listener) << bad;
    EXPECT_EQ(listener.error().code(), ErrorCode::kInvalidArgument) << bad;
    EXPECT_THAT(
        listener.error().message(),
        StartsWith("listen on \"" + std::string(bad) + "\": want HOST:PORT"));
  }
}

TEST(ListenOn, SaysThatThePortIsTaken) {
  const auto first = listen_on("127.0.0.1:0");
  ASSERT_TRUE(first);
  const std::string address = bound_address(first->get());
  const auto second = listen_on(address);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().message(),
            "listen on " + address + ": address already in use");
}

TEST(ListenOn, SaysThatAnAddressIsNotOfThisHost) {
  const auto listener = listen_on("192.0.2.1:0");
  ASSERT_FALSE(listener);
  EXPECT_THAT(listener.error().message(),
              HasSubstr("cannot assign requested address"));
}

}  // namespace
}  // namespace gpunode::http
