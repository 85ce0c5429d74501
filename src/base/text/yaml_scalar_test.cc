#include "base/text/yaml_scalar.h"

#include <array>

#include <gtest/gtest.h>

namespace gpunode::text {
namespace {

using Kind = Node::Kind;

struct Row {
  std::string_view plain;
  Kind kind;
  std::string_view text;
};

class ResolveScalar : public testing::TestWithParam<Row> {};

TEST_P(ResolveScalar, TypesAsKubernetesDoes) {
  const ResolvedScalar resolved = resolve_scalar(GetParam().plain);
  EXPECT_EQ(resolved.kind, GetParam().kind) << GetParam().plain;
  EXPECT_EQ(resolved.text, GetParam().text) << GetParam().plain;
}

constexpr auto kRows = std::to_array<Row>({
    {"true", Kind::kBool, "true"},
    {"Yes", Kind::kBool, "true"},
    {"y", Kind::kBool, "true"},
    {"on", Kind::kBool, "true"},
    {"NO", Kind::kBool, "false"},
    {"off", Kind::kBool, "false"},
    {"n", Kind::kBool, "false"},
    {"tRUE", Kind::kString, "tRUE"},
    {"", Kind::kNull, ""},
    {"~", Kind::kNull, ""},
    {"null", Kind::kNull, ""},
    {"Null", Kind::kNull, ""},
    {"nULL", Kind::kString, "nULL"},
    {"0", Kind::kInteger, "0"},
    {"-0", Kind::kInteger, "0"},
    {"20", Kind::kInteger, "20"},
    {"+5", Kind::kInteger, "5"},
    {"-7", Kind::kInteger, "-7"},
    {"017", Kind::kInteger, "15"},
    {"0o17", Kind::kInteger, "15"},
    {"0x1F", Kind::kInteger, "31"},
    {"-0x10", Kind::kInteger, "-16"},
    {"0b101", Kind::kInteger, "5"},
    {"1_000", Kind::kInteger, "1000"},
    {"08", Kind::kInteger, "8"},  // No octal; a float, which JSON shortens.
    {"9223372036854775807", Kind::kInteger, "9223372036854775807"},
    {"18446744073709551615", Kind::kInteger, "18446744073709551615"},
    {"99999999999999999999", Kind::kInteger, "100000000000000000000"},
    {"2.0", Kind::kInteger, "2"},
    {"1e3", Kind::kInteger, "1000"},
    {"2.5", Kind::kFloat, "2.5"},
    {".5", Kind::kFloat, "0.5"},
    {"5.", Kind::kInteger, "5"},
    {"1e-9", Kind::kFloat, "1e-9"},
    {"1e+30", Kind::kFloat, "1e+30"},
    {"1e999", Kind::kString, "1e999"},
    {".inf", Kind::kFloat, "+Inf"},
    {"-.INF", Kind::kFloat, "-Inf"},
    {".NaN", Kind::kFloat, "NaN"},
    {"2024-01-05", Kind::kString, "2024-01-05"},
    {"1:30", Kind::kString, "1:30"},  // No base 60.
    {"v1", Kind::kString, "v1"},
    {"-", Kind::kString, "-"},
    {".", Kind::kString, "."},
    {"0x", Kind::kString, "0x"},
    {"1.2.3", Kind::kString, "1.2.3"},
});
INSTANTIATE_TEST_SUITE_P(Table, ResolveScalar, testing::ValuesIn(kRows));

TEST(ResolveScalar, RemembersAWrittenFraction) {
  EXPECT_TRUE(resolve_scalar("2.0").was_float);
  EXPECT_FALSE(resolve_scalar("2").was_float);
}

}  // namespace
}  // namespace gpunode::text
