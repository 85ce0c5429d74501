#include "node/facts/recording.h"

#include <algorithm>
#include <utility>

#include "node/facts/host_text.h"

namespace gpunode::facts {
namespace {

std::string attribute_key(const std::string& path, const std::string& name) {
  return name + " " + path;
}

/// Asks a host and keeps what it says.
class Recorder final : public host::HostReads {
 public:
  Recorder(host::HostRoot host, Recording& recording)
      : host_(std::move(host)), recording_(recording) {}

  Result<std::string> read_file(const std::string& path,
                                std::size_t limit_bytes) override {
    auto answer = host_.read_file(path, limit_bytes);
    // One reader's limit is no fact of the file, if another got all of it.
    if (!answer && recording_.files.contains(path)) return answer;
    return kept(recording_.files, path, std::move(answer));
  }

  Result<host::FileStatus> status(const std::string& path) override {
    return kept(recording_.statuses, path, host_.status(path));
  }

  Result<std::string> read_link(const std::string& path) override {
    return kept(recording_.links, path, host_.read_link(path));
  }

  Result<std::string> read_attribute(const std::string& path,
                                     const std::string& name) override {
    return kept(recording_.attributes, attribute_key(path, name),
                host_.read_attribute(path, name));
  }

  Result<std::string> resolve(const std::string& path) override {
    auto answer = host_.resolve(path);
    auto told = answer;
    if (told) *told = inside(host_, *std::move(told));
    static_cast<void>(kept(recording_.resolved, path, std::move(told)));
    return answer;
  }

  Result<std::vector<std::string>> list_directory(
      const std::string& path) override {
    return kept(recording_.listings, path, host_.list_directory(path));
  }

  Result<std::size_t> count_entries(const std::string& path,
                                    std::size_t limit) override {
    return kept(recording_.counts, path, host_.count_entries(path, limit));
  }

 private:
  template <class T>
  Result<T> kept(std::map<std::string, Outcome<T>>& answers,
                 const std::string& path, Result<T> answer) {
    if (answer) {
      answers[path] = *answer;
    } else {
      answers[path] = RecordedError{answer.error().code(),
                                    inside(host_, answer.error().message())};
    }
    return answer;
  }

  host::HostRoot host_;
  Recording& recording_;
};

Error to_error(const RecordedError& error) {
  return {error.code, error.message};
}

class Replay final : public host::HostReads {
 public:
  explicit Replay(std::shared_ptr<const Recording> recording)
      : recording_(std::move(recording)) {}

  Result<std::string> read_file(const std::string& path,
                                std::size_t limit_bytes) override {
    auto answer = found(recording_->files, path, "read");
    if (answer && answer->size() > limit_bytes) {
      return Error(ErrorCode::kCorrupt, "read " + path + ": larger than " +
                                            std::to_string(limit_bytes) +
                                            " bytes");
    }
    return answer;
  }

  Result<host::FileStatus> status(const std::string& path) override {
    return found(recording_->statuses, path, "stat");
  }

  Result<std::string> read_link(const std::string& path) override {
    return found(recording_->links, path, "read link");
  }

  Result<std::string> read_attribute(const std::string& path,
                                     const std::string& name) override {
    return found(recording_->attributes, attribute_key(path, name),
                 "read attribute");
  }

  Result<std::string> resolve(const std::string& path) override {
    return found(recording_->resolved, path, "resolve");
  }

  Result<std::vector<std::string>> list_directory(
      const std::string& path) override {
    return found(recording_->listings, path, "list");
  }

  Result<std::size_t> count_entries(const std::string& path,
                                    std::size_t limit) override {
    auto count = found(recording_->counts, path, "list");
    if (count) return std::min(*count, limit);
    return count;
  }

 private:
  template <class T>
  static Result<T> found(const std::map<std::string, Outcome<T>>& answers,
                         const std::string& path, const char* attempt) {
    const auto answer = answers.find(path);
    if (answer == answers.end()) {
      return Error(ErrorCode::kUnavailable,
                   std::string(attempt) + " " + path + ": not in the bundle");
    }
    if (const T* value = std::get_if<T>(&answer->second)) return *value;
    return to_error(std::get<RecordedError>(answer->second));
  }

  std::shared_ptr<const Recording> recording_;
};

}  // namespace

host::HostRoot recorded(const host::HostRoot& host, Recording& recording) {
  recording.is_live = host.prefix() == "/";
  return {host.prefix(), std::make_shared<Recorder>(host, recording)};
}

Result<host::Completed> RecordingRunner::run(const host::Command& command) {
  auto done = inner_.run(command);
  RecordedCommand record;
  record.argv = command.argv;
  record.input = command.input;
  if (done) {
    record.status = done->status;
    record.out = done->out;
    record.err = done->err;
  } else {
    record.has_failed = true;
    record.error = {done.error().code(), done.error().message()};
  }
  recording_.commands.push_back(std::move(record));
  return done;
}

host::HostRoot replayed(std::shared_ptr<const Recording> recording) {
  // Any prefix but "/" is a host that does not run here.
  const char* prefix = recording->is_live ? "/" : "/recorded";
  return {prefix, std::make_shared<Replay>(std::move(recording))};
}

Result<host::Completed> ReplayingRunner::run(const host::Command& command) {
  const auto record = std::ranges::find_if(
      recording_->commands, [&](const RecordedCommand& candidate) {
        return candidate.argv == command.argv &&
               candidate.input == command.input;
      });
  if (record == recording_->commands.end()) {
    return Error(ErrorCode::kUnavailable,
                 "run " + host::command_line(command) + ": not in the bundle");
  }
  if (record->has_failed) return to_error(record->error);
  return host::Completed{record->status, record->out, record->err};
}

}  // namespace gpunode::facts
