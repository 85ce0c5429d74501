// runtime.config: containerd runs with the configuration that a node of the
// cluster needs, and hands GPUs out as the file says.
//
// Everything that config.toml says is planned here, gpunode-runtime too: one
// change of the file, one restart.

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/text/toml_reader.h"
#include "base/text/tree.h"
#include "base/text/yaml.h"
#include "node/provision/file_plan.h"
#include "node/provision/steps/runtime/containerd_file.h"
#include "node/provision/steps/runtime/engine_version.h"
#include "node/provision/steps/runtime/runtime.h"

namespace gpunode::provision {
namespace {

constexpr const char* kUnit = "containerd.service";
constexpr const char* kKubeletConfig = "/var/lib/kubelet/config.yaml";
constexpr const char* kPrograms[] = {"/usr/bin/containerd",
                                     "/usr/local/bin/containerd"};
constexpr std::string_view kConfDirectory = "/etc/containerd/conf.d/";
constexpr std::string_view kOursBegins =
    "# Written by `gpunode runtime configure`";

std::optional<std::string> text_of(const PlanInput& input, const char* path) {
  const auto file = input.facts.files.find(path);
  if (file == input.facts.files.end()) return std::nullopt;
  return file->second.content;
}

/// Whether an entry of `imports` takes `path` in. They may be relative to the
/// file.
bool takes_in(std::string item, std::string_view path) {
  if (!item.starts_with('/')) item.insert(0, "/etc/containerd/");
  if (!item.ends_with("*.toml")) return item == path;
  item.resize(item.size() - std::string_view("*.toml").size());
  return path.starts_with(item) &&
         path.find('/', item.size()) == std::string_view::npos;
}

/// What `imports` says, and what holds where it says nothing.
bool is_imported(const text::Node& config,
                 const std::optional<engines::ContainerdVersion>& engine,
                 std::string_view path) {
  const text::Node* imports = text::find_at(config, {"imports"});
  if (imports == nullptr) {
    // The built-in configuration of 2.2 imports conf.d.
    return engine &&
           (engine->major > 2 || (engine->major == 2 && engine->minor >= 2));
  }
  return std::ranges::any_of(imports->items, [&](const text::Node& item) {
    return takes_in(item.scalar, path);
  });
}

class Config final : public Step {
 public:
  std::string_view id() const override { return "runtime.config"; }
  std::string_view title() const override {
    return "containerd runs as the cluster and its GPUs need it";
  }
  std::string_view reason() const override {
    return "with another manager of cgroups than the kubelet's Pods die under "
           "load, without the CRI plugin no node joins, and without "
           "gpunode-runtime no container sees a GPU";
  }
  std::vector<std::string> counts_on() const override {
    return {"runtime.engine", "runtime.gpu"};
  }

  facts::Wanted wants(const NodeSpec& spec) const override {
    if (!spec.runtime.is_wanted) return {};
    facts::Wanted wanted;
    wanted.files = {kContainerdConfig, kContainerdDropIn, kKubeletConfig,
                    std::string(kConfDirectory) + "*.toml"};
    wanted.packages = {"containerd", "containerd.io"};
    wanted.units = {kUnit};
    wanted.trees = {kPrograms[0], kPrograms[1]};
    return wanted;
  }

  StepPlan plan(const PlanInput& input) const override {
    const RuntimeSpec& spec = input.spec.runtime;
    if (!spec.is_wanted) {
      return StepPlan::not_wanted("the file has no `spec.runtime`");
    }
    const auto unit = input.facts.units.find(kUnit);
    const bool is_there = unit != input.facts.units.end() &&
                          (unit->second.load_state == "loaded" ||
                           unit->second.load_state == "masked");
    if (!is_there && spec.source == EngineSource::kPreinstalled) {
      return StepPlan::not_wanted("containerd is not there");
    }
    StepPlan plan = check_engine(input);
    if (plan.state != StepState::kBlocked) check_kubelet(input, plan);
    if (plan.state != StepState::kBlocked) check_imports(input, plan);
    if (plan.state != StepState::kBlocked) plan_files(input, plan);
    if (plan.state == StepState::kBlocked) return plan;
    plan_unit(input, is_there ? unit->second : facts::UnitFacts{}, is_there,
              plan);
    return plan;
  }

