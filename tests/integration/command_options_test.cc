// Options that mean the same with every verb of `gpunode`: who learnt them with
// one has learnt them with all, and completion and manual know them.
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/host/command_runner.h"
#include "base/host/host_tree.h"

namespace gpunode::integration {
namespace {

using nlohmann::json;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::IsEmpty;

host::Completed run(std::vector<std::string> words) {
  host::Command command;
  command.argv = {GPUNODE};
  command.argv.insert(command.argv.end(), words.begin(), words.end());
  host::SystemCommandRunner runner;
  auto done = runner.run(command);
  EXPECT_TRUE(done) << done.error().message();
  return done ? *done : host::Completed{-1, "", ""};
}

/// Verbs that tell a person something.
const std::vector<std::string> kVerbs = {
    "validate", "plan",          "apply", "resume", "rollback",
    "check",    "status",        "facts", "doctor", "verify",
    "version",  "distributions", "leave", "top"};

TEST(CommandOptions, AreTheSameWithEveryVerb) {
  const std::string bash = run({"completion", "bash"}).out;
  const std::string fish = run({"completion", "fish"}).out;
  const std::string manual = run({"man"}).out;
  for (const std::string& verb : kVerbs) {
    SCOPED_TRACE(verb);
    const std::size_t section = manual.find(".SH GPUNODE " + verb + "\n");
    ASSERT_NE(section, std::string::npos);
    const std::string page =
        manual.substr(section, manual.find("\n.SH ", section + 1) - section);
    std::vector<std::string> names = {"no-color", "json"};
    if (verb != "version") names.emplace_back("root");
    for (const std::string& name : names) {
      EXPECT_THAT(run({verb, "--help"}).out, HasSubstr("--" + name));
      EXPECT_THAT(bash, ContainsRegex("\" " + verb + "\"\\) words=\"[^\"]*--" +
                                      name + "[ \"]"));
      EXPECT_THAT(fish, ContainsRegex("_from " + verb + "[^\n]* -l " + name));
      std::string troff = name;
      if (name == "no-color") troff = "no\\-color";
      EXPECT_THAT(page, HasSubstr("\\-\\-" + troff));
    }
  }
}

TEST(CommandOptions, TheFileOfTheNodeIsNamedTheSameWayEverywhere) {
  const host::HostTree host{{"node.yaml", "kind: Nothing\n"}};
  const std::string path = host.path() + "/node.yaml";
  for (const std::string verb : {"validate", "plan", "check", "status"}) {
    SCOPED_TRACE(verb);
    const auto word = run({verb, path, "--root", host.path()});
    for (const char* option : {"-f", "--file"}) {
      const auto said = run({verb, option, path, "--root", host.path()});
      EXPECT_EQ(said.status, word.status);
      EXPECT_EQ(said.out, word.out);
      EXPECT_EQ(said.err, word.err);
    }
  }
  const auto wrong = run({"validate", "-f", path});
  EXPECT_THAT(wrong.out + wrong.err, HasSubstr("node.yaml"));
}

TEST(CommandOptions, NoColourIsTakenWhereThereIsNone) {
  const host::HostTree host{{"etc/os-release", "ID=debian\n"}};
  const auto plain = run({"facts", "--root", host.path()});
  const auto asked = run({"facts", "--no-color", "--root", host.path()});
  EXPECT_EQ(asked.status, plain.status);
  EXPECT_EQ(asked.out, plain.out);
  EXPECT_EQ(run({"version", "--no-color"}).out, run({"version"}).out);
}

TEST(CommandOptions, TheVersionIsReadByPrograms) {
  const auto version = json::parse(run({"version", "--json"}).out);
  EXPECT_EQ("gpunode " + version["version"].get<std::string>() + "\n",
            run({"version"}).out);
}

/// The whole of standard output, an object a line, of which the last tells why.
json told_by(const std::vector<std::string>& words, int code) {
  const host::Completed done = run(words);
  EXPECT_EQ(done.status, code) << done.out << done.err;
  EXPECT_THAT(done.out, testing::EndsWith("}\n"));
  const std::size_t end = done.out.size() - 1;
  const std::size_t before = done.out.rfind('\n', end - 1);
  const std::size_t begin = before == std::string::npos ? 0 : before + 1;
  const json told = json::parse(done.out.substr(begin, end - begin));
  EXPECT_EQ(told["event"], "error");
  EXPECT_EQ(told["exit_code"], code);
  return told;
}

TEST(CommandOptions, AFailureIsReadByProgramsWithEveryVerb) {
  for (const std::string& verb : kVerbs) {
    SCOPED_TRACE(verb);
    const json usage = told_by({verb, "--json", "--no-such-option"}, 64);
    EXPECT_THAT(usage["message"].get<std::string>(),
                HasSubstr("--no-such-option"));
    // Nobody said that it is to be read.
    EXPECT_THAT(run({verb, "--no-such-option"}).out, IsEmpty());
  }
  const host::HostTree empty;
  for (const auto& [verb, code] : std::map<std::string, int>{
           {"facts", 8}, {"validate", 1}, {"plan", 1}, {"rollback", 1}}) {
    SCOPED_TRACE(verb);
    const json told =
        told_by({verb, "--json", "--root", empty.path() + "/none"}, code);
    EXPECT_THAT(told["message"].get<std::string>(), testing::Not(IsEmpty()));
  }
}

TEST(CommandOptions, WhatIsWrongWithAFileIsReadByPrograms) {
  const host::HostTree host;
  const std::string start = "apiVersion: gpunode.dev/v1alpha1\nkind: GPUNode\n";
  const auto validate = [&] {
    return run({"validate", "--json", "--root", host.path()});
  };
  host.file("etc/gpunode/node.yaml", start + "spec: {host: {swpa: off}}\n");
  const auto wrong = validate();
  EXPECT_EQ(wrong.status, 1);
  EXPECT_EQ(wrong.err, "");
  const json told = json::parse(wrong.out);
  EXPECT_EQ(told["valid"], false);
  ASSERT_EQ(told["problems"].size(), 1U);
  EXPECT_THAT(told["problems"][0].get<std::string>(),
              HasSubstr("did you mean \"swap\""));
  host.file("etc/gpunode/node.yaml", start + "spec: {host: {selinux: keep}}\n");
  const auto right = validate();
  EXPECT_EQ(right.status, 0) << right.err;
  const json good = json::parse(right.out);
  EXPECT_EQ(good["valid"], true);
  EXPECT_EQ(good["file"], "/etc/gpunode/node.yaml");
  EXPECT_THAT(good["problems"], IsEmpty());
  EXPECT_EQ(good["notCarriedOut"], json::array({"host.selinux"}));
}

/// Run where a person is, not in "/".
host::Completed run_in(const std::string& directory,
                       std::vector<std::string> words) {
  host::Command command;
  command.argv = {GPUNODE};
  command.argv.insert(command.argv.end(), words.begin(), words.end());
  command.directory = directory;
  host::SystemCommandRunner runner;
  auto done = runner.run(command);
  EXPECT_TRUE(done) << done.error().message();
  return done ? *done : host::Completed{-1, "", ""};
}

TEST(CommandOptions, ARelativePathIsOfTheDirectoryThatThePersonIsIn) {
  const host::HostTree here{{"node.yaml", "kind: Nothing\n"},
                            {"cdi/a.yaml", "cdiVersion: [\n"}};
  const auto written = run_in(here.path(), {"init", "-o", "made.yaml"});
  EXPECT_EQ(written.status, 0) << written.err;
  EXPECT_TRUE(std::filesystem::exists(here.path() + "/made.yaml"));
  EXPECT_THAT(run_in(here.path(), {"init", "-o", "made.yaml"}).err,
              HasSubstr("made.yaml is there already"));
  const auto brought =
      run_in(here.path(), {"bring", "node.yaml", "--digest", "x", "--is-done"});
  EXPECT_THAT(brought.err, testing::Not(HasSubstr("node.yaml")));
  const std::string none = here.path() + "/none";
  EXPECT_THAT(run_in(here.path(), {"bring", "none", "--is-done"}).err,
              HasSubstr(none));
  EXPECT_THAT(run_in(here.path(), {"check", "--kubeconfig", "none"}).out,
              HasSubstr(none));
  EXPECT_THAT(run_in(here.path(), {"verify", "--from", "5", "--level", "5",
                                   "--kubeconfig", "none", "--json"})
                  .out,
              HasSubstr(none));
  EXPECT_THAT(run_in(here.path(), {"cdi", "list", "--spec-dir", "cdi"}).err,
              HasSubstr(here.path() + "/cdi/a.yaml"));
}

TEST(CommandOptions, ARootWithoutAHostIsToldTheSameEverywhere) {
  const host::HostTree empty;
  for (const std::string& root : {empty.path(), empty.path() + "/none"}) {
    for (const std::vector<std::string>& words :
         std::vector<std::vector<std::string>>{
             {"check"},
             {"shares"},
             {"shares", "resize", "a", "1GiB"},
             {"resume"},
             {"init"},
             {"facts"},
             {"doctor"},
             {"verify"}}) {
      SCOPED_TRACE(words.front());
      std::vector<std::string> all = words;
      all.insert(all.begin() + 1, {"--root", root});
      const auto done = run(all);
      EXPECT_EQ(done.status, 8) << done.out;
      EXPECT_THAT(done.err, HasSubstr("no Linux host at " + root +
                                      "; name its root with --root"));
      EXPECT_THAT(done.out, IsEmpty());
    }
  }
}

TEST(CommandOptions, AWordThatIsWrongIsNamedWithTheOneThatIsMeant) {
  const auto said = [](const std::vector<std::string>& words) {
    const auto done = run(words);
    EXPECT_EQ(done.status, 64);
    EXPECT_THAT(done.out, IsEmpty());
    return done.err.substr(0, done.err.find('\n'));
  };
  EXPECT_EQ(said({"facst"}), "facst: no such command (did you mean facts?)");
  EXPECT_EQ(said({"nothing-like-it"}), "nothing-like-it: no such command");
  EXPECT_EQ(said({"--bogus"}), "--bogus: no such option of gpunode");
  EXPECT_EQ(said({"completion", "tcsh"}),
            "tcsh: no such command (there are bash, zsh, fish)");
  EXPECT_EQ(said({"plan", "--jsno"}),
            "--jsno: no such option of gpunode plan (did you mean --json?)");
  EXPECT_EQ(said({"deliver", "--sa=ansible"}),
            "--sa: no such option of gpunode deliver (did you mean --as?)");
  EXPECT_EQ(said({"shares", "resiz", "a", "1GiB"}),
            "resiz: no such command (did you mean resize?)");
  EXPECT_EQ(said({"version", "x"}), "x: one word too many for gpunode version");
  EXPECT_EQ(said({"deliver"}), "--as is required");
  EXPECT_EQ(said({}), "A subcommand is required");
  EXPECT_EQ(told_by({"facst", "--json"}, 64)["message"],
            "facst: no such command (did you mean facts?)");
}

TEST(CommandOptions, AStepThatIsNotThereIsAWrongCommandLine) {
  const host::HostTree host{
      {"etc/os-release", "ID=debian\n"},
      {"etc/gpunode/node.yaml",
       "apiVersion: gpunode.dev/v1alpha1\nkind: GPUNode\n"}};
  const auto plan = [&](const std::string& option) {
    return run({"plan", "--root", host.path(), option});
  };
  const auto step = plan("--only=prep.swpa");
  EXPECT_EQ(step.status, 64) << step.err;
  EXPECT_THAT(step.err, HasSubstr("no such Step (did you mean prep.swap?); "));
  EXPECT_EQ(plan("--ignore-preflight=nothing").status, 64);
}

TEST(CommandOptions, AnEmptyNameOfAFileIsToldInJsonToo) {
  EXPECT_THAT(told_by({"validate", "--json", ""}, 1)["message"],
              HasSubstr("the name of the GPUNode file is empty"));
  for (const std::string verb : {"plan", "check", "deliver"}) {
    EXPECT_THAT(run({verb, ""}).err, testing::Not(HasSubstr("filesystem")));
  }
}

TEST(CommandOptions, HelpThatCannotBeWrittenIsAFailure) {
  for (const std::string words :
       {"--help", "facts --help", "version", "man", "completion bash"}) {
    SCOPED_TRACE(words);
    host::Command command;
    command.argv = {"/bin/sh", "-c", "exec \"$0\" " + words + " >&-", GPUNODE};
    host::SystemCommandRunner runner;
    const auto done = runner.run(command);
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_EQ(done->status, 1);
    EXPECT_THAT(done->err, HasSubstr("write standard output"));
  }
}

TEST(CommandOptions, HelpAndManualAreTheSameWhereverTheProgramLies) {
  const std::string program = GPUNODE;
  const std::string place = program.substr(0, program.rfind('/'));
  EXPECT_THAT(run({"man"}).out, testing::Not(HasSubstr(place)));
  const std::string help = run({"verify", "--help"}).out;
  EXPECT_THAT(help, testing::Not(HasSubstr(place)));
  EXPECT_THAT(help, HasSubstr("the gpunode-probe beside gpunode"));
}

TEST(CommandOptions, EveryVerbSaysItsExitCodesAndShowsExamples) {
  for (const std::string verb : {"init", "resume", "facts", "deliver"}) {
    SCOPED_TRACE(verb);
    EXPECT_THAT(run({verb, "--help"}).out, HasSubstr("\nExit code 0: "));
  }
  EXPECT_THAT(run({"facts", "--help"}).out, HasSubstr("\n\nExamples:\n"));
  EXPECT_THAT(run({"shares", "resize", "--help"}).out,
              testing::Not(HasSubstr("how often they were refused")));
}

TEST(CommandOptions, OfADamagedShareItIsSaidWhatIsWrongWithIt) {
  const host::HostTree host{
      {"run/gpunode/allocations/aaa/limits", "no limits at all\n"}};
  const auto listed = run({"shares", "--root", host.path()});
  EXPECT_EQ(listed.status, 0) << listed.err;
  EXPECT_THAT(listed.out, HasSubstr("is no file of limits"));
  const auto done =
      run({"shares", "--root", host.path(), "resize", "aaa", "1GiB"});
  EXPECT_EQ(done.status, 1);
  EXPECT_THAT(done.err, HasSubstr("is no file of limits"));
}

TEST(CommandOptions, WhatAnotherRootCannotHaveIsNotOffered) {
  const host::HostTree host{{"etc/os-release", "ID=debian\n"}};
  for (const std::string verb : {"rollback", "leave"}) {
    SCOPED_TRACE(verb);
    const auto done = run({verb, "--root", host.path()});
    EXPECT_EQ(done.status, 1);
    EXPECT_THAT(done.err, HasSubstr("start that host, and run it there"));
    EXPECT_THAT(done.err, testing::Not(HasSubstr("plan --root")));
  }
}

}  // namespace
}  // namespace gpunode::integration
