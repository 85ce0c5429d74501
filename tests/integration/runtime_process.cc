#include "tests/integration/runtime_process.h"

#include <filesystem>
#include <regex>

namespace gpunode::runtime {

RuntimeProcess::RuntimeProcess() {
  tree_.directory("bin");
  tree_.directory("bundle");
  for (const char* name : {"bin/runc", "bin/crun"}) {
    std::filesystem::copy_file(FAKE_RUNC, tree_.path(name));
  }
  env_ = {"PATH=" + tree_.path("bin") + ":/usr/sbin:/usr/bin:/sbin:/bin",
          "NVIDIA_CTK_CONFIG_FILE_PATH=" + tree_.path("config.toml"),
          "FAKE_RUNC_MARK=here"};
}

std::string RuntimeProcess::shim() {
  return GPUNODE_RUNTIME;
}
std::string RuntimeProcess::ordinary() {
  return GPUNODE_RUNTIME_ORDINARY;
}

host::Completed RuntimeProcess::run(const std::string& program,
                                    const std::vector<std::string>& arguments) {
  host::Command command;
  command.argv = {program};
  command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
  command.env = env_;
  host::SystemCommandRunner runner;
  auto completed = runner.run(command);
  EXPECT_TRUE(completed) << completed.error().message();
  return completed ? *std::move(completed) : host::Completed();
}

std::string RuntimeProcess::named(const std::string& name,
                                  const std::string& program) const {
  const std::size_t slash = name.rfind('/');
  if (slash != std::string::npos) {
    tree_.directory("bin/" + name.substr(0, slash));
  }
  tree_.link("bin/" + name, program);
  return tree_.path("bin/" + name);
}

std::vector<std::string> RuntimeProcess::create(
    const std::vector<std::string>& more) const {
  std::vector<std::string> arguments = more;
  for (const std::string& argument :
       {std::string("create"), std::string("--bundle"), tree_.path("bundle"),
        std::string("id")}) {
    arguments.push_back(argument);
  }
  return arguments;
}

void RuntimeProcess::write_config(const std::string& text) const {
  tree_.file("bundle/config.json", text);
}

std::string RuntimeProcess::read_config() const {
  constexpr std::size_t kLargest = std::size_t{128} << 20U;
  const auto text = tree_.root().read_file("bundle/config.json", kLargest);
  EXPECT_TRUE(text);
  return text ? *text : "";
}

void RuntimeProcess::write_toml(const std::string& text) const {
  tree_.file("config.toml", text);
}

std::string without_times(std::string text) {
  static const std::regex kTime("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z");
  return std::regex_replace(text, kTime, "TIME");
}

}  // namespace gpunode::runtime
