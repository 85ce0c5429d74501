// gpunode-vectoradd: does this container's GPU work?
//
// Of the old-glibc class: neither exceptions nor libstdc++ (docs/adr/0005).
#include "apps/vectoradd/addition.h"
#include "apps/vectoradd/driver.h"
#include "apps/vectoradd/exit_code.h"
#include "apps/vectoradd/message.h"
#include "apps/vectoradd/options.h"

namespace {

using gpunode::vectoradd::Driver;
using gpunode::vectoradd::ExitCode;
using gpunode::vectoradd::Options;

ExitCode run(const Options& options) {
  using namespace gpunode::vectoradd;  // NOLINT(google-build-using-namespace)
  switch (options.action) {
    case Options::Action::kHelp:
      say("%s", help_text());
      return ExitCode::kPassed;
    case Options::Action::kVersion:
      say("%s", version_text());
      return ExitCode::kPassed;
    case Options::Action::kRefuse:
      complain({"this argument is not understood", options.expected},
               "gpunode-vectoradd: %s", options.argument);
      return ExitCode::kUsage;
    case Options::Action::kAdd:
      break;
  }
  Driver driver;
  if (const char* problem = load_driver("libcuda.so.1", &driver)) {
    complain({"the container has no NVIDIA driver library that loads; the GPU "
              "runtime mounts it into containers that ask for a GPU",
              "check that the Pod asks for nvidia.com/gpu and that ldconfig -p "
              "| grep libcuda finds one; on the node, nvidia-smi must work"},
             "gpunode-vectoradd: %s", problem);
    return ExitCode::kNoLibrary;
  }
  return run_addition(driver, options);
}

}  // namespace

extern "C" int main(int argc, char** argv) {
  return static_cast<int>(run(gpunode::vectoradd::parse_options(argc, argv)));
}
