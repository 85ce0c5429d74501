#include "apps/gpunode/commands/host_source.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "node/facts/bundle.h"

namespace gpunode::cli {
namespace {

constexpr const char* kIndex = "bundle.json";

Result<std::string> absolute(const std::string& path) {
  std::error_code problem;
  const std::filesystem::path full = std::filesystem::absolute(path, problem);
  if (problem) return Error::from_errno("find " + path, problem.value());
  return full.string();
}

bool is_bundle(const std::string& root) {
  const host::HostRoot host(root);
  return host.exists(kIndex) && !host.exists("/etc/os-release");
}

}  // namespace

Result<facts::Recording> load_bundle(const std::string& path) {
  TRY(const std::string full, absolute(path));
  const host::HostRoot here;
  TRY(const host::FileStatus status, here.status(full));
  auto recording = status.kind == host::FileKind::kDirectory
                       ? facts::read_unpacked_bundle(host::HostRoot(full))
                       : [&]() -> Result<facts::Recording> {
    TRY(const std::string archive, here.read_file(full, facts::kTarLimitBytes));
    return facts::read_bundle(archive);
  }();
  if (!recording) {
    return std::move(recording).error().with_context("read the bundle " + path);
  }
  return recording;
}

HostSource::HostSource(std::shared_ptr<const facts::Recording> recording)
    : host_(facts::replayed(recording)),
      replay_(std::make_unique<facts::ReplayingRunner>(std::move(recording))) {}

Result<HostSource> HostSource::open(const std::string& root,
                                    const std::string& from,
                                    host::CommandRunner& runner) {
  if (from.empty() && !is_bundle(root)) return HostSource(root, runner);
  TRY(facts::Recording loaded, load_bundle(from.empty() ? root : from));
  return HostSource(
      std::make_shared<const facts::Recording>(std::move(loaded)));
}

}  // namespace gpunode::cli
