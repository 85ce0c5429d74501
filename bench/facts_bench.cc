// What `gpunode facts` costs (docs/benchmarks.md): whole processes on a host
// with 8 GPUs and 16 disks, which is a tree of files beside the real ones.
//
// Goal, with planning: 50 ms and 20 MB, each tool of the host asked at most
// once.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include <fmt/format.h>
#include <time.h>

#include "bench/process_counts.h"
#include "tests/storage/test_disk.h"

namespace gpunode::bench {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

constexpr int kRounds = 41;
constexpr int kMoreDisks = 6;
constexpr std::size_t kBlankDisks = 16;
constexpr std::uint64_t kBlankBytes = std::uint64_t{600} << 30U;

std::int64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

/// Milliseconds from the spawn to the end; less than 0 if it fails. A plan's
/// own exit codes, 2 and more, say what it found.
double run_once(const Words& words) {
  std::vector<char*> argv;
  for (const std::string& word : words) {
    argv.push_back(const_cast<char*>(word.c_str()));
  }
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) {
    ::posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_WRONLY, 0);
  }
  const std::int64_t start = now_ns();
  pid_t pid = 0;
  int status = -1;
  if (::posix_spawn(&pid, argv[0], &actions, nullptr, argv.data(), environ) ==
      0) {
    ::waitpid(pid, &status, 0);
  }
  const std::int64_t end = now_ns();
  ::posix_spawn_file_actions_destroy(&actions);
  const bool did_work = WIFEXITED(status) && WEXITSTATUS(status) != 1;
  return did_work ? static_cast<double>(end - start) / 1e6 : -1;
}

void write(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

/// All that a GPUNode file may ask for, six disks as one among it.
constexpr const char* kSpec = R"(apiVersion: gpunode.dev/v1alpha1
kind: GPUNode
spec:
  host: {swap: off, packages: [pciutils, htop]}
  storage:
    - id: containerd
      select: {model: "SAMSUNG MZQL27T6HBLA-00A07", count: 6}
      layout: raid0
      mount: {path: /var/lib/containerd}
      existingData: migrate
      onBootBlank: reformat
)";

/// The fixture's 10 disks and 6 more.
void make_host(const fs::path& fixture, const fs::path& host) {
  fs::copy(fixture, host,
           fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  write(host / "etc/gpunode/node.yaml", kSpec);
  for (int i = 0; i < kMoreDisks; ++i) {
    const std::string name = fmt::format("nvme{}n1", 20 + i);
    const std::string at =
        fmt::format("devices/pci0000:00/0000:00:0{}.0/nvme/nvme{}", i, 20 + i);
    const fs::path disk = host / "sys" / at / name;
    write(disk / "dev", fmt::format("259:{}\n", 60 + i));
    write(disk / "size", "7501476528\n");
    write(disk / "queue/logical_block_size", "512\n");
    write(host / "sys" / at / "model", "SAMSUNG MZQL27T6HBLA-00A07\n");
    write(host / "sys" / at / "serial", fmt::format("S7{}XNA0T4\n", i));
    fs::create_symlink("../../" + fmt::format("nvme{}", 20 + i),
                       disk / "device");
    fs::create_symlink("../" + at + "/" + name, host / "sys/block" / name);
  }
}

bool measure(const std::string& label, const Words& words) {
  std::vector<double> times;
  for (int i = 0; i < kRounds; ++i) times.push_back(run_once(words));
  std::sort(times.begin(), times.end());
  if (times.front() < 0) {
    fmt::print(stderr, "{} failed\n", words.front());
    return false;
  }
  const auto counts = count_process(words);
  fmt::print("| {} | {:.2f} | {:.2f} | {} | {} | {} | {:.1f} |\n", label,
             times.front(), times[times.size() / 2],
             counts ? counts->system_calls : 0, counts ? counts->opened : 0,
             counts ? counts->executed - 1 : 0,
             counts ? static_cast<double>(counts->peak_kib) / 1024.0 : 0.0);
  return true;
}

/// 16 disks that have content: each is looked at. Less where this machine has
/// no loop devices for us.
bool measure_blank_disks(const std::string& gpunode, const fs::path& scratch) {
  std::vector<std::unique_ptr<storage_test::ImageFile>> images;
  std::vector<storage_test::LoopDevice> loops;
  std::string spec =
      "apiVersion: gpunode.dev/v1alpha1\nkind: GPUNode\nspec:\n  storage:\n";
  while (loops.size() < kBlankDisks) {
    images.push_back(std::make_unique<storage_test::ImageFile>(kBlankBytes));
    std::string reason;
    auto loop = storage_test::LoopDevice::over(*images.back(), reason);
    if (!loop) {
      fmt::print(stderr, "{} blank disks: {}\n", loops.size(), reason);
      break;
    }
    spec += fmt::format(
        "    - id: disk{0}\n      select: {{path: {1}}}\n"
        "      mount: {{path: /srv/disk{0}}}\n",
        loops.size(), loop->path());
    loops.push_back(*std::move(loop));
  }
  if (loops.empty()) return true;
  const fs::path file = scratch / "blank.yaml";
  write(file, spec);
  Words words = {gpunode, "plan", "--file", file};
  // Of the disks alone: else the package manager's forecast is what is seen.
  for (std::size_t i = 0; i < loops.size(); ++i) {
    words.insert(words.end(),
                 {"--only", fmt::format("storage.disk{}.disk", i)});
  }
  return measure(fmt::format("this machine, {} blank disks of 600 GiB: `plan`",
                             loops.size()),
                 words);
}

int run(const std::string& gpunode, const std::string& fixture) {
  std::string scratch = fs::temp_directory_path() / "facts_bench.XXXXXX";
  if (::mkdtemp(scratch.data()) == nullptr) return 1;
  const fs::path host = fs::path(scratch) / "host";
  make_host(fixture, host);
  fmt::print(
      "| {} runs | least ms | median ms | system calls | files opened | "
      "programs run | peak MiB |\n|---|---|---|---|---|---|---|\n",
      kRounds);
  const bool is_whole =
      measure("start and end: `gpunode version`", {gpunode, "version"}) &&
      measure("8 GPUs, 16 disks: `facts --root … --json`",
              {gpunode, "facts", "--root", host, "--json"}) &&
      measure("the same as text", {gpunode, "facts", "--root", host}) &&
      measure("facts and plan of it: `plan --root …`",
              {gpunode, "plan", "--root", host}) &&
      measure("the same to a bundle", {gpunode, "facts", "--root", host,
                                       "--export", scratch + "/host.tar"}) &&
      measure("and from it",
              {gpunode, "facts", "--from", scratch + "/host.tar"}) &&
      measure("this machine: `facts --json`", {gpunode, "facts", "--json"}) &&
      measure_blank_disks(gpunode, scratch);
  fs::remove_all(scratch);
  return is_whole ? 0 : 1;
}

}  // namespace
}  // namespace gpunode::bench

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: facts_bench GPUNODE HOST\n", stderr);
    return 2;
  }
  return gpunode::bench::run(argv[1], argv[2]);
}
