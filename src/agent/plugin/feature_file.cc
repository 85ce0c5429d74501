#include "agent/plugin/feature_file.h"

#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include <fmt/format.h>

#include "base/core/error.h"
#include "base/host/file.h"
#include "base/host/host_root.h"

namespace gpunode::plugin {
namespace {

constexpr mode_t kMode = 0644;
/// More than any node has labels for; a larger file is not ours.
constexpr std::size_t kMostBytes = std::size_t{1} << 20U;

Result<void> print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() &&
      std::fflush(stdout) == 0) {
    return {};
  }
  return Error::from_errno("write standard output", errno);
}

bool holds(const std::string& path, std::string_view text) {
  const host::HostRoot root;
  const auto status = root.status(path);
  if (!status || status->mode != kMode) return false;
  const auto there = root.read_file(path, kMostBytes);
  return there && *there == text;
}

}  // namespace

Result<void> write_feature_file(const std::string& path,
                                std::string_view text) {
  if (path.empty()) return print(text);
  const std::string absolute = std::filesystem::absolute(path).string();
  if (holds(absolute, text)) return {};
  auto written = host::write_file_atomic(absolute, text, kMode,
                                         host::Durability::kVolatile);
  if (written) return {};
  return std::move(written).error().with_context(
      fmt::format("error atomically writing file '{}'", path));
}

Result<void> remove_feature_file(const std::string& path) {
  if (path.empty()) return {};
  const std::filesystem::path file(path);
  std::error_code failed;
  std::filesystem::remove_all(file.parent_path() / "gfd-tmp", failed);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return Error::from_errno("Error removing output file: remove " + path,
                             errno);
  }
  return {};
}

}  // namespace gpunode::plugin
