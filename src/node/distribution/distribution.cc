#include "node/distribution/distribution.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace gpunode::distribution {
namespace {

using enum Family;
using enum Manager;
using enum Status;

// Chapters of NVIDIA's Driver Installation Guide, r590 to r620, by family; its
// "Linux System Requirements" has ids and architectures.
constexpr std::string_view kGuide =
    "https://docs.nvidia.com/datacenter/tesla/driver-installation-guide/";
constexpr std::string_view kAmazonAmi =
    "https://github.com/awslabs/amazon-eks-ami, install-nvidia-driver";

// "sbsa" is what NVIDIA calls servers of Arm's. "cross-linux-sbsa" is no host's
// architecture: repository_of() has a word for it.
//
// First and last branches are those that the repositories' listings were seen
// to have in autumn 2026; 0 where every branch that matters is there.
constexpr std::array<Architecture, 1> kX86 = {{{"x86_64", "x86_64"}}};
constexpr std::array<Architecture, 2> kX86AndArm = {
    {{"x86_64", "x86_64"}, {"aarch64", "sbsa"}}};
// Its ppc64le has no driver after 440, of CUDA 10.2. That of rhel8 ended with
// 550, is maintained no more, and is in no row either: facts and plan say so.
constexpr std::array<Architecture, 1> kRhel7Archs = {
    {{"x86_64", "x86_64", 0, 550}}};
// RHEL 9 came with CUDA 11.7, as did Ubuntu 22.04, whose repository begins with
// 515 (ansible-role-nvidia-driver, pull request 65).
constexpr std::array<Architecture, 2> kRhel9Archs = {
    {{"x86_64", "x86_64", 515}, {"aarch64", "sbsa", 515}}};
constexpr std::array<Architecture, 2> kRhel10Archs = {
    {{"x86_64", "x86_64", 580}, {"aarch64", "sbsa", 580}}};
constexpr std::array<Architecture, 2> kAmazonArchs = {
    {{"x86_64", "x86_64", 555}, {"aarch64", "sbsa", 555}}};
// CUDA 13.0 was the first for it.
constexpr std::array<Architecture, 1> kFedora42Archs = {
    {{"x86_64", "x86_64", 580}}};
// The directory sbsa of Fedora's repositories holds no driver.
constexpr std::array<Architecture, 1> kFedora43Archs = {
    {{"x86_64", "x86_64", 595}}};
constexpr std::array<Architecture, 1> kFedora44Archs = {
    {{"x86_64", "x86_64", 610}}};
// CUDA 12.9 was the last for it.
constexpr std::array<Architecture, 2> kUbuntu2004Archs = {
    {{"x86_64", "x86_64", 0, 575}, {"aarch64", "sbsa", 0, 575}}};
constexpr std::array<Architecture, 2> kUbuntu2204Archs = {
    {{"x86_64", "x86_64", 515}, {"aarch64", "sbsa", 515}}};
// 515 is not there (the same role's pull request 89); 535 is the first LTS
// branch that came after it.
constexpr std::array<Architecture, 2> kUbuntu2404Archs = {
    {{"x86_64", "x86_64", 535}, {"aarch64", "sbsa", 535}}};
constexpr std::array<Architecture, 2> kUbuntu2604Archs = {
    {{"x86_64", "x86_64", 595}, {"aarch64", "sbsa", 595}}};
// CUDA 12.6 is the last that is certain to be there.
constexpr std::array<Architecture, 1> kDebian11Archs = {
    {{"x86_64", "x86_64", 0, 560}}};
constexpr std::array<Architecture, 2> kDebian12Archs = {
    {{"x86_64", "x86_64", 545}, {"aarch64", "sbsa", 590}}};
constexpr std::array<Architecture, 2> kDebian13Archs = {
    {{"x86_64", "x86_64", 590}, {"aarch64", "sbsa", 595}}};
constexpr std::array<Architecture, 2> kSles15Archs = {
    {{"x86_64", "x86_64", 550}, {"aarch64", "sbsa", 550}}};
// No opensuse15/sbsa is known.
constexpr std::array<Architecture, 1> kLeap15Archs = {
    {{"x86_64", "x86_64", 550}}};
constexpr std::array<Architecture, 2> kSuse16Archs = {
    {{"x86_64", "x86_64", 595}, {"aarch64", "sbsa", 595}}};

constexpr std::array<DevelRule, 2> kDevelRhel = {
    {{"uek", "kernel-uek-devel-{release}"}, {"", "kernel-devel-{release}"}}};
constexpr std::array<DevelRule, 3> kDevelMatched = {
    {{"uek", "kernel-uek-devel-{release}"},
     {"+64k", "kernel-64k-devel-matched-{release}"},
     {"", "kernel-devel-matched-{release}"}}};
constexpr std::array<DevelRule, 3> kDevelAmazon = {
    {{"6.18.", "kernel6.18-devel-{release}"},
     {"6.12.", "kernel6.12-devel-{release}"},
     {"", "kernel-devel-{release}"}}};
constexpr std::array<DevelRule, 1> kDevelDeb = {
    {{"", "linux-headers-{release}"}}};
constexpr std::array<DevelRule, 3> kDevelSuse = {
    {{"-azure", "kernel-azure-devel={version}"},
     {"-64kb", "kernel-64kb-devel={version}"},
     {"", "kernel-default-devel={version}"}}};

// g++ too: the open modules have C++ in them, and without it the build fails
// behind DKMS's back (open-gpu-kernel-modules issue 805).
constexpr std::array<std::string_view, 4> kRhelTools = {
    "gcc", "gcc-c++", "make", "elfutils-libelf-devel"};
constexpr std::array<std::string_view, 3> kDebTools = {"gcc", "g++", "make"};
constexpr std::array<std::string_view, 3> kSuseTools = {"gcc", "gcc-c++",
                                                        "make"};

// Checked against what pins them in the field: image recipes and provisioning
// code in public repositories have the same 40 digits. Repositories that came
// since 2025 have a key each (cuda-repo-management issues 39 and 49):
// debian13's because Debian 13 takes no signature that SHA-1 binds (issue 30).
// Of two only the file is known, not the digits: they stay empty, and the row
// refused, until somebody says them in a drop-in
// (docs/formats/distributions.md).
constexpr Key kRpmKey = {"D42D0685.pub",
                         "610C7B14E068A878070DA4E99CD0A493D42D0685"};
constexpr Key kDebKey = {"3bf863cc.pub",
                         "EB693B3035CD5710E231E123A4B469963BF863CC"};
constexpr Key kDebian13Key = {"8793F200.pub",
                              "02182E60104FCDC26EAE1B8597A5D4CB8793F200"};

constexpr Key kUbuntu2604Key = {"60DF8A40.pub",
                                "14BAFBC7562AD710CA04E69905FBB6DA60DF8A40"};
constexpr Key kFedora44Key = {"73CD9B30.pub",
                              "129994480EC63D2789BC98E490DFED2F73CD9B30"};
constexpr Key kSuse16Key = {"3A8B5622.pub",
                            "CF65941A859D4B4E6870F188736A284B3A8B5622"};
constexpr Key kRhel10Key = {"CDF6BA43.pub", ""};
constexpr Key kFedora43Key = {"1940C73E.pub", ""};

constexpr std::string_view kStream =
    "kernels run ahead of RHEL's: NVIDIA does not test it, and only DKMS fits";
constexpr std::string_view kRhel7Note =
    "its own maintenance ended in June 2024 and the repository is frozen at "
    "branch 550";
constexpr std::string_view kAmazon2Note =
    "it ended on 2026-06-30 and NVIDIA has no repository for it: use Amazon "
    "Linux 2023";

constexpr Distribution rhel(std::string_view id, std::string_view version,
                            std::string_view repository,
                            std::span<const Architecture> architectures,
                            std::span<const DevelRule> devel,
                            Family family = kModular,
                            std::string_view note = "",
                            const Key& key = kRpmKey) {
  return {id,    version,    repository, family, kDnf,       architectures,
          devel, kRhelTools, "epel",     key,    kSupported, note,
          kGuide};
}

constexpr Distribution rhel10(std::string_view id, std::string_view note = "") {
  return rhel(id, "10", "rhel10", kRhel10Archs, kDevelMatched, kPlain, note,
              kRhel10Key);
}

constexpr Distribution deb(std::string_view id, std::string_view version,
                           std::string_view repository, Family family,
                           std::span<const Architecture> architectures,
                           const Key& key = kDebKey, Status status = kSupported,
                           std::string_view note = "") {
  return {id,        version,   repository, family, kApt,   architectures,
          kDevelDeb, kDebTools, "main",     key,    status, note,
          kGuide};
}

constexpr Distribution fedora(std::string_view version,
                              std::string_view repository,
                              std::span<const Architecture> architectures,
                              const Key& key) {
  return {"fedora", version,       repository,    kPlain,
          kDnf5,    architectures, kDevelMatched, kRhelTools,
          "own",    key,           kSupported,    "",
          kGuide};
}

// dkms is in NVIDIA's repository for SUSE; the modules that SUSE signs come
// from SUSE's own ones, in whatever version SUSE has released.
constexpr Distribution suse(std::string_view id, std::string_view version,
                            std::string_view repository,
                            std::span<const Architecture> architectures,
                            const Key& key = kRpmKey) {
  return {id,         version,    repository, kSuse, kZypper,    architectures,
          kDevelSuse, kSuseTools, "own",      key,   kSupported, "",
          kGuide};
}

constexpr Distribution rhel7(std::string_view id) {
  return {id,          "7",        "rhel7",    kRhel7, kYum,
          kRhel7Archs, kDevelRhel, kRhelTools, "epel", kRpmKey,
          kEndOfLife,  kRhel7Note, kGuide};
}

constexpr auto kRows = std::to_array<Distribution>({
    rhel7("rhel"),
    rhel7("centos"),
    rhel("rhel", "8", "rhel8", kX86AndArm, kDevelRhel),
    rhel("rocky", "8", "rhel8", kX86AndArm, kDevelRhel),
    rhel("almalinux", "8", "rhel8", kX86AndArm, kDevelRhel),
    rhel("ol", "8", "rhel8", kX86AndArm, kDevelRhel),
    rhel("centos", "8", "rhel8", kX86AndArm, kDevelRhel, kModular, kStream),
    rhel("rhel", "9", "rhel9", kRhel9Archs, kDevelMatched),
    rhel("rocky", "9", "rhel9", kRhel9Archs, kDevelMatched),
    rhel("almalinux", "9", "rhel9", kRhel9Archs, kDevelMatched),
    rhel("ol", "9", "rhel9", kRhel9Archs, kDevelMatched),
    rhel("centos", "9", "rhel9", kRhel9Archs, kDevelMatched, kModular, kStream),
    rhel10("rhel"),
    rhel10("rocky"),
    rhel10("almalinux"),
    rhel10("ol"),
    rhel10("centos", kStream),
    {"amzn",
     "2",
     "",
     kRhel7,
     kYum,
     kX86,
     kDevelRhel,
     kRhelTools,
     "epel",
     {},
     kRefused,
     kAmazon2Note,
     kAmazonAmi},
    {"amzn", "2023", "amzn2023", kModular, kDnf, kAmazonArchs, kDevelAmazon,
     kRhelTools, "own", kRpmKey, kSupported, "", kAmazonAmi},
    fedora("42", "fedora42", kFedora42Archs, kRpmKey),
    fedora("43", "fedora43", kFedora43Archs, kFedora43Key),
    fedora("44", "fedora44", kFedora44Archs, kFedora44Key),
    deb("ubuntu", "20.04", "ubuntu2004", kUbuntu, kUbuntu2004Archs, kDebKey,
        kEndOfLife, "NVIDIA dropped it after CUDA 12.9"),
    deb("ubuntu", "22.04", "ubuntu2204", kUbuntu, kUbuntu2204Archs),
    deb("ubuntu", "24.04", "ubuntu2404", kUbuntu, kUbuntu2404Archs),
    deb("ubuntu", "26.04", "ubuntu2604", kUbuntu, kUbuntu2604Archs,
        kUbuntu2604Key),
    deb("debian", "11", "debian11", kDebian, kDebian11Archs, kDebKey,
        kEndOfLife, "the repository is frozen at CUDA 12"),
    deb("debian", "12", "debian12", kDebian, kDebian12Archs),
    deb("debian", "13", "debian13", kDebian, kDebian13Archs, kDebian13Key),
    suse("sles", "15", "sles15", kSles15Archs),
    suse("opensuse-leap", "15", "opensuse15", kLeap15Archs),
    suse("sles", "16", "suse16", kSuse16Archs, kSuse16Key),
    suse("opensuse-leap", "16", "suse16", kSuse16Archs, kSuse16Key),
});

// Also what is in no row: derivatives name one of these as their kin.
constexpr auto kFamilies =
    std::to_array<std::pair<std::string_view, Manager>>({{"debian", kApt},
                                                         {"ubuntu", kApt},
                                                         {"suse", kZypper},
                                                         {"sles", kZypper},
                                                         {"opensuse", kZypper},
                                                         {"rhel", kDnf},
                                                         {"fedora", kDnf},
                                                         {"centos", kDnf},
                                                         {"amzn", kDnf}});

std::optional<Manager> manager_of_family(std::string_view family) {
  const auto found = std::ranges::find(
      kFamilies, family, [](const auto& entry) { return entry.first; });
  if (found != kFamilies.end()) return found->second;
  // Their rows are as good a word: "rocky", "opensuse-leap".
  const auto row = std::ranges::find(kRows, family, &Distribution::id);
  if (row == kRows.end()) return std::nullopt;
  return row->manager;
}

Error refuse(std::string words) {
  return {ErrorCode::kUnsupported, std::move(words)};
}

Error key_unknown(const Distribution& row) {
  return refuse("the key " + std::string(row.key.file) + " of " +
                std::string(row.repository) +
                " is not known to this version, and what it signs can't be "
                "trusted; give its 40 digits in the file or a drop-in of it: "
                "`distributions: [{id: " +
                std::string(row.id) + ", version: \"" +
                std::string(row.version) + "\", keyFingerprint: DIGITS}]`");
}

/// "22.04" as {22, 4}; what is no number counts as 0.
std::pair<int, int> number_of(std::string_view version) {
  const std::size_t dot = std::min(version.find('.'), version.size());
  const auto parse = [](std::string_view digits) {
    int value = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return value;
  };
  return {parse(version.substr(0, dot)),
          dot == version.size() ? 0 : parse(version.substr(dot + 1))};
}

}  // namespace

