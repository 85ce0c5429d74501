#include "apps/vectoradd/options.h"

#include <initializer_list>
#include <vector>

#include <gtest/gtest.h>

namespace gpunode::vectoradd {
namespace {

Options parse(std::initializer_list<const char*> arguments) {
  std::vector<const char*> all = {"gpunode-vectoradd"};
  all.insert(all.end(), arguments);
  return parse_options(static_cast<int>(all.size()), all.data());
}

TEST(Options, DefaultToTheSamplesFiftyThousandElements) {
  const Options options = parse({});
  EXPECT_EQ(options.action, Options::Action::kAdd);
  EXPECT_EQ(options.elements, 50000U);
  EXPECT_EQ(options.device, 0);
}

TEST(Options, TakeValuesInBothForms) {
  const Options options = parse({"--elements", "7", "--device=3"});
  EXPECT_EQ(options.action, Options::Action::kAdd);
  EXPECT_EQ(options.elements, 7U);
  EXPECT_EQ(options.device, 3);
}

TEST(Options, RefuseWhatIsNotANumberInRangeAndNameIt) {
  for (const char* bad :
       {"0", "-1", "1x", "", "1000000001", "99999999999999999999999", " 5"}) {
    const Options options = parse({"--elements", bad});
    EXPECT_EQ(options.action, Options::Action::kRefuse) << bad;
    EXPECT_STREQ(options.argument, "--elements") << bad;
  }
  EXPECT_EQ(parse({"--device", "1024"}).action, Options::Action::kRefuse);
  EXPECT_EQ(parse({"--device"}).action, Options::Action::kRefuse);
}

TEST(Options, RefuseUnknownArgumentsAndPrefixes) {
  EXPECT_STREQ(parse({"--element", "5"}).argument, "--element");
  EXPECT_STREQ(parse({"--elementsx=5"}).argument, "--elementsx=5");
  EXPECT_STREQ(parse({"50000"}).argument, "50000");
}

TEST(Options, AskedForHelpOrVersionDoNothingElse) {
  EXPECT_EQ(parse({"--device", "1", "--help"}).action, Options::Action::kHelp);
  EXPECT_EQ(parse({"--version", "junk"}).action, Options::Action::kVersion);
}

}  // namespace
}  // namespace gpunode::vectoradd
