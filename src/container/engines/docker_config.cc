#include "container/engines/docker_config.h"

#include "base/text/json_edit.h"

namespace gpunode::engines {

using text::KeyPath;
using DefaultRuntime = RuntimeRequest::DefaultRuntime;

Result<EnginePlan> plan_docker(const std::string& path,
                               const std::optional<std::string>& config,
                               const RuntimeRequest& request) {
  TRY(auto editor, text::JsonEditor::open(config.value_or("{}"), path));
  if (request.default_runtime == DefaultRuntime::kSet) {
    TRY_VOID(editor.set({"default-runtime"}, text::string_node(request.name)));
  } else if (request.default_runtime == DefaultRuntime::kUnset &&
             text::string_at(editor.tree(), {"default-runtime"}) ==
                 request.name) {
    TRY_VOID(editor.remove({"default-runtime"}));
  }
  if (request.enable_cdi) {
    TRY_VOID(editor.set({"features", "cdi"}, text::bool_node(true)));
  }
  const KeyPath entry = {"runtimes", request.name};
  if (text::find_at(editor.tree(), entry) == nullptr || request.is_exact_copy) {
    text::Node made = text::mapping_node();
    text::put_at(made, {"args"}, text::list_node({}));
    text::put_at(made, {"path"}, text::string_node(request.path));
    TRY_VOID(editor.set(entry, made));
  } else {
    TRY_VOID(editor.set(text::child(entry, "path"),
                        text::string_node(request.path)));
  }
  EnginePlan plan;
  plan.files.push_back({path, config, editor.text()});
  return plan;
}

}  // namespace gpunode::engines
