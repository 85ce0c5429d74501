#include "base/core/utf8.h"

#include <string>

#include <gtest/gtest.h>

namespace gpunode {
namespace {

TEST(Utf8, LengthIsThatOfTheFirstCharacter) {
  EXPECT_EQ(utf8_length("ab"), 1U);
  EXPECT_EQ(utf8_length("\xc3\xa4"), 2U);
  EXPECT_EQ(utf8_length("\xe2\x80\xa6x"), 3U);
  EXPECT_EQ(utf8_length("\xf0\x9f\x98\x80"), 4U);
  // Nothing, half a character, an overlong one, a surrogate, beyond the end.
  for (const char* text : {"", "\xe2\x80", "\x80", "\xc0\xaf", "\xed\xa0\x80",
                           "\xf4\x90\x80\x80", "\xff"}) {
    EXPECT_EQ(utf8_length(text), 0U) << text;
  }
}

TEST(Utf8, IsMendedByteForByte) {
  EXPECT_EQ(mended_utf8("gr\xc3\xbcn"), "gr\xc3\xbcn");
  EXPECT_EQ(mended_utf8("a\xff\xfe b\xe2\x80"),
            "a\xef\xbf\xbd\xef\xbf\xbd b\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(mended_utf8(std::string("a\0b", 3)), std::string("a\0b", 3));
  EXPECT_EQ(mended_utf8(""), "");
}

}  // namespace
}  // namespace gpunode
