#include "container/cdi/driver_files.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/core/unique_fd.h"
#include "base/host/elf_builder.h"
#include "base/host/host_tree.h"

namespace gpunode::cdi {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;
using enum DriverCapability;

const std::string kVersion = "550.163.01";

std::string elf_named(const std::string& soname) {
  return host::ElfBuilder::build({.soname = soname});
}

// A library with its soname and the links that packages bring.
void add_library(const host::HostTree& host, const std::string& directory,
                 const std::string& stem, const std::string& soname,
                 const std::string& version = kVersion) {
  const std::string name = stem + ".so." + version;
  host.file(directory + "/" + name, elf_named(soname.empty() ? name : soname));
  if (!soname.empty()) host.link(directory + "/" + soname, name);
}

DriverFiles find(const host::HostTree& host,
                 const std::string& version = kVersion) {
  DriverSearch search;
  search.root = host.root();
  search.host = host.root();
  search.version = version;
  return find_driver_files(search);
}

std::vector<std::string> paths_of(const DriverFiles& found) {
  std::vector<std::string> paths;
  for (const DriverFile& file : found.files) paths.push_back(file.path);
  return paths;
}

std::vector<std::string> links_of(const DriverFiles& found) {
  std::vector<std::string> links;
  for (const DriverLink& link : found.links) {
    links.push_back(link.path + " -> " + link.target);
  }
  return links;
}

const DriverFile& file_at(const DriverFiles& found, const std::string& path) {
  const auto file = std::ranges::find(found.files, path, &DriverFile::path);
  EXPECT_NE(file, found.files.end()) << path;
  if (file == found.files.end()) std::abort();
  return *file;
}

TEST(DriverFiles, AreTheLibrariesOfTheVersionInEveryLayout) {
  for (const std::string directory :
       {"usr/lib64", "usr/lib/x86_64-linux-gnu", "lib64",
        "usr/lib/x86_64-linux-gnu/nvidia/current", "usr/local/nvidia/lib64",
        "run/opengl-driver/lib", "usr/lib"}) {
    const host::HostTree host;
    add_library(host, directory, "libcuda", "libcuda.so.1");
    add_library(host, directory, "libnvidia-tls", "");
    add_library(host, directory, "libnvidia-new-thing", "libnvidia-new.so.3");
    add_library(host, directory, "libcuda", "libcuda.so.2", "535.1");
    host.file(directory + "/libc.so.6", elf_named("libc.so.6"));
    const DriverFiles found = find(host);
    EXPECT_THAT(found.problems, IsEmpty());
    EXPECT_THAT(
        paths_of(found),
        ElementsAre("/" + directory + "/libcuda.so.550.163.01",
                    "/" + directory + "/libnvidia-new-thing.so.550.163.01",
                    "/" + directory + "/libnvidia-tls.so.550.163.01"));
    EXPECT_THAT(found.libcuda_directories, ElementsAre("/" + directory));
    EXPECT_THAT(found.witnesses, Contains("/" + directory));
    EXPECT_THAT(
        links_of(found),
        ElementsAre(
            "/" + directory + "/libcuda.so -> libcuda.so.1",
            "/" + directory + "/libcuda.so.1 -> libcuda.so.550.163.01",
            "/" + directory +
                "/libnvidia-new.so.3 -> libnvidia-new-thing.so.550.163.01"));
  }
}

TEST(DriverFiles, AreFoundOnceInMergedDirectories) {
  const host::HostTree host;
  add_library(host, "usr/lib64", "libcuda", "libcuda.so.1");
  host.link("lib64", "usr/lib64");
  EXPECT_THAT(paths_of(find(host)),
              ElementsAre("/usr/lib64/libcuda.so.550.163.01"));
}

TEST(DriverFiles, StandWhereLinksOfTheRootLead) {
  // As NixOS has it; the link is absolute and must stay in the root.
  const host::HostTree host;
  add_library(host, "nix/store/x/lib", "libcuda", "libcuda.so.1");
  host.directory("run/opengl-driver/lib");
  for (const char* name : {"libcuda.so.1", "libcuda.so.550.163.01"}) {
    host.link(std::string("run/opengl-driver/lib/") + name,
              std::string("/nix/store/x/lib/") + name);
  }
  const DriverFiles found = find(host);
  EXPECT_THAT(paths_of(found),
              ElementsAre("/nix/store/x/lib/libcuda.so.550.163.01"));
  EXPECT_THAT(links_of(found), Contains("/nix/store/x/lib/libcuda.so.1 -> "
                                        "libcuda.so.550.163.01"));
}

TEST(DriverFiles, TellTheVersionWhereNoModuleDoes) {
  const host::HostTree host;
  add_library(host, "usr/lib64", "libnvidia-ml", "libnvidia-ml.so.1");
  const DriverFiles found = find(host, "");
  EXPECT_EQ(found.version, kVersion);
  EXPECT_THAT(found.problems, IsEmpty());
}

TEST(DriverFiles, OfAnotherVersionThanTheModulesAreAProblem) {
  const host::HostTree host;
  add_library(host, "usr/lib64", "libcuda", "libcuda.so.1");
  const DriverFiles found = find(host, "535.1.2");
  EXPECT_EQ(found.version, kVersion);
  EXPECT_THAT(found.problems,
              ElementsAre("the loaded module is 535.1.2, but " + host.path() +
                          "/usr/lib64/libcuda.so.550.163.01 is not of it; the "
                          "driver was probably upgraded: reboot, or reload the "
                          "modules"));
}

TEST(DriverFiles, OfAnEmptyRootAreNoneWithTheReason) {
  const host::HostTree host;
  const DriverFiles empty = find(host);
  EXPECT_EQ(empty.version, "");
  EXPECT_THAT(empty.files, IsEmpty());
  host.directory("usr/lib64");
  const DriverFiles found = find(host);
  EXPECT_THAT(
      found.problems,
      ElementsAre("no libcuda.so.<version> and no libnvidia-ml.so.<version> "
                  "under " +
                  host.path() + " (looked in " + host.path() + "/, " +
                  host.path() + "/usr/lib64)"));
}

TEST(DriverFiles, MakeLinksOnlyThatTheHostHasOrTheDriverNeeds) {
  const host::HostTree host;
  const std::string lib = "usr/lib64";
  add_library(host, lib, "libcuda", "libcuda.so.1");
  add_library(host, lib, "libnvidia-opticalflow", "libnvidia-opticalflow.so.1");
  add_library(host, lib, "libGLX_nvidia", "libGLX_nvidia.so.0");
  add_library(host, lib, "libnvidia-encode", "libnvidia-encode.so.1");
  host.link(lib + "/libnvidia-encode.so", "libnvidia-encode.so.1");
  add_library(host, lib, "libnvidia-vulkan-producer", "");
  add_library(host, lib, "libnvidia-glcore", "");
  host.link(lib + "/libnvidia-glcore.so", "libnvidia-glcore.so." + kVersion);
  // Sonames that are no names.
  host.file(lib + "/libevil.so." + kVersion, elf_named("../../etc/passwd"));
  host.file(lib + "/libodd.so." + kVersion, elf_named("passwd"));
  // No ELF; what stands beside it tells.
  host.file(lib + "/libtext.so." + kVersion, "text");
  host.link(lib + "/libtext.so.1", "libtext.so." + kVersion);
  EXPECT_THAT(
      links_of(find(host)),
      ElementsAre(
          "/usr/lib64/libGLX_indirect.so.0 -> libGLX_nvidia.so.550.163.01",
          "/usr/lib64/libGLX_nvidia.so.0 -> libGLX_nvidia.so.550.163.01",
          "/usr/lib64/libcuda.so -> libcuda.so.1",
          "/usr/lib64/libcuda.so.1 -> libcuda.so.550.163.01",
          "/usr/lib64/libnvidia-encode.so -> libnvidia-encode.so.1",
          "/usr/lib64/libnvidia-encode.so.1 -> libnvidia-encode.so.550.163.01",
          "/usr/lib64/libnvidia-glcore.so -> libnvidia-glcore.so.550.163.01",
          "/usr/lib64/libnvidia-opticalflow.so -> libnvidia-opticalflow.so.1",
          "/usr/lib64/libnvidia-opticalflow.so.1 -> "
          "libnvidia-opticalflow.so.550.163.01",
          "/usr/lib64/libnvidia-vulkan-producer.so -> "
          "libnvidia-vulkan-producer.so.550.163.01",
          "/usr/lib64/libtext.so.1 -> libtext.so.550.163.01"));
}

TEST(DriverFiles, KnowWhoNeedsThem) {
  const host::HostTree host;
  const std::string lib = "usr/lib64";
  for (const char* stem :
       {"libcuda", "libnvidia-ml", "libnvcuvid", "libnvidia-glcore",
        "libnvidia-ngx", "libnvidia-gpucomp", "libnvidia-unheard-of"}) {
    add_library(host, lib, stem, "");
  }
  const DriverFiles found = find(host);
  const auto granted = [&found](DriverCapabilities requested) {
    std::string names;
    for (const DriverFile& file : found.files) {
      if (!file.is_granted(requested)) continue;
      const std::size_t start = file.path.rfind('/') + 1;
      names += file.path.substr(start, file.path.find(".so") - start) + " ";
    }
    return names;
  };
  EXPECT_EQ(granted({kCompute}),
            "libcuda libnvidia-gpucomp libnvidia-unheard-of ");
  EXPECT_EQ(granted({kUtility}), "libnvidia-ml libnvidia-unheard-of ");
  EXPECT_EQ(granted({kVideo}), "libnvcuvid libnvidia-unheard-of ");
  EXPECT_EQ(granted({kDisplay}),
            "libnvidia-glcore libnvidia-gpucomp libnvidia-unheard-of ");
  EXPECT_EQ(granted({kNgx}), "libnvidia-ngx libnvidia-unheard-of ");
  EXPECT_EQ(granted({kCompat32}), "");
  EXPECT_EQ(granted({}), "");
}

TEST(DriverFiles, Of32BitsAreForCompat32Only) {
  const host::HostTree host;
  add_library(host, "usr/lib64", "libcuda", "libcuda.so.1");
  // Red Hat's 32-bit directory; the header tells.
  host.file(
      "usr/lib/libcuda.so." + kVersion,
      host::ElfBuilder::build({.soname = "libcuda.so.1", .machine = EM_386}));
  const DriverFiles found = find(host);
  const DriverFile& small = file_at(found, "/usr/lib/libcuda.so.550.163.01");
  EXPECT_TRUE(small.is_32bit);
  EXPECT_FALSE(small.is_granted(DriverCapabilities::all_64bit()));
  EXPECT_TRUE(small.is_granted(DriverCapabilities::all()));
  EXPECT_FALSE(small.is_granted({kCompat32, kUtility}));
  EXPECT_THAT(found.libcuda_directories, ElementsAre("/usr/lib64"));
}

TEST(DriverFiles, IncludeVdpauAndGraphics) {
  const host::HostTree host;
  const std::string lib = "usr/lib/x86_64-linux-gnu";
  add_library(host, lib, "libcuda", "libcuda.so.1");
  add_library(host, lib + "/vdpau", "libvdpau_nvidia", "libvdpau_nvidia.so.1");
  add_library(host, lib, "libnvidia-egl-wayland", "libnvidia-egl-wayland.so.1",
              "1.1.13");
  // No gbm/ on the host: its Mesa has no backends, or is not installed.
  add_library(host, lib, "libnvidia-allocator", "libnvidia-allocator.so.1");
  host.file(lib + "/nvidia/xorg/nvidia_drv.so", "x");
  host.file(
      "usr/lib/xorg/modules/extensions/libglxserver_nvidia.so." + kVersion,
      "x");
  host.file("usr/share/glvnd/egl_vendor.d/10_nvidia.json", "{}");
  host.file("usr/share/vulkan/icd.d/nvidia_icd.json", "{}");
  host.file("etc/OpenCL/vendors/nvidia.icd", "x");
  const DriverFiles found = find(host);
  EXPECT_THAT(
      paths_of(found),
      ElementsAre(
          "/etc/OpenCL/vendors/nvidia.icd", "/etc/vulkan/icd.d/nvidia_icd.json",
          "/usr/lib/x86_64-linux-gnu/libcuda.so.550.163.01",
          "/usr/lib/x86_64-linux-gnu/libnvidia-allocator.so.550.163.01",
          "/usr/lib/x86_64-linux-gnu/libnvidia-egl-wayland.so.1.1.13",
          "/usr/lib/x86_64-linux-gnu/nvidia/xorg/nvidia_drv.so",
          "/usr/lib/x86_64-linux-gnu/vdpau/libvdpau_nvidia.so.550.163.01",
          "/usr/lib/xorg/modules/extensions/libglxserver_nvidia.so.550.163.01",
          "/usr/share/glvnd/egl_vendor.d/10_nvidia.json"));
  EXPECT_EQ(file_at(found, "/etc/vulkan/icd.d/nvidia_icd.json").source,
            "/usr/share/vulkan/icd.d/nvidia_icd.json");
  EXPECT_TRUE(
      file_at(found, "/etc/OpenCL/vendors/nvidia.icd").is_granted({kCompute}));
  EXPECT_THAT(links_of(found),
              testing::IsSupersetOf(
                  {"/usr/lib/x86_64-linux-gnu/gbm/nvidia-drm_gbm.so -> "
                   "../libnvidia-allocator.so.1",
                   "/usr/lib/xorg/modules/extensions/libglxserver_nvidia.so -> "
                   "libglxserver_nvidia.so.550.163.01"}));
}

// A container without a shell could not run it, nor has it what it wraps.
TEST(DriverFiles, PassOverAScriptInFrontOfAProgram) {
  const host::HostTree host;
  add_library(host, "usr/lib64", "libcuda", "libcuda.so.1");
  host.file("usr/bin/nvidia-smi",
            "#!/bin/sh\nexec /usr/local/nvidia/bin/nvidia-smi \"$@\"\n");
  host.file("usr/local/nvidia/bin/nvidia-smi", "x");
  const DriverFiles found = find(host);
  EXPECT_THAT(paths_of(found), Not(Contains("/usr/bin/nvidia-smi")));
  EXPECT_THAT(paths_of(found), Contains("/usr/local/nvidia/bin/nvidia-smi"));
}

TEST(DriverFiles, IncludeProgramsBehindAlternativesLinks) {
  const host::HostTree host;
  add_library(host, "usr/lib64", "libcuda", "libcuda.so.1");
  host.file("usr/lib/nvidia/current/nvidia-smi", "x");
  host.link("etc/alternatives/nvidia-smi",
            "/usr/lib/nvidia/current/nvidia-smi");
  host.link("usr/bin/nvidia-smi", "/etc/alternatives/nvidia-smi");
  host.file("usr/local/nvidia/bin/nvidia-debugdump", "x");
  host.directory("usr/bin/nvidia-persistenced");
  const DriverFiles found = find(host);
  EXPECT_EQ(file_at(found, "/usr/bin/nvidia-smi").source,
            "/usr/lib/nvidia/current/nvidia-smi");
  EXPECT_EQ(file_at(found, "/usr/local/nvidia/bin/nvidia-debugdump").kind,
            DriverFile::Kind::kBinary);
  EXPECT_THAT(paths_of(found), Not(Contains("/usr/bin/nvidia-persistenced")));
}

TEST(DriverFiles, IncludeFirmwareWhereTheKernelLooksFirst) {
  const host::HostTree host{
      {"proc/sys/kernel/osrelease", "6.1.0\n"},
      {"sys/module/firmware_class/parameters/path", "\n"},
      {"lib/firmware/6.1.0/nvidia/550.163.01/gsp_ga10x.bin", "x"},
      {"lib/firmware/nvidia/550.163.01/gsp_tu10x.bin", "x"},
      {"opt/fw/nvidia/550.163.01/gsp_ga10x.bin", "x"},
      {"opt/fw/nvidia/550.163.01/readme", "x"}};
  add_library(host, "usr/lib64", "libcuda", "libcuda.so.1");
  EXPECT_THAT(paths_of(find(host)),
              ElementsAre("/lib/firmware/6.1.0/nvidia/550.163.01/gsp_ga10x.bin",
                          "/usr/lib64/libcuda.so.550.163.01"));
  host.file("sys/module/firmware_class/parameters/path", "/opt/fw\n");
  EXPECT_THAT(paths_of(find(host)),
              ElementsAre("/opt/fw/nvidia/550.163.01/gsp_ga10x.bin",
                          "/usr/lib64/libcuda.so.550.163.01"));
}

UniqueFd listen_at(const std::string& path) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  EXPECT_LT(path.size(), sizeof address.sun_path);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  EXPECT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address),
                   sizeof address),
            0);
  return fd;
}

