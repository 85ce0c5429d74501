#include "node/provision/run_text.h"

#include <chrono>
#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/console/screen_model.h"
#include "node/provision/run_json.h"

namespace gpunode::provision {
namespace {

using console::PtyScreen;
using host::OutputStream;
using std::chrono::seconds;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const Action kInstall = InstallPackages{{"socat"}};

/// A person at a terminal, and what they see.
struct Person {
  explicit Person(unsigned short width = 60, unsigned short height = 12)
      : pty(width, height) {}

  PtyScreen pty;
  std::map<std::string, std::string> environment = {{"TERM", "xterm"}};
  FakeClock clock;
  RunText text{
      pty.out(),
      [this] {
        return console::look_at(
            pty.fd(),
            [this](std::string_view name) -> std::optional<std::string> {
              const auto found = environment.find(std::string(name));
              if (found == environment.end()) return std::nullopt;
              return found->second;
            },
            true);
      },
      clock};

  void pass(seconds time) {
    clock.advance(time);
    text.tick();
  }
  void print(std::string_view bytes) {
    text.printed(OutputStream::kOut, bytes);
  }
};

PlannedStep step() {
  return {"prep.packages", "tools are there", "", {}};
}

TEST(RunText, ATerminalShowsHowLongItTakesAndWhatItPrints) {
  Person person;
  person.text.step_started(step(), 1, 2);
  person.text.action_started(kInstall);
  EXPECT_THAT(person.pty.lines(),
              ElementsAre("[1/2] prep.packages: tools are there",
                          "    ... 0 s (usually 1 min 0 s): install socat"));
  person.print("Reading package lists...\nGet:1 http://x/ socat\n 10%");
  person.pass(seconds(1));
  person.pass(seconds(61));
  EXPECT_THAT(
      person.pty.lines(),
      ElementsAre("[1/2] prep.packages: tools are there",
                  "    ... 1 min 2 s (usually 1 min 0 s): install socat",
                  "      | Reading package lists...",
                  "      | Get:1 http://x/ socat", "      |  10%"));
  person.text.action_ended(kInstall, {});
  person.text.step_ended(step(), {});
  EXPECT_THAT(person.pty.lines(),
              ElementsAre("[1/2] prep.packages: tools are there",
                          "    + install socat (62.0 s)"));
}

TEST(RunText, OutputIsHostileAndASecretIsNone) {
  Person person(70);
  person.text.action_started(kInstall);
  person.print("\x1b[2J\x1b]0;owned\aA\nhttps://me:hunter2@mirror/x\n");
  person.pass(seconds(1));
  const auto lines = person.pty.lines();
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[1], "      | ^[[2J^[]0;owned^GA");
  EXPECT_THAT(lines[2], Not(HasSubstr("hunter2")));
  person.text.action_ended(kInstall, Error(ErrorCode::kInternal, "no"));
  (void)person.pty.screen();
  EXPECT_THAT(person.pty.raw(), Not(HasSubstr("hunter2")));
}

TEST(RunText, OfWhatFailedTheTailStays) {
  Person person;
  person.text.action_started(kInstall);
  person.print("one\ntwo\n");
  person.text.action_ended(kInstall, Error(ErrorCode::kInternal, "status 100"));
  EXPECT_THAT(person.pty.lines(), ElementsAre("    x install socat: status 100",
                                              "      | one", "      | two"));
}

TEST(RunText, ATerminalThatIsResizedAndNarrowIsDrawnRight) {
  Person person(60, 12);
  person.text.step_started(step(), 1, 1);
  person.text.action_started(kInstall);
  person.pty.resize(25, 12);
  person.print(std::string(200, 'y') + "\n");
  person.pass(seconds(1));
  person.pass(seconds(1));
  EXPECT_EQ(person.pty.screen().folded(), 0U);
  const auto lines = person.pty.lines();
  // The line of before the resize is left; those after are cut.
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_EQ(lines[2], "    ... 2 s (usually 1 m");
  EXPECT_EQ(lines[3], "      | " + std::string(16, 'y'));
}

TEST(RunText, AnActionOfNoTimeIsNotShownUntilItTakesSome) {
  Person person;
  const Action write = WriteFile{"/etc/x", "1"};
  person.text.action_started(write);
  EXPECT_THAT(person.pty.lines(), IsEmpty());
  person.pass(seconds(1));
  EXPECT_THAT(person.pty.lines(), ElementsAre("    ... 1 s: write /etc/x"));
  person.text.action_ended(write, {});
  EXPECT_THAT(person.pty.lines(), ElementsAre("    ~ write /etc/x (1.0 s)"));
}

TEST(RunText, ACopyTellsHowFarItIs) {
  Person person(90);
  const Action migrate = MigrateTree{.path = "/var/lib/c"};
  person.text.action_started(migrate);
  std::uint64_t copied = 0;
  person.text.copy_started(std::uint64_t{4} << 30U, [&] { return copied; });
  copied = std::uint64_t{1} << 30U;
  person.pass(seconds(1));
  EXPECT_THAT(person.pty.lines().at(0), HasSubstr("1.0 of 4.0 GiB (25 %)"));
  copied = std::uint64_t{9} << 30U;  // The file system's own tables.
  person.pass(seconds(1));
  EXPECT_THAT(person.pty.lines().at(0), HasSubstr("4.0 of 4.0 GiB (100 %)"));
  person.text.copy_ended();
  person.pass(seconds(1));
  EXPECT_THAT(person.pty.lines().at(0), Not(HasSubstr("GiB")));
}

TEST(RunText, ACopyTellsWhatIsExpectedByItsSizeAndThenByItsPace) {
  Person person(120);
  const Action migrate = MigrateTree{.path = "/c"};
  person.text.action_started(migrate);
  person.pass(seconds(10));  // Nothing is counted yet.
  EXPECT_THAT(person.pty.lines().at(0), Not(HasSubstr("usually")));
  std::uint64_t copied = 0;
  person.text.copy_started(std::uint64_t{100} << 30U, [&] { return copied; });
  person.pass(seconds(4));
  EXPECT_THAT(person.pty.lines().at(0),
              AllOf(HasSubstr("(usually 8 min 34 s), 0.0 of 100.0 GiB (0 %)"),
                    Not(HasSubstr("left"))));
  copied = std::uint64_t{25} << 30U;
  person.pass(seconds(56));
  EXPECT_THAT(person.pty.lines().at(0),
              HasSubstr("25.0 of 100.0 GiB (25 %), about 3 min 0 s left: "));
  copied = std::uint64_t{100} << 30U;
  person.pass(seconds(1));
  EXPECT_THAT(person.pty.lines().at(0), HasSubstr("about 0 s left"));
}

TEST(RunText, ADiskTellsWhatIsExpectedByItsSizeAndProof) {
  constexpr std::uint64_t kGiB = std::uint64_t{1} << 30U;
  const auto usual = [](std::vector<std::uint64_t> sizes,
                        const std::string& proof) {
    MakeFilesystem make{.proof = proof};
    for (const std::uint64_t size : sizes) {
      make.disks.push_back({"M", "S", size, ""});
    }
    return usual_seconds(make);
  };
  EXPECT_EQ(usual({600 * kGiB}, "first-look/1 promises=sampled x\n"), 10U);
  EXPECT_EQ(usual({600 * kGiB}, "first-look/1 promises=full x\n"), 308U);
  EXPECT_EQ(usual({600 * kGiB}, "blank-proof/1 missed=1 fill=00 blank\n"),
            308U);
  // Several are proved at once, and made one after the other.
  EXPECT_EQ(usual({7000 * kGiB, 7000 * kGiB},
                  "first-look/1 promises=full x\nfirst-look/1 x\n"),
            3575U);
  EXPECT_EQ(usual({}, ""), 7U);
}

TEST(RunText, NoColourIsNoColourAndADumbTerminalIsNotDrawnOver) {
  Person grey;
  grey.environment["NO_COLOR"] = "1";
  grey.text.action_started(kInstall);
  grey.print("a\n");
  grey.pass(seconds(1));
  EXPECT_THAT(grey.pty.lines(), testing::SizeIs(2));
  EXPECT_THAT(grey.pty.raw(), Not(HasSubstr("\x1b[2m")));
  Person dumb;
  dumb.environment["TERM"] = "dumb";
  dumb.text.action_started(kInstall);
  dumb.print("a\n");
  for (int i = 0; i < 61; ++i) dumb.pass(seconds(1));
  dumb.text.action_ended(kInstall, {});
  EXPECT_THAT(
      dumb.pty.lines(),
      ElementsAre("    ... 30 s (usually 1 min 0 s): install socat | a",
                  "    ... 1 min 0 s (usually 1 min 0 s): install socat | a",
                  "    + install socat (61.0 s)"));
  EXPECT_THAT(dumb.pty.raw(), Not(HasSubstr("\x1b")));
}

TEST(RunText, ALogShowsLifeEveryHalfMinute) {
  std::FILE* file = std::tmpfile();
  ASSERT_NE(file, nullptr);
  FakeClock clock;
  RunText text(
      file, [] { return console::Terminal{}; }, clock);
  text.action_started(kInstall);
  text.printed(OutputStream::kErr, "fetching\n");
  for (int i = 0; i < 65; ++i) {
    clock.advance(seconds(1));
    text.tick();
  }
  text.action_ended(kInstall, {});
  clock.advance(seconds(60));
  text.tick();  // Nothing runs.
  std::rewind(file);
  std::string said(1000, '\0');
  said.resize(std::fread(said.data(), 1, said.size(), file));
  std::fclose(file);
  EXPECT_EQ(said,
            "    ... 30 s (usually 1 min 0 s): install socat | fetching\n"
            "    ... 1 min 0 s (usually 1 min 0 s): install socat | fetching\n"
            "    + install socat (65.0 s)\n");
}

TEST(RunText, AStepThatIsSoByNowIsSaidSo) {
  Person person;
  person.text.step_started(step(), 1, 1);
  person.text.step_ended(step(), {});
  EXPECT_THAT(person.pty.lines(),
              ElementsAre("[1/1] prep.packages: tools are there",
                          "    = it is so by now"));
}

TEST(RunJson, TellsOfOutputAndOfTime) {
  std::vector<nlohmann::json> events;
  FakeClock clock;
  RunJson json(
      [&](const std::string& line) {
        EXPECT_EQ(line.find('\n'), line.size() - 1);
        events.push_back(nlohmann::json::parse(line));
      },
      clock);
  const Action migrate = MigrateTree{.path = "/var/lib/c"};
  json.action_started(migrate);
  json.copy_started(100, [] { return std::uint64_t{40}; });
  json.printed(OutputStream::kErr, "a\x1b[mb\nc");
  for (int i = 0; i < 7; ++i) {
    clock.advance(seconds(1));
    json.tick();
  }
  json.action_ended(migrate, {});
  ASSERT_EQ(events.size(), 5U);
  EXPECT_EQ(events[1],
            (nlohmann::json{
                {"event", "output"}, {"stream", "err"}, {"text", "a^[[mb"}}));
  EXPECT_EQ(events[2], (nlohmann::json{{"event", "tick"},
                                       {"words", "migrate /var/lib/c"},
                                       {"seconds", 5},
                                       {"usual_seconds", 2},
                                       {"copied_bytes", 40},
                                       {"total_bytes", 100},
                                       {"left_seconds", 7}}));
  EXPECT_EQ(events[3]["text"], "c");
  EXPECT_EQ(events[4]["event"], "action-ended");
}

}  // namespace
}  // namespace gpunode::provision
