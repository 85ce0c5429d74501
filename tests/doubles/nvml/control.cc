#include "tests/doubles/nvml/control.h"

#include <sys/mman.h>

#include <utility>

#include "tests/doubles/nvml/control_mapping.h"
#include "tests/doubles/nvml/control_region.h"

namespace gpunode {

using fake_nvml::call_named;
using fake_nvml::ControlRegion;
using fake_nvml::EventSlot;
using fake_nvml::futex_raise;
using fake_nvml::futex_wait;
using fake_nvml::kCallCount;
using fake_nvml::kCallNames;

namespace {

std::uint64_t bit(unsigned gpu) {
  return std::uint64_t{1} << (gpu % 64);
}

void clear(fake_nvml::Fault& fault) {
  fault.state.store(fake_nvml::Fault::kFree);
}

}  // namespace

Result<FakeNvmlControl> FakeNvmlControl::open(const std::string& path) {
  TRY(ControlRegion * region, fake_nvml::map_control(path));
  return FakeNvmlControl(region);
}

FakeNvmlControl::FakeNvmlControl(FakeNvmlControl&& other) noexcept
    : region_(std::exchange(other.region_, nullptr)) {}

FakeNvmlControl& FakeNvmlControl::operator=(FakeNvmlControl&& other) noexcept {
  std::swap(region_, other.region_);
  return *this;
}

FakeNvmlControl::~FakeNvmlControl() {
  if (region_ != nullptr) ::munmap(region_, sizeof(ControlRegion));
}

void FakeNvmlControl::post(const Event& event) {
  const std::uint64_t number = region_->events_reserved.fetch_add(1);
  EventSlot& slot = region_->events[number % ControlRegion::kEventSlots];
  slot.sequence.store(0);
  slot.gpu.store(event.target.value);
  slot.type.store(event.type);
  slot.data.store(event.data);
  slot.gpu_instance.store(event.gpu_instance);
  slot.compute_instance.store(event.compute_instance);
  slot.sequence.store(number + 1);
  futex_raise(region_->wake);
}

Result<void> FakeNvmlControl::add(const Fault& fault) {
  const auto call = call_named(fault.function);
  if (!call) {
    return Error(
        ErrorCode::kNotFound,
        "add fault: the double has no function " + std::string(fault.function));
  }
  for (fake_nvml::Fault& slot : region_->faults) {
    std::uint32_t free = fake_nvml::Fault::kFree;
    if (!slot.state.compare_exchange_strong(free,
                                            fake_nvml::Fault::kBeingWritten)) {
      continue;
    }
    slot.call.store(static_cast<std::uint32_t>(*call));
    slot.gpu.store(fault.gpu ? static_cast<std::int32_t>(*fault.gpu)
                             : fake_nvml::Fault::kAnyGpu);
    slot.code.store(fault.code);
    slot.delay_ms.store(static_cast<std::uint32_t>(fault.delay.count()));
    slot.after.store(fault.after);
    slot.times.store(fault.times);
    slot.matched.store(0);
    slot.state.store(fake_nvml::Fault::kActive);
    return {};
  }
  return Error(ErrorCode::kUnavailable, "add fault: all places are taken");
}

void FakeNvmlControl::clear_faults() {
  for (fake_nvml::Fault& fault : region_->faults) clear(fault);
}

void FakeNvmlControl::lose(unsigned gpu) {
  region_->lost_gpus.fetch_or(bit(gpu));
  futex_raise(region_->wake);
}

void FakeNvmlControl::recover(unsigned gpu) {
  region_->lost_gpus.fetch_and(~bit(gpu));
}

void FakeNvmlControl::driver_down() {
  region_->generation.fetch_add(1);
  region_->driver_down.store(1);
  futex_raise(region_->wake);
}

void FakeNvmlControl::driver_up() {
  region_->driver_down.store(0);
}

Result<void> FakeNvmlControl::set_profile(std::string_view path) {
  if (path.size() >= ControlRegion::kPathBytes) {
    return Error(ErrorCode::kInvalidArgument, "set profile: path too long");
  }
  std::uint32_t version = region_->profile_version.load();
  while ((version % 2) != 0 || !region_->profile_version.compare_exchange_weak(
                                   version, version + 1)) {
    version = region_->profile_version.load();
  }
  for (std::size_t i = 0; i < path.size(); ++i) {
    region_->profile[i].store(path[i]);
  }
  region_->profile[path.size()].store('\0');
  region_->profile_version.store(version + 2);
  return {};
}

std::uint64_t FakeNvmlControl::count(std::string_view function) const {
  const auto call = call_named(function);
  return call ? region_->counts[static_cast<unsigned>(*call)].load() : 0;
}

std::vector<std::pair<std::string, std::uint64_t>> FakeNvmlControl::counts()
    const {
  std::vector<std::pair<std::string, std::uint64_t>> found;
  for (unsigned i = 0; i < kCallCount; ++i) {
    const std::uint64_t calls = region_->counts[i].load();
    if (calls != 0) found.emplace_back(kCallNames[i], calls);
  }
  return found;
}

void FakeNvmlControl::clear_counts() {
  for (auto& slot : region_->counts) slot.store(0);
}

bool FakeNvmlControl::wait_for_calls(std::string_view function,
                                     std::uint64_t at_least,
                                     std::chrono::milliseconds timeout) const {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  region_->count_waiters.fetch_add(1);
  bool reached = false;
  for (;;) {
    const std::uint32_t seen = region_->count_wake.load();
    reached = count(function) >= at_least;
    if (reached || std::chrono::steady_clock::now() >= deadline) break;
    futex_wait(region_->count_wake, seen, deadline);
  }
  region_->count_waiters.fetch_sub(1);
  return reached;
}

void FakeNvmlControl::reset() {
  clear_faults();
  clear_counts();
  region_->lost_gpus.store(0);
  driver_up();
  (void)set_profile("");
}

}  // namespace gpunode
