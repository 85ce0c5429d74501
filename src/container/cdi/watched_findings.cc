#include "container/cdi/watched_findings.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace gpunode::cdi {
namespace {

constexpr const char* kVersionFile = "/proc/driver/nvidia/version";

Stamp stamp_of(const host::HostRoot& root, const std::string& path) {
  const auto fd = root.open(path, O_PATH);
  struct stat status {};
  if (!fd || ::fstat(fd->get(), &status) != 0) return {};
  Stamp stamp;
  stamp.device = status.st_dev;
  stamp.inode = status.st_ino;
  stamp.links = status.st_nlink;
  // procfs makes its times up, whenever it is asked.
  if (path.starts_with("/proc/")) return stamp;
  stamp.seconds = status.st_mtim.tv_sec;
  stamp.nanoseconds = status.st_mtim.tv_nsec;
  return stamp;
}

const host::HostRoot& root_of(const FindingsSource& source, Root root) {
  switch (root) {
    case Root::kDriver:
      return source.driver.root;
    case Root::kDev:
      return source.devices.dev_root;
    case Root::kHost:
      break;
  }
  return source.driver.host;
}

std::vector<Witness> witnesses_of(const FindingsSource& source,
                                  const Findings& findings) {
  std::vector<Witness> witnesses;
  const auto add = [&](Root root, const std::string& path) {
    witnesses.push_back({root, path, stamp_of(root_of(source, root), path)});
  };
  for (const std::string& path : findings.driver.witnesses) {
    add(Root::kDriver, path);
  }
  for (const std::string& path : findings.devices.witnesses) {
    add(Root::kDev, path);
  }
  add(Root::kHost, "/proc/driver/nvidia/gpus");
  for (const device::Gpu& gpu : findings.inventory.gpus) {
    if (!gpu.mig_capable) continue;
    const std::string mig = fmt::format(
        "/proc/driver/nvidia/capabilities/gpu{}/mig", gpu.minor.value);
    add(Root::kHost, mig);
    std::string last;
    for (const device::MigDevice& each : gpu.mig_devices) {
      std::string instance = fmt::format("{}/gi{}", mig, each.gpu_instance);
      if (instance == last) continue;
      add(Root::kHost, instance);
      last = std::move(instance);
    }
  }
  return witnesses;
}

std::string describe(const FindingsSource& source) {
  const DriverSearch& driver = source.driver;
  const DeviceSearch& devices = source.devices;
  std::vector<std::string> words = {
      driver.root.prefix(), driver.host.prefix(), devices.dev_root.prefix(),
      devices.host.prefix(),
      fmt::format("{}{}{}{}", driver.with_loader_libraries,
                  driver.with_graphics, driver.with_sockets,
                  devices.with_imex_channels)};
  for (const std::vector<std::string>* list :
       {&driver.library_directories, &driver.config_directories,
        &driver.binary_directories, &driver.additional_libraries,
        &devices.additional_devices}) {
    words.emplace_back();
    words.insert(words.end(), list->begin(), list->end());
  }
  return fmt::format("{}", fmt::join(words, "\n"));
}

/// The loaded driver, and the majors of device nodes that nobody has made yet.
std::string module_facts(const FindingsSource& source) {
  std::string facts;
  for (const char* path : {kVersionFile, "/proc/devices"}) {
    if (const auto text = source.driver.host.read_file(path)) facts += *text;
    facts += '\n';
  }
  return facts;
}

/// Times are as coarse as the kernel's tick, so a little before counts too.
bool is_after(const Stamp& stamp, timespec begun) {
  constexpr std::int64_t kTick = 20'000'000;
  constexpr std::int64_t kSecond = 1'000'000'000;
  return stamp.seconds * kSecond + stamp.nanoseconds >=
         begun.tv_sec * kSecond + begun.tv_nsec - kTick;
}

}  // namespace

timespec look_begins() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return now;
}

WatchedFindings watch(const FindingsSource& source, Findings findings,
                      timespec begun) {
  WatchedFindings watched{describe(source), module_facts(source),
                          witnesses_of(source, findings), std::move(findings)};
  for (Witness& witness : watched.witnesses) {
    // A stamp that no place has.
    if (is_after(witness.stamp, begun)) witness.stamp = {0, 1, 0, 0, 0};
  }
  return watched;
}

bool is_of_loaded_driver(const WatchedFindings& watched,
                         const FindingsSource& source) {
  return watched.version == module_facts(source);
}

bool still_hold(const WatchedFindings& watched, const FindingsSource& source) {
  return watched.source == describe(source) &&
         is_of_loaded_driver(watched, source) &&
         std::all_of(watched.witnesses.begin(), watched.witnesses.end(),
                     [&](const Witness& witness) {
                       return stamp_of(root_of(source, witness.root),
                                       witness.path) == witness.stamp;
                     });
}

}  // namespace gpunode::cdi
