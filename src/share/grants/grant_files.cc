#include "share/grants/grant_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/core/unique_fd.h"
#include "base/host/container_label.h"
#include "share/grants/delivery.h"
#include "share/grants/grant_leftovers.h"
#include "share/grants/grant_place.h"
#include "share/ledger/ledger.h"

namespace gpunode::share {
namespace {

constexpr std::uint32_t kSlots = kUsualSlots;

Error no_id(const std::string& id) {
  return {ErrorCode::kInvalidArgument,
          fmt::format("'{}' is no allocation id", id)};
}

Result<void> make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) {
    return Error::from_errno("create " + path, errno);
  }
  return {};
}

/// With all that lead to it. Nobody but root may list it: what is in it is
/// mounted file by file, and read by its path by a hook whose root is another.
Result<void> make_private_directories(const std::string& path) {
  for (std::size_t at = path.find('/', 1); at != std::string::npos;
       at = path.find('/', at + 1)) {
    TRY_VOID(make_directory(path.substr(0, at)));
  }
  TRY_VOID(make_directory(path));
  if (::chmod(path.c_str(), 0711) != 0) {
    return Error::from_errno("set the mode of " + path, errno);
  }
  return {};
}

/// Others that make or remove grants below the root, in this process or another
/// agent's, wait for as long as it lives.
class Turn {
 public:
  static Result<Turn> take(const std::string& root) {
    UniqueFd fd(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd) return Error::from_errno("open " + root, errno);
    while (::flock(fd.get(), LOCK_EX) != 0) {
      if (errno != EINTR) return Error::from_errno("lock " + root, errno);
    }
    return Turn(std::move(fd));
  }

 private:
  explicit Turn(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

/// A new file of `size` zeros. All of its memory is taken now: a full tmpfs is
/// told here, and not by a signal to the container's programs.
Result<Mapped> make_file(const std::string& path, std::size_t size,
                         mode_t mode) {
  ::unlink(path.c_str());
  const UniqueFd fd(
      ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd) return Error::from_errno("create " + path, errno);
  // posix_fallocate, unlike fallocate, knows every file system.
  const int full = ::posix_fallocate(fd.get(), 0, static_cast<off_t>(size));
  if (full != 0) return Error::from_errno("make room for " + path, full);
  // Whatever the umask: containers run as anybody.
  if (::fchmod(fd.get(), mode) != 0) {
    return Error::from_errno("set the mode of " + path, errno);
  }
  host::label_for_containers(fd.get());
  return map(path, fd.get(), size);
}

/// Puts `fresh` where it belongs. A directory that an engine made for it must
/// let containers in.
Result<void> lay(const std::string& fresh, const std::string& file) {
  const std::string directory = file.substr(0, file.rfind('/'));
  const UniqueFd fd(
      ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd) host::label_for_containers(fd.get());
  if (::rename(fresh.c_str(), file.c_str()) != 0) {
    return Error::from_errno(fmt::format("rename {} to {}", fresh, file),
                             errno);
  }
  return {};
}

void write_limits(const Grant& grant, void* file) {
  auto* header = static_cast<LimitsHeader*>(file);
  header->magic = kLimitsMagic;
  header->version = kLimitsVersion;
  header->devices = static_cast<std::uint32_t>(grant.devices.size());
  header->slots = kSlots;
  for (std::size_t at = 0; at < grant.devices.size(); ++at) {
    DeviceLimit& limit = limits_of(file)[at];
    grant.devices[at].uuid.copy(limit.uuid.data(), kUuidBytes - 1);
    limit.bytes = grant.devices[at].bytes;
    limit.part = grant.devices[at].time.thousandths;
    limit.policy = static_cast<std::uint32_t>(grant.devices[at].time.policy);
  }
}

Result<void> check(const Grant& grant) {
  if (!is_allocation_id(grant.id)) return no_id(grant.id);
  if (grant.devices.empty() || grant.devices.size() > kMostDevices) {
    return Error(ErrorCode::kUnsupported,
                 fmt::format("a grant is of 1 to {} devices, not of {}",
                             kMostDevices, grant.devices.size()));
  }
  for (const GrantedDevice& device : grant.devices) {
    if (device.uuid.size() >= kUuidBytes) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("'{}' is too long for a UUID", device.uuid));
    }
  }
  return {};
}

