#include "base/http/url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::http {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Url, IsTakenApart) {
  const std::tuple<const char*, bool, const char*, int, const char*> cases[] = {
      {"https://api.example", true, "api.example", 443, ""},
      {"HTTPS://API.example:6443/", true, "api.example", 6443, ""},
      {"http://10.0.0.1", false, "10.0.0.1", 80, ""},
      {"https://[FD00::1]:6443", true, "fd00::1", 6443, ""},
      {"https://[fd00::1]", true, "fd00::1", 443, ""},
      {"https://r.example/k8s/clusters/c-m-1/", true, "r.example", 443,
       "/k8s/clusters/c-m-1"},
  };
  for (const auto& [text, is_tls, host, port, path] : cases) {
    const auto url = parse_url(text);
    ASSERT_TRUE(url) << url.error().message();
    EXPECT_EQ(url->is_tls, is_tls);
    EXPECT_EQ(url->host, host);
    EXPECT_EQ(url->port, port);
    EXPECT_EQ(url->path, path);
  }
  EXPECT_EQ(parse_url("https://[fd00::1]")->authority(), "[fd00::1]:443");
}

TEST(Url, IsRefusedWhenItIsNone) {
  const std::string cases[] = {
      "",
      "api.example",
      "ftp://x",
      "https://",
      "https://:443",
      "https://x:0",
      "https://x:65536",
      "https://x:",
      "https://x:4 3",
      "https://x y",
      "https://[::1",
      "https://[x]:1",
      "https://[::1]1",
      "https://::1:443",
      "https://x/?a",
      "https://x#a",
      "https://x/a b",
      "https://x/\r\nHost: y",
      "https://" + std::string(300, 'x'),
      "https://x/" + std::string(3000, 'x'),
  };
  for (const std::string& text : cases) {
    const auto url = parse_url(text);
    ASSERT_FALSE(url) << text;
    EXPECT_EQ(url.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(url.error().message(), HasSubstr("https://HOST:PORT"));
    EXPECT_THAT(url.error().message(), Not(HasSubstr("\n")));
  }
}

TEST(Url, APasswordIsNotQuoted) {
  const auto url = parse_url("https://me:secret@x");
  ASSERT_FALSE(url);
  EXPECT_THAT(url.error().message(), Not(HasSubstr("secret")));
}

}  // namespace
}  // namespace gpunode::http
