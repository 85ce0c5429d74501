#include "node/driver/kernel_packages.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "base/core/ascii.h"
#include "node/driver/kernel_archive.h"
#include "node/driver/kernel_target.h"

namespace gpunode::driver {
namespace {

using distribution::Distribution;
using distribution::Manager;

int number_at(std::string_view text) {
  int number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

/// "8.5.0" of "gcc (GCC) 8.5.0 20210514 (Red Hat 8.5.0-20)": the first word
/// outside of brackets that begins with a digit and has a dot.
int major_in(std::string_view text) {
  int depth = 0;
  bool begins = true;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '(') ++depth;
    if (c == ')' && depth > 0) --depth;
    if (begins && depth == 0 && is_digit(c)) {
      const std::string_view word = text.substr(i, text.find(' ', i) - i);
      if (word.find('.') != std::string_view::npos) return number_at(word);
    }
    begins = c == ' ';
  }
  return 0;
}

/// "kernel-devel-4.18.0-513.5.1.el8_9.x86_64" as the package "kernel-devel" in
/// version "4.18.0-513.5.1.el8_9"; others as they are.
std::string with_version(const Distribution& row, const std::string& package,
                         const std::string& release) {
  if (row.manager == Manager::kApt) return package;
  std::string version = release.substr(0, release.find('+'));
  const std::size_t at = package.find("-" + version);
  if (at == std::string::npos) return package;
  for (const std::string_view machine : {".x86_64", ".aarch64", ".ppc64le"}) {
    if (version.ends_with(machine)) {
      version.resize(version.size() - machine.size());
    }
  }
  return package.substr(0, at) + "=" + version;
}

/// SUSE's packages have one number more than `uname -r`: 6.4.0-150600.23.7.3 is
/// 6.4.0-150600.23.7-default. The kernel that is installed tells it.
std::string with_rebuild(const facts::HostFacts& host, std::string word) {
  const std::size_t equals = word.find('=');
  const std::string version = word.substr(equals + 1);
  for (const char* kernel : {"kernel-default", "kernel-azure", "kernel-64kb"}) {
    const auto found = host.packages.find(kernel);
    if (found == host.packages.end() || !word.starts_with(kernel)) continue;
    if (found->second.version.starts_with(version + ".")) {
      return word.substr(0, equals + 1) + found->second.version;
    }
  }
  return word;
}

/// Oracle's UEK is built with a newer compiler than its system has, and cannot
/// be built for with that: gcc-toolset-N has it.
int toolset_of(const Distribution& row, const facts::HostFacts& host,
               const std::string& release) {
  if (release.find("uek") == std::string::npos) return 0;
  const facts::KernelImage* image = image_of(host, release);
  const int major = image == nullptr ? 0 : compiler_of(image->compiler).major;
  // gcc of Enterprise Linux 8, 9 and 10.
  const int own = row.version == "8" ? 8 : row.version == "9" ? 11 : 14;
  return major > own ? major : 0;
}

/// Packages of the very compiler, where it is another than the one that "gcc"
/// brings: "gcc-12" on Ubuntu 22.04 with a newer kernel, "gcc14" on Amazon.
std::vector<std::string> compiler_packages(const Distribution& row,
                                           const facts::HostFacts& host,
                                           const std::string& release) {
  if (const int toolset = toolset_of(row, host, release); toolset > 0) {
    return {fmt::format("gcc-toolset-{}-gcc", toolset),
            fmt::format("gcc-toolset-{}-gcc-c++", toolset)};
  }
  const facts::KernelImage* image = image_of(host, release);
  if (image == nullptr) return {};
  const Compiler compiler = compiler_of(image->compiler);
  if (row.manager == Manager::kApt && compiler.major > 0 &&
      compiler.name.find("gcc-") != std::string::npos &&
      is_digit(compiler.name.back())) {
    return {fmt::format("gcc-{}", compiler.major),
            fmt::format("g++-{}", compiler.major)};
  }
  // "gcc14-gcc (GCC) 14.2.1": Amazon's newer kernels.
  if (row.manager != Manager::kApt && compiler.name.ends_with("-gcc") &&
      compiler.name.size() > 4 && is_digit(compiler.name[3])) {
    const std::string package =
        compiler.name.substr(0, compiler.name.find('-'));
    return {package, package + "-c++"};
  }
  return {};
}

/// "linux-generic", "linux-image-amd64": what has no version in its name pulls
/// each newer one.
bool is_meta_of_kernels(const std::string& name) {
  if (!name.starts_with("linux-")) return false;
  std::string_view rest(name);
  rest.remove_prefix(6);
  constexpr std::array<std::string_view, 5> kNone = {"base", "libc-dev",
                                                     "firmware", "perf", "doc"};
  for (const std::string_view none : kNone) {
    if (rest.starts_with(none)) return false;
  }
  for (const std::string_view part :
       {"image-", "headers-", "modules-", "tools-", "kbuild-", "compiler-",
        "cloud-tools-", "unsigned-", "extra-"}) {
    if (rest.starts_with(part)) rest.remove_prefix(part.size());
  }
  return !rest.empty() && !is_digit(rest.front());
}

constexpr std::array<const char*, 7> kRpmKernels = {
    "kernel",     "kernel-uek",     "kernel-64k",  "kernel6.12",
    "kernel6.18", "kernel-default", "kernel-azure"};
constexpr std::array<const char*, 6> kRpmParts = {
    "", "-core", "-modules", "-modules-core", "-modules-extra", "-base"};

}  // namespace