TEST(DriverFiles, IncludeSocketsAndTheMpsDirectory) {
  const host::HostTree host;
  add_library(host, "usr/lib64", "libcuda", "libcuda.so.1");
  host.directory("run/nvidia-persistenced");
  host.directory("tmp/nvidia-mps");
  host.file("run/nvidia-fabricmanager/socket", "a file, not a socket");
  const UniqueFd fd = listen_at(host.path("run/nvidia-persistenced/socket"));
  const DriverFiles found = find(host);
  EXPECT_THAT(paths_of(found),
              ElementsAre("/run/nvidia-persistenced/socket", "/tmp/nvidia-mps",
                          "/usr/lib64/libcuda.so.550.163.01"));
  EXPECT_EQ(file_at(found, "/tmp/nvidia-mps").kind, DriverFile::Kind::kSocket);
}

TEST(DriverFiles, IncludeAdditionalLibraries) {
  const host::HostTree host;
  add_library(host, "usr/lib64", "libcuda", "libcuda.so.1");
  add_library(host, "opt/extra", "libextra", "libextra.so.2", "2.5");
  host.file("usr/lib64/libplugin.so", elf_named("libplugin.so"));
  DriverSearch search;
  search.root = host.root();
  search.host = host.root();
  search.additional_libraries = {"/opt/extra/libextra.so.2.5", "libplugin.so*",
                                 "libnone.so*"};
  const DriverFiles found = find_driver_files(search);
  EXPECT_THAT(paths_of(found), ElementsAre("/opt/extra/libextra.so.2.5",
                                           "/usr/lib64/libcuda.so.550.163.01",
                                           "/usr/lib64/libplugin.so"));
  EXPECT_THAT(links_of(found),
              Contains("/opt/extra/libextra.so.2 -> libextra.so.2.5"));
  EXPECT_THAT(found.problems,
              ElementsAre("additional library libnone.so* is not there"));
}