Result<std::string> read_ledger(const std::string& path, const Limits& limits) {
  TRY(const UniqueFd fd, open_hostile(path));
  // The container may have made it longer: no more than it should have.
  std::string bytes(ledger_size(limits.devices(), limits.slots()), '\0');
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got = ::pread(fd.get(), bytes.data() + done,
                                bytes.size() - done, static_cast<off_t>(done));
    if (got < 0) return Error::from_errno("read " + path, errno);
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  bytes.resize(done);
  return bytes;
}

/// A container's file that has grown is made as long as it should be: it lies
/// in a file system that the host needs. Memory behind its end is given back,
/// too.
void cut(const std::string& path, std::size_t size) {
  constexpr std::size_t kPage = 4096;
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return;
  const auto held = static_cast<std::size_t>(status.st_blocks) * 512;
  if (static_cast<std::size_t>(status.st_size) <= size &&
      held <= size + kPage) {
    return;
  }
  const UniqueFd fd(
      ::open(path.c_str(), O_WRONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return;
  // A file that is cut loses what is behind its end; one that is as long as it
  // was keeps it.
  if (::ftruncate(fd.get(), static_cast<off_t>(size) + 1) == 0) {
    (void)!::ftruncate(fd.get(), static_cast<off_t>(size));
  }
}

Result<void> not_there(const std::string& id, const std::string& uuid) {
  return Error(ErrorCode::kNotFound,
               fmt::format("allocation {} has no device {}", id, uuid));
}

}  // namespace

std::string GrantFiles::limits_path(const std::string& id) const {
  return fmt::format("{}/{}/limits", root_, id);
}

std::string GrantFiles::ledger_path(const std::string& id) const {
  return fmt::format("{}/{}/ledger", root_, id);
}

Result<void> GrantFiles::renew(const Grant& grant) const {
  TRY_VOID(check(grant));
  TRY_VOID(make_private_directories(root_));
  std::string retired;
  {
    TRY(const Turn turn, Turn::take(root_));
    TRY(retired, retire(grant.id));
    TRY_VOID(make(grant));
  }
  // Not while others wait, and not for the new grant to fail by.
  if (!retired.empty()) (void)remove_leftover(root_, retired);
  return {};
}

/// What the grant's directory is called now, below the root; empty: there is
/// none. In its turn.
Result<std::string> GrantFiles::retire(const std::string& id) const {
  const std::string place = fmt::format("{}/{}", root_, id);
  for (int at = 0;; ++at) {
    std::string retired = fmt::format("{}{}-{}", kRetired, id, at);
    const std::string there = fmt::format("{}/{}", root_, retired);
    if (::rename(place.c_str(), there.c_str()) == 0) return retired;
    if (errno == ENOENT) return std::string();
    // Another one's that could not be removed. An empty one is replaced.
    constexpr int kMost = 1000;
    if ((errno != ENOTEMPTY && errno != EEXIST) || at == kMost) {
      return Error::from_errno("rename " + place, errno);
    }
  }
}

Result<void> GrantFiles::make(const Grant& grant) const {
  const std::string place = fmt::format("{}/{}", root_, grant.id);
  TRY_VOID(make_private_directories(place));
  const auto devices = static_cast<std::uint32_t>(grant.devices.size());
  // Both are whole before anything that is there goes.
  const std::string fresh_ledger = place + "/.ledger";
  const std::string fresh_limits = place + "/.limits";
  TRY(const Mapped ledger,
      make_file(fresh_ledger, ledger_file_size(devices, kSlots), 0666));
  format_ledger(ledger.bytes(), devices, kSlots);
  format_lanes(ledger.bytes(), devices, kSlots);
  // Not read-only: it is the node's to change, and root without capabilities
  // may not write to what nobody may. Containers have it mounted read-only.
  TRY(const Mapped limits,
      make_file(fresh_limits, limits_size(devices, kSlots), 0644));
  write_limits(grant, limits.bytes());
  const Delivery delivery(root_, grant.id);
  delivery.forget();
  TRY_VOID(delivery.tell(grant.on_unsupported));
  // Limits without a ledger grant nothing, and the ledger of others' limits is
  // none.
  const std::string limits_file = file_in(limits_path(grant.id));
  ::unlink(limits_file.c_str());
  TRY_VOID(lay(fresh_ledger, file_in(ledger_path(grant.id))));
  return lay(fresh_limits, limits_file);
}

Result<void> GrantFiles::keep(const Grant& grant) const {
  TRY_VOID(check(grant));
  TRY_VOID(make_private_directories(root_));
  TRY(const Turn turn, Turn::take(root_));
  const auto limits =
      open_limits(file_in(limits_path(grant.id)), Access::kRead);
  if (!limits && limits.error().code() != ErrorCode::kNotFound &&
      limits.error().code() != ErrorCode::kCorrupt) {
    return limits.error();
  }
  struct stat status {};
  const std::string ledger = file_in(ledger_path(grant.id));
  const bool is_there = ::lstat(ledger.c_str(), &status) == 0;
  if (!is_there && errno != ENOENT) {
    return Error::from_errno("look at " + ledger, errno);
  }
  // Those of other Devices are the container's still: its settings were others.
  if (!limits || !is_there || !S_ISREG(status.st_mode)) return make(grant);
  // It counts when the container is started again.
  const Delivery delivery(root_, grant.id);
  return delivery.has_word() &&
                 delivery.on_unsupported() == grant.on_unsupported
             ? Result<void>()
             : delivery.tell(grant.on_unsupported);
}

Result<void> GrantFiles::remove(const std::string& id,
                                std::uint64_t file) const {
  if (!is_allocation_id(id)) return no_id(id);
  std::string retired;
  {
    TRY(const Turn turn, Turn::take(root_));
    struct stat status {};
    const std::string limits = file_in(limits_path(id));
    const bool is_there = ::lstat(limits.c_str(), &status) == 0;
    if (file != 0 && is_there && status.st_ino != file) return {};
    TRY(retired, retire(id));
  }
  return retired.empty() ? Result<void>() : remove_leftover(root_, retired);
}

Result<std::vector<std::string>> GrantFiles::list() const {
  std::vector<std::string> ids;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(root_.c_str()),
                                                      &::closedir);
  if (directory == nullptr) {
    if (errno == ENOENT) return ids;
    return Error::from_errno("open " + root_, errno);
  }
  // NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of its own.
  while (const dirent* entry = ::readdir(directory.get())) {
    if (is_allocation_id(entry->d_name)) ids.emplace_back(entry->d_name);
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

Result<void> GrantFiles::set(const std::string& id, const std::string& uuid,
                             Word DeviceLimit::*word,
                             std::uint64_t bytes) const {
  if (!is_allocation_id(id)) return no_id(id);
  TRY(const OpenLimits limits,
      open_limits(file_in(limits_path(id)), Access::kChange));
  DeviceLimit* const limit = limits.find(uuid);
  if (limit == nullptr) return not_there(id, uuid);
  (limit->*word).store(bytes);
  return {};
}

Result<void> GrantFiles::set_limit(const std::string& id,
                                   const std::string& uuid,
                                   std::uint64_t bytes) const {
  return set(id, uuid, &DeviceLimit::bytes, bytes);
}

Result<void> GrantFiles::set_time(const std::string& id,
                                  const std::string& uuid,
                                  TimePart time) const {
  if (!is_allocation_id(id)) return no_id(id);
  TRY(const OpenLimits limits,
      open_limits(file_in(limits_path(id)), Access::kChange));
  DeviceLimit* const limit = limits.find(uuid);
  if (limit == nullptr) return not_there(id, uuid);
  limit->policy.store(static_cast<std::uint32_t>(time.policy));
  limit->part.store(time.thousandths);
  return {};
}

Result<void> GrantFiles::set_priority(const std::string& id,
                                      const std::string& uuid,
                                      TurnPriority priority,
                                      std::uint64_t file) const {
  if (!is_allocation_id(id)) return no_id(id);
  TRY(const OpenLimits limits,
      open_limits(file_in(limits_path(id)), Access::kChange));
  if (file != 0 && limits.file_number != file) return {};
  DeviceLimit* const limit = limits.find(uuid);
  if (limit == nullptr) return not_there(id, uuid);
  std::uint64_t before = limit->priority.load();
  do {
    const bool is_by_agent =
        priority.source == PrioritySource::kPod ||
        (priority.source != PrioritySource::kHand && file != 0);
    if (is_by_agent && priority_of(before).source == PrioritySource::kHand) {
      return {};
    }
  } while (!limit->priority.compare_exchange_weak(before, word_of(priority)));
  return {};
}

Result<void> GrantFiles::set_unaccounted(const std::string& id,
                                         const std::string& uuid,
                                         std::uint64_t bytes) const {
  return set(id, uuid, &DeviceLimit::unaccounted, bytes);
}

Result<void> GrantFiles::mark_gone(const std::string& id,
                                   const std::vector<SlotHeld>& slots) const {
  if (!is_allocation_id(id)) return no_id(id);
  TRY(const Turn turn, Turn::take(root_));
  TRY(const OpenLimits limits,
      open_limits(file_in(limits_path(id)), Access::kChange));
  TRY(const std::string bytes,
      read_ledger(file_in(ledger_path(id)), limits.view));
  LedgerCopy copy;
  if (!LedgerCopy::view(bytes.data(), bytes.size(), limits.view.devices(),
                        limits.view.slots(), &copy)) {
    return {};
  }
  auto* const gone = reinterpret_cast<GoneWord*>(
      limits_of(limits.file.bytes()) + limits.view.devices());
  for (const SlotHeld& slot : slots) {
    if (slot.slot >= limits.view.slots()) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("allocation {} has no slot {}", id, slot.slot));
    }
    SlotUse now;
    if (!copy.read_slot(slot.slot, &now) ||
        now.owner.generation != slot.generation || now.owner.pid != slot.pid ||
        now.start_time != slot.start_time) {
      continue;
    }
    gone[slot.slot].store(kGone | slot.generation, std::memory_order_release);
  }
  return {};
}

