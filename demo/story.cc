#include "demo/story.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/core/log.h"
#include "base/host/command_runner.h"
#include "demo/agent_process.h"
#include "demo/bundle.h"
#include "demo/host.h"
#include "tests/doubles/kubelet/kubelet_double.h"
#include "tests/doubles/nvml/driver_tree.h"

namespace gpunode::demo {

namespace {

constexpr const char* kResource = "nvidia.com/gpu";
constexpr std::size_t kReplicas = 20;
constexpr const char* kLibraries = "usr/lib/x86_64-linux-gnu";

constexpr const char* kSampleOutput =
    "[Vector addition of 50000 elements]\n"
    "Copy input data from the host memory to the CUDA device\n"
    "CUDA kernel launch with 196 blocks of 256 threads\n"
    "Copy output data from the CUDA device to the host memory\n"
    "Test PASSED\n"
    "Done\n";

// gpunode-vectoradd's exit code for "the driver shows no GPU".
constexpr int kNoDevice = 6;

/// The agent's words for a request of more than one share, as NVIDIA's.
constexpr std::string_view kTooMany =
    "maximum request size for shared resources is 1; found 2";

/// Of the seed's plan: what a recording shows, by id.
constexpr auto kShownSteps =
    std::to_array<const char*>({"prep.modules",
                                "prep.sysctl",
                                "prep.packages",
                                "prep.time",
                                "storage.containerd.mount",
                                "storage.containerd.users",
                                "kernel.nouveau",
                                "kernel.target",
                                "kernel.build",
                                "driver.repository",
                                "driver.packages",
                                "driver.hold",
                                "driver.modules",
                                "driver.options",
                                "driver.load",
                                "driver.services",
                                "runtime.engine",
                                "runtime.config",
                                "kubernetes.packages",
                                "kubernetes.join"});

/// Exit code of `gpunode plan` where there is something to do.
constexpr int kChanges = 2;

/// What files and settings are all of.
constexpr const char* kSmallSpec =
    "apiVersion: gpunode.dev/v1alpha1\n"
    "kind: GPUNode\n"
    "spec: {host: {timeSync: keep}}\n";
const std::vector<std::string> kApply = {
    "apply",  "--yes",       "--only", "prep.modules",
    "--only", "prep.sysctl", "--only", "prep.swap"};

/// A plan without its particulars: a line for each Step, and the sum.
struct PlanLines {
  std::string steps;
  std::string sum;
};

PlanLines lines_of_plan(const std::string& text) {
  PlanLines lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    const bool is_step = line.starts_with("  ") && !line.starts_with("   ");
    if (is_step) lines.steps += line + "\n";
    if (line.find(" to change, ") != std::string::npos) lines.sum = line;
  }
  return lines;
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

class Story {
 public:
  Story(const Programs& programs, const Workplace& workplace, Screen& screen)
      : programs_(programs), workplace_(workplace), screen_(screen) {}

  Result<void> tell() {
    TRY_VOID(show_seed());
    TRY_VOID(prepare_host());
    TRY_VOID(make_node());
    TRY(kubelet_, doubles::KubeletDouble::start(workplace_.plugin_directory()));
    TRY_VOID(start_agent());
    TRY_VOID(give_share());
    TRY_VOID(run_without_share());
    refuse_two();
    exhaust();
    stop_agent();
    return take_back_host();
  }

 private:
  Result<void> show_seed();
  Result<void> prepare_host();
  Result<void> take_back_host();
  Result<void> make_node();
  Result<void> make_common_devices() const;
  Result<void> start_agent();
  Result<void> give_share();
  Result<void> run_without_share();
  void refuse_two();
  void exhaust();
  void stop_agent();

  void show_answer(const doubles::Admission& admission);
  Bundle bundle_for(const std::string& pod) const;
  Result<host::Completed> run_container(const Bundle& bundle);

