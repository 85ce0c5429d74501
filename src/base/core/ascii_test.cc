#include "base/core/ascii.h"

#include <cctype>

#include <gtest/gtest.h>

namespace gpunode {
namespace {

TEST(Ascii, IsWhatTheCLocaleSaysOfEachByte) {
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    EXPECT_EQ(is_digit(c), std::isdigit(byte) != 0) << byte;
    EXPECT_EQ(is_hex_digit(c), std::isxdigit(byte) != 0) << byte;
    EXPECT_EQ(is_lower(c), std::islower(byte) != 0) << byte;
    EXPECT_EQ(is_upper(c), std::isupper(byte) != 0) << byte;
    EXPECT_EQ(is_letter(c), std::isalpha(byte) != 0) << byte;
    EXPECT_EQ(is_alphanumeric(c), std::isalnum(byte) != 0) << byte;
    EXPECT_EQ(to_lower(c), static_cast<char>(std::tolower(byte))) << byte;
  }
}

TEST(Ascii, ANumberHasDigitsAlone) {
  EXPECT_TRUE(is_number("0"));
  EXPECT_TRUE(is_number("0123456789"));
  EXPECT_FALSE(is_number(""));
  EXPECT_FALSE(is_number("-1"));
  EXPECT_FALSE(is_number("1 "));
}

}  // namespace
}  // namespace gpunode
