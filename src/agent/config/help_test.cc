#include "agent/config/help.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/config/options.h"

namespace gpunode::config {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST(Help, NamesEveryOptionItsDefaultAndItsVariables) {
  const std::string help = help_text("/usr/bin/gpunode-agent");
  EXPECT_THAT(help, StartsWith("Usage: gpunode-agent [options]\n"));
  for (const OptionSpec& spec : option_table()) {
    for (const std::string_view name : spec.names) {
      EXPECT_THAT(help, HasSubstr("--" + std::string(name)));
    }
    for (const std::string_view variable : spec.environment) {
      EXPECT_THAT(help, HasSubstr(std::string(variable)));
    }
    EXPECT_THAT(help, HasSubstr(std::string(spec.fallback)));
  }
  EXPECT_THAT(help, HasSubstr("Exit codes:"));
  EXPECT_THAT(help, HasSubstr("Examples:"));
}

TEST(Help, FitsATerminal) {
  std::istringstream lines(help_text("gpunode-agent"));
  std::string line;
  while (std::getline(lines, line)) {
    EXPECT_LE(line.size(), 80U) << line;
    EXPECT_FALSE(line.ends_with(' ')) << line;
  }
}

TEST(Help, FollowsAUsageError) {
  const Error error{ErrorCode::kInvalidArgument,
                    "flag provided but not defined: -nosuch"};
  EXPECT_EQ(usage_error_text(error, "a"),
            "Incorrect Usage: flag provided but not defined: -nosuch\n\n" +
                help_text("a"));
}

TEST(Completion, OffersEveryOptionInEachShell) {
  for (const std::string shell : {"bash", "zsh", "fish"}) {
    const auto script = completion_script(shell, "gpunode-agent");
    ASSERT_TRUE(script);
    for (const OptionSpec& spec : option_table()) {
      for (const std::string_view name : spec.names) {
        EXPECT_THAT(*script, HasSubstr(std::string(name))) << shell;
      }
    }
    EXPECT_THAT(*script, HasSubstr("volume-mounts")) << shell;
  }
  EXPECT_EQ(completion_script("tcsh", "x").error().message(),
            "no completions for shell 'tcsh' (give bash, zsh or fish)");
}

TEST(Completion, AHostileProgramNameDoesNotReachTheScript) {
  const auto script = completion_script("bash", "/x/a;rm -rf $(b)`c`");
  ASSERT_TRUE(script);
  EXPECT_THAT(*script, HasSubstr("complete -F _arm_rfbc arm-rfbc\n"));
}

// What the shell itself makes of the script, where there is one.
TEST(Completion, BashCompletesOptionsAndValues) {
  if (!std::filesystem::exists("/bin/bash")) GTEST_SKIP() << "no bash";
  const auto script = completion_script("bash", "gpunode-agent");
  ASSERT_TRUE(script);
  std::string folder = testing::TempDir() + "completion.XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  const std::string path = folder + "/script";
  std::ofstream(path) << *script
                      << "COMP_WORDS=(gpunode-agent --mig-strategy = mi)\n"
                         "COMP_CWORD=3\n_gpunode_agent\necho \"$COMPREPLY\"\n"
                         "COMP_WORDS=(gpunode-agent --gdr)\n"
                         "COMP_CWORD=1\n_gpunode_agent\necho \"$COMPREPLY\"\n";
  FILE* bash = ::popen(("/bin/bash --norc " + path).c_str(), "r");
  ASSERT_NE(bash, nullptr);
  std::string printed(256, '\0');
  printed.resize(std::fread(printed.data(), 1, printed.size(), bash));
  EXPECT_EQ(::pclose(bash), 0);
  EXPECT_EQ(printed, "mixed\n--gdrcopy-enabled\n");
  std::filesystem::remove_all(folder);
}

TEST(ManPage, HasEveryOptionAndNoStrayRequest) {
  const std::string page = man_page("gpunode-agent", "1.2");
  EXPECT_THAT(page, StartsWith(".TH GPUNODE-AGENT 8 \"\" \"gpunode 1.2\""));
  EXPECT_THAT(page, HasSubstr("\\fB\\-\\-nvidia\\-ctk\\-path\\fR"));
  std::istringstream lines(page);
  std::string line;
  while (std::getline(lines, line)) {
    if (!line.starts_with('.')) continue;
    const std::string request = line.substr(0, line.find(' '));
    EXPECT_TRUE(request == ".TH" || request == ".SH" || request == ".TP" ||
                request == ".B")
        << line;
  }
}

}  // namespace
}  // namespace gpunode::config
