// Packages fetched by real apt and dnf for a host that is not there, and
// installed on it from the directory alone.
#include <algorithm>
#include <filesystem>

#include "node/provision/bundle_plan.h"
#include "node/provision/offline/bundle_maker.h"
#include "node/provision/offline/checksums.h"
#include "node/provision/offline/package_download.h"
#include "node/provision/package_actions.h"
#include "node/provision/packages/package_set.h"
#include "tests/packages/real_packages.h"

namespace gpunode::packages {
namespace {

using offline::Download;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// A machine of its own (its repositories), a root, and the bundle.
class Offline : public RealPackages {
 protected:
  explicit Offline(Tool tool) : RealPackages(tool) {
    download_.tool = tool;
    download_.machine_root = machine_.path();
    bundle_.directory("packages");
  }

  Result<std::vector<std::string>> fetch(std::vector<std::string> wanted) {
    download_.wanted = std::move(wanted);
    TRY(auto fetched,
        offline::download_packages(download_, work_.path(),
                                   bundle_.path("packages"), runner_));
    sets_ = std::move(fetched.sets);
    return std::move(fetched.files);
  }

  /// As kubernetes.packages and runtime.engine ask for them.
  static std::vector<offline::SetToFetch> kubernetes_sets() {
    return {{.step = "kubernetes.packages",
             .names = {"kubelet", "kubeadm"},
             .version = "1.25"},
            {.step = "runtime.engine",
             .names = {"containerd.io"},
             .version = "1.7"}};
  }

  /// Each set is found again in the bundle that tells itself as `from`, and
  /// installed out of it.
  void expect_installable(const std::string& from) {
    const auto refreshed = manager().refresh();
    ASSERT_TRUE(refreshed) << refreshed.error().message();
    Transaction wanted;
    for (const offline::SetToFetch& set : download_.sets) {
      const auto offers = manager().candidates(set.names);
      ASSERT_TRUE(offers) << offers.error().message();
      const auto chosen = choose_set(*offers, set.names, set.version, from);
      ASSERT_TRUE(chosen) << chosen.error().message();
      wanted.install.insert(wanted.install.end(), chosen->begin(),
                            chosen->end());
    }
    const Applied applied = change(wanted);
    ASSERT_TRUE(applied.outcome) << applied.outcome.error().message();
    for (const auto& set : sets_) {
      for (std::string words : set) {
        words[words.find('=')] = ' ';
        EXPECT_THAT(installed({}), Contains(words));
      }
    }
  }

  /// As a driver comes back whose place another out of the bundle took.
  void expect_older_from_elsewhere(const std::string& os_release) {
    root_.file("etc/os-release", os_release);
    settings_.root = root_.path();
    settings_.mirror_attempts = 1;
    settings_.only_repository = kBundleRepository;
    provision::PackageActions actions(root_.root(), runner_, settings_);
    const provision::InstallSet old{.packages = {"stub-extra=580.1-1"}};
    const auto alone = actions.perform(old);
    ASSERT_FALSE(alone);
    actions.may_ask_others();
    const auto back = actions.perform(old);
    ASSERT_TRUE(back) << back.error().message();
    EXPECT_THAT(installed({}), Contains("stub-extra 580.1-1"));
  }

