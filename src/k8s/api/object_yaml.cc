#include "k8s/api/object_yaml.h"

#include "base/text/json_edit.h"
#include "base/text/tree.h"
#include "base/text/yaml_writer.h"

namespace gpunode::kube {

Result<std::string> object_yaml(std::string_view json) {
  TRY(const text::JsonValue value, text::read_json(json, "object"));
  return text::write_yaml(text::tree_of(value));
}

}  // namespace gpunode::kube
