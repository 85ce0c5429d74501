// What becomes of a share's library, by the bundle and by the image in it.
#include "apps/runtime/share_delivery.h"

#include <sys/mount.h>

#include <algorithm>
#include <string>
#include <vector>

#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "apps/runtime/create.h"
#include "base/host/command_runner.h"
#include "base/host/elf_builder.h"
#include "base/host/host_tree.h"
#include "container/hook/first_program.h"
#include "container/hook/own_mounts_test.h"
#include "share/grants/delivery.h"
#include "share/grants/grant_files.h"

namespace gpunode::runtime {
namespace {

using Json = nlohmann::ordered_json;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kId = "0a-1";
constexpr const char* kLibrary = "/run/gpunode/share/libgpunode-cuda.so";
constexpr const char* kAgents = "/var/lib/gpunode/lib/00ff/ld.so.preload";

std::string native_loader() {
  return hook::native_machine() == EM_AARCH64 ? "/lib/ld-linux-aarch64.so.1"
                                              : "/lib64/ld-linux-x86-64.so.2";
}

std::string elf(const std::string& soname, const std::string& interpreter) {
  return host::ElfBuilder::build({.soname = soname,
                                  .machine = hook::native_machine(),
                                  .interpreter = interpreter});
}

class DeliveredShare : public testing::Test {
 protected:
  DeliveredShare() {
    tree_.file("bundle/rootfs" + native_loader(), elf("ld-linux-x.so.2", ""));
    tree_.file("bundle/rootfs/bin/app", elf("", native_loader()));
    tree_.directory("bundle/rootfs/etc");
    tree_.directory(std::string("state/allocations/") + kId);
    config_ = {{"ociVersion", "1.0.2"},
               {"root", {{"path", "rootfs"}}},
               {"process",
                {{"args", {"/bin/app"}},
                 {"cwd", "/"},
                 {"env", {"PATH=/bin", "NVIDIA_VISIBLE_DEVICES=void"}}}},
               {"mounts",
                {mount(kLibrary, "/var/lib/gpunode/lib/00ff/lib.so"),
                 mount("/etc/ld.so.preload", kAgents),
                 mount("/run/gpunode/share/limits",
                       grants() + "/" + kId + "/limits")}}};
  }

  static Json mount(const std::string& destination, const std::string& source) {
    return {{"destination", destination},
            {"type", "bind"},
            {"source", source},
            {"options", {"rbind", "ro"}}};
  }

  std::string grants() const { return tree_.path("state/allocations"); }

  /// The agent's list is mounted over the image's. `then` has what delivers and
  /// what reads the container's list. In mounts of its own.
  template <class Then>
  void as_the_hook_finds_it(Then then) {
    tree_.file("agents", std::string(kLibrary) + "\n");
    const std::string place = tree_.path("bundle/rootfs/etc/ld.so.preload");
    const auto config =
        oci::read_container_config(config_.dump(), "config.json");
    ASSERT_TRUE(config);
    const auto root = host::RootDirectory::open(tree_.path("bundle/rootfs"));
    ASSERT_TRUE(root);
    ASSERT_EQ(::mount(tree_.path("agents").c_str(), place.c_str(), nullptr,
                      MS_BIND, nullptr),
              0);
    then([&] { return deliver_mounted_share(*config, *root, grants()); },
         [&] { return *root->read_file("/etc/ld.so.preload", 999); });
  }
  share::Delivery delivery() const { return {grants(), kId}; }

  void make_static() const {
    tree_.remove("bundle/rootfs" + native_loader());
    tree_.file("bundle/rootfs/bin/app", elf("", ""));
  }

  /// config.json after `create`, or its error as a string.
  Json after() {
    const std::string before = config_.dump();
    tree_.file("bundle/config.json", before);
    CreateCall call;
    call.bundle = tree_.path("bundle");
    call.program = "/usr/bin/gpunode-runtime";
    call.state_directory = tree_.path("state");
    call.cache_path = tree_.path("state/inventory");
    call.host = tree_.root();
    Report report;
    report.add_destination({tree_.path("log"), false});
    const auto done = prepare_bundle(call, {}, report);
    report.flush();
    const auto text = tree_.root().read_file("bundle/config.json");
    if (done) return Json::parse(*text);
    EXPECT_EQ(*text, before);
    return done.error().message();
  }

