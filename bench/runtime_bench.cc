// The runtime shim's figures (docs/benchmarks.md), ours and a peer's in turn.
//
// The low-level runtime is a program that does nothing (null_runtime.S), run
// alone in every round too: what a shim adds is the difference of medians.
// Everything is on one tmpfs and started in turn, so that what the machine does
// to one it does to the others.
#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "bench/process_counts.h"

extern char** environ;

namespace gpunode::bench {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t kRounds = 301;
static_assert(kRounds % 3 == 1, "the last to run is ours, and is looked at");
constexpr int kLibraryMounts = 45;

struct Options {
  std::string null;         // The low-level runtime that does nothing.
  std::string runtime;      // gpunode-runtime
  std::string command;      // gpunode
  std::string peer;         // nvidia-container-runtime; empty: ours alone.
  std::string peer_hook;    // nvidia-cdi-hook
  std::string peer_ctk;     // nvidia-ctk
  std::string driver_root;  // For generating a spec; empty: not measured.
};

double now_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) * 1e3 +
         static_cast<double>(now.tv_nsec) / 1e6;
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void write(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::trunc) << text;
}

/// One run of a program, to its end, without output.
struct Run {
  double ms = 0;
  int status = -1;
};

Run run(const std::vector<std::string>& words) {
  std::vector<char*> argv;
  for (const std::string& word : words) {
    argv.push_back(const_cast<char*>(word.c_str()));
  }
  argv.push_back(nullptr);
  posix_spawn_file_actions_t quiet;
  ::posix_spawn_file_actions_init(&quiet);
  ::posix_spawn_file_actions_addopen(&quiet, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0);
  Run result;
  pid_t pid = -1;
  const double start = now_ms();
  if (::posix_spawn(&pid, argv[0], &quiet, nullptr, argv.data(), environ) ==
      0) {
    int status = 0;
    ::waitpid(pid, &status, 0);
    result.ms = now_ms() - start;
    result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
  }
  ::posix_spawn_file_actions_destroy(&quiet);
  return result;
}

/// What the kubelet and containerd hand to a runtime, about 9 kB of it.
std::string oci_config(const std::string& request) {
  std::string env;
  for (int i = 0; i < 24; ++i) {
    env += fmt::format(R"("SERVICE_{}_PORT_443_TCP_ADDR=10.96.0.{}",)", i, i);
  }
  std::string mounts;
  for (int i = 0; i < 12; ++i) {
    mounts += fmt::format(
        R"(,{{"destination":"/etc/volume-{0}","type":"bind","source":"/var/lib/kubelet/pods/0f6b/volumes/v-{0}","options":["rbind","rprivate","ro"]}})",
        i);
  }
  return fmt::format(
      R"({{"ociVersion":"1.0.2-dev","process":{{"user":{{"uid":0,"gid":0}},"args":["/usr/bin/vectoradd"],"env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",{}"HOSTNAME=gpu-pod"{}],"cwd":"/","capabilities":{{"bounding":["CAP_CHOWN","CAP_KILL"],"effective":["CAP_CHOWN","CAP_KILL"],"permitted":["CAP_CHOWN","CAP_KILL"]}},"oomScoreAdj":1000}},"root":{{"path":"rootfs"}},"mounts":[{{"destination":"/proc","type":"proc","source":"proc","options":["nosuid","noexec","nodev"]}},{{"destination":"/dev","type":"tmpfs","source":"tmpfs","options":["nosuid","strictatime","mode=755","size=65536k"]}}{}],"annotations":{{"io.kubernetes.cri.container-type":"container","io.kubernetes.cri.sandbox-name":"gpu-pod"}},"linux":{{"resources":{{"devices":[{{"allow":false,"access":"rwm"}}],"memory":{{}},"cpu":{{"shares":2}}}},"cgroupsPath":"/kubepods/besteffort/pod0f6b/1","namespaces":[{{"type":"pid"}},{{"type":"ipc","path":"/proc/1/ns/ipc"}},{{"type":"mount"}}],"maskedPaths":["/proc/acpi","/proc/kcore"],"readonlyPaths":["/proc/bus","/proc/fs"]}}}})",
      env, request, mounts);
}