  host::HostTree machine_;
  host::HostTree work_;
  host::HostTree bundle_;
  Download download_;
  std::vector<std::vector<std::string>> sets_;  ///< What they became.
};

class RealAptOffline : public Offline {
 protected:
  RealAptOffline() : Offline(Tool::kApt) {
    download_.os.id = "debian";
    download_.os.version_id = "12";
    machine_.file("apt.conf", "APT::Architecture \"amd64\";\n");
    download_.environment = {"APT_CONFIG=" + machine_.path("apt.conf")};
    machine_.file("etc/apt/sources.list.d/stub.sources",
                  "Types: deb\nURIs: file:" + stubs() +
                      "/deb/good\nSuites: stub\nComponents: main\nSigned-By: " +
                      stubs() + "/keys/good.asc\n");
  }
};

TEST_F(RealAptOffline, WhatIsFetchedIsInstalledFromTheDirectoryAlone) {
  const auto names = fetch({"stub-driver=580.1-1", "stub-extra"});
  ASSERT_TRUE(names) << names.error().message();
  EXPECT_THAT(*names, ElementsAre("stub-driver_580.1-1_all.deb",
                                  "stub-extra_580.2-1_all.deb",
                                  "stub-lib_580.1-1_all.deb"));
  lay_apt_root();
  root_.file("etc/apt/sources.list.d/gpunode-bundle.list",
             "deb [trusted=yes] file:" + bundle_.path("packages") + " ./\n");
  // Asked alone: one that needs the network does not matter.
  root_.file("etc/apt/sources.list.d/far.list",
             "deb http://127.0.0.1:9/none stub main\n");
  settings_.only_repository = kBundleRepository;
  const auto refreshed = manager().refresh();
  ASSERT_TRUE(refreshed) << refreshed.error().message();
  const Applied applied = change({{{"stub-driver"}, {"stub-extra"}}, {}});
  ASSERT_TRUE(applied.outcome) << applied.outcome.error().message();
  EXPECT_THAT(
      in_words(applied.changed),
      ElementsAre("install stub-driver 580.1-1", "install stub-extra 580.2-1",
                  "install stub-lib 580.1-1"));
}

TEST_F(RealAptOffline, AnOlderVersionMayComeBackFromElsewhere) {
  const auto names = fetch({"stub-extra"});
  ASSERT_TRUE(names) << names.error().message();
  lay_apt_root();
  root_.file("etc/apt/sources.list.d/gpunode-bundle.list",
             "deb [trusted=yes] file:" + bundle_.path("packages") + " ./\n");
  root_.file(
      "etc/apt/sources.list.d/stub.sources",
      *machine_.root().read_file("/etc/apt/sources.list.d/stub.sources"));
  expect_older_from_elsewhere("ID=debian\nVERSION_ID=\"12\"\n");
}

TEST_F(RealAptOffline, ARepositoryOfOursComesWithItsOwnKey) {
  machine_.remove("etc/apt/sources.list.d/stub.sources");
  std::string key;
  key = *host::HostRoot().read_file(stubs() + "/keys/good.asc");
  download_.repository_files = {
      {"/etc/apt/keyrings/ours.asc", key},
      {"/etc/apt/sources.list.d/ours.sources",
       "Types: deb\nURIs: file:" + stubs() +
           "/deb/good\nSuites: stub\nComponents: main\n"
           "Signed-By: /etc/apt/keyrings/ours.asc\n"}};
  const auto names = fetch({"stub-extra"});
  ASSERT_TRUE(names) << names.error().message();
  EXPECT_THAT(*names, ElementsAre("stub-extra_580.2-1_all.deb"));
}

TEST_F(RealAptOffline, OneThatIsSignedByAnotherIsRefused) {
  machine_.file("etc/apt/sources.list.d/stub.sources",
                "Types: deb\nURIs: file:" + stubs() +
                    "/deb/good\nSuites: stub\nComponents: main\nSigned-By: " +
                    stubs() + "/keys/other.asc\n");
  EXPECT_FALSE(fetch({"stub-extra"}));
}

TEST_F(RealAptOffline, ASetComesInTheNewestVersionThatIsWhole) {
  machine_.file("etc/apt/sources.list.d/cuda.sources",
                "Types: deb\nURIs: file:" + stubs() +
                    "/cuda/ubuntu2204/x86_64\nSuites: ./\nSigned-By: " +
                    stubs() + "/keys/good.asc\n");
  download_.sets = kubernetes_sets();
  download_.sets.push_back(
      {.step = "driver.packages",
       .names = {"nvidia-dkms-580-open", "nvidia-utils-580",
                 "nvidia-persistenced"},
       .version = "580",
       .from = "cuda/ubuntu2204/x86_64"});
  const auto names = fetch({});
  ASSERT_TRUE(names) << names.error().message();
  // 580.105.08 has no persistence daemon.
  EXPECT_THAT(sets_,
              ElementsAre(ElementsAre("kubelet=1.25.0-1", "kubeadm=1.25.0-1"),
                          ElementsAre("containerd.io=1.7.29-1"),
                          ElementsAre("nvidia-dkms-580-open=580.95.05-"
                                      "0ubuntu1",
                                      "nvidia-utils-580=580.95.05-"
                                      "0ubuntu1",
                                      "nvidia-persistenced=580.95.05-"
                                      "0ubuntu1")));
  lay_apt_root();
  root_.file("etc/apt/sources.list.d/gpunode-bundle.list",
             "deb [trusted=yes] file:" + bundle_.path("packages") + " ./\n");
  settings_.only_repository = kBundleRepository;
  provision::NodeSpec spec;
  spec.bundle = bundle_.path("");
  spec.bundle.pop_back();
  expect_installable(provision::bundle_source(spec, Tool::kApt));
}

TEST_F(RealAptOffline, WhatNobodyHasIsToldByName) {
  const auto names = fetch({"stub-nowhere"});
  ASSERT_FALSE(names);
  EXPECT_THAT(names.error().message(), HasSubstr("stub-nowhere"));
}

class RealDnfOffline : public Offline {
 protected:
  RealDnfOffline() : Offline(Tool::kDnf) {
    download_.os.id = "rocky";
    download_.os.version_id = "8.9";
    machine_.file("etc/dnf/dnf.conf",
                  "[main]\ngpgcheck=1\nmodule_platform_id=platform:el8\n"
                  "plugins=0\n");
    machine_.file("etc/yum.repos.d/stub.repo",
                  repo("stub", stubs() + "/rpm/good"));
    root_.file("etc/dnf/dnf.conf",
               "[main]\ngpgcheck=1\nmodule_platform_id=platform:el8\n"
               "plugins=0\n");
    root_.file("etc/yum.repos.d/gpunode-bundle.repo",
               repo("gpunode-bundle", bundle_.path("packages")));
  }

