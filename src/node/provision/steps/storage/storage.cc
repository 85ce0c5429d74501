#include "node/provision/steps/storage/storage.h"

#include "node/provision/storage_choice.h"

namespace gpunode::provision {

std::string uuid_of(const PlanInput& input, const StorageSpec& entry) {
  const auto file = input.facts.files.find(std::string(kMachineIdPath));
  const bool is_there =
      file != input.facts.files.end() && file->second.content.has_value();
  return storage_uuid(is_there ? *file->second.content : "", entry.id);
}

}  // namespace gpunode::provision