/// A CDI spec as a data-centre node has it: one GPU, 45 driver files.
std::string cdi_spec() {
  std::string mounts;
  for (int i = 0; i < kLibraryMounts; ++i) {
    mounts += fmt::format(
        R"({0}{{"hostPath":"/usr/lib/x86_64-linux-gnu/libnvidia-part{1}.so.550.163.01","containerPath":"/usr/lib/x86_64-linux-gnu/libnvidia-part{1}.so.550.163.01","options":["ro","nosuid","nodev","rbind","rprivate"]}})",
        i == 0 ? "" : ",", i);
  }
  const auto node = [](const char* path, int major, int minor) {
    return fmt::format(
        R"({{"path":"{}","type":"c","major":{},"minor":{},"fileMode":438,"permissions":"rw"}})",
        path, major, minor);
  };
  return fmt::format(
      R"({{"cdiVersion":"0.5.0","kind":"nvidia.com/gpu","devices":[{{"name":"0","containerEdits":{{"deviceNodes":[{}]}}}}],"containerEdits":{{"env":["NVIDIA_VISIBLE_DEVICES=void"],"deviceNodes":[{},{},{}],"mounts":[{}],"hooks":[{{"hookName":"createContainer","path":"/usr/bin/nvidia-cdi-hook","args":["nvidia-cdi-hook","update-ldcache","--folder","/usr/lib/x86_64-linux-gnu"],"env":["NVIDIA_CTK_DEBUG=false"]}}]}}}})",
      node("/dev/nvidia0", 195, 0), node("/dev/nvidiactl", 195, 255),
      node("/dev/nvidia-uvm", 510, 0), node("/dev/nvidia-uvm-tools", 510, 1),
      mounts);
}

class Bench {
 public:
  Bench(Options options, fs::path scratch)
      : options_(std::move(options)), scratch_(std::move(scratch)) {}

  /// False if a program did not do what is measured.
  bool run_all();

 private:
  using Words = std::vector<std::string>;

  /// Runs the null runtime, ours and the peer's in turn; prints what the two
  /// add. `prepare` is done before each run and not measured.
  void compare(const std::string& label, const Words& alone, const Words& ours,
               const Words& peers, const std::function<void()>& prepare);
  /// Runs ours and the peer's once each, counted.
  void count(const std::string& label, const Words& ours, const Words& peers,
             const std::function<void()>& prepare);
  ProcessCounts counted(const std::string& label, const Words& words);
  void print_counts() const;
  void measure_verbs();
  void measure_create(const std::string& label, const std::string& request);
  void measure_hook();
  void measure_generate();
  void expect_success(const std::string& label, int status);

  Options options_;
  fs::path scratch_;
  std::string counts_;  ///< Rows of the second table.
  bool good_ = true;
};

void Bench::expect_success(const std::string& label, int status) {
  if (status == 0 || !good_) return;
  good_ = false;
  fmt::print(stderr, "runtime_bench: {}: exit status {}\n", label, status);
}

void Bench::compare(const std::string& label, const Words& alone,
                    const Words& ours, const Words& peers,
                    const std::function<void()>& prepare) {
  // Each is first as often as the others: what runs after the peer finds its
  // own pages gone from the caches.
  const std::array<const Words*, 3> turns = {&alone, &peers, &ours};
  std::array<std::vector<double>, 3> times;
  for (std::size_t round = 0; round < kRounds; ++round) {
    for (std::size_t turn = 0; turn < turns.size(); ++turn) {
      const std::size_t who = (round + turn) % turns.size();
      if (turns[who]->empty()) continue;
      prepare();
      const Run done = run(*turns[who]);
      expect_success(label + ": " + turns[who]->front(), done.status);
      times[who].push_back(done.ms);
    }
  }
  const auto& [base, theirs, mine] = times;
  const double added = median(mine) - median(base);
  if (theirs.empty()) {
    fmt::print("| {} | | +{:.3f} ms | |\n", label, added);
    return;
  }
  const double their_added = median(theirs) - median(base);
  fmt::print("| {} | +{:.2f} ms | +{:.3f} ms | {:.3f} |\n", label, their_added,
             added, added / their_added);
}

