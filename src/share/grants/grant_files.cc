#include "share/grants/grant_files.h"

#include <dirent.h>
#include <fcntl.h>
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
#include "share/ledger/ledger.h"

namespace gpunode::share {
namespace {

constexpr std::uint32_t kSlots = kUsualSlots;

/// Ids are our own, and yet are parts of paths.
bool is_id(std::string_view id) {
  return !id.empty() && id.size() <= 64 &&
         std::all_of(id.begin(), id.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == '-';
         });
}

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

/// With all that lead to it.
Result<void> make_directories(const std::string& path) {
  for (std::size_t at = path.find('/', 1); at != std::string::npos;
       at = path.find('/', at + 1)) {
    TRY_VOID(make_directory(path.substr(0, at)));
  }
  return make_directory(path);
}

/// What a container engine makes of a mount whose source is missing.
void remove_place(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno == EISDIR) ::rmdir(path.c_str());
}

/// A mapping of a whole file.
class Mapped {
 public:
  Mapped(void* bytes, std::size_t size) : bytes_(bytes), size_(size) {}
  Mapped(Mapped&& other) noexcept
      : bytes_(std::exchange(other.bytes_, nullptr)), size_(other.size_) {}
  Mapped& operator=(Mapped&&) = delete;
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;
  ~Mapped() {
    if (bytes_ != nullptr) ::munmap(bytes_, size_);
  }
  void* bytes() const { return bytes_; }
  std::size_t size() const { return size_; }

 private:
  void* bytes_;
  std::size_t size_;
};

Result<Mapped> map(const std::string& path, int fd, std::size_t size) {
  void* const bytes =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (bytes == MAP_FAILED) return Error::from_errno("map " + path, errno);
  return Mapped(bytes, size);
}

/// A new file of `size` zeros. All of its memory is taken now: a full tmpfs is
/// told here, and not by a signal to the container's programs.
Result<Mapped> make_file(const std::string& path, std::size_t size,
                         mode_t mode) {
  remove_place(path);
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
  return map(path, fd.get(), size);
}

DeviceLimit* limits_of(void* file) {
  return reinterpret_cast<DeviceLimit*>(static_cast<char*>(file) +
                                        sizeof(LimitsHeader));
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
  }
}

