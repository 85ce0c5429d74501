// The device plugin's figures (docs/benchmarks.md), ours and a peer's in turn.
//
// One warmed-up kubelet double plays the kubelet for both, one simulated NVML
// is under both, and the two are started alternately, so that what the machine
// does to one it does to the other. Ratios are what counts.
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "tests/doubles/kubelet/kubelet_double.h"

extern char** environ;

namespace gpunode::bench {
namespace {

namespace fs = std::filesystem;
constexpr const char* kResource = "nvidia.com/gpu";
// NVIDIA's plugin puts its sockets there, whatever it is told.
constexpr const char* kPluginDirectory = "/var/lib/kubelet/device-plugins";
constexpr int kRounds = 15;
constexpr unsigned kRest = 4;  // Seconds.

struct Options {
  std::string agent;
  std::string peer;  // Empty: ours alone.
  std::string nvml_directory;
  std::string profiles;
};

std::int64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// A running plugin and what the kernel knows of it.
class Plugin {
 public:
  Plugin(const std::string& program, const std::vector<std::string>& arguments)
      : started_ns_(now_ns()) {
    std::vector<std::string> words = {program};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t quiet;
    ::posix_spawn_file_actions_init(&quiet);
    for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) {
      ::posix_spawn_file_actions_addopen(&quiet, fd, "/dev/null", O_WRONLY, 0);
    }
    if (::posix_spawn(&pid_, argv[0], &quiet, nullptr, argv.data(), environ) !=
        0) {
      pid_ = -1;
    }
    ::posix_spawn_file_actions_destroy(&quiet);
  }
  ~Plugin() {
    if (pid_ < 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Plugin(const Plugin&) = delete;
  Plugin& operator=(const Plugin&) = delete;

  std::int64_t started_ns() const { return started_ns_; }

  /// A line of /proc/<pid>/smaps_rollup, in MB (10^6 bytes).
  double megabytes(const std::string& field) const {
    std::ifstream in(proc("smaps_rollup"));
    for (std::string line; std::getline(in, line);) {
      if (line.rfind(field + ":", 0) != 0) continue;
      return std::stod(line.substr(field.size() + 1)) * 1024 / 1e6;
    }
    return 0;
  }

  /// Of every thread, in milliseconds; exact, unlike utime and stime.
  double cpu_ms() const {
    double sum_ns = 0;
    for (const auto& task : fs::directory_iterator(proc("task"))) {
      std::ifstream in(task.path() / "schedstat");
      double ns = 0;
      in >> ns;
      sum_ns += ns;
    }
    return sum_ns / 1e6;
  }

  std::size_t threads() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(proc("task")), {}));
  }

 private:
  std::string proc(const char* file) const {
    return fmt::format("/proc/{}/{}", pid_, file);
  }

  pid_t pid_ = -1;
  std::int64_t started_ns_;
};

/// Measures plugins against one kubelet.
class Bench {
 public:
  Bench(Options options, doubles::KubeletDouble& kubelet)
      : options_(std::move(options)), kubelet_(kubelet) {}

  void run();

 private:
  struct Start {
    double register_ms = 0;
    double list_ms = 0;
  };
  using Measure = std::function<double(Plugin&, const std::string& program)>;

  std::vector<std::string> programs() const {
    std::vector<std::string> all = {options_.agent};
    if (!options_.peer.empty()) all.push_back(options_.peer);
    return all;
  }

  void configure(unsigned replicas);
  Start wait_until_listed(const Plugin& plugin);
  void measure_start(unsigned replicas);
  void measure_size(unsigned replicas);
  void measure_preference(unsigned replicas, std::int32_t size);
  void row(const std::string& what, const std::string& unit, double ours,
           std::optional<double> peers);

  Options options_;
  doubles::KubeletDouble& kubelet_;
  std::vector<std::string> arguments_;
  std::uint64_t registrations_ = 0;
  std::size_t devices_ = 8;
};

/// The 8 GPUs of the profile, `replicas` each; 0 shares none.
void Bench::configure(unsigned replicas) {
  arguments_.clear();
  devices_ = replicas == 0 ? 8 : 8 * replicas;
  if (replicas == 0) return;
  const std::string path = "/var/lib/kubelet/device-plugins/../bench.yaml";
  std::ofstream(path) << "version: v1\nsharing:\n  timeSlicing:\n"
                         "    resources:\n    - name: nvidia.com/gpu\n"
                         "      replicas: "
                      << replicas << "\n";
  arguments_ = {"--config-file=" + path};
}