  /// Sources of what is mounted at /etc/ld.so.preload.
  static std::vector<std::string> preloads(const Json& config) {
    std::vector<std::string> sources;
    if (!config.is_object()) return {config.dump()};
    for (const Json& one : config["mounts"]) {
      if (one["destination"] == "/etc/ld.so.preload") {
        sources.push_back(one["source"]);
      }
    }
    return sources;
  }
  std::string own_preload() const {
    return grants() + "/" + kId + "/ld.so.preload";
  }
  std::string preloaded() const {
    const auto text = host::HostRoot().read_file(own_preload());
    return text ? *text : text.error().message();
  }
  std::string log() const {
    const auto text = tree_.root().read_file("log");
    return text ? *text : "";
  }

  const host::HostTree tree_;
  Json config_;
};

TEST_F(DeliveredShare, ComesBeforeWhatTheImagePreloads) {
  tree_.file("bundle/rootfs/etc/ld.so.preload", "/opt/image.so /opt/b.so\n");
  EXPECT_THAT(preloads(after()), ElementsAre(own_preload()));
  EXPECT_EQ(preloaded(), std::string(kLibrary) + "\n/opt/image.so /opt/b.so\n");
  EXPECT_EQ(log(), "");
}

TEST_F(DeliveredShare, IsAloneWhereTheImagePreloadsNothing) {
  EXPECT_THAT(preloads(after()), ElementsAre(own_preload()));
  EXPECT_EQ(preloaded(), std::string(kLibrary) + "\n");
}

TEST_F(DeliveredShare, IsRefusedWhereNothingCanLoadIt) {
  make_static();
  const Json refused = after();
  ASSERT_TRUE(refused.is_string()) << refused;
  EXPECT_THAT(
      refused.get<std::string>(),
      AllOf(HasSubstr("hold the container to its share"),
            HasSubstr("/bin/app is a static program"),
            HasSubstr("use an image that has"), HasSubstr("onUnsupported")));
  EXPECT_EQ(delivery().why_unlimited(), "");
  // So it is by the agent's word, too.
  ASSERT_TRUE(delivery().tell(share::OnUnsupported::kRefuse));
  EXPECT_TRUE(after().is_string());
}

TEST_F(DeliveredShare, IsLeftOutIfTheAgentSaysSoAndThatIsTold) {
  make_static();
  tree_.file("bundle/rootfs/etc/ld.so.preload", "/opt/image.so\n");
  ASSERT_TRUE(delivery().tell(share::OnUnsupported::kUnlimited));
  EXPECT_THAT(preloads(after()), ElementsAre(own_preload()));
  EXPECT_EQ(preloaded(), "/opt/image.so\n");
  EXPECT_EQ(delivery().why_unlimited(), "/bin/app is a static program");
  EXPECT_THAT(log(), HasSubstr("runs without the limit"));
  // The next container of these ids is of glibc.
  tree_.file("bundle/rootfs" + native_loader(), elf("ld-linux-x.so.2", ""));
  after();
  EXPECT_EQ(delivery().why_unlimited(), "");
}

TEST_F(DeliveredShare, IsNotForTheContainersEnvironmentToRefuse) {
  make_static();
  config_["process"]["env"].push_back("GPUNODE_ON_UNSUPPORTED=unlimited");
  config_["annotations"] = {{"onUnsupported", "unlimited"}};
  EXPECT_TRUE(after().is_string());
}

TEST_F(DeliveredShare, TakesThePlaceOfWhatThePodMountsThere) {
  config_["mounts"].push_back(mount("/etc/ld.so.preload", "/pods/empty"));
  EXPECT_THAT(preloads(after()), ElementsAre(own_preload()));
  EXPECT_EQ(preloaded(), std::string(kLibrary) + "\n");
  EXPECT_THAT(log(), HasSubstr("/pods/empty is not mounted"));
}

TEST_F(DeliveredShare, OfAVolumeThatIsNotSeenIsLetBe) {
  make_static();
  config_["mounts"].push_back(mount("/bin", "/pods/volume"));
  EXPECT_THAT(preloads(after()), ElementsAre(own_preload()));
  EXPECT_EQ(delivery().why_unlimited(), "");
}

TEST_F(DeliveredShare, HasNothingOfTheImageWhereAVolumeIsItsEtc) {
  tree_.file("bundle/rootfs/etc/ld.so.preload", "/opt/image.so\n");
  config_["mounts"].push_back(mount("/etc", "/pods/volume"));
  EXPECT_THAT(preloads(after()), ElementsAre(own_preload()));
  EXPECT_EQ(preloaded(), std::string(kLibrary) + "\n");
}

TEST_F(DeliveredShare, HasNothingOfTheImageHoweverItsEtcIsWritten) {
  tree_.file("bundle/rootfs/etc/ld.so.preload", "/opt/image.so\n");
  tree_.link("bundle/rootfs/conf", "etc");
  for (const char* etc : {"/etc/", "//etc", "/etc/.", "/etc/x/..", "/conf"}) {
    config_["mounts"].push_back(mount(etc, "/pods/volume"));
    after();
    EXPECT_EQ(preloaded(), std::string(kLibrary) + "\n") << etc;
    config_["mounts"].erase(3);
  }
  config_["mounts"].push_back(mount("/etc/./x", "/pods/volume"));
  after();
  EXPECT_EQ(preloaded(), std::string(kLibrary) + "\n/opt/image.so\n");
}

TEST_F(DeliveredShare, IsRefusedWhereThePodMountsOverIt) {
  tree_.link("bundle/rootfs/var", "run");
  for (const char* place :
       {"/run/gpunode/share/limits", "/run/gpunode/share/./limits/",
        "/run/gpunode/share/libgpunode-cuda.so", "/var/gpunode/share/limits"}) {
    config_["mounts"].push_back(mount(place, "/pods/own"));
    const Json refused = after();
    ASSERT_TRUE(refused.is_string()) << place;
    EXPECT_THAT(
        refused.get<std::string>(),
        AllOf(HasSubstr("/pods/own is mounted at " + std::string(place)),
              HasSubstr("leave that mount out"), HasSubstr("onUnsupported")));
    config_["mounts"].erase(3);
  }
}

TEST_F(DeliveredShare, UnderAMountOfThePodIsLeftOutIfTheAgentSaysSo) {
  config_["mounts"].push_back(
      mount("/run/gpunode/share/limits", "/pods/limits"));
  ASSERT_TRUE(delivery().tell(share::OnUnsupported::kUnlimited));
  EXPECT_THAT(preloads(after()), ElementsAre(own_preload()));
  EXPECT_EQ(preloaded(), "");
  EXPECT_EQ(delivery().why_unlimited(),
            "/pods/limits is mounted at /run/gpunode/share/limits, over "
            "/run/gpunode/share/limits");
  EXPECT_THAT(log(), HasSubstr("runs without the limit"));
}

TEST_F(DeliveredShare, OverAMountOfThePodIsSeen) {
  // Parents are mounted first, wherever they are written.
  config_["mounts"].push_back(mount("/run/", "/pods/run"));
  config_["mounts"].insert(config_["mounts"].begin(),
                           mount("/run/gpunode/share/limits", "/pods/early"));
  EXPECT_THAT(preloads(after()), ElementsAre(own_preload()));
  EXPECT_EQ(preloaded(), std::string(kLibrary) + "\n");
  EXPECT_EQ(delivery().why_unlimited(), "");
}

TEST_F(DeliveredShare, ByTheHookIsRefusedWhereThePodMountsOverIt) {
  tree_.file("bundle/rootfs/etc/ld.so.preload", "");
  const auto expect_refusal = [&](const auto& matcher) {
    IN_OWN_MOUNTS([&] {
      as_the_hook_finds_it([&](const auto& deliver, const auto&) {
        const auto done = deliver();
        EXPECT_THAT(done ? "" : done.error().message(), matcher);
      });
    });
  };
  config_["mounts"].push_back(mount("/run/gpunode/", "/pods/own"));
  expect_refusal(HasSubstr("/pods/own is mounted at /run/gpunode/"));
  // Before the node's mounts it hides nothing of them.
  std::rotate(config_["mounts"].begin(), config_["mounts"].end() - 1,
              config_["mounts"].end());
  expect_refusal(std::string());
}

TEST_F(DeliveredShare, ThatIsNotTheAgentsIsLeftAsItIs) {
  make_static();
  const Json limits = config_["mounts"][2];
  config_["mounts"][2]["source"] = "/pods/limits";
  EXPECT_THAT(preloads(after()), ElementsAre(kAgents));
  config_["mounts"][2] = limits;
  config_["mounts"][1]["source"] = "/pods/preload";
  EXPECT_THAT(preloads(after()), ElementsAre("/pods/preload"));
  // Delivered before.
  config_["mounts"][1]["source"] = own_preload();
  EXPECT_THAT(preloads(after()), ElementsAre(own_preload()));
}

TEST_F(DeliveredShare, WithoutItsGrantIsTheLowLevelRuntimesToRefuse) {
  tree_.remove(std::string("state/allocations/") + kId);
  EXPECT_THAT(preloads(after()), ElementsAre(kAgents));
}

TEST_F(DeliveredShare, IsNotTakenOutOfTheImagesRoot) {
  tree_.file("secret", "/of/the/host.so\n");
  tree_.link("bundle/rootfs/etc/ld.so.preload", "../../../secret");
  EXPECT_THAT(preloads(after()), ElementsAre(own_preload()));
  EXPECT_EQ(preloaded(), std::string(kLibrary) + "\n");
  tree_.remove("bundle/rootfs/etc/ld.so.preload");
  tree_.file("bundle/rootfs/etc/ld.so.preload", std::string(70'000, 'x'));
  EXPECT_TRUE(after().is_string());
}

TEST_F(DeliveredShare, ByTheHookIsMergedUnderTheMount) {
  tree_.file("bundle/rootfs/etc/ld.so.preload", "/opt/image.so\n");
  IN_OWN_MOUNTS([&] {
    as_the_hook_finds_it([&](const auto& deliver, const auto& read) {
      for (int time = 0; time < 2; ++time) {
        const auto done = deliver();
        ASSERT_TRUE(done) << done.error().message();
        EXPECT_THAT(*done, IsEmpty());
        EXPECT_EQ(read(), std::string(kLibrary) + "\n/opt/image.so\n");
      }
    });
  });
}

// What is merged then is what the agent has mounted: the second time takes the
// first one's file for the agent's.
TEST_F(DeliveredShare, ByTheHookTwiceIsOneWhereTheImagePreloadsNothing) {
  tree_.file("bundle/rootfs/etc/ld.so.preload", "");
  IN_OWN_MOUNTS([&] {
    as_the_hook_finds_it([&](const auto& deliver, const auto& read) {
      for (int time = 0; time < 2; ++time) {
        ASSERT_TRUE(deliver());
        EXPECT_EQ(read(), std::string(kLibrary) + "\n");
      }
    });
  });
}

TEST_F(DeliveredShare, ByTheHookIsRefusedOrTakenAwayWhereNothingCanLoadIt) {
  make_static();
  tree_.file("bundle/rootfs/etc/ld.so.preload", "/opt/image.so\n");
  IN_OWN_MOUNTS([&] {
    as_the_hook_finds_it([&](const auto& deliver, const auto& read) {
      ASSERT_EQ(read(), std::string(kLibrary) + "\n");
      const auto refused = deliver();
      ASSERT_FALSE(refused);
      EXPECT_EQ(refused.error().code(), ErrorCode::kUnsupported);
      ASSERT_TRUE(delivery().tell(share::OnUnsupported::kUnlimited));
      const auto done = deliver();
      ASSERT_TRUE(done) << done.error().message();
      EXPECT_THAT(*done, Contains(HasSubstr("without the limit")));
      EXPECT_EQ(read(), "/opt/image.so\n");
      EXPECT_EQ(delivery().why_unlimited(), "/bin/app is a static program");
    });
  });
}

// The programs themselves, on a /run of their own.
TEST_F(DeliveredShare, IsTheProgramsWork) {
  tree_.file("config.toml",
             "[nvidia-container-runtime]\nruntimes = [\"/bin/true\"]\n");
  tree_.file("bundle/rootfs/etc/ld.so.preload", "/opt/image.so\n");
  IN_OWN_MOUNTS([&] {
    ASSERT_EQ(::mount("tmpfs", "/run", "tmpfs", 0, nullptr), 0);
    const share::GrantFiles files(share::GrantFiles::kRoot);
    ASSERT_TRUE(files.renew({kId, {{"GPU-a", 1U << 30U}}}));
    config_["mounts"][2]["source"] = files.limits_path(kId);
    tree_.file("bundle/config.json", config_.dump());
    host::SystemCommandRunner runner;
    host::Command create;
    create.argv = {GPUNODE_RUNTIME, "create", "--bundle", tree_.path("bundle"),
                   "x"};
    create.env = {"NVIDIA_CTK_CONFIG_FILE_PATH=" + tree_.path("config.toml")};
    const auto made = runner.run(create);
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ(made->status, 0) << made->err;
    const Json config =
        Json::parse(*tree_.root().read_file("bundle/config.json"));
    EXPECT_THAT(preloads(config),
                ElementsAre("/run/gpunode/allocations/0a-1/ld.so.preload"));

    make_static();
    tree_.file("bundle/config.json", config_.dump());
    const auto refused = runner.run(create);
    ASSERT_TRUE(refused) << refused.error().message();
    EXPECT_EQ(refused->status, 1);
    EXPECT_THAT(refused->err, HasSubstr("static program"));

    host::Command hook;
    hook.argv = {GPUNODE_RUNTIME, "hook", "apply"};
    hook.input = R"({"bundle":")" + tree_.path("bundle") + R"("})";
    const auto stopped = runner.run(hook);
    ASSERT_TRUE(stopped) << stopped.error().message();
    EXPECT_EQ(stopped->status, 1);
    EXPECT_THAT(stopped->err, HasSubstr("static program"));
  });
}

}  // namespace
}  // namespace gpunode::runtime
