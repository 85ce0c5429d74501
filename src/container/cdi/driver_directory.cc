#include "container/cdi/driver_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <memory>

namespace gpunode::cdi {
namespace {

// What the entry is, asked from the file where the file system does not say.
unsigned char type_of(int directory, const dirent& entry) {
  if (entry.d_type != DT_UNKNOWN) return entry.d_type;
  struct stat status {};
  if (::fstatat(directory, entry.d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
    return DT_UNKNOWN;
  }
  if (S_ISREG(status.st_mode)) return DT_REG;
  return S_ISLNK(status.st_mode) ? DT_LNK : DT_UNKNOWN;
}

}  // namespace

std::optional<std::string> real_path(const host::HostRoot& root,
                                     const std::string& path) {
  auto real = root.resolve(path);
  if (!real) return std::nullopt;
  if (root.prefix() == "/") return *std::move(real);
  const auto prefix = root.resolve("/");
  if (!prefix || !real->starts_with(*prefix)) return std::nullopt;
  real->erase(0, prefix->size());
  if (real->empty()) return "/";
  return *std::move(real);
}

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

std::string name_of_file(const std::string& path) {
  return path.substr(path.rfind('/') + 1);  // npos + 1 is 0.
}

std::string joined_path(std::string_view directory, std::string_view name) {
  std::string path(directory);
  if (!path.ends_with('/')) path += '/';
  while (name.starts_with('/')) name.remove_prefix(1);
  path += name;
  return path;
}

std::optional<DriverDirectory> DriverDirectory::open(const host::HostRoot& root,
                                                     const std::string& path) {
  auto fd = root.open(path, O_RDONLY | O_DIRECTORY);
  if (!fd) return std::nullopt;
  struct stat status {};
  if (::fstat(fd->get(), &status) != 0) return std::nullopt;
  auto real = real_path(root, path);
  if (!real) return std::nullopt;
  DriverDirectory directory;
  directory.path_ = *std::move(real);
  directory.identity_ = {status.st_dev, status.st_ino};
  directory.fd_ = *std::move(fd);
  if (!directory.read_entries()) return std::nullopt;
  return directory;
}

bool DriverDirectory::read_entries() {
  UniqueFd own(::fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0));
  if (!own) return false;
  const auto close = [](DIR* dir) { ::closedir(dir); };
  const std::unique_ptr<DIR, decltype(close)> dir(::fdopendir(own.get()),
                                                  close);
  if (!dir) return false;
  static_cast<void>(own.release());  // closedir closes it.
  // NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is this call's own.
  while (const dirent* entry = ::readdir(dir.get())) {
    const std::string_view name = entry->d_name;
    if (name.find(".so") == std::string_view::npos) continue;
    const unsigned char type = type_of(fd_.get(), *entry);
    if (type != DT_REG && type != DT_LNK) continue;
    entries_.push_back({std::string(name), type == DT_LNK});
  }
  std::ranges::sort(entries_, {}, &Entry::name);
  return true;
}

bool DriverDirectory::has(std::string_view name) const {
  const auto found = std::ranges::lower_bound(entries_, name, {}, &Entry::name);
  return found != entries_.end() && found->name == name;
}

Result<host::SharedObject> DriverDirectory::shared_object(
    const std::string& name) const {
  // O_NONBLOCK: a FIFO put in the file's place must not hold us.
  const UniqueFd fd(::openat(fd_.get(), name.c_str(),
                             O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd) return Error::from_errno("open " + name, errno);
  return host::read_shared_object(host::FileBytes(fd.get()));
}

}  // namespace gpunode::cdi