TEST(DriverFiles, IncludeLoadersWhenAsked) {
  const host::HostTree host;
  add_library(host, "usr/lib64", "libcuda", "libcuda.so.1");
  add_library(host, "usr/lib64", "libEGL", "libEGL.so.1", "1.1.0");
  EXPECT_THAT(paths_of(find(host)),
              ElementsAre("/usr/lib64/libcuda.so.550.163.01"));
  DriverSearch search;
  search.root = host.root();
  search.host = host.root();
  search.with_loader_libraries = true;
  const DriverFiles found = find_driver_files(search);
  EXPECT_THAT(paths_of(found), Contains("/usr/lib64/libEGL.so.1.1.0"));
  EXPECT_THAT(links_of(found),
              Contains("/usr/lib64/libEGL.so.1 -> libEGL.so.1.1.0"));
}

TEST(DriverFiles, OfAHostileRootStayInIt) {
  const host::HostTree host;
  add_library(host, "usr/lib64", "libcuda", "libcuda.so.1");
  host.link("usr/lib64/libout.so." + kVersion, "../../../../etc/hostname");
  host.link("usr/lib64/libabs.so." + kVersion, "/etc/hostname");
  host.link("usr/bin/nvidia-smi", "/proc/self/exe");
  EXPECT_THAT(paths_of(find(host)),
              ElementsAre("/usr/lib64/libcuda.so.550.163.01"));
}

}  // namespace
}  // namespace gpunode::cdi