void Bench::measure_verbs() {
  const auto words = [](const std::string& program, const char* verb) {
    return program.empty() ? Words{} : Words{program, verb, "container-id"};
  };
  for (const char* verb : {"state", "start", "kill", "exec", "delete"}) {
    compare(fmt::format("`{}`", verb), words(options_.null, verb),
            words(options_.runtime, verb), words(options_.peer, verb), [] {});
  }
  count("`state`", words(options_.runtime, "state"),
        words(options_.peer, "state"), [] {});
}

void Bench::measure_create(const std::string& label,
                           const std::string& request) {
  const fs::path bundle = scratch_ / "bundle";
  fs::create_directories(bundle / "rootfs");
  const std::string config = oci_config(request);
  const auto words = [&](const std::string& program) {
    return program.empty() ? Words{}
                           : Words{program, "create", "--bundle",
                                   bundle.string(), "container-id"};
  };
  const auto prepare = [&] { write(bundle / "config.json", config); };
  compare(label, words(options_.null), words(options_.runtime),
          words(options_.peer), prepare);
  count(label, words(options_.runtime), words(options_.peer), prepare);
  // What the last to run, ours, left tells whether it did the work.
  std::ifstream in(bundle / "config.json");
  const std::string left{std::istreambuf_iterator<char>(in), {}};
  const bool has_driver = left.find("libnvidia-part44") != std::string::npos;
  if (has_driver == request.empty() && good_) {
    good_ = false;
    fmt::print(stderr, "runtime_bench: {}: config.json has {} libraries\n",
               label, has_driver ? "unwanted" : "no");
  }
}

void Bench::measure_hook() {
  const Words peers =
      options_.peer_hook.empty() ? Words{} : Words{options_.peer_hook, "noop"};
  const Words ours = {options_.runtime, "hook", "noop"};
  compare("a hook process before it does anything", {options_.null}, ours,
          peers, [] {});
  count("a hook process before it does anything", ours, peers, [] {});
}

void Bench::measure_generate() {
  if (options_.driver_root.empty()) return;
  const fs::path out = scratch_ / "generated.json";
  const Words ours = {options_.command,     "cdi",      "generate",  "--root",
                      options_.driver_root, "--output", out.string()};
  const Words peers = {
      options_.peer_ctk,    "cdi",      "generate",  "--driver-root",
      options_.driver_root, "--output", out.string()};
  std::vector<double> mine;
  std::vector<double> theirs;
  for (int round = 0; round < 30; ++round) {
    const Run one = run(ours);
    expect_success("gpunode cdi generate", one.status);
    mine.push_back(one.ms);
    if (options_.peer_ctk.empty()) continue;
    const Run other = run(peers);
    expect_success("nvidia-ctk cdi generate", other.status);
    theirs.push_back(other.ms);
  }
  fmt::print("| generate a CDI spec | {:.1f} ms | {:.1f} ms | {:.2f} |\n",
             median(theirs), median(mine),
             theirs.empty() ? 0.0 : median(mine) / median(theirs));
  count("generate a CDI spec", ours,
        options_.peer_ctk.empty() ? Words{} : peers, [] {});
}

ProcessCounts Bench::counted(const std::string& label, const Words& words) {
  if (words.empty()) return {};
  const auto counts = count_process(words);
  if (!counts) return {};
  expect_success(label + ": counted: " + words.front(), counts->status);
  return *counts;
}

