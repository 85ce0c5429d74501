#include "tests/doubles/nvml/driver.h"

#include <dlfcn.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <time.h>

#include "tests/doubles/nvml/control_mapping.h"

namespace gpunode::fake_nvml {

namespace {

std::string environment(const char* name) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): as every library with a variable.
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

void complain(const std::string& message) {
  std::fprintf(stderr, "fake libnvidia-ml: %s\n", message.c_str());
}

/// profile.json in the directory that the library was loaded from, so that a
/// driver root can carry its own.
std::string profile_beside_library() {
  Dl_info info{};
  if (::dladdr(reinterpret_cast<const void*>(&nvmlInit_v2), &info) == 0 ||
      info.dli_fname == nullptr) {
    return "profile.json";
  }
  const std::string library = info.dli_fname;
  return library.substr(0, library.rfind('/') + 1) + "profile.json";
}

/// The path that a steering program set, read as one piece; empty if none.
std::string steered_profile(const ControlRegion& region) {
  for (;;) {
    const std::uint32_t version = region.profile_version.load();
    std::string path;
    for (const auto& c : region.profile) {
      const char byte = c.load();
      if (byte == '\0') break;
      path += byte;
    }
    if (version % 2 == 0 && version == region.profile_version.load()) {
      return path;
    }
  }
}

void pause(std::uint32_t milliseconds) {
  timespec left{};
  left.tv_sec = milliseconds / 1000;
  left.tv_nsec = static_cast<long>(milliseconds % 1000) * 1000000;
  while (::nanosleep(&left, &left) != 0) {
  }
}

}  // namespace

Driver& Driver::of_process() {
  static Driver& driver = *new Driver;
  return driver;
}

ControlRegion& Driver::region() {
  return *region_.load(std::memory_order_acquire);
}

void Driver::follow_environment() {
  std::string path = environment("GPUNODE_FAKE_NVML_CONTROL");
  if (path == control_path_) return;
  if (path.empty()) {
    region_.store(&own_region_);
  } else {
    auto mapped = map_control(path);
    if (!mapped) {
      complain(mapped.error().message());
      return;
    }
    // An earlier mapping stays: another thread may be in a call.
    region_.store(*mapped, std::memory_order_release);
  }
  control_path_ = std::move(path);
}

std::string Driver::profile_path() {
  std::string path = steered_profile(region());
  if (path.empty()) path = environment("GPUNODE_FAKE_NVML");
  if (path.empty()) path = profile_beside_library();
  return path;
}

const Session* Driver::load(std::uint32_t generation) {
  Source source;
  source.path = profile_path();
  source.generation = generation;
  struct stat info {};
  if (::stat(source.path.c_str(), &info) == 0) {
    source.inode = info.st_ino;
    source.modified_ns =
        info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec;
    source.size = info.st_size;
  }
  for (const Loaded& loaded : loaded_) {
    if (loaded.source == source) return &loaded.session;
  }
  auto profile = load_profile(source.path);
  if (!profile) {
    complain(profile.error().message());
    return nullptr;
  }
  return &loaded_.emplace_back(std::move(source), *std::move(profile)).session;
}

nvmlReturn_t Driver::init(Call call) {
  const MutexLock lock(mutex_);
  follow_environment();
  count(call);
  const nvmlReturn_t code = fault(call, Fault::kAnyGpu);
  if (code != NVML_SUCCESS) return code;
  if (region().driver_down.load() != 0) return NVML_ERROR_DRIVER_NOT_LOADED;
  if (users_ == 0) {
    const std::uint32_t generation = region().generation.load();
    const Session* session = load(generation);
    if (session == nullptr) return NVML_ERROR_UNKNOWN;
    generation_.store(generation);
    session_.store(session);
  }
  ++users_;
  return NVML_SUCCESS;
}

nvmlReturn_t Driver::shutdown() {
  const MutexLock lock(mutex_);
  count(Call::knvmlShutdown);
  if (users_ == 0) return NVML_ERROR_UNINITIALIZED;
  const nvmlReturn_t code = fault(Call::knvmlShutdown, Fault::kAnyGpu);
  if (code != NVML_SUCCESS) return code;
  if (--users_ == 0) {
    session_.store(nullptr);
    futex_raise(region().wake);
  }
  return NVML_SUCCESS;
}

void Driver::count(Call call) {
  ControlRegion& shared = region();
  shared.counts[static_cast<unsigned>(call)].fetch_add(1);
  if (shared.count_waiters.load() != 0) futex_raise(shared.count_wake);
}

const Session* Driver::session() {
  const Session* session = session_.load();
  const ControlRegion& shared = region();
  const bool is_dead = shared.driver_down.load() != 0 ||
                       shared.generation.load() != generation_.load();
  return is_dead ? nullptr : session;
}

nvmlReturn_t Driver::fault(Call call, std::int32_t gpu) {
  for (Fault& fault : region().faults) {
    if (fault.state.load() != Fault::kActive ||
        fault.call.load() != static_cast<std::uint32_t>(call)) {
      continue;
    }
    const std::int32_t only = fault.gpu.load();
    if (only != Fault::kAnyGpu && only != gpu) continue;
    const std::uint64_t number = fault.matched.fetch_add(1);
    const std::uint64_t after = fault.after.load();
    const std::uint64_t times = fault.times.load();
    if (number < after) continue;
    if (times != 0 && number - after >= times) continue;
    pause(fault.delay_ms.load());
    const std::int32_t code = fault.code.load();
    if (code != NVML_SUCCESS) return code;
  }
  return NVML_SUCCESS;
}

bool Driver::is_lost(unsigned gpu) {
  return gpu < 64 && ((region().lost_gpus.load() >> gpu) & 1U) != 0;
}

nvmlReturn_t copy_text(const std::string& text, char* into, unsigned length) {
  if (into == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  if (text.size() >= length) return NVML_ERROR_INSUFFICIENT_SIZE;
  std::memcpy(into, text.c_str(), text.size() + 1);
  return NVML_SUCCESS;
}

}  // namespace gpunode::fake_nvml
