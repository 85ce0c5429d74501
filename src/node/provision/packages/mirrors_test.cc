#include "node/provision/packages/mirrors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::packages {
namespace {

TEST(Mirrors, TheLongestBeginningCountsAndEndsAtASlash) {
  const Mirrors mirrors = {{"https://a.example/pub", "http://m/p"},
                           {"https://a.example/pub/epel", "file:///srv/epel"}};
  EXPECT_EQ(mirrored("https://a.example/pub/epel/9/x/", mirrors),
            "file:///srv/epel/9/x/");
  EXPECT_EQ(mirrored("https://a.example/pub/epel-next/9", mirrors),
            "http://m/p/epel-next/9");
  EXPECT_EQ(mirrored("https://a.example/pub", mirrors), "http://m/p");
  EXPECT_EQ(mirrored("https://a.example/public", mirrors),
            "https://a.example/public");
  EXPECT_EQ(mirrored("https://b.example/", {}), "https://b.example/");
}

TEST(Mirrors, WhatIsNoAddressOrHoldsASecretIsRefused) {
  const char* good = "https://a.example/pub";
  EXPECT_TRUE(check_mirror(good, "http://10.0.0.1:8080/pub"));
  EXPECT_TRUE(check_mirror(good, "file:///srv/pub"));
  for (const char* bad :
       {"", "epel", "ftp://a/b", "file://srv", "https://", "http://a/b c",
        "http://a/b\ngpgcheck=0", "http://a/\"b", "https://me:pw@a.example/"}) {
    EXPECT_FALSE(check_mirror(good, bad)) << bad;
  }
  EXPECT_FALSE(check_mirror("file:///srv", good));
  EXPECT_FALSE(check_mirror("https://me@a.example", good));
}

}  // namespace
}  // namespace gpunode::packages
