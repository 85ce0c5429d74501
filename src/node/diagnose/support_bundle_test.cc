#include "node/diagnose/support_bundle.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"
#include "node/facts/tar.h"

namespace gpunode::diagnose {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

/// The content of a member; "-" where there is none.
std::string member(const std::string& archive, const std::string& name) {
  const auto members = facts::read_tar(archive);
  EXPECT_TRUE(members);
  for (const facts::TarMember& one : *members) {
    if (one.name == name) return one.content;
  }
  return "-";
}

std::string archive_of(std::vector<SupportPart> parts,
                       const facts::Scrubber& scrubber = facts::Scrubber({})) {
  auto archive = support_archive(std::move(parts), "", "1.2.3", scrubber);
  EXPECT_TRUE(archive);
  return archive ? *archive : "";
}

TEST(SupportBundle, EveryTextIsScrubbed) {
  facts::Scrubber scrubber({});
  scrubber.learn("AWS0123456789ABCDEF");
  const std::string archive = archive_of(
      {{"files/etc/containerd/config.toml", "/etc/containerd/config.toml",
        "password = \"hunter2\"\nserial AWS0123456789ABCDEF\n"},
       {"programs/crictl-info.txt", "crictl info", "",
        "http://user:hunter3@mirror/ is away"}},
      scrubber);
  const std::string config =
      member(archive, "files/etc/containerd/config.toml");
  EXPECT_THAT(config, AllOf(HasSubstr("password"), Not(HasSubstr("hunter2")),
                            Not(HasSubstr("0123456789ABCDEF"))));
  EXPECT_THAT(archive, Not(HasSubstr("hunter3")));
}

TEST(SupportBundle, SecretsThatJsonEscapesAreFound) {
  const std::string archive = archive_of(
      {{"files/var/lib/gpunode/journal.jsonl", "journal",
        R"({"content":"version = 2\nauth = \"hunter2\"\npassword = \"hunter3\"\n"})"
        "\n"
        R"({"argv":["join\nabcdef.0123456789abcdef"],"n":7})"
        "\nhalf a line password = hunter4\n"},
       {"files/var/lib/gpunode/pending", "pending",
        R"({"plan":{"steps":[{"content":"a\npassword = \"hunter5\"\n"}]}})"}});
  for (const char* secret :
       {"hunter2", "hunter3", "0123456789abcdef", "hunter4", "hunter5"}) {
    EXPECT_EQ(archive.find(secret), std::string::npos) << secret;
  }
  EXPECT_THAT(member(archive, "files/var/lib/gpunode/journal.jsonl"),
              AllOf(HasSubstr("version = 2"), HasSubstr("\"n\":7")));
}

TEST(SupportBundle, TheManifestNamesWhatIsMissing) {
  const std::string archive =
      archive_of({{"programs/dkms.txt", "dkms status", "", "hung", false},
                  {"files/proc/cmdline", "/proc/cmdline", "quiet\n"}});
  EXPECT_EQ(member(archive, "manifest.json"),
            R"({"version":1,"gpunode":"1.2.3","parts":[)"
            R"({"name":"programs/dkms.txt","source":"dkms status","bytes":0,)"
            R"("problem":"hung"},)"
            R"({"name":"files/proc/cmdline","source":"/proc/cmdline",)"
            R"("bytes":6,"problem":""}]})"
            "\n");
  EXPECT_EQ(member(archive, "programs/dkms.txt"), "-");
  EXPECT_EQ(member(archive, "files/proc/cmdline"), "quiet\n");
}

TEST(SupportBundle, OfALongLogItsEndIsKept) {
  std::string log = "the first line\n";
  log.append(kSupportPartLimitBytes - 5, '.');
  log += "\nthe last line\n";
  const std::string archive =
      archive_of({{"programs/kernel-log.txt", "journalctl", log}});
  EXPECT_EQ(member(archive, "programs/kernel-log.txt"), "the last line\n");
  EXPECT_THAT(member(archive, "manifest.json"), HasSubstr("too long: its end"));
}

TEST(SupportBundle, BytesOfAnotherEncodingDoNotHideASecret) {
  const std::string archive = archive_of(
      {{"files/x", "/x", "caf\xe9 token: abcdef.0123456789abcdef\n"}});
  EXPECT_THAT(archive, Not(HasSubstr("0123456789abcdef")));
}

TEST(SupportBundle, NamesThatNoArchiveTakesAreInTheManifestAlone) {
  const std::string archive =
      archive_of({{"files/../../etc/shadow", "/etc/shadow", "x"}});
  EXPECT_THAT(member(archive, "manifest.json"), HasSubstr("/etc/shadow"));
  EXPECT_EQ(member(archive, "files/../../etc/shadow"), "-");
}

TEST(SupportBundle, FilesOfSecretsAreNotAsked) {
  const host::HostTree tree;
  for (const char* path :
       {"etc/kubernetes/kubelet.conf", "etc/kubernetes/bootstrap-kubelet.conf",
        "var/lib/kubelet/pki/kubelet-client-current.pem", "etc/shadow",
        "etc/gpunode/node.yaml", "etc/gpunode/conf.d/b.yaml",
        "etc/gpunode/conf.d/a.yaml", "etc/gpunode/conf.d/a.yaml~",
        "var/lib/dkms/nvidia/580.65.06/build/make.log"}) {
    tree.file(path, "x");
  }
  EXPECT_THAT(
      support_files(host::HostRoot(tree.path())),
      ElementsAre("/etc/gpunode/node.yaml", "/etc/gpunode/conf.d/a.yaml",
                  "/etc/gpunode/conf.d/b.yaml",
                  "/var/lib/dkms/nvidia/580.65.06/build/make.log"));
}

TEST(SupportBundle, SerialsOfTheMachineAndItsGpusAreHashed) {
  const host::HostTree tree;
  tree.file("sys/class/dmi/id/product_serial", "VMware-56 4d 11 22 33 44\n");
  facts::Scrubber scrubber({});
  learn_machine(host::HostRoot(tree.path()), scrubber);
  learn_gpu_serials(
      "  GPU UUID : GPU-1\n    Serial Number    : 1562821007335\n", scrubber);
  EXPECT_THAT(scrubber.scrub("VMware-56 4d 11 22 33 44 has 1562821007335"),
              AllOf(Not(HasSubstr("4d 11 22")), Not(HasSubstr("1562821007335")),
                    HasSubstr(" has ")));
}

TEST(SupportBundle, ProgramsHaveNamesOfTheirOwn) {
  std::vector<std::string> names;
  for (const auto& one : support_programs()) names.push_back(one.name);
  std::ranges::sort(names);
  EXPECT_EQ(std::ranges::adjacent_find(names), names.end());
}

}  // namespace
}  // namespace gpunode::diagnose
