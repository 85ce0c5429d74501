#include "node/provision/preflight.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace gpunode::provision {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;
constexpr std::uint64_t kGiB = std::uint64_t{1} << 30U;

/// The journal, copies of files.
constexpr std::uint64_t kForOurselves = 64 * kMiB;
/// A few tools: what is downloaded, and what is unpacked.
constexpr std::uint64_t kForTools = 512 * kMiB;
/// A driver with its toolkit, and the kernel it is built for.
constexpr std::uint64_t kUsrForDrivers = 5 * kGiB;
constexpr std::uint64_t kVarForDrivers = 2 * kGiB;
/// A kernel and its initramfs, of a driver's size. RHEL's /boot has 1 GiB in
/// all, with three of them: to ask for as much free would stop every one.
constexpr std::uint64_t kBootForKernels = 300 * kMiB;
/// A new initramfs is written beside the old one.
constexpr std::uint64_t kBootForInitramfs = 150 * kMiB;

// 2026-01-01 and 2056-01-01: no host with this program is outside of them.
constexpr std::int64_t kEarliest = 1'767'225'600;
constexpr std::int64_t kLatest = 2'713'910'400;

constexpr std::array<std::string_view, 9> kIds = {
    "all",        "root-read-only", "clock",         "space-var", "space-usr",
    "space-boot", "package-lock",   "package-state", "cluster"};

bool has_any(const std::string& name,
             std::initializer_list<const char*> words) {
  return std::ranges::any_of(words, [&](const char* word) {
    return name.find(word) != std::string::npos;
  });
}

void raise(std::uint64_t& need, std::uint64_t to) {
  need = std::max(need, to);
}

void add_packages(const std::vector<std::string>& packages,
                  PreflightNeeds& needs) {
  needs.packages = true;
  raise(needs.space["/usr"], kForTools);
  raise(needs.space["/var"], kForTools);
  for (const std::string& name : packages) {
    // What modules are built with is no kernel.
    const bool is_kernel =
        (name.starts_with("kernel") || name.starts_with("linux-image")) &&
        !has_any(name, {"devel", "headers"});
    if (!is_kernel && !has_any(name, {"nvidia", "cuda", "dkms"})) continue;
    raise(needs.space["/usr"], kUsrForDrivers);
    raise(needs.space["/var"], kVarForDrivers);
    raise(needs.space["/boot"], kBootForKernels);
  }
}

bool makes_initramfs(const Action& action) {
  const auto* run = std::get_if<RunProgram>(&action);
  return run != nullptr && !run->argv.empty() &&
         (run->argv[0].ends_with("/dracut") ||
          run->argv[0].ends_with("/update-initramfs"));
}

std::string size_words(std::uint64_t bytes) {
  return bytes >= kGiB
             ? fmt::format("{:.1f} GiB", static_cast<double>(bytes) /
                                             static_cast<double>(kGiB))
             : fmt::format("{} MiB", bytes / kMiB);
}

std::string space_fix(const std::string& path) {
  if (path == "/boot") {
    return "remove kernels that are not needed: `apt-get autoremove` or `dnf "
           "remove --oldinstallonly`";
  }
  return fmt::format("look what takes it: `du -xhd1 {} | sort -h`", path);
}

/// What is planned for every path that is on the file system of `path`.
std::uint64_t shared_need(const PreflightNeeds& needs,
                          const PreflightFacts& facts,
                          const std::string& path) {
  const std::uint64_t device = facts.space.at(path).device;
  std::uint64_t sum = 0;
  for (const auto& [other, bytes] : needs.space) {
    const auto found = facts.space.find(other);
    if (found == facts.space.end()) continue;
    if (other == path || (device != 0 && found->second.device == device)) {
      sum += bytes;
    }
  }
  return sum;
}

void add_space(const PreflightNeeds& needs, const PreflightFacts& facts,
               std::vector<PreflightObstacle>& obstacles) {
  for (const auto& need : needs.space) {
    const std::string& path = need.first;
    const auto found = facts.space.find(path);
    if (found == facts.space.end()) continue;
    const std::string id = "space-" + path.substr(1);
    const std::uint64_t bytes = shared_need(needs, facts, path);
    if (found->second.free_inodes == 0) {
      obstacles.push_back(
          {id, fmt::format("{} has no inodes left", path),
           fmt::format("find where many small files are: `du -x --inodes -d1 "
                       "{} | sort -n`",
                       path)});
    } else if (found->second.available_bytes < bytes) {
      obstacles.push_back(
          {id,
           fmt::format("{} has {} free, and what is planned needs {} there",
                       path, size_words(found->second.available_bytes),
                       size_words(bytes)),
           space_fix(path)});
    }
  }
}

void add_read_only(const PreflightFacts& facts,
                   std::vector<PreflightObstacle>& obstacles) {
  for (const char* path : {"/", "/etc", "/var"}) {
    const auto found = facts.space.find(path);
    if (found == facts.space.end() || !found->second.read_only) continue;
    obstacles.push_back(
        {"root-read-only", fmt::format("{} is mounted read-only", path),
         "the kernel does that where a disk fails: look at `dmesg`; `mount -o "
         "remount,rw /` if it was on purpose"});
    return;
  }
}

