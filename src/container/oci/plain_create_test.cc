#include "container/oci/plain_create.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "container/oci/config_edit.h"
#include "container/oci/container_config.h"
#include "container/oci/container_request.h"
#include "container/oci/toolkit_config.h"

namespace gpunode::oci {
namespace {

/// Taken in pieces of `piece` bytes.
bool is_unasked(const std::string& text, std::size_t piece = 7) {
  RequestScan scan;
  for (std::size_t at = 0; at < text.size(); at += piece) {
    scan.take({text.data() + at, std::min(piece, text.size() - at)});
  }
  return scan.is_without_request();
}

std::string with_env(const std::string& variable) {
  return R"({"process":{"env":["PATH=/bin",")" + variable + R"("]}})";
}

TEST(PlainCreate, WhatNamesNoDeviceAsksForNothing) {
  EXPECT_TRUE(is_unasked("{}"));
  EXPECT_TRUE(is_unasked(" {\"a\": [1, {\"b\": null}]}\n"));
  EXPECT_TRUE(is_unasked(with_env("A=b")));
  EXPECT_TRUE(is_unasked(with_env(R"(A=\"\\\n\u003c\u0026\u2028\u001b)")));
  EXPECT_TRUE(is_unasked(with_env("CDI=nvidi")));
}

TEST(PlainCreate, WhatCouldBeARequestIsOne) {
  for (const std::string& text : {
           with_env("NVIDIA_VISIBLE_DEVICES=all"),
           with_env("CUDA_VERSION=8.0.61"),
           with_env("nVidia"),
           std::string(R"({"annotations":{"cdi.k8s.io/x":"a.com/b=c"}})"),
           std::string(R"({"annotations":{"cdcdi.k8s.io/x":"a.com/b=c"}})"),
           std::string(R"({"mounts":[{"source":"/dev/null","destination":)"
                       R"("/var/run/nvidia-container-devices/0"}]})"),
           std::string(R"({"hooks":{"prestart":[{"path":)"
                       R"("/usr/bin/nvidia-container-runtime-hook"}]}})"),
       }) {
    for (std::size_t piece = 1; piece < 12; ++piece) {
      EXPECT_FALSE(is_unasked(text, piece)) << text << " by " << piece;
    }
  }
}

TEST(PlainCreate, NothingHidesBehindAnEscape) {
  EXPECT_FALSE(is_unasked(with_env(R"(\u004eVIDIA_VISIBLE_DEVICES=all)")));
  EXPECT_FALSE(is_unasked(with_env(R"(N\u0056IDIA_VISIBLE_DEVICES=all)")));
  EXPECT_FALSE(is_unasked(R"({"annotations":{"cdi\u002ek8s.io/x":"a/b=c"}})"));
  EXPECT_FALSE(is_unasked(with_env(R"(\u00zz)")));
  EXPECT_FALSE(is_unasked(with_env(R"(\x)")));
}

TEST(PlainCreate, WhatIsNotOneWholeObjectIsLookedAt) {
  for (const char* text : {"", " ", "null", "[]", "{", "{}}", "{}{}", "{]",
                           R"({"a)", R"({"a\)", R"({"a":[}])", "\xef\xbb\xbf{}",
                           "{\"a\":\"\n\"}", "{\"\xff\":1}", "1{}"}) {
    EXPECT_FALSE(is_unasked(text)) << text;
  }
  EXPECT_FALSE(is_unasked("{\"a\":" + std::string(70, '[') +
                          std::string(70, ']') + "}"));
}

// Whatever is passed on without a look would have been left as it is.
RC_GTEST_PROP(PlainCreate, WhatAsksForNothingIsLeftAsItIs, ()) {
  const auto piece = rc::gen::elementOf(
      std::vector<std::string>{"NVIDIA_VISIBLE_DEVICES=all",
                               "NVIDIA_",
                               "VISIBLE_DEVICES=0",
                               "PATH=/bin",
                               "CUDA_VERSION=8",
                               "CUDA",
                               "_VERSION=1",
                               "\\u004e",
                               "\\u003c",
                               "\\\"",
                               "N",
                               "VIDIA",
                               "cdi.k8s.io/",
                               "cdi",
                               ".k8s.io/x",
                               "a.com/b=c",
                               "/dev/null",
                               "/var/run/nvidia-container-devices/",
                               "/usr/bin/",
                               "nvidia-container-runtime-hook",
                               "all"});
  const auto word = [&] {
    std::string text;
    for (const auto& one :
         *rc::gen::container<std::vector<std::string>>(piece)) {
      text += one;
    }
    return text;
  };
  const std::string text =
      R"({"process":{"env":[")" + word() + R"(",")" + word() +
      R"("]},"annotations":{")" + word() + R"(":")" + word() +
      R"("},"mounts":[{"source":"/dev/null","destination":")" + word() +
      R"("}],"hooks":{"prestart":[{"path":")" + word() + R"("}]}})";
  if (!is_unasked(text)) return;
  const auto config = read_container_config(text, "config.json");
  RC_ASSERT(config.has_value());
  const auto request = read_request(*config, ToolkitConfig());
  RC_ASSERT(request.has_value());
  RC_ASSERT(!request->devices.is_request());
  RC_ASSERT(!request->annotated.is_request());
  RC_ASSERT(request->imex_channels.empty());
  RC_ASSERT(!edit_config(*config, {}, LegacyHook::kRemove).has_value());
}

std::string bundle(std::vector<const char*> arguments) {
  const Chars found = bundle_of(arguments.size(), arguments.data());
  return {found.data, found.size};
}

TEST(PlainCreate, TheLastBundleFlagCounts) {
  EXPECT_EQ(bundle({"r", "create", "-b", "a", "--bundle=b"}), "b");
  EXPECT_EQ(bundle({"r", "create", "-b=a", "-bundle", "b"}), "b");
  EXPECT_EQ(bundle({"r", "create"}), ".");
  EXPECT_EQ(bundle({"r", "create", "-b"}), ".");
  EXPECT_EQ(bundle({"r", "create", "--bundle="}), ".");
  EXPECT_EQ(bundle({"r", "create", "---bundle", "x", "bundle", "y"}), ".");
}

}  // namespace
}  // namespace gpunode::oci
