#include "node/facts/bundle.h"

#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/host/fake_command_runner.h"
#include "base/host/host_tree.h"
#include "node/facts/observe.h"
#include "node/facts/scrub.h"

namespace gpunode::facts {
namespace {

using host::FakeCommandRunner;
using host::HostTree;
using testing::HasSubstr;

constexpr ScrubKey kKey = {9, 8, 7};

Recording sample() {
  Recording recording;
  recording.is_live = true;
  recording.files["/etc/fstab"] = std::string("a\0\xff\n", 4);
  recording.files["/etc/none"] =
      RecordedError{ErrorCode::kNotFound, "open /etc/none: no such file"};
  recording.files["/" + std::string(300, 'x')] = std::string("long name");
  recording.files["/odd/../path"] = std::string("odd");
  recording.statuses["/dev/sda"] =
      host::FileStatus{.kind = host::FileKind::kBlockDevice,
                       .mode = 0660,
                       .size_bytes = 0,
                       .device_major = 8,
                       .device_minor = 16};
  recording.statuses["/x"] = RecordedError{ErrorCode::kPermissionDenied, "no"};
  recording.links["/lib"] = std::string("usr/lib");
  recording.attributes["security.selinux /var"] =
      std::string("system_u:object_r:var_t:s0\0", 27);
  recording.resolved["/lib/x"] = std::string("/usr/lib/x");
  recording.listings["/etc"] = std::vector<std::string>{"\"quoted\"", "b\n"};
  recording.listings["/empty"] = std::vector<std::string>{};
  recording.counts["/var"] = std::size_t{12};
  recording.commands.push_back({.argv = {"/bin/a", "", "x y"},
                                .input = "in",
                                .status = 2,
                                .out = "out\n",
                                .err = "\x1b",
                                .has_failed = false,
                                .error = {}});
  recording.commands.push_back(
      {.argv = {"/bin/b"},
       .input = "",
       .status = 0,
       .out = "",
       .err = "",
       .has_failed = true,
       .error = {ErrorCode::kUnavailable, "timed out"}});
  return recording;
}

TEST(Bundle, IsReadAsItWasWritten) {
  const auto archive = write_bundle(sample());
  ASSERT_TRUE(archive) << archive.error().message();
  const auto read = read_bundle(*archive);
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(*read, sample());
}

TEST(Bundle, HasTheFilesOfTheHostUnderTheirNames) {
  const auto members = read_tar(*write_bundle(sample()));
  ASSERT_TRUE(members);
  EXPECT_EQ(members->at(0).name, "bundle.json");
  EXPECT_THAT(*members, testing::Contains(TarMember{
                            "root/etc/fstab", std::string("a\0\xff\n", 4)}));
}

TEST(Bundle, ThatWasUnpackedIsTheSame) {
  const HostTree folder;
  const auto members = read_tar(*write_bundle(sample()));
  ASSERT_TRUE(members);
  for (const TarMember& member : *members) {
    folder.file(member.name, member.content);
  }
  const auto read = read_unpacked_bundle(folder.root());
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(*read, sample());
}

Error complaint_about(const std::string& index) {
  const auto archive = write_tar({{"bundle.json", index}});
  EXPECT_TRUE(archive);
  auto recording = read_bundle(*archive);
  EXPECT_FALSE(recording) << index;
  if (recording) return {ErrorCode::kInternal, ""};
  return std::move(recording).error();
}

TEST(Bundle, FromStrangersIsOfThisFormOrNothing) {
  EXPECT_THAT(read_bundle(*write_tar({})).error().message(),
              HasSubstr("lacks bundle.json"));
  EXPECT_EQ(complaint_about("{}").code(), ErrorCode::kUnsupported);
  const Error newer = complaint_about(R"({"version": 2, "new": [1]})");
  EXPECT_EQ(newer.code(), ErrorCode::kUnsupported);
  EXPECT_THAT(newer.message(), HasSubstr("version 2"));
  for (const char* wrong :
       {"", "[]", R"({"version": 1} x)", R"({"version": 1, "files": []})",
        R"({"version": 1, "files": {"/a": {}}})",
        R"({"version": 1, "files": {"/a": {"is": 3}}})",
        R"({"version": 1, "files": {"/a": {"is": "x", "error": "notFound"}}})",
        R"({"version": 1, "files": {"/a": {"error": "invented"}}})",
        R"({"version": 1, "files": {"/a": {"is": "missing"}}})",
        R"({"version": 1, "statuses": {"/a": {"is": {"kind": "x"}}}})",
        R"({"version": 1, "counts": {"/a": {"is": -1}}})",
        R"({"version": 1, "commands": [1]})"}) {
    EXPECT_EQ(complaint_about(wrong).code(), ErrorCode::kCorrupt) << wrong;
  }
}

TEST(Bundle, DoesNotGrowByNamingAFileOftenAgain) {
  const auto archive = write_tar(
      {{"bundle.json",
        R"({"version": 1, "files": {"/a": {"is": "x"}, "/b": {"is": "x"}}})"},
       {"x", "content"}});
  const auto recording = read_bundle(*archive);
  ASSERT_FALSE(recording);
  EXPECT_THAT(recording.error().message(), HasSubstr("names x twice"));
}

TEST(Bundle, ThatWasUnpackedReadsNothingBesideItself) {
  const HostTree outer{
      {"secret", "x"},
      {"bundle/bundle.json",
       R"({"version": 1, "files": {"/a": {"is": "../secret"}}})"}};
  const auto read = read_unpacked_bundle(host::HostRoot(outer.path("bundle")));
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().message(), HasSubstr("names ../secret"));
}

/// A host of which everything differs with `pick`.
class RandomHost {
 public:
  RandomHost() {
    tree_.file("etc/os-release",
               one_of({"ID=debian\nVERSION_ID=12\n", "ID=rocky\n",
                       "ID=flatcar\n", "ID=x\nPRETTY_NAME=\"a b\"\n"}));
    tree_.file("proc/sys/kernel/osrelease", "6.1.0\n");
    maybe("proc/meminfo", "MemTotal: 4096 kB\n");
    maybe("proc/sys/kernel/arch", "x86_64\n");
    maybe("proc/modules", "overlay 1 0 - Live 0x0\n");
    maybe("proc/swaps", "Filename\n/swap file 4 0 -2\n");
    maybe("proc/self/mountinfo", "1 1 0:1 / /etc ro - ext4 x ro\n");
    maybe("sys/block/sda/dev", "8:0\n");
    maybe("sys/block/sda/size", "2048\n");
    maybe("proc/2/comm", "kthreadd\n");
    maybe(".dockerenv", "");
    maybe("etc/fstab", "/dev/sda1 / ext4\n");
    maybe("etc/containerd/config.toml", "version = 2\n");
    maybe("proc/sys/net/ipv4/ip_forward", "1\n");
    maybe("usr/lib/systemd/system/kubelet.service", "[Install]\n");
    maybe("var/lib/dpkg/status",
          "Package: kubelet\nStatus: install ok installed\nVersion: 1\n");
    if (*rc::gen::arbitrary<bool>()) tree_.link("etc/loop", "loop");
    const int gpus = *rc::gen::inRange(0, 3);
    for (int i = 0; i < gpus; ++i) {
      const std::string at =
          "sys/bus/pci/devices/0000:0" + std::to_string(i) + ":00.0/";
      tree_.file(at + "vendor", "0x10de\n");
      tree_.file(at + "class", one_of({"0x030200\n", "0x068000\n", "x"}));
      tree_.file(at + "device", "0x2237\n");
      if (*rc::gen::arbitrary<bool>()) tree_.link(at + "driver", "a/nouveau");
      if (*rc::gen::arbitrary<bool>()) {
        tree_.file(at + "config", std::string(64, '\0'));
      }
    }
  }