void add_clock(const PreflightFacts& facts,
               std::vector<PreflightObstacle>& obstacles) {
  if (!facts.now || (*facts.now >= kEarliest && *facts.now < kLatest)) return;
  constexpr std::int64_t kYearSeconds = 31'556'952;
  obstacles.push_back(
      {"clock",
       fmt::format("the clock says the year {}, and signatures and "
                   "certificates are judged by it",
                   1970 + *facts.now / kYearSeconds),
       "set it: `timedatectl set-ntp true`, or `date -s` and `hwclock -w`"});
}

void add_package_tools(const PreflightFacts& facts,
                       std::vector<PreflightObstacle>& obstacles) {
  if (!facts.lock_holders.empty()) {
    obstacles.push_back(
        {"package-lock",
         fmt::format("the package manager is in use: {}",
                     fmt::join(facts.lock_holders, ", ")),
         "wait for its end and apply again; `ps -fp PID` shows what it does"});
  }
  for (const PreflightFacts::Trouble& trouble : facts.half_configured) {
    obstacles.push_back(
        {"package-state",
         fmt::format("packages are half installed: {}", trouble.what),
         fmt::format("`{}`", trouble.remedy)});
  }
}

/// The join, if it has to wait for other Steps.
std::optional<JoinCluster> late_join(const Plan& plan) {
  bool has_earlier = false;
  for (const PlannedStep& step : plan.steps) {
    if (step.id == "prep.time" && !step.plan.actions.empty()) {
      return std::nullopt;
    }
    for (const Action& action : step.plan.actions) {
      const auto* join = std::get_if<JoinCluster>(&action);
      if (join == nullptr) continue;
      if (!has_earlier) return std::nullopt;
      return *join;
    }
    has_earlier = has_earlier || !step.plan.actions.empty();
  }
  return std::nullopt;
}

}  // namespace

PreflightNeeds preflight_needs(const Plan& plan) {
  PreflightNeeds needs;
  needs.join = late_join(plan);
  for (const PlannedStep& step : plan.steps) {
    for (const Action& action : step.plan.actions) {
      needs.changes = true;
      raise(needs.space["/var"], kForOurselves);
      if (const auto* install = std::get_if<InstallPackages>(&action)) {
        add_packages(install->packages, needs);
      }
      if (const auto* set = std::get_if<InstallSet>(&action)) {
        add_packages(set->packages, needs);
      }
      if (makes_initramfs(action)) {
        raise(needs.space["/boot"], kBootForInitramfs);
      }
    }
  }
  return needs;
}

std::vector<PreflightObstacle> preflight_obstacles(
    const PreflightNeeds& needs, const PreflightFacts& facts) {
  std::vector<PreflightObstacle> obstacles;
  if (!needs.changes) return obstacles;
  add_read_only(facts, obstacles);
  // Signatures of packages are judged by it. A boot unit that makes a blank
  // disk anew comes before any time service, and needs none.
  if (needs.packages) add_clock(facts, obstacles);
  add_space(needs, facts, obstacles);
  if (needs.packages) add_package_tools(facts, obstacles);
  if (facts.cluster) {
    obstacles.push_back({"cluster",
                         "the cluster cannot be joined: " + facts.cluster->what,
                         facts.cluster->remedy});
  }
  return obstacles;
}

PlannedStep preflight_step(const std::vector<PreflightObstacle>& obstacles,
                           const std::vector<std::string>& ignored) {
  PlannedStep step{std::string(kPreflightId),
                   "nothing stands in the way",
                   "half-way is the worst place to find a full disk or a "
                   "package manager that somebody else uses",
                   {}};
  const auto is_ignored = [&](const std::string& id) {
    return std::ranges::any_of(ignored, [&](const std::string& one) {
      return one == id || one == "all";
    });
  };
  std::vector<std::string> fixes;
  std::vector<std::string> reasons;
  for (const PreflightObstacle& obstacle : obstacles) {
    if (is_ignored(obstacle.id)) {
      step.plan.notes.push_back(
          fmt::format("ignored ({}): {}", obstacle.id, obstacle.why));
      continue;
    }
    step.plan.state = StepState::kBlocked;
    reasons.push_back(obstacle.why);
    fixes.push_back(
        fmt::format("{}; to go on all the same: "
                    "--ignore-preflight={}",
                    obstacle.fix, obstacle.id));
  }
  step.plan.why = fmt::format("{}", fmt::join(reasons, "; "));
  step.plan.fix = fmt::format("{}", fmt::join(fixes, "; "));
  return step;
}

Result<void> check_preflight_ids(const std::vector<std::string>& ignored) {
  for (const std::string& id : ignored) {
    if (std::ranges::find(kIds, std::string_view(id)) != kIds.end()) continue;
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("--ignore-preflight={}: no such check; there are "
                             "{}",
                             id, fmt::join(kIds, ", ")));
  }
  return {};
}

}  // namespace gpunode::provision
