#include "base/metrics/text_format.h"

#include <cmath>
#include <cstdlib>
#include <limits>

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace gpunode::metrics {
namespace {

std::string labels_text(const Labels& labels) {
  std::string out;
  append_labels(out, labels);
  return out;
}

std::string value_text(double value) {
  std::string out;
  append_value(out, value);
  return out;
}

TEST(TextFormat, KnowsTheNamesOfTheFormat) {
  EXPECT_TRUE(is_metric_name("gpunode_devices"));
  EXPECT_TRUE(is_metric_name("_a:b9"));
  for (const char* bad : {"", "9a", "a-b", "a b", "a\n", "\xc3\xa9"}) {
    EXPECT_FALSE(is_metric_name(bad)) << bad;
  }
  EXPECT_TRUE(is_label_name("resource"));
  EXPECT_TRUE(is_label_name("_x"));
  for (const char* bad : {"", "9a", "a:b", "__name__", "a.b"}) {
    EXPECT_FALSE(is_label_name(bad)) << bad;
  }
}

TEST(TextFormat, EscapesWhatWouldEndALabelOrALine) {
  EXPECT_EQ(labels_text({{"a", "x\"y\\z\n"}, {"b", ""}}),
            R"(a="x\"y\\z\n",b="")");
  std::string help;
  append_help(help, "two\nlines \\ and \"quotes\"");
  EXPECT_EQ(help, R"(two\nlines \\ and "quotes")");
}

TEST(TextFormat, MendsBytesThatAreNotUtf8) {
  const std::string mark = "\xef\xbf\xbd";
  EXPECT_EQ(labels_text({{"a", "GPU \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"}}),
            "a=\"GPU \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"");
  // A lone byte, an overlong slash, a surrogate, beyond U+10FFFF, a cut end.
  EXPECT_EQ(labels_text({{"a", "\xff"}}), "a=\"" + mark + "\"");
  EXPECT_EQ(labels_text({{"a", "\xc0\xaf"}}), "a=\"" + mark + mark + "\"");
  EXPECT_EQ(labels_text({{"a", "\xed\xa0\x80"}}),
            "a=\"" + mark + mark + mark + "\"");
  EXPECT_EQ(labels_text({{"a", "\xf4\x90\x80\x80"}}),
            "a=\"" + mark + mark + mark + mark + "\"");
  EXPECT_EQ(labels_text({{"a", "x\xe2\x82"}}), "a=\"x" + mark + mark + "\"");
}

TEST(TextFormat, SpellsNumbersAsPrometheusReadsThem) {
  EXPECT_EQ(value_text(0), "0");
  EXPECT_EQ(value_text(20), "20");
  EXPECT_EQ(value_text(0.005), "0.005");
  EXPECT_EQ(value_text(-1.5), "-1.5");
  EXPECT_EQ(value_text(1e300), "1e+300");
  EXPECT_EQ(value_text(HUGE_VAL), "+Inf");
  EXPECT_EQ(value_text(-HUGE_VAL), "-Inf");
  EXPECT_EQ(value_text(std::numeric_limits<double>::quiet_NaN()), "NaN");
}

/// Reads `name="value",...` back, by the format's own rules.
Labels read_back(const std::string& text) {
  Labels labels;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t equals = text.find("=\"", at);
    const std::string name = text.substr(at, equals - at);
    std::string value;
    std::size_t i = equals + 2;
    for (; text.at(i) != '"'; ++i) {
      RC_ASSERT(text[i] != '\n');
      if (text[i] != '\\') {
        value += text[i];
        continue;
      }
      const char escaped = text.at(++i);
      RC_ASSERT(escaped == 'n' || escaped == '\\' || escaped == '"');
      value += escaped == 'n' ? '\n' : escaped;
    }
    labels[name] = value;
    at = i + 1;
    if (at < text.size()) RC_ASSERT(text[at++] == ',');
  }
  return labels;
}

TEST(TextFormat, LabelsReadBackAsTheyWere) {
  EXPECT_TRUE(rc::check([] {
    const auto character = rc::gen::element<char>('a', '"', '\\', '\n', ',',
                                                  '=', '{', '}', ' ', 'n');
    const auto value = rc::gen::container<std::string>(character);
    const Labels labels = {{"a", *value}, {"bc", *value}, {"_d9", *value}};
    RC_ASSERT(read_back(labels_text(labels)) == labels);
  }));
}

TEST(TextFormat, AnyBytesMakeOneReadableLabel) {
  EXPECT_TRUE(rc::check([](const std::string& bytes) {
    const std::string mended = read_back(labels_text({{"a", bytes}})).at("a");
    // What has been mended needs no more mending.
    RC_ASSERT(read_back(labels_text({{"a", mended}})).at("a") == mended);
  }));
}

TEST(TextFormat, NumbersReadBackAsTheyWere) {
  EXPECT_TRUE(rc::check([](double value) {
    RC_ASSERT(std::strtod(value_text(value).c_str(), nullptr) == value);
  }));
}

}  // namespace
}  // namespace gpunode::metrics