bool is_version_of(const Distribution& row, std::string_view version) {
  return version.starts_with(row.version) &&
         (version.size() == row.version.size() ||
          version[row.version.size()] == '.');
}

std::span<const Distribution> distributions() {
  return kRows;
}

Result<const Distribution*> find_distribution(std::string_view id,
                                              std::string_view version) {
  std::string known;
  std::pair<int, int> newest{0, 0};
  for (const Distribution& row : kRows) {
    if (row.id != id) continue;
    if (is_version_of(row, version)) return &row;
    if (!known.empty()) known += ", ";
    known += row.version;
    newest = std::max(newest, number_of(row.version));
  }
  const std::string name = std::string(id) + " " + std::string(version);
  if (known.empty()) {
    return refuse("NVIDIA has no repository for " + std::string(id) +
                  "; install the driver by other means, or use one of its "
                  "kin that has one");
  }
  if (number_of(version) > newest) {
    return refuse(name + " is newer than this version of gpunode; known are " +
                  known +
                  ": update gpunode, or say in spec.distributions what it is "
                  "like");
  }
  return refuse("NVIDIA has no repository for " + name + "; known are " +
                known);
}

std::optional<Manager> manager_of(std::string_view id,
                                  std::span<const std::string> id_like) {
  if (const auto own = manager_of_family(id)) return own;
  for (const std::string& kin : id_like) {
    if (const auto theirs = manager_of_family(kin)) return theirs;
  }
  return std::nullopt;
}

