#include "tests/integration/agent_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <utility>

#include "base/core/unique_fd.h"
#include "tests/doubles/nvml/driver_tree.h"
#include "tests/doubles/nvml/profile.h"

namespace gpunode::integration {
namespace {

std::string read_file(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string exchange(std::uint16_t port, const std::string& request) {
  const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address),
                sizeof address) != 0) {
    return "";
  }
  static_cast<void>(!::write(socket.get(), request.data(), request.size()));
  std::string answer;
  char buffer[4096];
  for (ssize_t n = 0; (n = ::read(socket.get(), buffer, sizeof buffer)) > 0;) {
    answer.append(buffer, static_cast<std::size_t>(n));
  }
  return answer;
}

}  // namespace

Process::Process(const std::vector<std::string>& argv,
                 const std::map<std::string, std::string>& environment,
                 std::string log_path)
    : log_path_(std::move(log_path)) {
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log_path_.c_str(),
                                     O_WRONLY | O_CREAT | O_APPEND, 0644);
  ::posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  std::vector<std::string> variables;
  for (const auto& [name, value] : environment) {
    variables.push_back(name + "=" + value);
  }
  std::vector<char*> arguments;
  for (const std::string& word : argv) {
    arguments.push_back(const_cast<char*>(word.c_str()));
  }
  arguments.push_back(nullptr);
  std::vector<char*> entries;
  for (std::string& variable : variables) entries.push_back(variable.data());
  entries.push_back(nullptr);
  const int error = ::posix_spawn(&pid_, arguments[0], &actions, nullptr,
                                  arguments.data(), entries.data());
  ::posix_spawn_file_actions_destroy(&actions);
  EXPECT_EQ(error, 0) << argv[0];
  if (error != 0) pid_ = -1;
}

Process::~Process() {
  if (pid_ < 0) return;
  signal(SIGKILL);
  wait();
}

int Process::wait() {
  int status = 0;
  if (pid_ < 0 || ::waitpid(pid_, &status, 0) < 0) return -1;
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

std::string Process::log() const {
  return read_file(log_path_);
}

AgentTest::AgentTest() {
  std::string pattern =
      (std::filesystem::temp_directory_path() / "agentXXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) std::abort();
  folder_ = pattern;
  Result<FakeNvmlControl> control = FakeNvmlControl::open(file("control"));
  EXPECT_TRUE(control.has_value());
  control_ = std::make_unique<FakeNvmlControl>(*std::move(control));
  environment["GPUNODE_FAKE_NVML_CONTROL"] = file("control");
  // Sanitizers find their settings, and only those, in our environment.
  for (const char* name : {"ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"}) {
    if (const char* value = std::getenv(name)) environment[name] = value;
  }
  use_profile("a10g-x1");
}

AgentTest::~AgentTest() {
  if (HasFailure() && agent_) {
    ADD_FAILURE() << "the agent's log:\n" << agent_->log();
  }
  agent_.reset();
  kubelet_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void AgentTest::use_profile(const std::string& name) {
  environment["GPUNODE_FAKE_NVML"] =
      std::string(FAKE_NVML_PROFILES) + "/" + name + ".json";
}

void AgentTest::lay_host_tree(const std::string& profile) const {
  const Result<fake_nvml::Profile> parsed = fake_nvml::load_profile(
      std::string(FAKE_NVML_PROFILES) + "/" + profile + ".json");
  ASSERT_TRUE(parsed.has_value()) << parsed.error().message();
  const Result<void> laid = fake_nvml::lay_driver_tree(
      *parsed, {file("host"), "", FAKE_NVML_LIBRARY, {FAKE_CUDA_LIBRARY}});
  ASSERT_TRUE(laid.has_value()) << laid.error().message();
}

void AgentTest::write_config(const std::string& text) const {
  std::ofstream(file("config.yaml")) << text;
}

void AgentTest::start_kubelet() {
  kubelet_.reset();  // Its directory first, or it would remove our socket.
  auto started = doubles::KubeletDouble::start(plugins_.path());
  ASSERT_TRUE(started.has_value()) << started.error().message();
  kubelet_ = *std::move(started);
}

void AgentTest::start_agent(const std::vector<std::string>& more) {
  std::vector<std::string> argv = launcher;
  argv.insert(
      argv.end(),
      {GPUNODE_AGENT, "--kubelet-socket=" + plugins_.file("kubelet.sock"),
       "--pod-resources-socket=" + plugins_.file("pod-resources/kubelet.sock"),
       std::string("--nvml-library=") + FAKE_NVML_LIBRARY,
       "--host-root=" + file("host"), "--listen-address=127.0.0.1:0"});
  if (std::filesystem::exists(file("config.yaml"))) {
    argv.push_back("--config-file=" + file("config.yaml"));
  }
  argv.insert(argv.end(), more.begin(), more.end());
  agent_.reset();
  std::filesystem::remove(file("log"));
  agent_ = std::make_unique<Process>(argv, environment, file("log"));
}

bool AgentTest::lists(const std::string& resource, std::size_t devices,
                      std::size_t healthy) {
  return kubelet_
      ->wait_for_list(resource,
                      [&](const doubles::DeviceList& list) {
                        return list.devices.size() == devices &&
                               list.healthy() == healthy;
                      })
      .has_value();
}

bool AgentTest::registered(const std::string& resource, std::uint64_t times) {
  return kubelet_->wait_for_registration(resource, times).has_value();
}

bool AgentTest::says(const std::string& text) const {
  return doubles::eventually(
      [&] { return agent_->log().find(text) != std::string::npos; });
}

std::string AgentTest::page(const std::string& path) {
  const std::string mark = "listening on 127.0.0.1:";
  if (!says(mark)) return "";
  const std::string log = agent_->log();
  const int port = std::atoi(log.c_str() + log.find(mark) + mark.size());
  return exchange(
      static_cast<std::uint16_t>(port),
      "GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
}

std::optional<double> AgentTest::metric(const std::string& name,
                                        const std::string& label) {
  std::istringstream lines(page("/metrics"));
  for (std::string line; std::getline(lines, line);) {
    const bool named =
        line.rfind(name + " ", 0) == 0 || line.rfind(name + "{", 0) == 0;
    if (!named || line.find(label) == std::string::npos) continue;
    return std::atof(line.c_str() + line.rfind(' '));
  }
  return std::nullopt;
}

}  // namespace gpunode::integration