  static std::string repo(const std::string& id, const std::string& path) {
    return "[" + id + "]\nname=Stub\nbaseurl=file://" + path +
           "\nenabled=1\ngpgcheck=1\ngpgkey=file://" + stubs() +
           "/keys/good.asc\n";
  }
};

TEST_F(RealDnfOffline, WhatIsFetchedIsInstalledFromTheDirectoryAlone) {
  const auto names = fetch({"stub-driver=580.1-1"});
  ASSERT_TRUE(names) << names.error().message();
  // Asked alone: one that needs the network does not matter.
  root_.file("etc/yum.repos.d/far.repo",
             "[far]\nname=Far\nbaseurl=http://127.0.0.1:9/\nenabled=1\n");
  settings_.only_repository = kBundleRepository;
  EXPECT_THAT(*names, ElementsAre("stub-driver-580.1-1.noarch.rpm",
                                  "stub-lib-580.1-1.noarch.rpm"));
  const auto refreshed = manager().refresh();
  ASSERT_TRUE(refreshed) << refreshed.error().message();
  const Applied applied = change({{{"stub-driver"}}, {}});
  ASSERT_TRUE(applied.outcome) << applied.outcome.error().message();
  EXPECT_THAT(
      in_words(applied.changed),
      ElementsAre("install stub-driver 580.1-1", "install stub-lib 580.1-1"));
}

TEST_F(RealDnfOffline, AnOlderVersionMayComeBackFromElsewhere) {
  const auto names = fetch({"stub-extra"});
  ASSERT_TRUE(names) << names.error().message();
  root_.file("etc/yum.repos.d/stub.repo", repo("stub", stubs() + "/rpm/good"));
  expect_older_from_elsewhere("ID=rocky\nVERSION_ID=\"8.9\"\n");
}

TEST_F(RealDnfOffline, APackageOfAModuleStreamComesWithItsStream) {
  download_.module_streams = {"stub-nvidia:580-dkms"};
  const auto names = fetch({"stub-module"});
  ASSERT_TRUE(names) << names.error().message();
  EXPECT_THAT(*names, ElementsAre("stub-module-580.1-1.noarch.rpm"));
  const auto refreshed = manager().refresh();
  ASSERT_TRUE(refreshed) << refreshed.error().message();
  say({"/usr/bin/dnf", "--installroot=" + root_.path(), "-y", "module",
       "enable", "stub-nvidia:580-dkms"});
  const Applied applied = change({{{"stub-module"}}, {}});
  ASSERT_TRUE(applied.outcome) << applied.outcome.error().message();
  EXPECT_THAT(in_words(applied.changed),
              ElementsAre("install stub-module 580.1-1"));
}

TEST_F(RealDnfOffline, ASetComesInTheNewestVersionThatIsWhole) {
  machine_.file("etc/yum.repos.d/cuda.repo",
                repo("gpunode-cuda", stubs() + "/cuda/rhel8/x86_64"));
  download_.module_streams = {"nvidia-driver:580-open"};
  download_.sets = kubernetes_sets();
  download_.sets.push_back(
      {.step = "driver.packages",
       .names = {"kmod-nvidia-open-dkms", "nvidia-driver-cuda",
                 "nvidia-fabricmanager"},
       .version = "580",
       .from = "gpunode-cuda"});
  const auto names = fetch({});
  ASSERT_TRUE(names) << names.error().message();
  // 580.105.08 has no fabric manager.
  EXPECT_THAT(sets_,
              ElementsAre(ElementsAre("kubelet=1.25.0-1", "kubeadm=1.25.0-1"),
                          ElementsAre("containerd.io=1.7.29-1"),
                          ElementsAre("kmod-nvidia-open-dkms=3:580.95.05-1",
                                      "nvidia-driver-cuda=3:580.95.05-1",
                                      "nvidia-fabricmanager=580.95.05-1")));
  EXPECT_THAT(*names,
              Contains("nvidia-driver-cuda-libs-580.95.05-1.noarch.rpm"));
  say({"/usr/bin/dnf", "--installroot=" + root_.path(), "-y", "module",
       "enable", "nvidia-driver:580-open"});
  settings_.only_repository = kBundleRepository;
  expect_installable(provision::bundle_source({}, Tool::kDnf));
}

TEST_F(RealDnfOffline, ASetThatNoVersionHasWholeIsToldByName) {
  machine_.file("etc/yum.repos.d/cuda.repo",
                repo("gpunode-cuda", stubs() + "/cuda/rhel8/x86_64"));
  download_.module_streams = {"nvidia-driver:580-open"};
  download_.sets = {{.step = "driver.packages",
                     .names = {"nvidia-driver-cuda", "nvidia-fabricmanager"},
                     .version = "580.105.08",
                     .from = "gpunode-cuda"}};
  const auto names = fetch({});
  ASSERT_FALSE(names);
  EXPECT_THAT(
      names.error().message(),
      AllOf(HasSubstr("driver.packages"), HasSubstr("nvidia-fabricmanager")));
}

TEST_F(RealDnfOffline, WhatNobodyHasIsToldByName) {
  const auto names = fetch({"stub-nowhere"});
  ASSERT_FALSE(names);
  EXPECT_THAT(names.error().message(), HasSubstr("stub-nowhere"));
}

/// A whole bundle with the real dnf: made, checked, spoiled.
TEST_F(RealDnfOffline, ABundleIsWholeOrNotThere) {
  offline::BundleRequest request;
  request.directory = bundle_.path("whole");
  request.machine = "x86_64";
  request.download = download_;
  request.download.wanted = {"stub-nowhere"};
  ASSERT_FALSE(offline::make_bundle(request, runner_));
  EXPECT_TRUE(std::filesystem::is_empty(request.directory));
  machine_.file("etc/pki/rpm-gpg/RPM-GPG-KEY-stub",
                *host::HostRoot().read_file(stubs() + "/keys/good.asc"));
  request.download.wanted = {"stub-extra"};
  const auto made = offline::make_bundle(request, runner_);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_THAT(made->manifest.packages,
              ElementsAre("stub-extra-580.2-1.noarch.rpm"));
  EXPECT_THAT(made->manifest.keys, ElementsAre("RPM-GPG-KEY-stub"));
  EXPECT_FALSE(std::filesystem::exists(request.directory + "/.work"));
  const auto text =
      host::HostRoot().read_file(request.directory + "/bundle.json");
  EXPECT_EQ(*offline::parse_manifest(*text), made->manifest);
  const auto checked =
      offline::check_directory(request.directory, made->sums_digest, runner_);
  EXPECT_TRUE(checked) << checked.error().message();
  bundle_.file("whole/packages/stub-extra-580.2-1.noarch.rpm", "another");
  const auto spoiled =
      offline::check_directory(request.directory, made->sums_digest, runner_);
  ASSERT_FALSE(spoiled);
  EXPECT_THAT(spoiled.error().message(),
              HasSubstr("stub-extra-580.2-1.noarch.rpm is not what"));
  // What is there is never overwritten.
  EXPECT_FALSE(offline::make_bundle(request, runner_));
}

TEST(RealZypperOffline, IsRefusedWithTheWayOut) {
  Download download;
  download.tool = Tool::kZypper;
  const auto checked = offline::check_download(download);
  ASSERT_FALSE(checked);
  EXPECT_THAT(checked.error().message(), HasSubstr("spec.mirrors"));
}

}  // namespace
}  // namespace gpunode::packages
