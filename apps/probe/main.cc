// gpunode-probe: loads the driver's NVML or CUDA so that others need not.
//
// A library that hangs or crashes takes this process with it and nothing else.
// Of the old-glibc class: neither exceptions nor libstdc++ (docs/adr/0005).
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>

#include "apps/probe/driver_siblings.h"
#include "apps/probe/health_report.h"
#include "apps/probe/nvml_report.h"
#include "apps/probe/use_report.h"
#include "apps/vectoradd/addition.h"
#include "apps/vectoradd/driver.h"
#include "apps/vectoradd/options.h"

namespace {

constexpr const char* kNvml = "libnvidia-ml.so.1";
constexpr const char* kCuda = "libcuda.so.1";

constexpr int kDone = 0;
constexpr int kFailed = 1;
constexpr int kUsage = 64;

constexpr const char* kHelp =
    "gpunode-probe: what only the driver's libraries tell of the GPUs, as "
    "JSON.\n"
    "\n"
    "usage: gpunode-probe [--library FILE] [--parent PID]\n"
    "       gpunode-probe --health [--library FILE] [--parent PID]\n"
    "       gpunode-probe --use [--library FILE] [--parent PID]\n"
    "       gpunode-probe --vectoradd [--library FILE] [--device N]\n"
    "       gpunode-probe --help | --version\n"
    "\n"
    "  --library FILE   load this libnvidia-ml.so.1, with --vectoradd this\n"
    "                   libcuda.so.1; else the loader finds it\n"
    "  --health         whether NVML starts and says that the GPUs are well\n"
    "  --use            what the GPUs do at this moment, and for which "
    "processes\n"
    "  --vectoradd      add two vectors on a GPU by CUDA; says what the CUDA\n"
    "                   sample says, and exits as gpunode-vectoradd does\n"
    "  --device N       which GPU, of those that CUDA shows; 0 by default\n"
    "  --parent PID     end when the process that started it, of this id,\n"
    "                   ends, whatever the driver does; at once if it has\n"
    "\n"
    "gpunode runs it for what the kernel's files do not tell. It wakes every\n"
    "GPU, which takes seconds on a node without persistence mode.\n"
    "Exit code 0: done; 1: the library does not load or answer; 64: usage.\n";

enum class Task { kReport, kHealth, kUse, kVectorAdd };

int no_library(const char* problem) {
  std::fprintf(stderr,
               "gpunode-probe: %s; is the driver's user-space part "
               "installed?\n",
               problem);
  return kFailed;
}

int report(const char* library) {
  gpunode::probe::Nvml nvml;
  if (const char* problem = gpunode::probe::load_nvml(library, &nvml)) {
    return no_library(problem);
  }
  const bool is_reported = gpunode::probe::report(nvml, stdout, stderr);
  return is_reported && std::fflush(stdout) == 0 ? kDone : kFailed;
}

int report_health(const char* library) {
  gpunode::probe::HealthCalls nvml;
  if (const char* problem = gpunode::probe::load_health(library, &nvml)) {
    return no_library(problem);
  }
  gpunode::probe::report_health(nvml, stdout);
  return std::fflush(stdout) == 0 ? kDone : kFailed;
}

int report_use(const char* library) {
  gpunode::probe::UseCalls nvml;
  if (const char* problem = gpunode::probe::load_use(library, &nvml)) {
    return no_library(problem);
  }
  gpunode::probe::report_use(nvml, stdout);
  return std::fflush(stdout) == 0 ? kDone : kFailed;
}

int add_vectors(const char* library, int device) {
  gpunode::probe::load_siblings(library);
  gpunode::vectoradd::Driver driver;
  if (const char* problem = gpunode::vectoradd::load_driver(library, &driver)) {
    no_library(problem);
    return static_cast<int>(gpunode::vectoradd::ExitCode::kNoLibrary);
  }
  gpunode::vectoradd::Options options;
  options.device = device;
  return static_cast<int>(gpunode::vectoradd::run_addition(driver, options));
}

constexpr int kMostDevices = 9'999;
// Linux: 2^22 at the most.
constexpr int kMostPid = 4'194'304;

/// A number in decimal digits up to `most`; -1 for anything else.
int parse_number(const char* text, int most) {
  int number = 0;
  if (*text == '\0') return -1;
  for (; *text != '\0'; ++text) {
    if (*text < '0' || *text > '9') return -1;
    number = number * 10 + (*text - '0');
    if (number > most) return -1;
  }
  return number;
}

/// The driver may never answer: then whoever asked ends it, or ends.
bool end_with(pid_t parent) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): the API's way.
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return false;
  return ::getppid() == parent;  // Else it has ended before.
}

/// A full disk shows when what was written leaves this process.
int say(const char* text) {
  const bool is_said =
      std::fputs(text, stdout) >= 0 && std::fflush(stdout) == 0;
  if (!is_said) std::perror("gpunode-probe: write standard output");
  return is_said ? kDone : kFailed;
}

int refuse(const char* argument) {
  std::fprintf(stderr,
               "gpunode-probe: %s: not understood; see gpunode-probe --help\n",
               argument);
  return kUsage;
}

int run(Task task, const char* library, int device) {
  switch (task) {
    case Task::kHealth:
      return report_health(library != nullptr ? library : kNvml);
    case Task::kUse:
      return report_use(library != nullptr ? library : kNvml);
    case Task::kVectorAdd:
      return add_vectors(library != nullptr ? library : kCuda, device);
    case Task::kReport:
      break;
  }
  return report(library != nullptr ? library : kNvml);
}

}  // namespace

extern "C" int main(int argc, char** argv) {
  Task task = Task::kReport;
  const char* library = nullptr;
  int device = 0;
  for (int i = 1; i < argc; ++i) {
    const char* argument = argv[i];
    const bool has_value = i + 1 < argc;
    if (std::strcmp(argument, "--help") == 0) {
      return say(kHelp);
    }
    if (std::strcmp(argument, "--version") == 0) {
      return say("gpunode-probe " GPUNODE_VERSION "\n");
    }
    if (std::strcmp(argument, "--health") == 0) {
      task = Task::kHealth;
    } else if (std::strcmp(argument, "--use") == 0) {
      task = Task::kUse;
    } else if (std::strcmp(argument, "--vectoradd") == 0) {
      task = Task::kVectorAdd;
    } else if (std::strcmp(argument, "--library") == 0 && has_value) {
      library = argv[++i];
    } else if (std::strcmp(argument, "--device") == 0 && has_value) {
      device = parse_number(argv[++i], kMostDevices);
      if (device < 0) return refuse(argv[i]);
    } else if (std::strcmp(argument, "--parent") == 0 && has_value) {
      const int parent = parse_number(argv[++i], kMostPid);
      if (parent < 1) return refuse(argv[i]);
      if (!end_with(parent)) return kFailed;
    } else {
      return refuse(argument);
    }
  }
  return run(task, library, device);
}
