// `gpunode support-bundle`: what is in it, and what must never be.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/host/command_runner.h"
#include "node/facts/bundle.h"
#include "node/facts/tar.h"
#include "tests/integration/bare_host.h"

namespace gpunode::integration {
namespace {

using nlohmann::json;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

class SupportBundle : public testing::Test {
 protected:
  host::Completed run() const { return run(bare_.tree.path(), output()); }

  static host::Completed run(const std::string& root,
                             const std::string& output) {
    host::Command command;
    command.argv = {GPUNODE,    "support-bundle", "--root",  root,
                    "--output", output,           "--level", "1"};
    auto done = host::SystemCommandRunner().run(command);
    EXPECT_TRUE(done) << done.error().message();
    return done ? *std::move(done) : host::Completed();
  }

  std::string output() const { return out_.path("bundle.tar"); }

  std::string archive() const {
    std::ifstream in(output(), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  std::string member(const std::string& name) const {
    const auto members = facts::read_tar(archive());
    EXPECT_TRUE(members);
    for (const facts::TarMember& one : *members) {
      if (one.name == name) return one.content;
    }
    return "";
  }

  BareHost bare_;
  host::HostTree out_;
};

TEST_F(SupportBundle, TellsOfTheHostAndReplaysElsewhere) {
  bare_.tree.file("etc/gpunode/node.yaml", kSmallSpec);
  const host::Completed done = run();
  EXPECT_EQ(done.status, 0) << done.err;
  EXPECT_THAT(done.err, HasSubstr("Look into it before you send it"));
  const json verify =
      json::parse(member("reports/verify.json"), nullptr, false);
  EXPECT_EQ(verify.value("level", -1), 1);
  EXPECT_EQ(member("files/etc/gpunode/node.yaml"), kSmallSpec);
  const auto recorded = facts::read_bundle(member("facts.tar"));
  EXPECT_TRUE(recorded);
  const json manifest = json::parse(member("manifest.json"), nullptr, false);
  std::vector<std::string> names;
  for (const json& part : manifest["parts"]) names.push_back(part["name"]);
  EXPECT_THAT(names, testing::IsSupersetOf(
                         {"reports/doctor.json", "reports/plan.json"}));
  // Of another root no program of this machine is asked.
  EXPECT_THAT(names, Not(Contains(testing::StartsWith("programs/"))));
}

TEST_F(SupportBundle, PlantedSecretsAreNotInIt) {
  const std::vector<std::string> secrets = {
      "hunter2-registry", "hunter3-proxy",  "abcdef.0123456789abcdef",
      "hunter4-login",    "MIIEvQIBADANBg", "VMware-56 4d 11 22 33 44",
      "hunter5-kubelet"};
  bare_.tree.file("etc/containerd/config.toml",
                  "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry"
                  ".configs.\"r\".auth]\npassword = \"hunter2-registry\"\n");
  bare_.tree.file("etc/gpunode/node.yaml",
                  std::string(kSmallSpec) +
                      "  proxy: {http: \"http://me:hunter3-proxy@p:3128\"}\n");
  bare_.tree.file("var/lib/gpunode/journal.jsonl",
                  "kubeadm join --token abcdef.0123456789abcdef\n");
  bare_.tree.file("etc/apt/sources.list.d/own.list",
                  "deb https://me:hunter4-login@mirror/ ./\n");
  bare_.tree.file("etc/modprobe.d/odd.conf",
                  "# -----BEGIN PRIVATE KEY-----\n# MIIEvQIBADANBg\n"
                  "# -----END PRIVATE KEY-----\n");
  bare_.tree.file("sys/class/dmi/id/product_serial",
                  "VMware-56 4d 11 22 33 44\n");
  bare_.tree.file("var/log/nvidia-installer.log",
                  "machine VMware-56 4d 11 22 33 44\n");
  bare_.tree.file("etc/kubernetes/kubelet.conf", "token: hunter5-kubelet\n");
  EXPECT_EQ(run().status, 0);
  for (const std::string& secret : secrets) {
    // Not by a matcher: it would print the archive.
    EXPECT_EQ(archive().find(secret), std::string::npos) << secret;
  }
  // Control: they were there to be found.
  EXPECT_THAT(member("files/etc/containerd/config.toml"),
              HasSubstr("password = "));
  EXPECT_THAT(member("files/var/lib/gpunode/journal.jsonl"),
              HasSubstr("--token"));
}

TEST_F(SupportBundle, OnlyItsOwnerMayReadIt) {
  run();
  EXPECT_EQ(
      std::filesystem::status(output()).permissions(),
      std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST_F(SupportBundle, NoHostAndNoPlaceAreTold) {
  EXPECT_EQ(run(out_.path(), output()).status, 8);
  const host::Completed full = run(bare_.tree.path(), "/nosuch/x.tar");
  EXPECT_EQ(full.status, 1);
  EXPECT_THAT(full.err, HasSubstr("/nosuch"));
}

}  // namespace
}  // namespace gpunode::integration