Result<Repository> repository_of(const Distribution& distribution,
                                 std::string_view machine,
                                 std::string_view base) {
  const std::string name =
      std::string(distribution.id) + " " + std::string(distribution.version);
  if (distribution.status == Status::kRefused) {
    return refuse("no driver for " + name + ": " +
                  std::string(distribution.note));
  }
  if (machine == "cross-linux-sbsa") {
    return refuse(
        "cross-linux-sbsa has the toolkit alone, for building programs for "
        "Arm: a driver comes from the host's own architecture");
  }
  for (const Architecture& one : distribution.architectures) {
    if (one.machine != machine) continue;
    if (distribution.key.fingerprint.empty()) return key_unknown(distribution);
    Repository repository;
    repository.url = std::string(base) + "/" +
                     std::string(distribution.repository) + "/" +
                     std::string(one.directory) + "/";
    repository.key_url = repository.url + std::string(distribution.key.file);
    repository.fingerprint = distribution.key.fingerprint;
    repository.first_branch = one.first_branch;
    repository.last_branch = one.last_branch;
    return repository;
  }
  return refuse("NVIDIA has no driver for " + name + " on " +
                std::string(machine));
}

std::string devel_package(const Distribution& distribution,
                          std::string_view release) {
  for (const DevelRule& rule : distribution.devel) {
    if (release.find(rule.flavour) == std::string_view::npos) continue;
    std::string package(rule.package);
    // kernel-64k-devel of 5.14.0-1.el9.aarch64+64k has no "+64k" in its own.
    std::string_view version = release;
    if (rule.flavour.starts_with('+')) {
      version = release.substr(0, release.find(rule.flavour));
    }
    if (const std::size_t at = package.find("{release}");
        at != std::string::npos) {
      return package.replace(at, 9, version);
    }
    // SUSE: "6.4.0-150600.23.7-default" is of version "6.4.0-150600.23.7".
    const std::size_t at = package.find("{version}");
    return package.replace(at, 9, release.substr(0, release.rfind('-')));
  }
  return {};
}

}  // namespace gpunode::distribution
