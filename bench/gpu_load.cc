// A process that keeps a GPU at work of a described kind for a time, and says
// what it got done: bench/gpu_turns.py runs several beside each other.
//
//   gpu_load KIND [option]...
//
//   KIND: kernels | graph | copies | mixed | persistent | inference
//   --kernel-us N      of one kernel, alone (200)
//   --burst N          units, then a pause; inference: kernels of a request
//   --idle-us N        the pause; inference: from one request to the next
//   --seconds S        how long it works (5)
//   --streams N, --threads N
//   --unsynchronised   launches ahead of the GPU as far as the driver lets it;
//                      else two pieces of half a millisecond, or two units
//   --buckets-ms N     says what was done in each N milliseconds, too
//   --loops N, --unit-us N, --blocks N   what a calibration has found out
//   --blocks-a-processor N    of a kernel, 128 threads each (8)
//   --to-the-end       what is under way when time is over counts, too, and so
//                      does the time until it is done
//   --copy-mib N       of a copy (64)
//
// It says "opened" when it has a context, waits for the line "calibrate", says
// what it found out (`processors`, `blocks`, `loops`, `unit_us`) and "ready",
// waits for the line "go", works, says what came of it, a word and a number a
// line, and "done". "go SECONDS" is another time than --seconds. More such
// lines are more work, until its input ends. Processes are calibrated one after
// another by whoever writes these lines.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bench/cuda_driver.h"
#include "bench/gpu_work.h"
#include "bench/load_options.h"

namespace {

using gpunode::bench::CallTimes;
using gpunode::bench::GpuWork;
using gpunode::bench::load_options;
using gpunode::bench::LoadOptions;
using gpunode::bench::Mark;
using gpunode::bench::quantile;
using gpunode::bench::refuse_line;
using gpunode::bench::seconds_of;
using gpunode::bench::WorkKind;
using gpunode::bench::WorkStream;
using Clock = std::chrono::steady_clock;

using Microseconds = std::chrono::duration<double, std::micro>;

/// What one thread got done.
struct Tally {
  double units = 0;
  std::vector<double> buckets;
  CallTimes calls;
  std::vector<float> latencies;  ///< Of requests, microseconds.
  std::uint64_t missed = 0;      ///< Requests that came during another one.
};

struct Window {
  Clock::time_point begin;
  Clock::time_point end;

  bool is_open() const { return Clock::now() < end; }
  double seconds() const {
    return std::chrono::duration<double>(end - begin).count();
  }
};

/// A thread's streams, kept busy until the window's end.
class Worker {
 public:
  Worker(const LoadOptions& options, const GpuWork& work)
      : options_(options),
        work_(work),
        batch_(static_cast<int>(
            std::clamp(kPieceUs / work.unit_us(), 1.0, 64.0))) {
    for (int i = 0; i < static_cast<int>(options.streams); ++i) {
      lines_.push_back(std::make_unique<Line>(work));
    }
  }

  void run(const Window& window) {
    window_ = window;
    tally_ = {};
    for (const auto& line : lines_) line->seen = window.begin;
    if (options_.shape.kind == WorkKind::kPersistent) {
      persist();
    } else if (options_.shape.kind == WorkKind::kInference) {
      answer_requests();
    } else if (options_.burst > 0) {
      work_in_bursts();
    } else {
      work_on();
    }
  }

  const Tally& tally() const { return tally_; }

 private:
  static constexpr double kPieceUs = 500;
  static constexpr std::size_t kMostPieces = 2;

  /// Units, and the mark behind the last one.
  struct Piece {
    std::unique_ptr<Mark> mark;
    int units = 0;
  };
  struct Line {
    explicit Line(const GpuWork& work) : stream(work) {}
    WorkStream stream;
    std::deque<Piece> pieces;
    std::vector<std::unique_ptr<Mark>> unused;
    Clock::time_point seen;  ///< When a piece was last seen to be done.
  };