Bench::Start Bench::wait_until_listed(const Plugin& plugin) {
  const auto registered =
      kubelet_.wait_for_registration(kResource, ++registrations_);
  const auto list = kubelet_.wait_for_list(
      kResource, [&](const doubles::DeviceList& candidate) {
        return candidate.arrived_ns > plugin.started_ns() &&
               candidate.devices.size() == devices_;
      });
  if (!registered || !list) {
    std::fprintf(stderr,
                 "plugin_bench: a plugin did not register or list %zu "
                 "devices within 20 s\n",
                 devices_);
    std::exit(1);
  }
  const auto ms = [&](std::int64_t at) {
    return static_cast<double>(at - plugin.started_ns()) / 1e6;
  };
  return {ms(registered->arrived_ns), ms(list->arrived_ns)};
}

void Bench::row(const std::string& what, const std::string& unit, double ours,
                std::optional<double> peers) {
  if (peers) {
    fmt::print("| {} | {:.2f} {} | {:.2f} {} | {:.2f} |\n", what, *peers, unit,
               ours, unit, *peers > 0 ? ours / *peers : 0);
  } else {
    fmt::print("| {} | | {:.2f} {} | |\n", what, ours, unit);
  }
  std::fflush(stdout);
}

void Bench::measure_start(unsigned replicas) {
  configure(replicas);
  std::vector<std::vector<double>> to_register(2);
  std::vector<std::vector<double>> to_list(2);
  for (int round = 0; round < kRounds; ++round) {
    std::size_t which = 0;
    for (const std::string& program : programs()) {
      const Plugin plugin(program, arguments_);
      const Start start = wait_until_listed(plugin);
      to_register[which].push_back(start.register_ms);
      to_list[which].push_back(start.list_ms);
      ++which;
    }
  }
  const auto peers = [&](const std::vector<std::vector<double>>& all) {
    return options_.peer.empty() ? std::nullopt : std::optional(median(all[1]));
  };
  row(fmt::format("exec → Register, {} devices", devices_), "ms",
      median(to_register[0]), peers(to_register));
  row(fmt::format("exec → first device list, {} devices", devices_), "ms",
      median(to_list[0]), peers(to_list));
}

void Bench::measure_size(unsigned replicas) {
  constexpr int kCalls = 10'000;
  struct Sizes {
    double idle, dirty, loaded, threads, threads_loaded, cpu;
  };
  configure(replicas);
  std::vector<Sizes> all;
  for (const std::string& program : programs()) {
    const Plugin plugin(program, arguments_);
    wait_until_listed(plugin);
    const auto list = kubelet_.wait_for_list(
        kResource, [](const doubles::DeviceList&) { return true; });
    const auto client = kubelet_.plugin(kResource);
    // What start-up has yet to do is not what idling costs: both get the
    // same time to come to rest.
    ::sleep(kRest);
    Sizes sizes{};
    sizes.idle = plugin.megabytes("Pss");
    sizes.dirty = plugin.megabytes("Private_Dirty");
    sizes.threads = static_cast<double>(plugin.threads());
    const double before = plugin.cpu_ms();
    for (int i = 0; i < kCalls; ++i) {
      const std::size_t at = static_cast<std::size_t>(i) % devices_;
      if (!client->allocate({{list->devices[at].id}}).ok()) std::exit(1);
    }
    sizes.cpu = (plugin.cpu_ms() - before) / (kCalls / 1000.0);
    sizes.loaded = plugin.megabytes("Pss");
    sizes.threads_loaded = static_cast<double>(plugin.threads());
    all.push_back(sizes);
  }
  const auto report = [&](const std::string& what, const char* unit,
                          double Sizes::*member) {
    row(fmt::format("{}, {} devices", what, devices_), unit, all[0].*member,
        all.size() > 1 ? std::optional(all[1].*member) : std::nullopt);
  };
  report("PSS idle", "MB", &Sizes::idle);
  report("private dirty idle", "MB", &Sizes::dirty);
  report("PSS after 10,000 Allocate", "MB", &Sizes::loaded);
  report("threads idle", "", &Sizes::threads);
  report("threads after load", "", &Sizes::threads_loaded);
  report("CPU per 1000 Allocate", "ms", &Sizes::cpu);
}

