// fake-nvml: steers the double from a shell.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "tests/doubles/nvml/control.h"
#include "tests/doubles/nvml/driver_tree.h"
#include "tests/doubles/nvml/profile.h"

namespace {

using gpunode::Error;
using gpunode::ErrorCode;
using gpunode::FakeNvmlControl;
using gpunode::Result;

constexpr const char* kAbout = R"(Steers a simulated libnvidia-ml.so.1.

Give the program under test and this command the same control file:

  export GPUNODE_FAKE_NVML=tests/fixtures/profiles/t4-x4.json
  export GPUNODE_FAKE_NVML_CONTROL=/tmp/nvml.control
  LD_LIBRARY_PATH=build/dev/tests/doubles/nvml gpunode-agent &
  fake-nvml xid 2 79                         GPU 2 reports XID 79 now
  fake-nvml lose 2                           its calls answer GPU_IS_LOST
  fake-nvml fail nvmlDeviceGetName 999 --gpu 1 --times 3
  fake-nvml slow nvmlDeviceGetHandleByIndex_v2 200
  fake-nvml driver down                      as if the modules were unloaded
  fake-nvml counts                           which calls were made
  fake-nvml reset                            as new

GPUs are named by their index in the profile. What is set holds for every
process with that control file, also later ones, until reset.)";

struct Options {
  std::string control;
  std::string gpu;
  std::uint64_t xid = 0;
  std::uint32_t gi = ~0U;
  std::uint32_t ci = ~0U;
  std::string function;
  int code = 0;
  int only_gpu = -1;
  std::uint64_t after = 0;
  std::uint64_t times = 0;
  std::uint32_t milliseconds = 0;
  unsigned index = 0;
  std::string state;
  std::string profile;
  std::string library;
  std::vector<std::string> more_libraries;
  std::string root;
};

Result<FakeNvmlControl> control(const Options& options) {
  if (options.control.empty()) {
    return Error(ErrorCode::kInvalidArgument,
                 "no control file: set GPUNODE_FAKE_NVML_CONTROL or --control");
  }
  return FakeNvmlControl::open(options.control);
}

Result<void> post_xid(const Options& options) {
  TRY(FakeNvmlControl steer, control(options));
  auto target = FakeNvmlControl::Target::all();
  if (options.gpu == "unknown") {
    target = FakeNvmlControl::Target::unknown();
  } else if (options.gpu != "all") {
    char* end = nullptr;
    const unsigned long index = std::strtoul(options.gpu.c_str(), &end, 10);
    if (options.gpu.empty() || *end != '\0' || index > 63) {
      return Error(
          ErrorCode::kInvalidArgument,
          "gpu must be an index below 64, all or unknown, not " + options.gpu);
    }
    target = FakeNvmlControl::Target::gpu(static_cast<unsigned>(index));
  }
  steer.post({.target = target,
              .data = options.xid,
              .gpu_instance = options.gi,
              .compute_instance = options.ci});
  return {};
}

Result<void> add_fault(const Options& options) {
  TRY(FakeNvmlControl steer, control(options));
  FakeNvmlControl::Fault fault{
      .function = options.function,
      .code = options.code,
      .gpu = std::nullopt,
      .after = options.after,
      .times = options.times,
      .delay = std::chrono::milliseconds(options.milliseconds)};
  if (options.only_gpu >= 0) {
    fault.gpu = static_cast<unsigned>(options.only_gpu);
  }
  return steer.add(fault);
}

Result<void> set_driver(const Options& options) {
  TRY(FakeNvmlControl steer, control(options));
  if (options.state == "down") {
    steer.driver_down();
  } else {
    steer.driver_up();
  }
  return {};
}

Result<void> set_profile(const Options& options) {
  // Read first: a mistake shows here, not in the program under test.
  TRY_VOID(gpunode::fake_nvml::load_profile(options.profile));
  TRY(FakeNvmlControl steer, control(options));
  return steer.set_profile(std::filesystem::absolute(options.profile).string());
}

Result<void> print_counts(const Options& options) {
  TRY(const FakeNvmlControl steer, control(options));
  for (const auto& [function, calls] : steer.counts()) {
    std::printf("%8llu %s\n", static_cast<unsigned long long>(calls),
                function.c_str());
  }
  return {};
}