void Bench::count(const std::string& label, const Words& ours,
                  const Words& peers, const std::function<void()>& prepare) {
  prepare();
  const ProcessCounts theirs = counted(label, peers);
  // Last: what it leaves is looked at.
  prepare();
  const ProcessCounts mine = counted(label, ours);
  counts_ += fmt::format(
      "| {} | {} / {} | {} / {} | {} / {} | {} / {} | {:.1f} / {:.1f} |\n",
      label, theirs.executed, mine.executed, theirs.system_calls,
      mine.system_calls, theirs.opened, mine.opened, theirs.bytes_read,
      mine.bytes_read, static_cast<double>(theirs.peak_kib) * 1024 / 1e6,
      static_cast<double>(mine.peak_kib) * 1024 / 1e6);
}

void Bench::print_counts() const {
  fmt::print(
      "\n| NVIDIA / gpunode, the low-level runtime included | programs | "
      "system calls | files opened | bytes read | peak memory, MB |\n"
      "|---|---|---|---|---|---|\n{}",
      counts_);
}

bool Bench::run_all() {
  fs::create_directories(scratch_ / "cdi");
  write(scratch_ / "cdi/nvidia.json", cdi_spec());
  write(scratch_ / "config.toml",
        fmt::format("[nvidia-container-runtime]\nruntimes = [\"{}\"]\n"
                    "mode = \"cdi\"\n[nvidia-container-runtime.modes.cdi]\n"
                    "spec-dirs = [\"{}\"]\n",
                    options_.null, (scratch_ / "cdi").string()));
  ::setenv("NVIDIA_CTK_CONFIG_FILE_PATH", (scratch_ / "config.toml").c_str(),
           1);
  fmt::print(
      "| added to the low-level runtime | NVIDIA | gpunode | ratio |\n"
      "|---|---|---|---|\n");
  measure_verbs();
  measure_create("`create`, no GPU asked for", "");
  measure_create("`create`, CDI, 45 library mounts",
                 R"(,"NVIDIA_VISIBLE_DEVICES=nvidia.com/gpu=0")");
  measure_hook();
  measure_generate();
  print_counts();
  return good_;
}

bool parse(int argc, char** argv, Options& options) {
  const std::vector<std::pair<std::string, std::string*>> known = {
      {"--null", &options.null},
      {"--runtime", &options.runtime},
      {"--gpunode", &options.command},
      {"--peer", &options.peer},
      {"--peer-hook", &options.peer_hook},
      {"--peer-ctk", &options.peer_ctk},
      {"--driver-root", &options.driver_root}};
  for (int i = 1; i + 1 < argc; i += 2) {
    const auto found =
        std::find_if(known.begin(), known.end(),
                     [&](const auto& one) { return one.first == argv[i]; });
    if (found == known.end()) return false;
    *found->second = argv[i + 1];
  }
  return argc % 2 == 1 && !options.null.empty() && !options.runtime.empty() &&
         !options.command.empty();
}

int main_with(int argc, char** argv) {
  Options options;
  if (!parse(argc, argv, options)) {
    std::fprintf(stderr,
                 "usage: runtime_bench --null PROGRAM --runtime PROGRAM "
                 "--gpunode PROGRAM [--peer PROGRAM] [--peer-hook PROGRAM] "
                 "[--peer-ctk PROGRAM] [--driver-root DIR]\n");
    return 2;
  }
  std::string scratch = "/dev/shm/gpunode-bench.XXXXXX";
  if (::mkdtemp(scratch.data()) == nullptr) {
    std::fprintf(stderr, "runtime_bench: %s: %s\n", scratch.c_str(),
                 std::strerror(errno));
    return 1;
  }
  const bool good = Bench(options, scratch).run_all();
  std::error_code ignored;
  fs::remove_all(scratch, ignored);
  return good ? 0 : 1;
}

}  // namespace
}  // namespace gpunode::bench

int main(int argc, char** argv) {
  return gpunode::bench::main_with(argc, argv);
}