Compiler compiler_of(std::string_view version_text) {
  Compiler compiler;
  compiler.name = version_text.substr(0, version_text.find(' '));
  const bool is_known = compiler.name.find("gcc") != std::string::npos ||
                        compiler.name.find("clang") != std::string::npos;
  if (!is_known) return {};
  compiler.major = major_in(version_text.substr(compiler.name.size()));
  return compiler;
}

std::string devel_package(const Distribution& row, const facts::HostFacts& host,
                          const std::string& release) {
  const std::string package = distribution::devel_package(row, release);
  if (row.manager == Manager::kZypper) return with_rebuild(host, package);
  return with_version(row, package, release);
}

std::string kernel_package(const Distribution& row,
                           const std::string& release) {
  std::string package =
      with_version(row, distribution::devel_package(row, release), release);
  constexpr std::string_view kHeaders = "linux-headers-";
  if (package.starts_with(kHeaders)) {
    return "linux-image-" + package.substr(kHeaders.size());
  }
  for (const std::string_view devel : {"-devel-matched", "-devel"}) {
    const std::size_t at = package.find(devel);
    if (at != std::string::npos) return package.erase(at, devel.size());
  }
  return package;
}

std::vector<std::string> missing_tools(const Distribution& row,
                                       const facts::HostFacts& host,
                                       const std::string& release) {
  std::vector<std::string> wanted(row.compilers.begin(), row.compilers.end());
  for (std::string& one : compiler_packages(row, host, release)) {
    wanted.push_back(std::move(one));
  }
  // SUSE's comes with NVIDIA's repository, which a later Step brings.
  if (!row.dkms.empty() && row.manager != Manager::kZypper) {
    wanted.emplace_back("dkms");
  }
  std::erase_if(wanted, [&](const std::string& name) {
    return host.packages.contains(name);
  });
  return wanted;
}

std::vector<std::string> missing_followers(const Distribution& row,
                                           const facts::HostFacts& host) {
  std::vector<std::string> names;
  if (row.manager != Manager::kApt) return names;
  // "linux-generic" brings both and asks for nothing.
  constexpr std::string_view kImage = "linux-image-";
  for (const auto& [name, package] : host.packages) {
    if (!name.starts_with(kImage) || !is_meta_of_kernels(name)) continue;
    // Kernels without a signature are somebody's own, one at a time.
    if (name.starts_with("linux-image-unsigned-")) continue;
    std::string headers = "linux-headers-" + name.substr(kImage.size());
    if (!host.packages.contains(headers)) names.push_back(std::move(headers));
  }
  return names;
}

