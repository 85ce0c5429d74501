#include "node/provision/action_json.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::provision {
namespace {

using testing::HasSubstr;

const DiskIdentity kDisk{"Amazon EC2 NVMe Instance Storage", "AWS1234567890",
                         600'000'000'000};

// One of every kind; the count is checked below, so that none is forgotten.
std::vector<Action> samples() {
  return {
      WriteFile{
          "/etc/x", "a\n\"b\"\t\xe2\x82\xac", 0600, {"/bin/x", "@"}, "ab"},
      WriteFile{"/etc/fstab", "# caf\xe9\n", 0},
      RemoveFile{"/etc/x", "absent"},
      RestoreFile{"/etc/x", "/var/lib/gpunode/backup/1/x", "ours\n"},
      RestoreFile{.path = "/etc/l", .link = "x"},
      MakeDirectory{"/opt/cni/bin", 0755},
      RemoveDirectory{"/opt/cni"},
      SetSysctl{"net.ipv4.ip_forward", "1"},
      SetModule{"overlay", false},
      SetSwap{"/dev/sda3", true, "11111111-2222-3333-4444-555555555555", "5"},
      SetUnit{"containerd.service", Wish::kYes, Wish::kNo, Wish::kAsIs, true},
      InstallPackages{{"chrony", "socat=1.7"}},
      RemovePackages{{"chrony"}},
      InstallSet{{"a", "b=1-2"}, {"c"}, "580", "cuda", {"d"}, {"e-*"}},
      SetModuleStream{"nvidia-driver", "580-open"},
      FetchKey{"https://x/k.pub", "/etc/k", {"AB"}},
      DistrustKeys{{"AB"}},
      HoldPackages{{"kernel-core", "nvidia-driver-cuda"}, false},
      BuildModule{"nvidia", {"6.1.0-18-amd64", "6.1.0-20-amd64"}, false},
      MakeFilesystem{{kDisk}, "raid0", "xfs", "gn-ctrd", "11-22", "ab", true},
      WipeFilesystem{{kDisk, kDisk}, "lvm", "11-22"},
      MigrateTree{"/var/lib/containerd", "11-22", "xfs", "/x.old", true},
      RestoreTree{"/var/lib/containerd", "/x.old", "11-22", "xfs"},
      RunProgram{{"/bin/true", "a b"}, {"/bin/false"}, 5},
      ProveBuild{"6.1.0-25-amd64", "/usr/bin/gcc-12"},
      ProveMount{"u-1", "xfs", {"noatime", "logbsize=256k"}},
      Reboot{"the kernel changed"},
      InstallProgram{"/opt/gpunode-runtime", "/usr/bin/gpunode-runtime", "ab"},
      JoinCluster{.endpoint = "10.0.0.10:6443",
                  .ca_cert_hashes = {"sha256:ab"},
                  .token_command = {"/bin/cat", "/run/token"},
                  .node = "worker",
                  .version = "1.25",
                  .config = "token: \"@TOKEN@\"\n"},
      LeaveCluster{"worker", "10.0.0.10:6443", "sha256:ab"},
      SetNodeMeta{
          "worker", {"a=b"}, {"c"}, {"d=e:NoSchedule"}, {"f:NoExecute"}},
  };
}

TEST(ActionJson, EveryKindComesBackAsItWent) {
  std::vector<bool> seen(std::variant_size_v<AnyAction>);
  for (const Action& action : samples()) {
    const std::string json = to_json(action);
    const auto back = action_from_json(json);
    ASSERT_TRUE(back) << json << ": " << back.error().message();
    EXPECT_TRUE(same_action(action, *back)) << json;
    EXPECT_EQ(kind_of(action), kind_of(*back));
    EXPECT_EQ(json.find('\n'), std::string::npos) << json;
    seen[action.index()] = true;
  }
  for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_TRUE(seen[i]) << i;
}

TEST(ActionJson, AFieldMoreLessOrOfAnotherTypeIsNoAction) {
  for (const char* json :
       {R"({"kind":"remove-file","before":"absent"})",
        R"({"kind":"remove-file","path":7})",
        R"({"kind":"remove-file","path":"/x","more":1})",
        R"({"kind":"make-directory","path":"/x","mode":4294967296})",
        R"({"kind":"set-unit","unit":"a","enabled":"maybe","masked":"yes",)"
        R"("active":"no","restart":false})",
        R"({"kind":"wipe-filesystem","disks":[{"serial":"x"}],"layout":"",)"
        R"("uuid":""})",
        R"({"kind":"remove-file","path":{"base64":"?"}})", R"({"path":"/x"})",
        R"(["remove-file"])", "", "null", "{"}) {
    const auto action = action_from_json(json);
    ASSERT_FALSE(action) << json;
    EXPECT_EQ(action.error().code(), ErrorCode::kCorrupt);
  }
  EXPECT_THAT(action_from_json(R"({"kind":"format-c"})").error().message(),
              HasSubstr("format-c"));
}

TEST(ActionJson, AJournalFromBeforeActionsToldWhatTheySawIsRead) {
  const auto action = action_from_json(R"({"kind":"remove-file","path":"/x"})");
  ASSERT_TRUE(action) << action.error().message();
  EXPECT_TRUE(same_action(*action, RemoveFile{"/x"}));
}

TEST(ActionJson, AJournalFromBeforeWhatCameSinceIsRead) {
  for (const char* json :
       {R"({"kind":"restore-file","path":"/x","backup":"","written":""})",
        R"({"kind":"leave-cluster","node":"n"})",
        R"({"kind":"set-swap","path":"/dev/sda2","on":true})",
        R"({"kind":"wipe-filesystem","disks":[{"serial":"S","model":"M",)"
        R"("size_bytes":1}],"layout":"single","uuid":"u"})"}) {
    EXPECT_TRUE(action_from_json(json)) << json;
  }
  EXPECT_FALSE(action_from_json(
      R"({"kind":"wipe-filesystem","disks":[{"serial":"S","model":"M",)"
      R"("size_bytes":1,"more":1}],"layout":"single","uuid":"u"})"));
}

TEST(ActionJson, OneByteOfAFileIsAnotherAction) {
  EXPECT_FALSE(same_action(WriteFile{"/x", "a"}, WriteFile{"/x", "b"}));
  EXPECT_FALSE(same_action(RemoveFile{"/x"}, RemoveDirectory{"/x"}));
}

TEST(ActionWords, TellWhatHappensToADisk) {
  const Action make = MakeFilesystem{{kDisk}, "single", "xfs", "gn", "u"};
  EXPECT_EQ(describe(make), "make xfs \"gn\" on AWS1234567890");
  EXPECT_TRUE(is_destructive(make));
  EXPECT_EQ(symbol_of(make), '+');
  const Action unit =
      SetUnit{.unit = "a.service", .enabled = Wish::kYes, .active = Wish::kYes};
  EXPECT_EQ(describe(unit), "enable, start a.service");
}

}  // namespace
}  // namespace gpunode::provision
