// For tests: distributions as they come, for every one that has a plan in
// tests/fixtures/driver_plans.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "node/provision/steps/driver/trial_machines.h"

namespace gpunode::provision {

/// A distribution as it comes: its kernel, and the next one.
struct TrialDistribution {
  const char* id;
  const char* version;
  const char* kernel;
  const char* next_kernel;
  /// "name=version" of packages that bring kernels.
  std::vector<std::string> packages;
  const char* compiler = "gcc (GCC) 11.5.0 20240719";
  /// Of a key that this version does not know: the file says it.
  bool says_key = false;
  /// The file that this one is the same as.
  const char* like = nullptr;

  std::string name() const {
    return fmt::format("{}-{}{}", id, version, says_key ? "-with-a-key" : "");
  }
};

inline std::vector<std::string> kernels(const std::string& version,
                                        std::vector<std::string> names) {
  for (std::string& name : names) name += "=" + version;
  return names;
}

inline TrialDistribution el8(const char* id, const char* like = nullptr) {
  return {
      id,
      "8",
      "4.18.0-553.el8_10.x86_64",
      "4.18.0-553.22.1.el8_10.x86_64",
      kernels("4.18.0-553.el8_10", {"kernel", "kernel-core", "kernel-modules"}),
      "gcc (GCC) 8.5.0 20210514 (Red Hat 8.5.0-22)",
      false,
      like};
}

inline TrialDistribution el9(const char* id, const char* like = nullptr) {
  return {id,
          "9",
          "5.14.0-570.12.1.el9_6.x86_64",
          "5.14.0-570.25.1.el9_6.x86_64",
          kernels("5.14.0-570.12.1.el9_6",
                  {"kernel", "kernel-core", "kernel-modules",
                   "kernel-modules-core"}),
          "gcc (GCC) 11.5.0 20240719 (Red Hat 11.5.0-5)",
          false,
          like};
}

inline TrialDistribution el10(bool says_key) {
  return {"rhel",
          "10",
          "6.12.0-55.9.1.el10_0.x86_64",
          "6.12.0-55.20.1.el10_0.x86_64",
          kernels("6.12.0-55.9.1.el10_0",
                  {"kernel", "kernel-core", "kernel-modules",
                   "kernel-modules-core"}),
          "gcc (GCC) 14.2.1 20250110",
          says_key};
}

inline TrialDistribution fedora(const char* version) {
  return {"fedora", version, "6.15.10-200.fc42.x86_64",
          "6.16.3-200.fc42.x86_64",
          kernels("6.15.10-200.fc42", {"kernel", "kernel-core"})};
}

inline std::vector<TrialDistribution> trial_distributions() {
  std::vector<TrialDistribution> all = {
      {"rhel", "7", "3.10.0-1160.el7.x86_64", "3.10.0-1160.119.1.el7.x86_64",
       kernels("3.10.0-1160.el7", {"kernel"})},
      {"centos", "7", "3.10.0-1160.el7.x86_64", "3.10.0-1160.119.1.el7.x86_64",
       kernels("3.10.0-1160.el7", {"kernel"}), "gcc (GCC) 11.5.0 20240719",
       false, "rhel-7"},
      el8("rhel"),
      el8("almalinux", "rhel-8"),
      el8("centos", "rhel-8"),
      el8("rocky", "rhel-8"),
      // Oracle's own kernel, which its own gcc cannot build for.
      {"ol", "8", "5.15.0-308.179.6.el8uek.x86_64",
       "5.15.0-310.184.5.el8uek.x86_64",
       kernels("5.15.0-308.179.6.el8uek",
               {"kernel-uek", "kernel-uek-core", "kernel-uek-modules"}),
       "gcc (GCC) 11.2.1 20220127 (Red Hat 11.2.1-9.2.0.1)"},
      {"ol", "9", "5.15.0-310.184.5.2.el9uek.x86_64",
       "5.15.0-311.185.9.el9uek.x86_64",
       kernels("5.15.0-310.184.5.2.el9uek",
               {"kernel-uek", "kernel-uek-core", "kernel-uek-modules"}),
       "gcc (GCC) 11.4.1 20231218 (Red Hat 11.4.1-3.0.1)"},
      el9("rhel"),
      el9("rocky", "rhel-9"),
      el9("almalinux", "rhel-9"),
      el9("centos", "rhel-9"),
      el10(false),
      el10(true),
      {"amzn", "2", "4.14.355-280.672.amzn2.x86_64",
       "4.14.355-281.714.amzn2.x86_64",
       kernels("4.14.355-280.672.amzn2", {"kernel"})},
      {"amzn", "2023", "6.1.147-172.266.amzn2023.x86_64",
       "6.1.148-173.267.amzn2023.x86_64",
       kernels("6.1.147-172.266.amzn2023", {"kernel"})},
      fedora("42"),
      fedora("43"),
      fedora("44"),
      {"ubuntu", "20.04", "5.4.0-200-generic", "5.4.0-216-generic",
       kernels("5.4.0.200.198", {"linux-generic", "linux-headers-generic",
                                 "linux-image-generic"}),
       "gcc (Ubuntu 9.4.0-1ubuntu1~20.04.2) 9.4.0"},
      {"ubuntu", "22.04", "5.15.0-151-generic", "5.15.0-153-generic",
       kernels("5.15.0.151.151", {"linux-generic", "linux-headers-generic",
                                  "linux-image-generic"}),
       "gcc (Ubuntu 11.4.0-1ubuntu1~22.04) 11.4.0"},
      {"ubuntu", "24.04", "6.8.0-79-generic", "6.8.0-83-generic",
       kernels("6.8.0-79.79", {"linux-generic", "linux-headers-generic",
                               "linux-image-generic"}),
       "x86_64-linux-gnu-gcc-13 (Ubuntu 13.3.0-6ubuntu2~24.04) 13.3.0"},
      {"ubuntu", "26.04", "7.0.0-10-generic", "7.0.0-12-generic",
       kernels("7.0.0-10.10", {"linux-generic", "linux-headers-generic",
                               "linux-image-generic"}),
       "x86_64-linux-gnu-gcc-15 (Ubuntu 15.2.0-4ubuntu4) 15.2.0"},
      {"debian", "11", "5.10.0-34-amd64", "5.10.0-35-amd64",
       kernels("5.10.234-1", {"linux-image-amd64"}),
       "gcc-10 (Debian 10.2.1-6) 10.2.1 20210110"},
      {"debian", "12", "6.1.0-38-amd64", "6.1.0-39-amd64",
       kernels("6.1.147-1", {"linux-image-amd64"}),
       "gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0"},
      {"debian", "13", "6.12.41+deb13-amd64", "6.12.43+deb13-amd64",
       kernels("6.12.41-1", {"linux-image-amd64"}),
       "x86_64-linux-gnu-gcc-14 (Debian 14.2.0-19) 14.2.0"},
  };
  for (const char* id : {"sles", "opensuse-leap"}) {
    all.push_back({id, "15", "6.4.0-150600.23.50-default",
                   "6.4.0-150600.23.60-default",
                   kernels("6.4.0-150600.23.50.1", {"kernel-default"}),
                   "gcc (SUSE Linux) 7.5.0"});
  }
  all.push_back({"sles", "16", "6.12.0-160000.5-default",
                 "6.12.0-160000.7-default",
                 kernels("6.12.0-160000.5.1", {"kernel-default"}),
                 "gcc (SUSE Linux) 13.4.0"});
  return all;
}

/// The name of the same kernel on another architecture.
inline std::string release_on(std::string release, const Machine& machine) {
  if (std::string_view(machine.arch) == "x86_64") return release;
  for (const auto& [from, to] :
       {std::pair{".x86_64", ".aarch64"}, std::pair{"-amd64", "-arm64"}}) {
    if (const std::size_t at = release.find(from); at != std::string::npos) {
      release.replace(at, std::string_view(from).size(), to);
    }
  }
  return release;
}

/// Booted, with nouveau on the GPUs, and nothing that builds modules.
inline TrialHost fresh_host(const TrialDistribution& one,
                            const Machine& machine) {
  TrialHost host = host_of(one.id, one.version, machine);
  facts::HostFacts& facts = host.facts;
  facts.kernel.release = release_on(one.kernel, machine);
  facts.kernel.command_line = "BOOT_IMAGE=/vmlinuz root=UUID=1b0f-77aa ro";
  facts::KernelImage& image = facts.kernels.images.emplace_back();
  image.release = facts.kernel.release;
  image.compiler = one.compiler;
  facts.kernels.next = facts.kernel.release;
  for (const std::string& words : one.packages) {
    const std::size_t equals = words.find('=');
    facts.packages[words.substr(0, equals)] = {words.substr(equals + 1)};
  }
  facts.modules["nouveau"] = true;
  const auto there = [&](const char* path) { facts.trees[path].exists = true; };
  if (facts.os.is_like("debian")) {
    there("/usr/sbin/update-initramfs");
    there("/usr/sbin/update-grub");
    facts.files["/etc/default/grub"].content = "GRUB_DEFAULT=0\n";
    facts.packages["unattended-upgrades"] = {"2.9.1"};
  } else if (facts.os.is_like("suse")) {
    there("/usr/bin/dracut");
    there("/usr/sbin/grub2-set-default");
  } else {
    there("/usr/bin/dracut");
    there("/usr/sbin/grubby");
  }
  if (one.says_key) {
    distribution::Extension row;
    row.id = one.id;
    row.version = one.version;
    row.fingerprint = std::string(40, 'A');
    host.spec.distributions = {row};
  }
  return host;
}

}  // namespace gpunode::provision
