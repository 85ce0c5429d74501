#include "container/oci/passed_call.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "container/oci/toolkit_config.h"

namespace gpunode::oci {
namespace {

using testing::ElementsAre;

bool is_passed(const std::vector<const char*>& arguments) {
  return kind_of(arguments.size(), arguments.data()) == Call::kPassedOn;
}

TEST(PassedCall, EverythingButCreateIsPassedOn) {
  EXPECT_TRUE(is_passed({"runc"}));
  EXPECT_TRUE(is_passed({"runc", "--root", "/r", "state", "id"}));
  EXPECT_TRUE(is_passed({"nvidia-container-runtime.cdi", "kill", "id"}));
  EXPECT_TRUE(is_passed({"runc", "delete", "created"}));
  EXPECT_FALSE(is_passed({"runc", "create", "id"}));
  EXPECT_FALSE(is_passed({"runc", "--log", "x", "create", "-b", "d", "id"}));
}

TEST(PassedCall, TheValueOfABundleFlagIsNoVerb) {
  EXPECT_TRUE(is_passed({"runc", "state", "-b", "create"}));
  EXPECT_TRUE(is_passed({"runc", "state", "--bundle", "create"}));
  EXPECT_TRUE(is_passed({"runc", "state", "-bundle", "create"}));
  EXPECT_TRUE(is_passed({"runc", "state", "--bundle=create"}));
  EXPECT_FALSE(is_passed({"runc", "-b", "create", "create"}));
}

TEST(PassedCall, HookHelpAndVersionAreNot) {
  EXPECT_FALSE(is_passed({}));
  EXPECT_FALSE(is_passed({"/usr/bin/nvidia-cdi-hook", "state"}));
  EXPECT_FALSE(is_passed({"nvidia-container-runtime-hook", "prestart"}));
  EXPECT_FALSE(is_passed({"gpunode-runtime", "hook", "apply"}));
  EXPECT_FALSE(is_passed({"gpunode-runtime", "--help"}));
  EXPECT_FALSE(is_passed({"runc", "--version"}));
  EXPECT_FALSE(is_passed({"runc", "state", "-version=true"}));
  EXPECT_TRUE(is_passed({"runc", "state", "version"}));
  EXPECT_TRUE(is_passed({"runc", "--versions"}));
}

TEST(PassedCall, CreateIsLookedAtUnlessItAsksForOurVersion) {
  const std::vector<const char*> create = {"runc", "--log", "x", "create"};
  EXPECT_EQ(kind_of(create.size(), create.data()), Call::kCreate);
  const std::vector<const char*> version = {"runc", "--version", "create"};
  EXPECT_EQ(kind_of(version.size(), version.data()), Call::kOwn);
}

/// The names, or "?" if the text is not plain.
std::vector<std::string> plain(const std::string& text) {
  Candidates found;
  PlainConfig config({text.data(), text.size()});
  if (!config.read(found)) return {"?"};
  std::vector<std::string> names;
  for (std::size_t i = 0; i < found.count; ++i) {
    names.emplace_back(found.names[i].data, found.names[i].size);
  }
  return names;
}

bool has_other_requests(const std::string& text) {
  Candidates found;
  PlainConfig config({text.data(), text.size()});
  return config.read(found) && config.has_other_requests();
}

TEST(PassedCall, SettingsThatMakeRequestsOfOtherWordsAreSeen) {
  const std::string table = "[nvidia-container-runtime.modes.cdi]\n";
  EXPECT_FALSE(has_other_requests("#swarm-resource = \"GPU\"\n"));
  EXPECT_TRUE(has_other_requests("swarm-resource = \"GPU\"\n"));
  EXPECT_FALSE(
      has_other_requests(table + "annotation-prefixes = [\"cdi.k8s.io/\"]"));
  EXPECT_TRUE(has_other_requests(
      table + "annotation-prefixes = [\"cdi.k8s.io/\", \"x/\"]"));
  EXPECT_THAT(plain(table + "annotation-prefixes = 3"), ElementsAre("?"));
}

TEST(PassedCall, ReadsThePlainLine) {
  EXPECT_THAT(plain(""), ElementsAre());
  EXPECT_THAT(plain("#x\n[nvidia-container-runtime]\n"
                    "  runtimes = [\"crun\" , \"/bin/runc\",] # why\n"
                    "mode = \"auto\"\n[features]\n"),
              ElementsAre("crun", "/bin/runc"));
  EXPECT_THAT(plain("runtimes = [\"x\"]\n[a.b]\nruntimes = [\"y\"]"),
              ElementsAre())
      << "of another table";
}

TEST(PassedCall, WhatIsNotPlainIsLeftToTheParser) {
  const std::string table = "[nvidia-container-runtime]\n";
  for (const std::string& text : {
           table + "runtimes = []",
           table + "runtimes = \"runc\"",
           table + "runtimes = [\"\"]",
           table + "runtimes = [\n\"runc\"]",
           table + "runtimes = ['runc']",
           table + "runtimes = [\"r\\u0075nc\"]",
           table + "runtimes = [\"\"\"runc\"\"\"]",
           table + "runtimes = [\"a\"]\nruntimes = [\"b\"]",
           table + "\"runtimes\" = [\"a\"]",
           std::string("nvidia-container-runtime.runtimes = [\"a\"]"),
           std::string("nvidia-container-runtime = {runtimes = [\"a\"]}"),
           std::string("[\"nvidia-container-runtime\"]\nruntimes = [\"a\"]"),
           std::string("[[a]]"),
           std::string("a = 1.5"),
           std::string("a = 01"),
           std::string("a = -1"),
           std::string("a = 1979-05-27"),
           std::string("a = 1\r\n"),
           std::string("# caf\xc3\xa9"),
           std::string("a"),
           std::string("a ="),
           std::string("a = 1 b = 2"),
           std::string("[a"),
           std::string("[a] x"),
           std::string("[]"),
           std::string("[a.]"),
           std::string("a = \"\"\"\nx\"\"\""),
           table + "runtimes = [\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\","
                   "\"8\",\"9\"]",
       }) {
    EXPECT_THAT(plain(text), ElementsAre("?")) << text;
  }
}

// A file made of lines that are plain, nearly plain, and not at all.
std::string any_config() {
  const auto lines =
      *rc::gen::container<std::vector<std::string>>(rc::gen::elementOf(
          std::vector<std::string>{"[nvidia-container-runtime]",
                                   "[features]",
                                   "[a.b]",
                                   "# c",
                                   "",
                                   "runtimes = [\"crun\"]",
                                   "runtimes = [\"a\", \"b\",]  # x",
                                   "\truntimes=[\"/x/y\"]",
                                   "runtimes = []",
                                   "runtimes = [\"a\"",
                                   "mode = \"auto\"",
                                   "mode = 5",
                                   "debug = \"\"",
                                   "x = true",
                                   "y = 12",
                                   "z = [\"q\"]",
                                   "w = 'l'",
                                   "v = 1.0",
                                   "[nvidia-container-runtime",
                                   "runtimes.x = 1",
                                   "a = \"\\n\"",
                                   "x",
                                   "runtimes = [1]",
                                   " = 2"}));
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

RC_GTEST_PROP(PassedCall, WhatIsPlainMeansWhatTheParserReads, ()) {
  const std::string text = any_config();
  const std::vector<std::string> names = plain(text);
  const auto parsed = parse_toolkit_config(text, "config.toml");
  if (!parsed || names == std::vector<std::string>{"?"}) return;
  const std::vector<std::string> defaults = {"runc", "crun"};
  RC_ASSERT(parsed->runtime.runtimes == (names.empty() ? defaults : names));
}

std::vector<std::string> tried(const std::vector<const char*>& names,
                               const char* path) {
  Candidates candidates;
  for (const char* name : names) candidates.add(chars_of(name));
  std::vector<std::string> paths;
  PathBuffer buffer;
  EXPECT_FALSE(try_candidates(candidates,
                              path == nullptr ? Chars() : chars_of(path),
                              buffer, [&](const char* candidate) {
                                paths.emplace_back(candidate);
                                return Attempt::kNext;
                              }));
  return paths;
}

TEST(PassedCall, CandidatesAreSoughtInPathAndTheStandardDirectories) {
  EXPECT_THAT(tried({"runc"}, "/a::rel:/b"),
              ElementsAre("/a/runc", "/b/runc", "/usr/local/sbin/runc",
                          "/usr/local/bin/runc", "/usr/sbin/runc",
                          "/usr/bin/runc", "/sbin/runc", "/bin/runc"));
  EXPECT_EQ(tried({"runc"}, nullptr).size(), 6U);
  EXPECT_THAT(tried({"/x/runc", "a/b"}, "/a"), ElementsAre("/x/runc"));
  EXPECT_THAT(tried({"/runc"}, "/a"), ElementsAre("/runc"));
  EXPECT_THAT(tried({"/runc"}, std::string(5000, 'x').c_str()),
              ElementsAre("/runc"));
}

TEST(PassedCall, StopsWhenTold) {
  Candidates candidates;
  add_default_candidates(candidates);
  PathBuffer buffer;
  int count = 0;
  EXPECT_TRUE(try_candidates(candidates, Chars(), buffer, [&](const char*) {
    return ++count == 7 ? Attempt::kStop : Attempt::kNext;
  }));
  EXPECT_STREQ(buffer.text(), "/usr/local/sbin/crun");
}

std::string config_of(std::vector<const char*> entries) {
  entries.push_back(nullptr);
  PathBuffer buffer;
  return config_path(read_environment(entries.data()), buffer) ? buffer.text()
                                                               : "?";
}

TEST(PassedCall, TheConfigFileIsWhereTheEnvironmentSays) {
  EXPECT_EQ(config_of({}), "/etc/nvidia-container-runtime/config.toml");
  EXPECT_EQ(config_of({"XDG_CONFIG_HOME=/h", "PATH=/x"}),
            "/h/nvidia-container-runtime/config.toml");
  EXPECT_EQ(config_of({"XDG_CONFIG_HOME=/h",
                       "NVIDIA_CTK_CONFIG_FILE_PATH=/c/d.toml"}),
            "/c/d.toml");
  EXPECT_EQ(config_of({"NVIDIA_CTK_CONFIG_FILE_PATH=/d"}), "/d");
  EXPECT_EQ(config_of({"NVIDIA_CTK_CONFIG_FILE_PATH=d.toml"}), "./d.toml");
  EXPECT_EQ(config_of({"XDG_CONFIG_HOME=", "NVIDIA_CTK_CONFIG_FILE_PATH="}),
            "/etc/nvidia-container-runtime/config.toml");
  const std::string longest = "XDG_CONFIG_HOME=/" + std::string(5000, 'x');
  EXPECT_EQ(config_of({longest.c_str()}), "?");
}

TEST(PassedCall, OfRepeatedVariablesTheFirstCounts) {
  const std::vector<const char*> entries = {"PATH=/a", "PATH=/b", "PATHX=/c",
                                            nullptr};
  const PassedEnvironment environment = read_environment(entries.data());
  EXPECT_EQ(std::string(environment.path.data, environment.path.size), "/a");
}

TEST(PassedCall, AfterClearenvThereAreNone) {
  EXPECT_EQ(read_environment(nullptr).config_file, nullptr);
}

}  // namespace
}  // namespace gpunode::oci
