#include "container/engines/undo_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::engines {
namespace {

using ::testing::HasSubstr;

const FileChange kToml = {"/etc/c.toml", "a = 1\n[t]\nx = \"runc\"\n",
                          "a = 1\nimports = [\"d\"]\n[t]\nx = \"nvidia\"\n"};

std::string undo(const FileChange& done, const std::string& now) {
  const auto text = undone(done, now);
  if (!text) return "error: " + text.error().message();
  return text->value_or("none");
}

TEST(UndoRecord, IsReadBackAsWritten) {
  const host::HostTree host;
  const std::string path = record_path(kRecordDirectory, Engine::kContainerd,
                                       "/etc/containerd/config.toml");
  EXPECT_EQ(path,
            "/var/lib/gpunode/engines/containerd_etc_containerd_config.toml"
            ".json");
  EXPECT_FALSE(load_record(host.root(), path)->has_value());
  const FileChange made = {"/d.toml", std::nullopt, "x\r\n\t\"\\\x01"};
  ASSERT_TRUE(save_record(host.root(), path, {kToml, made}));
  const auto loaded = load_record(host.root(), path);
  ASSERT_TRUE(loaded && *loaded);
  ASSERT_EQ((*loaded)->size(), 2U);
  EXPECT_EQ((**loaded)[0].before, kToml.before);
  EXPECT_EQ((**loaded)[0].after, kToml.after);
  EXPECT_EQ((**loaded)[1].before, made.before);
  EXPECT_EQ((**loaded)[1].after, made.after);
  EXPECT_EQ(host.root().status(path)->mode, 0600U);
}

TEST(UndoRecord, ADamagedOneIsAnError) {
  const host::HostTree host{{"r.json", "{\"files\": [{"}};
  EXPECT_FALSE(load_record(host.root(), "r.json"));
}

TEST(Undone, IsTheOldTextIfNobodyEditedSince) {
  EXPECT_EQ(undo(kToml, *kToml.after), *kToml.before);
  EXPECT_EQ(undo(kToml, *kToml.before), *kToml.before);
}

TEST(Undone, KeepsWhatWasEditedSince) {
  EXPECT_EQ(
      undo(kToml, "a = 2 # new\nimports = [\"d\"]\n[t]\nx = \"nvidia\"\ny=1\n"),
      "a = 2 # new\n[t]\nx = \"runc\"\ny=1\n");
}

TEST(Undone, RefusesWhereOurKeysWereEdited) {
  EXPECT_EQ(undo(kToml, "a = 1\nimports = [\"d\"]\n[t]\nx = \"kata\"\n"),
            "error: /etc/c.toml: t.x was changed since; undo it by hand");
}

TEST(Undone, TakesOurOwnFilesAwayUnlessEdited) {
  const FileChange made = {"/d.toml", std::nullopt, "a = 1\n"};
  EXPECT_EQ(undo(made, "a = 1\n"), "none");
  EXPECT_THAT(undo(made, "a = 2\n"), HasSubstr("edited since"));
  EXPECT_FALSE(undone(made, std::nullopt)->has_value());
}

TEST(Undone, KnowsJsonToo) {
  const FileChange done = {"/etc/docker/daemon.json", "{\"a\": 1}",
                           "{\"a\": 1, \"default-runtime\": \"nvidia\"}"};
  EXPECT_EQ(undo(done, "{\"a\": 2, \"default-runtime\": \"nvidia\", \"b\": 3}"),
            "{\"a\": 2, \"b\": 3}");
}

}  // namespace
}  // namespace gpunode::engines