void Bench::measure_preference(unsigned replicas, std::int32_t size) {
  configure(replicas);
  std::vector<double> medians;
  for (const std::string& program : programs()) {
    const Plugin plugin(program, arguments_);
    wait_until_listed(plugin);
    const auto list = kubelet_.wait_for_list(
        kResource, [](const doubles::DeviceList&) { return true; });
    kubelet::PreferredAllocationRequest request;
    request.size = size;
    for (const kubelet::Device& device : list->devices) {
      request.available.push_back(device.id);
    }
    const auto client = kubelet_.plugin(kResource);
    std::vector<double> times;
    for (int i = 0; i < 60; ++i) {
      const std::int64_t before = now_ns();
      if (!client->prefer({request}).ok()) std::exit(1);
      if (i >= 10)
        times.push_back(static_cast<double>(now_ns() - before) / 1e6);
    }
    medians.push_back(median(times));
  }
  row(fmt::format("GetPreferredAllocation of {}, {} {}", size, devices_,
                  replicas == 0 ? "whole GPUs" : "replicas"),
      "ms", medians[0],
      medians.size() > 1 ? std::optional(medians[1]) : std::nullopt);
}

void Bench::run() {
  configure(20);
  {
    // The double's own first registration is not what is measured.
    const Plugin warm_up(options_.agent, arguments_);
    wait_until_listed(warm_up);
  }
  fmt::print("| | peer | gpunode-agent | ratio |\n|---|---|---|---|\n");
  measure_start(20);
  measure_start(1000);
  measure_size(20);
  measure_size(1000);
  measure_preference(20, 4);
  measure_preference(100, 4);
  measure_preference(1000, 4);
  measure_preference(0, 4);
}

bool parse(int argc, char** argv, Options& options) {
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    if (name == "--agent") {
      options.agent = argv[i + 1];
    } else if (name == "--peer") {
      options.peer = argv[i + 1];
    } else if (name == "--nvml-directory") {
      options.nvml_directory = argv[i + 1];
    } else if (name == "--profiles") {
      options.profiles = argv[i + 1];
    } else {
      return false;
    }
  }
  return argc % 2 == 1 && !options.agent.empty() &&
         !options.nvml_directory.empty() && !options.profiles.empty();
}

/// A plugin directory of our own where the peer looks for it.
bool enter_private_directory(const std::string& scratch) {
  std::error_code error;
  fs::create_directories(kPluginDirectory, error);
  return !error && ::unshare(CLONE_NEWNS) == 0 &&
         ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         ::mount(scratch.c_str(), "/var/lib/kubelet", nullptr, MS_BIND,
                 nullptr) == 0 &&
         fs::create_directories(kPluginDirectory, error);
}

int main_with(int argc, char** argv) {
  Options options;
  if (!parse(argc, argv, options)) {
    std::fprintf(stderr,
                 "usage: plugin_bench --agent PROGRAM [--peer PROGRAM] "
                 "--nvml-directory DIR --profiles DIR (as root)\n");
    return 2;
  }
  std::string scratch = "/tmp/gpunode-bench.XXXXXX";
  if (::mkdtemp(scratch.data()) == nullptr ||
      !enter_private_directory(scratch)) {
    std::fprintf(stderr,
                 "plugin_bench: needs root: a mount namespace with a kubelet "
                 "directory of its own: %s\n",
                 std::strerror(errno));
    return 1;
  }
  ::setenv("LD_LIBRARY_PATH", options.nvml_directory.c_str(), 1);
  ::setenv("GPUNODE_FAKE_NVML", (options.profiles + "/h100-x8.json").c_str(),
           1);
  auto kubelet = doubles::KubeletDouble::start(kPluginDirectory);
  if (!kubelet) {
    std::fprintf(stderr, "plugin_bench: %s\n",
                 kubelet.error().message().c_str());
    return 1;
  }
  Bench(options, **kubelet).run();
  std::error_code ignored;
  fs::remove_all(scratch, ignored);
  return 0;
}

}  // namespace
}  // namespace gpunode::bench

int main(int argc, char** argv) {
  return gpunode::bench::main_with(argc, argv);
}
