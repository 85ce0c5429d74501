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

struct Words {
  Task task = Task::kReport;
  const char* library = nullptr;
  int device = 0;
  int parent = 0;  ///< 0: nobody in particular.
};

bool is_task(const char* argument, Task* task) {
  if (std::strcmp(argument, "--health") == 0) {
    *task = Task::kHealth;
  } else if (std::strcmp(argument, "--use") == 0) {
    *task = Task::kUse;
  } else if (std::strcmp(argument, "--vectoradd") == 0) {
    *task = Task::kVectorAdd;
  } else {
    return false;
  }
  return true;
}

/// One that has a value.
bool is_option(const char* argument) {
  return std::strcmp(argument, "--library") == 0 ||
         std::strcmp(argument, "--device") == 0 ||
         std::strcmp(argument, "--parent") == 0;
}

/// False if it cannot have that value.
bool take(const char* option, const char* value, Words* words) {
  if (std::strcmp(option, "--library") == 0) {
    words->library = value;
    return true;
  }
  if (std::strcmp(option, "--device") == 0) {
    words->device = parse_number(value, kMostDevices);
    return words->device >= 0;
  }
  words->parent = parse_number(value, kMostPid);
  return words->parent > 0;
}

int run(const Words& words) {
  const char* const library = words.library;
  switch (words.task) {
    case Task::kHealth:
      return report_health(library != nullptr ? library : kNvml);
    case Task::kUse:
      return report_use(library != nullptr ? library : kNvml);
    case Task::kVectorAdd:
      return add_vectors(library != nullptr ? library : kCuda, words.device);
    case Task::kReport:
      break;
  }
  return report(library != nullptr ? library : kNvml);
}

}  // namespace

extern "C" int main(int argc, char** argv) {
  Words words;
  for (int i = 1; i < argc; ++i) {
    const char* argument = argv[i];
    if (std::strcmp(argument, "--help") == 0) {
      return say(kHelp);
    }
    if (std::strcmp(argument, "--version") == 0) {
      return say("gpunode-probe " GPUNODE_VERSION "\n");
    }
    if (is_task(argument, &words.task)) continue;
    if (i + 1 == argc || !is_option(argument)) return refuse(argument);
    if (!take(argument, argv[++i], &words)) return refuse(argv[i]);
  }
  if (words.parent != 0 && !end_with(words.parent)) return kFailed;
  return run(words);
}