  void count(double units, Clock::time_point when) {
    tally_.units += units;
    if (options_.buckets_ms <= 0) return;
    const auto bucket = static_cast<std::size_t>(
        Microseconds(when - window_.begin).count() / 1e3 / options_.buckets_ms);
    if (tally_.buckets.size() <= bucket) tally_.buckets.resize(bucket + 1);
    tally_.buckets[bucket] += units;
  }

  void submit_piece(Line* line) {
    Piece piece;
    if (line->unused.empty()) {
      piece.mark = std::make_unique<Mark>();
    } else {
      piece.mark = std::move(line->unused.back());
      line->unused.pop_back();
    }
    for (; piece.units < batch_ && window_.is_open(); ++piece.units) {
      line->stream.submit(&tally_.calls);
    }
    piece.mark->set(line->stream);
    line->pieces.push_back(std::move(piece));
  }

  void take_done(Line* line) {
    while (!line->pieces.empty() && line->pieces.front().mark->is_passed()) {
      line->seen = Clock::now();
      count(line->pieces.front().units,
            options_.is_to_the_end ? line->seen
                                   : std::min(line->seen, window_.end));
      forget_first(line);
    }
  }

  static void forget_first(Line* line) {
    line->unused.push_back(std::move(line->pieces.front().mark));
    line->pieces.pop_front();
  }

  void work_on() {
    for (std::size_t at = 0; window_.is_open(); ++at) {
      Line* const line = lines_[at % lines_.size()].get();
      submit_piece(line);
      if (!options_.is_unsynchronised && line->pieces.size() > kMostPieces) {
        line->pieces.front().mark->wait();
      }
      if (window_.is_open()) take_done(line);
    }
    for (const auto& line : lines_) finish(line.get());
  }

  /// What is done at the end counts, and of the piece that the GPU was at so
  /// much as the time says: a unit may be long.
  void finish(Line* line) {
    take_done(line);
    while (options_.is_to_the_end && !line->pieces.empty()) {
      line->pieces.front().mark->wait();
      take_done(line);
    }
    if (!line->pieces.empty()) {
      const Clock::time_point before = std::min(line->seen, window_.end);
      line->pieces.front().mark->wait();
      const double whole = Microseconds(Clock::now() - before).count();
      const double part = Microseconds(window_.end - before).count();
      if (whole > 0) {
        count(line->pieces.front().units * std::min(1.0, part / whole),
              window_.end - std::chrono::nanoseconds(1));
      }
    }
    line->stream.synchronize();
    while (!line->pieces.empty()) forget_first(line);
  }

  void work_in_bursts() {
    while (window_.is_open()) {
      for (const auto& line : lines_) submit_burst(line->stream);
      const auto now = Clock::now();
      if (now < window_.end) {
        count(options_.burst * static_cast<double>(lines_.size()), now);
      }
      pause_until(now + to_duration(options_.idle_us));
    }
  }

  void submit_burst(const WorkStream& stream) {
    for (int i = 0; i < static_cast<int>(options_.burst); ++i) {
      stream.submit(&tally_.calls);
    }
    stream.synchronize();
  }

  void answer_requests() {
    const auto period = to_duration(options_.idle_us);
    for (auto next = window_.begin; next < window_.end; next += period) {
      // Nobody asks twice: what came during another request is given up.
      const auto now = std::min(Clock::now(), window_.end);
      for (; next + period < now; next += period) ++tally_.missed;
      pause_until(next);
      if (!window_.is_open()) break;
      submit_burst(lines_.front()->stream);
      const auto end = Clock::now();
      tally_.latencies.push_back(
          static_cast<float>(Microseconds(end - next).count()));
      if (end < window_.end) count(options_.burst, end);
    }
  }

  void persist() {
    const std::uint64_t rounds =
        work_.persist(window_.seconds(), lines_.front()->stream.handle());
    count(static_cast<double>(rounds) / static_cast<double>(work_.loops()),
          window_.end - std::chrono::nanoseconds(1));
  }

