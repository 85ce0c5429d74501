#include "bench/load_options.h"

#include <charconv>
#include <map>

#include "bench/cuda_driver.h"

namespace gpunode::bench {

namespace {

constexpr double kLeastSeconds = 0.001;
constexpr double kMostSeconds = 3600;

[[noreturn]] void refuse(const std::string& why) {
  give_up("gpu_load: " + why +
          "; what it takes stands at the head of bench/gpu_load.cc");
}

double number_of(std::string_view option, std::string_view text, double least,
                 double most) {
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, number);
  if (read.ec != std::errc() || read.ptr != end || !(number >= least) ||
      number > most) {
    refuse(std::string(option) + " takes a number from " +
           std::to_string(least) + " to " + std::to_string(most) + ", not '" +
           std::string(text) + "'");
  }
  return number;
}

WorkKind kind_of(std::string_view word) {
  static const std::map<std::string_view, WorkKind> kKinds = {
      {"kernels", WorkKind::kKernels},
      {"graph", WorkKind::kGraph},
      {"copies", WorkKind::kCopies},
      {"mixed", WorkKind::kMixed},
      {"persistent", WorkKind::kPersistent},
      {"inference", WorkKind::kInference}};
  const auto found = kKinds.find(word);
  if (found == kKinds.end()) {
    refuse("no kind of work is called '" + std::string(word) + "'");
  }
  return found->second;
}

void hold_together(const LoadOptions& options) {
  const WorkKind kind = options.shape.kind;
  if (kind == WorkKind::kInference &&
      (options.burst < 1 || options.idle_us <= 0)) {
    refuse("inference needs --burst and --idle-us");
  }
  if (kind != WorkKind::kInference &&
      (options.burst > 0) != (options.idle_us > 0)) {
    refuse("--burst and --idle-us go together");
  }
  if ((kind == WorkKind::kInference || kind == WorkKind::kPersistent) &&
      (options.streams > 1 || options.threads > 1)) {
    refuse("this kind of work is for one thread and one stream");
  }
  if (options.is_to_the_end &&
      (kind == WorkKind::kInference || kind == WorkKind::kPersistent ||
       options.burst > 0)) {
    refuse("--to-the-end is for work without pauses");
  }
}

}  // namespace

LoadOptions load_options(const std::vector<std::string_view>& words) {
  LoadOptions options;
  if (words.empty()) refuse("which kind of work?");
  options.shape.kind = kind_of(words[0]);
  double loops = 0;
  double blocks = 0;
  double blocks_a_processor = 0;
  double copy_mib = 64;
  struct Number {
    double* into;
    double least;
    double most;
  };
  const std::map<std::string_view, Number> numbers = {
      {"--kernel-us", {&options.shape.kernel_us, 1, 60e6}},
      {"--burst", {&options.burst, 1, 1e6}},
      {"--idle-us", {&options.idle_us, 1, 60e6}},
      {"--seconds", {&options.seconds, kLeastSeconds, kMostSeconds}},
      {"--streams", {&options.streams, 1, 64}},
      {"--threads", {&options.threads, 1, 64}},
      {"--buckets-ms", {&options.buckets_ms, 1, 3600e3}},
      {"--loops", {&loops, 1, 1e15}},
      {"--unit-us", {&options.shape.unit_us, 0.001, 60e6}},
      {"--blocks", {&blocks, 1, 1e6}},
      {"--blocks-a-processor", {&blocks_a_processor, 1, 1e4}},
      {"--copy-mib", {&copy_mib, 1, 16384}}};
  const std::map<std::string_view, bool*> flags = {
      {"--unsynchronised", &options.is_unsynchronised},
      {"--to-the-end", &options.is_to_the_end}};
  for (std::size_t at = 1; at < words.size(); ++at) {
    if (const auto flag = flags.find(words[at]); flag != flags.end()) {
      *flag->second = true;
      continue;
    }
    const auto found = numbers.find(words[at]);
    if (found == numbers.end()) {
      refuse("it has no option '" + std::string(words[at]) + "'");
    }
    if (++at == words.size()) {
      refuse(std::string(found->first) + " lacks its number");
    }
    *found->second.into = number_of(found->first, words[at],
                                    found->second.least, found->second.most);
  }
  options.shape.loops = static_cast<std::uint64_t>(loops);
  options.shape.blocks = static_cast<unsigned>(blocks);
  if (blocks_a_processor > 0) {
    options.shape.blocks_a_processor =
        static_cast<unsigned>(blocks_a_processor);
  }
  options.shape.copy_bytes = static_cast<std::size_t>(copy_mib) << 20U;
  hold_together(options);
  return options;
}

void refuse_line(const std::string& wanted, const std::string& line) {
  give_up("gpu_load: instead of the line '" + wanted + "' came '" + line + "'");
}

double seconds_of(const std::string& line, const LoadOptions& options) {
  if (line == "go") return options.seconds;
  constexpr std::string_view kGo = "go ";
  if (line.compare(0, kGo.size(), kGo) != 0) refuse_line("go", line);
  return number_of("go", std::string_view(line).substr(kGo.size()),
                   kLeastSeconds, kMostSeconds);
}

}  // namespace gpunode::bench
