#include "node/provision/tree_count.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "base/core/error.h"
#include "base/digest/digest.h"
#include "node/provision/tree_attributes.h"

namespace gpunode::provision {
namespace {

/// With its length, so that no two lists of fields look alike.
std::string framed(std::string_view field) {
  return fmt::format("{}:{}\n", field.size(), field);
}

Result<std::string> target_of(const std::string& path) {
  std::array<char, PATH_MAX> target{};
  const ssize_t size = ::readlink(path.c_str(), target.data(), target.size());
  if (size < 0) return Error::from_errno("read the link " + path, errno);
  return std::string(target.data(), static_cast<std::size_t>(size));
}

class Counting {
 public:
  explicit Counting(bool is_live) : is_live_(is_live) {}

  Result<void> add(const TreeEntry& entry);
  TreeCount take() { return std::move(count_); }

 private:
  Result<void> add_metadata(const TreeEntry& entry, std::uint64_t first);
  void add_content(const struct stat& status, bool is_first);

  bool is_live_;
  TreeCount count_;
  /// Inodes with several names: which entry had the first.
  std::map<std::pair<dev_t, ino_t>, std::uint64_t> first_;
};

Result<void> Counting::add(const TreeEntry& entry) {
  const struct stat& status = entry.status;
  if (!entry.name.empty()) ++count_.entries;
  std::uint64_t first = count_.entries;
  if (!S_ISDIR(status.st_mode) && status.st_nlink > 1) {
    first =
        first_.try_emplace({status.st_dev, status.st_ino}, first).first->second;
  }
  if (S_ISREG(status.st_mode)) {
    add_content(status, first == count_.entries);
  }
  if (is_live_) return {};
  return add_metadata(entry, first);
}

void Counting::add_content(const struct stat& status, bool is_first) {
  constexpr std::uint64_t kStatBlockBytes = 512;
  if (!is_first) {
    ++count_.linked;
    return;
  }
  count_.content_bytes += static_cast<std::uint64_t>(status.st_size);
  count_.disk_bytes +=
      static_cast<std::uint64_t>(status.st_blocks) * kStatBlockBytes;
}

Result<void> Counting::add_metadata(const TreeEntry& entry,
                                    std::uint64_t first) {
  const struct stat& status = entry.status;
  const bool is_device = S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode);
  std::string text = framed(entry.name);
  text += fmt::format("{:o} {}:{} {} {} {}\n", status.st_mode, status.st_uid,
                      status.st_gid, first, is_device ? status.st_rdev : 0,
                      S_ISREG(status.st_mode) ? status.st_size : 0);
  if (S_ISLNK(status.st_mode)) {
    TRY(const std::string target, target_of(entry.path));
    text += framed(target);
  }
  TRY(const auto attributes, attributes_of(entry.path));
  for (const auto& [name, value] : attributes) {
    if (is_copied_attribute(name)) text += framed(name) + framed(value);
  }
  count_.metadata = digest::sha256(count_.metadata + text);
  return {};
}

}  // namespace

Result<TreeCount> count_tree(const std::string& path,
                             const WalkOptions& options) {
  Counting counting(options.is_live);
  auto walked = walk_tree(path, options, [&](const TreeEntry& entry) {
    return counting.add(entry);
  });
  if (!walked) {
    return std::move(walked).error().with_context("count what is there");
  }
  return counting.take();
}

}  // namespace gpunode::provision
