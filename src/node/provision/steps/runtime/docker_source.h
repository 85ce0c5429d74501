// Docker's repository: where it is for a distribution, and whether a file of
// somebody else's has it already. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "node/facts/host_facts.h"
#include "node/facts/wanted.h"
#include "node/provision/packages/package.h"
#include "node/provision/packages/repository.h"
#include "node/provision/step.h"

namespace gpunode::provision {

/// Its file, its key and its id.
inline constexpr const char* kDockerRepository = "gpunode-docker";
inline constexpr const char* kDockerBase = "https://download.docker.com/linux";

/// The repository for a host, and its key; the key itself is fetched.
struct DockerRepository {
  packages::Tool tool = packages::Tool::kDnf;
  packages::Repository repository;
  std::string key_url;
  std::string fingerprint;
};

/// Mirrors of the file are applied. kUnsupported, with what to say in the file
/// instead, where Docker has no packages for the host.
Result<DockerRepository> docker_repository(const PlanInput& input);

/// A file that has it on, and is not ours.
struct DockerSource {
  std::string path;
  bool is_checked = true;  ///< Packages must be signed.
};
std::optional<DockerSource> docker_source(
    const std::map<std::string, facts::FileFacts>& files,
    const std::string& base);

/// The files that docker_source() looks at.
facts::Wanted docker_wants();

}  // namespace gpunode::provision