  const Programs& programs_;
  const Workplace& workplace_;
  Screen& screen_;
  fake_nvml::Profile profile_;
  std::unique_ptr<doubles::KubeletDouble> kubelet_;
  std::optional<AgentProcess> agent_;
  std::vector<DeviceNode> gpu_nodes_;
  host::SystemCommandRunner runner_;
};

/// The whole document of notes that the project began with, as a file; and its
/// plan on the machine that they were made on.
Result<void> Story::show_seed() {
  screen_.stage("One file says what the host is to become");
  const std::string seed = read_file(programs_.seed);
  screen_.quote(seed);

  screen_.stage("gpunode plan: what that means for a recorded g5.4xlarge");
  const std::filesystem::path root = workplace_.recorded_host();
  TRY_VOID(lay_recorded_host(programs_, root, seed));
  host::Command command;
  command.argv = {programs_.gpunode, "plan",      "--root",
                  root.string(),     "--no-diff", "--no-color"};
  // Of a recording no disk can be opened, and no room be measured.
  command.argv.insert(command.argv.end(), {"--ignore-preflight", "all"});
  for (const char* step : kShownSteps) {
    command.argv.insert(command.argv.end(), {"--only", step});
  }
  TRY(const host::Completed planned, runner_.run(command));
  const PlanLines lines = lines_of_plan(planned.out);
  screen_.quote(lines.steps);
  screen_.quote(planned.err);
  screen_.claim(planned.status == kChanges && !lines.sum.empty(), lines.sum);
  screen_.say(
      "gpunode apply does it; on a real machine it is the one command.");
  return {};
}

Result<void> Story::prepare_host() {
  screen_.stage("gpunode apply, on a host small enough for this demo");
  TRY_VOID(lay_small_host(programs_, workplace_.small_host(), kSmallSpec));
  TRY(const host::Completed applied,
      run_on_small_host(workplace_.small_host(), kApply, runner_));
  screen_.quote(applied.out);
  screen_.quote(applied.err);
  screen_.claim(applied.status == 0, "the host is as its file says");
  TRY(const host::Completed again,
      run_on_small_host(workplace_.small_host(), kApply, runner_));
  screen_.claim(
      again.status == 0 && again.out.find("0 to change") != std::string::npos,
      "a second apply finds 0 to change");
  return {};
}

Result<void> Story::take_back_host() {
  screen_.stage("gpunode rollback: the host is bare again");
  TRY(const host::Completed done,
      run_on_small_host(workplace_.small_host(), {"rollback", "--yes"},
                        runner_));
  screen_.quote(done.out);
  screen_.quote(done.err);
  bool is_bare = done.status == 0;
  for (const char* path :
       {"etc/sysctl.d/99-gpunode.conf", "etc/modules-load.d/gpunode.conf"}) {
    is_bare =
        is_bare && !std::filesystem::exists(workplace_.small_host() / path);
  }
  is_bare = is_bare && read_file(workplace_.small_host() /
                                 "proc/sys/net/ipv4/ip_forward") == "0\n";
  screen_.claim(is_bare, "files and settings are as they were");
  return {};
}

Result<void> Story::make_node() {
  screen_.stage("A node with one GPU: a simulated AWS g5.4xlarge");
  TRY(profile_, fake_nvml::load_profile(programs_.profile));
  TRY_VOID(fake_nvml::lay_driver_tree(
      profile_, {.root = workplace_.node().string(),
                 .profile_path = programs_.profile,
                 .library = programs_.nvml_library,
                 .more_libraries = {programs_.cuda_library}}));
  TRY_VOID(make_common_devices());
  for (const fake_nvml::GpuSpec& gpu : profile_.gpus) {
    screen_.say(fmt::format("{}, {} MiB, driver {}, {}", gpu.name,
                            gpu.memory_bytes >> 20, profile_.driver_version,
                            gpu.uuid));
  }
  screen_.say(
      "Simulated: NVIDIA's two libraries (the CUDA one executes kernels) and "
      "the kubelet.");
  screen_.say("Real: gpunode-agent, its sockets, runc, namespaces, cgroups.");
  return {};
}

/// The agent's /dev has what every /dev has.
Result<void> Story::make_common_devices() const {
  struct Common {
    const char* name;
    unsigned minor;
  };
  for (const Common& common :
       {Common{"null", 3}, Common{"zero", 5}, Common{"urandom", 9}}) {
    const std::filesystem::path path = workplace_.node() / "dev" / common.name;
    if (::mknod(path.c_str(), S_IFCHR | 0666, makedev(1, common.minor)) != 0) {
      return Error::from_errno("make device node " + path.string(), errno);
    }
  }
  return {};
}

Result<void> Story::start_agent() {
  screen_.stage("gpunode-agent offers it, as the file says");
  host::Command command;
  command.argv = {programs_.gpunode, "device-plugin", "--as", "config",
                  programs_.seed};
  TRY(const std::string config, runner_.output(command));
  screen_.quote(config);
  std::ofstream(workplace_.config()) << config;
  const auto started = std::chrono::steady_clock::now();
  TRY(AgentProcess agent,
      AgentProcess::start(
          {{programs_.agent, "--config-file", workplace_.config().string(),
            "--kubelet-socket", kubelet_->socket().string(),
            "--driver-root-ctr-path", workplace_.node().string(),
            "--pass-device-specs"},
           (workplace_.node() / "dev").string(),
           workplace_.agent_log().string()}));
  agent_.emplace(std::move(agent));
  const auto list =
      kubelet_->wait_for_list(kResource, [](const doubles::DeviceList& now) {
        return now.healthy() == kReplicas;
      });
  if (!list) {
    return Error(
        ErrorCode::kUnavailable,
        fmt::format("wait for {} healthy {}: not offered; the agent "
                    "says:\n{}",
                    kReplicas, kResource, read_file(workplace_.agent_log())));
  }
  const std::chrono::duration<double, std::milli> took =
      std::chrono::steady_clock::now() - started;
  screen_.claim(true, fmt::format("the node offers {}: {} after {:.0f} ms",
                                  kResource, list->healthy(), took.count()));
  screen_.say(fmt::format("first share: {}", list->devices.front().id));
  screen_.say(fmt::format("last share:  {}", list->devices.back().id));
  return {};
}

void Story::show_answer(const doubles::Admission& admission) {
  for (const std::string& id : admission.ids) {
    screen_.say("the kubelet chose  " + id);
  }
  for (const auto& [name, value] : admission.container.envs) {
    screen_.say(fmt::format("the agent answered {}={}", name, value));
  }
  for (const kubelet::DeviceSpec& device : admission.container.devices) {
    screen_.say(fmt::format("                   {} ({})", device.container_path,
                            device.permissions));
  }
}

Bundle Story::bundle_for(const std::string& pod) const {
  Bundle bundle;
  bundle.name = workplace_.name() + "-" + pod;
  bundle.directory = workplace_.bundles() / bundle.name;
  bundle.program = programs_.vectoradd;
  bundle.driver_library =
      (workplace_.node() / kLibraries / "libcuda.so.1").string();
  bundle.driver_profile =
      (workplace_.node() / kLibraries / "profile.json").string();
  return bundle;
}

Result<host::Completed> Story::run_container(const Bundle& bundle) {
  TRY_VOID(write_bundle(bundle, runner_));
  host::Command command;
  command.argv = {programs_.runc, "--root",   workplace_.runc_state().string(),
                  "run",          "--bundle", bundle.directory.string(),
                  bundle.name};
  return runner_.run(command);
}

Result<void> Story::give_share() {
  screen_.stage("A Pod asks for one share of it");
  screen_.quote(
      "kind: Pod\n"
      "metadata: {name: gpu-pod}\n"
      "spec: … resources: {limits: {nvidia.com/gpu: 1}}");
  const doubles::Admission admission = kubelet_->admit("gpu-pod", kResource, 1);
  screen_.claim(admission.is_admitted,
                admission.is_admitted
                    ? "the Pod is admitted"
                    : "the Pod is refused: " + admission.message);
  if (!admission.is_admitted) return {};
  show_answer(admission);

  screen_.stage("The Pod runs gpunode-vectoradd in a container (runc)");
  Bundle bundle = bundle_for("gpu-pod");
  bundle.environment = environment_of(admission.container);
  TRY(bundle.devices,
      device_nodes(admission.container.devices, workplace_.node()));
  gpu_nodes_ = bundle.devices;
  TRY(const host::Completed completed, run_container(bundle));
  screen_.quote(completed.out);
  screen_.quote(completed.err);
  screen_.claim(completed.status == 0 && completed.out == kSampleOutput,
                "Test PASSED, exit code " + std::to_string(completed.status));
  return {};
}

Result<void> Story::run_without_share() {
  screen_.stage("The same image in a Pod that asked for nothing");
  screen_.say(
      "Its device nodes are there, but no share was allocated: the device "
      "cgroup decides.");
  Bundle bundle = bundle_for("no-gpu");
  bundle.devices = gpu_nodes_;
  for (DeviceNode& device : bundle.devices) device.permissions.clear();
  TRY(const host::Completed completed, run_container(bundle));
  screen_.quote(completed.err);
  screen_.claim(completed.status == kNoDevice,
                fmt::format("no GPU for it, exit code {}", completed.status));
  return {};
}

void Story::refuse_two() {
  screen_.stage("A Pod asks for two shares");
  screen_.quote("resources: {limits: {nvidia.com/gpu: 2}}");
  const doubles::Admission admission = kubelet_->admit("greedy", kResource, 2);
  if (!admission.message.empty()) {
    screen_.quote("UnexpectedAdmissionError: " + admission.message);
  }
  screen_.claim(!admission.is_admitted &&
                    admission.message.find(kTooMany) != std::string::npos,
                "refused, with the reason: failRequestsGreaterThanOne is true");
}

void Story::exhaust() {
  screen_.stage("Nineteen more Pods, then one too many");
  std::size_t admitted = 0;
  for (std::size_t i = 1; i < kReplicas; ++i) {
    const std::string pod = "pod-" + std::to_string(i);
    if (kubelet_->admit(pod, kResource, 1).is_admitted) ++admitted;
  }
  screen_.claim(admitted == kReplicas - 1,
                fmt::format("{} more Pods are admitted", admitted));
  const doubles::Admission last = kubelet_->admit("last", kResource, 1);
  screen_.claim(!last.is_admitted, "the next stays Pending: " + last.message);
}

void Story::stop_agent() {
  screen_.stage("The agent is asked to stop");
  const auto asked = std::chrono::steady_clock::now();
  const bool is_clean = agent_->stop();
  const std::chrono::duration<double, std::milli> took =
      std::chrono::steady_clock::now() - asked;
  screen_.claim(is_clean, fmt::format("it ended by itself after {:.0f} ms",
                                      took.count()));
}

}  // namespace

void tell(const Programs& programs, const Workplace& workplace,
          Screen& screen) {
  // The kubelet's double logs as the rooms under it do; this is a show.
  log::set_level(log::Level::kError);
  Story story(programs, workplace, screen);
  if (const Result<void> told = story.tell(); !told) {
    screen.trouble(told.error().message(),
                   "a part of this machine did not do what the demo needs",
                   "run it on a machine or VM where root may make device "
                   "nodes, mount and run containers; sudo runc run must work");
  }
}

}  // namespace gpunode::demo