 private:
  static StepPlan check_engine(const PlanInput& input) {
    const auto engine = engine_version(input.facts);
    const bool is_before_1_7 =
        engine &&
        (engine->major < 1 || (engine->major == 1 && engine->minor < 7));
    if (input.spec.runtime.gpu_mode != GpuMode::kCdi || !is_before_1_7) {
      return StepPlan::ok();
    }
    return StepPlan::blocked(
        fmt::format("containerd {}.{} does not know CDI, which came with 1.7",
                    engine->major, engine->minor),
        "say `gpu: {mode: default-runtime}` or `{mode: runtimeclass}`, or "
        "`install: {source: docker-ce}` for a newer containerd");
  }

  /// The kubelet of a node that joined already.
  static void check_kubelet(const PlanInput& input, StepPlan& plan) {
    const std::string text = text_of(input, kKubeletConfig).value_or("");
    const auto config = text::parse_yaml(text, kKubeletConfig);
    if (text.empty() || !config) return;
    const std::string driver = text::string_at(config->root, {"cgroupDriver"});
    const bool is_systemd = driver == "systemd";
    const bool wants_systemd = input.spec.runtime.has_systemd_cgroup;
    if (driver.empty() || is_systemd == wants_systemd) return;
    plan = StepPlan::blocked(
        fmt::format("the kubelet manages cgroups by {} ({}), and containerd "
                    "would by {}: Pods die under memory pressure",
                    driver, kKubeletConfig,
                    wants_systemd ? "systemd" : "itself"),
        fmt::format("drain the node, set `cgroupDriver: {}` in {} and restart "
                    "the kubelet with `systemctl restart kubelet`; or say "
                    "`systemdCgroup: {}`",
                    wants_systemd ? "systemd" : "cgroupfs", kKubeletConfig,
                    is_systemd));
  }

  /// A file that is imported counts more than config.toml: before containerd
  /// 2.1 its table of the CRI plugin takes the place of the whole other one
  /// (containerd issue 5837), later each of its keys does.
  static void check_imports(const PlanInput& input, StepPlan& plan) {
    const auto config = text::parse_toml(
        text_of(input, kContainerdConfig).value_or(""), kContainerdConfig);
    if (!config) return;  // plan_files() tells.
    const auto engine = engine_version(input.facts);
    for (const auto& [path, file] : input.facts.files) {
      if (!path.starts_with(kConfDirectory) || !file.content) continue;
      if (file.content->starts_with(kOursBegins)) continue;
      if (!is_imported(*config, engine, path)) continue;
      const auto tree = text::parse_toml(*file.content, path);
      if (!tree) {
        plan = StepPlan::blocked(
            tree.error().message(),
            fmt::format("mend {}, which {} imports", path, kContainerdConfig));
        return;
      }
      if (!has_cri_table(*tree)) continue;
      plan = StepPlan::blocked(
          fmt::format("{} has a table of the CRI plugin and counts more than "
                      "{}, which imports it: what gpunode sets there would "
                      "have no effect",
                      path, kContainerdConfig),
          fmt::format("move what it says of that plugin to {} and take it "
                      "away; where NVIDIA's toolkit or GPU Operator wrote it, "
                      "end that first (its `toolkit.enabled=false`)",
                      kContainerdConfig));
      return;
    }
    const text::Node* imports = text::find_at(*config, {"imports"});
    if (imports == nullptr) return;
    for (const text::Node& item : imports->items) {
      const bool is_known = takes_in(item.scalar, kContainerdDropIn) ||
                            item.scalar.find("conf.d/") != std::string::npos;
      if (is_known) continue;
      plan.notes.push_back(fmt::format(
          "{} imports {}, which is not looked into; `containerd config dump` "
          "shows what comes of both",
          kContainerdConfig, item.scalar));
    }
  }