std::string extra_modules_package(const Distribution& row,
                                  const std::string& release) {
  if (row.family == distribution::Family::kUbuntu) {
    return "linux-modules-extra-" + release;
  }
  // Amazon's kernel-devel has them by its side (amazon-eks-ami).
  if (row.id != "amzn") return "";
  std::string package =
      with_version(row, distribution::devel_package(row, release), release);
  constexpr std::string_view kDevel = "-devel";
  const std::size_t at = package.find(kDevel);
  if (at == std::string::npos) return "";
  return package.replace(at, kDevel.size(), "-modules-extra");
}

std::string compiler_path(const Distribution& row, const facts::HostFacts& host,
                          const std::string& release) {
  if (const int toolset = toolset_of(row, host, release); toolset > 0) {
    return fmt::format("/opt/rh/gcc-toolset-{}/root/usr/bin/gcc", toolset);
  }
  const auto packages = compiler_packages(row, host, release);
  if (packages.empty()) return "";
  // Debian's and Ubuntu's package is named like its program.
  if (row.manager == Manager::kApt) return "/usr/bin/" + packages.front();
  return "/usr/bin/" + packages.front() + "-gcc";
}

std::vector<std::string> kernel_holders(const facts::HostFacts& host) {
  std::vector<std::string> names;
  for (const auto& [name, package] : host.packages) {
    // apt removes no kernel that runs; what brings another is enough to hold.
    bool holds = is_meta_of_kernels(name);
    for (const char* kernel : kRpmKernels) {
      for (const char* part : kRpmParts) {
        holds = holds || name == std::string(kernel) + part;
      }
    }
    if (holds) names.push_back(name);
  }
  return names;
}

std::vector<std::string> package_wants() {
  std::vector<std::string> names = {"linux-*",
                                    "gcc",
                                    "gcc-c++",
                                    "g++",
                                    "make",
                                    "dkms",
                                    "elfutils-libelf-devel",
                                    "gcc14",
                                    "gcc14-c++",
                                    "kernel-64kb"};
  for (const char* kernel : kRpmKernels) {
    for (const char* part : kRpmParts) {
      names.push_back(std::string(kernel) + part);
    }
  }
  // A kernel may ask for each of them; the facts are not there yet.
  for (int major = 9; major <= 16; ++major) {
    names.push_back(fmt::format("gcc-{}", major));
    names.push_back(fmt::format("g++-{}", major));
    names.push_back(fmt::format("gcc-toolset-{}-gcc", major));
    names.push_back(fmt::format("gcc-toolset-{}-gcc-c++", major));
  }
  return names;
}

std::string archive_words(const facts::HostFacts& host,
                          std::string_view release) {
  const std::string& id = host.os.id;
  if (id == "debian" || id == "ubuntu") {
    return "say `archive: YYYYMMDD` in spec.host.kernel, a day at which it was "
           "there: it is installed from the archive of that day";
  }
  const auto archive = kernel_archive(host, release, kPointRelease);
  if (archive) {
    return fmt::format(
        "say `archive: {}` in spec.host.kernel: it is installed from {}",
        kPointRelease, archive->back().url);
  }
  // "Red Hat keeps …; next: say …": the second half is what to do.
  const std::string words = archive.error().message();
  const bool is_known = id == "rhel" || id == "amzn" || id == "fedora";
  const std::size_t next = words.find("; next: ");
  if (!is_known || next == std::string::npos) return "";
  const std::size_t begin = next + 8;
  return words.substr(begin, words.find(", and take", begin) - begin);
}

}  // namespace gpunode::driver