Result<GrantLook> GrantFiles::look(const std::string& id) const {
  if (!is_allocation_id(id)) return no_id(id);
  TRY(const OpenLimits limits,
      open_limits(file_in(limits_path(id)), Access::kRead));
  const std::uint32_t devices = limits.view.devices();
  GrantLook look;
  look.file = limits.file_number;
  look.why_unlimited = Delivery(root_, id).why_unlimited();
  LedgerCopy copy;
  const std::string ledger = file_in(ledger_path(id));
  cut(ledger, ledger_file_size(devices, limits.view.slots()));
  const Result<std::string> bytes = read_ledger(ledger, limits.view);
  const bool is_ledger =
      bytes && LedgerCopy::view(bytes->data(), bytes->size(), devices,
                                limits.view.slots(), &copy);
  if (!is_ledger) {
    look.problem = bytes ? ledger_path(id) +
                               " is no ledger any more: its "
                               "container wrote over it"
                         : bytes.error().message();
  }
  for (std::uint32_t at = 0; at < devices; ++at) {
    DeviceHeld held;
    held.uuid = limits.view.uuid(at);
    held.limit = limits.view.bytes(at);
    held.unaccounted = limits.view.unaccounted(at);
    held.time = time_part_of(limits.view.at(at));
    held.priority = priority_of(limits.view.at(at).priority.load());
    if (is_ledger) held.use = copy.use_of(at, limits.view);
    look.devices.push_back(std::move(held));
  }
  for (std::uint32_t at = 0; is_ledger && at < limits.view.slots(); ++at) {
    SlotUse use;
    if (!copy.read_slot(at, &use) ||
        limits.view.says_gone(at, use.owner.generation)) {
      continue;
    }
    SlotHeld held;
    held.slot = at;
    held.generation = use.owner.generation;
    held.pid = use.owner.pid;
    held.pid_namespace = use.owner.pid_namespace;
    held.start_time = use.start_time;
    for (std::uint32_t device = 0; device < devices; ++device) {
      held.held.push_back(copy.held_by(at, device));
    }
    look.slots.push_back(std::move(held));
  }
  return look;
}

Result<std::uint64_t> GrantFiles::file_of(const std::string& id) const {
  if (!is_allocation_id(id)) return no_id(id);
  const std::string limits = file_in(limits_path(id));
  struct stat status {};
  if (::lstat(limits.c_str(), &status) != 0) {
    return Error::from_errno("look at " + limits, errno);
  }
  return std::uint64_t{status.st_ino};
}

}  // namespace gpunode::share
