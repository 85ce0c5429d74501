#include "node/provision/spec_file.h"

#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::provision {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

constexpr const char* kHead =
    "apiVersion: gpunode.dev/v1alpha1\nkind: GPUNode\n";

SpecReading read(const std::string& body) {
  return read_spec({{"node.yaml", kHead + body}});
}

constexpr const char* kStorage = R"(spec:
  storage:
    - id: containerd
      select: {class: cloud-ephemeral, minSize: 500Gi}
      filesystem: {type: xfs, options: [noatime, prjquota]}
      mount: {path: /var/lib/containerd, via: fstab}
      existingData: migrate
      onBootBlank: reformat
      wipe: {confirm: [AWS1]}
)";

TEST(SpecFile, ADriverThatCannotBeMeantIsToldWithItsPlace) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"driver: {branch: \"latest\"}", "no branch of the driver"},
      {"driver: {branch: \"58\"}", "no branch of the driver"},
      {"driver: {version: \"580\"}", "no version of the driver"},
      {"driver: {version: \"580..1\"}", "no version of the driver"},
      {"driver: {version: \"580.1; rm\"}", "no version of the driver"},
      {"driver: {branch: \"570\", version: \"580.65.06\"}",
       "is not of branch 570"},
      {"driver: {flavour: closed}", "proprietary"},
      {"driver: {source: runfile}", "nvidia-cuda-repo"},
      {"driver: {moduleOptions: {NVreg_X: \"1 options x\"}}",
       "an option of a module"},
      {"driver: {moduleOptions: {\"a b\": \"1\"}}", "an option of a module"},
      {"cuda: {toolkit: \"13\"}", "no version of CUDA"},
      {"host: {kernel: {policy: exact}}", "exact needs `release`"},
      {"host: {kernel: {release: \"6.1.0\"}}", "`policy: exact` alone"},
      {"host: {kernel: {archive: yesterday}}", "neither point-release"},
      {"host: {kernel: {policy: exact, release: \"../../x\"}}",
       "no release of a kernel"},
  };
  for (const auto& [yaml, words] : cases) {
    const SpecReading reading = read("spec:\n  " + yaml + "\n");
    ASSERT_THAT(reading.problems, SizeIs(1)) << yaml;
    EXPECT_THAT(reading.problems[0], HasSubstr(words)) << yaml;
    EXPECT_THAT(reading.problems[0], HasSubstr(":4:")) << yaml;
  }
}

TEST(SpecFile, OneDiskIsNoRaid0) {
  const SpecReading reading = read(
      "spec:\n  storage:\n    - {id: x, select: {model: m}, layout: raid0, "
      "mount: {path: /data}}\n");
  ASSERT_THAT(reading.problems, SizeIs(1));
  EXPECT_THAT(reading.problems[0], HasSubstr("two disks or more"));
}

