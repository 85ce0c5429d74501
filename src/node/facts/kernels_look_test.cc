#include "node/facts/kernels_look.h"

#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/fake_command_runner.h"
#include "base/host/host_tree.h"
#include "node/facts/recording.h"

namespace gpunode::facts {
namespace {

using host::FakeCommandRunner;
using host::HostTree;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr const char* kOld = "4.18.0-513.5.1.el8_9.x86_64";
constexpr const char* kNew = "4.18.0-553.22.1.el8_10.x86_64";

/// A Rocky after an update: kOld runs, kNew boots next.
class KernelsLook : public testing::Test {
 protected:
  KernelsLook() {
    facts_.kernel.release = kOld;
    facts_.os.id = "rocky";
    for (const char* release : {kOld, kNew}) {
      host_.file(std::string("boot/vmlinuz-") + release, "");
      host_.directory(std::string("lib/modules/") + release);
    }
  }

  void devel(const std::string& release, const std::string& says) const {
    const std::string tree = "usr/src/kernels/" + release;
    host_.file(tree + "/Makefile", "");
    host_.file(tree + "/include/generated/utsrelease.h",
               "#define UTS_RELEASE \"" + says + "\"\n");
    host_.link("lib/modules/" + release + "/build",
               "/usr/src/kernels/" + release);
  }

  const HostFacts& look() {
    look_at_kernels(host_.root(), runner_, {.driver = true}, facts_);
    return facts_;
  }

  /// As if this root were "/": modinfo is asked.
  const HostFacts& look_live(const std::string& line, host::Completed answer) {
    Recording recording;
    const host::HostRoot host = recorded(host_.root(), recording);
    HostFacts unused;
    unused.os = facts_.os;
    unused.kernel = facts_.kernel;
    look_at_kernels(host, runner_, {.driver = true}, unused);
    recording.is_live = true;
    runner_.script(line, std::move(answer));
    look_at_kernels(replayed(std::make_shared<Recording>(recording)), runner_,
                    {.driver = true}, facts_);
    return facts_;
  }

