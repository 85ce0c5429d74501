#include "container/engines/containerd_config.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "base/host/path.h"
#include "base/text/toml_edit.h"
#include "base/text/toml_reader.h"
#include "base/text/toml_value.h"
#include "container/engines/runtime_entry.h"

namespace gpunode::engines {
namespace {

using text::child;
using text::KeyPath;
using text::Node;
using DefaultRuntime = RuntimeRequest::DefaultRuntime;

constexpr const char* kRuntimeType = "io.containerd.runc.v2";

KeyPath joined(KeyPath path, const KeyPath& more) {
  path.insert(path.end(), more.begin(), more.end());
  return path;
}

// {containerd, of a dump in its own version}; nullptr if there is no dump.
const Node* containerd_of(const std::optional<Node>& dump) {
  if (!dump) return nullptr;
  const auto schema = containerd_schema(*dump);
  if (!schema) return nullptr;
  return text::find_at(*dump, child(containerd_cri(*schema), "containerd"));
}

const Node* runtimes_of(const Node* containerd) {
  return containerd == nullptr ? nullptr
                               : text::find_at(*containerd, {"runtimes"});
}

const Node* value_of(const Node* runtimes, const std::string& name) {
  return runtimes == nullptr ? nullptr : text::find_at(*runtimes, {name});
}

/// The entry to make ours after.
struct Template {
  std::optional<Node> entry;
  /// Nobody said what is in it: it is the daemon's own.
  bool is_built_in = false;
};

/// Makes one change after the other; knows nothing of files.
class ContainerdPlanner {
 public:
  ContainerdPlanner(const ContainerdFiles& files, const RuntimeRequest& request)
      : files_(files), request_(request) {}

  Result<EnginePlan> plan();

 private:
  Template find_template(const Node& source) const;
  Node wanted_entry(const Node& source);
  Node fallback_entry();
  Result<void> edit(text::TomlEditor& editor, const Node& source);
  Result<void> edit_entry(text::TomlEditor& editor, const Node& wanted);
  Result<void> edit_default(text::TomlEditor& editor);
  Result<void> name_built_in(text::TomlEditor& editor);
  Result<std::string> drop_in(const Node& source);
  Result<void> import_drop_in(text::TomlEditor& editor);

  KeyPath containerd() const { return child(cri_, "containerd"); }
  KeyPath runtimes() const { return child(containerd(), "runtimes"); }
  KeyPath entry() const { return child(runtimes(), request_.name); }

