#include "node/provision/steps/runtime/containerd_file.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/text/tree.h"
#include "container/engines/request.h"

namespace gpunode::provision {
namespace {

using engines::containerd_cri;
using engines::containerd_schema;
using text::child;
using text::find_at;
using text::KeyPath;
using text::Node;

constexpr const char* kRuncType = "io.containerd.runc.v2";
constexpr const char* kOurs = "nvidia";

/// Every name that the CRI plugin has or had; "cri" of version 1.
bool is_cri_plugin(std::string_view name) {
  constexpr std::array<std::string_view, 4> kNames = {
      "cri", "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime",
      "io.containerd.cri.v1.images"};
  return std::ranges::find(kNames, name) != kNames.end();
}

/// From version 3 on (containerd 2.0; docs/cri/config.md there) the image has a
/// plugin of its own.
KeyPath sandbox_path(long long schema) {
  if (schema >= 3) {
    return {"plugins", "io.containerd.cri.v1.images", "pinned_images",
            "sandbox"};
  }
  return child(containerd_cri(schema), "sandbox_image");
}

/// An image of Kubernetes' own registry, today's or the one before 2023: one
/// from elsewhere is somebody's mirror.
bool is_kubernetes_own(std::string_view image) {
  return image.starts_with("registry.k8s.io/pause:") ||
         image.starts_with("k8s.gcr.io/pause:");
}

/// Whose entry of the runtime is rewritten by its owner whenever we change it.
bool is_kept_by_operator(std::string_view program) {
  return program.starts_with("/usr/local/nvidia/toolkit/") ||
         program.starts_with("/run/nvidia/");
}

/// One file, change after change.
class Editing {
 public:
  Editing(text::TomlEditor editor, const ContainerdWish& wish,
          ContainerdEdit& edit)
      : editor_(std::move(editor)), wish_(wish), edit_(edit) {}

  Result<void> edit(const ContainerdTexts& texts);

 private:
  Result<void> settle_version(const ContainerdTexts& texts);
  Result<void> enable_cri();
  Result<void> set_cgroup();
  Result<void> set_sandbox();
  Result<void> set_gpu(const ContainerdTexts& texts);
  Result<void> set_runtime(const ContainerdTexts& texts);
  Result<void> set_cdi();

  KeyPath containerd() const {
    return child(containerd_cri(schema_), "containerd");
  }
  KeyPath program_path() const {
    return {containerd()[0], containerd()[1], "containerd", "runtimes",
            kOurs,           "options",       "BinaryName"};
  }