  HostTree host_;
  HostFacts facts_;
  FakeCommandRunner runner_;
};

TEST_F(KernelsLook, LooksOnlyWhereTheDriverIsWanted) {
  look_at_kernels(host_.root(), runner_, {}, facts_);
  EXPECT_EQ(facts_.kernels, KernelsFacts());
}

TEST_F(KernelsLook, SeesEachKernelAndWhichBootsNext) {
  devel(kOld, kOld);
  host_.file(std::string("boot/config-") + kOld,
             "CONFIG_CC_IS_GCC=y\nCONFIG_CC_VERSION_TEXT=\"gcc (GCC) 8.5.0 "
             "20210514 (Red Hat 8.5.0-20)\"\n");
  host_.file(std::string("lib/modules/") + kNew + "/config",
             "CONFIG_CC_VERSION_TEXT=\"gcc (GCC) 8.5.0 20210514 (Red Hat "
             "8.5.0-22)\"\n");
  const HostFacts& facts = look();
  ASSERT_THAT(facts.kernels.images, SizeIs(2));
  EXPECT_EQ(facts.kernels.images[0].release, kOld);
  EXPECT_TRUE(facts.kernels.images[0].has_devel);
  EXPECT_EQ(facts.kernels.images[0].compiler,
            "gcc (GCC) 8.5.0 20210514 (Red Hat 8.5.0-20)");
  EXPECT_FALSE(facts.kernels.images[1].has_devel);
  EXPECT_THAT(facts.kernels.images[1].compiler, HasSubstr("8.5.0-22"));
  EXPECT_EQ(facts.kernels.next, kNew);
  EXPECT_THAT(facts.gaps, IsEmpty());
}

TEST_F(KernelsLook, ADirectoryOfModulesWithoutAKernelIsNone) {
  host_.remove(std::string("boot/vmlinuz-") + kOld);
  host_.directory("lib/modules/5.0.0 /tmp");
  const HostFacts& facts = look();
  ASSERT_THAT(facts.kernels.images, SizeIs(1));
  EXPECT_EQ(facts.kernels.images[0].release, kNew);
}

// What the package manager leaves behind where kernel-devel was removed.
TEST_F(KernelsLook, ADanglingLinkIsNoDevel) {
  host_.link(std::string("lib/modules/") + kOld + "/build",
             "/usr/src/kernels/gone");
  const KernelImage& image = look().kernels.images[0];
  EXPECT_FALSE(image.has_devel);
  EXPECT_EQ(image.devel_release, "");
}

TEST_F(KernelsLook, DevelOfAnotherReleaseIsNone) {
  devel(kOld, kNew);
  const KernelImage& image = look().kernels.images[0];
  EXPECT_FALSE(image.has_devel);
  EXPECT_EQ(image.devel_release, kNew);
}

TEST_F(KernelsLook, HeadersWithoutAMakefileAreNoDevel) {
  devel(kOld, kOld);
  host_.remove(std::string("usr/src/kernels/") + kOld + "/Makefile");
  EXPECT_FALSE(look().kernels.images[0].has_devel);
}

TEST_F(KernelsLook, TheReleaseOfDevelMayStandInConfig) {
  const std::string tree = std::string("lib/modules/") + kOld + "/build/";
  host_.file(tree + "Makefile", "");
  host_.file(tree + "include/config/kernel.release", std::string(kOld) + "\n");
  EXPECT_TRUE(look().kernels.images[0].has_devel);
}

TEST_F(KernelsLook, TheRunningKernelSaysItsCompilerItself) {
  host_.file("proc/version",
             "Linux version 3.10.0-1160.el7.x86_64 (m@k) (gcc version 4.8.5 "
             "20150623 (Red Hat 4.8.5-44) (GCC) ) #1 SMP\n");
  EXPECT_EQ(look().kernels.images[0].compiler,
            "gcc version 4.8.5 20150623 (Red Hat 4.8.5-44) (GCC)");
  EXPECT_EQ(look().kernels.images[1].compiler, "");
}

// As Debian's linux-headers-6.1.0-56-cloud-amd64 has them.
TEST_F(KernelsLook, DebiansTreeOfHeadersTellsReleaseAndCompiler) {
  const std::string tree = std::string("lib/modules/") + kOld + "/build/";
  host_.file(tree + "Makefile", "include /usr/src/common/Makefile\n");
  host_.file(tree + "include/config/kernel.release", "4.18.0\n");
  host_.file(tree + "include/generated/utsrelease.h",
             std::string("#define UTS_RELEASE \"") + kOld + "\"\n");
  host_.file(tree + "include/config/auto.conf",
             "CONFIG_CC_IS_GCC=y\nCONFIG_CC_VERSION_TEXT=gcc-12 (Debian "
             "12.2.0-14+deb12u1) 12.2.0\n");
  const KernelImage& image = look().kernels.images[0];
  EXPECT_TRUE(image.has_devel);
  EXPECT_EQ(image.compiler, "gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0");
}

TEST(CompilerInVersion, OfTodaysKernels) {
  EXPECT_EQ(compiler_in_version(
                "Linux version 6.1.0-25-amd64 (debian-kernel@lists.debian.org) "
                "(gcc-12 (Debian 12.2.0-14) 12.2.0, GNU ld (GNU Binutils for "
                "Debian) 2.40) #1 SMP"),
            "gcc-12 (Debian 12.2.0-14) 12.2.0");
  EXPECT_EQ(compiler_in_version(""), "");
  EXPECT_EQ(compiler_in_version("Linux version 1 (a@b) (tcc 1) #1"), "");
}

TEST_F(KernelsLook, AModuleOfAHostElsewhereIsToldByItsPath) {
  const std::string path =
      std::string("/lib/modules/") + kOld + "/extra/nvidia.ko.xz";
  host_.file(path, "module");
  const HostFacts& facts = look();
  EXPECT_EQ(facts.kernels.images[0].module.path, path);
  EXPECT_EQ(facts.kernels.images[0].module.version, "");
  EXPECT_EQ(facts.kernels.images[1].module, ModuleFile());
  EXPECT_THAT(runner_.lines(), IsEmpty());
}

TEST_F(KernelsLook, ModinfoIsAskedOnceForAllModules) {
  const std::string old_path =
      std::string("/lib/modules/") + kOld + "/extra/nvidia.ko.xz";
  const std::string new_path =
      std::string("/lib/modules/") + kNew + "/extra/nvidia.ko.xz";
  host_.file(old_path, "module");
  host_.file(new_path, "no module");
  const HostFacts& facts = look_live(
      "/sbin/modinfo " + old_path + " " + new_path,
      {.status = 1,
       .out = "filename:       " + old_path +
              "\nversion:        580.65.06\nlicense:        Dual MIT/GPL\n"
              "signer:         DKMS module signing key\nsignature:      "
              "30:1:\n\t\tversion:1\nvermagic:       " +
              std::string(kOld) + " SMP mod_unload modversions \n",
       .err = "modinfo: ERROR: could not get modinfo from 'nvidia'\n"});
  EXPECT_THAT(runner_.lines(), SizeIs(1));
  EXPECT_EQ(facts.kernels.images[0].module,
            (ModuleFile{old_path, "580.65.06",
                        std::string(kOld) + " SMP mod_unload modversions",
                        "Dual MIT/GPL", "DKMS module signing key"}));
  EXPECT_EQ(facts.kernels.images[1].module.path, new_path);
  EXPECT_EQ(facts.kernels.images[1].module.version, "");
  EXPECT_THAT(facts.gaps,
              ElementsAre(HasSubstr("modinfo says nothing of " + new_path)));
}

TEST_F(KernelsLook, WithoutModulesModinfoIsNotAsked) {
  FakeCommandRunner runner;
  const host::HostRoot live("/");
  HostFacts facts;
  // Whatever this machine has: NVIDIA's module is not among it in tests.
  facts.kernel.release = kOld;
  Recording recording;
  look_at_kernels(recorded(host_.root(), recording), runner, {.driver = true},
                  facts);
  recording.is_live = true;
  HostFacts again;
  look_at_kernels(replayed(std::make_shared<Recording>(recording)), runner,
                  {.driver = true}, again);
  EXPECT_THAT(runner.lines(), IsEmpty());
}

TEST_F(KernelsLook, ABundleOfBeforeHasAGap) {
  look_at_kernels(replayed(std::make_shared<Recording>()), runner_,
                  {.driver = true}, facts_);
  EXPECT_THAT(facts_.kernels.images, IsEmpty());
  EXPECT_THAT(facts_.gaps,
              ElementsAre(HasSubstr("which kernels are installed is not known: "
                                    "list /lib/modules")));
}

}  // namespace
}  // namespace gpunode::facts
