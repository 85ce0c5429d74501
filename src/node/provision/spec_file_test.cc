#include "node/provision/spec_file.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::provision {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
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

TEST(SpecFile, ReadsWhatTheFormatPromises) {
  const SpecReading reading = read(std::string(R"(metadata: {name: g5-1}
)") + kStorage + R"(  host:
    expect: {os: "rocky 8.9", arch: x86_64}
    swap: off
    reboot: {mode: auto, max: 2}
    packages: [pciutils]
  driver: {anything: [1, 2]}
)");
  ASSERT_THAT(reading.problems, IsEmpty());
  const NodeSpec& spec = reading.spec;
  EXPECT_EQ(spec.name, "g5-1");
  EXPECT_EQ(spec.host.expect.os, "rocky 8.9");
  EXPECT_TRUE(spec.host.swap_off);
  EXPECT_EQ(spec.host.reboot.mode, RebootMode::kAuto);
  EXPECT_EQ(spec.host.reboot.max, 2);
  EXPECT_THAT(spec.host.packages, ElementsAre("pciutils"));
  EXPECT_THAT(spec.not_carried_out, ElementsAre("driver"));
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
        Bad{"spec: {host: 7}\n", "spec.host must be a mapping"},
        Bad{"spec: {storage: {id: x}}\n", "must be a list"},
        Bad{"spec: {storage: [{id: X_}]}\n", "must be a name"},
        Bad{"spec: {storage: [{id: a, mount: {path: /etc}}]}\n",
            "take the host's own files away"},
        Bad{"spec: {storage: [{id: a, mount: {path: /var/lib}}]}\n",
            "take the host's own files away"},
        Bad{"spec: {storage: [{id: a, mount: {path: /a/../etc}}]}\n",
            "absolute path"},
        Bad{"spec: {storage: [{id: a, mount: {path: \"/a b\"}}]}\n",
            "absolute path"},
        Bad{"spec: {storage: [{id: a, mount: {path: /d}}]}\n",
            "must say which disks"},
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

}  // namespace
}  // namespace gpunode::provision
