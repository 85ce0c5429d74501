#include "apps/vectoradd/options.h"

#include <cstddef>
#include <cstring>

namespace gpunode::vectoradd {

const char* help_text() {
  return "Usage: gpunode-vectoradd [--elements N] [--device N]\n"
         "\n"
         "Adds two vectors on a GPU and checks every element of the sum: the "
         "shortest\n"
         "proof that a container's GPU works. Needs libcuda.so.1 and nothing "
         "else "
         "of\n"
         "CUDA; the kernel is PTX in the program and runs on Maxwell and "
         "later.\n"
         "\n"
         "  --elements N   length of the vectors, 1 to 1000000000 (default "
         "50000)\n"
         "  --device N     which of the GPUs that CUDA shows (default 0)\n"
         "  --help         this text\n"
         "  --version      the version\n"
         "\n"
         "Exit codes:\n"
         "   0  Test PASSED\n"
         "   1  a CUDA call failed; its result's name is on standard error\n"
         "   3  wrong result: the GPU computed something else\n"
         "   4  no driver library: libcuda.so.1 cannot be loaded\n"
         "   5  no driver: the library loads, the driver behind it does not "
         "work\n"
         "   6  no device: the driver works and shows no GPU, or not the one "
         "asked\n"
         "  64  the command line is wrong";
}

const char* version_text() {
  return "gpunode-vectoradd " GPUNODE_VERSION;
}

namespace {

// strtoul would do, but newer C libraries rename it under newer standards.
bool parse_number(const char* text, std::uint32_t most, std::uint32_t* number) {
  if (*text == '\0') return false;
  std::uint64_t value = 0;
  for (; *text != '\0'; ++text) {
    if (*text < '0' || *text > '9') return false;
    value = value * 10 + static_cast<std::uint64_t>(*text - '0');
    if (value > most) return false;
  }
  *number = static_cast<std::uint32_t>(value);
  return true;
}

/// The value of `name` at arguments[*at], as `name VALUE` or `name=VALUE`;
/// null if that argument is another one, "" if the value is missing.
const char* value_of(const char* name, int count, const char* const* arguments,
                     int* at) {
  const char* argument = arguments[*at];
  const std::size_t length = std::strlen(name);
  // NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): *at < count
  if (std::strncmp(argument, name, length) != 0) return nullptr;
  if (argument[length] == '=') return argument + length + 1;
  if (argument[length] != '\0') return nullptr;
  if (*at + 1 >= count) return "";
  return arguments[++*at];
}

Options refuse(const char* argument, const char* expected) {
  Options options;
  options.action = Options::Action::kRefuse;
  options.argument = argument;
  options.expected = expected;
  return options;
}

Options act(Options::Action action) {
  Options options;
  options.action = action;
  return options;
}

}  // namespace

Options parse_options(int count, const char* const* arguments) {
  Options options;
  for (int at = 1; at < count; ++at) {
    const char* argument = arguments[at];
    if (std::strcmp(argument, "--help") == 0 ||
        std::strcmp(argument, "-h") == 0) {
      return act(Options::Action::kHelp);
    }
    if (std::strcmp(argument, "--version") == 0) {
      return act(Options::Action::kVersion);
    }
    std::uint32_t number = 0;
    if (const char* text = value_of("--elements", count, arguments, &at)) {
      if (!parse_number(text, kMostElements, &number) || number == 0) {
        return refuse(argument, "--elements takes a number, 1 to 1000000000");
      }
      options.elements = number;
    } else if (const char* ordinal =
                   value_of("--device", count, arguments, &at)) {
      if (!parse_number(ordinal, 1023, &number)) {
        return refuse(argument, "--device takes a number, 0 to 1023");
      }
      options.device = static_cast<int>(number);
    } else {
      return refuse(argument, "see gpunode-vectoradd --help");
    }
  }
  return options;
}

}  // namespace gpunode::vectoradd