TEST(SpecFile, ReadsWhatTheFormatPromises) {
  const SpecReading reading = read(std::string(R"(metadata: {name: g5-1}
)") + kStorage + R"(  host:
    expect: {os: "rocky 8.9", arch: x86_64}
    swap: off
    reboot: {mode: auto, max: 2}
    kernel: {policy: exact, release: "4.18.0-513.5.1.el8_9.x86_64", archive: "20240905"}
    packages: [pciutils]
    extraRepositories: needed
    update: none
    selinux: keep
  check: {interval: off, certificateDays: 60}
  proxy: {http: "http://proxy:3128", none: .internal}
  mirrors: {"https://dl.fedoraproject.org/pub/epel/": "http://m/epel/"}
  verify: {level: 4, patienceSeconds: 60}
  gpu: {count: 8, expect: [{product: A10G, pciId: "10de:2237", count: 8}]}
  driver:
    branch: "580"
    version: "580.178.04"
    flavour: proprietary
    source: precompiled
    profile: full
    moduleOptions: {NVreg_EnableGpuFirmware: "0"}
    hold: false
    persistence: false
    fabricManager: true
    imex: false
    secureBoot: {route: mok}
  cuda: {toolkit: "13.0", gds: true}
)");
  ASSERT_THAT(reading.problems, IsEmpty());
  const NodeSpec& spec = reading.spec;
  EXPECT_EQ(spec.name, "g5-1");
  EXPECT_EQ(spec.host.expect.os, "rocky 8.9");
  EXPECT_TRUE(spec.host.swap_off);
  EXPECT_EQ(spec.host.reboot.mode, RebootMode::kAuto);
  EXPECT_EQ(spec.host.reboot.max, 2);
  EXPECT_THAT(spec.host.packages, ElementsAre("pciutils"));
  EXPECT_EQ(spec.check.interval, CheckInterval::kOff);
  EXPECT_EQ(spec.check.certificate_days, 60);
  EXPECT_EQ(spec.gpu.count, 8);
  ASSERT_THAT(spec.gpu.expect, SizeIs(1));
  EXPECT_EQ(spec.gpu.expect[0].product, "A10G");
  EXPECT_EQ(spec.gpu.expect[0].device_id, 0x2237);
  EXPECT_EQ(spec.gpu.expect[0].count, 8);
  EXPECT_THAT(spec.not_carried_out, ElementsAre("host.update", "host.selinux"));
  EXPECT_EQ(spec.verify.level, 4);
  EXPECT_EQ(spec.verify.patience, 60);
  EXPECT_TRUE(spec.driver.is_wanted);
  EXPECT_EQ(spec.driver.branch, 580);
  EXPECT_EQ(spec.driver.version, "580.178.04");
  EXPECT_EQ(spec.driver.flavour, WantedFlavour::kProprietary);
  EXPECT_EQ(spec.driver.source, DriverSource::kPrecompiled);
  EXPECT_TRUE(spec.driver.with_display);
  EXPECT_TRUE(spec.driver.is_profile_given);
  EXPECT_THAT(spec.driver.module_options,
              ElementsAre(Pair("NVreg_EnableGpuFirmware", "0")));
  EXPECT_FALSE(spec.driver.hold);
  EXPECT_FALSE(spec.driver.persistence);
  EXPECT_EQ(spec.driver.fabric_manager, Choice::kYes);
  EXPECT_EQ(spec.driver.imex, Choice::kNo);
  EXPECT_EQ(spec.driver.secure_boot, SecureBootRoute::kMok);
  EXPECT_EQ(spec.cuda.toolkit, "13.0");
  EXPECT_TRUE(spec.cuda.gds);
  EXPECT_EQ(spec.host.kernel.policy, KernelPolicy::kExact);
  EXPECT_EQ(spec.host.kernel.release, "4.18.0-513.5.1.el8_9.x86_64");
  EXPECT_EQ(spec.host.kernel.archive, "20240905");
  EXPECT_EQ(spec.host.extra_repositories, Choice::kAsNeeded);
  EXPECT_EQ(spec.proxy.http, "http://proxy:3128");
  EXPECT_EQ(spec.proxy.none, ".internal");
  EXPECT_THAT(spec.mirrors,
              ElementsAre(testing::Pair("https://dl.fedoraproject.org/pub/epel",
                                        "http://m/epel")));
  ASSERT_THAT(spec.storage, SizeIs(1));
  const StorageSpec& storage = spec.storage.front();
  EXPECT_TRUE(storage.select.cloud_ephemeral);
  EXPECT_EQ(storage.select.min_size_bytes, std::uint64_t{500} << 30U);
  EXPECT_EQ(storage.label, "gn-container");
  EXPECT_THAT(storage.options, ElementsAre("noatime", "prjquota"));
  EXPECT_EQ(storage.via, MountVia::kFstab);
  EXPECT_EQ(storage.existing_data, ExistingData::kMigrate);
  EXPECT_EQ(storage.on_boot_blank, OnBootBlank::kReformat);
  EXPECT_THAT(storage.wipe_serials, ElementsAre("AWS1"));
  EXPECT_THAT(storage.users,
              ElementsAre("containerd.service", "kubelet.service"));
}

struct Bad {
  const char* body;
  const char* says;
};

class SpecFileProblem : public testing::TestWithParam<Bad> {};

TEST_P(SpecFileProblem, IsToldWithItsPlaceAndWhatWouldBeRight) {
  const SpecReading reading = read(GetParam().body);
  ASSERT_THAT(reading.problems, SizeIs(testing::Ge(1U)));
  EXPECT_THAT(reading.problems, testing::Contains(HasSubstr(GetParam().says)));
}

INSTANTIATE_TEST_SUITE_P(
    All, SpecFileProblem,
    testing::Values(
        Bad{"spec: {storge: []}\n",
            "node.yaml:3:8: unknown key \"storge\" in spec (did you mean "
            "\"storage\"?)"},
        Bad{"spec: {host: {swap: maybe}}\n", "off, false, keep"},
        Bad{"spec: {host: {swap: kep}}\n", "did you mean \"keep\"?"},
        Bad{"spec: {host: {reboot: {max: 99}}}\n", "from 0 to 10"},
        Bad{"spec: {host: {expect: {os: 8.9}}}\n", "write \"8.9\" in quotes"},
        Bad{"spec: {check: {interval: hurly}}\n", "did you mean \"hourly\"?"},
        Bad{"spec: {check: {certificateDays: 0}}\n", "from 1 to 3650"},
        Bad{"spec: {gpu: {expect: [{count: 2}]}}\n", "which GPU is meant"},
        Bad{"spec: {gpu: {expect: [{pciId: \"1002:73bf\"}]}}\n",
            "no PCI id of a GPU of NVIDIA's"},
        Bad{"spec: {gpu: {expect: [{product: A10G, count: 0}]}}\n",
            "from 1 to 64"},
        Bad{"spec: {gpu: {expect: [{prodcut: A10G}]}}\n",
            "did you mean \"product\"?"},
        Bad{"spec: {host: 7}\n", "spec.host must be a mapping"},
        Bad{"spec: {storage: {id: x}}\n", "must be a list"},
        Bad{"spec: {storage: [{id: X_}]}\n", "must be a name"},
        Bad{"spec: {storage: [{id: a, mount: {path: /etc}}]}\n",
            "take the host's own files away"},
        Bad{"spec: {storage: [{id: a, mount: {path: /var/lib}}]}\n",
            "take the host's own files away"},
        Bad{"spec: {storage: [{id: a, mount: {path: /var/lib/gpunode/x}}]}\n",
            "take the host's own files away"},
        Bad{"spec: {storage: [{id: a, mount: {path: /var/log/journal}}]}\n",
            "take the host's own files away"},
        Bad{"spec: {storage: [{id: a, mount: {path: /a/../etc}}]}\n",
            "absolute path"},
        Bad{"spec: {storage: [{id: a, mount: {path: \"/a b\"}}]}\n",
            "absolute path"},
        Bad{"spec: {storage: [{id: a, mount: {path: /lib64}}]}\n",
            "node.yaml:3:40: spec.storage[0].mount.path: a disk over /lib64"},
        Bad{"spec: {storage: [{id: a, mount: {path: /d}}]}\n",
            "must say which disks"},
        Bad{"spec: {storage: [{id: a, select: {path: /dev/nvme1n1}}]}\n",
            "node.yaml:3:41: spec.storage[0].select.path: \"/dev/nvme1n1\" is "
            "no loop device"},
        Bad{"spec: {storage: [{id: a, select: {path: /dev/loop0p1}}]}\n",
            "is no loop device"},
        Bad{"spec: {storage: [{id: a, select: {path: /dev/loop/../sda}}]}\n",
            "is no loop device"},
        Bad{"spec: {storage: [{id: a, select: {path: /dev/loop0, "
            "model: m}}]}\n",
            "by its path alone"},
        Bad{"spec: {storage: [{id: a, select: {path: /dev/loop0, "
            "minSize: 1G}}]}\n",
            "by its path alone"},
        Bad{"spec: {storage: [{id: a, users: [containerd]}]}\n",
            "node.yaml:3:33: spec.storage[0].users: \"containerd\" is no whole "
            "name of a service (did you mean \"containerd.service\"?)"},
        Bad{"spec: {storage: [{id: a, users: [sshd.service]}]}\n",
            "node.yaml:3:33: spec.storage[0].users: sshd.service is needed to "
            "get into the machine"},
        Bad{"spec: {storage: [{id: a, filesystem: {options: [noauto]}}]}\n",
            "spec.storage[0].filesystem.options: mount option \"noauto\""},
        Bad{"spec: {storage: [{id: a, select: {proof: fully}}]}\n",
            "spec.storage[0].select.proof: must be one of sampled, full"},
        Bad{"spec: {storage: [{id: proxy}]}\n",
            "spec.storage[0].id: may be anything but proxy"},
        Bad{"spec: {host: {packages: [htop, --reinstall]}}\n",
            "spec.host.packages: \"--reinstall\" is no name of a package"},
        Bad{"spec: {host: {packages: [\"../x.rpm\"]}}\n",
            "no name of a package"},
        Bad{"spec: {host: {packages: [\"a b\"]}}\n", "no name of a package"},
        Bad{"spec: {host: {packages: [\"\"]}}\n", "no name of a package"},
        Bad{"spec: {host: {packages: [\"a\\nb\"]}}\n",
            "spec.host.packages: every item must be one line without control"},
        Bad{"spec: {storage: [{id: a, users: [../x.service]}]}\n",
            "is no whole name of a service"},
        Bad{"spec: {storage: [{id: a, users: [docker.socket]}]}\n",
            "is no whole name of a service"},
        Bad{"spec: {storage: [{id: a, select: {minSize: 5Q}}]}\n",
            "must be a size"},
        Bad{"spec: {storage: [{id: a, select: {count: 2, model: m}, "
            "mount: {path: /d}}]}\n",
            "layout single takes one disk"},
        Bad{"spec: {storage: [{id: a, filesystem: {options: [\"a,b\"]}}]}\n",
            "is no mount option"},
        Bad{"spec: {storage: [{id: a, filesystem: {label: "
            "abcdefghijklmnop}}]}\n",
            "at most 12 bytes"},
        Bad{"spec: {host: {extraRepositories: maybe}}\n",
            "needed, true, false"},
        Bad{"spec: {mirrors: {epel: \"http://m\"}}\n",
            "spec.mirrors.epel: the key is no beginning of a URL"},
        Bad{"spec: {mirrors: {\"https://a\": \"http://me:x@m/\"}}\n",
            "everyone can read"},
        Bad{"spec: {mirrors: {\"https://a\": 7}}\n", "must be text"},
        Bad{"spec: {bundle: \"srv/b\"}\n", "spec.bundle: it is no absolute"},
        Bad{"spec: {bundle: \"/srv/a b\"}\n", "spec.bundle"},
        Bad{"spec: {bundle: \"/srv/../b\"}\n", "spec.bundle"},
        Bad{"spec: {proxy: {htps: x}}\n", "did you mean \"https\"?"},
        Bad{"spec: {proxy: {http: \"proxy:3128\"}}\n",
            "spec.proxy.http: it is no address of a proxy"},
        Bad{"spec: {proxy: {https: \"http://a\\nB=c\"}}\n", "spec.proxy.https"},
        Bad{"spec: {proxy: {none: \"a\\\"b\"}}\n", "no list of hosts"},
        Bad{"metadata: {name: \"a\\u001bb\"}\n", "control characters"},
        Bad{"spec: {}\nspec: {}\n", "stands there twice"},
        Bad{"spec: {}\n---\nspec: {}\n", "a second document"},
        Bad{"spec: [\n", "node.yaml"}));

TEST(SpecFile, TellsEveryProblemAtOnce) {
  const SpecReading reading =
      read("spec: {storge: [], host: {swpa: off}, zzzzzzzz: 1}\n");
  EXPECT_THAT(reading.problems, SizeIs(3));
}

TEST(SpecFile, OfAnotherKindOrVersionIsRefused) {
  EXPECT_THAT(read_spec({{"n", "kind: Pod\n"}}).problems,
              testing::Contains(HasSubstr("must be GPUNode")));
  EXPECT_THAT(read_spec({{"n", "kind: GPUNode\n"}}).problems,
              testing::Contains(HasSubstr("apiVersion: is missing")));
  EXPECT_THAT(read_spec({{"n", ""}}).problems, ElementsAre(HasSubstr("empty")));
}

TEST(SpecFile, TwoEntriesForOnePlaceAreRefused) {
  const std::string entry =
      "    - {id: a, select: {model: m}, mount: {path: /data}}\n";
  const SpecReading reading = read("spec:\n  storage:\n" + entry + entry);
  EXPECT_THAT(reading.problems,
              testing::Contains(HasSubstr("two entries have the mount path")));
  const SpecReading inside =
      read("spec:\n  storage:\n" + entry +
           "    - {id: b, select: {model: m}, mount: {path: /data/x}}\n");
  EXPECT_THAT(inside.problems, testing::Contains(HasSubstr("is inside /data")));
}

TEST(SpecDropIn, MergesMappingsAndReplacesTheRest) {
  const SpecReading reading = read_spec(
      {{"node.yaml", std::string(kHead) + kStorage},
       {"conf.d/10.yaml", "spec: {host: {swap: keep, packages: [a]}}\n"},
       {"conf.d/20.yaml", "spec: {storage: null}\n"}});
  ASSERT_THAT(reading.problems, IsEmpty());
  EXPECT_FALSE(reading.spec.host.swap_off);
  EXPECT_THAT(reading.spec.storage, IsEmpty());
}

TEST(SpecDropIn, TwoThatContradictEachOtherAreRefusedWithBothPlaces) {
  const SpecReading reading =
      read_spec({{"node.yaml", kHead},
                 {"conf.d/10.yaml", "spec: {host: {swap: keep}}\n"},
                 {"conf.d/20.yaml", "spec:\n  host:\n    swap: off\n"}});
  ASSERT_THAT(reading.problems, SizeIs(1));
  EXPECT_THAT(reading.problems.front(), HasSubstr("conf.d/20.yaml:3"));
  EXPECT_THAT(reading.problems.front(), HasSubstr("conf.d/10.yaml:1"));
  EXPECT_THAT(reading.problems.front(), HasSubstr("spec.host.swap"));
}

TEST(SpecDropIn, AProblemIsToldWithItsOwnFile) {
  const SpecReading reading = read_spec(
      {{"node.yaml", kHead}, {"conf.d/10.yaml", "spec: {host: {swap: 3}}\n"}});
  ASSERT_THAT(reading.problems, SizeIs(1));
  EXPECT_THAT(reading.problems.front(),
              testing::StartsWith("conf.d/10.yaml:1"));
}

TEST(SpecFiles, AreTheFileAndItsDropInsInOrder) {
  const host::HostTree tree{{"etc/gpunode/node.yaml", "a"},
                            {"etc/gpunode/conf.d/20-b.yaml", "c"},
                            {"etc/gpunode/conf.d/10-a.yaml", "b"},
                            {"etc/gpunode/conf.d/x.yaml.rpmsave", "no"},
                            {"etc/gpunode/conf.d/.hidden.yaml", "no"}};
  const auto found =
      find_spec_files(tree.root(), std::string(kDefaultSpecPath));
  ASSERT_TRUE(found);
  ASSERT_THAT(*found, SizeIs(3));
  EXPECT_EQ((*found)[0].text + (*found)[1].text + (*found)[2].text, "abc");
}

TEST(SpecFile, ANodeCannotMakeThePodsOfAHigherLevel) {
  const SpecReading reading = read("spec: {verify: {level: 6}}\n");
  ASSERT_THAT(reading.problems, SizeIs(1));
  EXPECT_THAT(reading.problems[0], HasSubstr("gpunode verify --level 6"));
  EXPECT_THAT(read("spec: {verify: {level: 8}}\n").problems, SizeIs(1));
  EXPECT_EQ(read("spec: {}\n").spec.verify.level, -1);
}

}  // namespace
}  // namespace gpunode::provision
