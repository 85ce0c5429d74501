// The text of Prometheus' exposition format, version 0.0.4: how names, labels
// and numbers are spelled. What is exposed is registry.h's business.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace gpunode::metrics {

/// The Content-Type of an exposition.
inline constexpr std::string_view kContentType =
    "text/plain; version=0.0.4; charset=utf-8";

/// Label names and values of one series, in the order of the names.
using Labels = std::map<std::string, std::string>;

/// [a-zA-Z_:][a-zA-Z0-9_:]*
bool is_metric_name(std::string_view name);

/// [a-zA-Z_][a-zA-Z0-9_]*, without the reserved prefix "__".
bool is_label_name(std::string_view name);

/// Appends `text` with backslash and line feed escaped, as HELP wants it.
/// Bytes that are not UTF-8 become U+FFFD: one of them anywhere would make
/// Prometheus throw the whole scrape away.
void append_help(std::string& out, std::string_view text);

/// Appends `name="value"` pairs, joined by commas, with backslash, line feed
/// and double quote escaped, and UTF-8 mended as in append_help.
void append_labels(std::string& out, const Labels& labels);

/// Appends the shortest text that reads back as `value`; +Inf, -Inf, NaN.
void append_value(std::string& out, double value);

}  // namespace gpunode::metrics
