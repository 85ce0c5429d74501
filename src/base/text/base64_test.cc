#include "base/text/base64.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace gpunode::text {
namespace {

TEST(Base64, HasTheFormsOfRfc4648) {
  const std::pair<const char*, const char*> cases[] = {
      {"", ""},
      {"f", "Zg=="},
      {"fo", "Zm8="},
      {"foo", "Zm9v"},
      {"foob", "Zm9vYg=="},
      {"fooba", "Zm9vYmE="},
      {"foobar", "Zm9vYmFy"},
      {"\xff\xfe\xfd", "//79"}};
  for (const auto& [bytes, text] : cases) {
    EXPECT_EQ(encode_base64(bytes), text);
    EXPECT_EQ(decode_base64(text), bytes);
  }
}

TEST(Base64, BytesComeBack) {
  EXPECT_TRUE(rc::check([](const std::string& bytes) {
    RC_ASSERT(decode_base64(encode_base64(bytes)) == bytes);
  }));
}

TEST(Base64, LinesAndMissingPaddingAreNoHarm) {
  EXPECT_EQ(decode_base64("Zm9v\r\n YmE"), "fooba");
}

TEST(Base64, WhatIsNoneIsRefused) {
  for (const char* text : {"Zm9v!", "Zg==Zg", "Zm-_", "\xff"}) {
    EXPECT_EQ(decode_base64(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace gpunode::text
