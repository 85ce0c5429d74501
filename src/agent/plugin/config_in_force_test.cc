#include "agent/plugin/config_in_force.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/doubles/kubelet/plugin_directory.h"

namespace gpunode::plugin {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class ConfigInForceTest : public testing::Test {
 protected:
  ConfigInForceTest() {
    fs::create_directory(map());
    put("a", "version: v1\n");
    put("b", "version: v1 # b\n");
  }

  fs::path map() const { return folder_.path() / "map"; }
  fs::path state() const { return folder_.path() / "state"; }
  /// Whole at once, as the kubelet has it.
  void put(const std::string& name, const std::string& text) const {
    std::ofstream(folder_.path() / "new") << text;
    fs::rename(folder_.path() / "new", map() / name);
  }
  std::string kept() const {
    std::ifstream in(state());
    return {std::istreambuf_iterator<char>(in), {}};
  }

  void open(std::optional<std::chrono::nanoseconds> timeout = {}) {
    auto opened = ConfigInForce::open({map().string(),
                                       "gpu-1",
                                       "label",
                                       {"", {"named"}},
                                       "",
                                       state().string(),
                                       timeout},
                                      now_);
    ASSERT_TRUE(opened) << opened.error().message();
    config_.emplace(*std::move(opened));
  }

  /// The name of the candidate, "-" for none, or the refusal.
  std::string next() {
    config_->look_at_directory();
    auto candidate = config_->next(now_);
    if (!candidate) return candidate.error().message();
    if (!*candidate) return "-";
    last_ = **candidate;
    return last_.choice.name;
  }
  void apply() {
    const auto kept = config_->applied(last_);
    EXPECT_TRUE(kept) << kept.error().message();
  }
  void start_with(const std::string& label) {
    open();
    config_->label_is(label);
    ASSERT_EQ(next(), label);
    apply();
  }