Result<void> lay_tree(const Options& options) {
  TRY(const gpunode::fake_nvml::Profile profile,
      gpunode::fake_nvml::load_profile(options.profile));
  return gpunode::fake_nvml::lay_driver_tree(
      profile, {.root = options.root,
                .profile_path = options.profile,
                .library = options.library,
                .more_libraries = options.more_libraries});
}

/// A verb: what it does is stored in `action` when it was given.
using Action = Result<void> (*)(const Options&);

CLI::App* verb(CLI::App& app, const char* name, const char* about,
               Action& chosen, Action action) {
  CLI::App* added = app.add_subcommand(name, about);
  added->callback([&chosen, action] { chosen = action; });
  return added;
}

void add_fault_verbs(CLI::App& app, Options& options, Action& chosen) {
  auto* fail = verb(app, "fail", "Let a function answer an error code", chosen,
                    add_fault);
  fail->add_option("function", options.function, "nvmlDeviceGetName")
      ->required();
  fail->add_option("code", options.code, "nvmlReturn_t, as 15 or 999")
      ->required();
  auto* slow =
      verb(app, "slow", "Let a function take longer", chosen, add_fault);
  slow->add_option("function", options.function, "nvmlDeviceGetName")
      ->required();
  slow->add_option("ms", options.milliseconds, "milliseconds")->required();
  for (CLI::App* each : {fail, slow}) {
    each->add_option("--gpu", options.only_gpu, "only for this GPU");
    each->add_option("--after", options.after, "let so many calls pass first");
    each->add_option("--times", options.times, "then so often; 0: for ever");
  }
}

void add_state_verbs(CLI::App& app, Options& options, Action& chosen) {
  auto* xid = verb(app, "xid", "Post a critical XID event", chosen, post_xid);
  xid->add_option("gpu", options.gpu, "index, all or unknown")->required();
  xid->add_option("xid", options.xid, "number, as 79")->required();
  xid->add_option("--gi", options.gi, "GPU instance id");
  xid->add_option("--ci", options.ci, "compute instance id");
  auto* lose = verb(app, "lose", "Let a GPU fall off the bus", chosen,
                    [](const Options& given) -> Result<void> {
                      TRY(FakeNvmlControl steer, control(given));
                      steer.lose(given.index);
                      return {};
                    });
  auto* recover = verb(app, "recover", "Bring a lost GPU back", chosen,
                       [](const Options& given) -> Result<void> {
                         TRY(FakeNvmlControl steer, control(given));
                         steer.recover(given.index);
                         return {};
                       });
  for (CLI::App* each : {lose, recover}) {
    each->add_option("gpu", options.index, "index")
        ->required()
        ->check(CLI::Range(0, 63));
  }
  verb(app, "driver", "Unload or load the driver", chosen, set_driver)
      ->add_option("state", options.state, "down or up")
      ->required()
      ->check(CLI::IsMember({"down", "up"}));
  verb(app, "profile", "Another machine, at each process's next init", chosen,
       set_profile)
      ->add_option("file", options.profile, "profile")
      ->required();
  verb(app, "counts", "Print the calls made so far", chosen, print_counts);
  verb(app, "reset", "Nothing injected, nothing counted", chosen,
       [](const Options& given) -> Result<void> {
         TRY(FakeNvmlControl steer, control(given));
         steer.reset();
         return {};
       });
}

void add_tree_verb(CLI::App& app, Options& options, Action& chosen) {
  auto* tree = verb(app, "tree", "Lay out the host files of a profile", chosen,
                    lay_tree);
  tree->add_option("--profile", options.profile, "profile")->required();
  tree->add_option("--root", options.root, "folder")->required();
  tree->add_option("--library", options.library, "libnvidia-ml.so.1 to copy");
  tree->add_option("--copy", options.more_libraries,
                   "further libraries to copy beside it");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(kAbout, "fake-nvml");
  app.require_subcommand(1);
  Options options;
  Action chosen = nullptr;
  app.add_option("--control", options.control, "the control file")
      ->envname("GPUNODE_FAKE_NVML_CONTROL");
  add_state_verbs(app, options, chosen);
  add_fault_verbs(app, options, chosen);
  add_tree_verb(app, options, chosen);
  CLI11_PARSE(app, argc, argv);
  const Result<void> done = chosen(options);
  if (!done) {
    std::fprintf(stderr, "fake-nvml: %s\n", done.error().message().c_str());
    return 1;
  }
  return 0;
}
