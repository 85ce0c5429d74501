// One directory of a driver root, read once.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/core/unique_fd.h"
#include "base/host/elf_file.h"
#include "base/host/host_root.h"

namespace gpunode::cdi {

/// `path` with every link followed inside `root`, as a path of the root:
/// "/usr/lib64/libcuda.so.550.163.01"; nothing if it leads nowhere.
std::optional<std::string> real_path(const host::HostRoot& root,
                                     const std::string& path);

/// The part of `path` before its last slash; "/" for one of the root.
std::string directory_of(const std::string& path);
/// The part behind it.
std::string name_of_file(const std::string& path);
/// Joins with one slash.
std::string joined_path(std::string_view directory, std::string_view name);

/// The libraries in a directory. Holds the directory open, so that they can be
/// looked into without walking there again. Move-only.
class DriverDirectory {
 public:
  struct Entry {
    std::string name;
    bool is_link = false;
  };
  using Identity = std::pair<dev_t, ino_t>;

  /// Nothing if it is not there or cannot be read.
  static std::optional<DriverDirectory> open(const host::HostRoot& root,
                                             const std::string& path);

  /// Where it really is in the root, links followed.
  const std::string& path() const { return path_; }
  /// The same for one directory under several names.
  Identity identity() const { return identity_; }

  /// Regular files and links with ".so" in their names, in byte order.
  const std::vector<Entry>& entries() const { return entries_; }
  bool has(std::string_view name) const;

  /// What a regular file in it says of itself.
  Result<host::SharedObject> shared_object(const std::string& name) const;

 private:
  DriverDirectory() = default;
  bool read_entries();

  std::string path_;
  Identity identity_;
  UniqueFd fd_;
  std::vector<Entry> entries_;
};

}  // namespace gpunode::cdi