  static ContainerdWish wish_of(const PlanInput& input, StepPlan& plan) {
    const RuntimeSpec& spec = input.spec.runtime;
    ContainerdWish wish;
    wish.has_systemd_cgroup = spec.has_systemd_cgroup;
    wish.gpu_mode = spec.gpu_mode;
    wish.sandbox_image = spec.sandbox_image;
    wish.is_image_said = !spec.sandbox_image.empty();
    const std::string& kubernetes = input.spec.kubernetes.version;
    if (wish.is_image_said || kubernetes.empty()) return wish;
    wish.sandbox_image = pause_image(kubernetes);
    if (wish.sandbox_image.empty()) {
      plan.notes.push_back(
          fmt::format("which sandbox image Kubernetes {} wants is not known to "
                      "this version; `kubeadm config images list` tells, and "
                      "`sandboxImage` sets it",
                      kubernetes));
    }
    return wish;
  }

  static void plan_files(const PlanInput& input, StepPlan& plan) {
    ContainerdTexts texts;
    texts.config = text_of(input, kContainerdConfig);
    auto drop_in = text_of(input, kContainerdDropIn);
    if (drop_in && drop_in->starts_with(kOursBegins)) {
      texts.drop_in = std::move(drop_in);
    }
    texts.has_conf_d =
        std::ranges::any_of(input.facts.files, [](const auto& file) {
          return file.first.starts_with(kConfDirectory) &&
                 file.second.content.has_value();
        });
    auto edit = edit_containerd(texts, wish_of(input, plan));
    if (!edit) {
      const bool is_operators = edit.error().code() == ErrorCode::kUnavailable;
      plan = StepPlan::blocked(
          edit.error().message(),
          is_operators
              ? "end its toolkit first (`toolkit.enabled=false` in its chart), "
                "and take the entry away"
              : fmt::format("mend {}; `containerd config dump` shows what "
                            "containerd makes of it",
                            kContainerdConfig));
      return;
    }
    plan.notes.insert(plan.notes.end(), edit->notes.begin(), edit->notes.end());
    if (texts.drop_in && edit->drop_in) {
      plan_edited_file(input, kContainerdDropIn, *std::move(edit->drop_in),
                       plan);
    }
    const std::size_t before = plan.actions.size();
    plan_edited_file(input, kContainerdConfig, std::move(edit->config), plan);
    if (plan.state == StepState::kBlocked) return;
    if (plan.actions.size() != before) {
      std::get<WriteFile>(plan.actions.back()).check = {
          program_of(input), "--config", "@", "config", "dump"};
    }
    if (plan.state == StepState::kChange && !edit->lacks.empty()) {
      plan.why = edit->lacks.front();
      for (std::size_t i = 1; i < edit->lacks.size(); ++i) {
        plan.why += "; " + edit->lacks[i];
      }
    }
  }

  /// The daemon's program, to ask whether it takes the file. Packages have it
  /// in one place; where somebody put it, it can be seen.
  static std::string program_of(const PlanInput& input) {
    if (input.spec.runtime.source != EngineSource::kPreinstalled) {
      return kPrograms[0];
    }
    for (const char* program : kPrograms) {
      const auto tree = input.facts.trees.find(program);
      if (tree != input.facts.trees.end() && tree->second.exists) {
        return program;
      }
    }
    return kPrograms[0];
  }

  static void plan_unit(const PlanInput& input, const facts::UnitFacts& unit,
                        bool is_there, StepPlan& plan) {
    const bool is_owed = input.history.unsettled.contains(kContainerdConfig) ||
                         input.history.unsettled.contains(kContainerdDropIn);
    const bool is_new = !plan.actions.empty();
    const bool runs = unit.active_state == "active";
    // Of a host that does not run here nothing can be started.
    if (is_there && !input.facts.machine.systemd && !runs) return;
    if (runs && !is_new && !is_owed) return;
    if (plan.state == StepState::kOk) {
      plan.state = StepState::kChange;
      plan.why = runs ? "containerd may run without the file that it was given"
                 : unit.active_state == "failed"
                     ? "containerd.service has failed"
                     : "containerd.service does not run";
    }
    if (runs) {
      plan.notes.emplace_back(
          "containerd is restarted once; containers go on running");
    }
    plan.actions.emplace_back(
        SetUnit{.unit = kUnit, .active = Wish::kYes, .restart = true});
  }
};

}  // namespace

std::unique_ptr<Step> make_runtime_config() {
  return std::make_unique<Config>();
}

}  // namespace gpunode::provision
