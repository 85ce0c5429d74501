// Counters, gauges and histograms, and the page that Prometheus scrapes.
//
// Recording is an atomic operation without a lock or an allocation. A handle is
// a value that shares its cell with the registry: a room may be given handles
// or default-constructed ones, which count for nobody, and a series that left
// the registry may still be written to by a thread that has not heard.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/core/mutex.h"
#include "base/metrics/text_format.h"

namespace gpunode::metrics {

/// Only grows. Any thread.
class Counter {
 public:
  void increment(std::uint64_t by = 1) const {
    cell_->fetch_add(by, std::memory_order_relaxed);
  }
  std::uint64_t value() const { return cell_->load(std::memory_order_relaxed); }

 private:
  std::shared_ptr<std::atomic<std::uint64_t>> cell_ =
      std::make_shared<std::atomic<std::uint64_t>>(0);
};

/// Goes up and down. Any thread.
class Gauge {
 public:
  void set(double value) const {
    cell_->store(value, std::memory_order_relaxed);
  }
  void add(double by) const { cell_->fetch_add(by, std::memory_order_relaxed); }
  double value() const { return cell_->load(std::memory_order_relaxed); }

 private:
  std::shared_ptr<std::atomic<double>> cell_ =
      std::make_shared<std::atomic<double>>(0.0);
};

/// Only grows, by what need not be whole: seconds, say. Any thread.
class Sum {
 public:
  void add(double by) const { cell_->fetch_add(by, std::memory_order_relaxed); }
  double value() const { return cell_->load(std::memory_order_relaxed); }

 private:
  std::shared_ptr<std::atomic<double>> cell_ =
      std::make_shared<std::atomic<double>>(0.0);
};

/// Counts observations by size. Any thread.
class Histogram {
 public:
  /// No bounds: only the number and the sum of what was observed.
  Histogram() : Histogram(std::vector<double>{}) {}
  /// `bounds` are the buckets' upper ends, inclusive, finite and ascending;
  /// the one to +Inf is always there. Others abort.
  explicit Histogram(std::vector<double> bounds);

  void observe(double value) const;

  const std::vector<double>& bounds() const { return cell_->bounds; }
  /// Observations in bucket `i`, not in those below it; `i` up to and
  /// including bounds().size().
  std::uint64_t in_bucket(std::size_t i) const {
    return cell_->counts[i].load(std::memory_order_relaxed);
  }
  double sum() const { return cell_->sum.load(std::memory_order_relaxed); }

 private:
  struct Cell {
    std::vector<double> bounds;
    std::vector<std::atomic<std::uint64_t>> counts;
    std::atomic<double> sum{0.0};
  };
  std::shared_ptr<Cell> cell_;
};

/// What an application exposes. Asking again for a name with the same labels
/// gives a handle to the same cell. A name or label that the format does not
/// have, or one name asked for as two kinds, is a bug and aborts. Any thread.
class Registry {
 public:
  /// By convention the name ends in "_total".
  Counter counter(const std::string& name, std::string_view help,
                  const Labels& labels = {});
  /// A counter of what need not be whole. Its name ends in "_total", too.
  Sum sum(const std::string& name, std::string_view help,
          const Labels& labels = {});
  Gauge gauge(const std::string& name, std::string_view help,
              const Labels& labels = {});
  /// All series of a name have the bounds that it was first asked for with.
  Histogram histogram(const std::string& name, std::string_view help,
                      const std::vector<double>& bounds,
                      const Labels& labels = {});

  /// Drops every series with this label, so that a resource or device that is
  /// gone is not reported for ever. Handles to them count for nobody.
  void remove_labelled(const std::string& label, const std::string& value);

  /// The page: families by name, series by label text.
  std::string expose() const;

 private:
  using Cell = std::variant<Counter, Sum, Gauge, Histogram>;
  struct Series {
    Labels labels;
    Cell cell;
  };
  struct Family {
    std::string help;
    Cell model;  // Its kind, and a histogram's bounds.
    std::map<std::string, Series> series;  // By label text.
  };

  template <class Kind>
  Kind find_or_add(const std::string& name, std::string_view help,
                   const Labels& labels, const Kind& model);

  mutable Mutex mutex_;
  std::map<std::string, Family> families_ GUARDED_BY(mutex_);
};

}  // namespace gpunode::metrics