  const ContainerdFiles& files_;
  const RuntimeRequest& request_;
  EnginePlan plan_;
  long long schema_ = 2;
  bool is_blank_ = false;  // The file says nothing.
  KeyPath cri_;
};

Node ContainerdPlanner::fallback_entry() {
  Node entry = text::mapping_node();
  const auto put = [&entry](const char* key, Node value) {
    text::put_at(entry, {key}, std::move(value));
  };
  put("runtime_type", text::string_node(kRuntimeType));
  put("runtime_root", text::string_node(""));
  put("runtime_engine", text::string_node(""));
  put("privileged_without_host_devices", text::bool_node(false));
  std::string note =
      "no entry of runc or crun to copy from; containerd's defaults are "
      "written";
  if (request_.systemd_cgroup) {
    text::put_at(entry, {"options", "SystemdCgroup"}, text::bool_node(true));
    note += ", with SystemdCgroup = true as this host's cgroups are systemd's";
  }
  plan_.notes.push_back(std::move(note));
  return entry;
}

// As the machine runs it: what the file says counts for less than what the
// daemon made of it and of the files that it imports.
Template ContainerdPlanner::find_template(const Node& source) const {
  const auto named = [](const Node* containerd) {
    return template_entry(
        runtimes_of(containerd),
        containerd == nullptr
            ? ""
            : text::string_at(*containerd, {"default_runtime_name"}));
  };
  const Node* file = text::find_at(source, containerd());
  const text::Entry* running = named(containerd_of(files_.effective));
  if (running == nullptr) {
    const text::Entry* found = named(file);
    return found == nullptr ? Template{} : Template{found->value, false};
  }
  const Node* said = value_of(runtimes_of(file), running->key);
  const Node* built_in =
      value_of(runtimes_of(containerd_of(files_.built_in)), running->key);
  const bool is_built_in =
      built_in != nullptr && text::same_tree(running->value, *built_in);
  Node entry = written_entry(running->value, said, built_in);
  if (entry.entries.empty()) return {std::nullopt, true};
  return {std::move(entry), is_built_in};
}

Node ContainerdPlanner::wanted_entry(const Node& source) {
  Template found = find_template(source);
  const Node* existing = text::find_at(source, entry());
  const bool may_keep = existing != nullptr && !request_.is_exact_copy;
  // An entry of ours made when nobody had said anything stays as it is.
  const bool is_template = found.entry && !(may_keep && found.is_built_in);
  Node wanted = is_template ? *std::move(found.entry)
                : may_keep  ? *existing
                            : fallback_entry();
  // Two drivers of cgroups on one node is what flaps: runc's counts.
  if (may_keep) keep_existing(wanted, existing, {{"options", "SystemdCgroup"}});
  if (text::string_at(wanted, {"runtime_type"}).empty()) {
    text::put_at(wanted, {"runtime_type"}, text::string_node(kRuntimeType));
  }
  const Node path = text::string_node(request_.path);
  text::put_at(wanted, {"options", "BinaryName"}, path);
  if (schema_ == 1) text::put_at(wanted, {"options", "Runtime"}, path);
  return wanted;
}

Result<void> ContainerdPlanner::edit_entry(text::TomlEditor& editor,
                                           const Node& wanted) {
  const Node* existing = text::find_at(editor.tree(), entry());
  if (existing == nullptr) return editor.set(entry(), wanted);
  const auto changes = text::tree_changes(*existing, wanted);
  for (const text::TreeChange& change : changes) {
    const KeyPath path = joined(entry(), change.path);
    if (change.after) {
      TRY_VOID(editor.set(path, *change.after));
    } else {
      TRY_VOID(editor.remove(path));
    }
  }
  return {};
}

Result<void> ContainerdPlanner::edit_default(text::TomlEditor& editor) {
  const KeyPath path = child(containerd(), "default_runtime_name");
  if (request_.default_runtime == DefaultRuntime::kSet) {
    return editor.set(path, text::string_node(request_.name));
  }
  if (request_.default_runtime == DefaultRuntime::kUnset &&
      text::string_at(editor.tree(), path) == request_.name) {
    return editor.remove(path);
  }
  return {};
}

Result<void> ContainerdPlanner::name_built_in(text::TomlEditor& editor) {
  const Node* running = runtimes_of(containerd_of(files_.effective));
  const Node* built_in = runtimes_of(containerd_of(files_.built_in));
  if (running == nullptr || text::find_at(editor.tree(), runtimes())) return {};
  for (const text::Entry& runtime : running->entries) {
    const Node* own = value_of(built_in, runtime.key);
    // What an imported file names is not forgotten.
    if (runtime.key == request_.name || own == nullptr ||
        !text::same_tree(*own, runtime.value)) {
      continue;
    }
    TRY_VOID(editor.set(child(runtimes(), runtime.key),
                        without_zeroes(runtime.value)));
    plan_.notes.push_back(fmt::format(
        "{} is named too, as containerd has it built in: it would forget it "
        "otherwise",
        runtime.key));
  }
  return {};
}

Result<void> ContainerdPlanner::edit(text::TomlEditor& editor,
                                     const Node& source) {
  if (is_blank_ || (schema_ == 1 && request_.is_exact_copy)) {
    TRY_VOID(editor.set({"version"}, text::integer_node(schema_)));
  }
  TRY_VOID(edit_default(editor));
  if (request_.enable_cdi) {
    const KeyPath above = schema_ == 1 ? containerd() : cri_;
    TRY_VOID(editor.set(child(above, "enable_cdi"), text::bool_node(true)));
  }
  const Node wanted = wanted_entry(source);
  TRY_VOID(name_built_in(editor));
  return edit_entry(editor, wanted);
}

Result<std::string> ContainerdPlanner::drop_in(const Node& source) {
  Node tree = text::mapping_node();
  text::put_at(tree, {"version"}, text::integer_node(schema_));
  const Node* section = text::find_at(source, cri_);
  if (files_.drop_in == ContainerdFiles::DropIn::kWholeSection &&
      section != nullptr) {
    text::put_at(tree, cri_, *section);
  }
  std::string head;
  if (!request_.is_exact_copy) {
    head =
        "# Written by `gpunode runtime configure`; `--undo` takes it away.\n";
  }
  TRY(auto editor,
      text::TomlEditor::open(text::toml_document(tree), files_.drop_in_path));
  TRY_VOID(edit_default(editor));
  if (request_.enable_cdi) {
    TRY_VOID(editor.set(child(cri_, "enable_cdi"), text::bool_node(true)));
  }
  TRY_VOID(edit_entry(editor, wanted_entry(source)));
  return head + text::toml_document(editor.tree());
}

Result<void> ContainerdPlanner::import_drop_in(text::TomlEditor& editor) {
  const std::string pattern =
      host::directory_of(files_.drop_in_path) + "/*.toml";
  if (is_blank_) {
    TRY_VOID(editor.set({"version"}, text::integer_node(schema_)));
  }
  const Node* imports = text::find_at(editor.tree(), {"imports"});
  const auto names_it = [&](const Node& item) {
    return item.scalar == pattern || item.scalar == files_.drop_in_path;
  };
  if (imports != nullptr && std::ranges::any_of(imports->items, names_it)) {
    return {};
  }
  return editor.append({"imports"}, pattern);
}

Result<EnginePlan> ContainerdPlanner::plan() {
  TRY(auto editor,
      text::TomlEditor::open(files_.config.value_or(""), files_.config_path));
  is_blank_ = editor.tree().entries.empty();
  TRY(schema_, containerd_schema(is_blank_ && files_.section_source
                                     ? *files_.section_source
                                     : editor.tree()));
  cri_ = containerd_cri(schema_);
  const Node file = editor.tree();
  const Node& source = files_.section_source ? *files_.section_source : file;
  if (schema_ == 1 || files_.drop_in == ContainerdFiles::DropIn::kNone) {
    TRY_VOID(edit(editor, file));
  } else {
    TRY(auto content, drop_in(source));
    plan_.files.push_back(
        {files_.drop_in_path, files_.drop_in_text, std::move(content)});
    TRY_VOID(import_drop_in(editor));
  }
  std::optional<std::string> after = editor.text();
  if (!files_.config && after->empty()) after = std::nullopt;
  plan_.files.push_back({files_.config_path, files_.config, std::move(after)});
  return std::move(plan_);
}

}  // namespace

Result<long long> containerd_schema(const text::Node& config) {
  const text::Entry* entry = config.find("version");
  if (entry == nullptr) return config.entries.empty() ? 2 : 1;
  const std::string& written = entry->value.scalar;
  long long schema = 0;
  const auto parsed =
      std::from_chars(written.data(), written.data() + written.size(), schema);
  if (!entry->value.is(Node::Kind::kInteger) || parsed.ec != std::errc{}) {
    return Error(ErrorCode::kCorrupt,
                 fmt::format("failed to parse config version: unsupported type "
                             "for version field: {}",
                             written));
  }
  return schema;
}

text::KeyPath containerd_cri(long long schema) {
  if (schema <= 1) return {"plugins", "cri"};
  if (schema == 2) return {"plugins", "io.containerd.grpc.v1.cri"};
  return {"plugins", "io.containerd.cri.v1.runtime"};
}

Result<EnginePlan> plan_containerd(const ContainerdFiles& files,
                                   const RuntimeRequest& request) {
  return ContainerdPlanner(files, request).plan();
}

}  // namespace gpunode::engines
