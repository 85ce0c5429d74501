#include "container/engines/crio_config.h"

#include <utility>

#include "base/text/toml_edit.h"
#include "base/text/toml_reader.h"
#include "base/text/toml_value.h"
#include "base/text/tree.h"
#include "container/engines/runtime_entry.h"

namespace gpunode::engines {
namespace {

using text::child;
using text::KeyPath;
using text::Node;
using DefaultRuntime = RuntimeRequest::DefaultRuntime;

const KeyPath& runtime_table() {
  static const KeyPath kPath = {"crio", "runtime"};
  return kPath;
}

KeyPath entry_path(const RuntimeRequest& request) {
  return child(child(runtime_table(), "runtimes"), request.name);
}

Node wanted_entry(const Node& source, const RuntimeRequest& request,
                  EnginePlan& plan) {
  const text::Entry* found = template_entry(
      text::find_at(source, child(runtime_table(), "runtimes")),
      text::string_at(source, child(runtime_table(), "default_runtime")));
  if (found == nullptr) {
    plan.notes.emplace_back(
        "no entry of runc or crun to copy from; CRI-O's defaults apply");
  }
  Node entry = found != nullptr ? found->value : text::mapping_node();
  if (!request.is_exact_copy) {
    keep_existing(entry, text::find_at(source, entry_path(request)), {});
  }
  text::put_at(entry, {"runtime_path"}, text::string_node(request.path));
  text::put_at(entry, {"runtime_type"}, text::string_node("oci"));
  return entry;
}

std::string drop_in(const Node& entry, const RuntimeRequest& request) {
  Node tree = text::mapping_node();
  text::put_at(tree, entry_path(request), entry);
  if (request.default_runtime == DefaultRuntime::kSet) {
    text::put_at(tree, child(runtime_table(), "default_runtime"),
                 text::string_node(request.name));
  }
  const std::string head =
      request.is_exact_copy
          ? ""
          : "# Written by `gpunode runtime configure`; `--undo` takes it "
            "away.\n";
  return head + text::toml_document(tree);
}

Result<void> edit(text::TomlEditor& editor, const Node& entry,
                  const RuntimeRequest& request) {
  const KeyPath path = child(runtime_table(), "default_runtime");
  if (request.default_runtime == DefaultRuntime::kSet) {
    TRY_VOID(editor.set(path, text::string_node(request.name)));
  } else if (request.default_runtime == DefaultRuntime::kUnset &&
             text::string_at(editor.tree(), path) == request.name) {
    TRY_VOID(editor.remove(path));
  }
  if (text::find_at(editor.tree(), entry_path(request)) == nullptr) {
    return editor.set(entry_path(request), entry);
  }
  for (const text::Entry& item : entry.entries) {
    TRY_VOID(editor.set(child(entry_path(request), item.key), item.value));
  }
  return {};
}

}  // namespace

Result<EnginePlan> plan_crio(const CrioFiles& files,
                             const RuntimeRequest& request) {
  EnginePlan plan;
  TRY(auto editor,
      text::TomlEditor::open(files.config.value_or(""), files.config_path));
  Node source = editor.tree();
  if (files.source) {
    TRY(source, text::parse_toml(*files.source, "crio status config"));
  }
  const Node entry = wanted_entry(source, request, plan);
  if (!files.drop_in_path.empty()) {
    plan.files.push_back(
        {files.drop_in_path, files.drop_in_text, drop_in(entry, request)});
    return plan;
  }
  TRY_VOID(edit(editor, entry, request));
  plan.files.push_back({files.config_path, files.config, editor.text()});
  return plan;
}

}  // namespace gpunode::engines