Result<void> check(const Grant& grant) {
  if (!is_id(grant.id)) return no_id(grant.id);
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

/// A file of the node's own, mapped for changes in place, and checked.
struct OpenLimits {
  Mapped file;
  Limits view;

  DeviceLimit* find(const std::string& uuid) const {
    for (std::uint32_t at = 0; at < view.devices(); ++at) {
      if (uuid == view.uuid(at)) return &limits_of(file.bytes())[at];
    }
    return nullptr;
  }
};

Result<OpenLimits> open_limits(const std::string& path) {
  const UniqueFd fd(
      ::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return Error::from_errno("open " + path, errno);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) {
    return Error::from_errno("look at " + path, errno);
  }
  const auto size = static_cast<std::size_t>(status.st_size);
  if (!S_ISREG(status.st_mode) || size < sizeof(LimitsHeader) ||
      size > limits_size(kMostDevices, kMostSlots)) {
    return Error(ErrorCode::kCorrupt, path + " is no file of limits");
  }
  TRY(Mapped file, map(path, fd.get(), size));
  Limits view;
  if (!Limits::view(file.bytes(), size, &view)) {
    return Error(ErrorCode::kCorrupt,
                 path + " is no file of limits of this version");
  }
  return OpenLimits{std::move(file), view};
}

Result<std::string> read_ledger(const std::string& path, const Limits& limits) {
  const UniqueFd fd(
      ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return Error::from_errno("open " + path, errno);
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
  const std::string place = fmt::format("{}/{}", root_, grant.id);
  TRY_VOID(make_directories(place));
  const auto devices = static_cast<std::uint32_t>(grant.devices.size());
  // The ledger first: limits without one grant nothing, and one without limits
  // is not looked at.
  remove_place(limits_path(grant.id));
  TRY(const Mapped ledger,
      make_file(ledger_path(grant.id), ledger_size(devices, kSlots), 0666));
  format_ledger(ledger.bytes(), devices, kSlots);
  // Under its name when it is whole: who opens it finds limits.
  const std::string fresh = place + "/.limits";
  TRY(const Mapped limits,
      make_file(fresh, limits_size(devices, kSlots), 0444));
  write_limits(grant, limits.bytes());
  if (::rename(fresh.c_str(), limits_path(grant.id).c_str()) != 0) {
    return Error::from_errno("rename " + fresh, errno);
  }
  return {};
}

Result<void> GrantFiles::keep(const Grant& grant) const {
  TRY_VOID(check(grant));
  const auto limits = open_limits(limits_path(grant.id));
  bool fits =
      limits.has_value() && limits->view.devices() == grant.devices.size();
  for (const GrantedDevice& device : grant.devices) {
    fits = fits && limits->find(device.uuid) != nullptr;
  }
  struct stat status {};
  fits = fits && ::lstat(ledger_path(grant.id).c_str(), &status) == 0 &&
         S_ISREG(status.st_mode);
  return fits ? Result<void>() : renew(grant);
}

Result<void> GrantFiles::remove(const std::string& id) const {
  if (!is_id(id)) return no_id(id);
  const std::string place = fmt::format("{}/{}", root_, id);
  for (const char* name : {"/limits", "/ledger", "/.limits"}) {
    remove_place(place + name);
  }
  if (::rmdir(place.c_str()) != 0 && errno != ENOENT) {
    return Error::from_errno("remove " + place, errno);
  }
  return {};
}

Result<std::vector<std::string>> GrantFiles::list() const {
  std::vector<std::string> ids;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(root_.c_str()),
                                                      &::closedir);
  if (directory == nullptr) {
    if (errno == ENOENT) return ids;
    return Error::from_errno("open " + root_, errno);
  }
  while (const dirent* entry = ::readdir(directory.get())) {
    if (is_id(entry->d_name)) ids.emplace_back(entry->d_name);
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

Result<std::int64_t> GrantFiles::made_at(const std::string& id) const {
  const std::string path = limits_path(id);
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) {
    return Error::from_errno("look at " + path, errno);
  }
  return static_cast<std::int64_t>(status.st_mtime);
}

Result<void> GrantFiles::set_limit(const std::string& id,
                                   const std::string& uuid,
                                   std::uint64_t bytes) const {
  if (!is_id(id)) return no_id(id);
  TRY(const OpenLimits limits, open_limits(limits_path(id)));
  DeviceLimit* const limit = limits.find(uuid);
  if (limit == nullptr) return not_there(id, uuid);
  limit->bytes.store(bytes);
  return {};
}

Result<void> GrantFiles::set_unaccounted(const std::string& id,
                                         const std::string& uuid,
                                         std::uint64_t bytes) const {
  if (!is_id(id)) return no_id(id);
  TRY(const OpenLimits limits, open_limits(limits_path(id)));
  DeviceLimit* const limit = limits.find(uuid);
  if (limit == nullptr) return not_there(id, uuid);
  limit->unaccounted.store(bytes);
  return {};
}

Result<void> GrantFiles::mark_gone(const std::string& id, std::uint32_t slot,
                                   std::uint32_t generation) const {
  if (!is_id(id)) return no_id(id);
  TRY(const OpenLimits limits, open_limits(limits_path(id)));
  if (slot >= limits.view.slots()) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("allocation {} has no slot {}", id, slot));
  }
  auto* const gone = reinterpret_cast<GoneWord*>(
      limits_of(limits.file.bytes()) + limits.view.devices());
  gone[slot].store(kGone | generation, std::memory_order_release);
  return {};
}

Result<GrantLook> GrantFiles::look(const std::string& id) const {
  if (!is_id(id)) return no_id(id);
  TRY(const OpenLimits limits, open_limits(limits_path(id)));
  const std::uint32_t devices = limits.view.devices();
  GrantLook look;
  LedgerCopy copy;
  const Result<std::string> bytes = read_ledger(ledger_path(id), limits.view);
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

}  // namespace gpunode::share
