#include "tests/doubles/cuda/environment.h"

#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>

namespace gpunode::fake_cuda {

namespace {

std::optional<std::string> variable(const char* name) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): as every library with a variable.
  const char* value = std::getenv(name);
  if (value == nullptr) return std::nullopt;
  return std::string(value);
}

std::vector<std::string_view> pieces(std::string_view text, char separator) {
  std::vector<std::string_view> all;
  while (!text.empty()) {
    const std::size_t end = text.find(separator);
    const std::string_view piece = text.substr(0, end);
    if (!piece.empty()) all.push_back(piece);
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return all;
}

template <class Number>
bool parse_number(std::string_view text, Number* number) {
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, *number);
  return read.ec == std::errc() && read.ptr == end;
}

struct NamedResult {
  std::string_view name;
  abi::CUresult result;
};

constexpr std::array kResults = {
#define GPUNODE_CUDA_NAMED(name, value, sentence) NamedResult{#name, abi::name},
    GPUNODE_CUDA_RESULTS(GPUNODE_CUDA_NAMED)
#undef GPUNODE_CUDA_NAMED
};

bool parse_result(std::string_view text, abi::CUresult* result) {
  int number = 0;
  if (parse_number(text, &number)) {
    *result = static_cast<abi::CUresult>(number);
    return true;
  }
  for (const NamedResult& named : kResults) {
    if (named.name != text) continue;
    *result = named.result;
    return true;
  }
  return false;
}

bool parse_failure(std::string_view piece, PlannedFailure* failure) {
  const std::size_t colon = piece.find(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  const std::size_t at = piece.find('@', colon);
  failure->call = std::string(piece.substr(0, colon));
  if (at != std::string_view::npos &&
      (!parse_number(piece.substr(at + 1), &failure->nth) ||
       failure->nth == 0)) {
    return false;
  }
  const std::size_t length = at == std::string_view::npos ? at : at - colon - 1;
  return parse_result(piece.substr(colon + 1, length), &failure->result);
}

void complain(const char* name, std::string_view piece) {
  std::fprintf(stderr, "fake libcuda: %s: cannot read '%.*s'\n", name,
               static_cast<int>(piece.size()), piece.data());
}

}  // namespace

std::vector<PlannedFailure> parse_failures(std::string_view text) {
  std::vector<PlannedFailure> failures;
  for (const std::string_view piece : pieces(text, ',')) {
    PlannedFailure failure;
    if (parse_failure(piece, &failure)) {
      failures.push_back(std::move(failure));
    } else {
      complain("GPUNODE_FAKE_CUDA_FAIL", piece);
    }
  }
  return failures;
}

std::vector<std::pair<std::string, std::string>> parse_mutations(
    std::string_view text) {
  std::vector<std::pair<std::string, std::string>> mutations;
  for (const std::string_view piece : pieces(text, ';')) {
    const std::size_t equals = piece.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      complain("GPUNODE_FAKE_CUDA_MUTATE", piece);
      continue;
    }
    mutations.emplace_back(piece.substr(0, equals), piece.substr(equals + 1));
  }
  return mutations;
}

Environment Environment::of_process() {
  Environment environment;
  environment.device_root = variable("GPUNODE_FAKE_DEV").value_or("/dev");
  environment.profile = variable("GPUNODE_FAKE_NVML").value_or("");
  environment.visible_devices = variable("CUDA_VISIBLE_DEVICES");
  environment.failures =
      parse_failures(variable("GPUNODE_FAKE_CUDA_FAIL").value_or(""));
  environment.mutations =
      parse_mutations(variable("GPUNODE_FAKE_CUDA_MUTATE").value_or(""));
  return environment;
}

}  // namespace gpunode::fake_cuda