  void pause_until(Clock::time_point when) const {
    std::this_thread::sleep_until(std::min(when, window_.end));
  }

  static Clock::duration to_duration(double microseconds) {
    return std::chrono::duration_cast<Clock::duration>(
        Microseconds(microseconds));
  }

  const LoadOptions& options_;
  const GpuWork& work_;
  int batch_;
  std::vector<std::unique_ptr<Line>> lines_;
  Window window_;
  Tally tally_;
};

void say(const std::string& line) {
  std::cout << line << std::endl;
}

void await(const std::string& wanted) {
  std::string line;
  if (!std::getline(std::cin, line) || line != wanted) {
    refuse_line(wanted, line);
  }
}

void report(const LoadOptions& options, double unit_us, double seconds,
            const Tally& tally) {
  std::printf("units_done %.3f\ngpu_ms_done %.3f\nelapsed_ms %.3f\n",
              tally.units, tally.units * unit_us / 1e3, seconds * 1e3);
  tally.calls.print();
  if (options.shape.kind == WorkKind::kInference) {
    std::printf("requests %zu\nrequests_missed %llu\n", tally.latencies.size(),
                static_cast<unsigned long long>(tally.missed));
    std::printf(
        "latency_p50_us %.1f\nlatency_p99_us %.1f\nlatency_max_us %.1f\n",
        quantile(tally.latencies, 0.5), quantile(tally.latencies, 0.99),
        quantile(tally.latencies, 1));
  }
  if (options.buckets_ms > 0) {
    std::printf("buckets");
    const auto count =
        static_cast<std::size_t>(std::ceil(seconds * 1e3 / options.buckets_ms));
    for (std::size_t at = 0; at < count; ++at) {
      std::printf(" %.2f", at < tally.buckets.size() ? tally.buckets[at] : 0.0);
    }
    std::printf("\n");
  }
  say("done");
}

void work_through(const LoadOptions& options, double seconds,
                  const GpuWork& work,
                  const std::vector<std::unique_ptr<Worker>>& workers) {
  Window window;
  window.begin = Clock::now();
  window.end = window.begin + std::chrono::duration_cast<Clock::duration>(
                                  std::chrono::duration<double>(seconds));
  std::vector<std::jthread> threads;
  for (std::size_t at = 1; at < workers.size(); ++at) {
    threads.emplace_back([&work, &window, worker = workers[at].get()] {
      work.enter();
      worker->run(window);
    });
  }
  workers.front()->run(window);
  threads.clear();
  const auto end = Clock::now();
  Tally all;
  for (const auto& worker : workers) {
    const Tally& one = worker->tally();
    all.units += one.units;
    all.missed += one.missed;
    all.calls.add(one.calls);
    all.latencies.insert(all.latencies.end(), one.latencies.begin(),
                         one.latencies.end());
    all.buckets.resize(std::max(all.buckets.size(), one.buckets.size()));
    for (std::size_t i = 0; i < one.buckets.size(); ++i) {
      all.buckets[i] += one.buckets[i];
    }
  }
  if (options.is_to_the_end) {
    window.end = end;
    seconds = window.seconds();
  }
  report(options, work.unit_us(), seconds, all);
}

}  // namespace

int main(int count, char** arguments) {
  const LoadOptions options = load_options({arguments + 1, arguments + count});
  GpuWork work(options.shape);
  say("opened");
  await("calibrate");
  work.calibrate();
  std::vector<std::unique_ptr<Worker>> workers;
  for (int i = 0; i < static_cast<int>(options.threads); ++i) {
    workers.push_back(std::make_unique<Worker>(options, work));
  }
  say("processors " + std::to_string(work.processors()));
  say("blocks " + std::to_string(work.blocks()));
  say("loops " + std::to_string(work.loops()));
  say("unit_us " + std::to_string(work.unit_us()));
  say("ready");
  std::string line;
  std::getline(std::cin, line);
  do {
    work_through(options, seconds_of(line, options), work, workers);
  } while (std::getline(std::cin, line));
  return 0;
}
