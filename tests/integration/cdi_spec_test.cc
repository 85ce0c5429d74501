// The program's CDI specs of whole hosts, against files that people have read.
// GPUNODE_UPDATE_GOLDEN=1 writes those files anew.
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/command_runner.h"
#include "base/host/elf_builder.h"
#include "base/host/host_tree.h"
#include "tests/doubles/nvml/driver_tree.h"

namespace gpunode::integration {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

host::Completed gpunode(std::vector<std::string> arguments) {
  host::Command command;
  command.argv = {GPUNODE_PROGRAM};
  command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
  host::SystemCommandRunner runner;
  auto completed = runner.run(command);
  EXPECT_TRUE(completed) << completed.error().message();
  return completed ? *std::move(completed) : host::Completed{};
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

bool can_make_nodes() {
  const host::HostTree tree;
  const std::string path = tree.path("node");
  return ::mknod(path.c_str(), S_IFCHR | 0600, makedev(1, 3)) == 0;
}

// A host as the kernel's side of a profile makes it, and a driver's packages.
class SimulatedHost {
 public:
  explicit SimulatedHost(const std::string& profile) {
    const std::string path =
        std::string(FAKE_NVML_PROFILES) + "/" + profile + ".json";
    const auto loaded = fake_nvml::load_profile(path);
    EXPECT_TRUE(loaded) << loaded.error().message();
    if (!loaded) std::abort();
    version_ = loaded->driver_version;
    const auto laid =
        fake_nvml::lay_driver_tree(*loaded, {tree_.path(), path, "", {}});
    EXPECT_TRUE(laid) << laid.error().message();
    // nvidia-modeset is loaded too.
    std::string devices = read_file(tree_.path("proc/devices"));
    const std::string before = "195 nvidiactl\n";
    devices.insert(devices.find(before), "195 nvidia-modeset\n");
    tree_.file("proc/devices", devices);
  }

  const host::HostTree& tree() const { return tree_; }
  const std::string& root() const { return tree_.path(); }

  // The libraries of a driver in `directory`, with programs and firmware of
  // the root `at`.
  void install(const std::string& directory, const std::string& at = "") const {
    struct Library {
      const char* stem;
      const char* soname;  // Empty: its file's name.
    };
    for (const Library& library :
         {Library{"libcuda", "libcuda.so.1"},
          Library{"libnvidia-ml", "libnvidia-ml.so.1"},
          Library{"libnvidia-encode", "libnvidia-encode.so.1"},
          Library{"libnvidia-ptxjitcompiler", "libnvidia-ptxjitcompiler.so.1"},
          Library{"libnvidia-glcore", ""},
          Library{"libGLX_nvidia", "libGLX_nvidia.so.0"}}) {
      const std::string name = std::string(library.stem) + ".so." + version_;
      const std::string soname = *library.soname == 0 ? name : library.soname;
      tree_.file(directory + "/" + name,
                 host::ElfBuilder::build({.soname = soname}));
      if (soname != name) tree_.link(directory + "/" + soname, name);
    }
    for (const char* program : {"nvidia-smi", "nvidia-persistenced"}) {
      tree_.file(at + "usr/bin/" + program, "program");
    }
    tree_.file(at + "lib/firmware/nvidia/" + version_ + "/gsp_ga10x.bin", "x");
    tree_.file(at + "usr/share/glvnd/egl_vendor.d/10_nvidia.json", "{}");
  }

 private:
  host::HostTree tree_;
  std::string version_;
};

// Where nodes cannot be made, the spec tells them from /proc/devices, with
// their type; nothing else may differ.
std::string without_types(std::string text) {
  for (const std::string line :
       {"              type: c\n", "          type: c\n"}) {
    for (std::size_t at = text.find(line); at != std::string::npos;
         at = text.find(line)) {
      text.erase(at, line.size());
    }
  }
  return text;
}

void expect_golden(const std::string& name, const host::Completed& completed) {
  ASSERT_EQ(completed.status, 0) << completed.err;
  const std::string actual =
      can_make_nodes() ? completed.out : without_types(completed.out);
  const std::string path = std::string(CDI_GOLDEN) + "/" + name + ".yaml";
  // NOLINTNEXTLINE(concurrency-mt-unsafe): no thread writes it.
  if (std::getenv("GPUNODE_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path, std::ios::binary) << actual;
  }
  EXPECT_EQ(actual, read_file(path)) << "see " << path;
}

TEST(CdiSpec, OfAnA10gOnDebian) {
  const SimulatedHost host("a10g-x1");
  host.install("usr/lib/x86_64-linux-gnu");
  expect_golden("a10g-x1-debian",
                gpunode({"cdi", "generate", "--root", host.root()}));
}

TEST(CdiSpec, OfFourT4sWithNvidiasHooks) {
  const SimulatedHost host("t4-x4");
  host.install("usr/lib/x86_64-linux-gnu");
  expect_golden(
      "t4-x4-nvidia-hooks",
      gpunode({"cdi", "generate", "--root", host.root(),
               "--nvidia-cdi-hook-path", "/usr/bin/nvidia-cdi-hook"}));
}

TEST(CdiSpec, OfEightA100sWithMigOnRedHat) {
  const SimulatedHost host("a100-x8-mig-mixed");
  host.install("usr/lib64");
  const auto completed = gpunode({"cdi", "generate", "--root", host.root()});
  expect_golden("a100-x8-mig-redhat", completed);
  EXPECT_THAT(completed.err, HasSubstr("named by index only"));
}

TEST(CdiSpec, OfADriverContainer) {
  const SimulatedHost host("a10g-x1");
  host.install("run/nvidia/driver/usr/lib64", "run/nvidia/driver/");
  expect_golden(
      "a10g-x1-driver-container",
      gpunode({"cdi", "generate", "--root", host.root(), "--driver-root",
               "/run/nvidia/driver", "--dev-root", "/"}));
}

TEST(CdiSpec, OfAnEmptyRootIsOneLineOfReason) {
  const host::HostTree empty;
  const auto completed = gpunode({"cdi", "generate", "--root", empty.path()});
  EXPECT_EQ(completed.status, 1);
  EXPECT_THAT(completed.out, IsEmpty());
  EXPECT_THAT(completed.err,
              StartsWith("gpunode: error: no NVIDIA kernel module is loaded"));
  EXPECT_EQ(std::count(completed.err.begin(), completed.err.end(), '\n'), 1);
}

TEST(CdiSpec, WithoutLibrariesIsOneLineOfReason) {
  const SimulatedHost host("a10g-x1");
  const auto completed = gpunode({"cdi", "generate", "--root", host.root()});
  EXPECT_EQ(completed.status, 1);
  EXPECT_THAT(completed.err,
              StartsWith("gpunode: error: no libcuda.so.<version>"));
}

TEST(CdiRefresh, TellsWhatCameAndWent) {
  const SimulatedHost host("t4-x4");
  host.install("usr/lib64");
  const std::vector<std::string> refresh = {
      "cdi",  "refresh", "--root", host.root(), "--device-name-strategy",
      "index"};
  const auto first = gpunode(refresh);
  EXPECT_EQ(first.status, 0) << first.err;
  EXPECT_EQ(first.out,
            "+ nvidia.com/gpu=0\n+ nvidia.com/gpu=1\n+ nvidia.com/gpu=2\n"
            "+ nvidia.com/gpu=3\n+ nvidia.com/gpu=all\n");
  const auto listed = gpunode({"cdi", "list", "--root", host.root()});
  EXPECT_EQ(listed.out,
            "nvidia.com/gpu=0\nnvidia.com/gpu=1\nnvidia.com/gpu=2\n"
            "nvidia.com/gpu=3\nnvidia.com/gpu=all\n");
  EXPECT_TRUE(host.tree().root().exists("/run/gpunode/inventory"));

  const auto second = gpunode(refresh);
  EXPECT_EQ(second.out, "");
  EXPECT_THAT(second.err, HasSubstr("is up to date"));

  // A GPU falls off the bus.
  const auto gpus =
      host.tree().root().list_directory("/proc/driver/nvidia/gpus");
  ASSERT_TRUE(gpus);
  host.tree().remove("proc/driver/nvidia/gpus/" + gpus->back());
  EXPECT_EQ(gpunode(refresh).out, "- nvidia.com/gpu=3\n");

  // The driver goes.
  host.tree().remove("proc/driver");
  const auto gone = gpunode(refresh);
  EXPECT_EQ(gone.status, 0);
  EXPECT_EQ(gone.out,
            "- nvidia.com/gpu=0\n- nvidia.com/gpu=1\n- nvidia.com/gpu=2\n"
            "- nvidia.com/gpu=all\n");
  EXPECT_THAT(gone.err, HasSubstr("removed " + host.root() +
                                  "/var/run/cdi/nvidia.yaml: no NVIDIA kernel "
                                  "module is loaded"));
  EXPECT_FALSE(host.tree().root().exists("/var/run/cdi/nvidia.yaml"));
  EXPECT_FALSE(host.tree().root().exists("/run/gpunode/inventory"));
  EXPECT_EQ(gpunode(refresh).status, 0);
}

TEST(CdiRefresh, LeavesASpecOfAnotherKindAlone) {
  const host::HostTree host{
      {"var/run/cdi/nvidia.yaml",
       "cdiVersion: 0.3.0\nkind: other.com/nic\ndevices: [{name: x, "
       "containerEdits: {env: [A=1]}}]\n"}};
  const auto completed = gpunode({"cdi", "refresh", "--root", host.path()});
  EXPECT_EQ(completed.status, 0);
  EXPECT_THAT(completed.err, HasSubstr("is of other.com/nic and stays"));
  EXPECT_TRUE(host.root().exists("/var/run/cdi/nvidia.yaml"));
}

TEST(CdiList, TellsProblemsBesideDevices) {
  const host::HostTree host{
      {"etc/cdi/a.yaml",
       "cdiVersion: 0.3.0\nkind: a.b/c\ndevices: [{name: x, containerEdits: "
       "{env: [A=1]}}]\n"},
      {"etc/cdi/b.json", "{}"}};
  const auto text = gpunode({"cdi", "list", "--root", host.path()});
  EXPECT_EQ(text.status, 0);
  EXPECT_EQ(text.out, "a.b/c=x\n");
  EXPECT_EQ(text.err,
            "gpunode: warning: /etc/cdi/b.json:1:1: cdiVersion is missing\n"
            "gpunode: found 1 CDI devices\n");
  const auto json = gpunode({"cdi", "list", "--json", "--root", host.path()});
  EXPECT_EQ(json.out,
            R"({"problem":"/etc/cdi/b.json:1:1: cdiVersion is missing"})"
            "\n"
            R"({"name":"a.b/c=x","spec":"/etc/cdi/a.yaml"})"
            "\n");
}

TEST(CdiTransform, MovesASpecToAnotherRoot) {
  const host::HostTree tree{
      {"in.json",
       R"({"cdiVersion":"0.3.0","kind":"a.b/c","devices":[{"name":"x",)"
       R"("containerEdits":{"mounts":[{"hostPath":"/r/lib/x",)"
       R"("containerPath":"/lib/x"}]}}]})"}};
  const auto completed =
      gpunode({"cdi", "transform", "root", "--from", "/r", "--to", "/other",
               "--input", tree.path("in.json"), "--output", "-"});
  EXPECT_EQ(completed.status, 0) << completed.err;
  EXPECT_EQ(completed.out,
            R"({"cdiVersion":"0.3.0","kind":"a.b/c","devices":[{"name":"x",)"
            R"("containerEdits":{"mounts":[{"hostPath":"/other/lib/x",)"
            R"("containerPath":"/lib/x"}]}}]})");
  const auto written = gpunode(
      {"cdi", "transform", "root", "--from", "/r", "--to", "/other", "--input",
       tree.path("in.json"), "--output", tree.path("new/out.yaml")});
  EXPECT_EQ(written.status, 0) << written.err;
  EXPECT_THAT(read_file(tree.path("new/out.yaml")), StartsWith("---\n"));
}

TEST(Command, TellsItsVersionEitherWay) {
  const auto verb = gpunode({"version"});
  EXPECT_EQ(verb.status, 0);
  EXPECT_THAT(verb.out, StartsWith("gpunode "));
  const auto flag = gpunode({"--version"});
  EXPECT_EQ(flag.status, 0);
  EXPECT_EQ(flag.out, verb.out);
}

struct Refused {
  std::vector<std::string> arguments;
  int status;
  std::string line;
};

class BadCdiCommand : public testing::TestWithParam<Refused> {};

TEST_P(BadCdiCommand, IsRefusedWithOneLine) {
  const auto completed = gpunode(GetParam().arguments);
  EXPECT_EQ(completed.status, GetParam().status);
  EXPECT_EQ(completed.out, "");
  EXPECT_EQ(completed.err, "gpunode: error: " + GetParam().line + "\n");
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, BadCdiCommand,
    testing::Values(
        Refused{{"cdi", "generate", "--mode", "foo"},
                64,
                "invalid discovery mode: foo"},
        Refused{{"cdi", "refresh", "--output", "-"},
                64,
                "refresh keeps a file: to see a spec, use gpunode cdi "
                "generate"},
        Refused{{"cdi", "generate", "--format", "xml"},
                64,
                "invalid output format: xml"},
        Refused{{"cdi", "generate", "--enable-hook", "all"},
                64,
                "enabling all hooks is not supported"},
        Refused{{"cdi", "generate", "--disable-hook", "foo"},
                64,
                "unknown hook to disable: foo"},
        Refused{{"cdi", "generate", "--device-name-strategy", "foo"},
                64,
                "invalid device name strategy: foo"},
        Refused{{"cdi", "generate", "--driver-capabilities", "compute,foo"},
                64,
                "invalid driver capability: foo; they are compute,utility,"
                "video,graphics,display,ngx,compat32, or all"},
        Refused{{"cdi", "transform", "root", "--from", "/a"},
                64,
                "--from and --to are needed"},
        Refused{{"cdi", "transform", "root", "--from", "/a", "--to", "/b",
                 "--input", "/nowhere/x"},
                1,
                "open /nowhere/x: no such file or directory"},
        Refused{{"cdi", "transform", "root", "--from", "/a", "--to", "/b"},
                1,
                "standard input: empty; not a CDI spec"}));

}  // namespace
}  // namespace gpunode::integration