  host::HostRoot root() const { return tree_.root(); }

 private:
  static std::string one_of(const std::vector<std::string>& texts) {
    return *rc::gen::elementOf(texts);
  }
  void maybe(const std::string& name, const std::string& content) {
    const int what = *rc::gen::inRange(0, 5);
    if (what == 0) return;
    if (what == 1) {
      tree_.directory(name);
    } else {
      tree_.file(name, content);
    }
  }

  HostTree tree_;
};

Wanted wants() {
  Wanted wanted;
  wanted.files = {"/etc/containerd/config.toml", "/etc/loop", "/etc/none"};
  wanted.trees = {"/etc", "/var/lib/none", "/.dockerenv"};
  wanted.units = {"kubelet.service", "none.service"};
  wanted.packages = {"kubelet"};
  wanted.sysctls = {"net.ipv4.ip_forward", "a..b"};
  wanted.modules = {"overlay", "xfs"};
  return wanted;
}

struct Both {
  Result<HostFacts> live;
  Result<HostFacts> replay;
};

/// Facts of a host, and of the scrubbed bundle of what they were made of.
Both observe_and_replay(const host::HostRoot& host, const Wanted& wanted) {
  Recording recording;
  FakeCommandRunner fake;
  RecordingRunner runner(fake, recording);
  auto live = observe(recorded(host, recording), runner, wanted);
  const auto archive = write_bundle(scrubbed(recording, kKey));
  if (!archive) return {std::move(live), archive.error()};
  auto read = read_bundle(*archive);
  if (!read) return {std::move(live), read.error()};
  const auto shared = std::make_shared<Recording>(*std::move(read));
  ReplayingRunner replaying(shared);
  return {std::move(live), observe(replayed(shared), replaying, wanted)};
}

RC_GTEST_PROP(Bundle, OfAHostWithoutSecretsHasItsFacts, ()) {
  const RandomHost host;
  const Both both = observe_and_replay(host.root(), wants());
  RC_ASSERT(both.live.has_value() == both.replay.has_value());
  if (!both.live) {
    RC_ASSERT(both.live.error().code() == both.replay.error().code());
    return;
  }
  RC_ASSERT(both.live->gaps == both.replay->gaps);
  RC_ASSERT(*both.live == *both.replay);
}

TEST(Bundle, OfAHostWithSecretsHasItsFactsButForThem) {
  const HostTree tree{
      {"etc/os-release", "ID=debian\n"},
      {"proc/sys/kernel/osrelease", "6.1.0\n"},
      {"proc/sys/kernel/arch", "x86_64\n"},
      {"proc/meminfo", "MemTotal: 4096 kB\n"},
      {"proc/cmdline", "root=/dev/sda1 ro bootstrap.token=hunter2"},
      {"etc/fstab", "//nas/x /x cifs username=me,password=hunter3 0 0\n"},
      {"etc/containerd/config.toml", "[auth]\npassword = \"hunter4\"\n"}};
  Wanted wanted;
  wanted.files = {"/etc/containerd/config.toml"};
  Both both = observe_and_replay(tree.root(), wanted);
  ASSERT_TRUE(both.live);
  ASSERT_TRUE(both.replay) << both.replay.error().message();
  const Scrubber scrubber(kKey);
  EXPECT_EQ(both.replay->kernel.command_line,
            "root=/dev/sda1 ro bootstrap.token=" + scrubber.tag("hunter2"));
  EXPECT_EQ(both.replay->fstab.at(0).options,
            "username=me,password=" + scrubber.tag("hunter3"));
  EXPECT_EQ(both.replay->files.at("/etc/containerd/config.toml").content,
            "[auth]\npassword = \"" + scrubber.tag("hunter4") + "\"\n");
  both.live->kernel.command_line = both.replay->kernel.command_line;
  both.live->fstab = both.replay->fstab;
  both.live->files = both.replay->files;
  EXPECT_EQ(*both.live, *both.replay);
}

TEST(Bundle, OfThisVeryMachineHasItsFacts) {
  host::SystemCommandRunner programs;
  Recording recording;
  RecordingRunner runner(programs, recording);
  Wanted wanted = wants();
  wanted.packages = {"base-files", "no-such-package-anywhere"};
  const auto live =
      observe(recorded(host::HostRoot(), recording), runner, wanted);
  if (!live) GTEST_SKIP() << live.error().message();
  const auto read = read_bundle(*write_bundle(recording));
  ASSERT_TRUE(read) << read.error().message();
  const auto shared = std::make_shared<Recording>(*read);
  ReplayingRunner replaying(shared);
  const auto replay = observe(replayed(shared), replaying, wanted);
  ASSERT_TRUE(replay) << replay.error().message();
  EXPECT_EQ(*live, *replay);
}

}  // namespace
}  // namespace gpunode::facts
