#include "apps/runtime/low_level.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "container/oci/passed_call.h"

namespace gpunode::runtime {
namespace {

Error none_found(const std::vector<std::string>& candidates) {
  constexpr const char* kContext =
      "failed to create NVIDIA Container Runtime: error constructing "
      "low-level runtime: ";
  if (candidates.empty()) {
    return {ErrorCode::kInvalidArgument,
            std::string(kContext) +
                "at least one runtime candidate must be specified"};
  }
  return {ErrorCode::kNotFound,
          fmt::format("{}error locating runtime: no runtime binary found "
                      "from candidate list: [{}]",
                      kContext, fmt::join(candidates, " "))};
}

/// Calls `attempt` for each place of each candidate.
template <class Try>
bool try_all(const std::vector<std::string>& candidates, Try attempt) {
  const oci::PassedEnvironment environment = oci::read_environment(::environ);
  const auto buffer = std::make_unique<oci::PathBuffer>();
  for (const std::string& candidate : candidates) {
    oci::Candidates one;
    if (!one.add({candidate.data(), candidate.size()})) continue;
    if (oci::try_candidates(one, environment.path, *buffer, attempt)) {
      return true;
    }
  }
  return false;
}

bool is_absent(int error) {
  return error == ENOENT || error == EACCES || error == ENOTDIR ||
         error == ENAMETOOLONG || error == ELOOP;
}

bool is_program(const char* path) {
  struct stat status {};
  return ::stat(path, &status) == 0 && S_ISREG(status.st_mode) &&
         ::access(path, X_OK) == 0;
}

}  // namespace

Result<std::string> find_low_level(const std::vector<std::string>& candidates) {
  std::string found;
  try_all(candidates, [&](const char* path) {
    if (!is_program(path)) return oci::Attempt::kNext;
    found = path;
    return oci::Attempt::kStop;
  });
  if (found.empty()) return none_found(candidates);
  return found;
}

Error become(const std::string& program, char** arguments) {
  std::string name = program;
  arguments[0] = name.data();
  ::execve(program.c_str(), arguments, ::environ);
  const int error = errno;
  Error failed = Error::from_errno(
      "failed to create NVIDIA Container Runtime: run " + program, error);
  errno = error;
  return failed;
}

Error become_first(const std::vector<std::string>& candidates,
                   char** arguments) {
  Error error = none_found(candidates);
  try_all(candidates, [&](const char* path) {
    Error failed = become(path, arguments);
    if (is_absent(errno)) return oci::Attempt::kNext;
    error = std::move(failed);
    return oci::Attempt::kStop;
  });
  return error;
}

}  // namespace gpunode::runtime
