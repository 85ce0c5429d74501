#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/digest/digest.h"
#include "node/provision/offline/bundle_manifest.h"
#include "node/provision/package_actions.h"
#include "node/provision/steps/runtime/runtime.h"
#include "node/provision/steps/steps.h"
#include "node/provision/steps/trial_host.h"

namespace gpunode::provision {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

constexpr const char* kRepo = "/etc/yum.repos.d/gpunode-bundle.repo";

/// A Rocky 8.9 to which a bundle was carried.
struct BundleHost : TrialHost {
  BundleHost() {
    spec.bundle = "/srv/bundle";
    manifest.distribution = "rocky";
    manifest.version = "8.10";
    manifest.machine = "x86_64";
    manifest.keys = {"RPM-GPG-KEY-a", "RPM-GPG-KEY-b"};
    carry("a sum");
  }

  void carry(const std::string& sums) {
    facts.files["/srv/bundle/bundle.json"].content = offline::to_json(manifest);
    facts.files["/srv/bundle/SHA256SUMS"].content = sums;
  }
  StepPlan bundle_plan() const { return plan(*make_prep_bundle()); }

  offline::BundleManifest manifest;
};

TEST(PrepBundle, IsNotWantedWithoutOne) {
  const TrialHost host;
  EXPECT_EQ(host.plan(*make_prep_bundle()).state, StepState::kNotWanted);
  EXPECT_EQ(package_settings(host.spec).only_repository, "");
}

TEST(PrepBundle, IsCheckedBeforeItsRepositoryIsThere) {
  BundleHost host;
  const StepPlan plan = host.bundle_plan();
  EXPECT_EQ(plan.state, StepState::kChange);
  ASSERT_THAT(plan.actions, SizeIs(2));
  EXPECT_THAT(std::get<RunProgram>(plan.actions[0]).argv,
              ElementsAre(host.spec.program, "bundle", "/srv/bundle", "--check",
                          digest::sha256("a sum")));
  const auto& file = std::get<WriteFile>(plan.actions[1]);
  EXPECT_EQ(file.path, kRepo);
  EXPECT_THAT(file.content,
              AllOf(HasSubstr("\n[gpunode-bundle]\n"),
                    HasSubstr("\nbaseurl=file:///srv/bundle/packages\n"),
                    HasSubstr("\ngpgcheck=1\n"),
                    HasSubstr("\ngpgkey=file:///srv/bundle/keys/RPM-GPG-KEY-a "
                              "file:///srv/bundle/keys/RPM-GPG-KEY-b\n")));
  host.carry_out(plan);
  EXPECT_EQ(host.bundle_plan().state, StepState::kOk);
  EXPECT_EQ(package_settings(host.spec).only_repository, "gpunode-bundle");
}

TEST(PrepBundle, ANewOneIsCheckedAnew) {
  BundleHost host;
  host.carry_out(host.bundle_plan());
  host.carry("another sum");
  const StepPlan plan = host.bundle_plan();
  EXPECT_EQ(plan.state, StepState::kChange);
  EXPECT_EQ(std::get<RunProgram>(plan.actions.at(0)).argv.back(),
            digest::sha256("another sum"));
}

TEST(PrepBundle, OfDebianIsASourceOfItsOwn) {
  BundleHost host;
  host.facts.os = {};
  host.facts.os.id = "ubuntu";
  host.facts.os.version_id = "22.04";
  host.manifest.distribution = "ubuntu";
  host.manifest.version = "22.04";
  host.carry("a sum");
  const StepPlan plan = host.bundle_plan();
  const auto& file = std::get<WriteFile>(plan.actions.at(1));
  EXPECT_EQ(file.path, "/etc/apt/sources.list.d/gpunode-bundle.list");
  EXPECT_THAT(file.content,
              HasSubstr("\ndeb [trusted=yes] file:/srv/bundle/packages ./\n"));
}

TEST(PrepBundle, ThatIsNotThereOrForAnotherHostBlocks) {
  BundleHost host;
  host.manifest.version = "9.4";
  host.carry("a sum");
  StepPlan plan = host.bundle_plan();
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.why, HasSubstr("it is for rocky 9 x86_64"));
  host.facts.files["/srv/bundle/bundle.json"].content = "rubbish";
  EXPECT_EQ(host.bundle_plan().state, StepState::kBlocked);
  host.facts.files.clear();
  plan = host.bundle_plan();
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.why, HasSubstr("no bundle at /srv/bundle"));
}

TEST(RuntimeImages, AreImportedOnceForEachBundle) {
  BundleHost host;
  const auto images = [&] { return host.plan(*make_runtime_images()); };
  EXPECT_EQ(images().state, StepState::kNotWanted);
  host.spec.runtime.is_wanted = true;
  EXPECT_EQ(images().state, StepState::kNotWanted);
  host.manifest.images = {{"registry.k8s.io/pause:3.10", "0.tar"},
                          {"ghcr.io/a/agent:1", "1.tar"}};
  host.carry("a sum");
  const StepPlan plan = images();
  EXPECT_EQ(plan.state, StepState::kChange);
  ASSERT_THAT(plan.actions, SizeIs(3));
  EXPECT_THAT(std::get<RunProgram>(plan.actions[1]).argv,
              ElementsAre("/usr/bin/ctr", "-n", "k8s.io", "images", "import",
                          "/srv/bundle/images/1.tar"));
  host.carry_out(plan);
  EXPECT_EQ(images().state, StepState::kOk);
  host.carry("another sum");
  EXPECT_THAT(images().actions, SizeIs(3));
  host.spec.bundle.clear();
  EXPECT_EQ(images().state, StepState::kNotWanted);
}

TEST(PrepBundle, AChangeByHandIsDriftAndItGoesWhenNotAskedFor) {
  BundleHost host;
  host.carry_out(host.bundle_plan());
  host.facts.files[kRepo].content = "[mine]\n";
  EXPECT_EQ(host.bundle_plan().state, StepState::kDrift);
  host.facts.files[kRepo].content = host.history.written[kRepo];
  host.spec.bundle = "";
  const StepPlan plan = host.bundle_plan();
  EXPECT_EQ(std::get<RemoveFile>(plan.actions.at(0)).path, kRepo);
  host.carry_out(plan);
  EXPECT_EQ(host.bundle_plan().state, StepState::kNotWanted);
}

}  // namespace
}  // namespace gpunode::provision
