#include "base/metrics/registry.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iterator>
#include <utility>

#include <fmt/format.h>

namespace gpunode::metrics {
namespace {

[[noreturn]] void abort_on(const char* bug, const std::string& name) {
  std::fprintf(stderr, "metrics: %s: \"%s\"\n", bug, name.c_str());
  std::abort();
}

Counter empty_like(const Counter& /*model*/) {
  return {};
}
Sum empty_like(const Sum& /*model*/) {
  return {};
}
Gauge empty_like(const Gauge& /*model*/) {
  return {};
}
Histogram empty_like(const Histogram& model) {
  return Histogram(model.bounds());
}

const char* type_name(const Counter& /*cell*/) {
  return "counter";
}
const char* type_name(const Sum& /*cell*/) {
  return "counter";
}
const char* type_name(const Gauge& /*cell*/) {
  return "gauge";
}
const char* type_name(const Histogram& /*cell*/) {
  return "histogram";
}

void append_line(std::string& out, std::string_view name,
                 std::string_view label_text, double value) {
  out += name;
  if (!label_text.empty()) {
    out += '{';
    out += label_text;
    out += '}';
  }
  out += ' ';
  append_value(out, value);
  out += '\n';
}

void append_line(std::string& out, std::string_view name,
                 std::string_view label_text, std::uint64_t value) {
  // Not through a double: counters stay exact beyond 2^53.
  if (label_text.empty()) {
    fmt::format_to(std::back_inserter(out), "{} {}\n", name, value);
  } else {
    fmt::format_to(std::back_inserter(out), "{}{{{}}} {}\n", name, label_text,
                   value);
  }
}

void append_series(std::string& out, const std::string& name,
                   const std::string& label_text, const Counter& cell) {
  append_line(out, name, label_text, cell.value());
}

void append_series(std::string& out, const std::string& name,
                   const std::string& label_text, const Sum& cell) {
  append_line(out, name, label_text, cell.value());
}

void append_series(std::string& out, const std::string& name,
                   const std::string& label_text, const Gauge& cell) {
  append_line(out, name, label_text, cell.value());
}

void append_series(std::string& out, const std::string& name,
                   const std::string& label_text, const Histogram& cell) {
  // The count is that of the buckets as read here, so that the page agrees
  // with itself while others observe.
  std::uint64_t count = 0;
  for (std::size_t i = 0; i <= cell.bounds().size(); ++i) {
    count += cell.in_bucket(i);
    std::string with_bound = label_text;
    if (!with_bound.empty()) with_bound += ',';
    with_bound += "le=\"";
    append_value(with_bound,
                 i < cell.bounds().size() ? cell.bounds()[i] : HUGE_VAL);
    with_bound += '"';
    append_line(out, name + "_bucket", with_bound, count);
  }
  append_line(out, name + "_sum", label_text, cell.sum());
  append_line(out, name + "_count", label_text, count);
}

}  // namespace

Histogram::Histogram(std::vector<double> bounds)
    : cell_(std::make_shared<Cell>()) {
  const bool finite =
      std::all_of(bounds.begin(), bounds.end(),
                  [](double bound) { return std::isfinite(bound); });
  if (!finite || std::adjacent_find(bounds.begin(), bounds.end(),
                                    std::greater_equal<>()) != bounds.end()) {
    abort_on("bounds must be finite and ascend", "histogram");
  }
  cell_->counts = std::vector<std::atomic<std::uint64_t>>(bounds.size() + 1);
  cell_->bounds = std::move(bounds);
}

void Histogram::observe(double value) const {
  const auto bucket =
      std::lower_bound(cell_->bounds.begin(), cell_->bounds.end(), value);
  // NaN compares with nothing and must not land in the first bucket.
  const std::ptrdiff_t i = std::isnan(value) ? std::ssize(cell_->bounds)
                                             : bucket - cell_->bounds.begin();
  cell_->counts[static_cast<std::size_t>(i)].fetch_add(
      1, std::memory_order_relaxed);
  cell_->sum.fetch_add(value, std::memory_order_relaxed);
}

template <class Kind>
Kind Registry::find_or_add(const std::string& name, std::string_view help,
                           const Labels& labels, const Kind& model) {
  if (!is_metric_name(name)) abort_on("not a metric name", name);
  for (const auto& [label, value] : labels) {
    if (!is_label_name(label) || label == "le") {
      abort_on("not a label name", label);
    }
  }
  std::string text;
  append_labels(text, labels);

  const MutexLock lock(mutex_);
  Family& family =
      families_.try_emplace(name, Family{std::string(help), model, {}})
          .first->second;
  const Kind* kind = std::get_if<Kind>(&family.model);
  if (kind == nullptr) abort_on("asked for as two kinds", name);
  auto found = family.series.find(text);
  if (found == family.series.end()) {
    found = family.series
                .emplace(std::move(text), Series{labels, empty_like(*kind)})
                .first;
  }
  return std::get<Kind>(found->second.cell);
}

Counter Registry::counter(const std::string& name, std::string_view help,
                          const Labels& labels) {
  return find_or_add(name, help, labels, Counter());
}

Sum Registry::sum(const std::string& name, std::string_view help,
                  const Labels& labels) {
  return find_or_add(name, help, labels, Sum());
}

Gauge Registry::gauge(const std::string& name, std::string_view help,
                      const Labels& labels) {
  return find_or_add(name, help, labels, Gauge());
}

Histogram Registry::histogram(const std::string& name, std::string_view help,
                              const std::vector<double>& bounds,
                              const Labels& labels) {
  return find_or_add(name, help, labels, Histogram(bounds));
}

void Registry::remove_labelled(const std::string& label,
                               const std::string& value) {
  const MutexLock lock(mutex_);
  for (auto& [name, family] : families_) {
    std::erase_if(family.series, [&](const auto& entry) {
      const Labels& labels = entry.second.labels;
      const auto found = labels.find(label);
      return found != labels.end() && found->second == value;
    });
  }
}

std::string Registry::expose() const {
  std::string page;
  const MutexLock lock(mutex_);
  for (const auto& [name, family] : families_) {
    if (family.series.empty()) continue;
    page += "# HELP " + name + ' ';
    append_help(page, family.help);
    page += "\n# TYPE " + name + ' ';
    page += std::visit([](const auto& cell) { return type_name(cell); },
                       family.model);
    page += '\n';
    for (const auto& [text, series] : family.series) {
      // Not structured bindings inside the lambda: clang 14 cannot capture.
      const std::string& label_text = text;
      const std::string& family_name = name;
      std::visit(
          [&](const auto& cell) {
            append_series(page, family_name, label_text, cell);
          },
          series.cell);
    }
  }
  return page;
}

}  // namespace gpunode::metrics