  text::TomlEditor editor_;
  const ContainerdWish& wish_;
  ContainerdEdit& edit_;
  long long schema_ = 2;
};

/// Docker's package has a file of comments and `disabled_plugins = ["cri"]`:
/// version 1, since it does not say. What has no plugin's table means the same
/// in version 2, which every containerd from 1.3 on reads.
Result<void> Editing::settle_version(const ContainerdTexts& texts) {
  const Node& tree = editor_.tree();
  const bool is_blank = tree.entries.empty();
  const auto names_old = [&](const char* key) {
    const Node* names = find_at(tree, {key});
    return names != nullptr &&
           std::ranges::any_of(names->items, [](const Node& name) {
             return !is_cri_plugin(name.scalar) &&
                    name.scalar.find('.') == std::string::npos;
           });
  };
  const bool may_become_2 =
      tree.find("version") == nullptr && tree.find("plugins") == nullptr &&
      !names_old("disabled_plugins") && !names_old("required_plugins");
  if (is_blank || may_become_2) {
    TRY_VOID(editor_.set({"version"}, text::integer_node(2)));
  }
  if (is_blank && texts.has_conf_d) {
    // Without a file containerd 2.2 reads these; with one it reads what that
    // names.
    TRY_VOID(editor_.append({"imports"}, "/etc/containerd/conf.d/*.toml"));
  }
  TRY(schema_, containerd_schema(editor_.tree()));
  return {};
}

Result<void> Editing::enable_cri() {
  const KeyPath path = {"disabled_plugins"};
  const Node* disabled = find_at(editor_.tree(), path);
  if (disabled == nullptr) return {};
  std::vector<std::string> rest;
  for (const Node& name : disabled->items) {
    if (!is_cri_plugin(name.scalar)) rest.push_back(name.scalar);
  }
  if (rest.size() == disabled->items.size()) return {};
  edit_.lacks.emplace_back(
      "the CRI plugin, which the kubelet talks to, is disabled");
  return editor_.set(path, text::list_node(rest));
}

Result<void> Editing::set_cgroup() {
  TRY(const bool is_changed,
      set_systemd_cgroup(editor_, wish_.has_systemd_cgroup));
  if (is_changed) {
    edit_.lacks.push_back(fmt::format("SystemdCgroup is not {}",
                                      wish_.has_systemd_cgroup ? "on" : "off"));
  }
  return {};
}

Result<void> Editing::set_sandbox() {
  if (wish_.sandbox_image.empty()) return {};
  const KeyPath path = sandbox_path(schema_);
  const std::string now = text::string_at(editor_.tree(), path);
  if (now == wish_.sandbox_image) return {};
  if (!now.empty() && !wish_.is_image_said && !is_kubernetes_own(now)) {
    edit_.notes.push_back(fmt::format(
        "the sandbox image stays {}, which somebody chose; the cluster's own "
        "would be {}: `sandboxImage` says another",
        now, wish_.sandbox_image));
    return {};
  }
  edit_.lacks.push_back(now.empty()
                            ? fmt::format("no sandbox image is named")
                            : fmt::format("the sandbox image is {}", now));
  return editor_.set(path, text::string_node(wish_.sandbox_image));
}

Result<void> Editing::set_cdi() {
  const KeyPath path = child(containerd_cri(schema_), "enable_cdi");
  const Node* now = find_at(editor_.tree(), path);
  if (now == nullptr || !now->is_true()) {
    edit_.lacks.emplace_back("CDI is not said to be on");
    TRY_VOID(editor_.set(path, text::bool_node(true)));
  }
  const KeyPath name = child(containerd(), "default_runtime_name");
  if (text::string_at(editor_.tree(), name) == kOurs &&
      text::string_at(editor_.tree(), program_path()) == kRuntimeProgram) {
    edit_.lacks.emplace_back("gpunode-runtime is the default runtime");
    TRY_VOID(editor_.remove(name));
  }
  return {};
}

/// As `gpunode runtime configure` does it.
Result<void> Editing::set_runtime(const ContainerdTexts& texts) {
  using DefaultRuntime = engines::RuntimeRequest::DefaultRuntime;
  engines::RuntimeRequest request;
  request.name = kOurs;
  request.path = kRuntimeProgram;
  request.systemd_cgroup = wish_.has_systemd_cgroup;
  request.default_runtime = wish_.gpu_mode == GpuMode::kDefaultRuntime
                                ? DefaultRuntime::kSet
                                : DefaultRuntime::kUnset;
  engines::ContainerdFiles files;
  files.config_path = kContainerdConfig;
  files.config = editor_.text();
  files.drop_in_path = kContainerdDropIn;
  if (texts.drop_in) {
    files.drop_in_text = texts.drop_in;
    files.drop_in = engines::ContainerdFiles::DropIn::kSmall;
  }
  TRY(const engines::EnginePlan plan, engines::plan_containerd(files, request));
  if (plan.is_change()) {
    edit_.lacks.emplace_back(
        wish_.gpu_mode == GpuMode::kDefaultRuntime
            ? "gpunode-runtime is not its default runtime"
            : "it has no runtime \"nvidia\" as it is to be");
  }
  edit_.notes.insert(edit_.notes.end(), plan.notes.begin(), plan.notes.end());
  for (const engines::FileChange& file : plan.files) {
    if (file.path == kContainerdConfig) {
      edit_.config = file.after.value_or("");
    } else {
      edit_.drop_in = file.after;
    }
  }
  return {};
}

Result<void> Editing::set_gpu(const ContainerdTexts& texts) {
  const std::string program = text::string_at(editor_.tree(), program_path());
  if (is_kept_by_operator(program)) {
    return Error(
        ErrorCode::kUnavailable,
        fmt::format("the runtime \"nvidia\" of {} is {}, which NVIDIA's GPU "
                    "Operator put there and keeps",
                    kContainerdConfig, program));
  }
  if (!program.empty() && program != kRuntimeProgram &&
      wish_.gpu_mode != GpuMode::kCdi) {
    edit_.notes.push_back(
        fmt::format("gpunode-runtime takes the place of {}", program));
  }
  if (wish_.gpu_mode != GpuMode::kCdi) return set_runtime(texts);
  TRY_VOID(set_cdi());
  edit_.config = editor_.text();
  return {};
}

Result<void> Editing::edit(const ContainerdTexts& texts) {
  TRY_VOID(settle_version(texts));
  TRY_VOID(enable_cri());
  TRY_VOID(set_cgroup());
  TRY_VOID(set_sandbox());
  return set_gpu(texts);
}

}  // namespace

Result<bool> set_systemd_cgroup(text::TomlEditor& editor, bool is_on) {
  TRY(const long long schema, containerd_schema(editor.tree()));
  const KeyPath runtimes =
      child(child(containerd_cri(schema), "containerd"), "runtimes");
  const std::string before = editor.text();
  std::vector<std::string> names = {"runc"};
  if (const Node* all = find_at(editor.tree(), runtimes)) {
    for (const text::Entry& one : all->entries) {
      const std::string type = text::string_at(one.value, {"runtime_type"});
      // What is ours is made after runc's, later.
      if (one.key != "runc" && one.key != kOurs &&
          type.starts_with("io.containerd.runc.")) {
        names.push_back(one.key);
      }
    }
  }
  for (const std::string& name : names) {
    const KeyPath entry = child(runtimes, name);
    const KeyPath path = child(child(entry, "options"), "SystemdCgroup");
    const Node* now = find_at(editor.tree(), path);
    if (!is_on && (now == nullptr || !now->is_true())) continue;
    const KeyPath type = child(entry, "runtime_type");
    if (find_at(editor.tree(), type) == nullptr) {
      TRY_VOID(editor.set(type, text::string_node(kRuncType)));
    }
    TRY_VOID(editor.set(path, text::bool_node(is_on)));
  }
  return editor.text() != before;
}

bool has_cri_table(const text::Node& tree) {
  const Node* plugins = find_at(tree, {"plugins"});
  return plugins != nullptr &&
         std::ranges::any_of(plugins->entries, [](const text::Entry& one) {
           return is_cri_plugin(one.key);
         });
}

Result<ContainerdEdit> edit_containerd(const ContainerdTexts& texts,
                                       const ContainerdWish& wish) {
  ContainerdEdit edit;
  edit.drop_in = texts.drop_in;
  TRY(text::TomlEditor editor,
      text::TomlEditor::open(texts.config.value_or(""), kContainerdConfig));
  TRY_VOID(Editing(std::move(editor), wish, edit).edit(texts));
  return edit;
}

}  // namespace gpunode::provision