  doubles::PluginDirectory folder_;
  TimePoint now_{};
  std::optional<ConfigInForce> config_;
  ConfigInForce::Candidate last_;
};

TEST_F(ConfigInForceTest, NothingIsChosenBeforeTheLabelIsKnown) {
  open();
  now_ += std::chrono::hours(1);
  EXPECT_EQ(next(), "-");
  EXPECT_FALSE(config_->next_look());
  config_->label_is("b");
  EXPECT_EQ(next(), "b");
  EXPECT_EQ(last_.text->text, "version: v1 # b\n");
  apply();
  EXPECT_EQ(next(), "-");
}

TEST_F(ConfigInForceTest, AnUnknownLabelIsWaitedForAndThenDoneWithout) {
  put("default", "version: v1\n");
  open(std::chrono::minutes(1));
  now_ += std::chrono::seconds(59);
  EXPECT_EQ(next(), "-");
  ASSERT_TRUE(config_->next_look());
  now_ = *config_->next_look();
  EXPECT_EQ(next(), "default");
  EXPECT_TRUE(config_->is_without_label());
  EXPECT_FALSE(config_->knows_label());
  EXPECT_FALSE(config_->next_look());
  apply();
  EXPECT_EQ(kept(), "") << "a guess is not a memory";
  config_->label_is("b");
  EXPECT_FALSE(config_->is_without_label());
  EXPECT_EQ(next(), "b");
  apply();
  EXPECT_EQ(kept(), "label=b\n");
}

TEST_F(ConfigInForceTest, ThatThereIsNoLabelIsRememberedOnceItIsKnown) {
  put("default", "version: v1\n");
  open(std::chrono::minutes(1));
  now_ += std::chrono::minutes(1);
  EXPECT_EQ(next(), "default");
  apply();
  config_->label_is("");
  EXPECT_EQ(next(), "-");
  EXPECT_EQ(kept(), "label=\n");
}

TEST_F(ConfigInForceTest, MemoryIsBetterThanNothingAndSooner) {
  put("default", "version: v1\n");
  start_with("b");
  open(std::chrono::seconds(0));
  EXPECT_EQ(next(), "-");
  now_ += ConfigInForce::kPatience;
  EXPECT_EQ(next(), "b");
  EXPECT_FALSE(config_->is_without_label());
}

TEST_F(ConfigInForceTest, AnEmptyLabelIsKnownToo) {
  put("default", "version: v1\n");
  start_with("b");
  config_->label_is("");
  EXPECT_EQ(next(), "default");
}

TEST_F(ConfigInForceTest, WithoutTheServerItStartsAsItWas) {
  start_with("b");
  EXPECT_EQ(kept(), "label=b\n");
  open();
  EXPECT_EQ(next(), "-");
  ASSERT_TRUE(config_->next_look());
  now_ = *config_->next_look();
  EXPECT_EQ(next(), "b");
  EXPECT_TRUE(config_->is_by_memory());
  apply();
  config_->label_is("a");  // What has changed meanwhile.
  EXPECT_FALSE(config_->is_by_memory());
  EXPECT_EQ(next(), "a");
  apply();
  EXPECT_EQ(kept(), "label=a\n");
}

TEST_F(ConfigInForceTest, TheServerIsGivenAMomentBeforeMemoryCounts) {
  start_with("b");
  open();
  now_ += ConfigInForce::kPatience - std::chrono::milliseconds(1);
  EXPECT_EQ(next(), "-");
  config_->label_is("a");
  EXPECT_EQ(next(), "a");
}

TEST_F(ConfigInForceTest, AStateThatIsAnothersOrHalfIsNone) {
  for (const char* text : {"other=b\n", "label=b", "", "label", "\xff\n"}) {
    std::ofstream(state()) << text;
    open();
    EXPECT_FALSE(config_->next_look()) << text;
  }
  // It may name what is not there, like any label.
  std::ofstream(state()) << "label=../state\n";
  open();
  now_ += ConfigInForce::kPatience;
  EXPECT_THAT(next(), HasSubstr("not a path"));
}

TEST_F(ConfigInForceTest, ALabelThatWasRefusedIsNotRemembered) {
  start_with("a");
  config_->label_is("b");
  ASSERT_EQ(next(), "b");
  config_->refused(Error(ErrorCode::kInvalidArgument, "no"));
  EXPECT_EQ(kept(), "label=a\n");
}

TEST_F(ConfigInForceTest, WhereNothingCanBeRememberedItIsAppliedAllTheSame) {
  fs::create_directory(state());
  open();
  config_->label_is("b");
  ASSERT_EQ(next(), "b");
  const auto kept = config_->applied(last_);
  ASSERT_FALSE(kept);
  EXPECT_THAT(kept.error().message(), HasSubstr("remember the label"));
  EXPECT_EQ(config_->in_force()->choice.name, "b");
}

TEST_F(ConfigInForceTest, AChangeOfTheFileIsACandidateOfAnotherIsNot) {
  start_with("b");
  put("a", "version: v1 # new\n");
  EXPECT_EQ(next(), "-");
  put("b", "version: v1 # new\n");
  EXPECT_EQ(next(), "b");
  EXPECT_EQ(last_.text->text, "version: v1 # new\n");
}

TEST_F(ConfigInForceTest, WhatWasRefusedIsNotTriedAgainUntilItChanges) {
  start_with("b");
  put("b", "broken");
  ASSERT_EQ(next(), "b");
  config_->refused(Error(ErrorCode::kInvalidArgument, "broken"));
  put("a", "version: v1 # new\n");  // The directory speaks, of something else.
  EXPECT_EQ(next(), "-");
  EXPECT_EQ(config_->refusal(), "broken");
  config_->ask_again();
  EXPECT_EQ(next(), "b");
  config_->refused(Error(ErrorCode::kInvalidArgument, "broken"));
  put("b", "version: v1 # b\n");  // As it is in force.
  EXPECT_EQ(next(), "-");
  EXPECT_EQ(config_->refusal(), "");
}

TEST_F(ConfigInForceTest, ALabelAheadOfItsFileIsToldOnceAndThenFollowed) {
  start_with("a");
  config_->label_is("new");
  EXPECT_THAT(next(), HasSubstr("specified config \"new\" does not exist"));
  put("b", "version: v1 # other\n");
  EXPECT_EQ(next(), "-");
  EXPECT_THAT(config_->refusal(), HasSubstr("does not exist"));
  EXPECT_EQ(config_->in_force()->choice.name, "a");
  put("new", "version: v1\n");
  EXPECT_EQ(next(), "new");
}

TEST_F(ConfigInForceTest, AFileThatGoesAwayLeavesWhatIsInForce) {
  start_with("b");
  fs::remove(map() / "b");
  EXPECT_THAT(next(), HasSubstr("does not exist"));
  EXPECT_EQ(config_->in_force()->choice.name, "b");
}

TEST_F(ConfigInForceTest, ADirectoryThatIsMountedAnewIsFound) {
  start_with("b");
  fs::rename(map(), folder_.path() / "gone");
  EXPECT_THAT(next(), HasSubstr("error getting list of configuration files"));
  EXPECT_EQ(next(), "-");
  fs::create_directory(map());
  put("b", "version: v1 # anew\n");
  EXPECT_EQ(next(), "b");
}

TEST_F(ConfigInForceTest, ADirectoryThatIsNotThereIsForTheOperator) {
  const std::string nowhere = (folder_.path() / "nowhere").string();
  const auto opened =
      ConfigInForce::open({nowhere, "gpu-1", "label", {}, "", "", {}}, now_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().message(), "--config-file-srcdir: watch " + nowhere +
                                          ": no such file or directory");
}

}  // namespace
}  // namespace gpunode::plugin
